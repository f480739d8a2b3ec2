"""One gateway, assembled: what `serve` runs, and what the command line and the API are built on."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial

import msgspec
import structlog

import interlock
from interlock.control import breaker
from interlock.control.deciding.passkey import site_of
from interlock.ledger.log import SigningRefused
from interlock.model.base import Value
from interlock.model.breaker import Breaker
from interlock.model.decision import Target
from interlock.model.errors import Misconfigured, NotFound
from interlock.model.proposal import INTERLOCK
from interlock.pipeline.recorded.terms import Terms
from interlock.runtime.background import tickers
from interlock.runtime.config import document as configuration
from interlock.runtime.config.document import Config
from interlock.runtime.core import Core, Notifiers, beat
from interlock.runtime.governing import admins
from interlock.runtime.governing.service import Governing
from interlock.runtime.halting.drill import Watching
from interlock.runtime.health.service import HealthChecks
from interlock.runtime.notify.office import Job, Office
from interlock.runtime.notify.words import Words
from interlock.runtime.oidc.login import login_of
from interlock.runtime.rules import directory
from interlock.runtime.rules.directory import Directory
from interlock.runtime.rules.governance import GOVERNED, TRY_OUT, WARNING, Governance
from interlock.runtime.rules.in_force import config_entry, record
from interlock.runtime.rules.policies import Policies
from interlock.runtime.service.deciding.break_glass import BreakGlasses
from interlock.runtime.service.deciding.changes import Changes
from interlock.runtime.service.deciding.insight import Insight
from interlock.runtime.service.deciding.report import Report, report
from interlock.runtime.service.deciding.simulation import Simulation
from interlock.runtime.service.messages import Messages
from interlock.runtime.service.people.enrolment import Enrolments
from interlock.runtime.service.people.entrance import Entrance
from interlock.runtime.service.people.principals import Agents, Grants, People
from interlock.runtime.service.protection import Protection
from interlock.runtime.service.stopping.switches import Switches
from interlock.runtime.service.trash import Trash
from interlock.runtime.stores import SqlStore
from interlock.runtime.targets import connectors
from interlock.runtime.targets.reaching import TargetServer, TargetStatus
from interlock.runtime.witnessing.witnesses import Witnesses
from interlock.sdk.connector import Connector
from interlock.sdk.ports import Tx

_log = structlog.get_logger(__name__)

GRACE = timedelta(seconds=20)
"""How long a shutdown waits for what is committing."""


class Check(Value, frozen=True, omit_defaults=False):
    """One thing that must work. `why` is empty when it does. Without what is not `vital` the gateway can decide and record."""

    name: str
    ok: bool
    why: str = ""
    vital: bool = True


class Runtime:
    """See the module. Built without I/O on the targets; `start` begins, `stop` ends."""

    def __init__(
        self,
        config: Config,
        store: SqlStore,
        gateway: str,
        *,
        find: Callable[[str], Connector] = connectors.load,
        governance: Governance | None = None,
        notifiers: Notifiers | None = None,
    ) -> None:
        """Raises Misconfigured when a target's keys, a policy file or a quorum is wrong."""
        self.config, self.store = config, store
        found = {t.connector: find(t.connector) for t in config.targets.values()}
        relaxed = (name for name, e in config.environments.items() if e.protection == "relaxed")
        site = site_of(config.api.public_url)
        self.terms = Terms(
            config.quorums,
            store.origin,
            gateway,
            config.budgets,
            site,
            config.reviews,
            msgspec.structs.replace(config.break_glass, site=site),
            admins=admins.quorums(config.quorums),
            relaxed=frozenset(relaxed),
            signals=config.signals,
            console=f"{config.api.public_url.rstrip('/')}/console" if config.api.public_url else "",
            watched=frozenset(name for name, keys in config.targets.items() if keys.health),
        )
        policies = Policies(
            config.policies,
            quorums=config.quorums,
            fragments={name: connector.schema() for name, connector in found.items()},
            guardrails=config.guardrails,
            limits=config.limits,
            approved=None if config.approved is None else config.approved.policies,
        )
        words = Words(config.api.public_url, config.quorums)
        self.office = Office(
            store, config.notify, words, self._environment_of, f"{gateway}/notify", config.source
        )
        self.core = Core(
            store,
            self.terms,
            Directory(store),
            policies,
            config.halt_file,
            notifiers or Notifiers((self.office.post,)),
            folder=config.state_dir,
            public_url=config.api.public_url,
        )
        self._find = find
        self.targets = {name: self._target(name, found) for name in config.targets}
        self.governing = Governing(self.core, config, self.targets, store.origin)
        self.governance: Governance = governance or self.governing.office
        self.people = People(self.core, self.governance)
        self.agents = Agents(self.core, self.governance)
        self.grants = Grants(self.core, self.governance, self._is_strict)
        self.entrance = Entrance(self.core, store)
        self.enrolments = Enrolments(self.core, self.governance, self.entrance)
        self.oidc = login_of(self.core, store, self.entrance, config.oidc, self.governing.files.waits)
        gates = {name: t.gate for name, t in self.targets.items()}
        self.changes = Changes(self.core, gates, self.governing.office)
        self.break_glass = BreakGlasses(self.core, gates, self.changes)
        self.insight = Insight(self.core, config.reveal)
        self.switches = Switches(self.core, self.governance)
        self.protection = Protection(self.core, self.targets, self.governance)
        self.trash = Trash(self.core, self.targets, self.governance)
        self.messages = Messages(store, self.office)
        self.simulation = Simulation(self.core, self.targets)
        self.governing.could_serve = self._could_serve
        self.governing.files.record_policies = self._record_policies
        self.governing.carried_out_by(self.protection.carry_out, self.trash.carry_out)
        self.watching = Watching(self.core)
        self.health_checks = HealthChecks(self.core, self.targets, config, self.changes)
        self._chores = tickers.Chores(self.core)
        self._tickers = tickers.Tickers()
        self.witnesses = Witnesses(config.witness)
        self.closing = asyncio.Event()
        """Set when the API is about to close: what answers slowly (long polls, streams of events) ends then by itself."""
        self._compared = False
        self.signing_refused = ""
        """Why no checkpoint is signed; empty while they are."""

    def _target(self, name: str, found: Mapping[str, Connector]) -> TargetServer:
        connector = found[self.config.targets[name].connector]
        target, live = connectors.configured(self.config, name, connector)
        return TargetServer(self.core, target, connector, live)

    def _environment_of(self, scope: str) -> str:
        """In which environment a breaker's scope lies; empty when it is not one alone."""
        kind, _, name = scope.partition("/")
        if kind == "target" and name in self.config.targets:
            return self.config.targets[name].environment
        return breaker.environment_of(scope)

    def _could_serve(self, config: Config) -> None:
        for name, keys in config.targets.items():
            connectors.configured(config, name, self._find(keys.connector))

    def _is_strict(self, target: str) -> bool | None:
        server = self.targets.get(target)
        return None if server is None else server.gate.target.strict

    # -- life

    async def start(self) -> None:
        """Begin to serve. Raises Unavailable when the store does not answer; targets that do not are tried again."""
        await self.core.directory.refresh()
        if self.config.witness:
            await self.sign()  # before anything is added to a log that may have been cut
        await self.store.transact(self._furnish)
        await self.core.directory.refresh()
        await self.governing.files.begin()
        if self.mode == TRY_OUT:
            _log.warning("mode.try_out", warning=WARNING)
        await self.watching.look()  # nobody comes in while everything is halted
        await self._reach_all()
        await self._chores.recover(starting=True)
        await self._serve_all()
        await tickers.once("notify.catch_up", self.office.post.catch_up)
        self._start_tickers()

    def _furnish(self, tx: Tx) -> None:
        """Switches that do not exist yet, the first sign of life, and what is in force."""
        scopes = [breaker.GLOBAL]
        scopes += [breaker.environment(name) for name in self.config.environments]
        scopes += [breaker.target(name) for name in self.config.targets]
        for scope in scopes:
            if tx.breaker(scope) is None:
                tx.put_breaker(Breaker(scope, reason="new", moved_at=tx.now(), moved_by="interlock"))
        own = f"gateway/{self.terms.gateway}"
        for row in tx.breakers():
            # Sessions that this gateway left behind when it was killed.
            if row.scope.startswith("session/") and row.moved_by == own:
                tx.drop_breaker(row.scope)
        beat(tx, self.terms.gateway)
        record(tx, "policy", self.core.policies.entry())
        record(tx, "config", config_entry(self.config))

    async def _reach_all(self) -> None:
        await asyncio.gather(*(t.reach() for t in self.targets.values()))
        same: dict[str, list[Target]] = {}
        for server in self.targets.values():
            if server.reached:
                same.setdefault(server.gate.target.fingerprint, []).append(server.gate.target)
        for server in self.targets.values():
            if server.reached:
                server.as_strict_as(same[server.gate.target.fingerprint])

    async def _serve_all(self) -> None:
        await asyncio.gather(*(t.serve() for t in self.targets.values()))

    async def _retry_targets(self) -> None:
        if not all(t.serving for t in self.targets.values()):
            await self._reach_all()
            await self._serve_all()

    def _start_tickers(self) -> None:
        chores, t = self._chores, tickers
        jobs: list[Job] = [
            (directory.EVERY, "directory", self.core.directory.tick, None),
            (t.LOOK, "look", chores.look, None),
            (t.HEARTBEAT, "heartbeat", chores.heartbeat, None),
            (t.RECOVER, "recover", chores.recover, None),
            (t.EXPIRE, "expire", chores.expire, None),
            (t.REMIND, "remind", chores.remind, None),
            (t.POLICIES, "policies", self._watch_policies, None),
            (t.SIGN, "sign", self.sign, None),
            (t.RETRY, "targets", self._retry_targets, None),
            (t.RETAIN, "retention", self._retain, None),
            *((t.WITNESS, w.name, w.push, None) for w in self.witnesses.all),
            *self.office.jobs(),
            *self.health_checks.jobs(),
        ]
        self.watching.begin(self._tickers)
        for seconds, name, work, wake in jobs:
            self._tickers.start(name, partial(t.every, seconds, name, work, wake))

    async def stop(self, grace: timedelta = GRACE) -> None:
        """End: no more clients, commits in flight finish or are left to recovery, and everything that waits is recorded."""
        await asyncio.gather(*(t.stop(grace) for t in self.targets.values()))
        left = await self.core.tasks.drain(grace.total_seconds())
        if left:
            _log.error("shutdown.unfinished", tasks=left)
        await self._tickers.stop()
        await self.health_checks.stop()
        await tickers.once("leave", self.watching.leave)
        await self.core.refusals.flush()
        if self.oidc is not None:
            self.oidc.provider.close()
        await tickers.once("notify", self.office.finish)
        await tickers.once("sign", self.sign)
        await tickers.once("witness", self.witnesses.push)

    async def reload(self) -> None:
        """What SIGHUP asks for: policies are read again; a changed configuration is checked, and said to need a restart."""
        if self.mode == GOVERNED:
            await self.governing.files.compare()
            return
        if self.core.policies.reload():
            await self._record_policies()
        try:
            read = configuration.load(self.config.file)
        except Misconfigured as error:
            _log.error("config.broken", why=str(error))
            return
        if read.source.data != self.config.source.data:
            _log.warning("config.changed", hint="restart to apply the changed configuration")

    # -- chores

    async def _watch_policies(self) -> None:
        await self.governing.files.look()
        if self.mode == GOVERNED:
            return
        if await asyncio.to_thread(self.core.policies.changed) and self.core.policies.reload():
            await self._record_policies()

    async def _record_policies(self) -> None:
        entry = self.core.policies.entry()
        await self.store.transact(lambda tx: record(tx, "policy", entry))

    async def sign(self) -> None:
        """Sign a checkpoint, for the witnesses too. A refusal is an alarm: the store contradicts what was signed before."""
        try:
            if not self._compared:
                await self.witnesses.compare(self.store.check_continues)
                self._compared = True
            signed = await self.store.sign()
        except SigningRefused as error:
            self.signing_refused = str(error)
            _log.critical("ledger.signing_refused", why=self.signing_refused)
            return
        self.signing_refused = ""
        if signed is not None:
            self.witnesses.offer(signed)

    async def _retain(self) -> None:
        before = self.core.directory.now() - self.config.retention_payloads
        while await self.store.destroy_payloads_before(before):
            pass
        await self.core.forget()
        await self.core.forget_reviews(before)
        await self.entrance.forget()
        await self.office.post.tidy()
        await self.health_checks.forget()
        await self.trash.expire(self.config.retention_trash)

    # -- what the API and the command line show

    @property
    def version(self) -> str:
        return interlock.__version__

    @property
    def mode(self) -> str:
        """`try-out` or `governed`."""
        return self.governance.mode

    def health(self) -> Sequence[Check]:
        """Whether this gateway can decide and record."""
        core, broken = self.core, self.core.policies.broken
        checks = [
            Check("store", core.directory.fresh, "" if core.directory.fresh else "the store does not answer"),
            Check("policies", not broken, broken and f"the last good set is in force: {broken}"),
            Check("ledger", not self.signing_refused, self.signing_refused),
            Check("halt", not core.halted, core.halt.why),
        ]
        files = self.governing.files
        checks += (
            Check(f"approved/{what}", False, why, vital=files.unapproved)
            for what, why in files.problems.items()
        )
        checks += (Check(w.name, not w.why, w.why, vital=False) for w in self.witnesses.all)
        checks += (Check(f"notify/{d.name}", not d.why, d.why, vital=False) for d in self.office.all)
        return [*checks, *(Check(f"target/{t.name}", t.serving, t.status.why) for t in self.targets.values())]

    def statuses(self) -> Sequence[TargetStatus]:
        """All targets, by name."""
        return [self.targets[name].status for name in sorted(self.targets)]

    def connector_of(self, target: str) -> str:
        """The name of a target's connector; empty when there is no such target."""
        if target == INTERLOCK:
            return INTERLOCK
        server = self.targets.get(target)
        return server.connector.name if server else ""

    def describe(self, target: str, payload: bytes) -> Sequence[str]:
        """A recorded work as text for people. Raises NotFound when there is no such target."""
        server = self.targets.get(target)
        if server is None:
            raise NotFound(f"there is no target {target}")
        return server.live.describe(payload)

    async def report(self, window: timedelta) -> Report:
        """What targets in observe mode would have held."""
        return await report(self.core, window)
