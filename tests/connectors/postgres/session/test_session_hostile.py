"""Bytes that no client would send, and more of them than any would: a clear error, nothing executed, and the gateway goes on."""

import struct
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.connectors.postgres.session.conftest import Twins, play
from tests.connectors.postgres.session.rawclient import SYNC, Closed, RawClient, errors, extended, raw, short

from interlock.connectors.postgres.codec import CopyData, encode
from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.codec import frontend as f


@pytest.fixture
def client(twins: Twins) -> Any:
    twins.fill()
    with raw(twins.gateway.port, "bot", twins.gateway.tokens["bot"]) as made:
        yield made


@pytest.fixture(autouse=True)
def goes_on(twins: Twins) -> Any:
    """Whatever happens, others are served afterwards, and the rows are there."""
    yield
    with raw(twins.gateway.port, "bot", twins.gateway.tokens["bot"]) as other:
        assert other.query("SELECT 1")[1] == "D 1"


def end_of(client: RawClient) -> list[str]:
    """Everything up to the end of the connection."""
    said: list[Any] = []
    while True:
        try:
            said.append(client.read())
        except Closed:
            return short(said)


# -- before anybody is known


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
        b"\xff" * 64,
        b"\0" * 8,
        struct.pack(">II", 8, 12345),
        struct.pack(">II", 7, 196608),
        struct.pack(">II", 0x7FFFFFFF, 196608),
        struct.pack(">II", 16, 131072) + bytes(8),
        struct.pack(">II", 12, 196608) + b"user",
        struct.pack(">I", 13) + struct.pack(">I", 196608) + b"\xff\xfe\0\0\0",
        b"Q\0\0\0\x0dSELECT 1\0",
    ],
)
def test_garbage_before_startup(twins: Twins, garbage: bytes) -> None:
    stranger = RawClient(twins.gateway.port)
    stranger.send(garbage)
    stranger.socket.shutdown(1)
    said = end_of(stranger)
    assert all(line.startswith("FATAL 08P01") for line in said), said
    stranger.close()


def test_messages_before_the_login_are_no_messages(twins: Twins) -> None:
    for message in (f.Query("DELETE FROM t"), SYNC, f.Parse("", "SELECT 1"), CopyData(b"x")):
        stranger = RawClient(twins.gateway.port)
        stranger.start("bot")
        stranger.read()
        stranger.send(message)
        assert errors(end_of(stranger)) == ["08P01"]
        stranger.close()


def test_a_message_behind_the_startup_packet_is_refused(twins: Twins) -> None:
    stranger = RawClient(twins.gateway.port)
    startup = f.StartupMessage(f.VERSION_3_0, (("user", "bot"), ("database", "shop")))
    stranger.send(startup, f.Query("DELETE FROM t"))
    assert errors(end_of(stranger)) == ["08P01"]
    stranger.close()


def test_a_startup_packet_that_never_ends(twins: Twins) -> None:
    stranger = RawClient(twins.gateway.port)
    stranger.send(struct.pack(">II", 100_000, 196608) + b"user\0bot\0" * 100)
    assert errors(end_of(stranger)) == ["08P01"]
    stranger.close()


@settings(max_examples=60)
@given(st.binary(min_size=1, max_size=60))
def test_any_bytes_before_startup(twins: Twins, data: bytes) -> None:
    stranger = RawClient(twins.gateway.port)
    stranger.send(data)
    stranger.socket.shutdown(1)
    try:
        stranger.socket.recv(1 << 16)
    except ConnectionError:
        pass
    finally:
        stranger.close()


# -- afterwards


@pytest.mark.parametrize(
    "bad",
    [
        b"\x00\0\0\0\4",
        b"!\0\0\0\4",
        b"Z\0\0\0\5I",
        b"p\0\0\0\x08abcd",
        b"Q\0\0\0\3",
        b"Q\0\0\0\0",
        b"Q\xff\xff\xff\xff",
        b"Q\x7f\xff\xff\xff",
        b"S\0\0\0\5x",
        b"H\0\1\0\0",
        b"C\x00\x10\x00\x00",
    ],
)
def test_unknown_and_impossible_messages(client: RawClient, bad: bytes) -> None:
    client.send(f.Query("BEGIN"), f.Query("DELETE FROM t"), bad, f.Query("COMMIT"))
    said = end_of(client)
    assert said[-1].startswith("FATAL 08P01"), said
    assert "C COMMIT" not in said


@pytest.mark.parametrize(
    "bad",
    [
        b"P\0\0\0\x0as\0SELE",
        b"B\0\0\0\x06\0\0",
        b"B\0\0\0\x0e\0\0\0\1\0\1\xff\xff\xff\xff",
        b"E\0\0\0\x06\0\0",
        b"D\0\0\0\x06X\0",
        b"C\0\0\0\x07Pxy",
        b"Q\0\0\0\x08SELE",
        b"Q\0\0\0\x0eSEL\0ECT 1\0",
    ],
)
def test_messages_that_are_not_what_they_say(client: RawClient, bad: bytes) -> None:
    client.send(bad, SYNC)
    said = end_of(client) if bad[:1] != b"Q" else []
    if bad[:1] == b"Q":
        said = short([client.read()])
    assert errors(said)[-1:] in (["08P01"], ["42601"]), said


def test_a_message_beyond_the_limit(client: RawClient) -> None:
    client.send(b"Q" + struct.pack(">I", 65 << 20) + b"SELECT ")
    assert errors(end_of(client)) == ["08P01"]


@pytest.mark.parametrize(
    "message",
    [
        f.Query("SELECT 'x'"),
        f.Query("DELETE FROM t WHERE b = 'x'"),
    ],
)
def test_invalid_utf8(twins: Twins, client: RawClient, message: f.Query) -> None:
    data = encode(message).replace(b"'x'", b"'\xff'")
    assert errors(short(client.ask(data))) == ["22021"]
    parse = encode(f.Parse("", message.sql)).replace(b"'x'", b"'\xc3'")
    assert errors(short(client.ask(parse, f.Bind("", ""), f.Execute(""), SYNC))) == ["22021"]
    name = encode(f.Parse("namexxx", message.sql)).replace(b"namexxx", b"name\xff\xfe\xfd")
    assert errors(short(client.ask(name, SYNC)))[0] in ("22021", "08P01")
    assert twins.gateway.database.psql("SELECT count(*) FROM t") == [(20,)]


def test_invalid_utf8_in_values_is_the_servers_to_judge(twins: Twins, client: RawClient) -> None:
    script = [
        [*extended("SELECT $1::text", b"\xff"), SYNC],
        [*extended("UPDATE t SET b = $1", b"\xff"), SYNC],
    ]
    with twins.past() as direct:
        assert play(client, script) == play(direct, script)


def test_mutated_conversations(twins: Twins) -> None:
    """Bytes of a real conversation, cut and altered, never do more than the conversation itself may."""
    whole = b"".join(
        encode(m)
        for m in (
            f.Query("SELECT 1"),
            *extended("SELECT $1::int", b"1"),
            SYNC,
            f.Query("BEGIN"),
            *extended("UPDATE t SET b = 'x' WHERE a = 1", name="s"),
            SYNC,
            f.Query("ROLLBACK"),
        )
    )

    @settings(max_examples=40)
    @given(st.integers(0, len(whole)), st.integers(0, 255), st.integers(0, len(whole)))
    def mutate(place: int, byte: int, end: int) -> None:
        data = bytearray(whole)
        if place < len(data):
            data[place] = byte
        victim = RawClient(twins.gateway.port)
        victim.login("bot", twins.gateway.tokens["bot"])
        victim.send(bytes(data[:end]))
        victim.socket.shutdown(1)
        try:
            while victim.socket.recv(1 << 16):
                pass
        except ConnectionError:
            pass
        victim.close()

    twins.fill()
    mutate()
    assert twins.gateway.database.psql("SELECT count(*) FROM t") == [(20,)]


# -- much


def test_byte_by_byte(twins: Twins, client: RawClient) -> None:
    script: list[list[Any]] = [
        [f.Query("SELECT 1; INSERT INTO t VALUES (100, 'x')")],
        [*extended("SELECT count(*) FROM t WHERE a > $1", b"10", describe=True), SYNC],
        [
            f.Query("COPY t FROM STDIN"),
            CopyData(b"200\ty\n"),
            CopyData(b"201\tz\n"),
            encode(f.CopyFail("no")),
        ],
    ]
    with twins.past() as direct:
        expected = play(direct, script)
    for messages, wanted in zip(script, expected, strict=True):
        for byte in b"".join(m if isinstance(m, bytes) else encode(m) for m in messages):
            client.socket.sendall(bytes([byte]))
        assert short(client.until_ready()) == wanted


def test_a_statement_of_ten_megabytes(client: RawClient) -> None:
    text = "x" * (10 << 20)
    said = client.ask(f.Query(f"SELECT length('{text}')"))
    assert short(said)[1:] == [f"D {10 << 20}", "C SELECT 1", "Z I"]
    said = client.ask(f.Query(f"UPDATE t SET b = left('{text}', 3) WHERE a = 1"))
    assert short(said) == ["C UPDATE 1", "Z I"]
    said = client.ask(*extended("UPDATE t SET b = left($1, 3) WHERE a = 1", text.encode()), SYNC)
    assert short(said)[-2:] == ["C UPDATE 1", "Z I"]


def test_a_statement_over_the_limit_of_what_is_read(twins: Twins, client: RawClient) -> None:
    text = "x" * (40 << 20)
    said = short(client.ask(f.Query(f"DELETE FROM t; SELECT '{text}'")))
    assert errors(said) == ["54000"]
    assert twins.gateway.database.psql("SELECT count(*) FROM t") == [(20,)]


def test_a_thousand_statements_in_one_message(twins: Twins, client: RawClient) -> None:
    reads = client.query("; ".join(f"SELECT {n}" for n in range(1000)))
    assert reads[1::3][:1000] == [f"D {n}" for n in range(1000)]
    writes = client.query("; ".join(f"INSERT INTO t VALUES ({n})" for n in range(1000, 2000)))
    assert writes == ["C INSERT 0 1"] * 1000 + ["Z I"]
    failing = "; ".join(f"DELETE FROM t WHERE a = {n}" for n in range(1000, 1999)) + "; SELECT 1/0"
    assert errors(client.query(failing)) == ["22012"]
    assert twins.gateway.database.psql("SELECT count(*) FROM t") == [(1020,)]


def test_a_thousand_statements_in_one_pipeline(twins: Twins, client: RawClient) -> None:
    messages = [m for n in range(1000, 2000) for m in extended("INSERT INTO t VALUES ($1)", str(n).encode())]
    said = short(client.ask(*messages, SYNC))
    assert said.count("C INSERT 0 1") == 1000
    segments = [m for n in range(1000) for m in (*extended("SELECT $1::int", str(n).encode()), SYNC)]
    sender = threading.Thread(target=client.send, args=segments)
    sender.start()
    rows = [line for _ in range(1000) for line in short(client.until_ready()) if line.startswith("D ")]
    sender.join()
    assert rows == [f"D {n}" for n in range(1000)]


def _nested(depth: int) -> str:
    return "SELECT " + "(" * depth + "1" + ")" * depth


@pytest.mark.parametrize(
    "sql",
    [
        _nested(100_000),
        "SELECT " + " + ".join(["1"] * 50_000),
        "SELECT " + "NOT " * 50_000 + "true",
        "SELECT ARRAY[" + "[" * 5_000 + "1" + "]" * 5_000 + "]",
        "SELECT 1 WHERE 1 IN (" + ", ".join(["1"] * 100_000) + ")",
        "WITH " + ", ".join(f"c{n} AS (SELECT {n})" for n in range(5_000)) + " SELECT 1",
        " UNION ALL ".join(["SELECT 1"] * 5_000),
    ],
    ids=["parentheses", "sum", "not", "arrays", "list", "ctes", "unions"],
)
def test_statements_built_to_hurt_the_parser(client: RawClient, sql: str) -> None:
    """An answer of any kind, and the session goes on, or ends with a word."""
    for text in (sql, f"DELETE FROM t WHERE a = ({sql})"):
        said = client.query(text)
        assert said[-1] == "Z I" or said[-1].startswith("FATAL"), said[-1][:200]


# -- much to the client


def size(message: Any) -> int:
    """Bytes of data in a message."""
    match message:
        case b.DataRow(values):
            return sum(len(value or b"") for value in values)
        case CopyData(data):
            return len(data)
        case _:
            return 0


def consume(client: RawClient, count: Callable[[Any], int]) -> int:
    """Read to the end without keeping anything."""
    total = 0
    while True:
        message = client.read()
        total += count(message)
        assert not isinstance(message, b.ErrorResponse), short([message])
        if isinstance(message, b.ReadyForQuery):
            return total


@pytest.mark.parametrize("way", ["read", "gated", "copy", "one row"])
def test_large_results_take_no_memory(client: RawClient, way: str) -> None:
    """100 MB pass through; the gateway (in this process) never holds more than a small part of it."""
    sql = {
        "read": "SELECT repeat('x', 10000) FROM generate_series(1, 10000)",
        "gated": "SELECT repeat('x', 10000) FROM generate_series(1, 10000)",
        "copy": "COPY (SELECT repeat('x', 10000) FROM generate_series(1, 10000)) TO STDOUT",
        "one row": "SELECT repeat('x', 100000000)",
    }[way]
    if way == "gated":
        client.query("BEGIN")
    tracemalloc.start()
    try:
        client.send(f.Query(sql))
        if way == "one row":
            client.until(b.RowDescription)
            (length,) = struct.unpack(">I", client.exactly(5)[1:])
            left = length - 4
            while left:
                left -= len(client.socket.recv(min(left, 1 << 16)))
            client.until_ready()
        else:
            total = consume(
                client,
                lambda m: (
                    len(m.values[0] or b"") if isinstance(m, b.DataRow) else getattr(m, "data", b"").__len__()
                ),
            )
            assert total >= 100_000_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 24 << 20, peak


def test_a_client_that_does_not_read_is_waited_for(twins: Twins, client: RawClient) -> None:
    """The server is not asked for more than the client takes; others are served meanwhile."""
    client.send(f.Query("SELECT repeat('x', 10000) FROM generate_series(1, 20000)"))
    client.exactly(5)
    with raw(twins.gateway.port, "bot", twins.gateway.tokens["bot"]) as other:
        for n in range(50):
            assert other.query(f"SELECT {n}")[1] == f"D {n}"
    client.close()


def test_copy_in_of_much(twins: Twins, client: RawClient) -> None:
    rows = b"".join(b"%d\t%s\n" % (n, b"x" * 100) for n in range(1_000_000, 1_100_000))
    client.send(f.Query("COPY t FROM STDIN"))
    client.until(b.CopyInResponse)
    tracemalloc.start()
    try:
        for place in range(0, len(rows), 50_000):
            client.send(CopyData(rows[place : place + 50_000]))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert errors(short(client.ask(f.CopyFail("enough")))) == ["57014"]
    assert peak < 24 << 20, peak
    assert twins.gateway.database.psql("SELECT count(*) FROM t") == [(20,)]
