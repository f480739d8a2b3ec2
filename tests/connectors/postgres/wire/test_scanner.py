"""Boundaries are found in a stream that passes through, however it is cut, and nothing is kept."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.connectors.postgres.wire.messages import BACKEND, byte_by_byte, chunks_of

from interlock.connectors.postgres.codec import (
    Framer,
    Relay,
    Scanner,
    backend_limits,
    build,
    encode,
    frontend_limits,
)
from interlock.connectors.postgres.codec import backend as b
from interlock.wire import ProtocolViolation

LIMITS = backend_limits()
message = st.one_of(
    *(s for t, s in BACKEND.items() if not t.__name__.startswith(("Auth", "Negotiate"))),
    *[BACKEND[b.DataRow]] * 8,
    *[BACKEND[b.ReadyForQuery]] * 3,
)
interests = st.sampled_from([b"Z", b"ZE", b"DZ", b"", b"ZESNACGHWdcTKV", bytes(range(256))])


def cuttings(stream: bytes, choose: st.DataObject) -> list[list[bytes]]:
    return [[stream], byte_by_byte(stream), choose.draw(chunks_of(stream))]


@given(st.lists(message, max_size=10), interests, st.data())
def test_spans_join_to_the_messages_of_interest(
    messages: list[Any], interest: bytes, choose: st.DataObject
) -> None:
    stream = b"".join(map(encode, messages))
    expected = [raw for kind, raw in Framer(LIMITS).feed(stream) if kind in interest]
    for pieces in cuttings(stream, choose):
        scanner, found, part = Scanner(LIMITS, interest), [], b""
        for piece in pieces:
            for kind, start, end, complete in scanner.scan(piece):
                assert 0 <= start < end <= len(piece)
                part += piece[start:end]
                assert part[0] == kind
                if complete:
                    found.append(part)
                    part = b""
        assert found == expected
        assert part == b""
        assert scanner.at_boundary
        assert scanner.inside is None


@given(st.lists(message, max_size=10), interests, st.data())
def test_a_relay_loses_nothing_and_changes_no_order(
    messages: list[Any], interest: bytes, choose: st.DataObject
) -> None:
    stream = b"".join(map(encode, messages))
    expected = [(kind, raw) for kind, raw in Framer(LIMITS).feed(stream) if kind in interest]
    for pieces in cuttings(stream, choose):
        relay = Relay(LIMITS, interest)
        out = [part for piece in pieces for part in relay.feed(piece)]
        assert b"".join(data for _, data in out) == stream
        assert [part for part in out if part[0]] == expected
        assert relay.at_boundary


@given(st.lists(st.binary(max_size=40), max_size=10), interests)
def test_garbage_is_refused_where_a_framer_refuses_it(pieces: list[bytes], interest: bytes) -> None:
    def refuses(consumer: Any) -> bool:
        try:
            for piece in pieces:
                consumer(piece)
        except ProtocolViolation:
            return True
        return False

    if b"Z\0\0\0\4" in b"".join(pieces):
        return  # only the scanner looks at the length of this one
    refused = refuses(Framer(LIMITS).feed)
    assert refuses(Scanner(LIMITS, interest).scan) == refused
    assert refuses(Relay(LIMITS, interest).feed) == refused


def test_what_looks_like_the_end_inside_a_row_is_not_the_end() -> None:
    row = encode(b.DataRow((b"x" + build.ready("I"),)))
    scanner = Scanner(LIMITS, b"Z")
    for piece in (row, row[:-6], row[-6:]):
        assert scanner.scan(piece) == []
    assert scanner.scan(row + build.ready("T")) == [(ord("Z"), len(row), len(row) + 6, True)]


def test_a_cut_ready_is_not_complete_before_its_last_byte() -> None:
    scanner = Scanner(LIMITS, b"Z")
    ready = build.ready("E")
    seen = [scanner.scan(ready[i : i + 1]) for i in range(6)]
    assert seen == [[(ord("Z"), 0, 1, False)]] * 5 + [[(ord("Z"), 0, 1, True)]]


def test_where_a_chunk_ends_is_known() -> None:
    scanner = Scanner(LIMITS, b"Z")
    row = encode(b.DataRow((b"x" * 100,)))
    scanner.scan(row[:3])
    assert (scanner.at_boundary, scanner.inside) == (False, ord("D"))
    scanner.scan(row[3:50])
    assert (scanner.at_boundary, scanner.inside) == (False, ord("D"))
    scanner.scan(row[50:])
    assert (scanner.at_boundary, scanner.inside) == (True, None)


def test_a_gigabyte_in_one_row_passes_without_being_held() -> None:
    value = 1_000_000_000
    relay = Relay(LIMITS, b"Z")
    head = b"D" + (value + 10).to_bytes(4, "big") + b"\0\1" + value.to_bytes(4, "big")
    chunk = bytes(1_000_000)
    assert relay.feed(head) == [(0, head)]
    for _ in range(1000):
        ((kind, passed),) = relay.feed(chunk)
        assert kind == 0
        assert passed is chunk
    assert relay.at_boundary
    assert relay.feed(build.ready("I")) == [(ord("Z"), build.ready("I"))]


def test_what_is_collected_is_limited() -> None:
    relay = Relay(LIMITS, b"E", longest=1000)
    assert relay.feed(b"E\0\1\0\0" + b"x" * 995) == []
    with pytest.raises(ProtocolViolation, match="1000 bytes"):
        relay.feed(b"x")


def test_copy_from_a_client_can_be_followed_too() -> None:
    relay = Relay(frontend_limits(), b"cfSHXQ")
    data = b"d\0\0\0\x64" + b"x" * 96
    assert relay.feed(data[:40]) == [(0, data[:40])]
    assert relay.feed(data[40:] + b"c\0\0\0\4") == [(0, data[40:]), (ord("c"), b"c\0\0\0\4")]


@pytest.mark.parametrize("cut", range(1, 5))
def test_a_ready_without_status_is_refused(cut: int) -> None:
    with pytest.raises(ProtocolViolation, match="impossible length"):
        Scanner(LIMITS, b"Z").scan(b"Z\0\0\0\4")
    scanner = Scanner(LIMITS, b"Z")
    scanner.scan(b"Z\0\0\0\4"[:cut])
    with pytest.raises(ProtocolViolation, match="impossible length"):
        scanner.scan(b"Z\0\0\0\4"[cut:])


def test_after_a_violation_everything_is_refused() -> None:
    scanner = Scanner(LIMITS, b"Z")
    with pytest.raises(ProtocolViolation):
        scanner.scan(b"D\0\0\0\3")
    with pytest.raises(ProtocolViolation):
        scanner.scan(encode(b.DataRow(())))
