"""Requests that two readers of HTTP might understand differently, through the whole gateway on a bare socket: the first is refused,
and nothing of what follows it on the connection is done."""

import pytest
from tests.faults.aws.conftest import Place
from tests.faults.aws.raw import Raw, answers, written


@pytest.fixture
def raw(place: Place) -> Raw:
    return Raw(place.gateway, place.agent)


def evil(raw: Raw, place: Place) -> bytes:
    """What a smuggler wants to have done: correctly signed, and allowed as such."""
    return raw.request("PUT", f"/~/s3/{place.name}/smuggled", b"x")


def check_nothing(place: Place, before: int) -> None:
    assert "smuggled" not in place.stored()
    assert place.changes() == []
    assert len(place.aws.forwarded(place.name)) == before


BAD_FRAMING = {
    "length and chunked": [("content-length", "5"), ("transfer-encoding", "chunked")],
    "two lengths": [("content-length", "0"), ("content-length", "5")],
    "two equal lengths": [("content-length", "5"), ("content-length", "5")],
    "lengths in one": [("content-length", "5, 5")],
    "a signed length": [("content-length", "+5")],
    "a negative length": [("content-length", "-1")],
    "a length in hexadecimal": [("content-length", "0x5")],
    "a length with zeros": [("content-length", "005")],
    "a length with a space in it": [("content-length", "1 0")],
    "another coding": [("transfer-encoding", "gzip")],
    "chunked and more": [("transfer-encoding", "gzip, chunked")],
    "chunked twice": [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
    "chunked in capitals": [("transfer-encoding", "Chunked")],
    "chunked and identity": [("transfer-encoding", "identity"), ("transfer-encoding", "chunked")],
    "a tab before chunked": [("transfer-encoding", "\tchunked, x")],
    "an underscore": [("content-length", "5"), ("transfer_encoding", "chunked")],
    "a named connection header": [("content-length", "5"), ("connection", "content-length")],
    "an upgrade": [("content-length", "0"), ("connection", "upgrade"), ("upgrade", "h2c")],
}


@pytest.mark.parametrize("name", BAD_FRAMING)
def test_framing_that_can_be_read_twice(place: Place, raw: Raw, name: str) -> None:
    place.bucket()
    target = f"/~/s3/{place.name}/k1"
    first = written("PUT", target, [*raw.headers("PUT", target), *BAD_FRAMING[name]])
    seen = len(place.aws.forwarded(place.name))
    found = raw.send(first + evil(raw, place))
    assert [a.status // 100 for a in found] in ([4], [5]), found
    assert found[0].status in (400, 403, 501)
    check_nothing(place, seen)


LINES = {
    "an absolute URI": "GET http://127.0.0.1:1/k HTTP/1.1",
    "CONNECT": "CONNECT 169.254.169.254:80 HTTP/1.1",
    "an asterisk": "OPTIONS * HTTP/1.1",
    "no path": "GET k HTTP/1.1",
    "two spaces": "GET  /k HTTP/1.1",
    "a tab": "GET\t/k HTTP/1.1",
    "a fragment": "GET /k#x HTTP/1.1",
    "a backslash": "GET /\\k HTTP/1.1",
    "an unknown method": "BREW /k HTTP/1.1",
    "a small method": "get /k HTTP/1.1",
    "TRACE": "TRACE /k HTTP/1.1",
    "HTTP/2": "PRI * HTTP/2.0",
    "HTTP/0.9": "GET /k",
    "HTTP/1.2": "GET /k HTTP/1.2",
    "a byte of UTF-8": "GET /\xc3\xa4 HTTP/1.1",
    "an unfinished escape": "GET /%2 HTTP/1.1",
    "a null": "GET /\0 HTTP/1.1",
}


@pytest.mark.parametrize("name", LINES)
def test_request_lines(place: Place, raw: Raw, name: str) -> None:
    place.bucket()
    seen = len(place.aws.seen)
    headers = raw.headers("GET", "/k")
    lines = [LINES[name], *(f"{n}: {v}" for n, v in headers)]
    found = raw.send("\r\n".join([*lines, "", ""]).encode("latin-1") + evil(raw, place))
    assert len(found) == 1, found
    assert found[0].status in (400, 403, 404, 405, 501, 505)
    check_nothing(place, 0)
    assert len(place.aws.seen) == seen


HEADERS = {
    "a bare line feed": b"GET /~/s3/ HTTP/1.1\nhost: a\r\n\r\n",
    "a bare return": b"GET /~/s3/ HTTP/1.1\r\nhost: a\rx: y\r\n\r\n",
    "a folded line": b"GET /~/s3/ HTTP/1.1\r\nhost: a\r\n b\r\n\r\n",
    "a space before the colon": b"GET /~/s3/ HTTP/1.1\r\nhost : a\r\n\r\n",
    "a header without a colon": b"GET /~/s3/ HTTP/1.1\r\nhost: a\r\nnothing\r\n\r\n",
    "a null": b"GET /~/s3/ HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n",
    "an empty name": b"GET /~/s3/ HTTP/1.1\r\nhost: a\r\n: b\r\n\r\n",
    "no Host": b"GET /~/s3/ HTTP/1.1\r\nx: y\r\n\r\n",
    "two Hosts": b"GET /~/s3/ HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    "a Host with a path": b"GET /~/s3/ HTTP/1.1\r\nhost: a/b\r\n\r\n",
    "a Host with a login": b"GET /~/s3/ HTTP/1.1\r\nhost: a@b\r\n\r\n",
    "another expectation": b"GET /~/s3/ HTTP/1.1\r\nhost: a\r\nexpect: 200-ok\r\n\r\n",
    "too many": b"GET /~/s3/ HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * 200 + b"\r\n",
    "too long": b"GET /~/s3/ HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
    "a long target": b"GET /" + b"y" * 20_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n",
    "no end of the line": b"y" * 100_000,
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers(place: Place, raw: Raw, name: str) -> None:
    place.bucket()
    found = raw.send(HEADERS[name] + evil(raw, place))
    assert len(found) == 1
    assert found[0].status in (400, 414, 417, 431)
    assert b"<Code>" in found[0].body
    check_nothing(place, 0)


CHUNKS = {
    "a size with a sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "a size with 0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "an extension": b"5;a=b\r\nhello\r\n0\r\n\r\n",
    "a huge size": b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "a bare line feed": b"5\nhello\n0\n\n",
    "too much data": b"5\r\nhello!\r\n0\r\n\r\n",
    "a trailer nobody announced": b"5\r\nhello\r\n0\r\ntransfer-encoding: chunked\r\n\r\n",
}


@pytest.mark.parametrize("name", CHUNKS)
def test_chunks(place: Place, raw: Raw, name: str) -> None:
    place.bucket()
    target = f"/~/s3/{place.name}/smuggled"
    head = [*raw.headers("PUT", target, b"hello"), ("transfer-encoding", "chunked")]
    found = raw.send(written("PUT", target, head, CHUNKS[name]) + evil(raw, place))
    assert len(found) == 1
    assert found[0].status in (400, 403, 411, 413)
    check_nothing(place, 0)


def test_pipelined_requests_are_done_in_their_order(place: Place, raw: Raw) -> None:
    """The good ones before the bad one, and nothing after it."""
    place.bucket()
    good = raw.request("GET", f"/~/s3/{place.name}/k1")
    bad = b"GET /~/s3/ HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n"
    assert [a.status for a in raw.send(good + good + bad + evil(raw, place))] == [200, 200, 400]
    assert "smuggled" not in place.stored()
    with raw.connect() as connection:
        connection.sendall(good + evil(raw, place))
        data = b""
        while len(answers(data)) < 2:
            data += connection.recv(1 << 16)
    assert [a.status for a in answers(data)] == [200, 200]


def test_a_first_request_with_a_bad_signature_takes_nothing_with_it(place: Place, raw: Raw) -> None:
    """Its body is read as its length says, whatever it looks like."""
    place.bucket()
    inner = evil(raw, place)
    target = f"/~/s3/{place.name}/k1"
    headers = raw.headers("PUT", target, b"something else")
    first = written("PUT", target, [*headers, ("content-length", str(len(inner)))], inner)
    found = raw.one(first)
    assert found.status == 400
    assert "XAmzContentSHA256Mismatch" in found.text
    assert "smuggled" not in place.stored()


def test_what_is_forwarded_is_the_gateways_own(place: Place, raw: Raw) -> None:
    """Neither the agent's signature, nor headers of the connection or of proxies, reach AWS."""
    place.bucket()
    more = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-host", "evil"), ("te", "trailers"), ("via", "1.1 x"),
            ("proxy-authorization", "Basic eDp5"), ("x-interlock-reason", "because")]  # fmt: skip
    target = f"/~/s3/{place.name}/k1"
    headers = [*raw.headers("GET", target), *more]
    assert raw.one(written("GET", target, headers)).status == 200
    (seen,) = place.aws.forwarded(f"GET /{place.name}/k1")
    names = [line.split(b":")[0].lower() for line in seen.head.split(b"\r\n")[1:]]
    assert len(names) == len(set(names))
    assert not {
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"te",
        b"proxy-authorization",
        b"x-interlock-reason",
    } & {*names}
    assert seen.header("host") == f"127.0.0.1:{place.aws.port}"
    assert "AKIAUPSTREAMKEY00000" in seen.header("authorization")
    assert b"ILAK" not in seen.head


def test_keys_go_to_aws_as_they_were_sent(place: Place, raw: Raw) -> None:
    """A path is not tidied up on the way: another object would be read."""
    bucket = place.bucket(0)
    keys = ["a//b", "a/./b", "a/../b", "a b+c", "%2F", "ä", "~", "a%20b", "trailing/", "x?y", "a&b=c"]
    for key in keys:
        place.direct("s3").put_object(Bucket=bucket, Key=key, Body=key.encode())
    s3 = place.client("s3")
    for key in keys:
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode(), key


def test_byte_by_byte(place: Place, raw: Raw) -> None:
    """A head in single bytes is the same head."""
    place.bucket()
    data = raw.request("GET", f"/~/s3/{place.name}/k1")
    with raw.connect() as connection:
        for byte in data:
            connection.sendall(bytes([byte]))
        found = b""
        while not answers(found):
            found += connection.recv(1 << 16)
    assert answers(found)[0].body == b"old-1"


def test_no_header_that_the_agent_invents_comes_back_as_another(place: Place, raw: Raw) -> None:
    """A CRLF in a value that S3 echoes (response-content-disposition) does not become a header."""
    bucket = place.bucket()
    found = raw.one(raw.request("GET", f"/~/s3/{bucket}/k1?response-content-type=a%0d%0aset-cookie:%20x=y"))
    assert b"set-cookie" not in [line.split(b":")[0].strip().lower() for line in found.head.split(b"\r\n")]
