"""The whole way of a unit, through the real gate, policy and pipeline, with the store in memory and the toy target."""

import asyncio

from interlock.model.change import ChangeState, Verdict
from interlock.sdk.connector import Held, Permitted, Refused
from interlock.testing.installation import FEW, MANY, Installation


def kinds(made: Installation) -> list[str]:
    return [e.kind for e in made.store.entries()]


def test_small_change_is_recorded_first_and_applied() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        answer = await made.send(agent, FEW)
        assert isinstance(answer, Permitted)
        assert answer.change is not None
        assert answer.change.state is ChangeState.APPLIED
        stored = await made.change(answer.change.id)
        assert stored.state is ChangeState.APPLIED
        assert kinds(made) == ["session.opened", "intent", "outcome"]
        assert made.toy.rows is not None
        assert made.toy.rows["row/0000"] == "new"
        assert made.live.units[-1].calls == ["preview", "execute"]

    asyncio.run(run())


def test_read_leaves_no_record() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        assert await made.send(agent, [["read"]]) == Permitted(None)
        assert kinds(made) == ["session.opened"]

    asyncio.run(run())


def test_mass_delete_is_held_without_locks_approved_and_applied_by_the_same_work() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        held = await made.send(agent, MANY)
        assert isinstance(held, Held)
        assert not held.again
        assert not made.toy.open
        assert held.change.state is ChangeState.HELD
        assert (await made.send(agent, MANY)) == Held(held.change, again=True)
        assert made.gate.lift(agent, (), held.change.content) == held.change

        assert (await made.approve(held.change, "ann")).state is ChangeState.HELD
        approved = await made.approve(held.change, "bob")
        assert approved.state is ChangeState.APPROVED
        assert made.gate.lift(agent, (), held.change.content) is None

        answer = await made.send(agent, MANY)
        assert isinstance(answer, Permitted)
        assert answer.change is not None
        assert answer.change.id == held.change.id
        assert (await made.change(held.change.id)).state is ChangeState.APPLIED
        assert made.toy.rows is not None
        assert len(made.toy.rows) == 200
        assert kinds(made) == [
            "session.opened", "change.held", "approval", "approval", "change.moved", "intent", "outcome",
        ]  # fmt: skip

        # Used once: the same work again finds nothing to delete, and another mass delete is held anew.
        assert await made.send(agent, MANY) == Permitted(None)
        made.toy.rows = dict(made.toy.rows) | {f"row/01{n:02d}": "back" for n in range(100)}
        assert isinstance(await made.send(agent, MANY), Held)

    asyncio.run(run())


def test_denial_ends_it() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        held = await made.send(agent, MANY)
        assert isinstance(held, Held)
        await made.approve(held.change)
        spoken = await made.speak(held.change, "cho", Verdict.DENY)
        assert spoken.change.state is ChangeState.DENIED
        again = await made.send(agent, MANY)
        assert isinstance(again, Refused)
        assert again.change == spoken.change

    asyncio.run(run())


def test_forbidden_work_does_not_touch_the_target() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        answer = await made.send(agent, [["levitate"]])
        assert isinstance(answer, Refused)
        assert answer.code == "forbidden"
        assert made.live.units[-1].calls == ["abandon"]
        await made.core.refusals.flush()
        assert kinds(made)[-1] == "decision"

    asyncio.run(run())
