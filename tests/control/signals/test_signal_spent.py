"""What past changes spent of budgets, and what is proposed from them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.control.signals.test_signal_past import HOLD, PERMIT, S, change

from interlock.control import budget
from interlock.control.budget import Budgets
from interlock.control.signals.past import ENOUGH
from interlock.control.signals.spent import Spent, Used, roomy, spent
from interlock.model.budget import Amounts
from interlock.model.change import Change
from interlock.model.decision import Decision, Hold
from interlock.model.effect import ChangeKind, Unit
from interlock.testing.scripted import touched

MANY = 10**9
ONE = Amounts(MANY, 100, 10, MANY)
NOW = Budgets("two-sre", ONE, ONE, ONE, ONE)
BUDGET = Hold(("quorum:two-sre",), ("budget-agent-rows-updated",))
HOUR = 3600.0


def rows(
    seconds: float, count: int, state: Any = S.APPLIED, decision: Decision = PERMIT, *, of: str = "updated", **about: Any
) -> Change:  # fmt: skip
    kind = {"updated": ChangeKind.UPDATED, "deleted": ChangeKind.DELETED, "created": ChangeKind.CREATED}[of]
    effect = touched("table", about.pop("table", "orders"), kind, unit=Unit.ROWS, count=count, before=10_000)
    return change(seconds, state, decision, (effect,), **about)


def looked(changes: Sequence[Change], budgets: Budgets = NOW, relaxed: Sequence[str] = ()) -> Spent:
    return spent(changes, budgets, frozenset(relaxed))[0]


def used(found: Spent) -> dict[tuple[str, str, str], Used]:
    return {(u.scope, u.who, u.field): u for u in found.used}


def test_what_a_window_held_is_told_by_scope_and_by_whom() -> None:
    changes = [
        *(rows(n * 60, 10) for n in range(5)),
        rows(300, 4, agent="other", session="s2"),
        rows(5 * HOUR, 7, table="carts"),
        rows(5 * HOUR + 1, 2, of="deleted", session="s3"),
    ]
    found = used(looked(changes[::-1]))
    assert {key: (u.windows, u.highest) for key, u in found.items()} == {
        ("session", "fixer", "rows_updated"): (2, 50),
        ("session", "fixer", "rows_deleted"): (1, 2),
        ("session", "other", "rows_updated"): (1, 4),
        ("agent", "fixer", "rows_updated"): (2, 50),
        ("agent", "fixer", "rows_deleted"): (1, 2),
        ("agent", "other", "rows_updated"): (1, 4),
        ("owner", "olga", "rows_updated"): (2, 54),
        ("owner", "olga", "rows_deleted"): (1, 2),
        ("table", "table orders", "rows_updated"): (1, 54),
        ("table", "table orders", "rows_deleted"): (1, 2),
        ("table", "table carts", "rows_updated"): (1, 7),
    }
    one = found["agent", "fixer", "rows_updated"]
    assert (one.environment, one.target, one.limit, one.share) == ("production", "shop", 100, 50)


def test_of_a_hundred_windows_one_may_be_beyond_the_usual() -> None:
    changes = [rows(n * 2 * HOUR, 5 if n != 7 else 60) for n in range(100)]
    one = used(looked(changes))["agent", "fixer", "rows_updated"]
    assert (one.windows, one.usual, one.highest) == (100, 5, 60)


@pytest.mark.parametrize(
    "other",
    [
        rows(9, 50, decision=HOLD),
        rows(9, 50, S.DENIED, HOLD),
        rows(9, 50, S.HELD, BUDGET),
        rows(9, 50, S.REFUSED),
        rows(9, 50, reverts="CHG-12345678"),
        rows(9, 50, break_glass="BG-1"),
        rows(9, 50, environment="sandbox"),
    ],
    ids=["approved", "denied", "waiting", "refused", "a revert", "through broken glass", "not strict"],
)
def test_only_what_passed_unapproved_where_it_is_counted_was_used(other: Change) -> None:
    found = looked([rows(0, 3), other], relaxed=["sandbox"])
    assert used(found)["agent", "fixer", "rows_updated"].highest == 3


def test_what_failed_or_was_only_observed_was_counted() -> None:
    observed = rows(9, 40, decision=HOLD, marker={"observed": "1"})
    found = looked([rows(0, 3), rows(5, 20, S.FAILED), observed])
    assert used(found)["agent", "fixer", "rows_updated"].highest == 63


# ---- what would have waited ------------------------------------------------------------------------------------------


def test_it_waits_as_admission_would_have_let_it_and_spends_nothing_then() -> None:
    changes = [rows(0, 60), rows(60, 41), rows(120, 40), rows(180, 1), rows(2 * HOUR, 100)]
    found = looked(changes)
    assert [(w.change, w.spent, w.limit) for w in found.now] == [
        (changes[1].id, 101, 100),
        (changes[3].id, 101, 100),
    ]
    assert {w.reason for w in found.now} <= {
        f"budget-{scope}-rows-updated" for scope in ("session", "agent", "owner", "table")
    }
    assert not any(w.was or w.objected for w in found.now)


def test_what_is_only_observed_waits_and_counts_nevertheless() -> None:
    observed = [rows(n * 60, 60, decision=HOLD, marker={"observed": "1"}) for n in range(3)]
    assert [w.spent for w in looked(observed).now] == [120, 180]


def test_what_a_budget_did_ask_about_is_tried_again_and_what_people_said_is_told() -> None:
    asked = [rows(0, 60), rows(60, 50, decision=BUDGET), rows(120, 45, S.DENIED, BUDGET)]
    found = looked(asked)
    assert [(w.change, w.was, w.objected) for w in found.now] == [
        (asked[1].id, True, False),
        (asked[2].id, True, True),
    ]


@settings(max_examples=60)
@given(
    steps=st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 60)), max_size=25),
    limit=st.integers(1, 200),
)
def test_the_arithmetic_is_that_of_admission(steps: list[tuple[int, int]], limit: int) -> None:
    """Beside a naive ledger of slices: every change is looked at with all that passed from the slice on in which the window
    begins."""
    at, changes = 0, []
    for n, (pause, count) in enumerate(steps):
        at += pause
        changes.append(rows(at, count, content=str(n)))
    amounts = msgspec.structs.replace(ONE, rows_updated=limit)
    found = looked(changes, msgspec.structs.replace(NOW, agent=amounts))
    passed: list[Change] = []
    waits = []
    for one in changes:
        since = budget.window_begin(one.requested_at, NOW.window)
        before = sum(
            c.measurement.effects[0].count
            for c in passed
            if budget.slice_of(c.requested_at, NOW.window) >= since
        )
        mine = before + one.measurement.effects[0].count
        if mine > min(limit, 100):
            waits.append(one.id)
        else:
            passed.append(one)
    assert [w.change for w in found.now] == waits


# ---- proposals -------------------------------------------------------------------------------------------------------


def work(count: int = ENOUGH, **about: Any) -> list[Change]:
    """So many hours with thirty rows in three changes each."""
    return [rows(n * 3 * HOUR + k * 60, 10, **about) for n in range(count) for k in range(3)]


def proposed(found: Spent) -> dict[tuple[str, str], tuple[int, int, int, int]]:
    return {(p.scope, p.field): (p.now, p.highest, p.proposed, p.caught) for p in found.proposals}


def test_nothing_is_proposed_from_too_little() -> None:
    assert looked(work(ENOUGH // 3 - 1)).proposals == ()
    assert looked(work(ENOUGH)).proposals != ()


def test_the_highest_that_people_were_content_with_and_head_room_is_proposed_for_what_was_used() -> None:
    found, then = spent(work(), NOW, frozenset())
    assert proposed(found) == {
        (scope, "rows_updated"): (100, 30, 38, 0) for scope in ("session", "agent", "owner", "table")
    }
    assert then == msgspec.structs.replace(
        NOW,
        **{name: msgspec.structs.replace(ONE, rows_updated=38) for name in ("session", "agent", "owner", "table")},
    )  # fmt: skip
    assert found.waits_then == 0, "nothing of what it came from would have waited"


def test_what_people_denied_or_undid_makes_nothing_wider_and_is_what_it_catches() -> None:
    bad = rows(1000 * HOUR, 90, S.REVERTED)
    found = looked([*work(), bad, rows(1100 * HOUR, 95, S.DENIED, BUDGET)])
    assert proposed(found)["agent", "rows_updated"][:3] == (100, 30, 38)
    assert sum(p.caught for p in found.proposals) == 2
    assert (found.waits_now, found.waits_then) == (0, 2)
    assert [w.change for w in found.then if w.objected] == [bad.id, found.then[-1].change]


def test_what_people_approved_beyond_a_budget_makes_it_wider() -> None:
    more = rows(1000 * HOUR, 300, decision=BUDGET)
    found = looked([*work(), more])
    assert proposed(found)["agent", "rows_updated"] == (100, 300, 380, 0)
    assert (found.waits_now, found.waits_then) == (1, 0)


def test_of_many_only_the_newest_and_of_tables_only_the_fullest_are_listed() -> None:
    changes = [rows(n * HOUR * 3, 101 + n, table=f"t{n}") for n in range(8)]
    found, _ = spent(changes, NOW, frozenset(), shown=3)
    assert (found.waits_now, [w.change for w in found.now]) == (8, [c.id for c in changes[-3:]])
    assert sorted(u.who for u in found.used if u.scope == "table") == ["table t5", "table t6", "table t7"]


@given(st.integers(0, 10**15))
def test_there_is_room_and_not_too_much(highest: int) -> None:
    assert highest * 5 <= roomy(highest) * 4
    assert roomy(highest) <= max(highest * 1.4, highest + 1)


def test_no_window_of_the_past_is_a_longer_one() -> None:
    """The budgets' own window is what counts."""
    day = msgspec.structs.replace(NOW, window=timedelta(days=1))
    changes = [rows(n * HOUR, 30) for n in range(5)]
    assert used(looked(changes))["agent", "fixer", "rows_updated"].highest == 60, (
        "the slice counts as a whole"
    )
    assert used(looked(changes, day))["agent", "fixer", "rows_updated"].highest == 150
    assert looked(changes, day).seconds == 86_400
