"""The kill switch of one replica, in memory: what is admitted, executed and ended when everything is halted, by the row and by the
file."""

import asyncio
from pathlib import Path

import pytest

from interlock.model.breaker import Breaker
from interlock.model.change import ChangeState
from interlock.model.decision import Forbid
from interlock.model.errors import Halted, NotFound, Rejected, Unavailable
from interlock.runtime.halting.switch import BY_FILE, KillSwitch
from interlock.runtime.rules.governance import TryOut
from interlock.runtime.service.stopping.switches import Switches
from interlock.sdk.connector import Held, Permitted, Principal, Refused
from interlock.testing.installation import FEW, MANY, Installation
from interlock.testing.stores.signals import behaved_well
from interlock.testing.toy import operations_of, work_of

SAID = "everything is halted: fire"


def halted(reason: str = "fire", epoch: int = 1) -> Breaker:
    return Breaker("global", frozen=True, reason=reason, epoch=epoch)


def switches(made: Installation) -> Switches:
    return Switches(made.core, TryOut())


# ---- admission


def test_nothing_is_admitted_once_the_halt_is_committed_though_this_replica_has_not_heard_of_it() -> None:
    async def story() -> None:
        made = await Installation.make()
        agent = await made.principal()
        made.store.now(lambda tx: tx.put_breaker(halted()))
        assert not made.core.halt.why
        for statements in (FEW, [["put", "row/0001", "x"]]):
            answer = await made.send(agent, statements)
            assert isinstance(answer, Refused)
            assert (answer.code, answer.why) == ("breaker", SAID)
        assert made.toy.committed == []
        assert made.toy.open == set()
        assert made.store.entries("intent") == []

    asyncio.run(story())


def test_nor_is_a_session_begun() -> None:
    async def story() -> None:
        made = await Installation.make()
        known = made.gate.credential("fixer")
        assert known is not None
        made.store.now(lambda tx: tx.put_breaker(halted()))
        with pytest.raises(Halted, match=SAID):
            await made.gate.enter(known[0], lambda why: None)
        assert made.gate.sessions == []
        assert made.store.entries("session.opened") == []

    asyncio.run(story())


def test_what_this_replica_knows_to_be_halted_does_not_touch_the_target() -> None:
    async def story() -> None:
        made = await Installation.make()
        agent = await made.principal()
        made.core.halt.seen(halted())
        unit = made.unit(FEW)
        answer = await made.send(agent, FEW, unit)
        assert isinstance(answer, Refused)
        assert (answer.code, answer.why, answer.retry) == ("breaker", SAID, False)
        assert unit.calls == ["abandon"]
        decision = made.gate.check(agent, operations_of([["read"]]))
        assert isinstance(decision, Forbid)
        assert decision.why == SAID
        with pytest.raises(Halted):
            await made.gate.enter(Principal("fixer", "olga", ""), lambda why: None)

    asyncio.run(story())


def test_reverts_stop_too_and_approved_changes_are_not_applied() -> None:
    async def story() -> None:
        made = await Installation.make()
        agent = await made.principal()
        held = await made.send(agent, MANY)
        assert isinstance(held, Held)
        await made.approve(held.change)
        await switches(made).halts.halt("fire", by="person/ann")
        answer = await made.send(agent, MANY)
        assert isinstance(answer, Refused)
        assert (await made.change(held.change.id)).state is ChangeState.APPROVED
        await switches(made).halts.resume("over", by="person/ann")
        again = await made.principal()
        assert isinstance(await made.send(again, MANY), Permitted)

    asyncio.run(story())


def test_what_can_do_nothing_does_not_pass_either() -> None:
    async def story() -> None:
        made = await Installation.make()
        agent = await made.principal()
        unit = made.unit([["read"]])
        unit.gates["preview"] = asyncio.Event()
        sending = asyncio.create_task(made.send(agent, [["read"]], unit))
        await unit.reached["preview"].wait()
        made.core.halt._rows["global"] = halted()  # known, and not yet acted upon
        unit.gates["preview"].set()
        assert isinstance(await sending, Refused)
        assert made.toy.committed == []
        assert made.toy.open == set()

    asyncio.run(story())


# ---- between intent and execution


def test_what_is_halted_after_its_intent_is_not_executed_and_has_failed_not_in_doubt(tmp_path: Path) -> None:
    async def story() -> None:
        made = await Installation.make()
        agent = await made.principal()
        made.core.halt.file = tmp_path / "halt"
        made.core.watch.listeners.append(
            lambda change: (tmp_path / "halt").touch() if change.state is ChangeState.EXECUTING else None
        )
        unit = made.unit(FEW)
        answer = await made.send(agent, FEW, unit)
        assert isinstance(answer, Refused)
        assert (answer.code, answer.why) == ("failed", BY_FILE)
        assert unit.calls == ["preview", "abandon"]
        assert await made.states() == {ChangeState.FAILED: 1}
        assert len(made.store.entries("intent")) == 1
        (outcome,) = made.store.entries("outcome")
        assert outcome.body["committed"] is False
        assert made.toy.committed == []
        assert made.toy.open == set()

    asyncio.run(story())


def test_an_approval_is_given_back_when_its_change_was_not_executed(tmp_path: Path) -> None:
    async def story() -> None:
        made = await Installation.make()
        agent = await made.principal()
        held = await made.send(agent, MANY)
        assert isinstance(held, Held)
        await made.approve(held.change)
        file = tmp_path / "halt"
        made.core.halt.file = file
        made.core.watch.listeners.append(
            lambda change: file.touch() if change.state is ChangeState.EXECUTING else None
        )
        assert isinstance(await made.send(agent, MANY), Refused)
        assert (await made.change(held.change.id)).state is ChangeState.APPROVED
        made.core.watch.listeners.pop()
        file.unlink()
        assert isinstance(await made.send(await made.principal(), MANY), Permitted)

    asyncio.run(story())


def test_what_is_executing_already_is_seen_to_its_end() -> None:
    async def story() -> None:
        made = await Installation.make()
        agent = await made.principal()
        unit = made.unit(FEW)
        unit.gates["execute"] = asyncio.Event()
        sending = asyncio.create_task(made.send(agent, FEW, unit))
        await unit.reached["execute"].wait()
        made.core.halt.seen(halted())
        unit.gates["execute"].set()
        assert isinstance(await sending, Permitted)
        assert await made.states() == {ChangeState.APPLIED: 1}

    asyncio.run(story())


# ---- what is under way


def test_a_unit_that_holds_something_open_is_given_up_at_once() -> None:
    async def story() -> None:
        made = await Installation.make()
        agent = await made.principal()
        unit = made.unit(FEW)
        unit.gates["preview"] = asyncio.Event()  # never set
        sending = asyncio.create_task(made.send(agent, FEW, unit))
        await unit.reached["preview"].wait()
        assert made.toy.open
        made.core.halt.seen(halted())
        answer = await sending
        assert isinstance(answer, Refused)
        assert (answer.code, answer.why) == ("breaker", SAID)
        assert made.toy.open == set()

    asyncio.run(story())


def test_a_store_that_does_not_answer_keeps_nobody_waiting_and_a_late_intent_has_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> None:
        made = await Installation.make()
        agent = await made.principal()
        asked, answers, transact = asyncio.Event(), asyncio.Event(), made.store.transact

        async def slow(work: object, *, later: bool = False) -> object:
            asked.set()
            await answers.wait()
            return await transact(work, later=later)

        monkeypatch.setattr(made.store, "transact", slow)
        sending = asyncio.create_task(made.gate.admit(work_of(agent, FEW), made.unit(FEW)))
        await asked.wait()
        made.core.halt.seen(halted())
        answer = await sending
        assert isinstance(answer, Refused)
        assert answer.code == "breaker"
        assert made.toy.open == set()
        answers.set()  # the intent becomes durable after all
        await made.core.tasks.drain(10)
        assert await made.states() == {ChangeState.FAILED: 1}
        assert made.core.executing == set()
        assert made.toy.committed == []

    asyncio.run(story())


def test_a_store_that_fails_meanwhile_is_nobodys_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        made = await Installation.make()
        agent = await made.principal()
        asked, fails = asyncio.Event(), asyncio.Event()

        async def lost(work: object, *, later: bool = False) -> object:
            asked.set()
            await fails.wait()
            raise Unavailable("the store is lost")

        monkeypatch.setattr(made.store, "transact", lost)
        sending = asyncio.create_task(made.gate.admit(work_of(agent, FEW), made.unit(FEW)))
        await asked.wait()
        made.core.halt.seen(halted())
        assert isinstance(await sending, Refused)
        fails.set()
        assert not await made.core.tasks.drain(10)

    asyncio.run(story())


def test_sessions_end_each_whatever_becomes_of_the_others() -> None:
    async def story() -> None:
        made = await Installation.make()
        known = made.gate.credential("fixer")
        assert known is not None
        told: list[str] = []

        def breaks(why: str) -> None:
            raise RuntimeError("a connector's bug")

        for on_end in (told.append, breaks, told.append):
            await made.gate.enter(known[0], on_end)
        made.core.halt.seen(halted())
        assert told == [SAID, SAID]
        assert made.gate.sessions == []

    asyncio.run(story())


def test_who_comes_in_at_the_same_moment_is_ended_by_the_next_look() -> None:
    async def story() -> None:
        made = await Installation.make()
        known = made.gate.credential("fixer")
        assert known is not None
        made.core.halt.seen(halted())
        told: list[str] = []
        made.gate._sessions["late"] = (known[0], told.append)
        made.core.halt.seen(halted())  # the same row again
        assert told == [SAID]

    asyncio.run(story())


# ---- what is known


def test_an_older_row_does_not_end_a_halt() -> None:
    switch = KillSwitch()
    switch.seen(halted(epoch=7))
    switch.seen(Breaker("global", epoch=6))
    assert switch.why == SAID
    switch.seen(Breaker("global", epoch=8))
    assert switch.why == ""


@pytest.mark.parametrize("kind", ["file", "folder", "dangling", "unreadable"])
def test_anything_of_that_name_is_a_halt_file(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "halt"
    switch = KillSwitch(file)
    assert switch.look() == ""
    match kind:
        case "file":
            file.touch()
        case "folder":
            file.mkdir()
        case "dangling":
            file.symlink_to(tmp_path / "nothing")
        case _:

            def refused(path: Path) -> None:
                raise PermissionError(13, "not to be known")

            monkeypatch.setattr("os.lstat", refused)
    assert switch.look() == BY_FILE
    with pytest.raises(Halted):
        switch.check()


def test_the_file_stops_though_the_row_says_nothing_and_its_end_does_not_end_the_row(tmp_path: Path) -> None:
    file = tmp_path / "halt"
    switch = KillSwitch(file)
    file.touch()
    switch.seen(Breaker("global", epoch=1))
    assert switch.why == BY_FILE
    switch.seen(halted(epoch=2))
    file.unlink()
    assert switch.look() == SAID


def test_a_reason_hides_nothing() -> None:
    switch = KillSwitch()
    switch.seen(halted("stop\x00M\u202efake"))
    assert "\x00" not in switch.why
    assert "\u202e" not in switch.why


# ---- who, and what else it is not


def test_a_halt_needs_a_reason_and_a_resume_a_halt() -> None:
    async def story() -> None:
        made = await Installation.make()
        halts = switches(made).halts
        with pytest.raises(Rejected, match="reason"):
            await halts.halt("  ", by="person/ann")
        with pytest.raises(Rejected, match="nothing is halted"):
            await halts.resume("x", by="person/ann")
        await halts.halt("fire", by="person/ann")
        await halts.halt("still fire", by="person/bob")  # said twice is no error
        assert (await halts.state()).row.reason == "still fire"
        await halts.resume("over", by="person/ann")
        state = await halts.state()
        assert (state.halted, state.by_file, state.drilled_at) == (False, False, None)
        assert [(e.body["frozen"], e.body["by"], e.body["reason"]) for e in made.store.entries("halt")] == [
            (True, "person/ann", "fire"),
            (True, "person/bob", "still fire"),
            (False, "person/ann", "over"),
        ]

    asyncio.run(story())


def test_a_resume_closes_nothing_and_a_reset_resumes_nothing() -> None:
    async def story() -> None:
        made = await Installation.make()
        service = switches(made)
        await service.open("global", "odd", by="person/ann")
        await service.halts.halt("fire", by="person/ann")
        await service.reset("global", "better", by="person/ann")
        made.store.now(lambda tx: behaved_well(tx, "global"))
        await service.reset("global", "better still", by="person/ann")
        assert (await service.halts.state()).halted
        await service.open("global", "odd again", by="person/ann")
        await service.halts.resume("over", by="person/ann")
        answer = await made.send(await made.principal(), FEW)
        assert isinstance(answer, Refused)
        assert "stopped for global" in answer.why

    asyncio.run(story())


@pytest.mark.parametrize(
    "name", ["../global", "global", "", "production/../../global", "production\n", "*", "nowhere"]
)
def test_scopes_that_are_none_reach_nothing(name: str) -> None:
    async def story() -> None:
        made = await Installation.make()
        service = switches(made)
        await service.halts.halt("fire", by="person/ann")
        with pytest.raises(NotFound):
            await service.freeze(name, "x", by="person/ann")
        with pytest.raises(NotFound):
            await service.thaw(name, "x", by="person/ann")
        assert (await service.halts.state()).halted

    asyncio.run(story())
