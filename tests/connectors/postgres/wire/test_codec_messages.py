"""Every type of message: there and back, known bytes, and every way of being malformed."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.connectors.postgres.wire.messages import BACKEND, FRONTEND, LOGIN, STARTUP, Strategy

from interlock.connectors.postgres.codec import (
    CopyData,
    CopyDone,
    decode_as,
    decode_backend,
    decode_frontend,
    decode_startup,
    encode,
    frontend_limits,
)
from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.codec import frontend as f
from interlock.connectors.postgres.codec.table import BY_TYPE, ROWS
from interlock.wire import InvalidText, ProtocolViolation

DECODERS = {**dict.fromkeys(FRONTEND, decode_frontend), **dict.fromkeys(BACKEND, decode_backend)}
EVERY: dict[type, Strategy] = {**STARTUP, **LOGIN, **FRONTEND, **BACKEND}


def decode(type_: type, message: bytes) -> Any:
    """Decode what must be a ``type_`` in the way that its reader would."""
    if type_ in STARTUP:
        return decode_startup(message)
    if type_ in LOGIN:
        return decode_as(type_, message)
    return DECODERS[type_](message[0], message)


def test_the_strategies_cover_the_table() -> None:
    assert set(BY_TYPE) == set(EVERY)
    assert len(ROWS) == len(BY_TYPE)


@pytest.mark.parametrize("type_", EVERY, ids=lambda t: t.__name__)
def test_there_and_back(type_: type) -> None:
    @given(EVERY[type_])
    def check(message: Any) -> None:
        raw = encode(message)
        assert decode(type_, raw) == message
        head = 0 if type_ in STARTUP else 1
        assert int.from_bytes(raw[head : head + 4], "big") == len(raw) - head

    check()


@pytest.mark.parametrize("type_", EVERY, ids=lambda t: t.__name__)
def test_cut_short_or_followed_by_more(type_: type) -> None:
    """What is cut is another valid message, with less at its open end, or a violation; never anything else."""

    @given(EVERY[type_], st.data())
    def check(message: Any, choose: st.DataObject) -> None:
        raw = encode(message)
        head = 4 if type_ in STARTUP else 5
        cut = choose.draw(st.integers(min(head, len(raw)), len(raw)))
        for changed in (raw[:cut], raw + b"\0", raw + b"x\0\0\0\4"):
            try:
                again = decode(type_, changed)
            except ProtocolViolation:
                continue
            assert encode(again)[head:] == changed[head:]

    check()


@given(st.one_of(*EVERY.values()), st.data())
def test_mutated(message: Any, choose: st.DataObject) -> None:
    """What still decodes after a change says exactly what the bytes say."""
    raw = bytearray(encode(message))
    head = 4 if type(message) in STARTUP else 5
    for _ in range(choose.draw(st.integers(1, 3))):
        if len(raw) > head:
            raw[choose.draw(st.integers(head, len(raw) - 1))] = choose.draw(st.integers(0, 255))
    changed = bytes(raw)
    try:
        again = decode(type(message), changed)
    except ProtocolViolation:
        return
    assert encode(again)[head:] == changed[head:]


@given(st.integers(0, 255), st.binary(max_size=60))
def test_garbage(kind: int, body: bytes) -> None:
    raw = struct.pack(">BI", kind, len(body) + 4) + body
    for decoder in (decode_frontend, decode_backend):
        try:
            message = decoder(kind, raw)
        except ProtocolViolation:
            continue
        assert encode(message) == raw
    try:
        packet = decode_startup(raw[1:])
    except ProtocolViolation:
        return
    assert encode(packet) == raw[1:]


# From section 55.7 of the PostgreSQL manual, put together by hand.
KNOWN: list[tuple[Any, bytes]] = [
    (
        f.StartupMessage(f.VERSION_3_0, (("user", "ann"), ("database", "shop"))),
        b"\0\0\0\x20\0\3\0\0user\0ann\0database\0shop\0\0",
    ),
    (f.SSLRequest(), b"\0\0\0\x08\x04\xd2\x16\x2f"),
    (f.GSSENCRequest(), b"\0\0\0\x08\x04\xd2\x16\x30"),
    (f.CancelRequest(258, b"abcd"), b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\1\2abcd"),
    (f.SASLInitialResponse("SCRAM-SHA-256", b"n,,"), b"p\0\0\0\x19SCRAM-SHA-256\0\0\0\0\3n,,"),
    (f.Query("SELECT 1"), b"Q\0\0\0\x0dSELECT 1\0"),
    (f.Parse("s", "SELECT $1", (23,)), b"P\0\0\0\x16s\0SELECT $1\0\0\1\0\0\0\x17"),
    (
        f.Bind("", "s", (1,), (b"\0\0\0\7", None), (0, 1)),
        b"B\0\0\0\x1f\0s\0\0\1\0\1\0\2\0\0\0\4\0\0\0\7\xff\xff\xff\xff\0\2\0\0\0\1",
    ),
    (f.Describe("S", "s"), b"D\0\0\0\7Ss\0"),
    (f.Execute("", 5), b"E\0\0\0\x09\0\0\0\0\5"),
    (f.Close("P", ""), b"C\0\0\0\6P\0"),
    (f.Sync(), b"S\0\0\0\4"),
    (CopyData(b"1\tx\n"), b"d\0\0\0\x081\tx\n"),
    (CopyDone(), b"c\0\0\0\4"),
    (b.AuthenticationOk(), b"R\0\0\0\x08\0\0\0\0"),
    (b.AuthenticationMD5Password(b"salt"), b"R\0\0\0\x0c\0\0\0\5salt"),
    (b.AuthenticationSASL(("SCRAM-SHA-256",)), b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"),
    (b.BackendKeyData(7, b"abcd"), b"K\0\0\0\x0c\0\0\0\7abcd"),
    (b.ParameterStatus("TimeZone", "UTC"), b"S\0\0\0\x11TimeZone\0UTC\0"),
    (b.ReadyForQuery("T"), b"Z\0\0\0\5T"),
    (
        b.RowDescription((b.Column("n", 16384, 1, 23, 4, -1, 0),)),
        b"T\0\0\0\x1a\0\1n\0\0\0\x40\0\0\1\0\0\0\x17\0\4\xff\xff\xff\xff\0\0",
    ),
    (b.DataRow((b"42", None, b"")), b"D\0\0\0\x14\0\3\0\0\0\x0242\xff\xff\xff\xff\0\0\0\0"),
    (b.CommandComplete("SELECT 1"), b"C\0\0\0\x0dSELECT 1\0"),
    (b.ErrorResponse((("S", "ERROR"), ("C", "42601"))), b"E\0\0\0\x13SERROR\0C42601\0\0"),
    (b.NegotiateProtocolVersion(0x30000, ("_pq_.x",)), b"v\0\0\0\x13\0\3\0\0\0\0\0\1_pq_.x\0"),
    (b.CopyInResponse(0, (0, 0)), b"G\0\0\0\x0b\0\0\2\0\0\0\0"),
]


@pytest.mark.parametrize(("message", "raw"), KNOWN, ids=[type(m).__name__ for m, _ in KNOWN])
def test_known_bytes(message: Any, raw: bytes) -> None:
    assert encode(message) == raw
    assert decode(type(message), raw) == message


def framed(kind: str, body: bytes) -> bytes:
    return kind.encode() + struct.pack(">I", len(body) + 4) + body


MALFORMED = {
    "no NUL": ("Q", b"SELECT 1"),
    "a NUL inside": ("Q", b"SELECT 1\0; DROP TABLE t\0"),
    "invalid UTF-8": ("Q", b"SELECT '\xff'\0"),
    "an encoded surrogate": ("Q", b"SELECT '\xed\xa0\x80'\0"),
    "overlong UTF-8": ("Q", b"SELECT '\xc0\x80'\0"),
    "more types announced": ("P", b"\0\0\0\2\0\0\0\x17"),
    "fewer types announced": ("P", b"\0\0\0\0\0\0\0\x17"),
    "a negative value length": ("B", b"\0\0\0\0\0\1\xff\xff\xff\xfe\0\0"),
    "a value longer than the message": ("B", b"\0\0\0\0\0\1\x7f\xff\xff\xffab\0\0"),
    "65535 values announced": ("B", b"\0\0\0\0\xff\xff\0\0"),
    "a bad kind of object": ("D", b"Xname\0"),
    "half a number": ("E", b"\0\0\0"),
    "a Sync with something in it": ("S", b"\0"),
    "no body": ("B", b""),
}


@pytest.mark.parametrize(("kind", "body"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_frontend_messages(kind: str, body: bytes) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        decode_frontend(ord(kind), framed(kind, body))
    assert "DROP" not in str(caught.value)
    assert isinstance(caught.value, InvalidText) == (kind == "Q" and b"'" in body)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("R", b"\0\0\0\x63"),
        ("R", b"\0\0"),
        ("R", b"\0\0\0\5sal"),
        ("Z", b""),
        ("Z", b"X"),
        ("K", b"\0\0\0\1abc"),
        ("K", b"\0\0\0\1" + b"x" * 257),
        ("v", b"\0\3\0\0\xff\xff\xff\xff"),
        ("T", b"\0\1n\0"),
        ("E", b"SERROR\0"),
        ("E", b"\xffERROR\0\0"),
        ("D", b"\0\1"),
        ("?", b""),
    ],
)
def test_malformed_backend_messages(kind: str, body: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        decode_backend(ord(kind), framed(kind, body))


@pytest.mark.parametrize(
    "packet",
    [
        b"\0\0\0\x08\0\2\0\0",
        b"\0\0\0\x08\0\4\0\0",
        b"\0\0\0\x08\0\3\0\0",
        b"\0\0\0\x0f\0\3\0\0user\0a",
        b"\0\0\0\x1c\0\3\0\0user\0a\0user\0root\0\0",
        b"\0\0\0\x09\x04\xd2\x16\x2f\0",
        b"\0\0\0\x0c\x04\xd2\x16\x2e\0\0\0\1",
        b"",
    ],
)
def test_malformed_startup_packets(packet: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        decode_startup(packet)


def test_counts_are_unsigned_as_the_server_reads_them() -> None:
    bind = f.Bind("", "", values=(None,) * 65535)
    assert decode_frontend(ord("B"), encode(bind)) == bind
    with pytest.raises(ValueError, match="does not fit"):
        encode(f.Bind("", "", values=(None,) * 65536))


@pytest.mark.parametrize(
    "message",
    [
        f.Query("SELECT 1\0; DROP TABLE t"),
        f.Execute("", 2**31),
        f.Describe("X", ""),
        b.ReadyForQuery("IT"),
        b.AuthenticationMD5Password(b"abc"),
        b.BackendKeyData(1, b"abc"),
        b.AuthenticationSASL(("",)),
        b.ErrorResponse((("", "x"),)),
        f.StartupMessage(f.VERSION_3_0, (("", "x"),)),
    ],
)
def test_values_that_do_not_fit_are_not_sent(message: Any) -> None:
    with pytest.raises(ValueError, match=r"field|NUL|one of|empty|code"):
        encode(message)


def test_what_a_client_may_send_has_a_limit_and_nothing_else_has() -> None:
    known = {row.kind for row in ROWS if row.type in FRONTEND} - {ord("p")}
    assert {kind for kind, limit in enumerate(frontend_limits()) if limit} == known
