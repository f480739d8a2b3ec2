"""What small changes add up to, and when people are needed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.control import budget
from interlock.control.budget import Budgets
from interlock.model.budget import AMOUNTS, Amounts, Spending
from interlock.model.decision import EvidenceHeld, Hold, Permit
from interlock.model.effect import ChangeKind, Effect, Unit
from interlock.model.errors import Misconfigured
from interlock.model.operation import Resource
from interlock.sdk.connector import Principal

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
WHO = Principal("fixer", "olga", "s1")
USUAL = budget.default(100, 1_000, "two-sre")


def effect(change: ChangeKind, count: int, unit: Unit = Unit.ROWS, name: str = "public.t") -> Effect:
    return Effect(Resource("table", name, "public"), change, count, unit)


def test_a_unit_is_counted_by_session_agent_owner_and_table() -> None:
    found = budget.spendings(
        WHO,
        "shop",
        [
            effect(ChangeKind.DELETED, 3),
            effect(ChangeKind.UPDATED, 2, name="public.u"),
            effect(ChangeKind.CREATED, 1, Unit.OBJECTS),
        ],
    )
    total = Amounts(rows_updated=2, rows_deleted=3, objects=1)
    assert found == (
        Spending("agent/fixer", "shop", total),
        Spending("owner/olga", "shop", total),
        Spending("session/s1", "shop", total),
        Spending("table/table public.t", "shop", Amounts(rows_deleted=3)),
        Spending("table/table public.u", "shop", Amounts(rows_updated=2)),
    )
    assert [s.scope for s in found] == sorted(s.scope for s in found), "counters are locked in a fixed order"


def test_nothing_is_counted_for_nothing_and_no_session_for_none() -> None:
    assert budget.spendings(WHO, "shop", [effect(ChangeKind.UPDATED, 0, Unit.OBJECTS)]) == ()
    served = Principal("fixer", "olga", "")
    scopes = {s.scope for s in budget.spendings(served, "shop", [effect(ChangeKind.CREATED, 1)])}
    assert scopes == {"agent/fixer", "owner/olga", "table/table public.t"}


@pytest.mark.parametrize("kind", ChangeKind)
def test_every_kind_of_change_is_counted_somewhere(kind: ChangeKind) -> None:
    for unit in Unit:
        (agent, *_) = budget.spendings(WHO, "shop", [effect(kind, 7, unit)])
        assert sum(getattr(agent.amounts, name) for name in AMOUNTS) == 7


def test_the_boundary_is_the_limit_itself() -> None:
    mine = Spending("agent/fixer", "shop", Amounts(rows_deleted=1))
    assert budget.excess([(mine, Amounts(rows_deleted=100))], USUAL) == ()
    (over,) = budget.excess([(mine, Amounts(rows_deleted=101))], USUAL)
    assert (over.reason, over.spent, over.limit) == ("budget-agent-rows-deleted", 101, 100)
    assert budget.hold([over], USUAL) == Hold(("quorum:two-sre",), ("budget-agent-rows-deleted",))
    assert "agent fixer would have 101 rows deleted in the last 1h" in budget.words([over], USUAL)
    both = Spending("owner/olga", "shop", Amounts(rows_deleted=1))
    assert budget.excess([(both, Amounts(rows_deleted=200))], USUAL) == ()
    assert len(budget.excess([(both, Amounts(rows_deleted=201))], USUAL)) == 1


def test_who_adds_nothing_of_a_kind_is_not_held_for_it() -> None:
    other = Spending("table/table public.t", "shop", Amounts(rows_created=1))
    assert budget.excess([(other, Amounts(rows_created=1, rows_deleted=10_000))], USUAL) == ()


def test_a_hold_is_lifted_by_its_quorum_only() -> None:
    held = Hold(("quorum:two-sre",), ("budget-agent-rows-deleted",))
    assert budget.is_of_budget(held)
    assert budget.lacks(held, EvidenceHeld())
    assert budget.lacks(held, EvidenceHeld(quorums=("two-admins",)))
    assert not budget.lacks(held, EvidenceHeld(quorums=("two-sre",)))
    for other in (Permit(("grant:G1",)), Hold(("quorum:two-sre",), ("rows-deleted",))):
        assert not budget.lacks(other, EvidenceHeld())


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    st.integers(60, 31 * 86400),
    st.floats(0, 1),
)
def test_never_less_than_the_window_is_counted(now: datetime, seconds: int, ago: float) -> None:
    window = timedelta(seconds=seconds)
    earlier = now - ago * window
    assert budget.slice_of(earlier, window) >= budget.window_begin(now, window)
    assert (
        budget.slice_of(now, window)
        <= now
        < budget.slice_of(now, window) + window / budget.SLICES + timedelta(microseconds=1)
    )
    assert now - budget.window_begin(now, window) <= window + window / budget.SLICES + timedelta(
        microseconds=1
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"window": timedelta(seconds=59)},
        {"window": timedelta(days=32)},
        {"agent": Amounts(rows_deleted=-1)},
        {"table": Amounts(rows_deleted=True)},
    ],
)
def test_budgets_that_make_no_sense(wrong: dict[str, object]) -> None:
    kept = {name: getattr(USUAL, name) for name in Budgets.__struct_fields__}
    with pytest.raises(Misconfigured, match="budgets"):
        Budgets(**{**kept, **wrong})
