"""Deciding about held changes: quorums of several groups, and what people may still do before an approval is used."""

import asyncio
from datetime import timedelta

import pytest

from interlock.control import limits
from interlock.model.change import Change, ChangeState, Verdict
from interlock.model.errors import Rejected
from interlock.model.people import Part, Quorum, Wider
from interlock.pipeline import records
from interlock.pipeline.commands import RecordHold
from interlock.sdk.connector import Held, Permitted, Refused
from interlock.testing import signing
from interlock.testing.installation import MANY, Installation
from interlock.testing.toy import work_of

S = ChangeState


async def held(made: Installation) -> Change:
    answer = await made.send(await made.principal(), MANY)
    assert isinstance(answer, Held)
    return answer.change


def test_one_of_sre_and_one_of_dba() -> None:
    async def story() -> None:
        both = {"two-sre": Quorum("two-sre", 1, "sre", also=(Part(1, "dba"),))}
        made = await Installation.make(quorums=both)
        await made.store.transact(lambda tx: tx.put_person(signing.person("dan", "dba", at=tx.now())))
        change = await held(made)
        assert (await made.approve(change, "ann", "bob")).state is S.HELD
        with pytest.raises(Rejected, match="it waits for people of dba, sre"):
            await made.speak(change, "dev")
        assert (await made.approve(change, "dan")).state is S.APPROVED
        assert isinstance(await made.send(await made.principal(), MANY), Permitted)

    asyncio.run(story())


def test_a_wide_change_waits_for_more_people() -> None:
    async def story() -> None:
        wide = {"two-sre": Quorum("two-sre", 2, "sre", wider=(Wider(3, rows=100),))}
        made = await Installation.make(quorums=wide)
        change = await held(made)
        assert (await made.approve(change, "ann", "bob")).state is S.HELD
        assert (await made.approve(change, "cho")).state is S.APPROVED

    asyncio.run(story())


# ---- a denial is answered for a while


def test_what_was_denied_is_not_held_again_at_once() -> None:
    async def story() -> None:
        made = await Installation.make()
        agent = await made.principal()
        change = await held(made)
        made.store.advance(timedelta(hours=3))
        await made.core.directory.refresh()
        denied = (await made.speak(change, "ann", Verdict.DENY, "not on\na Friday\x1b")).change
        assert denied.denial == "not on a Friday"
        assert denied.expires_at == change.expires_at == change.requested_at + limits.HELD_FOR
        for _ in range(3):
            answer = await made.send(agent, MANY)
            assert isinstance(answer, Refused)
            assert (answer.code, answer.retry, answer.change) == ("forbidden", False, denied)
            assert "people said no" in answer.why
            assert "The reason given: not on a Friday. The same can be asked again after" in answer.why
            assert "ann" not in answer.why
        assert await made.states() == {S.DENIED: 1}

    asyncio.run(story())


def test_it_may_be_asked_again_when_the_held_change_would_have_expired() -> None:
    async def story() -> None:
        made = await Installation.make()
        change = await held(made)
        await made.speak(change, "ann", Verdict.DENY)
        made.store.advance(limits.HELD_FOR - timedelta(milliseconds=1))
        await made.core.directory.refresh()
        agent = await made.principal()
        assert isinstance(await made.send(agent, MANY), Refused)
        made.store.advance(timedelta(milliseconds=1))
        await made.core.directory.refresh()
        again = await made.send(agent, MANY)
        assert isinstance(again, Held)
        assert (again.again, again.change.id != change.id) == (False, True)

    asyncio.run(story())


def test_an_approval_that_was_denied_after_all_answers_as_long_as_the_held_change_would_have_lived() -> None:
    async def story() -> None:
        made = await Installation.make()
        change = await held(made)
        await made.approve(change)
        denied = (await made.speak(change, "cho", Verdict.DENY)).change
        assert denied.expires_at == change.requested_at + limits.HELD_FOR

    asyncio.run(story())


def test_other_content_and_other_agents_are_not_answered_with_it() -> None:
    async def story() -> None:
        made = await Installation.make()
        change = await held(made)
        await made.speak(change, "ann", Verdict.DENY)
        assert isinstance(await made.send(await made.principal(), [["delete_like", "row/02"]]), Held)
        found = await made.store.read(lambda tx: tx.denied_change("other", "shop", change.content))
        assert found is None

    asyncio.run(story())


def test_a_denial_is_answered_from_memory_without_touching_the_target() -> None:
    async def story() -> None:
        made = await Installation.make()
        other = await Installation.make(made.store, made.toy, gateway="gw-2", furnish=False)
        agent, change = await made.principal(), await held(made)
        denied = (await other.speak(change, "ann", Verdict.DENY)).change
        await made.core.watch.look()
        assert made.gate.lift(agent, change.operations, change.content) == denied
        made.store.advance(limits.HELD_FOR)
        await made.core.directory.refresh()
        assert made.gate.lift(agent, change.operations, change.content) is None

    asyncio.run(story())


def test_measuring_what_was_denied_costs_the_agent() -> None:
    async def story() -> None:
        made = await Installation.make()
        agent, change = await made.principal(), await held(made)
        await made.speak(change, "ann", Verdict.DENY)
        answers = [await made.send(agent, MANY) for _ in range(limits.PREVIEW_BURST + 1)]
        assert isinstance(answers[-1], Refused)
        assert answers[-1].code == "unavailable"

    asyncio.run(story())


def test_a_denial_between_the_preview_and_the_record_holds_nothing_anew() -> None:
    async def story() -> None:
        made = await Installation.make()
        agent, change = await made.principal(), await held(made)
        await made.speak(change, "ann", Verdict.DENY)
        stored = made.store.tables.changes[change.id]
        work = work_of(agent, MANY)
        ask = RecordHold(work, made.target, change.decision, change.measurement)
        answer = await made.store.transact(lambda tx: records.hold(tx, ask, made.terms, "n" * 32))
        assert answer == records.refused_as_denied(stored)

    asyncio.run(story())
