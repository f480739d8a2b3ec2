"""The gate: who may enter, whose session ends when, and what is answered while the store is lost."""

import asyncio
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from interlock.model.decision import Forbid, Hold, Permit
from interlock.model.errors import Rejected
from interlock.model.people import AgentCredential
from interlock.runtime.rules import directory
from interlock.runtime.rules.governance import TryOut
from interlock.runtime.service.people.principals import Agents, Grants
from interlock.sdk.connector import Held, Principal
from interlock.sdk.ports import Tx
from interlock.testing.installation import FEW, MANY, Installation
from interlock.testing.toy import operations_of


def test_credentials_are_given_for_live_agents_with_a_right_and_for_nobody_else() -> None:
    async def run() -> None:
        made = await Installation.make()
        assert made.gate.credential("nobody") is None
        found = made.gate.credential("fixer")
        assert found is not None
        assert found[0] == Principal("fixer", "olga", "", 1)
        made.store.advance(timedelta(days=31))  # the grant is over
        await made.core.directory.refresh()
        assert made.gate.credential("fixer") is None

    asyncio.run(run())


def test_while_the_store_is_lost_nobody_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        made = await Installation.make()
        monkeypatch.setattr(directory, "STALE", -1.0)
        assert made.gate.credential("fixer") is None
        agent = Principal("fixer", "olga", "s")
        assert isinstance(made.gate.check(agent, operations_of(FEW)), Forbid)

    asyncio.run(run())


def test_entering_is_checked_again_in_the_store() -> None:
    async def run() -> None:
        made = await Installation.make()
        found = made.gate.credential("fixer")
        assert found is not None
        made.store.now(lambda tx: tx.put_credential(AgentCredential("fixer", "", "1" * 64, epoch=2)))
        with pytest.raises(Rejected):
            await made.gate.enter(found[0], lambda why: None)
        assert made.gate.sessions == []
        assert made.store.entries("session.opened") == []

    asyncio.run(run())


def test_a_session_has_a_switch_and_two_entries() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        scope = f"session/{agent.session}"
        assert await made.store.read(lambda tx: tx.breaker(scope)) is not None
        assert made.gate.sessions == [agent]
        await made.gate.leave(agent)
        assert await made.store.read(lambda tx: tx.breaker(scope)) is None
        kinds = [e.kind for e in made.store.entries()]
        assert kinds == ["session.opened", "session.closed"]
        assert made.store.entries()[0].body["session"] == agent.session

    asyncio.run(run())


def _revoke(tx: Tx) -> None:
    grant = tx.grant("G1")
    assert grant is not None
    tx.put_grant(msgspec.structs.replace(grant, revoked_at=tx.now()))


@pytest.mark.parametrize("how", ["disable", "rotate", "revoke", "elsewhere"])
def test_sessions_end_when_their_agent_does(how: str) -> None:
    async def run() -> None:
        made = await Installation.make()
        ended: list[str] = []
        found = made.gate.credential("fixer")
        assert found is not None
        await made.gate.enter(found[0], ended.append)
        await made.core.directory.refresh()
        assert ended == []
        agents = Agents(made.core, TryOut())
        if how == "disable":
            await agents.disable("fixer", by="uid/1")
        elif how == "rotate":
            await agents.rotate("fixer", by="uid/1")
        elif how == "revoke":
            await Grants(made.core, TryOut(), lambda target: True).revoke("G1", by="uid/1")
        else:
            made.store.now(_revoke)  # another replica
            await made.core.directory.refresh()
        assert len(ended) == 1
        assert made.gate.sessions == []
        await made.core.directory.refresh()
        assert len(ended) == 1

    asyncio.run(run())


def test_check_answers_before_effects_and_forgets_when_rights_change() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        assert isinstance(made.gate.check(agent, operations_of(MANY)), Permit)
        assert isinstance(made.gate.check(agent, operations_of([["levitate"]])), Forbid)
        assert isinstance(made.gate.check(agent, ()), Permit)
        made.store.now(_revoke)
        await made.core.directory.refresh()
        decision = made.gate.check(agent, operations_of(MANY))
        assert isinstance(decision, Forbid)
        assert not isinstance(decision, Hold)

    asyncio.run(run())


def test_lift_answers_only_what_is_still_held_and_still_allowed() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        held = await made.send(agent, MANY)
        assert isinstance(held, Held)
        content, ops = held.change.content, operations_of(MANY)
        assert made.gate.lift(agent, ops, content) == held.change
        assert made.gate.lift(agent, ops, "other") is None
        made.gate.known("another/system")
        assert made.gate.lift(agent, ops, content) is None
        made.gate.known(made.toy.fingerprint)
        made.store.now(_revoke)
        await made.core.directory.refresh()
        assert made.gate.lift(agent, ops, content) is None

    asyncio.run(run())


def test_wait_ends_with_the_time_or_the_move() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        held = await made.send(agent, MANY)
        assert isinstance(held, Held)
        assert (await made.gate.wait(held.change.id, timedelta(0))).state.value == "held"
        waiting = asyncio.create_task(made.gate.wait(held.change.id, timedelta(minutes=5)))
        await asyncio.sleep(0)
        await made.approve(held.change)
        assert (await waiting).state.value == "approved"
        assert made.core.watch._events == {}

    asyncio.run(run())


def test_refusals_wait_for_the_store_and_are_counted_together() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        for _ in range(1000):
            made.gate.refused(agent, operations_of(FEW), Forbid("not that", ("rule",)))
        for number in range(1000):
            made.gate.refused(agent, operations_of(FEW), Forbid(f"not {number}"))
        made.store.unavailable = True
        await made.core.refusals.flush()
        made.store.unavailable = False
        await made.core.refusals.flush()
        await made.core.refusals.flush()
        entries = made.store.entries("decision")
        assert sum(e.body["count"] for e in entries) == 2000
        assert entries[0].body["count"] == 1000
        assert len(entries) <= 501

    asyncio.run(run())


def test_the_halt_file_stops_everything_that_would_take_effect(tmp_path: Path) -> None:
    async def run(folder: Path) -> None:
        made = await Installation.make()
        agent = await made.principal()
        made.core.halt.file = folder / "halt"
        made.core.halt.file.touch()
        answer = await made.send(agent, FEW)
        assert getattr(answer, "code", "") == "breaker"
        assert not made.toy.committed
        made.core.halt.file.unlink()
        await made.send(agent, FEW)
        assert made.toy.committed

    asyncio.run(run(tmp_path))
