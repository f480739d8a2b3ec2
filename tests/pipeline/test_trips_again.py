"""What is a signal on probation, and what is the same attempt in other words."""

from datetime import timedelta

import msgspec
import pytest
from tests.pipeline.test_break_glass import Told
from tests.pipeline.tripping import (
    NEVER_DONE_BEFORE,
    K,
    change_of,
    drop,
    made,
    refused,
    reset,
    row,
    state,
    track,
    tripped,
    trips_of,
)

from interlock.model.breaker import BreakerState
from interlock.model.effect import Unit
from interlock.model.signal import Facts, Signal, Trip
from interlock.runtime.core import Notifiers
from interlock.sdk.connector import Held, Principal
from interlock.testing.installation import Installation
from interlock.testing.scripted import Script, touched

pytestmark = pytest.mark.anyio


def again(script: Script, text: str) -> Script:
    """The same in other words."""
    return msgspec.structs.replace(script, text=text)


# ---- on probation ----------------------------------------------------------------------------------------------------


async def probation(one: Installation) -> Principal:
    await reset(one, await tripped(one, await one.principal()), "ann")
    assert await state(one, "agent/fixer") is BreakerState.PROBATION
    return await one.principal()


SIGNALS: dict[str, tuple[Script, Signal]] = {
    "what guards": (msgspec.structs.replace(drop(), facts=Facts(guard="an audit table")), Signal.GUARD),
    "a share of a group": (
        Script(
            tuple(touched("table", f"t{n}", group="web") for n in range(4)), facts=Facts(sizes={"web": 10})
        ),
        Signal.GROUP_SHARE,
    ),
    "a selector of everything": (
        msgspec.structs.replace(row(), facts=Facts(sweeping="the filter is empty")),
        Signal.SWEEPING,
    ),
    "the last member": (
        msgspec.structs.replace(drop(group="web"), facts=Facts(sizes={"web": 1})),
        Signal.LAST_MEMBER,
    ),
}


@pytest.mark.parametrize("what", SIGNALS)
async def test_one_that_is_refused_on_probation_is_a_signal_and_told(what: str) -> None:
    """Whether or not probation would have refused it as well."""
    one = await made()
    who = await probation(one)
    script, signal = SIGNALS[what]
    await one.run(who, script)
    assert await state(one, "agent/fixer") is BreakerState.OPEN
    assert (await trips_of(one))[-1].signal in (signal, Signal.PROBATION)
    assert len(await trips_of(one)) == 2
    assert len(one.toy.committed) == 5, "what was before"


class Paged(Told):
    """A channel that keeps what it is told of trips."""

    def __init__(self) -> None:
        super().__init__()
        self.trips: list[Trip] = []

    def tripped(self, trip: Trip) -> None:
        self.trips.append(trip)


@pytest.mark.parametrize("on_probation", [False, True])
async def test_someone_is_paged_about_what_guards(on_probation: bool) -> None:
    """At once, each time, also while the agent is on probation; what a trip tells is urgent (`tests/runtime/notify`)."""
    one = await made()
    who = await probation(one) if on_probation else await one.principal()
    one.core.notifiers = Notifiers((paged := Paged(),))
    await one.run(who, SIGNALS["what guards"][0])
    assert [(t.signal, t.scope, t.agent) for t in paged.trips] == [(Signal.GUARD, "agent/fixer", "fixer")]


async def test_attempts_on_probation_add_up() -> None:
    one = await made()
    who = await probation(one)
    for n in range(3):
        assert "probation" in refused(await one.run(who, drop(n)))
        assert await state(one, "agent/fixer") is BreakerState.PROBATION
    await one.run(who, drop(3))
    assert await state(one, "agent/fixer") is BreakerState.OPEN
    assert {t.signal for t in (await trips_of(one))[1:]} == {Signal.DESTRUCTIVE, Signal.PROBATION}


async def test_a_refusal_opens_nothing_that_is_closed() -> None:
    one = await made()
    await one.run(await one.principal(), SIGNALS["a selector of everything"][0])
    assert await trips_of(one) == []


async def test_what_outgrows_its_approval_opens_what_is_on_probation() -> None:
    one = await made(guardrails="default")
    who = await one.principal()

    def many(count: int) -> Script:
        return Script((touched("table", "x", unit=Unit.ROWS, count=count, before=10_000),), "same")

    await one.approve(change_of(await one.run(who, many(200))))
    await probation(one)
    assert isinstance(await one.run(who, many(300)), Held)
    assert await state(one, "agent/fixer") is BreakerState.OPEN
    assert [t.signal for t in await trips_of(one)][1:] == [Signal.BEYOND_APPROVED, Signal.PROBATION]


# ---- the same in other words -----------------------------------------------------------------------------------------


async def marks(one: Installation) -> int:
    return len((await track(one)).destructive)


async def test_the_same_deletion_in_other_words_is_one_attempt() -> None:
    one = await made(guardrails="default")
    who = await one.principal()
    for n in range(5):
        assert isinstance(await one.run(who, again(drop(), f"in other words {n}")), Held)
        await one.advance(timedelta(seconds=2))
        assert await marks(one) == 1
    assert await trips_of(one) == []
    # Beyond what may wait at a time nobody is asked: then each counts.
    for _ in range(3):
        await one.run(who, again(drop(), "and again"))
    assert await marks(one) == 4
    assert [t.signal for t in await trips_of(one)] == [Signal.DESTRUCTIVE]


@pytest.mark.parametrize(
    "script",
    [
        Script((touched("table", "x", unit=Unit.ROWS, count=500, before=10_000),)),
        Script((touched("table", "x", K.WEAKENED),)),
        Script((touched("table", "x"), touched("table", "y", unit=Unit.ROWS, count=500, before=10_000))),
    ],
    ids=["rows", "constraints", "both"],
)
async def test_what_can_be_done_again_and_again_counts_each_time(script: Script) -> None:
    one = await made(guardrails="default")
    who = await one.principal()
    for n in range(3):
        await one.run(who, again(script, f"in other words {n}"))
    assert await marks(one) == 3
    await one.run(who, again(script, "once more"))
    assert [t.signal for t in await trips_of(one)] == [Signal.DESTRUCTIVE]


async def test_what_was_done_counts_beside_what_is_asked() -> None:
    """Where it passes, deleting the same again is another deletion."""
    one = await made()
    who = await one.principal()
    for _ in range(3):
        await one.run(who, drop())
    assert await marks(one) == 3


# ---- what is new in another place ------------------------------------------------------------------------------------


async def test_a_kind_that_people_are_asked_about_is_not_another_one_elsewhere() -> None:
    one = await made(NEVER_DONE_BEFORE)
    who = await one.principal()
    for n in range(3):
        assert isinstance(await one.run(who, drop(n, group=f"g{n}")), Held)
        await one.advance(timedelta(seconds=61))
    assert await trips_of(one) == []
    for n, kind in ((8, "view"), (9, "index")):
        assert await trips_of(one) == []
        await one.run(who, drop(n, group="g9", kind=kind))
    assert [t.signal for t in await trips_of(one)] == [Signal.NOVEL]


async def test_a_kind_that_is_known_is_new_in_each_place() -> None:
    one = await made(NEVER_DONE_BEFORE)
    who = await one.principal()
    await one.approve(change_of(await one.run(who, drop(group="g"))))
    await one.run(who, drop(group="g"))
    for n in range(3):
        assert await trips_of(one) == []
        await one.run(who, drop(10 + n, group=f"g{n}"))
        await one.advance(timedelta(seconds=70))
    assert [t.signal for t in await trips_of(one)] == [Signal.NOVEL]
