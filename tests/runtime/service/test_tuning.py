"""`interlock breaker tune`: what really happened, read back from the store."""

from datetime import timedelta

import msgspec
import pytest

from interlock.control import budget
from interlock.control.signals.past import ENOUGH, Proposal
from interlock.control.signals.thresholds import Signals
from interlock.model.breaker import BreakerState
from interlock.model.change import Verdict
from interlock.model.effect import ChangeKind, Unit
from interlock.model.signal import Signal
from interlock.policy.limits import Limits
from interlock.runtime.config import signals as reading
from interlock.runtime.config.budgets import read as read_budgets
from interlock.runtime.config.yaml_source import Source
from interlock.runtime.service.stopping import tuning
from interlock.runtime.service.stopping.tuning import snippet, tune
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


# ---- budgets ---------------------------------------------------------------------------------------------------------


async def spent_in(one: Installation) -> None:
    """Two hours of work with the budgets in force: most of it small, one of it beyond and approved, one denied."""
    who = await one.principal()
    for n in range(ENOUGH):
        assert isinstance(await one.run(who, row(n)), Permitted)
        await one.advance(timedelta(minutes=2))
    for n, verdict in ((60, Verdict.APPROVE), (61, Verdict.DENY)):
        held = await one.run(who, many(n, 90))
        assert isinstance(held, Held)
        for name in ("ann", "bob")[: 2 if verdict is Verdict.APPROVE else 1]:
            await one.speak(held.change, name, verdict=verdict)
        answer = await one.run(who, many(n, 90))
        assert isinstance(answer, Permitted) is (verdict is Verdict.APPROVE)


def many(n: int, count: int) -> Script:
    effect = touched("table", f"x.r{n}", ChangeKind.UPDATED, unit=Unit.ROWS, count=count, before=5000)
    return Script((effect,), str(n))


async def test_budgets_are_told_as_they_were_used_and_what_waited_then_waits_in_the_replay() -> None:
    one = await Installation.make(budgets=budget.default(100, 100, "two-sre"), guardrails="none")
    await spent_in(one)
    found = (await tune(one.core, MONTH)).budgets
    assert found is not None
    assert found.seconds == 3600
    (agent,) = [u for u in found.used if u.scope == "agent"]
    assert (agent.who, agent.environment, agent.target, agent.field) == (
        "fixer",
        "production",
        "shop",
        "rows_updated",
    )
    assert agent.limit == 100
    assert agent.highest == 120, "the approved ninety would have been on top of thirty"
    waited = [c for c in one.store.tables.changes.values() if budget.is_of_budget(c.decision)]
    assert [w.change for w in found.now] == sorted(c.id for c in waited)
    assert [(w.was, w.objected) for w in found.now] == [(True, False), (True, True)]
    assert found.waits_now == 2
    assert [(w.objected, w.change) for w in found.then if w.objected] == [(True, found.now[1].change)]


async def test_what_is_proposed_can_be_pasted_and_nothing_of_the_past_would_have_waited() -> None:
    one = await Installation.make(budgets=budget.default(100, 1000, "two-sre"), guardrails="none")
    who = await one.principal()
    for n in range(ENOUGH):
        await one.run(who, many(n, 7))
        await one.advance(timedelta(minutes=9))
    found = await tune(one.core, MONTH)
    source = Source("interlock.yaml", found.snippet)
    limits = Limits(rows_deleted=100, rows_updated=1000, quorum="two-sre")
    read = read_budgets(source, source.data["budgets"], limits, "default", ["two-sre"])
    assert found.budgets is not None
    assert read is not None
    assert read != one.core.terms.budgets
    assert found.budgets.proposals
    for proposal in found.budgets.proposals:
        assert getattr(getattr(read, proposal.scope), proposal.field) == proposal.proposed
        assert f"{proposal.field}: {proposal.proposed}  # is {proposal.now}" in found.snippet
    assert (found.budgets.waits_now, found.budgets.waits_then) == (0, 0)
    one.core.terms = msgspec.structs.replace(one.core.terms, budgets=read)
    again = await tune(one.core, MONTH)
    assert again.budgets is not None
    assert (again.budgets.waits_now, again.budgets.proposals) == (0, ())
    assert "budgets:" not in again.snippet
    # And the gate, with what was pasted, lets the same work pass and holds what is more.
    await one.advance(timedelta(hours=2))
    most = max(u.highest for u in found.budgets.used if u.scope == "agent") // 7
    for n in range(most):
        assert isinstance(await one.run(who, many(1000 + n, 7)), Permitted)
    assert isinstance(await one.run(who, many(2000, 7 * most)), Held)


async def test_without_budgets_none_are_told_and_relaxed_environments_are_left_out() -> None:
    one = await worked()
    assert (await tune(one.core, MONTH)).budgets is None
    terms = msgspec.structs.replace(one.core.terms, budgets=budget.default(1, 1, "two-sre"))
    one.core.terms = terms
    found = (await tune(one.core, MONTH)).budgets
    assert found is not None
    assert found.used
    one.core.terms = msgspec.structs.replace(terms, relaxed=frozenset({"production"}))
    found = (await tune(one.core, MONTH)).budgets
    assert found is not None
    assert (found.used, found.waits_now) == ((), 0)


async def test_what_the_store_counts_is_what_the_replay_counts() -> None:
    """The counters of the store, as admission left them, beside those of the past."""
    one = await Installation.make(budgets=budget.default(10_000, 10_000, "two-sre"), guardrails="none")
    who = await one.principal()
    for n in range(20):
        await one.run(who, many(n % 3, 5 + n))
        await one.advance(timedelta(minutes=4))
    assert one.core.terms.budgets is not None
    window = one.core.terms.budgets.window
    since = budget.window_begin(one.store.time - timedelta(minutes=4), window)
    counted = sum(
        amounts.rows_updated
        for (scope, _, at), amounts in one.store.tables.spent.items()
        if scope == "agent/fixer" and at >= since
    )
    found = (await tune(one.core, MONTH)).budgets
    assert found is not None
    assert counted == max(u.highest for u in found.used if u.scope == "agent")
