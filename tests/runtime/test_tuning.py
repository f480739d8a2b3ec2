"""`interlock breaker tune`: what really happened, read back from the store."""

from datetime import timedelta

import msgspec
import pytest

from interlock.control.signals.past import ENOUGH, Proposal
from interlock.control.signals.thresholds import Signals
from interlock.model.breaker import BreakerState
from interlock.model.change import Verdict
from interlock.model.effect import ChangeKind, Unit
from interlock.model.signal import Signal
from interlock.runtime import signals as reading
from interlock.runtime.service import tuning
from interlock.runtime.service.tuning import snippet, tune
from interlock.runtime.yaml_source import Source
from interlock.sdk.connector import Held, Permitted
from interlock.testing.installation import Installation
from interlock.testing.scripted import Script, touched

pytestmark = pytest.mark.anyio
MONTH = timedelta(days=30)


def drop(n: int, kind: str = "table") -> Script:
    return Script((touched(kind, f"x.t{n}"),), str(n))


def row(n: int) -> Script:
    return Script((touched("table", f"x.r{n}", ChangeKind.UPDATED, unit=Unit.ROWS, before=500),), str(n))


async def worked() -> Installation:
    """An installation without signals, in which an agent did some honest work and then too much."""
    one = await Installation.make(guardrails="none")
    who = await one.principal()
    for n in range(ENOUGH):
        assert isinstance(await one.run(who, row(n)), Permitted)
        await one.advance(timedelta(minutes=20))
    for n in range(5):
        assert isinstance(await one.run(who, drop(n)), Permitted)
        await one.advance(timedelta(seconds=1))
    return one


async def test_it_tells_what_would_have_tripped_and_applies_nothing() -> None:
    one = await worked()
    before = len(one.store.tables.entries)
    found = await tune(one.core, MONTH)
    assert (found.changes, found.complete, found.trips) == (ENOUGH + 5, True, 1)
    (trip,) = found.would_trip
    assert (trip.signal, trip.agent, trip.environment) == (Signal.DESTRUCTIVE, "fixer", "production")
    assert (await one.change(trip.change)).operations[0].resources[0].name == "x.t3"
    assert {p.name: p.proposed for p in found.proposals}["destructive_minute"] == 5
    assert len(one.store.tables.entries) == before
    assert all(row.state is BreakerState.CLOSED for row in one.store.tables.breakers.values())
    assert await one.store.read(lambda tx: tx.track("fixer")) is None
    assert Signal.GROUP_SHARE in found.not_replayed


async def test_the_snippet_is_one_that_the_configuration_takes() -> None:
    one = await worked()
    found = await tune(one.core, MONTH)
    source = Source("interlock.yaml", found.snippet)
    read = reading.read(source, source.data["breakers"], {"production": True}, ["two-sre"], "two-sre")
    assert read is not None
    limits = read.of("production", "fixer")
    assert limits is not None
    for proposal in found.proposals:
        assert getattr(limits, proposal.name) == proposal.proposed
    one.core.terms = msgspec.structs.replace(one.core.terms, signals=read)
    again = await tune(one.core, MONTH)
    assert (again.trips, again.proposals, again.snippet) == (0, (), ""), (
        "with it nothing of this would have tripped"
    )


def test_no_proposals_make_no_snippet() -> None:
    assert snippet(()) == ""
    two = (Proposal("staging", "novel", None, 2, 0), Proposal("staging", "errors", 60, 70, 1))
    assert snippet(two).splitlines()[2:] == [
        "    staging:",
        "      novel: 2  # is off",
        "      errors: 70  # is 60",
    ]


async def test_only_the_time_that_is_asked_for_is_looked_at_and_what_was_before_is_known() -> None:
    one = await Installation.make(guardrails="none")
    who = await one.principal()
    for n, kind in enumerate(("view", "index", "table")):
        await one.run(who, drop(n, kind))
    await one.advance(timedelta(days=2))
    for n, kind in enumerate(("view", "index", "table")):
        await one.run(who, drop(10 + n, kind))
        await one.advance(timedelta(seconds=30))
    whole, day = await tune(one.core, MONTH), await tune(one.core, timedelta(days=1))
    assert (whole.changes, day.changes) == (6, 3)
    assert [t.signal for t in whole.would_trip] == [Signal.NOVEL], "on the first day it was new"
    assert day.would_trip == ()


async def test_where_signals_are_off_the_shipped_ones_are_tried_and_what_is_off_elsewhere_is_not() -> None:
    one = await worked()
    one.core.terms = msgspec.structs.replace(
        one.core.terms, signals=Signals(environments={"production": None})
    )
    found = await tune(one.core, MONTH)
    assert (found.trips, found.proposals) == (0, ())


async def test_many_changes_are_read_page_by_page_and_no_further_than_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = await worked()
    monkeypatch.setattr(tuning, "PAGE", 4)
    assert (await tune(one.core, MONTH)).changes == ENOUGH + 5
    monkeypatch.setattr(tuning, "MOST", 10)
    short = await tune(one.core, MONTH)
    assert (short.changes, short.complete) == (10, False)
    assert short.since == (await one.change(oldest(one, 10))).requested_at
    assert short.trips == 1, "the newest are looked at"


def oldest(one: Installation, number: int) -> str:
    return str(sorted(one.store.tables.changes)[-number])


async def test_held_and_denied_ones_are_told_as_objected() -> None:
    one = await Installation.make()
    who = await one.principal()
    for n in range(4):
        held = await one.run(who, drop(n))
        assert isinstance(held, Held)
        await one.speak(held.change, "ann", verdict=Verdict.DENY)
    (trip,) = (await tune(one.core, MONTH)).would_trip
    assert trip.objected
