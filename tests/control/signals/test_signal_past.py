"""What past changes would have tripped, and what is proposed from them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from tests.control.signals.units import BEGIN, only

from interlock.control.signals import past
from interlock.control.signals.past import ENOUGH, EXCEEDED, REACHED
from interlock.control.signals.thresholds import SHIPPED, Thresholds
from interlock.model import ids
from interlock.model.change import Change, ChangeState, Measurement
from interlock.model.decision import Decision, Forbid, Hold, Permit
from interlock.model.effect import ChangeKind, Effect, Unit
from interlock.model.operation import Action, Operation
from interlock.model.signal import Signal, Track
from interlock.testing.scripted import touched

S = ChangeState
HOLD = Hold(("quorum:two-sre",), ("objects-deleted",))
PERMIT = Permit(("grant",))


def change(
    seconds: float,
    state: ChangeState = S.APPLIED,
    decision: Decision = PERMIT,
    effects: Sequence[Effect] = (),
    *,
    later: float = 1,
    **about: Any,
) -> Change:
    at = BEGIN + timedelta(seconds=seconds)
    effects = tuple(effects) or (touched("table", f"t{seconds}", unit=Unit.ROWS, change=ChangeKind.UPDATED),)
    usual: dict[str, Any] = {
        "id": ids.change_id(ids.change_number(at)), "agent": "fixer", "owner": "olga", "target": "shop",
        "environment": "production", "fingerprint": "f", "state": state, "version": 2, "content": str(seconds),
        "operations": (Operation(Action.UPDATE, "do", tuple(e.resource for e in effects)),),
        "measurement": Measurement(effects), "decision": decision, "requested_at": at,
        "updated_at": at + timedelta(seconds=later), "session": "s1",
    }  # fmt: skip
    return Change(**{**usual, **about})


def drop(seconds: float, state: ChangeState = S.APPLIED, decision: Decision = PERMIT, **about: Any) -> Change:
    return change(seconds, state, decision, (touched("table", f"t{seconds}"),), **about)


def trips(changes: Sequence[Change], limits: Thresholds = SHIPPED) -> list[tuple[Signal, str]]:
    found = past.replay(changes, lambda environment, agent: limits, {})
    return [(t.signal, t.change) for t in found]


def test_unapproved_ones_trip_as_they_would_have() -> None:
    changes = [drop(n) for n in range(4)]
    (found,) = past.replay(changes[::-1], lambda environment, agent: SHIPPED, {})
    assert (found.signal, found.change, found.scope) == (Signal.DESTRUCTIVE, changes[3].id, "session/s1")
    assert (found.limit, found.number, found.agent, found.environment) == (
        "destructive_minute",
        4,
        "fixer",
        "production",
    )
    assert trips(changes[:3]) == []


def test_after_a_trip_it_is_as_if_people_had_put_it_back() -> None:
    """One incident is one line, and a second one another."""
    assert len(trips([drop(n) for n in range(7)])) == 1
    assert len(trips([drop(n) for n in range(8)])) == 2


def test_approved_ones_count_for_nothing_and_denied_ones_do() -> None:
    assert trips([drop(n, decision=HOLD, later=5) for n in range(3)]) == []
    spread = [drop(n * 20, decision=HOLD, later=5) for n in range(30)]
    assert trips(spread) == []
    denied = [drop(n, S.DENIED, HOLD) for n in range(4)]
    assert [s for s, _ in trips(denied)] == [Signal.DESTRUCTIVE]
    assert all(t.objected for t in past.replay(denied, lambda e, a: SHIPPED, {}))


def test_what_a_budget_asked_for_was_no_attempt() -> None:
    budget = Hold(("quorum:two-sre",), ("budget-agent-rows-deleted",))
    rows = (touched("table", "t", unit=Unit.ROWS, count=9),)
    assert trips([change(n, S.EXPIRED, budget, rows) for n in range(9)]) == []
    assert trips([change(n, S.EXPIRED, HOLD, rows) for n in range(9)]) != []


def test_what_was_only_observed_ran_unapproved() -> None:
    observed = [drop(n, decision=HOLD, marker={"observed": "1"}) for n in range(4)]
    assert [s for s, _ in trips(observed)] == [Signal.DESTRUCTIVE]


def test_failures_reverts_and_what_nobody_may_do() -> None:
    rows = (touched("table", "same", unit=Unit.ROWS, change=ChangeKind.UPDATED),)
    assert [s for s, _ in trips([change(n, S.FAILED, effects=rows) for n in range(4)])] == [
        Signal.SAME_FAILURE
    ]
    assert trips([drop(n, reverts="CHG-12345678") for n in range(9)]) == []
    admin = Operation(Action.ADMIN, "StopLogging")
    never = [change(0, S.REFUSED, Forbid("no", ("never",)), operations=(admin,))]
    assert [s for s, _ in trips(never)] == [Signal.GUARD]
    assert trips([change(0, S.REFUSED, Forbid("no", ("grant",)), operations=(admin,))]) == []


def test_where_no_signals_hold_nothing_trips() -> None:
    assert past.replay([drop(n) for n in range(9)], lambda environment, agent: None, {}) == ()


def test_what_an_agent_was_used_to_is_not_new() -> None:
    kinds = [
        change(n * 100, effects=(touched(kind, "x"),)) for n, kind in enumerate(("table", "index", "view"))
    ]
    assert [s for s, _ in trips(kinds, only(novel=3))] == [Signal.NOVEL]
    known = {"fixer": Track(familiar=("deleted view",))}
    assert past.replay(kinds, lambda environment, agent: only(novel=3), known) == ()


def proposed(changes: Sequence[Change], now: Thresholds = SHIPPED) -> dict[str, tuple[int | None, int, int]]:
    found, _ = past.proposals(changes, lambda environment, agent: now, {})
    return {p.name: (p.now, p.proposed, p.caught) for p in found}


def work(count: int = ENOUGH) -> list[Change]:
    """Honest work, far apart: so much of it that something is learnt."""
    return [change(100_000 + n * 1000) for n in range(count)]


def test_nothing_is_proposed_from_too_little() -> None:
    assert proposed([*work(ENOUGH - 1)]) == {}
    assert proposed([*work(ENOUGH)]) != {}


def test_a_threshold_is_the_least_that_honest_work_does_not_exceed() -> None:
    """Two in a minute, six in ten minutes, and nothing was wrong with it."""
    spread = [drop(n * 100 + k) for n in range(3) for k in range(2)]
    found = proposed([*work(), *spread])
    assert found["destructive_minute"] == (3, 2, 0)
    assert found["destructive_ten_minutes"] == (5, 6, 0), "looser than it is: it would have tripped"
    assert found["destructive_day"] == (20, 6, 0)
    again = SHIPPED
    tuned = past.proposals([*work(), *spread], lambda environment, agent: again, {})[1]["production"]
    assert past.replay([*work(), *spread], lambda environment, agent: tuned, {}) == ()


def test_what_people_objected_to_does_not_make_it_looser() -> None:
    bad = [drop(n, S.REVERTED) for n in range(30)]
    found = proposed([*work(), *bad])
    assert found["destructive_minute"][1] == 1
    assert found["destructive_minute"][2] > 0, "and it says what would have been caught"


def test_each_kind_of_threshold_is_proposed_and_holds_for_what_it_came_from() -> None:
    groups = [
        change(
            20_000 + n,
            effects=(touched("t", f"g{n}", ChangeKind.UPDATED, group=f"g{n}", unit=Unit.ROWS),),
            session=f"g{n}",
        )
        for n in range(9)
    ]
    gone = [change(40_000 + n * 700, effects=(touched("t", f"d{n}", group=f"d{n}"),)) for n in range(5)]
    fails = [change(60_000 + n, S.FAILED, effects=(touched("t", "f", ChangeKind.UPDATED),)) for n in range(6)]
    churn = [change(80_000 + n * 10, effects=(touched("v", "c", ChangeKind.REPLACED),)) for n in range(3)]
    everything = [*work(), *groups, *gone, *fails, *churn]
    found = proposed(everything)
    assert found["groups_written_ten_minutes"][1] == 9
    assert found["groups_deleted_hour"][1] == 5
    assert found["failures"][1] == 7
    assert found["recreated"][1] == 4
    tuned = past.proposals(everything, lambda environment, agent: SHIPPED, {})[1]["production"]
    assert past.replay(everything, lambda environment, agent: tuned, {}) == ()


def test_what_is_off_stays_off_and_switches_are_not_numbers() -> None:
    off = Thresholds(destructive_day=None, novel=None)
    names = proposed([*work(), *(drop(n * 1000) for n in range(9))], off)
    assert {"destructive_day", "novel"}.isdisjoint(names)
    assert set(names) <= {*EXCEEDED, *REACHED}


@pytest.mark.parametrize("number", [0, 1, 5])
def test_a_proposal_can_always_be_configured(number: int) -> None:
    """Whatever happened, the numbers are ones that a configuration may have."""
    fails = [
        change(n, S.FAILED, effects=(touched("t", f"f{n}", ChangeKind.UPDATED),)) for n in range(number * 10)
    ]
    _, tuned = past.proposals([*work(), *fails], lambda environment, agent: SHIPPED, {})
    assert all(isinstance(t, Thresholds) for t in tuned.values())
