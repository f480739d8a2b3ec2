"""What a client hears of a change, in each state that it may find it in."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from interlock.connectors.postgres import answer
from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.codec import decode_backend
from interlock.model.change import Change, ChangeState, Measurement
from interlock.model.decision import Hold
from interlock.model.effect import ChangeKind, Effect, Evidence, Unit
from interlock.model.operation import Resource
from interlock.sdk.connector import Held, Refused

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LOST = Effect(
    Resource("table", "public.t"), ChangeKind.DELETED, 7, Unit.ROWS, Evidence.MEASURED, reversible=True
)
UNTOUCHED = {ChangeState.HELD, ChangeState.DENIED, ChangeState.EXPIRED, ChangeState.WITHDRAWN}


def change(state: ChangeState, *effects: Effect) -> Change:
    return Change(
        "CHG-1QGHPA7T",
        "fixer",
        "olga",
        "shop",
        "production",
        "1/shop",
        state,
        1,
        "00",
        (),
        Measurement(effects),
        Hold(("quorum:two-sre",)),
        NOW,
        NOW,
    )


def said(raw: bytes) -> dict[str, str]:
    message = decode_backend(raw[0], raw)
    assert isinstance(message, b.ErrorResponse)
    return dict(message.fields)


@pytest.mark.parametrize("state", list(ChangeState))
def test_what_is_said_of_a_change_is_true(state: ChangeState) -> None:
    fields = said(answer.held(Held(change(state, LOST), again=True)))
    assert "CHG-1QGHPA7T" in fields["M"]
    assert ("nothing was changed" in fields["M"]) == (state in UNTOUCHED)
    assert ("waits for" in fields["M"]) == (state is ChangeState.HELD)
    assert fields["C"] == (answer.FORBIDDEN if state is ChangeState.DENIED else answer.HELD)
    assert fields["D"] == "table public.t: 7 rows deleted"
    assert fields["H"]


DENIED = msgspec.structs.replace(
    change(ChangeState.DENIED, LOST), denial="not on a Friday", expires_at=NOW + timedelta(days=1)
)


@pytest.mark.parametrize(
    "raw", [answer.held(Held(DENIED)), answer.refused(Refused("forbidden", "x", change=DENIED))]
)
def test_a_denial_comes_with_its_reason_and_its_end(raw: bytes) -> None:
    fields = said(raw)
    assert (fields["C"], fields["M"]) == (
        answer.FORBIDDEN,
        "denied: people said no to CHG-1QGHPA7T; nothing was changed",
    )
    assert fields["D"] == "The reason given: not on a Friday\ntable public.t: 7 rows deleted"
    assert fields["H"].endswith("The same can be asked again after 2026-01-02 00:00 UTC.")


def test_what_was_measured_to_change_nothing_is_not_called_unknown() -> None:
    fields = said(answer.held(Held(change(ChangeState.HELD))))
    assert fields["D"].startswith("no change of a row or an object was measured")


def link(change_id: str) -> str:
    return f"https://gate.example/changes/{change_id}"


URL = "https://gate.example/changes/CHG-1QGHPA7T"


@pytest.mark.parametrize("state", list(ChangeState))
def test_whatever_names_a_change_says_where_it_is_read(state: ChangeState) -> None:
    """Beside what is said without an address, and at the end of the hint, where nothing sticks to it."""
    waits = Held(change(state, LOST), again=True)
    bare, told = said(answer.held(waits)), said(answer.held(waits, link))
    assert told["H"] == f"{bare['H']} What becomes of it: {URL}"
    assert {k: v for k, v in told.items() if k != "H"} == {k: v for k, v in bare.items() if k != "H"}


@pytest.mark.parametrize("code", ["forbidden", "breaker", "unavailable", "failed", "in_doubt"])
def test_so_does_a_refusal(code: str) -> None:
    refused = Refused(code, "because", change=change(ChangeState.REFUSED, LOST))
    bare, told = said(answer.refused(refused)), said(answer.error(refused, link))
    assert told["H"] == f"{bare['H']} What becomes of it: {URL}"
    assert told["M"] == bare["M"]
    assert "gate.example" not in said(answer.error(Refused(code, "because"), link))["H"]


def test_a_breaker_is_not_for_ever() -> None:
    fields = said(answer.refused(Refused("breaker", "changes are frozen for environment/production: night")))
    assert fields["C"] == answer.BREAKER
    assert "after people have ended that" in fields["H"]


def test_a_breaker_says_what_helps_who_ends_it_and_where() -> None:
    advice = (
        "Stop writing: trying again does not help until it is put back by somebody else. Tell your people"
    )
    see = "https://gate.example/console/breakers/one?scope=agent%2Ffixer"
    refused = Refused("breaker", "changes are stopped for agent/fixer: 4 of them", next=advice, see=see)
    fields = said(answer.error(refused, link))
    assert fields["C"] == answer.BREAKER
    assert fields["M"] == "refused: changes are stopped for agent/fixer: 4 of them"
    assert fields["H"] == f"{advice}. They do it at {see}"
    bare = said(answer.refused(msgspec.structs.replace(refused, see="")))
    assert bare["H"] == f"{advice}."
    short = said(answer.refused(Refused("breaker", "on probation, one at a time", retry=True)))
    assert short["H"] == "It can be tried again later."
