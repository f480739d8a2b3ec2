"""The gate of one target: what the core offers a connector's sessions (`sdk.connector.Gate`)."""

import secrets
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import structlog

from interlock.control import breaker
from interlock.model.breaker import Breaker
from interlock.model.change import Change, ChangeState
from interlock.model.decision import HALTED, Decision, Forbid, Target
from interlock.model.errors import Halted, InterlockError, Rejected
from interlock.model.operation import Operation
from interlock.model.people import AgentCredential
from interlock.pipeline import commands as c
from interlock.pipeline.admit import admit
from interlock.pipeline.deciding import approve
from interlock.pipeline.doubt import halted, shown
from interlock.pipeline.recorded import intents
from interlock.runtime.core import Core
from interlock.runtime.drive import Drive, described
from interlock.runtime.perform import Performer
from interlock.runtime.rules.directory import Snapshot
from interlock.sdk.connector import Answer, Cause, Principal, ReadsText, Refused, Unit, Work
from interlock.sdk.ports import Tx

_log = structlog.get_logger(__name__)

NO_ENTRY = "the agent is unknown or disabled, its token is wrong, or it has no right on this target"
"""One text, whatever is wrong."""


class TargetGate:
    """Serves one target. `target` gets its fingerprint when the target has been reached."""

    def __init__(self, core: Core, target: Target) -> None:
        self._core = core
        self.target = target
        self._sessions: dict[str, tuple[Principal, Callable[[str], None]]] = {}
        core.directory.on_change.append(self._end_sessions)
        core.halt.cutters[breaker.GLOBAL].append(self.end_all)
        core.directory.on_tick.append(lambda: self._end_sessions(core.directory.snapshot))

    @property
    def sessions(self) -> Sequence[Principal]:
        """Who is connected."""
        return [principal for principal, _ in self._sessions.values()]

    def known(self, fingerprint: str) -> None:
        """The target has been reached, and this is what it is."""
        self.target = msgspec.structs.replace(self.target, fingerprint=fingerprint)

    # -- who

    def credential(self, agent: str) -> tuple[Principal, AgentCredential] | None:
        """See `sdk.connector.Gate`."""
        directory = self._core.directory
        if not directory.fresh:
            return None
        snapshot = directory.snapshot
        why = _barred(snapshot, agent, None) or self._no_right(snapshot, agent)
        if why:
            return None
        credential, known = snapshot.credentials[agent], snapshot.agents[agent]
        return Principal(agent, known.owner, "", credential.epoch), credential

    def _no_right(self, snapshot: Snapshot, agent: str) -> str:
        live = snapshot.live_grants(agent, self.target.name, self._core.directory.now())
        return "" if live else "it has no right on this target any more"

    async def enter(self, principal: Principal, on_end: Callable[[str], None]) -> Principal:
        """See `sdk.connector.Gate`. Everything is checked again in the transaction that records the session."""
        self._core.halt.check()
        entered = msgspec.structs.replace(principal, session=secrets.token_hex(16))
        gateway = self._core.terms.gateway
        # Registered first: whoever is disabled in between is ended, not missed.
        self._sessions[entered.session] = (entered, on_end)
        try:
            await self._core.store.transact(lambda tx: _open_session(tx, entered, self.target, gateway))
        except BaseException:
            self._sessions.pop(entered.session, None)
            raise
        return entered

    async def leave(self, principal: Principal) -> None:
        """See `sdk.connector.Gate`. A store that does not answer is logged: the session is over in any case."""
        self._sessions.pop(principal.session, None)
        try:
            await self._core.store.transact(lambda tx: _close_session(tx, principal, self.target))
        except InterlockError as error:
            _log.error("session.end_not_recorded", session=principal.session, **described(error))

    def _end_sessions(self, snapshot: Snapshot) -> None:
        """End the sessions of whoever was disabled, rotated or lost the last right."""
        for session, (principal, on_end) in list(self._sessions.items()):
            why = _barred(snapshot, principal.agent, principal.epoch) or self._no_right(
                snapshot, principal.agent
            )
            if why:
                del self._sessions[session]
                _log.info("session.ended", session=session, agent=principal.agent, why=why)
                on_end(why)

    def end_all(self, why: str) -> None:
        """End all sessions. What one of them makes of it does not keep the others."""
        sessions, self._sessions = self._sessions, {}
        for session, (principal, on_end) in sessions.items():
            _log.info("session.ended", session=session, agent=principal.agent, why=why)
            try:
                on_end(why)
            except Exception as error:  # noqa: BLE001  # the connector's
                _log.error("session.not_ended", session=session, **described(error))

    # -- what

    @property
    def moment(self) -> object:
        """See `sdk.connector.Gate`."""
        return self._core.judge.moment

    def check(self, principal: Principal, operations: Sequence[Operation]) -> Decision:
        """See `sdk.connector.Gate`."""
        if why := self._core.halt.why:
            return Forbid(why, (HALTED,))
        return self._core.judge.check(principal, self.target, operations)

    async def stopped(self, principal: Principal, operations: Sequence[Operation]) -> Refused | None:
        """See `sdk.connector.Gate`."""
        ask = c.Stopped(principal, self.target, tuple(operations))
        try:
            self._core.halt.check()
            terms = self._core.terms
            stop = await self._core.store.transact(lambda tx: intents.stopped(tx, ask, terms))
        except Halted as error:
            stop = halted(str(error), terms=self._core.terms)
        except InterlockError as error:
            stop = Refused("unavailable", f"the gate could not decide this: {error}", retry=True)
        if stop is not None:
            self._core.ended[self.target.name, "refused"] += 1
            self._core.refusals.note(
                c.NoteRefusal(principal, self.target, tuple(operations), stop.code, stop.why)
            )
        return stop

    def lift(self, principal: Principal, operations: Sequence[Operation], content: str) -> Change | None:
        """See `sdk.connector.Gate`. What policy forbids by now is not answered from memory."""
        found = self._core.watch.waiting(principal.agent, self.target.name, content)
        if found is None or found.fingerprint != self.target.fingerprint:
            return None
        if found.state is ChangeState.HELD and self._core.directory.broken(self.target.name):
            return None  # it may pass now
        if found.expires_at is not None and found.expires_at <= self._core.directory.now():
            return None
        return None if isinstance(self.check(principal, operations), Forbid) else found

    async def admit(self, work: Work, unit: Unit) -> Answer:
        """See `sdk.connector.Gate`."""
        return await self.drive(admit(work, self.target), unit)

    async def drive(self, steps: c.Steps[Answer], unit: Unit) -> Answer:
        """Drive a pipeline with a unit to its end. Raises nothing but cancellation."""
        answer = await self._drive(steps, unit)
        self._core.ended[self.target.name, type(answer).__name__.lower()] += 1
        return answer

    async def _drive(self, steps: c.Steps[Answer], unit: Unit) -> Answer:
        performer = Performer(self._core, unit)
        try:
            with self._core.halt.driving(Drive(steps, performer)) as drive:
                return await self._core.tasks.see_through(drive, "pipeline")
        except Exception as error:  # noqa: BLE001  # a bug of ours: still an answer, and never a half-open unit
            _log.error("pipeline.broke", **described(error))
            return await self._broken(performer, unit, error)

    async def _broken(self, performer: Performer, unit: Unit, error: Exception) -> Answer:
        if performer.begun is not None:
            self._core.executing.discard(performer.begun.id)
            return Refused("in_doubt", "the gate failed while the work was under way", change=performer.begun)
        try:
            await unit.abandon()
        except Exception as second:  # noqa: BLE001  # the target rolls it back when its connection ends
            _log.error("pipeline.abandon_failed", **described(second))
        return Refused("unavailable", f"the gate could not decide this: {shown(error)}", retry=True)

    async def give_up(self, principal: Principal, change: str, why: str) -> None:
        """See `sdk.connector.Gate`."""
        try:
            moved = await self._core.store.transact(lambda tx: _given_up(tx, change, principal.agent, why))
        except Rejected:
            return  # people were faster
        self._core.watch.moved(moved)

    async def wait(self, change: str, longest: timedelta) -> Change:
        """See `sdk.connector.Gate`."""
        return await self._core.watch.wait(change, longest)

    def link(self, change: str) -> str:
        """See `sdk.connector.Gate`."""
        return self._core.link(change)

    def refused(self, principal: Principal, operations: Sequence[Operation], why: Forbid) -> None:
        """See `sdk.connector.Gate`."""
        self._core.ended[self.target.name, "refused"] += 1
        self._core.refusals.note(
            c.NoteRefusal(principal, self.target, tuple(operations), "forbidden", why.why, why.reasons)
        )

    def failed(self, principal: Principal, operations: Sequence[Operation], cause: Cause) -> None:
        """See `sdk.connector.Gate`."""
        self._core.refusals.failed(principal, self.target, tuple(operations), cause)

    def log(self, event: str, **fields: str | int | bool) -> None:
        """See `sdk.connector.Gate`."""
        _log.info(event, target=self.target.name, **fields)

    @property
    def languages(self) -> Mapping[str, ReadsText]:
        """See `sdk.connector.Gate`."""
        return self._core.languages

    @property
    def folder(self) -> str:
        """See `sdk.connector.Gate`."""
        return str(self._core.folder)

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        """Run something in the background that shutdown waits for."""
        self._core.tasks.spawn(work, name)


def _barred(snapshot: Snapshot, name: str, epoch: int | None) -> str:
    """Why an agent may not be here; empty when it may. `epoch` is that of its session, if it has one."""
    agent, credential = snapshot.agents.get(name), snapshot.credentials.get(name)
    if agent is None or credential is None:
        return "the agent is not known"
    if agent.disabled:
        return "the agent was disabled"
    return "the agent's token was rotated" if epoch not in (None, credential.epoch) else ""


def _open_session(tx: Tx, principal: Principal, target: Target, gateway: str) -> None:
    agent, credential, now = tx.agent(principal.agent), tx.credential(principal.agent), tx.now()
    live = [
        g
        for g in tx.grants()
        if (g.agent, g.target) == (principal.agent, target.name)
        and g.revoked_at is None
        and now < g.expires_at
    ]
    if (
        agent is None
        or agent.disabled
        or credential is None
        or credential.epoch != principal.epoch
        or not live
    ):
        raise Rejected(NO_ENTRY)
    if (halt := tx.breaker(breaker.GLOBAL)) is not None and halt.frozen:
        raise Halted(breaker.halted(halt.reason))
    scope = breaker.session(principal.session)
    tx.put_breaker(Breaker(scope, reason="session opened", moved_at=now, moved_by=f"gateway/{gateway}"))
    tx.append("session.opened", {**_session(principal, target), "gateway": gateway})


def _given_up(tx: Tx, change_id: str, agent: str, why: str) -> Change:
    change = tx.change(change_id)
    if change is None or change.agent != agent:
        raise Rejected(f"{agent} has no change {change_id}")
    return approve.withdraw(tx, change_id, f"agent/{agent}", why)


def _close_session(tx: Tx, principal: Principal, target: Target) -> None:
    tx.drop_breaker(breaker.session(principal.session))
    tx.append("session.closed", _session(principal, target))


def _session(principal: Principal, target: Target) -> dict[str, str]:
    return {"session": principal.session, "agent": principal.agent, "target": target.name}
