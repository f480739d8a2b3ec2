"""Clients that stand still, or go so slowly that it comes to the same: each has its time, and no more."""

import socket
import time

import pytest
from tests.faults.aws.conftest import Place
from tests.faults.aws.faulty import Fault
from tests.faults.aws.raw import Raw, answers, everything, written
from tests.real.conftest import until

from interlock.connectors.aws.session import connection as session

SHORT_S = 0.4
PIECE = bytes(64 << 10)


@pytest.fixture
def raw(place: Place, monkeypatch: pytest.MonkeyPatch) -> Raw:
    monkeypatch.setattr(session, "HEAD_S", SHORT_S)
    monkeypatch.setattr(session, "PIECE_S", SHORT_S)
    place.bucket()
    return Raw(place.gateway, place.agent)


def drip(connection: socket.socket, data: bytes, every_s: float) -> bytes:
    """Send single bytes until the other side has had enough; its last words."""
    connection.settimeout(every_s)
    said = b""
    for byte in data:
        try:
            connection.sendall(bytes([byte]))
            piece = connection.recv(1 << 16)
        except TimeoutError:
            continue
        except (BrokenPipeError, ConnectionResetError):
            return said
        if not piece:
            return said
        said += piece
    raise AssertionError("nobody minded")


def test_a_client_that_says_nothing(raw: Raw) -> None:
    with raw.connect() as connection:
        assert everything(connection) == b""


def test_a_head_in_single_bytes_forever(raw: Raw) -> None:
    """The time is that of the whole head, not of each byte."""
    begun = time.monotonic()
    with raw.connect() as connection:
        said = drip(connection, raw.request("GET", "/~/s3/b/k")[:-2] + b"x: y\r\n" * 1000, SHORT_S / 8)
    assert answers(said)[0].status == 408
    assert time.monotonic() - begun < 20


def test_a_second_request_in_single_bytes(place: Place, raw: Raw) -> None:
    """A connection that did well once is not trusted for ever."""
    good = raw.request("GET", f"/~/s3/{place.name}/k1")
    with raw.connect() as connection:
        connection.sendall(good)
        found = b""
        while not answers(found):
            found += connection.recv(1 << 16)
        said = drip(connection, good[:-2] + b"x: y\r\n" * 1000, SHORT_S / 8)
    assert answers(said)[0].status == 408


@pytest.mark.parametrize("length", [1 << 20, 64 << 20])
def test_a_body_in_single_bytes(place: Place, raw: Raw, length: int) -> None:
    target = f"/~/s3/{place.name}/slow"
    headers = [*raw.headers("PUT", target, hashed="UNSIGNED-PAYLOAD"), ("content-length", str(length))]
    with raw.connect() as connection:
        connection.sendall(written("PUT", target, headers))
        for _ in range(200 if length > 16 << 20 else 1):
            connection.sendall(PIECE)
        said = drip(connection, b"x" * 10_000, SHORT_S / 8)
    assert answers(said)[0].status == 408
    assert "slow" not in place.stored()


def test_a_client_that_does_not_read_its_answer(place: Place, raw: Raw) -> None:
    """What it does not take is not kept for it."""
    place.direct("s3").put_object(Bucket=place.name, Key="large", Body=bytes(32 << 20))
    with raw.connect() as connection:
        connection.sendall(raw.request("GET", f"/~/s3/{place.name}/large"))
        connection.recv(100, socket.MSG_PEEK)
        host, port = connection.getsockname()
        live = place.gateway.runtime.targets["cloud"].live
        until(lambda: not any(s._wire.peer == f"{host}:{port}" for s in set(live._open)))  # type: ignore[attr-defined]
        assert len(everything(connection)) < 32 << 20


def test_a_service_that_is_slow_is_no_slow_client(place: Place, raw: Raw) -> None:
    """The client waits for what the gateway waits for: it is not sent away for it."""
    rule = place.aws.on(f"PUT /{place.name}/steady", Fault("after", "late"))
    target = f"/~/s3/{place.name}/steady"
    body = PIECE * 256
    headers = [*raw.headers("PUT", target, hashed="UNSIGNED-PAYLOAD"), ("content-length", str(len(body)))]
    with raw.connect() as connection:
        connection.sendall(written("PUT", target, headers, body))
        assert rule.used.wait(30)
        connection.settimeout(3 * SHORT_S)
        with pytest.raises(TimeoutError):
            connection.recv(1, socket.MSG_PEEK)
        connection.settimeout(30)
        place.aws.let_go()
        found = b""
        while not answers(found):
            piece = connection.recv(1 << 16)
            assert piece
            found += piece
    assert answers(found)[0].status == 200


def test_many_that_stand_still_keep_nobody_else_waiting(place: Place, raw: Raw) -> None:
    idle = [raw.connect() for _ in range(100)]
    for connection in idle:
        connection.sendall(b"GET /~/s3/")
    found = place.client("s3").get_object(Bucket=place.name, Key="k1")["Body"].read()
    assert found == b"old-1"
    for connection in idle:
        assert b" 408 " in everything(connection)
        connection.close()
