"""Breakers that opened by themselves get wider, and only people put them back, over probation."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.pipeline.tripping import (
    QUORUM,
    SESSION,
    change_of,
    drop,
    failing,
    made,
    refused,
    reset,
    row,
    spend_marks,
    state,
    track,
    tripped,
    trips_of,
)

from interlock.control import breaker, budget
from interlock.control.machine import IllegalMove
from interlock.control.signals.thresholds import Signals, Thresholds
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.change import Change, ChangeState
from interlock.model.errors import Rejected
from interlock.model.operation import Action
from interlock.model.people import Agent, AgentCredential, Grant
from interlock.model.proposal import Thaw
from interlock.model.signal import Signal, Track
from interlock.runtime.governing import acts
from interlock.sdk.connector import Held, Permitted, Principal, Refused, Settled
from interlock.testing.installation import Installation
from interlock.testing.scripted import ScriptedUnit, scripted
from interlock.testing.stores.signals import behaved_well

pytestmark = pytest.mark.anyio


# ---- wider and wider -----------------------------------------------------------------------------------------------------


async def test_three_sessions_that_trip_open_their_agent() -> None:
    one = await made(Signals(usual=Thresholds(destructive_ten_minutes=None)))
    for n in range(3):
        who = await one.principal()
        for place in range(4):
            answer = await one.run(who, drop(10 * n + place))
        refused(answer)
        await one.advance(timedelta(minutes=15))
    scopes = [t.scope for t in await trips_of(one)]
    assert [s.startswith(SESSION) for s in scopes] == [True, True, True, False]
    assert scopes[-1] == "agent/fixer"
    refused(await one.run(await one.principal(), row()))


async def second_agent(one: Installation) -> Principal:
    def work(tx: Any) -> None:
        now = tx.now()
        tx.put_agent(Agent("mender", "gus", now))
        tx.put_credential(AgentCredential("mender", "SCRAM-SHA-256$4096:none$none:none", "0" * 64))
        actions = (Action.READ, Action.CREATE, Action.UPDATE, Action.DELETE)
        tx.put_grant(Grant("G2", "mender", "shop", actions, "olga", now, now + timedelta(days=30)))
        tx.put_breaker(Breaker("agent/mender"))

    await one.store.transact(work)
    await one.core.directory.refresh()
    return await one.principal("mender")


async def test_two_agents_that_trip_open_the_environment() -> None:
    one = await made()
    other = await second_agent(one)
    who = await one.principal()
    for n in range(6):
        await one.run(who, row(n, group=f"g{n}"))
    assert isinstance(await one.run(other, row(0)), Permitted)
    for n in range(6):
        await one.run(other, row(20 + n, group=f"h{n}"))
    assert [t.scope for t in await trips_of(one)] == ["agent/fixer", "agent/mender", "environment/production"]
    switch = await one.store.read(lambda tx: tx.breaker("environment/production"))
    assert set(switch.agents) == {"fixer", "mender"}
    # Neither owner may put that back; somebody else may.
    for owner in ("olga", "gus"):
        with pytest.raises(Rejected, match="owns"):
            await reset(one, "environment/production", owner)
    assert (await reset(one, "environment/production", "ann")).state is BreakerState.PROBATION


async def test_an_hour_apart_they_are_two_matters() -> None:
    one = await made()
    other, who = await second_agent(one), await one.principal()
    for n in range(6):
        await one.run(who, row(n, group=f"g{n}"))
    await one.advance(timedelta(hours=1, seconds=1))
    for n in range(6):
        await one.run(other, row(20 + n, group=f"h{n}"))
    assert [t.scope for t in await trips_of(one)] == ["agent/fixer", "agent/mender"]


# ---- back again ----------------------------------------------------------------------------------------------------------


async def test_the_owner_may_put_back_a_session_and_nothing_wider() -> None:
    one = await made()
    who = await one.principal()
    await spend_marks(one, who, 4, 0)
    scope = breaker.session(who.session)
    assert await state(one, scope) is BreakerState.OPEN
    assert (await reset(one, scope, "olga")).state is BreakerState.PROBATION
    wide = await tripped(one, await one.principal())
    with pytest.raises(Rejected, match="owns"):
        await reset(one, wide, "olga")
    assert (await reset(one, wide, "ann")).state is BreakerState.PROBATION


async def test_closing_forgives_what_led_there() -> None:
    one = await made()
    who = await one.principal()
    scope = await tripped(one, who)
    assert (await track(one)).written_in
    await reset(one, scope, "ann")
    assert (await track(one)) == Track(familiar=(await track(one)).familiar)


async def test_probation_lets_small_ones_pass_one_at_a_time() -> None:
    one = await made()
    who = await one.principal()
    await reset(one, await tripped(one, who), "ann")
    assert "probation" in refused(await one.run(who, drop()))
    assert "probation" in refused(await one.run(who, row(rows=breaker.PROBATION_ROWS + 1)))
    first = await one.store.transact(lambda tx: tx.breaker("agent/fixer"))
    assert (first.clean, first.trial) == (0, "")
    # One is under way: its outcome is not known yet.
    doubt = msgspec.structs.replace(row(1), ends=Settled(None, "not known"))
    await one.run(who, doubt)
    why = await one.run(who, row(2))
    assert isinstance(why, Refused)
    assert "one at a time" in why.why
    assert why.retry


async def test_twenty_clean_ones_and_a_person_close_it() -> None:
    one = await made()
    who = await one.principal()
    scope = await tripped(one, who)
    await reset(one, scope, "ann")
    for n in range(20):
        with pytest.raises(Rejected, match=f"{n} of 20"):
            await reset(one, scope, "ann")
        assert isinstance(await one.run(who, row(100 + n)), Permitted)
    assert await state(one, scope) is BreakerState.PROBATION, "nothing closes by itself"
    with pytest.raises(Rejected, match="owns"):
        await reset(one, scope, "olga")
    assert (await reset(one, scope, "ann")).state is BreakerState.CLOSED
    with pytest.raises(IllegalMove):
        await reset(one, scope, "ann")


async def test_one_that_fails_is_no_clean_one() -> None:
    one = await made()
    who = await one.principal()
    scope = await tripped(one, who)
    await reset(one, scope, "ann")
    await one.run(who, failing())
    row_now = await one.store.read(lambda tx: tx.breaker(scope))
    assert (row_now.clean, row_now.trial) == (0, ""), "it ended, so that another may go"


async def test_on_probation_any_signal_opens_again() -> None:
    """Failures would open the session alone: on probation they open what is on probation, too."""
    one = await made()
    who = await one.principal()
    scope = await tripped(one, who)
    await reset(one, scope, "ann")
    for _ in range(4):
        await one.run(who, failing())
    last = (await trips_of(one))[-2:]
    assert {(t.signal, t.scope) for t in last} == {
        (Signal.SAME_FAILURE, breaker.session(who.session)),
        (Signal.PROBATION, scope),
    }
    again = await one.store.read(lambda tx: tx.breaker(scope))
    assert again.state is BreakerState.OPEN
    await reset(one, scope, "ann")
    anew = await one.store.read(lambda tx: tx.breaker(scope))
    assert anew.clean == 0, "it begins anew"


async def test_budgets_are_a_tenth_on_probation() -> None:
    limits = budget.default(100, 50, QUORUM)
    one = await made(budgets=limits)
    who = await one.principal()
    scope = await tripped(one, who)  # five single rows passed
    await reset(one, scope, "ann")
    assert isinstance(await one.run(who, row(50, rows=6)), Held), "five and six are beyond a tenth of fifty"
    await one.store.transact(lambda tx: behaved_well(tx, scope))
    await reset(one, scope, "ann")
    assert isinstance(await one.run(who, row(51, rows=6)), Permitted), "closed, it is fifty again"


async def test_a_thaw_closes_no_breaker() -> None:
    one = await made()
    who = await one.principal()
    await tripped(one, who)
    await one.store.transact(
        lambda tx: tx.put_breaker(
            breaker.freeze(tx.breaker("environment/production"), True, "x", "night", tx.now())
        )
    )
    await one.store.transact(lambda tx: acts.enact(tx, Thaw("production", "day"), "person/ann", acts.Terms()))
    assert await state(one, "agent/fixer") is BreakerState.OPEN


async def test_days_close_nothing() -> None:
    one = await made()
    who = await one.principal()
    await tripped(one, who)
    for _ in range(10):
        await one.advance(timedelta(days=2))
        await one.core.forget()
    assert await state(one, "agent/fixer") is BreakerState.OPEN


# ---- the executor --------------------------------------------------------------------------------------------------------


async def test_the_executor_refuses_what_was_admitted_before_a_breaker_moved() -> None:
    """Between the intent and the target: a breaker opens, this process hears of it, and the target is not told to begin."""
    one = await made()
    who = await one.principal()
    unit = ScriptedUnit(one.toy, row())
    seen: list[str] = []
    stopped = one.core.stopped

    def opened_meanwhile(scopes: Sequence[str], change: Change) -> str:
        one.store.now(
            lambda tx: tx.put_breaker(
                breaker.move(tx.breaker("agent/fixer"), breaker.E.OPEN, "person/ann", "odd", tx.now())
            )
        )
        snapshot = one.core.directory.snapshot
        rows = {**snapshot.breakers, "agent/fixer": one.store.tables.breakers["agent/fixer"]}
        one.core.directory.snapshot = msgspec.structs.replace(snapshot, breakers=rows)
        seen.append(stopped(scopes, change))
        return seen[-1]

    one.core.stopped = opened_meanwhile  # type: ignore[method-assign]
    answer = await one.gate.admit(scripted(who, row()), unit)
    await one.core.tasks.drain(10)
    assert isinstance(answer, Refused)
    assert unit.calls == ["preview", "abandon"]
    assert "just before it was carried out" in seen[0]
    assert one.toy.committed == []
    assert (await one.states()) == {ChangeState.FAILED: 1}


async def test_the_executor_goes_on_when_nothing_moved() -> None:
    one = await made()
    who = await one.principal()
    change = change_of(await one.run(who, row()))
    assert int(change.marker["epoch"]) >= 0
    assert one.core.stopped(["agent/fixer"], change) == ""
    older = msgspec.structs.replace(change, marker={**change.marker, "epoch": "-1"})
    assert one.core.stopped(["agent/fixer"], older) == "", (
        "an older epoch of what is closed again is no reason"
    )
