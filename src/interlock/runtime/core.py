"""What all targets of one installation share."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import structlog

from interlock.control import breaker, limits
from interlock.control.deciding import haste
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.change import Change
from interlock.model.errors import InterlockError, Unavailable
from interlock.model.health import Blame
from interlock.model.signal import Trip
from interlock.pipeline.recorded.terms import Terms
from interlock.pipeline.recorded.trips import Found
from interlock.runtime.background import announce
from interlock.runtime.background.refusals import Refusals
from interlock.runtime.background.tasks import Tasks
from interlock.runtime.background.watch import Watch
from interlock.runtime.halting import replicas
from interlock.runtime.halting.switch import KillSwitch
from interlock.runtime.rules.directory import Directory
from interlock.runtime.rules.judge import Judge
from interlock.runtime.rules.policies import Policies
from interlock.runtime.targets.languages import Languages
from interlock.sdk.connector import Live, ReadsText
from interlock.sdk.ports import Notifier, ReadTx, Store, Tx

T = TypeVar("T")
_log = structlog.get_logger(__name__)

HEARTBEAT = 5.0
"""Seconds between two signs of life of a gateway."""

DEAD_AFTER = timedelta(seconds=30)
"""A gateway without a sign of life for that long is dead: others recover what it was executing."""

TRIPS_KEPT = timedelta(days=90)
"""How long it is kept what opened by itself, and why; the ledger keeps it for ever."""

YOUNG = timedelta(seconds=30)
"""A change that this gateway itself moved within that time is not recovered: its pipeline may still be at work."""


class Budgets:
    """Each agent's budget of previews that led to nothing (`control.limits`)."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._buckets: dict[str, limits.Bucket] = {}

    def may_preview(self, agent: str) -> bool:
        bucket = self._buckets.get(agent)
        return bucket is None or limits.may_preview(bucket, self._directory.now())

    def charge(self, agent: str) -> None:
        now = self._directory.now()
        self._buckets[agent] = limits.charge(self._buckets.get(agent) or limits.full(now), now)


class Notifiers:
    """All configured notifiers as one."""

    def __init__(self, notifiers: tuple[Notifier, ...] = ()) -> None:
        self._all = notifiers

    def held(self, change: Change) -> None:
        for notifier in self._all:
            notifier.held(change)

    def moved(self, change: Change) -> None:
        for notifier in self._all:
            notifier.moved(change)

    def reminder(self, change: Change) -> None:
        for notifier in self._all:
            notifier.reminder(change)

    def break_glass(self, person: str, change: Change | None, target: str, until: datetime) -> None:
        for notifier in self._all:
            notifier.break_glass(person, change, target, until)

    def breaker(self, row: Breaker, by: str) -> None:
        for notifier in self._all:
            notifier.breaker(row, by)

    def tripped(self, trip: Trip) -> None:
        for notifier in self._all:
            notifier.tripped(trip)

    def freeze(self, row: Breaker, by: str) -> None:
        for notifier in self._all:
            notifier.freeze(row, by)

    def still_frozen(self, row: Breaker, now: datetime) -> None:
        for notifier in self._all:
            notifier.still_frozen(row, now)

    def halt(self, row: Breaker, by: str) -> None:
        for notifier in self._all:
            notifier.halt(row, by)

    def drill_failed(self, row: Breaker, replicas: Sequence[str]) -> None:
        for notifier in self._all:
            notifier.drill_failed(row, replicas)

    def health(self, blame: Blame, reverts: Sequence[Change]) -> None:
        for notifier in self._all:
            notifier.health(blame, reverts)


@dataclass
class Core:
    """Built once by `serve`; tests build it on a store in memory."""

    store: Store
    terms: Terms
    directory: Directory
    policies: Policies
    halt_file: InitVar[Path | None] = None
    notifiers: Notifiers = field(default_factory=Notifiers)
    lives: dict[str, Live] = field(default_factory=dict)
    folder: Path = Path(".")
    """The state directory."""
    public_url: str = ""
    """The address of the API as it is known outside; empty when there is none."""
    languages: Mapping[str, ReadsText] = field(default_factory=Languages)
    """What connectors read for each other."""
    ended: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many units of work ended how (permitted, held, refused), by target and ending: for metrics."""
    tripped: Counter[str] = field(default_factory=Counter)
    """How many breakers opened by themselves in transactions of this process, by signal: for metrics."""
    executing: set[str] = field(default_factory=set)
    """Ids of changes that pipelines of this process are executing."""
    concluding: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    """Outcomes that are being recorded in the background, by change."""

    def __post_init__(self, halt_file: Path | None) -> None:
        self.judge = Judge(self.directory, self.policies)
        self.watch = Watch(self.store)
        self.refusals = Refusals(self.watched, self.terms, self.directory.now)
        self.tasks = Tasks()
        self.budgets = Budgets(self.directory)
        self.halt = KillSwitch(halt_file)
        self.directory.on_change.append(self.policies.use_rights)
        self.watch.listeners += [self.notifiers.moved, announce.moved]

    def live(self, target: str) -> Live:
        """A running target; Unavailable when it is not (configured or reachable here)."""
        try:
            return self.lives[target]
        except KeyError:
            raise Unavailable(f"the target {target} is not served here") from None

    def link(self, change_id: str) -> str:
        """Where an agent reads, with its token, what becomes of its change; empty without a public address."""
        return f"{self.public_url.rstrip('/')}/changes/{change_id}" if self.public_url else ""

    async def concluded(self, change_id: str) -> None:
        """Wait until the outcome of a change is recorded (or could not be, and is left to recovery)."""
        task = self.concluding.get(change_id)
        if task is not None:
            await asyncio.wait({task})

    async def tell_broken(self, change: Change) -> None:
        """Tell everyone that a change passed because the glass is broken for its target. What cannot be told does not stop it."""
        try:
            glass = await self.store.read(lambda tx: tx.break_glass(change.break_glass))
        except InterlockError as error:
            _log.error("break_glass.not_told", change=change.id, why=str(error))
            return
        if glass is not None:
            announce.break_glass(glass, change)
            self.notifiers.break_glass(glass.person, change, glass.target, glass.until)

    async def forget(self) -> None:
        """Forget what was spent before the window began, and breakers that opened long ago."""
        now, budgets = self.directory.now(), self.terms.budgets

        def forget(tx: Tx) -> None:
            tx.forget_trips(now - TRIPS_KEPT)
            for row in tx.breakers():
                if breaker.is_over(row, now):
                    tx.drop_breaker(row.scope)
            if budgets is not None:
                tx.forget_spent(now - 2 * budgets.window)

        await self.store.transact(forget)

    async def watched(self, work: Callable[[Tx, Found], T], *, later: bool = False) -> T:
        """A transaction in which breakers may open by themselves: people are told of those that did."""

        def run(tx: Tx) -> tuple[T, Found]:
            opened: Found = []  # anew each time that it is run
            return work(tx, opened), opened

        reply, opened = await self.store.transact(run, later=later)
        for trip in opened:
            self.tripped[trip.signal.value] += 1
            announce.tripped(trip)
            self.notifiers.tripped(trip)
        if opened:
            # The copy of this process is behind by half a second at most, and by nothing for what it says itself.
            self.tasks.spawn(self._refresh(), "refresh")
        return reply

    async def _refresh(self) -> None:
        try:
            await self.directory.refresh()
        except InterlockError as error:
            _log.error("directory.refresh_failed", error=type(error).__name__, why=str(error))

    def stopped(self, scopes: Sequence[str], change: Change) -> str:
        """Why a change whose intent is durable must not be executed any more: a breaker moved since it was admitted, as far as this
        process knows, and refuses now; `scopes` are those that admitted it. What nobody has heard of yet when the target is told
        is too late to be stopped."""
        rows = self.directory.snapshot.breakers
        known = [rows[scope] for scope in scopes if scope in rows]
        if sum(row.epoch for row in known) <= int(change.marker.get("epoch", "0")):
            return ""
        refuses = [row for row in known if row.frozen or row.state is BreakerState.OPEN]
        return (
            f"changes were stopped for {refuses[0].scope} just before it was carried out" if refuses else ""
        )

    async def forget_reviews(self, before: datetime) -> None:
        """Forget who looked at changes that ended before; never what people approved within a day, which tells who is hasty."""
        before = min(before, self.directory.now() - haste.LOOKED_AT)
        await self.store.transact(lambda tx: tx.forget_reviews(before))

    @property
    def halted(self) -> bool:
        """Whether everything is halted, as far as this replica knows."""
        return bool(self.halt.look())


def heartbeat_key(gateway: str) -> str:
    return f"gateway/{gateway}"


def beat(tx: Tx, gateway: str) -> None:
    """A sign of life: the store's clock in seconds since 1970."""
    tx.put_meta(heartbeat_key(gateway), str(int(tx.now().timestamp())))
    replicas.beat(tx, gateway)


def unsettled(tx: ReadTx, gateway: str, executing: frozenset[str], *, starting: bool) -> tuple[Change, ...]:
    """The changes that recovery at this gateway looks at: its own that no pipeline is at work on, and those of dead gateways.
    `starting` tells that this gateway has just begun, so that none of its own can be at work."""
    now, found = tx.now(), []
    for change in tx.changes_in_doubt():
        other = change.marker.get("gateway", "")
        if other == gateway:
            at_work = change.id in executing or (not starting and now - change.updated_at < YOUNG)
        else:
            at_work = _alive(tx, other)
        if not at_work:
            found.append(change)
    return tuple(found)


def _alive(tx: ReadTx, gateway: str) -> bool:
    seen = tx.meta(heartbeat_key(gateway))
    return seen is not None and int(tx.now().timestamp()) - int(seen) < DEAD_AFTER.total_seconds()
