"""Answers are read by other parsers as they were meant."""

import h11
import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.connectors.aws.http import CONTINUE, LAST, chunk, head

HEADERS = [("Content-Type", "application/xml"), ("x-amz-request-id", "ABC"), ("x-amz-meta-name", "Ã©")]


def read(raw: bytes, method: str = "GET") -> tuple[int, list[tuple[bytes, bytes]], bytes, bool]:
    """Status, headers, body and whether the connection goes on, as h11 reads them."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(raw)
    answer = client.next_event()
    if isinstance(answer, h11.InformationalResponse):
        answer = client.next_event()
    assert isinstance(answer, h11.Response)
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    if event is h11.NEED_DATA:
        client.receive_data(b"")
        event = client.next_event()
    assert isinstance(event, h11.EndOfMessage)
    return answer.status_code, list(answer.headers), body, client.our_state is h11.DONE


def test_a_body_of_known_length() -> None:
    status, headers, body, goes_on = read(head(200, HEADERS, length=5, keep_alive=True) + b"hello")
    assert (status, body, goes_on) == (200, b"hello", True)
    assert headers == [
        (b"content-type", b"application/xml"),
        (b"x-amz-request-id", b"ABC"),
        (b"x-amz-meta-name", b"\xc3\xa9"),
        (b"content-length", b"5"),
    ]


def test_a_body_in_chunks() -> None:
    raw = head(404, [], length=None, keep_alive=False) + chunk(b"a" * 300) + chunk(b"") + chunk(b"b") + LAST
    assert read(raw) == (
        404,
        [(b"transfer-encoding", b"chunked"), (b"connection", b"close")],
        b"a" * 300 + b"b",
        False,
    )


def test_no_body_after_head_204_and_304() -> None:
    assert read(head(200, [], length=5, keep_alive=True), "HEAD")[1:3] == ([(b"content-length", b"5")], b"")
    assert read(head(204, [], length=0, keep_alive=True))[1] == []
    assert read(head(304, [], length=None, keep_alive=True))[1] == []


def test_an_interim_answer() -> None:
    assert read(CONTINUE + head(200, [], length=0, keep_alive=True))[0] == 200


def test_what_others_say_of_the_framing_is_left_out() -> None:
    theirs = [
        ("Content-Length", "99"),
        ("Transfer-Encoding", "gzip"),
        ("Connection", "X-A"),
        ("Keep-Alive", "x"),
    ]
    assert read(head(200, theirs, length=2, keep_alive=True) + b"ok")[1] == [(b"content-length", b"2")]


def test_to_an_old_client_the_body_ends_with_the_connection() -> None:
    raw = head(200, [], length=None, keep_alive=True, version="1.0")
    assert b"chunked" not in raw
    assert b"connection: close" in raw
    assert read(raw + b"all of it")[2] == b"all of it"


@pytest.mark.parametrize(
    "header",
    [
        ("x", "a\r\nset-cookie: b"),
        ("x", "a\nb"),
        ("x", "a\0"),
        ("x y", "a"),
        ("", "a"),
        ("x:", "a"),
        ("x\r\ny", "a"),
        ("x", "ł"),
    ],
)
def test_a_header_that_is_none_is_not_written(header: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="not a header"):
        head(200, [header], length=0, keep_alive=True)


@pytest.mark.parametrize("status", [100, 101, 0, 600])
def test_only_final_answers(status: int) -> None:
    with pytest.raises(ValueError, match="final"):
        head(status, [], length=0, keep_alive=True)


class _Reader:
    def __init__(self) -> None:
        self.body, self.done = b"", False

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.done = True


@given(
    st.integers(200, 599).filter(lambda status: status not in (204, 304)),
    st.lists(st.binary(max_size=40), max_size=5),
    st.booleans(),
)
def test_any_body_is_read_back(status: int, pieces: list[bytes], known: bool) -> None:
    body = b"".join(pieces)
    raw = head(status, HEADERS, length=len(body) if known else None, keep_alive=True)
    raw += body if known else b"".join(map(chunk, pieces)) + LAST
    reader = _Reader()
    httptools.HttpResponseParser(reader).feed_data(raw)
    assert (reader.body, reader.done) == (body, True)
