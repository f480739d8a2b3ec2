"""Bodies: what is passed on is what was signed; what was altered never becomes complete."""

import hashlib
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.connectors.aws.sigv4.rig import SECRET, Chain, Wire, chunked_body, signed

from interlock.connectors.aws.sigv4 import UNSIGNED, Body, Claim, NotSigned, body, hash_of, mode
from interlock.connectors.aws.sigv4.checksum import checksum, text
from interlock.connectors.aws.sigv4.chunked import MAX_CHUNK, MIN_CHUNK

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
KINDS = ("crc32", "crc32c", "crc64nvme", "sha1", "sha256", "sha512", "md5")


def put(headers: dict[str, str], service: str = "s3") -> Wire:
    """A signed request with these headers; the signature covers x-amz-content-sha256 as given."""
    return signed("SigV4Auth", service, "PUT", "https://s3/b/k", headers=headers)


def streamed(said: str, length: int, trailer: str = "") -> Wire:
    more = {"x-amz-trailer": trailer} if trailer else {}
    return put({"x-amz-content-sha256": said, "x-amz-decoded-content-length": str(length), **more})


def opened(wire: Wire) -> Body:
    made = wire.verified()
    return body(mode(made, wire.query, wire.headers), made, SECRET)


def chunks_of(payload: bytes, size: int = MIN_CHUNK) -> list[bytes]:
    return [payload[at : at + size] for at in range(0, len(payload), size)]


def checksum_of(kind: str, payload: bytes) -> tuple[str, str]:
    made = checksum(f"x-amz-checksum-{kind}")
    assert made is not None
    made.update(payload)
    return f"x-amz-checksum-{kind}", text(made)


Encoded = tuple[Wire, bytes]


def declared(payload: bytes) -> Encoded:
    return put({"x-amz-content-sha256": hash_of(payload)}), payload


def signed_chunks(payload: bytes) -> Encoded:
    wire = streamed(SIGNED, len(payload))
    return wire, chunked_body(wire.claim(), chunks_of(payload), None)


def signed_trailer(payload: bytes) -> Encoded:
    trailer = checksum_of("crc32c", payload)
    wire = streamed(SIGNED_TRAILER, len(payload), trailer[0])
    return wire, chunked_body(wire.claim(), chunks_of(payload), trailer)


def unsigned_trailer(payload: bytes) -> Encoded:
    trailer = checksum_of("sha256", payload)
    wire = streamed(UNSIGNED_TRAILER, len(payload), trailer[0])
    return wire, chunked_body(wire.claim(), chunks_of(payload), trailer, sign=False)


FORMS: list[Callable[[bytes], Encoded]] = [declared, signed_chunks, signed_trailer, unsigned_trailer]
PAYLOAD = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(256)) * 3 + b"the end"


def passed(wire: Wire, raw: bytes, cuts: list[int]) -> tuple[bytes, bool]:
    """What came out, and whether it was complete."""
    passing, out = opened(wire), b""
    try:
        for begin, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
            out += passing.feed(raw[begin:end])
        return out + passing.finish(), True
    except NotSigned:
        return out, False


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("payload", [b"", b"x", PAYLOAD[:MIN_CHUNK], PAYLOAD])
def test_a_body_comes_through(form: Callable[[bytes], Encoded], payload: bytes) -> None:
    wire, raw = form(payload)
    assert passed(wire, raw, []) == (payload, True)
    assert passed(wire, raw, list(range(1, len(raw), 997))) == (payload, True)
    short = raw if len(raw) < 20_000 else raw[:300]
    assert passed(wire, raw, list(range(1, len(short)))) == (payload, True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sign", [True, False])
def test_trailers_of_each_kind_are_verified(kind: str, sign: bool) -> None:
    name, value = checksum_of(kind, PAYLOAD)
    wire = streamed(SIGNED_TRAILER if sign else UNSIGNED_TRAILER, len(PAYLOAD), name)
    passing = opened(wire)
    raw = chunked_body(wire.claim(), chunks_of(PAYLOAD), (name, value), sign=sign)
    assert passing.feed(raw) + passing.finish() == PAYLOAD
    assert passing.trailers == ((name, value),)
    other = chunked_body(wire.claim(), chunks_of(PAYLOAD), (name, checksum_of(kind, b"")[1]), sign=sign)
    assert refusal(wire, other).code == "BadDigest"


@given(st.sampled_from(FORMS), st.integers(0, 20_000), st.data())
def test_what_was_altered_is_never_complete(
    form: Callable[[bytes], Encoded], size: int, data: st.DataObject
) -> None:
    payload = PAYLOAD[:size]
    wire, raw = form(payload)
    at = data.draw(st.integers(0, len(raw)))
    drop = data.draw(st.integers(0, 3))
    new = data.draw(st.binary(max_size=3))
    altered = raw[:at] + new + raw[at + drop :]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(altered)), max_size=5)))
    out, complete = passed(wire, altered, cuts)
    if complete:  # another spelling: of a size in capitals, of a trailer's name
        assert altered.lower() == raw.lower() or altered.replace(b" ", b"") == raw
        assert out == payload
    else:
        assert form is declared or len(out) < max(len(payload), 1)
        assert form not in (signed_chunks, signed_trailer) or payload.startswith(out)


@given(st.sampled_from(FORMS), st.integers(0, 20_000), st.data())
def test_what_was_cut_is_never_complete(
    form: Callable[[bytes], Encoded], size: int, data: st.DataObject
) -> None:
    payload = PAYLOAD[:size]
    wire, raw = form(payload)
    if not raw:
        return
    cut = data.draw(st.integers(0, len(raw) - 1))
    out, complete = passed(wire, raw[:cut], sorted(data.draw(st.lists(st.integers(0, cut), max_size=3))))
    assert not complete
    assert payload.startswith(out)
    assert len(out) < max(len(payload), 1)


def test_the_last_piece_is_held_back() -> None:
    wire, _ = declared(b"abcdef")
    passing = opened(wire)
    assert [passing.feed(piece) for piece in (b"ab", b"", b"cd", b"ef")] == [b"", b"", b"ab", b"cd"]
    assert passing.finish() == b"ef"


def test_an_unsigned_body_goes_straight_through() -> None:
    passing = opened(put({"x-amz-content-sha256": UNSIGNED}))
    assert passing.feed(b"abc") == b"abc"
    assert passing.finish() == b""


def refusal(wire: Wire, raw: bytes) -> NotSigned:
    passing = opened(wire)
    with pytest.raises(NotSigned) as caught:
        through(passing, raw)
    return caught.value


def through(passing: Body, raw: bytes) -> bytes:
    return passing.feed(raw) + passing.finish()


def chunked(wire: Wire, *chunks: bytes, trailer: tuple[str, str] | None = None, sign: bool = True) -> bytes:
    return chunked_body(wire.claim(), list(chunks), trailer, sign=sign)


def swapped(raw: bytes) -> bytes:
    """With the first two chunks, of equal length, in the other order."""
    second = raw.index(b"\r\n2000;") + 2
    return raw[second : 2 * second] + raw[:second] + raw[2 * second :]


ABC = checksum_of("crc32", b"abc")
PLAIN = streamed(SIGNED, 3)
SEALED = streamed(SIGNED_TRAILER, 3, ABC[0])
PAIR = streamed(SIGNED, 2 * MIN_CHUNK)
LOOSE = streamed(UNSIGNED_TRAILER, 3, ABC[0])

BROKEN: dict[str, tuple[str, Wire, bytes]] = {
    "other body": ("XAmzContentSHA256Mismatch", declared(b"abc")[0], b"abd"),
    "other body, elsewhere": ("SignatureDoesNotMatch", put({"x-amz-content-sha256": hash_of(b"a")}, "lambda"), b"b"),
    "shorter": ("IncompleteBody", PLAIN, chunked(PLAIN, b"ab")),
    "longer": ("IncompleteBody", PLAIN, chunked(PLAIN, b"abcd")),
    "no end": ("IncompleteBody", PLAIN, chunked(PLAIN, b"abc").partition(b"\r\n0;")[0]),
    "nothing": ("IncompleteBody", PLAIN, b""),
    "no empty line": ("IncompleteBody", PLAIN, chunked(PLAIN, b"abc")[:-2]),
    "more": ("InvalidRequest", PLAIN, chunked(PLAIN, b"abc") + b"\n"),
    "chunks in another order": (
        "SignatureDoesNotMatch",
        PAIR,
        swapped(chunked(PAIR, b"a" * MIN_CHUNK, b"b" * MIN_CHUNK)),
    ),
    "chunks of another request": (
        "SignatureDoesNotMatch",
        put({"x-amz-content-sha256": SIGNED, "x-amz-decoded-content-length": "3", "x-amz-acl": "private"}),
        chunked(PLAIN, b"abc"),
    ),
    "unsigned chunk": ("InvalidRequest", PLAIN, chunked(PLAIN, b"abc", sign=False)),
    "signed chunk where none is expected": ("InvalidRequest", LOOSE, chunked(LOOSE, b"abc", trailer=ABC)),
    "other extension": ("InvalidRequest", PLAIN, b"3;chunk-signature=x\r\nabc\r\n"),
    "signature twice": ("InvalidRequest", PLAIN, chunked(PLAIN, b"abc").replace(b"\r\nabc", b";chunk-signature=\r\nabc")),
    "small chunk": ("InvalidChunkSizeError", PLAIN, chunked(PLAIN, b"a", b"bc")),
    "large chunk": (
        "InvalidChunkSizeError",
        streamed(SIGNED, MAX_CHUNK + 1),
        b"%x;chunk-signature=%b\r\n" % (MAX_CHUNK + 1, b"0" * 64),
    ),
    "trailer that isn't announced": ("MalformedTrailerError", PLAIN, chunked(PLAIN, b"abc", trailer=ABC)),
    "trailer is missing": ("MalformedTrailerError", LOOSE, chunked(LOOSE, b"abc", sign=False)),
    "trailer isn't signed": (
        "MalformedTrailerError",
        SEALED,
        chunked(SEALED, b"abc", trailer=ABC).partition(b"x-amz-trailer-signature")[0] + b"\r\n",
    ),
    "trailer twice": (
        "MalformedTrailerError",
        LOOSE,
        chunked(LOOSE, b"abc", trailer=ABC, sign=False)[:-2] + b"x-amz-checksum-crc32:AAAAAA==\r\n\r\n",
    ),
    "other trailer": (
        "MalformedTrailerError",
        LOOSE,
        chunked(LOOSE, b"abc", trailer=checksum_of("sha1", b"abc"), sign=False),
    ),
    "trailer signed by another": (
        "SignatureDoesNotMatch",
        SEALED,
        chunked(SEALED, b"abc", trailer=ABC)[:-4] + b"0\r\n\r\n",
    ),
    "bare LF": ("InvalidRequest", LOOSE, b"3\nabc\n0\n\n" + b"x" * 300),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_body_is_refused(name: str) -> None:
    code, wire, raw = BROKEN[name]
    assert refusal(wire, raw).code == code


def test_nothing_may_follow_the_end() -> None:
    passing = opened(PLAIN)
    passing.feed(chunked(PLAIN, b"abc"))
    assert passing.feed(b"") == b""
    with pytest.raises(NotSigned, match="more after its end"):
        passing.feed(b"3")


MODES: dict[str, tuple[str, Wire]] = {
    "S3 wants to be told": ("InvalidRequest", put({})),
    "not a hash": ("NotImplemented", put({"x-amz-content-sha256": "ABC"})),
    "hash in capitals": ("NotImplemented", put({"x-amz-content-sha256": "A" * 64})),
    "version 4a": (
        "NotImplemented",
        put({"x-amz-content-sha256": "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"}),
    ),
    "events": ("NotImplemented", put({"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-EVENTS"})),
    "streaming to others": ("NotImplemented", put({"x-amz-content-sha256": SIGNED}, "lambda")),
    "no length": ("MissingContentLength", put({"x-amz-content-sha256": SIGNED})),
    "length that is none": (
        "MissingContentLength",
        put({"x-amz-content-sha256": SIGNED, "x-amz-decoded-content-length": "-1"}),
    ),
    "trailer where none is expected": ("MalformedTrailerError", streamed(SIGNED, 3, "x-amz-checksum-crc32")),
    "no trailer": ("MalformedTrailerError", streamed(SIGNED_TRAILER, 3)),
    "no trailer, unsigned": ("MalformedTrailerError", streamed(UNSIGNED_TRAILER, 3)),
    "unknown trailer": ("MalformedTrailerError", streamed(UNSIGNED_TRAILER, 3, "x-amz-checksum-xxhash64")),
    "two trailers": (
        "MalformedTrailerError",
        streamed(UNSIGNED_TRAILER, 3, "x-amz-checksum-crc32,x-amz-checksum-sha1"),
    ),
    "trailer that says what to do": ("MalformedTrailerError", streamed(UNSIGNED_TRAILER, 3, "x-amz-acl")),
    "framing that isn't said": (
        "InvalidRequest",
        put({"x-amz-content-sha256": UNSIGNED, "content-encoding": "aws-chunked"}),
    ),
    "length that doesn't belong": (
        "InvalidRequest",
        put({"x-amz-content-sha256": UNSIGNED, "x-amz-decoded-content-length": "3"}),
    ),
}


@pytest.mark.parametrize("name", MODES)
def test_a_way_of_signing_is_refused(name: str) -> None:
    code, wire = MODES[name]
    with pytest.raises(NotSigned) as caught:
        mode(wire.claim(), wire.query, wire.headers)
    assert caught.value.code == code


def test_what_stands_for_the_body() -> None:
    elsewhere = put({}, "lambda")
    assert mode(elsewhere.claim(), "", elsewhere.headers).kind == "whole"
    link = signed("S3SigV4QueryAuth", "s3", "PUT", "https://s3/b/k")
    assert mode(link.claim(), link.query, link.headers).hash == UNSIGNED
    hashed = signed("SigV4QueryAuth", "s3", "PUT", f"https://s3/b/k?X-Amz-Content-Sha256={hash_of(b'a')}")
    assert mode(hashed.claim(), hashed.query, hashed.headers).hash == hash_of(b"a")
    both = hashed.changed(x_amz_content_sha256=UNSIGNED)
    with pytest.raises(NotSigned):
        mode(hashed.claim(), both.query, both.headers)


@pytest.mark.parametrize("sign", [True, False])
def test_memory_stays_flat(sign: bool) -> None:
    piece, count = b"x" * 65536, 1024
    length = len(piece) * count
    wire = streamed(SIGNED if sign else UNSIGNED_TRAILER, length, "" if sign else "x-amz-checksum-crc32")
    passing, out = opened(wire), 0
    head = chunk_heads(wire.claim(), piece) if sign else iter(lambda: b"10000\r\n", b"")
    tracemalloc.start()
    try:
        for _ in range(count):
            out += len(passing.feed(next(head) + piece + b"\r\n"))
        assert tracemalloc.get_traced_memory()[1] < 2 * 1024 * 1024
    finally:
        tracemalloc.stop()
    assert out == length - len(piece)


def chunk_heads(made: Claim, piece: bytes) -> Iterator[bytes]:
    chain, hashed = Chain(made), hashlib.sha256(piece).hexdigest()
    while True:
        yield f"{len(piece):x};chunk-signature={chain.next(hashed)}\r\n".encode()
