"""The share of a group: what no approval lifts."""

from datetime import timedelta

import msgspec
import pytest
from tests.pipeline.tripping import (
    NEVER_DONE_BEFORE,
    QUORUM,
    change_of,
    drop,
    made,
    refused,
    row,
    state,
    trips_of,
)

from interlock.control import breaker
from interlock.control.signals.thresholds import Signals, Thresholds
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.change import ChangeState
from interlock.model.signal import Facts, Signal
from interlock.sdk.connector import Held, Permitted, Principal
from interlock.testing.installation import Installation
from interlock.testing.scripted import Script, touched

pytestmark = pytest.mark.anyio


async def test_a_share_of_a_group_opens_the_agent() -> None:
    one = await made()
    who = await one.principal()

    def leave(n: int) -> Script:
        return msgspec.structs.replace(drop(n, group="web"), facts=Facts(sizes={"web": 10 - n}))

    for n in range(3):
        assert isinstance(await one.run(who, leave(n)), Permitted)
        await one.advance(timedelta(minutes=3))
    refused(await one.run(who, leave(3)))
    (trip,) = await trips_of(one)
    assert (trip.signal, trip.scope) == (Signal.GROUP_SHARE, "agent/fixer")
    assert "4 of 10 members of shop/web" in refused(await one.run(who, row(9, group="web")))


async def approved_drop(one: Installation, who: Principal, n: int, size: int) -> Script:
    """One member of a group of so many is to go, and people said yes."""
    leaving = msgspec.structs.replace(drop(n, group="web"), facts=Facts(sizes={"web": size}))
    await one.approve(change_of(await one.run(who, leaving)))
    return leaving


async def test_a_share_is_not_lifted_by_approved_changes() -> None:
    """Each was approved for what it is; together they are 40 % of the group."""
    one = await made(NEVER_DONE_BEFORE, guardrails="default")
    who = await one.principal()
    leaving = []
    for n in range(4):
        leaving.append(await approved_drop(one, who, n, 10))
        await one.advance(timedelta(minutes=4))
    for n, step in enumerate(leaving[:3]):
        now = msgspec.structs.replace(step, facts=Facts(sizes={"web": 10 - n}))
        assert isinstance(await one.run(who, now), Permitted)
    fourth = msgspec.structs.replace(leaving[3], facts=Facts(sizes={"web": 7}))
    assert "4 of 10 members of shop/web" in refused(await one.run(who, fourth))
    (trip,) = await trips_of(one)
    assert (trip.signal, trip.scope) == (Signal.GROUP_SHARE, "agent/fixer")
    (waiting,) = [c for c in one.store.tables.changes.values() if c.state is ChangeState.APPROVED]
    assert waiting.operations[0].resources[0].name == "x.t3", "the approval is not used up"
    assert len(one.toy.committed) == 3


async def test_what_takes_too_large_a_share_at_once_is_not_put_before_people() -> None:
    one = await made(NEVER_DONE_BEFORE, guardrails="default")
    who = await one.principal()
    gone = tuple(touched("table", f"x.t{n}", group="web") for n in range(4))
    schema = Script(gone, facts=Facts(sizes={"web": 10}))
    assert "no approval lifts that" in refused(await one.run(who, schema))
    assert await one.states() == {}
    assert (await state(one, "agent/fixer")) is BreakerState.OPEN
    smaller = Script(gone[:3], facts=Facts(sizes={"web": 10}))
    other = await made(NEVER_DONE_BEFORE, guardrails="default")
    assert isinstance(await other.run(await other.principal(), smaller), Held)


async def test_where_the_share_is_off_approval_is_enough() -> None:
    signals = Signals(QUORUM, agents={"production/fixer": Thresholds(group_share=None)})
    one = await made(signals, guardrails="default")
    who = await one.principal()
    schema = Script(
        tuple(touched("table", f"x.t{n}", group="web") for n in range(9)), facts=Facts(sizes={"web": 10})
    )
    await one.approve(change_of(await one.run(who, schema)))
    assert isinstance(await one.run(who, schema), Permitted)
    assert await trips_of(one) == []


async def test_an_open_group_stands_in_the_way_of_what_people_approved() -> None:
    """A person may open the breaker of a group: it is everybody's."""
    one = await made(guardrails="default")
    who = await one.principal()
    held = change_of(await one.run(who, drop(group="web")))
    await one.approve(held)
    await one.store.transact(
        lambda tx: tx.put_breaker(
            breaker.move(Breaker("group/shop/web"), breaker.E.OPEN, "x", "share", tx.now())
        )
    )
    assert "group/shop/web" in refused(await one.run(who, drop(group="web")))
