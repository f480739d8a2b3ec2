"""Performing the pipeline's commands: on the store, on policy, on the unit at hand and on its target."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from interlock.control import budget
from interlock.model.change import Change, ChangeState, Measurement
from interlock.model.decision import EvidenceHeld
from interlock.model.errors import Halted, InterlockError, Unavailable
from interlock.pipeline import commands as c
from interlock.pipeline.deciding import break_glass, glass
from interlock.pipeline.recorded import intents, records, trips
from interlock.runtime.background import announce, samples
from interlock.runtime.core import Core, unsettled
from interlock.runtime.drive import described
from interlock.sdk.connector import Cause, Held, Preview, Refused, Settled, Unit
from interlock.sdk.ports import ReadTx, Tx

_log = structlog.get_logger(__name__)


class Performer:
    """Performs for one run. `unit` is None for recovery, which drives none."""

    def __init__(self, core: Core, unit: Unit | None = None, *, starting: bool = False) -> None:
        self._core, self._unit, self._starting = core, unit, starting
        self._begun: Change | None = None
        self._previewed: Preview | None = None
        self._scopes: tuple[str, ...] = ()
        self._ways: dict[type[c.Command[Any]], Callable[[Any], Any | Awaitable[Any]]] = {
            c.Decide: core.judge.decide,
            c.MayPreview: lambda ask: core.budgets.may_preview(ask.agent),
            c.ChargePreview: lambda ask: core.budgets.charge(ask.agent),
            c.RunPreview: self._preview,
            c.FindChange: self._find,
            c.GatherEvidence: self._evidence,
            c.FindBreakGlass: self._find_break_glass,
            c.PassHeld: self._pass_held,
            c.Intend: self._intend,
            c.Stopped: self._stopped,
            c.IntendRevert: self._intend_revert,
            c.Execute: self._execute,
            c.Settle: self._settle,
            c.Abandon: self._abandon,
            c.Conclude: self._conclude,
            c.ConcludeLater: self._conclude_later,
            c.RecordHold: self._hold,
            c.RecordRefusal: self._refuse,
            c.NoteRefusal: core.refusals.note,
            c.ListUnsettled: self._list_unsettled,
            c.NotifyHeld: lambda ask: core.notifiers.held(ask.change),
            c.Log: self._write_log,
        }

    def perform(self, command: c.Command[Any]) -> Any | Awaitable[Any]:
        """The reply, or an awaitable of it. A command that no way is known for is a bug, and a KeyError."""
        return self._ways[type(command)](command)

    @property
    def begun(self) -> Change | None:
        """The change whose intent is durable, as far as known."""
        return self._begun

    # -- the unit

    def _at_hand(self) -> Unit:
        if self._unit is None:
            raise Unavailable("there is no unit at hand")
        return self._unit

    async def _preview(self, _: c.RunPreview) -> Preview:
        self._core.halt.check()  # it may touch the target
        self._previewed = await self._at_hand().preview()
        return self._previewed

    def _execute(self, _: c.Execute) -> Awaitable[Settled]:
        why = self._core.halt.look()
        if self._begun is not None:
            why = why or self._core.stopped(self._scopes, self._begun)
        if why:
            return self._not_executed(why)
        return self._at_hand().execute()

    async def _not_executed(self, why: str) -> Settled:
        """Everything was halted after the intent, or a breaker opened: nothing happens, and that is known."""
        try:
            await self._at_hand().abandon()
        except Exception as error:  # noqa: BLE001  # nothing was committed: the target rolls it back when its connection ends
            _log.error("halt.abandon_failed", **described(error))
        return Settled(False, why, cause=Cause.TRANSIENT)

    def _abandon(self, _: c.Abandon) -> Awaitable[None]:
        return self._at_hand().abandon()

    async def _settle(self, ask: c.Settle) -> Settled:
        live = self._core.live(ask.change.target)
        image = await self._core.store.read(lambda tx: records.image(tx, ask.change))
        return await live.settle(ask.change, image)

    # -- the store

    async def _find(self, ask: c.FindChange) -> Change | None:
        change = await self._core.store.read(lambda tx: records.find(tx, ask))
        if change is not None and change.state is ChangeState.DENIED:
            self._core.watch.denied(change)
        if change is None or change.id not in self._core.concluding:
            return change
        # Done already, and its outcome is being recorded: an agent that sends the same again at once waits for that.
        await self._core.concluded(change.id)
        return await self._core.store.read(lambda tx: records.find(tx, ask))

    async def _evidence(self, ask: c.GatherEvidence) -> EvidenceHeld:
        terms = self._core.terms
        return await self._core.store.read(
            lambda tx: records.evidence(tx, records.found(tx, ask.change), terms)
        )

    async def _find_break_glass(self, ask: c.FindBreakGlass) -> str:
        if not self._core.directory.broken(ask.target.name):
            return ""  # at most half a second late
        terms = self._core.terms

        def read(tx: ReadTx) -> str:
            unit = records.draft(ask.work, ask.target, Measurement(()), ask.decision, tx)
            over = glass.over_target(tx, unit, terms.break_glass, terms.origin)
            return over.id if over is not None else ""

        return await self._core.store.read(read)

    async def _pass_held(self, ask: c.PassHeld) -> Change | None:
        terms = self._core.terms
        passed = await self._core.store.transact(lambda tx: break_glass.pass_held(tx, ask.change.id, terms))
        if passed is not None:
            self._core.watch.moved(passed)
            await self._core.tell_broken(passed)
        return passed

    async def _stopped(self, ask: c.Stopped) -> Refused | None:
        self._core.halt.check()
        terms = self._core.terms
        return await self._core.store.transact(lambda tx: intents.stopped(tx, ask, terms))

    async def _intend(self, ask: c.Intend) -> Change | Refused | c.OverBudget:
        terms, self._scopes = self._core.terms, intents.scopes_of(ask)
        try:
            reply = await self._record(lambda tx, to: intents.intend(tx, ask, terms, to))
        except budget.Exceeded as over:
            budgets = terms.budgets
            assert budgets is not None
            return c.OverBudget(budget.hold(over.excess, budgets), budget.words(over.excess, budgets))
        except trips.Novel as new:
            hold = budget.first_of_its_kind(new.subjects, new.quorum)
            return c.OverBudget(hold, budget.first_words(ask.work.principal.agent, new.subjects))
        if ask.break_glass and isinstance(reply, Change):
            await self._core.tell_broken(reply)
        return reply

    async def _intend_revert(self, ask: c.IntendRevert) -> Change | Refused:
        terms = self._core.terms
        return await self._record(lambda tx, _: intents.intend_revert(tx, ask, terms))

    async def _record(self, work: Callable[[Tx, trips.Found], Change | Refused]) -> Change | Refused:
        """Record an intent. Raises Halted when everything is halted before the store has answered: the unit is given up then, and
        an intent that becomes durable all the same is one that failed."""
        core = self._core
        core.halt.check()
        writing = asyncio.ensure_future(core.watched(work))
        try:
            return self._began(await core.halt.unless_halted(writing))
        except Halted:
            core.tasks.spawn(self._too_late(writing), "halt")
            raise

    async def _too_late(self, writing: "asyncio.Future[Change | Refused]") -> None:
        try:
            reply = await writing
        except Exception as error:  # noqa: BLE001  # no intent, or one that recovery finds: nothing was done in either case
            _log.info("halt.intent_lost", **described(error))
            return
        if isinstance(reply, Change):
            self._core.executing.add(reply.id)
            await self._conclude_logged(c.Conclude(reply, Settled(False, self._core.halt.why or "halted")))

    def _began(self, reply: Change | Refused) -> Change | Refused:
        if isinstance(reply, Change):
            self._begun = reply
            self._core.executing.add(reply.id)
            self._core.watch.moved(reply)
        return reply

    async def _hold(self, ask: c.RecordHold) -> Held | Refused:
        terms, nonce = self._core.terms, secrets.token_hex(16)
        kept = await samples.of_hold(self._core, ask.target.name, self._previewed)
        answer = await self._core.watched(lambda tx, to: records.hold(tx, ask, terms, nonce, kept, to))
        if ask.replaces is not None:
            await self._moved(ask.replaces.id)
        if isinstance(answer, Held):
            self._core.watch.held(answer.change)
            if not answer.again:
                announce.held(answer.change)
        return answer

    async def _moved(self, change_id: str) -> None:
        self._core.watch.moved(await self._core.store.read(lambda tx: records.found(tx, change_id)))

    async def _refuse(self, ask: c.RecordRefusal) -> Change:
        change = await self._core.watched(lambda tx, to: records.refuse(tx, ask, self._core.terms, to))
        announce.refused(change)
        return change

    async def _conclude(self, ask: c.Conclude, *, later: bool = False) -> Change:
        try:
            change = await self._core.watched(
                lambda tx, to: records.conclude(tx, ask, self._core.terms, to), later=later
            )
        finally:
            # Without an outcome, recovery takes over from here.
            self._core.executing.discard(ask.change.id)
        self._core.watch.moved(change)
        return change

    def _conclude_later(self, ask: c.ConcludeLater) -> None:
        core, change = self._core, ask.change.id
        task = core.tasks.spawn(self._conclude_logged(c.Conclude(ask.change, ask.settled)), "conclude")
        core.concluding[change] = task
        task.add_done_callback(lambda _: core.concluding.pop(change, None))

    async def _conclude_logged(self, ask: c.Conclude) -> None:
        try:
            await self._conclude(ask, later=True)
        except InterlockError as error:
            # The change stays `executing`: recovery asks the target and writes the outcome.
            _log.error("outcome.not_recorded", change=ask.change.id, **described(error))

    async def _list_unsettled(self, _: c.ListUnsettled) -> tuple[Change, ...]:
        gateway, executing, starting = (
            self._core.terms.gateway,
            frozenset(self._core.executing),
            self._starting,
        )
        return await self._core.store.read(lambda tx: unsettled(tx, gateway, executing, starting=starting))

    def _write_log(self, ask: c.Log) -> None:
        _log.warning(ask.event, **ask.fields)
