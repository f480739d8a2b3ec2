"""Deciding about held changes: quorums of several groups, and what people may still do before an approval is used."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from interlock.control import limits
from interlock.control.deciding.approval import rfc3339
from interlock.control.deciding.haste import Reviews
from interlock.model.breaker import Breaker
from interlock.model.change import Approval, Change, ChangeState, Review, Verdict
from interlock.model.errors import NotFound, Rejected
from interlock.model.health import Blame
from interlock.model.people import Part, Quorum, Wider
from interlock.model.signal import Trip
from interlock.pipeline.commands import RecordHold
from interlock.pipeline.deciding import approve, comments
from interlock.pipeline.deciding.approve import Spoken
from interlock.pipeline.recorded import records
from interlock.runtime.background.tickers import Chores
from interlock.runtime.core import Notifiers
from interlock.runtime.service.deciding.changes import Changes
from interlock.sdk.connector import Held, Permitted, Refused
from interlock.sdk.ports import Tx
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


# ---- taking an approval back


async def take_back(made: Installation, change: Change, person: str, why: str = "") -> Spoken:
    result: Spoken = await made.store.transact(
        lambda tx: approve.take_back(tx, change.id, person, f"person/{person}", why, made.terms)
    )
    return result


def test_taking_back_before_the_quorum_is_met_leaves_it_held() -> None:
    async def story() -> None:
        made = await Installation.make()
        change = await held(made)
        await made.approve(change, "ann")
        spoken = await take_back(made, change, "ann", "I read it again")
        assert (spoken.change.state, spoken.tallies[0].given) == (S.HELD, ())
        assert (await made.approve(change, "bob")).state is S.HELD
        [entry] = made.store.entries("approval.withdrawn")
        assert (entry.body["person"], entry.body["why"]) == ("ann", "I read it again")

    asyncio.run(story())


def test_an_approved_change_without_its_quorum_waits_again_as_long_as_it_would_have() -> None:
    async def story() -> None:
        made = await Installation.make()
        agent, change = await made.principal(), await held(made)
        assert (await made.approve(change)).state is S.APPROVED
        made.store.advance(timedelta(minutes=1))
        after = (await take_back(made, change, "bob")).change
        assert (after.state, after.expires_at) == (S.HELD, change.expires_at)
        [moved] = made.store.entries("change.moved")[-1:]
        assert (moved.body["from"], moved.body["to"], moved.body["by"]) == ("approved", "held", "person/bob")
        answer = await made.send(agent, MANY)
        assert isinstance(answer, Held)
        assert (await made.approve(change, "cho")).state is S.APPROVED

    asyncio.run(story())


def test_it_stays_approved_while_the_others_suffice() -> None:
    async def story() -> None:
        made = await Installation.make()
        change = await held(made)
        await made.approve(change, "ann", "bob", "cho")
        assert (await take_back(made, change, "ann")).change.state is S.APPROVED
        assert (await take_back(made, change, "cho")).change.state is S.HELD

    asyncio.run(story())


def test_a_used_approval_cannot_be_taken_back() -> None:
    async def story() -> None:
        made = await Installation.make()
        agent, change = await made.principal(), await held(made)
        await made.approve(change)
        assert isinstance(await made.send(agent, MANY), Permitted)
        with pytest.raises(Rejected, match="applied"):
            await take_back(made, change, "ann")

    asyncio.run(story())


def test_nobody_takes_back_what_they_have_not_given() -> None:
    async def story() -> None:
        made = await Installation.make()
        change = await held(made)
        await made.approve(change, "ann")
        with pytest.raises(Rejected, match="bob has not approved"):
            await take_back(made, change, "bob")
        await take_back(made, change, "ann")
        with pytest.raises(Rejected, match="ann has not approved"):
            await take_back(made, change, "ann")

    asyncio.run(story())


def test_what_was_taken_back_cannot_be_given_in_again_but_signed_anew() -> None:
    async def story() -> None:
        made = await Installation.make()
        change = await held(made)

        def sign(minutes: int = 0, **changed: Any) -> Approval:
            at = made.store.time + timedelta(minutes=minutes)
            words = signing.speak(change, "ann", at, origin=made.terms.origin).statement
            return signing.signed(msgspec.structs.replace(words, **changed), at)

        given, kept_aside = sign(), sign(-5)
        longer = sign(expires=rfc3339(made.store.time + timedelta(days=5)))

        await made.store.transact(lambda tx: approve.opened(tx, change.id, "ann"))

        async def give(approval: Approval) -> None:
            await made.store.transact(lambda tx: approve.speak(tx, approval, made.terms))

        await give(given)
        made.store.advance(timedelta(minutes=1))
        await take_back(made, change, "ann")
        for replayed in (given, kept_aside):
            with pytest.raises(Rejected, match="ann took this approval back"):
                await give(replayed)
        made.store.advance(timedelta(milliseconds=1))
        await give(sign())
        await take_back(made, change, "ann")
        await give(longer)
        await take_back(made, change, "ann")
        with pytest.raises(Rejected, match="ann took this approval back"):
            await give(longer)  # its end is far off, but it is the very one
        assert (await made.change(change.id)).state is S.HELD

    asyncio.run(story())


def test_another_may_still_approve_what_one_took_back() -> None:
    async def story() -> None:
        made = await Installation.make()
        change = await held(made)
        old = signing.speak(change, "bob", made.store.time, origin=made.terms.origin)
        await made.approve(change, "ann")
        await take_back(made, change, "ann")
        await made.store.transact(lambda tx: approve.opened(tx, change.id, "bob"))
        await made.store.transact(lambda tx: approve.speak(tx, old, made.terms))

    asyncio.run(story())


def test_the_gate_knows_that_it_waits_again() -> None:
    async def story() -> None:
        made = await Installation.make()
        agent, change = await made.principal(), await held(made)
        await made.approve(change)
        service = Changes(made.core, {"shop": made.gate})
        assert made.gate.lift(agent, change.operations, change.content) is None
        spoken = await service.take_back(change.id, "ann", "", by="person/ann")
        assert made.gate.lift(agent, change.operations, change.content) == spoken.change

    asyncio.run(story())


# ---- comments


def test_comments_are_kept_sealed_with_the_change_and_go_with_it() -> None:
    async def story() -> None:
        made = await Installation.make()
        change = await held(made)
        service = Changes(made.core, {"shop": made.gate})
        await service.comment(change.id, "  is the backup done?\n\x1b", by="person/ann")
        await service.comment(change.id, "yes", by="uid/0")
        found = await service.comments(change.id)
        assert [(c.by, c.text) for c in found] == [("person/ann", "is the backup done?"), ("uid/0", "yes")]
        assert found[0].at == made.store.time
        assert (await service.show(change.id)).comments == tuple(found)
        for entry in made.store.entries("comment"):
            assert set(entry.body) == {"change", "by", "payloads"}
        assert b"backup" not in b"".join(made.store.tables.entries)
        await made.store.transact(lambda tx: tx.destroy_payloads(change.id))
        assert await service.comments(change.id) == []
        with pytest.raises(Rejected, match="destroyed"):
            await service.comment(change.id, "too late", by="person/ann")

    asyncio.run(story())


@pytest.mark.parametrize("text", ["", " \n ", "\x00", "x" * 4001])
def test_comments_are_bounded(text: str) -> None:
    async def story() -> None:
        made = await Installation.make()
        change = await held(made)
        with pytest.raises(Rejected, match="from 1 to 4000"):
            await Changes(made.core, {}).comment(change.id, text, by="person/ann")
        with pytest.raises(NotFound):
            await Changes(made.core, {}).comment("CHG-00000000", "x", by="person/ann")

    asyncio.run(story())


def test_a_change_has_only_so_many_comments() -> None:
    async def story() -> None:
        made = await Installation.make()
        change = await held(made)

        def many(tx: Tx) -> None:
            for _ in range(comments.MOST):
                comments.comment(tx, change.id, "person/ann", "x")

        await made.store.transact(many)
        with pytest.raises(Rejected, match="has 200 comments already"):
            await Changes(made.core, {}).comment(change.id, "x", by="person/ann")

    asyncio.run(story())


# ---- against the rubber stamp


async def give(made: Installation, change: Change, name: str) -> Change:
    """An approval, as the terms of the installation take it."""

    def work(tx: Tx) -> Change:
        words = signing.speak(change, name, tx.now(), origin=made.terms.origin)
        return approve.speak(tx, words, made.terms).change

    result: Change = await made.store.transact(work)
    return result


async def look(made: Installation, change: Change, name: str) -> None:
    await made.store.transact(lambda tx: approve.opened(tx, change.id, name))


async def rushed(made: Installation, person: str, number: int = 5) -> None:
    """The person approved some changes right after looking at them."""

    def work(tx: Tx) -> None:
        for n in range(number):
            tx.put_review(Review(f"CHG-{n}", person, tx.now(), tx.now()))

    await made.store.transact(work)
    made.store.advance(timedelta(minutes=10))
    await made.core.directory.refresh()


def test_nobody_approves_what_they_have_not_looked_at() -> None:
    async def story() -> None:
        made = await Installation.make()
        change = await held(made)
        await look(made, change, "bob")
        with pytest.raises(Rejected, match=f"ann has not looked at {change.id}"):
            await give(made, change, "ann")
        await look(made, change, "ann")
        assert (await give(made, change, "ann")).state is S.HELD
        assert (await give(made, change, "bob")).state is S.APPROVED

    asyncio.run(story())


def test_to_deny_one_need_not_have_looked() -> None:
    async def story() -> None:
        made = await Installation.make()
        change = await held(made)

        def work(tx: Tx) -> Change:
            words = signing.speak(change, "ann", tx.now(), origin=made.terms.origin, verdict=Verdict.DENY)
            return approve.speak(tx, words, made.terms).change

        assert (await made.store.transact(work)).state is S.DENIED

    asyncio.run(story())


def test_looking_again_does_not_begin_anew_and_nobody_looks_at_what_is_over() -> None:
    async def story() -> None:
        made = await Installation.make()
        change = await held(made)
        service = Changes(made.core, {"shop": made.gate})
        first = await service.opened(change.id, "ann")
        made.store.advance(timedelta(seconds=9))
        assert await service.opened(change.id, "ann") == first
        with pytest.raises(Rejected, match="there is no person nobody"):
            await service.opened(change.id, "nobody")
        await made.speak(change, "ann", Verdict.DENY)
        with pytest.raises(Rejected, match="is denied"):
            await service.opened(change.id, "bob")

    asyncio.run(story())


def test_a_hasty_approval_is_slowed_then_counts_and_asks_one_more_person() -> None:
    async def story() -> None:
        made = await Installation.make()
        made.terms = msgspec.structs.replace(made.terms, reviews=Reviews())
        await rushed(made, "ann")
        change = await held(made)
        for name in ("ann", "bob", "cho"):
            await look(made, change, name)
        made.store.advance(timedelta(seconds=20))
        with pytest.raises(
            Rejected, match=r"ann approved the last 5 changes within 0\.0 s .* can be approved in 40 s"
        ):
            await give(made, change, "ann")
        made.store.advance(timedelta(seconds=40))
        await give(made, change, "ann")
        assert (await give(made, change, "bob")).state is S.HELD
        assert (await give(made, change, "cho")).state is S.APPROVED
        bodies = [e.body for e in made.store.entries("approval")]
        assert [(b["person"], b["hasty"]) for b in bodies] == [("ann", True), ("bob", False), ("cho", False)]
        assert bodies[0]["opened"] == rfc3339(made.store.time - timedelta(seconds=60))
        # The quorum is counted with the same stored approvals when it is used.
        assert isinstance(await made.send(await made.principal(), MANY), Permitted)

    asyncio.run(story())


def test_who_approves_too_many_in_an_hour_is_slowed() -> None:
    async def story() -> None:
        made = await Installation.make()
        made.terms = msgspec.structs.replace(made.terms, reviews=Reviews(per_hour=3))

        def work(tx: Tx) -> None:
            for n in range(3):
                tx.put_review(Review(f"CHG-{n}", "ann", tx.now() - timedelta(hours=2), tx.now()))

        await made.store.transact(work)
        change = await held(made)
        await look(made, change, "ann")
        with pytest.raises(Rejected, match="ann approves the 4th change within an hour"):
            await give(made, change, "ann")

    asyncio.run(story())


def test_an_approval_is_itself_counted_later() -> None:
    async def story() -> None:
        made = await Installation.make()
        change = await held(made)
        await look(made, change, "ann")
        made.store.advance(timedelta(seconds=3))
        await give(made, change, "ann")
        [review] = await made.store.read(lambda tx: tx.reviews("ann", change.requested_at))
        assert (review.change, review.approved_at) == (change.id, made.store.time)
        assert review.opened_at == made.store.time - timedelta(seconds=3)

    asyncio.run(story())


# ---- reminded before it is over


class Told:
    """A notifier that remembers."""

    def __init__(self) -> None:
        self.reminded: list[str] = []

    def held(self, change: Change) -> None:
        pass

    def moved(self, change: Change) -> None:
        pass

    def reminder(self, change: Change) -> None:
        self.reminded.append(change.id)

    def break_glass(self, person: str, change: Change | None, target: str, until: datetime) -> None:
        pass

    def breaker(self, row: Breaker, by: str) -> None:
        pass

    def tripped(self, trip: Trip) -> None:
        pass

    freeze = halt = breaker

    def still_frozen(self, row: Breaker, now: datetime) -> None:
        pass

    def drill_failed(self, row: Breaker, replicas: Sequence[str]) -> None:
        pass

    def health(self, blame: Blame, reverts: Sequence[Change]) -> None:
        pass


def test_people_are_reminded_once_of_what_expires_within_the_hour() -> None:
    async def story() -> None:
        made = await Installation.make()
        other = await Installation.make(made.store, made.toy, gateway="gw-2", furnish=False)
        told = Told()
        for one in (made, other):
            one.core.notifiers = Notifiers((told,))
        change = await held(made)
        made.store.advance(limits.HELD_FOR - timedelta(hours=1, milliseconds=1))
        await Chores(made.core).remind()
        assert told.reminded == []
        made.store.advance(timedelta(milliseconds=1))
        await asyncio.gather(*(Chores(one.core).remind() for one in (made, other, made)))
        assert told.reminded == [change.id]
        # What was shown and signed is still the same.
        assert (await made.approve(change)).state is S.APPROVED

    asyncio.run(story())


def test_nobody_is_reminded_of_what_is_approved_or_over() -> None:
    async def story() -> None:
        made = await Installation.make()
        made.core.notifiers = Notifiers((told := Told(),))
        await made.approve(await held(made))
        answer = await made.send(await made.principal(), [["delete_like", "row/02"]])
        assert isinstance(answer, Held)
        made.store.advance(limits.HELD_FOR)
        await Chores(made.core).remind()
        assert told.reminded == []

    asyncio.run(story())


def test_how_long_before_can_be_set() -> None:
    async def story() -> None:
        made = await Installation.make()
        made.core.notifiers = Notifiers((told := Told(),))
        made.core.terms = msgspec.structs.replace(made.terms, reviews=Reviews(remind=timedelta(minutes=5)))
        change = await held(made)
        made.store.advance(limits.HELD_FOR - timedelta(minutes=6))
        await Chores(made.core).remind()
        assert told.reminded == []
        made.store.advance(timedelta(minutes=1))
        await Chores(made.core).remind()
        assert told.reminded == [change.id]

    asyncio.run(story())
