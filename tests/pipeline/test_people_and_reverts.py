"""Approvals, denials, reverts and expiry on the enforcing store."""

import asyncio
from datetime import timedelta

import msgspec
import pytest

from interlock.control.deciding.approval import binding, bound, rfc3339
from interlock.model.base import digest_of
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.change import Approval, Change, ChangeState, Verdict
from interlock.model.errors import Conflict, Rejected
from interlock.pipeline.commands import FindChange
from interlock.pipeline.deciding import approve
from interlock.pipeline.recorded.records import find
from interlock.runtime.background.tickers import Chores
from interlock.runtime.service.deciding.changes import Changes
from interlock.runtime.service.deciding.report import report
from interlock.sdk.connector import Answer, Held, Permitted, Refused
from interlock.testing import signing
from interlock.testing.installation import FEW, MANY, ROWS, Installation

S = ChangeState


async def held(made: Installation) -> Change:
    answer = await made.send(await made.principal(), MANY)
    assert isinstance(answer, Held)
    return answer.change


async def applied(made: Installation) -> Change:
    change = await held(made)
    await made.approve(change)
    answer = await Changes(made.core, {"shop": made.gate}).apply(change.id, by="uid/1")
    assert isinstance(answer, Permitted)
    await made.core.tasks.drain(10)
    return await made.change(change.id)


async def revert(
    made: Installation, change: Change, person: str, *, force: bool = False, nonce: str = ""
) -> Answer:
    service = Changes(made.core, {"shop": made.gate})
    words = await service.revert_statement(change.id, person, force=force, nonce=nonce)
    answer = await service.revert(words, signing.signed(words, made.store.time).signature, force=force)
    await made.core.tasks.drain(10)
    return answer


@pytest.mark.parametrize(
    ("name", "why"),
    [("olga", "owns the agent"), ("gus", "granted the agent"), ("dev", "waits for people of sre")],
)
def test_people_who_cannot_count_are_told_so(name: str, why: str) -> None:
    async def run() -> None:
        made = await Installation.make()
        change = await held(made)
        with pytest.raises(Rejected, match=why):
            await made.speak(change, name)
        assert made.store.entries("approval") == []

    asyncio.run(run())


def test_nobody_speaks_twice_about_one_holding() -> None:
    async def run() -> None:
        made = await Installation.make()
        change = await held(made)
        await made.speak(change, "ann")
        with pytest.raises(Conflict):
            await made.speak(change, "ann")
        assert (await made.change(change.id)).state is S.HELD

    asyncio.run(run())


def test_who_has_approved_may_still_deny() -> None:
    async def run() -> None:
        made = await Installation.make()
        change = await held(made)
        await made.approve(change)
        assert (await made.speak(change, "ann", Verdict.DENY)).change.state is S.DENIED
        assert len(made.store.entries("denial")) == 1

    asyncio.run(run())


def test_the_owner_may_deny() -> None:
    async def run() -> None:
        made = await Installation.make()
        change = await held(made)
        assert (await made.speak(change, "olga", Verdict.DENY)).change.state is S.DENIED
        with pytest.raises(Rejected, match="denied"):
            await made.speak(change, "ann")

    asyncio.run(run())


def test_an_approval_ends_with_its_shortest_signature() -> None:
    async def run() -> None:
        made = await Installation.make()
        change = await held(made)
        soon = made.store.time + timedelta(minutes=5)
        words = signing.speak(change, "ann", made.store.time, origin=made.terms.origin).statement
        short = msgspec.structs.replace(words, expires=rfc3339(soon))
        made.store.now(lambda tx: approve.opened(tx, change.id, "ann"))
        made.store.now(lambda tx: approve.speak(tx, signing.signed(short, soon), made.terms))
        approved = await made.approve(change, "bob")
        assert approved.state is S.APPROVED
        assert approved.expires_at == soon

    asyncio.run(run())


def test_an_approver_disabled_before_the_commit_does_not_count() -> None:
    async def run() -> None:
        made = await Installation.make()
        change = await held(made)
        await made.approve(change)
        ann = msgspec.structs.replace(signing.person("ann", "sre", at=made.store.time), disabled=True)
        made.store.now(lambda tx: tx.put_person(ann))
        await made.core.directory.refresh()
        answer = await made.send(await made.principal(), MANY)
        assert isinstance(answer, Held)
        assert answer.change.replaces == change.id
        assert "do not suffice" in answer.grown[0]
        assert (await made.change(change.id)).state is S.WITHDRAWN
        assert not made.toy.committed

    asyncio.run(run())


def test_what_outgrew_its_approval_is_a_new_change_and_needs_new_approvals() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        change = await held(made)
        await made.approve(change)
        made.toy.rows = {**(made.toy.rows or {}), "row/01xx": "more"}
        answer = await made.send(agent, MANY)
        assert isinstance(answer, Held)
        assert answer.grown == ("table toy.rows: 101 rows deleted, approved were 100",)
        assert answer.change.nonce != change.nonce
        assert await made.store.read(lambda tx: tx.approvals(answer.change.id)) == ()
        assert not made.toy.open

    asyncio.run(run())


def test_fewer_of_the_approved_rows_pass() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        change = await held(made)
        await made.approve(change)
        made.toy.rows = {k: v for k, v in (made.toy.rows or {}).items() if k != "row/0150"}
        assert isinstance(await made.send(agent, MANY), Permitted)
        intent = made.store.entries("intent")[0].body
        assert intent["totals"]["rows_deleted"] == 99

    asyncio.run(run())


def test_the_ledger_holds_the_preimage_of_what_people_signed() -> None:
    async def run() -> None:
        made = await Installation.make()
        change = await held(made)
        await made.approve(change)
        entry = made.store.entries("change.held")[0].body
        assert digest_of(entry["bound"]) == entry["binding"] == binding(change)
        assert entry["bound"] == bound(change)
        given = made.store.entries("approval")
        assert {e.body["statement"]["subject"] for e in given} == {binding(change)}

    asyncio.run(run())


def test_nothing_native_is_in_the_ledger_or_the_record() -> None:
    async def run() -> None:
        made = await Installation.make()
        await applied(made)
        everything = b"".join(made.store.tables.entries) + msgspec.json.encode(
            list(made.store.tables.changes.values())
        )
        assert b"row/01" not in everything
        assert b"delete_like" not in everything

    asyncio.run(run())


def test_revert_brings_everything_back_and_can_be_reverted() -> None:
    async def run() -> None:
        made = await Installation.make()
        change = await applied(made)
        assert isinstance(await revert(made, change, "olga"), Permitted)
        assert made.toy.rows == ROWS
        original = await made.change(change.id)
        assert original.state is S.REVERTED
        undone = await made.change(original.reverted_by)
        assert (undone.state, undone.requested_by, undone.reverts) == (S.APPLIED, "olga", change.id)
        assert made.store.entries("revert")[0].body["by_change"] == undone.id

        # Undoing that revert deletes 100 rows again: people were needed then, so they are now.
        answer = await revert(made, undone, "ann")
        assert isinstance(answer, Held)
        assert made.toy.rows == ROWS
        with pytest.raises(Rejected, match="asked for the change"):
            await made.speak(answer.change, "ann")
        await made.approve(answer.change, "bob", "cho")
        done = await Changes(made.core, {"shop": made.gate}).apply(answer.change.id, by="uid/1")
        assert isinstance(done, Permitted)
        await made.core.tasks.drain(10)
        assert len(made.toy.rows or {}) == 200
        assert (await made.change(undone.id)).state is S.REVERTED

    asyncio.run(run())


def test_rows_modified_since_are_refused_unless_forced() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        done = await made.send(agent, FEW)
        assert isinstance(done, Permitted)
        assert done.change is not None
        made.toy.rows = {**(made.toy.rows or {}), "row/0000": "someone's"}
        answer = await revert(made, done.change, "ann")
        assert isinstance(answer, Refused)
        assert "1 rows were modified since" in answer.why
        assert made.toy.rows["row/0000"] == "someone's"
        assert (await made.change(done.change.id)).state is S.APPLIED
        assert isinstance(await revert(made, done.change, "ann", force=True), Permitted)
        assert made.toy.rows is not None
        assert made.toy.rows["row/0000"] == "old"

    asyncio.run(run())


def test_one_signature_is_one_revert() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        done = await made.send(agent, FEW)
        assert isinstance(done, Permitted)
        assert done.change is not None
        made.live.toy.lost = False
        nonce = "0" * 32
        assert isinstance(await revert(made, done.change, "ann", nonce=nonce), Permitted)
        with pytest.raises(Rejected, match="there is nothing to revert"):
            await revert(made, done.change, "ann", nonce=nonce)

    asyncio.run(run())


def test_a_revert_that_fails_leaves_the_original_revertible() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        done = await made.send(agent, FEW)
        assert isinstance(done, Permitted)
        assert done.change is not None
        broken = made.live.unit

        def failing(statements: object) -> object:
            unit = broken(statements)  # type: ignore[arg-type]
            unit.execute_fails = "proven"
            return unit

        made.live.unit = failing  # type: ignore[assignment,method-assign]
        assert isinstance(await revert(made, done.change, "ann"), Refused)
        made.live.unit = broken  # type: ignore[method-assign]
        original = await made.change(done.change.id)
        assert (original.state, original.reverted_by) == (S.APPLIED, "")
        assert isinstance(await revert(made, done.change, "ann"), Permitted)

    asyncio.run(run())


def test_reverts_pass_open_breakers_but_the_global_one() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        done = await made.send(agent, FEW)
        assert isinstance(done, Permitted)
        assert done.change is not None
        stop = BreakerState.OPEN
        made.store.now(lambda tx: tx.put_breaker(Breaker("global", stop, reason="all")))
        refused = await revert(made, done.change, "ann")
        assert isinstance(refused, Refused)
        assert refused.code == "breaker"
        made.store.now(lambda tx: tx.put_breaker(Breaker("global")))
        for scope in ("target/shop", "environment/production", "agent/fixer"):
            made.store.now(lambda tx, s=scope: tx.put_breaker(Breaker(s, stop)))
        assert isinstance(await revert(made, done.change, "ann"), Permitted)

    asyncio.run(run())


def test_a_forged_wish_is_refused_before_the_target_is_touched() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        done = await made.send(agent, FEW)
        assert isinstance(done, Permitted)
        assert done.change is not None
        service = Changes(made.core, {"shop": made.gate})
        words = await service.revert_statement(done.change.id, "ann")
        forged: Approval = signing.signed(words, made.store.time, signing.key_of("dev"))
        units = len(made.live.units)
        with pytest.raises(Rejected, match="not valid"):
            await service.revert(words, forged.signature)
        signed = signing.signed(words, made.store.time)
        with pytest.raises(Rejected, match="another content"):
            await service.revert(words, signed.signature, force=True)
        assert len(made.live.units) == units

    asyncio.run(run())


def test_what_cannot_be_undone_is_not_reverted_silently() -> None:
    async def run() -> None:
        made = await Installation.make()
        answer = await made.send(await made.principal(), [["drop"]])
        assert isinstance(answer, Held)
        await made.approve(answer.change)
        await Changes(made.core, {"shop": made.gate}).apply(answer.change.id, by="uid/1")
        await made.core.tasks.drain(10)
        with pytest.raises(Rejected, match="no before-image"):
            await revert(made, answer.change, "ann")

    asyncio.run(run())


def test_open_changes_expire_by_the_stores_clock() -> None:
    async def run() -> None:
        made = await Installation.make()
        change = await held(made)
        chores = Chores(made.core)
        await chores.expire()
        assert (await made.change(change.id)).state is S.HELD
        made.store.advance(timedelta(hours=24))
        ask = FindChange("fixer", "shop", change.content)
        assert await made.store.read(lambda tx: find(tx, ask)) is None
        await chores.expire()
        assert (await made.change(change.id)).state is S.EXPIRED

    asyncio.run(run())


def test_apply_goes_through_everything_again() -> None:
    async def run() -> None:
        made = await Installation.make()
        change = await held(made)
        service = Changes(made.core, {"shop": made.gate})
        with pytest.raises(Rejected, match="only approved"):
            await service.apply(change.id, by="uid/1")
        await made.approve(change)
        made.toy.definitions = "v2"
        answer = await service.apply(change.id, by="uid/1")
        assert isinstance(answer, Held)
        assert "definition" in answer.grown[0]

    asyncio.run(run())


def test_observing_lets_pass_and_reports() -> None:
    async def run() -> None:
        made = await Installation.make(observe=True)
        answer = await made.send(await made.principal(), MANY)
        assert isinstance(answer, Permitted)
        found = await report(made.core, timedelta(days=7))
        assert [w.change for w in found.would_hold] == [answer.change.id if answer.change else ""]
        assert found.by_agent == {"fixer": 1}
        assert found.by_reason
        assert made.store.entries("decision")[0].body["observed"] is True

    asyncio.run(run())


def test_a_full_agent_keeps_an_approved_change_and_can_still_outgrow_it() -> None:
    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        change = await held(made)
        for number in range(4):
            assert isinstance(await made.send(agent, [*MANY, ["put", "x", str(number)]]), Held)
        await made.approve(change)
        refused = await made.send(agent, [*MANY, ["put", "x", "9"]])
        assert isinstance(refused, Refused)
        assert (await made.change(change.id)).state is S.APPROVED
        made.toy.definitions = "v2"
        answer = await made.send(agent, MANY)
        assert isinstance(answer, Held)
        assert answer.change.replaces == change.id

    asyncio.run(run())


def test_what_is_held_anew_needs_all_that_policy_asks_without_evidence() -> None:
    async def run() -> None:
        made = await Installation.make()
        change = await held(made)
        await made.approve(change)
        made.toy.definitions = "v2"
        answer = await made.send(await made.principal(), MANY)
        assert isinstance(answer, Held)
        assert answer.change.decision == change.decision

    asyncio.run(run())
