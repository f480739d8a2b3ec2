"""Rows that answer the gateway's own statements."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.codec import build, encode
from interlock.connectors.postgres.session.conversation.batch import Reply
from interlock.connectors.postgres.session.conversation.exchange import Exchange
from interlock.wire import ProtocolViolation

ROWS = st.lists(st.lists(st.none() | st.binary(max_size=20), max_size=5).map(tuple), max_size=5)


def asked() -> tuple[Exchange, Reply]:
    """An exchange that waits for the answer to one statement of ours, parsed and bound."""
    exchange = Exchange(lambda data: None, lambda kind, raw: None, lambda kind, raw: None)
    batch = exchange.batch()
    reply = batch.own("SELECT 1")
    batch.sync()
    exchange.send(batch)
    exchange.received(encode(b.ParseComplete()) + encode(b.BindComplete()))
    return exchange, reply


@given(ROWS, st.integers(1, 40))
def test_rows_come_out_as_they_went_in(rows: list[tuple[bytes | None, ...]], cut: int) -> None:
    exchange, reply = asked()
    answer = b"".join(encode(b.DataRow(row)) for row in rows)
    answer += encode(b.CommandComplete("SELECT 1")) + encode(b.CloseComplete()) + build.ready("I")
    for start in range(0, len(answer), cut):
        exchange.received(answer[start : start + cut])
    assert reply.rows == rows
    assert exchange.idle


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0",
        struct.pack(">H", 1),
        struct.pack(">Hi", 1, 5) + b"1234",
        struct.pack(">Hi", 1, 3) + b"1234",
        struct.pack(">Hi", 1, 2**31 - 1),
        struct.pack(">H", 0) + b"x",
    ],
)
def test_a_row_with_impossible_lengths_ends_it(body: bytes) -> None:
    exchange, _ = asked()
    with pytest.raises(ProtocolViolation):
        exchange.received(b"D" + struct.pack(">I", len(body) + 4) + body)
