"""The tables are total (each state × event is a move or an IllegalMove), reachable, and what docs/states.md shows."""

import enum
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from interlock.control import breaker, change, diagrams, outbox
from interlock.control.breaker import BreakerEvent
from interlock.control.change import ChangeEvent, move, settled_event
from interlock.control.machine import IllegalMove, Machine
from interlock.control.outbox import MessageEvent
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.change import Change, ChangeState, Measurement
from interlock.model.decision import Permit
from interlock.model.effect import Totals
from interlock.model.errors import Rejected
from interlock.model.message import MessageState
from interlock.sdk.connector import Principal

NOW = datetime(2026, 3, 4, tzinfo=UTC)
DRAFT = Change(
    "CHG-00000000", "a", "o", "t", "e", "f", ChangeState.RECEIVED, 1, "c", (), Measurement(()), Permit(), NOW, NOW
)  # fmt: skip

MACHINES: list[tuple[Machine[Any, Any], type[enum.Enum], type[enum.Enum]]] = [
    (change.MACHINE, ChangeState, ChangeEvent),
    (breaker.MACHINE, BreakerState, BreakerEvent),
    (outbox.MACHINE, MessageState, MessageEvent),
]


@pytest.mark.parametrize(("machine", "states", "events"), MACHINES)
def test_table_is_total(machine: Machine[Any, Any], states: Any, events: Any) -> None:
    moves = {(state, event): after for state, event, after in machine.moves()}
    for state in states:
        for event in events:
            assert machine.allows(state, event) is ((state, event) in moves)
            if (state, event) in moves:
                assert machine.after(state, event) is moves[state, event]
            else:
                with pytest.raises(IllegalMove):
                    machine.after(state, event)


@pytest.mark.parametrize(("machine", "states", "events"), MACHINES)
def test_every_state_is_reached_and_every_event_used(
    machine: Machine[Any, Any], states: Any, events: Any
) -> None:
    reached = {machine.start} | {after for _, _, after in machine.moves()}
    assert reached == set(states)
    assert {event for _, event, _ in machine.moves()} == set(events)


def test_terminal_states_of_a_change() -> None:
    S = ChangeState
    ends = {s for s in S if change.MACHINE.terminal(s)}
    assert ends == {S.REVERTED, S.REFUSED, S.DENIED, S.WITHDRAWN, S.EXPIRED, S.FAILED}


def test_only_held_and_intended_ways_lead_to_execution() -> None:
    before = {s for s, _, after in change.MACHINE.moves() if after is ChangeState.EXECUTING}
    assert before == {ChangeState.RECEIVED, ChangeState.APPROVED}
    assert {s for s, _, after in change.MACHINE.moves() if after is ChangeState.APPLIED} == set(
        change.UNSETTLED
    )


def test_breaker_closes_only_over_probation() -> None:
    assert {s for s, _, after in breaker.MACHINE.moves() if after is BreakerState.CLOSED} == {
        BreakerState.PROBATION
    }


def test_docs_show_the_tables() -> None:
    docs = Path(__file__).parents[2] / "docs" / "states.md"
    assert docs.read_text() == diagrams.page(), "write docs/states.md anew (see control/diagrams.py)"


def test_expiry_goes_with_the_open_states() -> None:
    end = NOW + timedelta(hours=1)
    held = move(DRAFT, ChangeEvent.HOLD, expires_at=end)
    approved = move(held, ChangeEvent.APPROVE, expires_at=end + timedelta(hours=1))
    executing = move(approved, ChangeEvent.INTEND)
    assert executing.expires_at == approved.expires_at == end + timedelta(hours=1)
    assert move(executing, ChangeEvent.APPLY).expires_at is None
    back = move(executing, ChangeEvent.GIVE_BACK)
    assert (back.state, back.expires_at) == (ChangeState.APPROVED, approved.expires_at)


@pytest.mark.parametrize(
    ("committed", "expires", "event"),
    [
        (True, None, ChangeEvent.APPLY),
        (False, None, ChangeEvent.FAIL),
        (None, None, ChangeEvent.DOUBT),
        (False, NOW + timedelta(seconds=1), ChangeEvent.GIVE_BACK),
        (False, NOW, ChangeEvent.FAIL),
        (True, NOW + timedelta(seconds=1), ChangeEvent.APPLY),
    ],
)
def test_what_an_outcome_means(committed: bool | None, expires: datetime | None, event: ChangeEvent) -> None:
    executing = msgspec.structs.replace(DRAFT, state=ChangeState.EXECUTING, expires_at=expires)
    assert settled_event(executing, committed, NOW) is event


def test_thaw_does_not_close_what_tripped() -> None:
    row = breaker.freeze(Breaker("environment/production"), True, "ann", "incident", NOW)
    row = breaker.move(row, BreakerEvent.OPEN, "watch", "too many rows", NOW)
    row = breaker.freeze(row, False, "ann", "over", NOW)
    assert (row.frozen, row.state, row.epoch) == (False, BreakerState.OPEN, 3)


def test_reset_goes_step_by_step() -> None:
    row = breaker.move(Breaker("global"), BreakerEvent.OPEN, "ann", "stop", NOW)
    for expected in (BreakerState.PROBATION, BreakerState.CLOSED):
        row = breaker.move(row, breaker.next_reset(row), "ann", "", NOW)
        assert row.state is expected
        for number in range(breaker.CLEAN):
            with pytest.raises(
                Rejected if row.state is BreakerState.PROBATION else IllegalMove, match=f"{number} of|"
            ):
                breaker.next_reset(row)
            row = breaker.ended(breaker.begun(row, "CHG-1"), "CHG-1", well=True)
    with pytest.raises(IllegalMove):
        breaker.next_reset(row)


def test_scopes_are_sorted_and_leave_out_what_is_not_there() -> None:
    with_session = breaker.scopes_of(Principal("fixer", "olga", "s1"), "shop", "production")
    assert with_session == (
        "agent/fixer",
        "environment/production",
        "environment/production/agent/fixer",
        "global",
        "session/s1",
        "target/shop",
    )
    assert "session/" not in "".join(breaker.scopes_of(Principal("fixer", "olga", ""), "shop", "production"))


@pytest.mark.parametrize("field", Totals.__struct_fields__)
def test_probation_lets_small_updates_pass_and_nothing_else(field: str) -> None:
    small = {"rows_updated", "rows_created", "share_updated", "share_deleted", "tables_emptied"}
    assert breaker.passes_probation(Totals(**{field: 1})) is (field in small)
    assert not breaker.passes_probation(Totals(rows_updated=60, rows_created=41))


@pytest.mark.parametrize(
    ("row", "over"),
    [
        (Breaker("change/CHG-1"), True),
        (Breaker("change/CHG-1", state=BreakerState.OPEN), True),
        (Breaker("group/shop/public"), True),
        (Breaker("group/shop/public", state=BreakerState.OPEN), False),
        (Breaker("group/shop/public", state=BreakerState.PROBATION), False),
        (Breaker("environment/production/agent/fixer"), True),
        (Breaker("environment/production/agent/fixer", state=BreakerState.OPEN), False),
        (Breaker("environment/production"), False),
        (Breaker("agent/fixer"), False),
        (Breaker("session/S1"), False),
    ],
)
def test_only_what_is_made_anew_when_asked_for_is_forgotten(row: Breaker, over: bool) -> None:
    """No timer closes anything: what refuses stays, but for the breaker of a change that nobody can use any more."""
    row = msgspec.structs.replace(row, moved_at=NOW)
    assert breaker.is_over(row, NOW + timedelta(days=3)) is over
    assert not breaker.is_over(row, NOW + timedelta(hours=47))


def test_a_freeze_and_what_tripped_meanwhile_have_a_reason_each() -> None:
    """Whoever thaws must find why it is stopped still."""
    scope = "environment/production"
    row = breaker.move(Breaker(scope), breaker.E.OPEN, "ann", "odd writes", NOW)
    row = breaker.freeze(row, True, "bob", "the fair", NOW)
    assert (row.reason, row.why_stopped) == ("the fair", "odd writes")
    row = breaker.freeze(row, True, "bob", "the long fair", NOW)
    assert (row.reason, row.why_stopped) == ("the long fair", "odd writes")
    row = breaker.freeze(row, False, "bob", "over", NOW)
    assert (row.reason, row.why_stopped, row.kept) == ("odd writes", "odd writes", "")
    frozen = breaker.freeze(Breaker(scope), True, "bob", "the fair", NOW)
    tripped = breaker.move(frozen, breaker.E.OPEN, "interlock", "a flood", NOW)
    assert (tripped.reason, tripped.why_stopped) == ("the fair", "a flood")
    on_probation = breaker.move(tripped, breaker.E.PROBE, "ann", "seen", NOW)
    closed = breaker.move(on_probation, breaker.E.CLOSE, "ann", "quiet", NOW)
    assert (closed.reason, closed.why_stopped, closed.frozen) == ("the fair", "the fair", True)
    assert breaker.freeze(closed, False, "bob", "over", NOW).reason == "over"
