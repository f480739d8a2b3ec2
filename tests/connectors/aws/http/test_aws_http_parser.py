"""Requests as clients send them are read alike however they arrive; what could be read in two ways is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.connectors.aws.http import Data, End, Event, Head, Malformed, Parser
from interlock.connectors.aws.http.limits import MAX_BODY, MAX_HEAD, MAX_HEADERS, MAX_KEPT, MAX_TARGET

HOST = b"Host: s3.eu-central-1.localhost:4566\r\n"

# name → (bytes, method, target, body, keep_alive)
GOOD: dict[str, tuple[bytes, str, str, bytes, bool]] = {
    "get": (b"GET / HTTP/1.1\r\n" + HOST + b"\r\n", "GET", "/", b"", True),
    "post with length": (
        b"POST /?a=b&c HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello",
        "POST",
        "/?a=b&c",
        b"hello",
        True,
    ),
    "empty body": (
        b"PUT /b/k HTTP/1.1\r\n" + HOST + b"content-length:0\r\nConnection: Close\r\n\r\n",
        "PUT",
        "/b/k",
        b"",
        False,
    ),
    "chunked": (
        b"PUT /b/k HTTP/1.1\r\n"
        + HOST
        + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
        "PUT",
        "/b/k",
        b"abc0123456789",
        True,
    ),
    "chunked, nothing in it": (
        b"PUT /b/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + HOST + b"\r\n0\r\n\r\n",
        "PUT",
        "/b/k",
        b"",
        True,
    ),
    "announced trailer": (
        b"PUT /b/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX-Amz-Trailer: x-amz-checksum-crc32\r\n"
        + HOST
        + b"\r\n2\r\n\r\n\r\n0\r\nX-Amz-Checksum-CRC32: AAAAAA==\r\n\r\n",
        "PUT",
        "/b/k",
        b"\r\n",
        True,
    ),
    "odd keys": (
        b"DELETE /bucket//a/../%2F/+%C3%A9;(x)'*!~@:$,&=?x-id=Delete HTTP/1.1\r\n" + HOST + b"\r\n",
        "DELETE",
        "/bucket//a/../%2F/+%C3%A9;(x)'*!~@:$,&=?x-id=Delete",
        b"",
        True,
    ),
    "question marks": (b"GET /a?b?c=/?d HTTP/1.1\r\n" + HOST + b"\r\n", "GET", "/a?b?c=/?d", b"", True),
    "1.0 closes, even when asked not to": (
        b"GET / HTTP/1.0\r\n" + HOST + b"Connection: keep-alive\r\n\r\n",
        "GET",
        "/",
        b"",
        False,
    ),
    "several Connection options": (
        b"GET / HTTP/1.1\r\n" + HOST + b"Connection: keep-alive\r\nConnection: close, \r\n\r\n",
        "GET",
        "/",
        b"",
        False,
    ),
    "IPv6 host, user metadata": (
        b"GET / HTTP/1.1\r\nHost: [::1]:4566\r\nx-amz-meta-a_b: 1\r\nx-amz-meta-c: 2\r\n\r\n",
        "GET",
        "/",
        b"",
        True,
    ),
}

BASE = b"POST / HTTP/1.1\r\n" + HOST
CHUNKED = BASE + b"Transfer-Encoding: chunked\r\n\r\n"

# what is wrong → (status, bytes)
REFUSED: dict[str, tuple[int, bytes]] = {
    "length and coding": (400, BASE + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "two lengths": (400, BASE + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
    "list of lengths": (400, BASE + b"Content-Length: 3, 3\r\n\r\nabc"),
    "signed length": (400, BASE + b"Content-Length: +3\r\n\r\nabc"),
    "negative length": (400, BASE + b"Content-Length: -3\r\n\r\nabc"),
    "leading zero": (400, BASE + b"Content-Length: 03\r\n\r\nabc"),
    "hexadecimal length": (400, BASE + b"Content-Length: 0x3\r\n\r\nabc"),
    "empty length": (400, BASE + b"Content-Length:\r\n\r\nabc"),
    "digits of other scripts": (400, BASE + "Content-Length: ٣\r\n\r\nabc".encode()),
    "huge length": (413, BASE + b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1)),
    "length without end": (400, BASE + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n"),
    "other coding": (400, BASE + b"Transfer-Encoding: gzip\r\n\r\n"),
    "two codings": (501, BASE + b"Transfer-Encoding: gzip, chunked\r\n\r\n"),
    "identity": (400, BASE + b"Transfer-Encoding: identity\r\n\r\n"),
    "chunked twice": (400, BASE + b"Transfer-Encoding: chunked, chunked\r\n\r\n"),
    "chunked in two headers": (
        400,
        BASE + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    ),
    "chunked in capitals": (501, BASE + b"Transfer-Encoding: Chunked\r\n\r\n"),
    "tabs around chunked": (400, BASE + b"Transfer-Encoding:\tchunked\t\r\n\r\n"),
    "vertical tab before chunked": (400, BASE + b"Transfer-Encoding: \x0bchunked\r\n\r\n"),
    "quoted chunked": (400, BASE + b'Transfer-Encoding: "chunked"\r\n\r\n'),
    "empty coding": (400, BASE + b"Transfer-Encoding:\r\n\r\n"),
    "coding with 1.0": (400, BASE.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n"),
    "folded line": (400, BASE + b"X-A: b\r\n c\r\n\r\n"),
    "folded by a tab": (400, BASE + b"X-A: b\r\n\tc\r\n\r\n"),
    "folded first line": (400, b"GET / HTTP/1.1\r\n " + HOST + b"\r\n"),
    "bare LF": (400, BASE + b"X-A: b\n\r\n"),
    "bare LF only": (400, b"GET / HTTP/1.1\nHost: a\n\n"),
    "bare CR": (400, BASE + b"X-A: b\rX-B: c\r\n\r\n"),
    "CR CR LF": (400, BASE + b"X-A: b\r\r\n\r\n"),
    "CR at the start": (400, b"\r" + BASE + b"\r\n"),
    "empty line first": (400, b"\r\n" + BASE + b"\r\n"),
    "NUL": (400, BASE + b"X-A: b\0c\r\n\r\n"),
    "NUL in the target": (400, b"GET /\0 HTTP/1.1\r\n" + HOST + b"\r\n"),
    "DEL": (400, BASE + b"X-A: b\x7fc\r\n\r\n"),
    "escape": (400, BASE + b"X-A: \x1b[0m\r\n\r\n"),
    "space before the colon": (400, BASE + b"X-A : b\r\n\r\n"),
    "tab before the colon": (400, BASE + b"Content-Length\t: 3\r\n\r\n"),
    "space in a name": (400, BASE + b"X A: b\r\n\r\n"),
    "no colon": (400, BASE + b"X-A\r\n\r\n"),
    "no name": (400, BASE + b": b\r\n\r\n"),
    "name in brackets": (400, BASE + b"(X): b\r\n\r\n"),
    "name outside of ASCII": (400, BASE + "X-Ä: b\r\n\r\n".encode()),
    "no host": (400, b"GET / HTTP/1.1\r\nX-A: b\r\n\r\n"),
    "no header": (400, b"GET / HTTP/1.1\r\n\r\n"),
    "two hosts": (400, BASE + b"host: evil\r\n\r\n"),
    "empty host": (400, b"GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    "host with a path": (400, b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    "host with a user": (400, b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"),
    "host with a port that is none": (400, b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"),
    "list of hosts": (400, b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    "host with spaces": (400, b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    "absolute target": (400, b"GET http://169.254.169.254/latest HTTP/1.1\r\n" + HOST + b"\r\n"),
    "authority target": (400, b"GET example.com:443 HTTP/1.1\r\n" + HOST + b"\r\n"),
    "asterisk": (400, b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n"),
    "relative target": (400, b"GET a HTTP/1.1\r\n" + HOST + b"\r\n"),
    "fragment": (400, b"GET /a#b HTTP/1.1\r\n" + HOST + b"\r\n"),
    "raw bytes in the target": (400, "GET /é HTTP/1.1\r\n".encode() + HOST + b"\r\n"),
    "backslash": (400, b"GET /a\\b HTTP/1.1\r\n" + HOST + b"\r\n"),
    "half an escape": (400, b"GET /a%2 HTTP/1.1\r\n" + HOST + b"\r\n"),
    "escape that is none": (400, b"GET /%zz HTTP/1.1\r\n" + HOST + b"\r\n"),
    "quote in the target": (400, b'GET /a"b HTTP/1.1\r\n' + HOST + b"\r\n"),
    "two spaces": (400, b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n"),
    "space in the target": (400, b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n"),
    "tab in the line": (400, b"GET\t/ HTTP/1.1\r\n" + HOST + b"\r\n"),
    "space at the end": (400, b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n"),
    "no version": (400, b"GET /\r\n" + HOST + b"\r\n"),
    "lower-case version": (400, b"GET / http/1.1\r\n" + HOST + b"\r\n"),
    "version 2": (505, b"GET / HTTP/2.0\r\n" + HOST + b"\r\n"),
    "version 0.9": (505, b"GET / HTTP/0.9\r\n" + HOST + b"\r\n"),
    "version 1.2": (505, b"GET / HTTP/1.2\r\n" + HOST + b"\r\n"),
    "long version": (400, b"GET / HTTP/1.10\r\n" + HOST + b"\r\n"),
    "preface of HTTP/2": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "CONNECT": (405, b"CONNECT example.com:443 HTTP/1.1\r\n" + HOST + b"\r\n"),
    "TRACE": (405, b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n"),
    "method of WebDAV": (501, b"PROPFIND / HTTP/1.1\r\n" + HOST + b"\r\n"),
    "lower-case method": (501, b"get / HTTP/1.1\r\n" + HOST + b"\r\n"),
    "no method": (400, b" / HTTP/1.1\r\n" + HOST + b"\r\n"),
    "upgrade": (501, BASE + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
    "upgrade to h2c": (
        501,
        BASE + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n\r\n",
    ),
    "upgrade without Connection": (501, BASE + b"Upgrade: h2c\r\n\r\n"),
    "connection that takes headers away": (
        400,
        BASE + b"Connection: close, X-Amz-Date\r\nX-Amz-Date: 1\r\n\r\n",
    ),
    "connection that takes the signature away": (400, BASE + b"Connection: authorization\r\n\r\n"),
    "connection that takes the length away": (
        400,
        BASE + b"Connection: content-length\r\nContent-Length: 0\r\n\r\n",
    ),
    "other expectation": (417, BASE + b"Expect: 200-ok\r\n\r\n"),
    "two expectations": (400, BASE + b"Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n"),
    "two signatures": (400, BASE + b"Authorization: a\r\nAuthorization: b\r\n\r\n"),
    "header of AWS twice": (400, BASE + b"X-Amz-Target: a\r\nx-amz-target: b\r\n\r\n"),
    "two types": (400, BASE + b"Content-Type: a\r\nContent-Type: b\r\n\r\n"),
    "two protocols": (400, BASE + b"Smithy-Protocol: rpc-v2-cbor\r\nSmithy-Protocol: rpc-v2-json\r\n\r\n"),
    "underscores beside dashes": (400, BASE + b"x-amz-date: 1\r\nx_amz_date: 2\r\n\r\n"),
    "underscores alone": (400, BASE + b"X_Amz_Target: a\r\n\r\n"),
    "one underscore": (400, BASE + b"content_length: 3\r\n\r\n"),
    "underscore in the coding": (400, BASE + b"Transfer_Encoding: chunked\r\n\r\n"),
    "metadata spelt twice": (400, BASE + b"x-amz-meta-a_b: 1\r\nx-amz-meta-a-b: 2\r\n\r\n"),
    "too many headers": (431, BASE + b"".join(b"x-%d: y\r\n" % n for n in range(MAX_HEADERS)) + b"\r\n"),
    "too long headers": (431, BASE + b"x: " + b"y" * MAX_HEAD + b"\r\n\r\n"),
    "endless head": (431, BASE + b"x: " + b"y" * MAX_HEAD),
    "too long target": (414, b"GET /" + b"a" * MAX_TARGET + b" HTTP/1.1\r\n" + HOST + b"\r\n"),
    "chunk with an extension": (400, CHUNKED + b"3;a=b\r\nabc\r\n0\r\n\r\n"),
    "last chunk with an extension": (400, CHUNKED + b"0;a\r\n\r\n"),
    "chunk without size": (400, CHUNKED + b"\r\nabc\r\n"),
    "chunk with a negative size": (400, CHUNKED + b"-1\r\nabc\r\n"),
    "chunk with a prefixed size": (400, CHUNKED + b"0x3\r\nabc\r\n"),
    "chunk with leading zeros": (400, CHUNKED + b"003\r\nabc\r\n0\r\n\r\n"),
    "chunk with a space": (400, CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n"),
    "chunk with a separator": (400, CHUNKED + b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n"),
    "chunk that overflows": (400, CHUNKED + b"fffffffffffffffff\r\n"),
    "chunk that is huge": (413, CHUNKED + b"fffffffffffffff\r\n"),
    "chunks that are huge together": (413, CHUNKED + b"1\r\na\r\n%x\r\n" % MAX_BODY),
    "chunk line with LF": (400, CHUNKED + b"3\nabc\r\n0\r\n\r\n"),
    "chunk data with LF": (400, CHUNKED + b"3\r\nabc\n0\r\n\r\n"),
    "chunk that is longer": (400, CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n"),
    "chunk data without a line end": (400, CHUNKED + b"3\r\nabcXY0\r\n\r\n"),
    "chunk line without end": (400, CHUNKED + b"0" * 300),
    "trailer": (400, CHUNKED + b"0\r\nX-Amz-Date: 1\r\n\r\n"),
    "trailer of the framing": (400, CHUNKED + b"0\r\nContent-Length: 1\r\n\r\n"),
    "trailer that is folded": (400, CHUNKED + b"0\r\n x: y\r\n\r\n"),
    "trailer with LF": (400, CHUNKED + b"0\r\nx: y\n\r\n"),
    "trailers without end": (400, CHUNKED + b"0\r\n" + b"x: y\r\n" * 5000),
    "trailer twice": (
        400,
        CHUNKED.replace(b"\r\n\r\n", b"\r\nx-amz-trailer: x-a\r\n\r\n") + b"0\r\nx-a: 1\r\nx-a: 2\r\n\r\n",
    ),
}


def outcome(data: bytes, cuts: list[int]) -> Any:
    """What a parser makes of `data` cut at the places: events with joined data, or the refusal."""
    parser, events = Parser(), list[Event]()
    try:
        for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            events += parser.feed(data[begin:end])
    except Malformed as error:
        return error.status, error.sentence
    return joined(events)


def joined(events: list[Event]) -> list[Event]:
    body = b"".join(event.data for event in events if isinstance(event, Data))
    kinds = [event for event in events if not isinstance(event, Data)]
    return [*kinds[:1], Data(body), *kinds[1:]]


def each_byte(data: bytes) -> list[int]:
    return list(range(1, len(data)))


@pytest.mark.parametrize("name", GOOD)
def test_a_request_is_read(name: str) -> None:
    raw, method, target, body, keep_alive = GOOD[name]
    head, data, end = outcome(raw, [])
    assert (head.method, head.target, head.keep_alive) == (method, target, keep_alive)
    assert f"{head.path}?{head.query}" == (target if "?" in target else f"{target}?")
    assert data == Data(body)
    assert isinstance(end, End)


@pytest.mark.parametrize("name", GOOD)
def test_it_is_the_same_byte_by_byte_and_with_more_behind_it(name: str) -> None:
    raw = GOOD[name][0]
    whole = outcome(raw, [])
    assert outcome(raw, each_byte(raw)) == whole
    behind = raw + GOOD["post with length"][0]
    assert outcome(behind, []) == whole
    assert outcome(behind, each_byte(behind)) == whole


@pytest.mark.parametrize("name", GOOD)
def test_nothing_is_complete_before_its_last_byte(name: str) -> None:
    raw = GOOD[name][0]
    parser, events = Parser(), list[Event]()
    for at in range(len(raw) - 1):
        events += parser.feed(raw[at : at + 1])
        assert not any(isinstance(event, End) for event in events)
        assert not parser.idle
    assert isinstance(parser.feed(raw[-1:])[-1], End)


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_is_refused(name: str) -> None:
    status, raw = REFUSED[name]
    found = outcome(raw, [])
    assert isinstance(found, tuple), found
    assert found[0] == status, found
    assert outcome(raw, each_byte(raw)) == found
    assert outcome(raw + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", [])[0] == status


def test_a_refusal_is_for_good() -> None:
    parser = Parser()
    with pytest.raises(Malformed):
        parser.feed(b"\0")
    with pytest.raises(Malformed):
        parser.feed(GOOD["get"][0])


def test_headers_are_as_they_were_sent() -> None:
    raw = b"GET / HTTP/1.1\r\n" + HOST + b"X-Amz-Meta-A:\t a  b \t\r\nX-B:\r\nX-C: \xc3\xa9\xa0\r\n\r\n"
    head = Parser().feed(raw)[0]
    assert isinstance(head, Head)
    assert head.headers[1:] == (("x-amz-meta-a", "a  b"), ("x-b", ""), ("x-c", "Ã©\xa0"))
    assert head.headers[3][1].encode("latin-1") == b"\xc3\xa9\xa0"
    assert "é" not in repr(head)


def test_expectations_are_told() -> None:
    assert heads(BASE + b"Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n")[0].expects_continue
    assert not heads(BASE.replace(b"1.1", b"1.0") + b"Expect: 100-continue\r\n\r\n")[0].expects_continue
    assert heads(BASE + b"Content-Length: 1\r\n\r\n")[0].length == 1
    assert heads(BASE + b"\r\n")[0].length is None


def heads(raw: bytes) -> list[Head]:
    return [event for event in Parser().feed(raw) if isinstance(event, Head)]


def test_trailers_come_with_the_end() -> None:
    end = Parser().feed(GOOD["announced trailer"][0])[-1]
    assert end == End((("x-amz-checksum-crc32", "AAAAAA=="),))


def test_requests_sent_ahead_wait() -> None:
    parser = Parser()
    assert parser.idle
    ahead = GOOD["post with length"][0] + GOOD["chunked"][0] + GOOD["get"][0]
    assert joined(parser.feed(ahead)) == outcome(GOOD["post with length"][0], [])
    assert parser.feed(b"") == []
    assert parser.feed(b"GET /2 HTTP/1.1\r\n" + HOST) == []
    assert joined(parser.next()) == outcome(GOOD["chunked"][0], [])
    assert joined(parser.next()) == outcome(GOOD["get"][0], [])
    assert parser.next() == []
    with pytest.raises(RuntimeError):
        parser.next()
    assert len(parser.feed(b"\r\n")) == 2
    assert parser.next() == []
    assert parser.idle


def test_not_everything_can_be_sent_ahead() -> None:
    parser = Parser()
    parser.feed(GOOD["get"][0] + b"x" * MAX_KEPT)
    with pytest.raises(Malformed):
        parser.feed(b"x")


def test_a_smaller_limit_for_bodies_holds() -> None:
    for raw in (b"Content-Length: 11\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n6\r\n"):
        with pytest.raises(Malformed) as caught:
            Parser(max_body=10).feed(BASE + raw)
        assert caught.value.status == 413


SAMPLES = st.sampled_from(
    [raw for raw, *_ in GOOD.values()] + [raw for _, raw in REFUSED.values() if len(raw) < 2000]
)


@given(SAMPLES, st.data())
def test_mutations_are_read_or_refused_the_same_way_however_they_arrive(
    raw: bytes, data: st.DataObject
) -> None:
    mutated = bytearray(raw)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(mutated)))
        drop = data.draw(st.integers(0, 4))
        mutated[at : at + drop] = data.draw(
            st.sampled_from([b"", b"\r\n", b"\n", b" ", b":"]) | st.binary(max_size=4)
        )
    made = bytes(mutated[: data.draw(st.integers(0, len(mutated)))] if data.draw(st.booleans()) else mutated)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(made)), max_size=6)))
    whole = outcome(made, [])
    assert outcome(made, cuts) == whole
    assert outcome(made, each_byte(made)) == whole


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_noise_raises_nothing_else(noise: bytes, cuts: list[int]) -> None:
    places = sorted(min(cut, len(noise)) for cut in cuts)
    assert outcome(CHUNKED + noise, [len(CHUNKED) + place for place in places]) == outcome(
        CHUNKED + noise, []
    )
    outcome(noise, places)


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=6), st.lists(st.integers(0, 400), max_size=6))
def test_chunked_bodies_come_out_as_they_went_in(chunks: list[bytes], cuts: list[int]) -> None:
    raw = CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    _, data, end = outcome(raw, sorted(min(cut, len(raw)) for cut in cuts))
    assert data == Data(b"".join(chunks))
    assert end == End()
