"""Answers to what passes go on byte for byte, wherever they are cut."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.codec import build, encode
from interlock.connectors.postgres.codec import frontend as f
from interlock.connectors.postgres.session.asked.items import Item
from interlock.connectors.postgres.session.passing import Passing

SENT = encode(f.Query("SELECT 1"))
NAMES = b.RowDescription((b.Column("a"),))
DONE = encode(b.CommandComplete("SELECT 1")) + build.ready("I")
FORCED = encode(b.ParameterStatus("default_transaction_read_only", "on"))
SHOWN = encode(b.ParameterStatus("default_transaction_read_only", "off"))
READ_ONLY = build.error_response("ERROR", "25006", "cannot execute UPDATE in a read-only transaction")
NOTIFIED = encode(b.NotificationResponse(7, "c", "payload"))
# Values that look like messages: ends of answers, errors, settings.
VALUES = st.sampled_from([b"x", build.ready("I"), b"Z\0\0\0\5I" * 3, FORCED, READ_ONLY, None, b""])
ANSWERS = st.lists(st.lists(VALUES, max_size=3).map(tuple), max_size=4)


class Peer:
    """A session's fast path with what it writes either way."""

    def __init__(self, *items: Item) -> None:
        self.sent: list[bytes] = []
        self.out: list[bytes] = []
        channel: Any = SimpleNamespace(
            gate=SimpleNamespace(moment=1),
            server=SimpleNamespace(catalog_epoch=1),
            upstream=SimpleNamespace(write=self.sent.append),
            status=lambda raw: raw,
        )
        self.passing = Passing(channel, self.out.append)
        self.passing.known.learn([(81, SENT)], [])
        self.items = items

    def ask(self) -> None:
        assert self.passing.at_once(SENT)
        self.passing._items = list(self.items)

    def hear(self, data: bytes) -> bytes | None:
        """As the session does: at once if possible. What came behind the end, or None before it."""
        return b"" if self.passing.answered(data) else self.passing.received(data)


@given(st.lists(ANSWERS, min_size=1, max_size=3), st.integers(1, 80))
def test_in_any_pieces(answers: list[list[tuple[bytes | None, ...]]], cut: int) -> None:
    peer = Peer()
    for rows in answers:
        answer = encode(NAMES) + b"".join(encode(b.DataRow(row)) for row in rows) + DONE
        peer.out.clear()
        peer.ask()
        for start in range(0, len(answer), cut):
            assert peer.passing.active
            ended = peer.hear(answer[start : start + cut])
        assert ended == b""
        assert not peer.passing.active
        assert b"".join(peer.out) == answer
        assert not peer.passing.again()


@given(ANSWERS)
def test_in_one_piece_it_is_passed_at_once(rows: list[tuple[bytes | None, ...]]) -> None:
    peer = Peer()
    answer = encode(NAMES) + b"".join(encode(b.DataRow(row)) for row in rows) + DONE
    for _ in range(3):
        peer.out.clear()
        peer.ask()
        assert peer.passing.answered(answer)
        assert peer.out == [answer]


def test_what_comes_behind_is_not_part_of_it() -> None:
    peer = Peer()
    peer.ask()
    assert peer.hear(DONE + NOTIFIED[:9]) == NOTIFIED[:9]
    assert b"".join(peer.out) == DONE
    peer.ask()
    assert peer.hear(DONE) == b""


@pytest.mark.parametrize("before", [b"", encode(b.ParseComplete()) + encode(b.BindComplete())])
def test_a_read_that_writes_is_kept_from_the_client(before: bytes) -> None:
    peer = Peer()
    peer.ask()
    assert peer.hear(before + READ_ONLY + build.ready("I")) == b""
    assert peer.out == []
    assert peer.passing.again()
    assert peer.passing.frames == [(81, SENT)]


def test_a_read_that_writes_after_its_first_rows_were_seen() -> None:
    peer = Peer()
    peer.ask()
    assert peer.hear(encode(NAMES)) is None
    assert peer.hear(READ_ONLY + build.ready("I")) == b""
    assert not peer.passing.again()
    assert b"".join(peer.out) == encode(NAMES) + READ_ONLY + build.ready("I")


def test_settings_are_shown_as_if_real() -> None:
    peer = Peer()
    peer.ask()
    assert peer.hear(DONE[:-6] + FORCED + build.ready("I")) == b""
    assert b"".join(peer.out) == DONE[:-6] + SHOWN + build.ready("I")


@pytest.mark.parametrize("cut", [1, 3, 1000])
@pytest.mark.parametrize("ok", [True, False])
def test_what_is_prepared_is_known_when_the_server_says_so(cut: int, ok: bool) -> None:
    said: list[bool] = []
    peer = Peer(Item("P", b"", done=said.append))
    peer.ask()
    failure = build.error_response("ERROR", "42P01", "no such table")
    answer = (
        (encode(b.ParseComplete()) + encode(b.BindComplete()) + DONE) if ok else failure + build.ready("I")
    )
    for start in range(0, len(answer), cut):
        peer.hear(answer[start : start + cut])
    assert said == [ok]
    assert b"".join(peer.out) == answer
