"""Numbers for Prometheus. What is a state is read when it is asked for; what is an event is counted as it happens."""

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from interlock.control.change import OPEN, UNSETTLED
from interlock.model.breaker import KINDS, Breaker, BreakerState, kind_of
from interlock.model.change import Change, ChangeFilter, ChangeState
from interlock.model.errors import Unavailable
from interlock.model.signal import Signal
from interlock.runtime.runtime import Runtime
from interlock.sdk.ports import ReadTx

METRICS: Final = CONTENT_TYPE_PLAIN_0_0_4
MOST: Final = 10_000
"""More open changes than that are not counted."""


BUCKETS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)


class _Decisions(Collector):
    """What the core counts by itself, so that counting costs its fast path next to nothing."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Prometheus's protocol for collectors."""
        family = CounterMetricFamily(
            "interlock_decisions",
            "Units of work by how this replica decided on them.",
            labels=("target", "verdict"),
        )
        for (target, verdict), count in sorted(self._runtime.core.ended.items()):
            family.add_metric((target, verdict), count)
        yield family


class _Trips(Collector):
    """Breakers that opened by themselves. Every signal is there from the beginning, so that the first one is seen to grow."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Prometheus's protocol for collectors."""
        family = CounterMetricFamily(
            "interlock_breaker_trips",
            "Breakers that opened by themselves because of work at this replica.",
            labels=("signal",),
        )
        for signal in Signal:
            family.add_metric((signal.value,), self._runtime.core.tripped[signal.value])
        yield family


class _Messages(Collector):
    """What became of messages to people."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Prometheus's protocol for collectors."""
        family = CounterMetricFamily(
            "interlock_messages",
            "Messages to people by what became of them here: delivered, failed (each try), dead (given up).",
            labels=("channel", "outcome"),
        )
        for delivery in self._runtime.office.all:
            for outcome in ("delivered", "failed", "dead"):
                family.add_metric((delivery.name, outcome), delivery.counts[outcome])
        yield family


class _Health(Collector):
    """What the checks of targets' health found."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Prometheus's protocol for collectors."""
        family = CounterMetricFamily(
            "interlock_health_checks",
            "Runs of checks of targets' health by this replica: well, unwell, trouble (could not be run).",
            labels=("target", "check", "outcome"),
        )
        for labels, count in sorted(self._runtime.health_checks.runner.results.items()):
            family.add_metric(labels, count)
        yield family


class Metrics:
    """The metrics of one replica. They name targets, states and checks: never agents, statements or values."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._registry = CollectorRegistry()
        self._gauges()
        self._counters()
        runtime.core.watch.listeners.append(self._moved)
        runtime.store.on_done = self._store_took
        self._registry.register(_Decisions(runtime))
        self._registry.register(_Trips(runtime))
        self._registry.register(_Messages(runtime))
        self._registry.register(_Health(runtime))

    def _gauges(self) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=self._registry)

        self._up = gauge("interlock_check_ok", "Whether a check of /healthz passes.", "check")
        self._open = gauge(
            "interlock_changes_open", "Changes that wait or have no outcome yet.", "target", "state"
        )
        self._sessions = gauge("interlock_sessions", "Agents connected to this replica.", "target")
        self._ledger = gauge("interlock_ledger_entries", "Entries in the ledger.")
        self._well = gauge(
            "interlock_target_well",
            "Whether a check of a target's health is well, for all replicas.",
            "target",
            "check",
        )
        self._refusing = gauge("interlock_breakers_refusing", "Breakers that are open or frozen.")
        self._halted = gauge(
            "interlock_halted", "Whether everything is halted, as far as this replica knows."
        )
        self._open_breakers = gauge(
            "interlock_breakers_open", "Breakers that are open, by the kind of their scope.", "kind"
        )
        self._commits = gauge(
            "interlock_store_commits", "Durable commits of the store since this replica started."
        )
        self._served = gauge("interlock_store_transactions", "Transactions that those commits served.")

    def _counters(self) -> None:
        self._moves = Counter(
            "interlock_changes_moved",
            "Changes that came to a state here.",
            ("target", "state"),
            registry=self._registry,
        )

        self._seconds = Histogram(
            "interlock_store_seconds",
            "How long transactions of the store took, by kind.",
            ("kind",),
            buckets=BUCKETS,
            registry=self._registry,
        )

    def _store_took(self, kind: str, seconds: float) -> None:
        self._seconds.labels(kind).observe(seconds)

    def _moved(self, change: Change) -> None:
        self._moves.labels(change.target, change.state.value).inc()

    async def text(self) -> bytes:
        """Prometheus's text exposition format. While the store does not answer, what comes from it is left out."""
        runtime = self._runtime
        for check in runtime.health():
            self._up.labels(check.name).set(check.ok)
        for name, server in runtime.targets.items():
            self._sessions.labels(name).set(len(server.gate.sessions))
        self._halted.set(runtime.core.halted)
        self._commits.set(runtime.store.statistics.commits)
        self._served.set(runtime.store.statistics.transactions)
        try:
            await self._from_store()
        except Unavailable:
            self._up.labels("store").set(0)
        return generate_latest(self._registry)

    async def _from_store(self) -> None:
        def read(tx: ReadTx) -> tuple[int, list[tuple[str, ChangeState]], list[Breaker]]:
            found = tx.changes(ChangeFilter(states=(*OPEN, *UNSETTLED), limit=MOST))
            refusing = [b for b in tx.breakers() if b.frozen or b.state is not BreakerState.CLOSED]
            return tx.ledger_size(), [(c.target, c.state) for c in found], refusing

        for status in await self._runtime.health_checks.statuses():
            if status.last is not None:
                self._well.labels(status.target, status.check).set(status.state == "well")
        size, open_, refusing = await self._runtime.store.read(read)
        self._ledger.set(size)
        self._refusing.set(len(refusing))
        kinds = [kind_of(row.scope) for row in refusing if row.state is BreakerState.OPEN]
        for kind in KINDS:
            self._open_breakers.labels(kind).set(kinds.count(kind))
        for target in self._runtime.targets:
            for state in (*OPEN, *UNSETTLED):
                self._open.labels(target, state.value).set(open_.count((target, state)))
