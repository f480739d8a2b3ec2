"""Each command of a unit's way × (fails, fails but was done, cancelled): nothing takes effect unrecorded, nothing is recorded
as done that was not, no unit stays open, and an approval is used once or given back."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from interlock.ledger.entry import Entry
from interlock.model.change import Change, ChangeFilter, ChangeState
from interlock.pipeline import commands as c
from interlock.pipeline.admit import admit
from interlock.runtime.background.tickers import Chores
from interlock.runtime.drive import Drive
from interlock.runtime.perform import Performer
from interlock.sdk.connector import Answer, Held, Permitted, Principal, Refused
from interlock.testing.installation import FEW, MANY, Installation
from interlock.testing.stores.enforcing import FakeStore
from interlock.testing.toy import Statement, ToyFault, ToyUnit, work_of


class Faulty:
    """Performs as the real one, but for one command."""

    def __init__(self, performer: Performer, at: int, how: str, cancel: Callable[[], None]) -> None:
        self._performer, self._at, self._how, self._cancel = performer, at, how, cancel
        self.seen: list[str] = []

    def perform(self, command: c.Command[Any]) -> Any | Awaitable[Any]:
        self.seen.append(type(command).__name__)
        if len(self.seen) - 1 != self._at:
            return self._performer.perform(command)
        return self._broken(command)

    async def _broken(self, command: c.Command[Any]) -> Any:
        if self._how == "fails":
            raise ToyFault("secret: nothing was done")
        if self._how == "cancelled":
            self._cancel()
            await asyncio.sleep(0)  # lets the cancellation arrive
        found = self._performer.perform(command)
        reply = await found if inspect.isawaitable(found) else found
        if self._how == "persisted":
            raise ToyFault("secret: it was done, but the answer is lost")
        return reply


async def run_once(
    made: Installation, agent: Principal, statements: Sequence[Statement], at: int, how: str
) -> tuple[Answer | None, Faulty, ToyUnit]:
    """One unit with a fault at command number `at`; None when the caller was cancelled."""
    unit = made.unit(statements)
    task: asyncio.Task[Answer] | None = None

    def cancel() -> None:
        assert task is not None
        task.cancel()

    faulty = Faulty(Performer(made.core, unit), at, how, cancel)
    drive = Drive(admit(work_of(agent, statements), made.gate.target), faulty)
    task = asyncio.create_task(made.core.tasks.see_through(drive, "test"))
    try:
        return await task, faulty, unit
    except asyncio.CancelledError:
        return None, faulty, unit
    finally:
        await made.core.tasks.drain(10)


async def restart(made: Installation) -> Installation:
    """The gateway died: its connections end, and another process begins with recovery."""
    made.toy.open.clear()
    again = await Installation.make(made.store, made.toy, furnish=False)
    await Chores(again.core).recover(starting=True)
    return again


async def all_changes(store: FakeStore) -> Sequence[Change]:
    return await store.read(lambda tx: tx.changes(ChangeFilter(limit=1000)))


def recorded_first(entries: Sequence[Entry]) -> None:
    """An applied outcome follows an intent of the same change."""
    intended: set[str] = set()
    for entry in entries:
        if entry.kind == "intent":
            intended.add(entry.body["change"])
        if entry.kind in ("outcome", "recovery") and entry.body["committed"]:
            assert entry.body["change"] in intended


async def permitted(made: Installation, agent: Principal) -> Sequence[Statement]:
    return FEW


async def held(made: Installation, agent: Principal) -> Sequence[Statement]:
    return MANY


async def approved(made: Installation, agent: Principal) -> Sequence[Statement]:
    answer = await made.send(agent, MANY)
    assert isinstance(answer, Held)
    await made.approve(answer.change)
    return MANY


async def outgrown(made: Installation, agent: Principal) -> Sequence[Statement]:
    await approved(made, agent)
    made.toy.definitions = "v2"
    return MANY


async def forbidden(made: Installation, agent: Principal) -> Sequence[Statement]:
    return [["levitate"]]


SCENARIOS = {
    "permitted": (permitted, 6),
    "held": (held, 8),
    "approved": (approved, 9),
    "outgrown": (outgrown, 10),
    "forbidden": (forbidden, 3),
}


@pytest.mark.parametrize("how", ["fails", "persisted", "cancelled"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_invariants_hold_wherever_it_breaks(name: str, how: str) -> None:
    async def run() -> None:
        prepare, least = SCENARIOS[name]
        at, steps = 0, 0
        while True:
            made = await Installation.make()
            agent = await made.principal()
            statements = await prepare(made, agent)
            before = set(made.toy.committed)
            answer, faulty, unit = await run_once(made, agent, statements, at, how)
            if len(faulty.seen) <= at:
                break
            steps = max(steps, len(faulty.seen))
            broke = faulty.seen[at]
            await examine(made, answer, unit, before, f"{how} at {broke}", broke)
            at += 1
        assert steps >= least, "the way has become shorter than this test thinks"

    asyncio.run(run())


async def examine(
    made: Installation, answer: Answer | None, unit: ToyUnit, before: set[str], where: str, broke: str
) -> None:
    ends = [call for call in unit.calls if call in ("execute", "abandon")]
    assert len(ends) <= 1, where
    if broke not in ("Abandon", "Execute"):
        # A unit that a fault kept from its end is ended by the target, with the connection.
        assert len(ends) == 1, where
        assert not made.toy.open, where
    done = set(made.toy.committed) - before
    if isinstance(answer, Permitted):
        assert done, where
    if isinstance(answer, Held) or (isinstance(answer, Refused) and answer.code != "in_doubt"):
        assert not done, where
    if isinstance(answer, Refused):
        assert "secret" not in answer.why, where

    again = await restart(made)
    changes = await all_changes(made.store)
    assert not [c for c in changes if c.state in (ChangeState.EXECUTING, ChangeState.IN_DOUBT)], where
    applied = {c.marker["xid"] for c in changes if c.state is ChangeState.APPLIED}
    assert applied == set(made.toy.committed), where
    recorded_first(made.store.entries())
    used = [c for c in changes if await again.store.read(lambda tx, i=c.id: tx.approvals(i))]
    for change in used:
        if not done:
            assert change.state in (ChangeState.APPROVED, ChangeState.WITHDRAWN), where
