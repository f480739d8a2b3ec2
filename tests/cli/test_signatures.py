"""The signatures of people in a log are checked with nothing but the log."""

import base64
import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from interlock.cli.signatures import SignatureCheck
from interlock.control.deciding import approval as approvals
from interlock.model.base import to_json
from interlock.model.change import Change, ChangeState, Measurement, Statement, Verdict
from interlock.model.decision import Hold
from interlock.pipeline.recorded import bodies
from interlock.testing.signing import key_of, public_key_of, signed, speak, wish

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ORIGIN = "log.example"
CHANGE = Change(
    id="CHG-7K3F9Q2M",
    agent="fixer",
    owner="olga",
    target="shop",
    environment="production",
    fingerprint="1/shop",
    state=ChangeState.HELD,
    version=1,
    content="c" * 64,
    operations=(),
    measurement=Measurement(()),
    decision=Hold(("quorum:two-sre",)),
    requested_at=NOW,
    updated_at=NOW,
    expires_at=NOW + timedelta(hours=1),
    nonce="n" * 32,
)


def log() -> list[dict[str, Any]]:
    """Ann is enrolled, a change is held, Ann approves, Bob denies, Ann has it reverted."""
    people = [
        {"person": name, "groups": ["sre"], "public_key": public_key_of(name)} for name in ("ann", "bob")
    ]
    said = [
        ("approval", speak(CHANGE, "ann", NOW, origin=ORIGIN, reason="fine")),
        ("denial", speak(CHANGE, "bob", NOW, origin=ORIGIN, verdict=Verdict.DENY)),
        ("approval", wish(CHANGE, "ann", NOW, origin=ORIGIN, force=True)),
    ]
    entries = [
        *(("person", body) for body in people),
        ("change.held", bodies.held(CHANGE, {})),
        *((kind, bodies.spoken(approval)) for kind, approval in said),
        ("session.opened", {"session": "s"}),
    ]
    return [{"v": 1, "kind": kind, "at": "", "body": to_json(body)} for kind, body in entries]


def findings(entries: list[dict[str, Any]]) -> tuple[list[str], int]:
    check = SignatureCheck(ORIGIN)
    answers = [check(index, entry) for index, entry in enumerate(entries)]
    return [answer for answer in answers if answer], check.checked


def test_a_good_log_has_no_findings() -> None:
    assert findings(log()) == ([], 3)


def body(entries: list[dict[str, Any]], index: int) -> dict[str, Any]:
    found: dict[str, Any] = entries[index]["body"]
    return found


def other_key(entries: list[dict[str, Any]]) -> None:
    body(entries, 3)["public_key"] = public_key_of("mallory")


def forged(entries: list[dict[str, Any]]) -> None:
    """Signed by someone else, whose key stands beside it."""
    words = msgspec.convert(body(entries, 3)["statement"], Statement)
    entries[3]["body"] = to_json(bodies.spoken(signed(words, NOW, key_of("mallory"))))


def altered(field: str, value: str) -> Callable[[list[dict[str, Any]]], None]:
    return lambda entries: body(entries, 3)["statement"].__setitem__(field, value)


def moved_signature(entries: list[dict[str, Any]]) -> None:
    body(entries, 3)["signature"] = body(entries, 5)["signature"]


def another_effect(entries: list[dict[str, Any]]) -> None:
    """The held change says another effect than the one that was signed."""
    held = body(entries, 2)
    held["bound"]["effects"] = "0" * 64


def another_binding(entries: list[dict[str, Any]]) -> None:
    changed = msgspec.structs.replace(CHANGE, content="d" * 64)
    entries[2]["body"] = to_json(bodies.held(changed, {}))


def never_held(entries: list[dict[str, Any]]) -> None:
    entries[2]["kind"] = "session.opened"


def another_nonce(entries: list[dict[str, Any]]) -> None:
    body(entries, 2)["nonce"] = "m" * 32


def turned(entries: list[dict[str, Any]]) -> None:
    entries[3]["kind"] = "denial"


def another_person(entries: list[dict[str, Any]]) -> None:
    body(entries, 3)["person"] = "bob"


def not_enrolled(entries: list[dict[str, Any]]) -> None:
    entries[0]["kind"] = "session.opened"


def malformed(entries: list[dict[str, Any]]) -> None:
    body(entries, 3)["statement"] = {"purpose": 1}


def unsigned(entries: list[dict[str, Any]]) -> None:
    del body(entries, 3)["signature"]


def not_base64(entries: list[dict[str, Any]]) -> None:
    body(entries, 3)["signature"] = "!" * 88


def cut(entries: list[dict[str, Any]]) -> None:
    raw = base64.b64decode(body(entries, 3)["signature"])
    body(entries, 3)["signature"] = base64.b64encode(raw[:-1]).decode()


@pytest.mark.parametrize(
    "spoil",
    [
        other_key, forged, moved_signature, another_effect, another_binding, never_held, another_nonce, turned, another_person,
        not_enrolled, malformed, unsigned, not_base64, cut,
        altered("reason", "never said"), altered("subject", "0" * 64), altered("purpose", approvals.REVERT_PURPOSE),
        altered("change", "CHG-00000000"), altered("origin", "elsewhere"), altered("verdict", "deny"),
    ],
)  # fmt: skip
def test_what_does_not_hold_is_found(spoil: Callable[[list[dict[str, Any]]], None]) -> None:
    entries = copy.deepcopy(log())
    spoil(entries)
    found, checked = findings(entries)
    assert found
    assert checked < 3


def test_another_log_is_another_log() -> None:
    check = SignatureCheck("elsewhere")
    assert [bool(check(index, entry)) for index, entry in enumerate(log())].count(True) == 3
