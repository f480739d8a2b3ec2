"""Switches that are made on demand, and those that are opened without a person."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import msgspec
import pytest

from interlock.control import breaker
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.change import Change, ChangeState
from interlock.model.health import CheckKind, Health, Run, Watched
from interlock.model.signal import Signal, Trip
from interlock.pipeline import commands as c
from interlock.pipeline.recorded import health, trips
from interlock.pipeline.recorded.records import conclude
from interlock.pipeline.recorded.terms import Terms
from interlock.sdk.connector import Permitted, Refused, Settled
from interlock.sdk.ports import Tx
from interlock.testing.installation import FEW, Installation
from interlock.testing.stores.enforcing import FakeStore

FIXER = breaker.agent_in("production", "fixer")
PRODUCTION = breaker.environment("production")
S = timedelta(seconds=1)
CHECK = health.Check("shop", "production", "web", CheckKind.HTTP, "d1", 15 * S, 5 * S, 900 * S, 960 * S)
Story = Callable[[Installation], Awaitable[None]]


def story(tell: Story) -> Callable[[], None]:
    """A test of one installation."""

    def told() -> None:
        async def run() -> None:
            await tell(await Installation.make())

        asyncio.run(run())

    told.__name__, told.__doc__ = getattr(tell, "__name__", "told"), tell.__doc__
    return told


def opened(tx: Tx, scope: str, reason: str, environment: str = "production") -> Trip | None:
    """As a check's blame opens it."""
    agent = breaker.agent_of(scope)
    trip = Trip(tx.now(), scope, Signal.HEALTH, agent, "", environment, "shop", reason)
    return trips.open_by_itself(tx, trip, (agent,), None)


def in_store(made: Installation, work: Callable[[Tx], object]) -> object:
    return made.store.now(work)


@story
async def test_an_agents_switch_in_an_environment_is_made_when_it_is_first_asked_about(
    made: Installation,
) -> None:
    principal = await made.principal()
    assert in_store(made, lambda tx: tx.breaker(FIXER)) is None
    assert isinstance(await made.send(principal, FEW), Permitted)
    row = in_store(made, lambda tx: tx.breaker(FIXER))
    assert getattr(row, "state", None) is BreakerState.CLOSED
    in_store(made, lambda tx: opened(tx, FIXER, "why"))
    assert isinstance(await made.send(principal, [("put", "row/0001", "x")]), Refused)


@story
async def test_an_opened_one_is_never_made_anew(made: Installation) -> None:
    principal = await made.principal()
    in_store(made, lambda tx: opened(tx, FIXER, "shop is unwell"))
    answer = await made.send(principal, FEW)
    assert isinstance(answer, Refused)
    assert answer.code == "breaker"
    assert "shop is unwell" in answer.why
    assert made.toy.rows is not None
    assert made.toy.rows["row/0000"] == "old"


@pytest.mark.parametrize("scope", ["agent/fixer", "environment/production", "global", "target/shop"])
def test_every_other_switch_that_is_missing_refuses(scope: str) -> None:
    async def run() -> None:
        made = await Installation.make()
        principal = await made.principal()
        in_store(made, lambda tx: tx.drop_breaker(scope))
        answer = await made.send(principal, FEW)
        assert isinstance(answer, Refused)
        assert "missing" in answer.why
        assert in_store(made, lambda tx: tx.breaker(scope)) is None

    asyncio.run(run())


def test_whose_and_where_a_switch_is() -> None:
    assert breaker.agent_of(FIXER) == breaker.agent_of("agent/fixer") == "fixer"
    assert breaker.environment_of(FIXER) == breaker.environment_of(PRODUCTION) == "production"
    for scope in (
        "global",
        PRODUCTION,
        "target/shop",
        "session/s1",
        "agent",
        "environment/production/agent",
        "group/shop/agent/x",
        "change/CHG-1",
    ):
        assert breaker.agent_of(scope) == ""
        assert breaker.made_on_demand(scope) is scope.startswith(("group/", "change/"))
    assert breaker.environment_of("target/shop") == ""
    assert breaker.made_on_demand(FIXER)
    assert not breaker.made_on_demand("agent/fixer")


def blame(store: FakeStore, agents: list[str], check: health.Check = CHECK) -> trips.Found:
    """Two failures in a row after these agents' changes; what opened."""
    found: trips.Found = []
    bad, terms = health.Outcome(False, "HTTP 500"), store_terms()
    for n, agent in enumerate(agents):
        at = store.time + n * S
        watched = Watched(f"CHG-{agent}", check.target, check.environment, agent, at, at)
        store.now(lambda tx, w=watched: tx.put_watched(w))  # type: ignore[misc]
    for ok in (True, False, False):
        taken = store.now(lambda tx: health.claim(tx, check, "gw"))
        assert taken is not None
        if ok:
            before = store.time - 60 * S
            good = Run(True, 1, before, before, before, before, before)
            old = msgspec.structs.replace(taken, runs=(good,), holder="", due_at=None, held_until=None)
            store.now(lambda tx, row=old: tx.put_health(row))  # type: ignore[misc]
        else:

            def conclude_(tx: Tx, taken: Health = taken) -> trips.Found:
                opened: trips.Found = []  # the fake runs it more than once
                health.conclude(tx, check, taken, bad, terms, opened)
                return opened

            found += store.now(conclude_)
        store.advance(check.every)
    return found


def found_breaker(store: FakeStore, scope: str) -> Breaker:
    row = store.now(lambda tx: tx.breaker(scope))
    assert row is not None
    return row


def store_terms() -> Terms:
    """Signals are off."""
    return Terms({}, "log")


def test_without_signals_one_agent_is_stopped_and_two_stop_their_environment() -> None:
    store = FakeStore()
    store.now(lambda tx: tx.put_breaker(Breaker(PRODUCTION)))
    (one,) = blame(store, ["fixer"])
    assert (one.scope, one.signal, [step.change for step in one.steps]) == (
        FIXER,
        Signal.HEALTH,
        ["CHG-fixer"],
    )
    (entry,) = store.entries("breaker")
    assert (entry.body["signal"], entry.body["changes"]) == ("health", ["CHG-fixer"])
    row = found_breaker(store, FIXER)
    assert (row.state, row.signal, row.agents) == (BreakerState.OPEN, "health", ("fixer",))
    store.now(lambda tx: tx.drop_health("shop", "web"))
    found = blame(store, ["other"])
    assert [trip.scope for trip in found] == [breaker.agent_in("production", "other"), PRODUCTION]
    assert found[1].signal is Signal.AGENTS_TRIPPED
    assert found[1].words == "2 agents were stopped in production within an hour: fixer, other"
    assert found_breaker(store, PRODUCTION).agents == ("fixer", "other")


def test_an_agent_that_another_signal_stopped_counts_with_one_that_health_stops() -> None:
    store = FakeStore()
    for scope in (PRODUCTION, "agent/third"):
        store.now(lambda tx, s=scope: tx.put_breaker(Breaker(s)))  # type: ignore[misc]
    store.now(lambda tx: opened(tx, "agent/third", "why"))
    assert [trip.scope for trip in blame(store, ["fixer"])] == [FIXER, PRODUCTION]


def test_what_was_stopped_elsewhere_or_an_hour_ago_counts_not() -> None:
    store = FakeStore()
    for scope in (PRODUCTION, breaker.environment("staging"), "agent/third"):
        store.now(lambda tx, s=scope: tx.put_breaker(Breaker(s)))  # type: ignore[misc]
    store.now(lambda tx: opened(tx, "agent/third", "why"))
    store.advance(3601 * S)
    store.now(lambda tx: opened(tx, breaker.agent_in("staging", "other"), "why", "staging"))
    assert [trip.scope for trip in blame(store, ["fixer"])] == [FIXER]


def test_opening_twice_is_opening_once_and_probation_opens_again() -> None:
    store = FakeStore()
    assert store.now(lambda tx: opened(tx, FIXER, "why")) is not None
    assert store.now(lambda tx: opened(tx, FIXER, "why")) is None
    assert len(store.entries("breaker")) == 1
    row = found_breaker(store, FIXER)
    store.now(lambda tx: tx.put_breaker(breaker.move(row, breaker.E.PROBE, "person/ann", "", tx.now())))
    assert store.now(lambda tx: opened(tx, FIXER, "again")) is not None
    assert [dict(e.body)["signal"] for e in store.entries("breaker")] == ["health", "health"]


def test_what_is_on_probation_on_the_agents_way_opens_again() -> None:
    store = FakeStore()
    for scope, state in (
        ("agent/fixer", BreakerState.PROBATION),
        ("agent/other", BreakerState.PROBATION),
        (PRODUCTION, BreakerState.CLOSED),
    ):
        store.now(lambda tx, s=scope, a=state: tx.put_breaker(Breaker(s, a)))  # type: ignore[misc]
    found = blame(store, ["fixer"])
    assert {(t.scope, t.signal) for t in found} == {("agent/fixer", Signal.PROBATION), (FIXER, Signal.HEALTH)}


# -- claims and results


def test_a_claim_that_has_ended_does_not_count() -> None:
    store = FakeStore()
    slow = store.now(lambda tx: health.claim(tx, CHECK, "gw-1"))
    assert slow is not None
    assert store.now(lambda tx: health.claim(tx, CHECK, "gw-2")) is None
    store.advance(15 * S)
    quick = store.now(lambda tx: health.claim(tx, CHECK, "gw-2"))
    assert quick is not None
    late, well, terms = health.Outcome(False, "too late"), health.Outcome(True), store_terms()
    assert store.now(lambda tx: health.conclude(tx, CHECK, slow, late, terms)) is None
    found_ = store.now(lambda tx: health.conclude(tx, CHECK, quick, well, terms))
    assert found_ is not None
    assert [run.ok for run in found_.health.runs] == [True]
    assert store.now(lambda tx: health.conclude(tx, CHECK, quick, well, terms)) is None, "it is concluded"


def test_another_question_begins_anew() -> None:
    store = FakeStore()
    taken = store.now(lambda tx: health.claim(tx, CHECK, "gw-1"))
    assert taken is not None
    store.now(lambda tx: health.conclude(tx, CHECK, taken, health.Outcome(True), store_terms()))
    other = msgspec.structs.replace(CHECK, definition="d2")
    assert store.now(lambda tx: health.due(tx, [CHECK, other])) == [other]
    assert store.now(lambda tx: health.state_of(tx, other)).runs == ()


async def as_a_crash_leaves_it(made: Installation) -> Change:
    """A change that was applied, before its outcome is recorded."""
    answer = await made.send(await made.principal(), FEW)
    assert isinstance(answer, Permitted)
    assert answer.change is not None
    made.toy.rows = dict(made.toy.rows or {}, **{"row/0000": "old"})
    change = await made.change(answer.change.id)
    begun = msgspec.structs.replace(change, state=ChangeState.EXECUTING)
    return made.store.now(lambda tx: tx.save_change(begun))  # type: ignore[no-any-return]


def settle(made: Installation, change: Change, committed: bool | None) -> None:
    terms = msgspec.structs.replace(made.terms, watched=frozenset({"shop"}))
    made.store.now(lambda tx: conclude(tx, c.Conclude(change, Settled(committed), True), terms))


@story
async def test_a_change_whose_outcome_recovery_finds_out_is_watched_since_its_intent(
    made: Installation,
) -> None:
    begun = await as_a_crash_leaves_it(made)
    intended = made.store.time
    made.store.advance(60 * S)
    settle(made, begun, None)
    assert made.store.now(lambda tx: tx.watched_change(begun.id)).applied_at is None
    made.store.advance(60 * S)
    settle(made, begun, True)
    watched = made.store.now(lambda tx: tx.watched_change(begun.id))
    assert (watched.intended_at, watched.applied_at) == (intended, intended + 120 * S)


@pytest.mark.parametrize("first", [None, False])
def test_what_did_not_take_effect_is_not_watched(first: bool | None) -> None:
    async def run() -> None:
        made = await Installation.make()
        begun = await as_a_crash_leaves_it(made)
        settle(made, begun, first)
        settle(made, begun, False)
        assert made.store.now(lambda tx: tx.watched_change(begun.id)) is None

    asyncio.run(run())


@story
async def test_targets_without_checks_watch_nothing(made: Installation) -> None:
    assert isinstance(await made.send(await made.principal(), FEW), Permitted)
    assert not made.store.tables.watched
