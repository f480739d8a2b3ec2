"""Breakers that open by themselves, through the whole pipeline."""

import msgspec
import pytest
from tests.pipeline.tripping import (
    FAILS,
    NEVER_DONE_BEFORE,
    QUORUM,
    WITHOUT_QUORUM,
    K,
    change_of,
    drop,
    failing,
    made,
    refused,
    row,
    spend_marks,
    track,
    trips_of,
)

from interlock.control import breaker, budget
from interlock.control.signals.thresholds import Signals, Thresholds
from interlock.model.change import ChangeState, Verdict
from interlock.model.effect import Unit
from interlock.model.errors import Rejected
from interlock.model.signal import Facts, Signal, Track
from interlock.pipeline.recorded import trips
from interlock.sdk.connector import Cause, Held, Permitted, Refused
from interlock.testing.installation import Installation
from interlock.testing.scripted import Script, ScriptedUnit, scripted, touched

pytestmark = pytest.mark.anyio


# ---- what opens, and that nothing goes on --------------------------------------------------------------------------------


async def test_the_fourth_in_a_minute_is_not_executed_and_the_session_stops() -> None:
    one = await made()
    who = await one.principal()
    answers = await spend_marks(one, who, 3)
    assert all(isinstance(a, Permitted) for a in answers)
    unit = ScriptedUnit(one.toy, drop(3))
    why = refused(await one.gate.admit(scripted(who, drop(3)), unit))
    assert unit.calls == ["preview", "abandon"], "it was never executed"
    assert "4 destructive operations in a minute" in why
    (trip,) = await trips_of(one)
    assert (trip.signal, trip.scope) == (Signal.DESTRUCTIVE, breaker.session(who.session))
    assert [s.what for s in trip.steps] == [f"deleted table x.t{n}" for n in range(4)]
    assert "stopped" in refused(await one.run(who, row(9))), "what is harmless is refused as well (P8)"
    assert not one.toy.open
    other = await one.principal()
    assert isinstance(await one.run(other, row(9)), Permitted), "another session of the agent goes on"
    (entry,) = [e for e in one.store.entries("breaker") if e.body.get("signal")]
    assert entry.body["signal"] == "destructive"


async def test_what_only_observes_trips_nothing() -> None:
    one = await made(observe=True)
    who = await one.principal()
    assert all(isinstance(a, Permitted) for a in await spend_marks(one, who, 8))
    assert await trips_of(one) == []
    assert await track(one) == Track()


async def test_without_signals_nothing_trips() -> None:
    for signals in (None, Signals(environments={"production": None})):
        one = await made(signals)
        assert all(isinstance(a, Permitted) for a in await spend_marks(one, await one.principal(), 8))
        assert await trips_of(one) == []


async def test_attempts_that_are_held_count_and_asking_again_does_not() -> None:
    one = await made(guardrails="default")
    who = await one.principal()
    for n in range(3):
        for _ in range(3):
            assert isinstance(await one.run(who, drop(n)), Held)
    assert await trips_of(one) == []
    assert isinstance(await one.run(who, drop(3)), Held), "it is held, and the session stops from then on"
    (trip,) = await trips_of(one)
    assert trip.scope == breaker.session(who.session)
    refused(await one.run(who, row()))


async def test_an_approved_change_spends_nothing_and_was_no_attempt() -> None:
    """Ten steps, each asked for and approved in the same minute, then three of the agent's own within the same day."""
    one = await made(NEVER_DONE_BEFORE, guardrails="default")
    who = await one.principal()
    for n in range(10):
        held = await one.run(who, drop(n, kind=f"kind{n}"))
        await one.approve(change_of(held))
        assert isinstance(await one.run(who, drop(n, kind=f"kind{n}")), Permitted)
    assert await trips_of(one) == []
    after = await track(one)
    assert (after.destructive, after.novel) == ((), ())
    assert {f"deleted kind{n}" for n in range(10)} <= set(after.familiar)


async def test_people_who_say_no_leave_the_attempt_counted() -> None:
    one = await made(guardrails="default")
    held = change_of(await one.run(await one.principal(), drop()))
    await one.speak(held, "ann", verdict=Verdict.DENY)
    assert len((await track(one)).destructive) == 1


async def test_a_budget_that_asks_is_no_attempt() -> None:
    limits = budget.default(5, 10, QUORUM)
    one = await made(budgets=limits)
    who = await one.principal()
    for n in range(8):
        await one.run(who, row(n, rows=5))
    assert (await track(one)).destructive == ()
    assert await trips_of(one) == []
    assert (await one.states())[ChangeState.HELD] == 5, "ten rows passed, the rest waits: as many as may"


# ---- the first of its kind -----------------------------------------------------------------------------------------------


async def test_a_first_destruction_is_held_where_no_guardrail_is() -> None:
    one = await made(NEVER_DONE_BEFORE)
    who = await one.principal()
    unit = ScriptedUnit(one.toy, drop(group="x"))
    answer = await one.gate.admit(scripted(who, drop(group="x")), unit)
    held = change_of(answer)
    assert isinstance(answer, Held)
    assert unit.calls == ["preview", "abandon"]
    assert held.decision.reasons == ("first-deleted-table", "first-group-shop/x")
    assert "never did this before" in held.note
    approved = await one.approve(held)
    assert approved.state is ChangeState.APPROVED
    done = await one.run(who, drop(group="x"))
    assert isinstance(done, Permitted)
    assert change_of(done).id == held.id
    # From now on it is used to it: another one of the kind, in the group, passes without people.
    assert isinstance(await one.run(who, drop(1, group="x")), Permitted)
    other = await one.run(who, drop(2, group="y"))
    assert isinstance(other, Held)
    assert change_of(other).decision.reasons == ("first-group-shop/y",)


async def test_one_approval_too_few_does_not_lift_it() -> None:
    one = await made(NEVER_DONE_BEFORE)
    who = await one.principal()
    held = change_of(await one.run(who, drop()))
    await one.approve(held, "ann")
    assert isinstance(await one.run(who, drop()), Held)
    with pytest.raises(Rejected):
        await one.approve(held, "olga")  # P4: never the owner


async def test_nobody_is_asked_without_a_quorum() -> None:
    one = await made(WITHOUT_QUORUM)
    assert isinstance(await one.run(await one.principal(), drop()), Permitted)


async def test_three_kinds_that_are_new_open_the_agent() -> None:
    one = await made(NEVER_DONE_BEFORE)
    who = await one.principal()
    for kind in ("table", "bucket"):
        assert isinstance(await one.run(who, drop(kind=kind)), Held)
    await one.run(who, drop(kind="role"))
    (trip,) = await trips_of(one)
    assert (trip.signal, trip.scope) == (Signal.NOVEL, "agent/fixer")
    refused(await one.run(await one.principal(), row()))


async def test_what_an_agent_is_used_to_is_learnt_from_its_past_changes() -> None:
    """An installation that is upgraded knows its agents: nobody is asked about what they have done for months."""
    one = await made(None)
    who = await one.principal()
    assert isinstance(await one.run(who, drop(group="x")), Permitted)
    assert isinstance(await one.run(who, msgspec.structs.replace(drop(1, kind="role"), ends=FAILS)), Refused)
    assert await one.store.read(lambda tx: tx.track("fixer")) is None
    learnt = await one.store.read(lambda tx: trips.learnt(tx, "fixer"))
    assert set(learnt.familiar) == {"deleted table", "group shop/x"}, "what failed is not what it does"
    assert learnt == Track(familiar=learnt.familiar), "and nothing of it counts"
    after = await Installation.make(
        one.store, one.toy, furnish=False, signals=NEVER_DONE_BEFORE, guardrails="none"
    )
    who = await after.principal()
    assert isinstance(await after.run(who, drop(2, group="x")), Permitted)
    assert isinstance(await after.run(who, drop(3, kind="role")), Held)


# ---- groups, guards, churn, failures -------------------------------------------------------------------------------------


async def test_many_groups_open_the_agent() -> None:
    one = await made()
    who = await one.principal()
    for n in range(5):
        assert isinstance(await one.run(who, row(n, group=f"g{n}")), Permitted)
    assert "6 groups" in refused(await one.run(who, row(5, group="g5")))
    (trip,) = await trips_of(one)
    assert (trip.signal, trip.scope) == (Signal.GROUPS_WRITTEN, "agent/fixer")


async def test_the_last_member_and_a_selector_of_everything_are_refused() -> None:
    one = await made()
    who = await one.principal()
    last = msgspec.structs.replace(drop(group="web"), facts=Facts(sizes={"web": 1}))
    answer = await one.run(who, last)
    assert isinstance(answer, Refused)
    assert answer.code == "forbidden"
    assert "last member of shop/web" in answer.why
    everything = msgspec.structs.replace(row(), facts=Facts(sweeping="the filter is empty"))
    assert "reaches more than it names" in getattr(await one.run(who, everything), "why", "")
    assert await trips_of(one) == []
    assert not one.toy.committed


async def test_what_guards_opens_the_agent_when_nobody_approved_it() -> None:
    one = await made()
    touching = msgspec.structs.replace(row(), facts=Facts(guard="the backups of the shop"))
    assert "the backups of the shop" in refused(await one.run(await one.principal(), touching))
    (trip,) = await trips_of(one)
    assert (trip.signal, trip.scope) == (Signal.GUARD, "agent/fixer")


async def test_what_guards_is_held_for_people_where_policy_says_so() -> None:
    one = await made(guardrails="default")
    who = await one.principal()
    touching = Script((touched("table", "x.t", K.DELETED),), facts=Facts(guard="an audit table"))
    held = change_of(await one.run(who, touching))
    await one.approve(held)
    assert isinstance(await one.run(who, touching), Permitted)
    assert await trips_of(one) == []


async def test_made_again_twice_opens_the_session() -> None:
    one = await made()
    who = await one.principal()
    again = Script((touched("view", "x.v", K.CREATED, reversible=True),))
    script = Script((touched("view", "x.v"),))
    for _ in range(1):
        assert isinstance(await one.run(who, script), Permitted)
        assert isinstance(await one.run(who, again), Permitted)
    assert isinstance(await one.run(who, script), Permitted)
    refused(await one.run(who, again))
    (trip,) = await trips_of(one)
    assert (trip.signal, trip.scope) == (Signal.RECREATED, breaker.session(who.session))


async def test_the_same_failure_four_times_opens_the_session() -> None:
    one = await made()
    who = await one.principal()
    for _ in range(3):
        assert isinstance(await one.run(who, failing()), Refused)
        assert await trips_of(one) == []
    await one.run(who, failing())
    (trip,) = await trips_of(one)
    assert (trip.signal, trip.scope) == (Signal.SAME_FAILURE, breaker.session(who.session))
    refused(await one.run(who, row(5)))


@pytest.mark.parametrize(
    ("signals", "observe"),
    [
        (Signals(environments={"production": None}), False),
        (Signals(agents={"production/fixer": None}), False),
        (WITHOUT_QUORUM, True),
    ],
)
async def test_failures_count_where_signals_hold_alone(signals: Signals, observe: bool) -> None:
    one = await made(signals, observe=observe)
    who = await one.principal()
    for _ in range(6):
        await one.run(who, failing())
    assert await trips_of(one) == []


async def test_an_agents_own_number_of_failures_holds() -> None:
    one = await made(Signals(agents={"production/fixer": Thresholds(failures=2)}))
    who = await one.principal()
    for _ in range(2):
        await one.run(who, failing())
    assert [t.signal for t in await trips_of(one)] == [Signal.SAME_FAILURE]


async def test_failures_of_the_target_are_nobodys() -> None:
    one = await made()
    who = await one.principal()
    for _ in range(12):
        await one.run(who, failing(cause=Cause.TRANSIENT))
    assert await trips_of(one) == []
    for n in range(12):
        await one.run(who, failing(n, cause=Cause.EXPECTED))
    assert await trips_of(one) == [], "there is no such thing: each another"


async def test_most_of_the_last_ten_that_fail_open_the_session() -> None:
    one = await made()
    who = await one.principal()
    for n in range(4):
        assert isinstance(await one.run(who, row(n)), Permitted)
    for n in range(6):
        assert await trips_of(one) == []
        await one.run(who, failing(10 + n))
    (trip,) = await trips_of(one)
    assert (trip.signal, trip.scope) == (Signal.ERRORS, breaker.session(who.session))


async def test_what_failed_before_it_was_a_change_counts_as_well() -> None:
    one = await made()
    who = await one.principal()
    operations = scripted(who, row()).operations
    for _ in range(4):
        one.gate.failed(who, operations, Cause.WORK)
    await one.core.refusals.flush()
    assert [t.signal for t in await trips_of(one)] == [Signal.SAME_FAILURE]


# ---- plans ---------------------------------------------------------------------------------------------------------------


async def test_a_change_that_outgrew_its_approval_opens_that_change_alone() -> None:
    one = await made(guardrails="default")
    who = await one.principal()
    small = Script((touched("table", "x.a", unit=Unit.ROWS, count=200, before=5000),))
    held = change_of(await one.run(who, small))
    await one.approve(held)
    grown = msgspec.structs.replace(
        small, effects=(touched("table", "x.a", unit=Unit.ROWS, count=900, before=5000),)
    )
    answer = await one.run(who, grown)
    assert isinstance(answer, Held)
    assert answer.grown
    (trip,) = await trips_of(one)
    assert (trip.signal, trip.scope) == (Signal.BEYOND_APPROVED, f"change/{held.id}")
    assert isinstance(await one.run(who, row(7)), Permitted)
    assert len(one.toy.committed) == 1, "the row alone"
