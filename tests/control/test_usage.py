"""What was used of a grant: the numbers that people take rights away by."""

import fnmatch
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from interlock.control.usage import beside, covers, matches, uses
from interlock.model.change import Change, ChangeState, Measurement
from interlock.model.decision import Permit
from interlock.model.effect import ChangeKind, Effect, Evidence, Unit
from interlock.model.operation import Action, Operation, Resource
from interlock.model.people import Grant

AT = datetime(2026, 3, 4, tzinfo=UTC)
ORDERS, LOGS = Resource("table", "public.orders", "public"), Resource("table", "public.logs", "public")


def change(
    state: ChangeState = ChangeState.APPLIED, *effects: Effect, asked: Action = Action.UPDATE
) -> Change:
    operations = (Operation(asked, "UPDATE", (ORDERS,)),)
    measured = Measurement(effects)
    return Change(
        "CHG-00000001", "bot", "olga", "shop", "production", "f", state, 1, "c", operations, measured, Permit(), AT, AT
    )  # fmt: skip


def grant(*actions: Action, resources: tuple[str, ...] = ()) -> Grant:
    return Grant("G-1", "bot", "shop", actions, "ann", AT, AT + timedelta(days=1), 100, resources)


def rows(resource: Resource, kind: ChangeKind, count: int) -> Effect:
    return Effect(resource, kind, count, Unit.ROWS)


def test_what_a_cascade_reached_was_used_too() -> None:
    made = change(ChangeState.APPLIED, rows(ORDERS, ChangeKind.UPDATED, 3), rows(LOGS, ChangeKind.DELETED, 9))
    found = {(u.action, u.resource.name): (u.used, u.not_done) for u in uses([made, made])}
    assert found == {(Action.UPDATE, "public.orders"): (2, 0), (Action.DELETE, "public.logs"): (2, 0)}
    found_beside = beside(grant(Action.UPDATE, Action.DELETE, resources=("public.*", "audit.*")), [made])
    assert found_beside.unused_actions == ()
    assert found_beside.unused_resources == ("audit.*",)
    assert (found_beside.changes, found_beside.most_rows) == (1, 12)


@pytest.mark.parametrize("state", list(ChangeState))
def test_only_what_took_effect_is_use(state: ChangeState) -> None:
    made = change(state, rows(ORDERS, ChangeKind.UPDATED, 3))
    took = state.value in ("applied", "reverted", "partly_reverted", "executing", "in_doubt")
    (use,) = uses([made])
    assert (use.used, use.not_done) == ((1, 0) if took else (0, 1))
    found = beside(grant(Action.UPDATE), [made])
    assert found.unused is not took
    assert found.unused_actions == (() if took else (Action.UPDATE,))


def test_an_effect_of_nothing_needs_no_right_but_an_unknown_one_does() -> None:
    nothing = Effect(LOGS, ChangeKind.DELETED, 0, Unit.ROWS)
    unknown = replace(nothing, evidence=Evidence.UNKNOWN)
    assert {u.resource for u in uses([change(ChangeState.APPLIED, nothing)])} == {ORDERS}
    assert {u.resource for u in uses([change(ChangeState.APPLIED, unknown)])} == {ORDERS, LOGS}


def test_reads_are_never_called_unused() -> None:
    found = beside(grant(Action.READ, Action.ADMIN), [])
    assert found.unused
    assert found.unused_actions == (Action.ADMIN,)


def test_another_targets_changes_are_not_of_this_grant() -> None:
    elsewhere = replace(change(), target="other")
    assert beside(grant(Action.UPDATE), [elsewhere]).unused


def test_a_grant_is_not_used_by_what_another_covers() -> None:
    assert beside(grant(Action.DELETE), [change()]).unused
    assert beside(grant(Action.UPDATE, resources=("public.logs",)), [change()]).unused


def test_no_patterns_cover_everything() -> None:
    assert covers(grant(Action.READ), "anything")


@given(st.text("ab.*", max_size=8), st.text("ab.", max_size=10))
def test_patterns_are_those_of_grants(pattern: str, name: str) -> None:
    """`*` stands for any characters, and nothing else is special."""
    assert matches(pattern, name) is fnmatch.fnmatchcase(name, pattern)
