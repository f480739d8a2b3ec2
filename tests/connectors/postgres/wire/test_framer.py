"""Messages come out of a stream the same however it is cut, and limits hold before anything is kept."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.connectors.postgres.wire.messages import (
    BACKEND,
    BOTH,
    FRONTEND,
    LOGIN,
    STARTUP,
    byte_by_byte,
    chunks_of,
)

from interlock.connectors.postgres.codec import (
    BACKEND_LOGIN,
    FRONTEND_LOGIN,
    Frame,
    Framer,
    StartupFramer,
    backend_limits,
    decode_backend,
    decode_frontend,
    encode,
    frontend_limits,
)
from interlock.connectors.postgres.codec import frontend as f
from interlock.wire import ProtocolViolation

agent_message = st.one_of(*(s for t, s in FRONTEND.items() if t is not f.AuthenticationData))
server_message = st.one_of(
    *(s for t, s in BACKEND.items() if not t.__name__.startswith(("Auth", "Negotiate")) or t in BOTH)
)


def feed_all(framer: Framer, pieces: list[bytes]) -> list[Frame]:
    return [frame for piece in pieces for frame in framer.feed(piece)]


@given(st.lists(agent_message, max_size=8), st.data())
def test_frontend_messages_however_cut(messages: list[Any], choose: st.DataObject) -> None:
    stream = b"".join(map(encode, messages))
    for pieces in ([stream], byte_by_byte(stream), choose.draw(chunks_of(stream))):
        framer = Framer(frontend_limits())
        frames = feed_all(framer, pieces)
        assert [decode_frontend(kind, raw) for kind, raw in frames] == messages
        assert b"".join(raw for _, raw in frames) == stream
        assert len(framer) == 0


@given(st.lists(server_message, max_size=8), st.data())
def test_backend_messages_however_cut(messages: list[Any], choose: st.DataObject) -> None:
    stream = b"".join(map(encode, messages))
    for pieces in ([stream], byte_by_byte(stream), choose.draw(chunks_of(stream))):
        frames = feed_all(Framer(backend_limits()), pieces)
        assert [decode_backend(kind, raw) for kind, raw in frames] == messages


@given(agent_message, st.data())
def test_an_unfinished_message_waits(message: Any, choose: st.DataObject) -> None:
    raw = encode(message)
    cut = choose.draw(st.integers(0, len(raw) - 1))
    framer = Framer(frontend_limits())
    assert framer.feed(b"S\0\0\0\4" + raw[:cut]) == [(ord("S"), b"S\0\0\0\4")]
    assert len(framer) == cut
    assert framer.feed(raw[cut:] + b"H\0\0\0\4") == [(raw[0], raw), (ord("H"), b"H\0\0\0\4")]


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_garbage_is_framed_or_refused_the_same_however_cut(pieces: list[bytes]) -> None:
    def outcome(fed: list[bytes]) -> tuple[bytes, bool]:
        framer, out = Framer(frontend_limits()), b""
        for piece in fed:
            try:
                out += b"".join(raw for _, raw in framer.feed(piece))
            except ProtocolViolation:
                return out, True
        return out, False

    stream = b"".join(pieces)
    whole, singly, cut = outcome([stream]), outcome(byte_by_byte(stream)), outcome(pieces)
    assert whole[1] == singly[1] == cut[1]
    if not whole[1]:
        assert whole == singly == cut


@pytest.mark.parametrize("length", [0, 3, 64 * 1024 * 1024 + 1, 2**31, 2**32 - 1])
@pytest.mark.parametrize("whole", [True, False])
def test_impossible_lengths(length: int, whole: bool) -> None:
    head = b"Q" + struct.pack(">I", length)
    with pytest.raises(ProtocolViolation, match="0x51"):
        feed_all(Framer(frontend_limits()), [head] if whole else byte_by_byte(head))


def test_the_limit_itself_is_allowed() -> None:
    framer = Framer(frontend_limits(1000))
    raw = encode(f.Query("x" * 995))
    assert framer.feed(raw) == [(ord("Q"), raw)]
    with pytest.raises(ProtocolViolation, match="longer than the 1000 bytes"):
        framer.feed(encode(f.Query("x" * 996)))


def test_what_is_small_by_nature_may_not_be_large() -> None:
    for message in (f.Describe("S", "n" * 10_000), f.Close("S", "n" * 10_000), f.CopyFail("n" * 10_000)):
        with pytest.raises(ProtocolViolation):
            Framer(frontend_limits()).feed(encode(message))
    with pytest.raises(ProtocolViolation):
        Framer(frontend_limits()).feed(b"S\0\0\0\5")


@pytest.mark.parametrize("kind", sorted({*range(256)} - set(b"QPBDECHSFXdcf")))
def test_unknown_types_are_refused_at_their_first_byte(kind: int) -> None:
    with pytest.raises(ProtocolViolation, match=f"0x{kind:02x}"):
        Framer(frontend_limits()).feed(bytes((kind,)))


def test_after_a_violation_everything_is_refused() -> None:
    framer = Framer(frontend_limits())
    with pytest.raises(ProtocolViolation):
        framer.feed(b"Q\0\0\0\0")
    with pytest.raises(ProtocolViolation):
        framer.feed(b"S\0\0\0\4")


def test_before_login_only_passwords_of_modest_size() -> None:
    for strategy in LOGIN:
        assert strategy.__name__.startswith(("Password", "SASL"))
    framer = Framer(FRONTEND_LOGIN)
    raw = encode(f.PasswordMessage("x" * 1000))
    assert framer.feed(raw) == [(ord("p"), raw)]
    with pytest.raises(ProtocolViolation):
        framer.feed(encode(f.SASLResponse(b"x" * 65_536)))
    with pytest.raises(ProtocolViolation):
        Framer(FRONTEND_LOGIN).feed(encode(f.Query("SELECT 1")))
    with pytest.raises(ProtocolViolation):
        Framer(BACKEND_LOGIN).feed(b"D\0\0\0\6\0\0")


def test_limits_change_with_the_state_of_the_session() -> None:
    framer = Framer(FRONTEND_LOGIN)
    framer.use(frontend_limits())
    raw = encode(f.Query("x" * 100_000))
    assert framer.feed(raw[:70_000]) == []
    assert framer.feed(raw[70_000:]) == [(ord("Q"), raw)]
    with pytest.raises(ProtocolViolation):
        framer.feed(encode(f.PasswordMessage("late")))


def test_ten_megabytes_in_chunks() -> None:
    raw = encode(f.Query("x" * 10_000_000))
    pieces = [raw[i : i + 1500] for i in range(0, len(raw), 1500)]
    ((kind, message),) = feed_all(Framer(frontend_limits()), pieces)
    assert (kind, message == raw) == (ord("Q"), True)


@given(st.one_of(*STARTUP.values()), st.binary(max_size=20), st.data())
def test_startup_packets_however_cut(packet: Any, after: bytes, choose: st.DataObject) -> None:
    raw = encode(packet)
    if len(raw) > 10_004:
        return
    framer = StartupFramer()
    pieces = choose.draw(chunks_of(raw))
    # Nothing may come before the last byte, and then at once.
    last = max(i for i, piece in enumerate(pieces) if piece)
    got = [framer.feed(piece + (after if i == last else b"")) for i, piece in enumerate(pieces[: last + 1])]
    assert got == [None] * last + [raw]
    assert framer.leftover() == after
    assert framer.leftover() == b""


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"GET / HTTP/1.1\r\n", "not a PostgreSQL startup packet"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "TLS must be asked for"),
        (b"\x16", "TLS must be asked for"),
        (b"\0\0\0\0", "not a PostgreSQL startup packet"),
        (b"\0\0\0\7", "not a PostgreSQL startup packet"),
        (b"\0\0\x27\x15", "not a PostgreSQL startup packet"),
        (b"\xff\xff\xff\xff", "not a PostgreSQL startup packet"),
    ],
)
def test_garbage_before_startup(data: bytes, says: str) -> None:
    with pytest.raises(ProtocolViolation, match=says):
        StartupFramer().feed(data)


def test_the_longest_startup_packet_is_the_servers() -> None:
    body = struct.pack(">II", 10_004, f.VERSION_3_0) + b"x" * 9_996
    assert StartupFramer().feed(body) == body
