"""What people read before they sign is what they sign, whole and undisguised."""

import hashlib
import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from interlock.cli import review
from interlock.console.schemas import ToSign
from interlock.control.deciding import approval
from interlock.model.change import Change, ChangeState, Measurement, Statement, Verdict
from interlock.model.decision import Hold
from interlock.model.effect import ChangeKind, Effect, Unit
from interlock.model.errors import Rejected
from interlock.model.operation import Action, Operation, Resource
from interlock.model.visible import visible
from interlock.sdk.connector import Recorded

WISH = review.Wish("CHG-7K3F9Q2M", "ana", Verdict.APPROVE, "agreed")
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ORDERS = Resource("table", "public.orders", "public")


def change_of(payload: bytes, reason: str = "tidy up") -> Change:
    effects = (
        Effect(ORDERS, ChangeKind.DELETED, 1204, Unit.ROWS, before=1204, reason="too large"),
        Effect(Resource("table", "public.log"), ChangeKind.CREATED, 3, Unit.ROWS, reversible=True),
    )
    return Change(
        id="CHG-7K3F9Q2M",
        agent="fixer",
        owner="olga",
        target="shop",
        environment="production",
        fingerprint="7000/shop",
        state=ChangeState.HELD,
        version=2,
        content=hashlib.sha256(payload).hexdigest(),
        operations=(Operation(Action.DELETE, "DELETE", (ORDERS,)),),
        measurement=Measurement(effects),
        decision=Hold(("quorum:two-sre",), ("rows-need-two",)),
        requested_at=NOW,
        updated_at=NOW,
        reason=reason,
        nonce="n" * 22,
    )


def to_sign(statements: Sequence[str] = ("DELETE FROM orders",), reason: str = "tidy up") -> ToSign:
    payload = msgspec.json.encode(list(statements))
    change = change_of(payload, reason)
    words = approval.statement(
        change,
        "ana",
        Verdict.APPROVE,
        origin="log.example",
        expires=NOW + timedelta(hours=1),
        reason="agreed",
    )
    return ToSign(words, change, "toy", payload, tuple(statements))


def reader(connector: str, payload: bytes) -> Recorded | None:
    if connector != "toy":
        return None
    return Recorded(hashlib.sha256(payload).hexdigest(), msgspec.json.decode(payload, type=tuple[str, ...]))


def checked(asked: ToSign) -> review.Checked:
    return review.check(asked, WISH, reader, NOW)


def text_of(asked: ToSign, *, full: bool = False, width: int = 80) -> str:
    file = io.StringIO()
    Console(file=file, width=width, highlight=False).print(review.render(checked(asked), full=full))
    return file.getvalue()


def unwrapped(text: str) -> str:
    return re.sub(r"\s+", "", text)


def test_everything_signed_is_shown() -> None:
    asked = to_sign()
    shown = text_of(asked)
    assert all(len(line) <= 80 for line in shown.splitlines())
    for part in (
        "APPROVE CHG-7K3F9Q2M",
        "public.orders",
        "DELETE FROM orders",
        "1,204 rows",
        "quorum:two-sre",
        "agreed",
    ):
        assert part in shown
    for part in (
        asked.statement.subject,
        "7000/shop",
        "log.example",
        asked.statement.expires,
        approval.APPROVAL_PURPOSE,
    ):
        assert unwrapped(part) in unwrapped(shown)
    assert shown.index("Writes to shop") < shown.index("public.orders") < shown.index("DELETE FROM orders")


def test_the_agents_words_are_marked_as_its_own() -> None:
    shown = text_of(to_sign(reason="approved by the CTO\u202e"))
    assert "the agent's own words" in shown
    assert "approved by the CTO⟨U+202E⟩" in shown


def test_what_is_lost_comes_first() -> None:
    lines = text_of(to_sign()).splitlines()
    table = [line for line in lines if line.startswith("table ")]
    assert [line.split()[1] for line in table] == ["public.orders", "public.log"]


def test_disguises_are_pointed_out() -> None:
    shown = text_of(to_sign(("DELETE FROM \u043erders -- \u202e",)))
    assert "⟨U+043E⟩rders" in shown
    assert "1 look-alike" in shown
    assert "1 reordering" in shown


@given(st.integers(1, 600), st.booleans())
def test_no_statement_hides_its_tail(count: int, full: bool) -> None:
    statement = "\n".join(f"line-{number};" for number in range(count))
    shown = text_of(to_sign((statement,)), full=full)
    assert f"line-{count - 1};" in shown
    missing = [number for number in range(count) if f"line-{number};" not in shown]
    told = re.search(r"… ([\d,]+) lines are not shown", shown)
    assert len(missing) == (int(told[1].replace(",", "")) if told else 0)
    assert not (full and missing)


@given(st.text(alphabet="ab c\u202e\u0430⟨\t", min_size=1, max_size=300))
def test_a_long_line_is_folded_not_cut(line: str) -> None:
    assert unwrapped(visible(line)) in unwrapped(text_of(to_sign((line,))))


def altered(asked: ToSign, **fields: object) -> ToSign:
    """As a server would that shows one thing and wants another signed."""
    words = {
        name: value
        for name, value in fields.items()
        if name in Statement.__struct_fields__ and name != "change"
    }
    rest = {name: value for name, value in fields.items() if name not in words}
    return msgspec.structs.replace(asked, statement=msgspec.structs.replace(asked.statement, **words), **rest)


@pytest.mark.parametrize(
    "fields",
    [
        {"purpose": approval.REVERT_PURPOSE},
        {"version": "2"},
        {"target": "other"},
        {"fingerprint": "7000/other"},
        {"person": "bob"},
        {"verdict": Verdict.DENY},
        {"reason": "whatever"},
        {"subject": "0" * 64},
        {"nonce": "m" * 22},
        {"payload": b'["DROP TABLE orders"]'},
        {"statements": ("SELECT 1",)},
        {"change": change_of(b'["DROP TABLE orders"]')},
        {
            "change": msgspec.structs.replace(
                change_of(b'["DELETE FROM orders"]'), measurement=Measurement(())
            )
        },
        {"change": msgspec.structs.replace(change_of(b'["DELETE FROM orders"]'), id="CHG-00000000")},
    ],
)
def test_what_is_shown_must_be_what_is_signed(fields: dict[str, object]) -> None:
    checked(to_sign())
    with pytest.raises(Rejected, match="not signed"):
        checked(altered(to_sign(), **fields))


def test_a_revert_is_not_an_approval() -> None:
    asked = to_sign()
    own = review.Wish("CHG-7K3F9Q2M", "ana", Verdict.APPROVE, "agreed", force=False, nonce="x" * 22)
    words = approval.revert_statement(
        asked.change, "ana", origin="l", expires=NOW + timedelta(hours=1), nonce="x" * 22, reason="agreed"
    )
    wish = msgspec.structs.replace(asked, statement=words)
    review.check(wish, own, reader, NOW)
    with pytest.raises(Rejected, match="purpose"):
        checked(wish)
    with pytest.raises(Rejected, match="subject"):
        review.check(wish, msgspec.structs.replace(own, force=True), reader, NOW)
    with pytest.raises(Rejected, match="nonce"):
        review.check(wish, msgspec.structs.replace(own, nonce="y" * 22), reader, NOW)


@pytest.mark.parametrize("expires", ["2026-03-04T05:06:07.000Z", "2026-04-04T05:06:07.000Z", "soon"])
def test_the_expiry_is_ahead_and_near(expires: str) -> None:
    with pytest.raises(Rejected, match="expiry"):
        checked(altered(to_sign(), expires=expires))


def test_statements_that_are_gone_are_said_to_be() -> None:
    asked = msgspec.structs.replace(to_sign(), payload=None, statements=None)
    assert "no longer stored" in text_of(asked)


def test_statements_read_by_the_server_alone_are_said_to_be() -> None:
    assert "wording is the server's" in text_of(msgspec.structs.replace(to_sign(), connector="unheard-of"))
    assert "wording is the server's" not in text_of(to_sign())
