"""How a request's signature covers its body, and the body as it may be passed on."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Literal

from interlock.connectors.aws.sigv4 import canonical as c
from interlock.connectors.aws.sigv4 import query as q
from interlock.connectors.aws.sigv4.checksum import Checksum, checksum, text
from interlock.connectors.aws.sigv4.chunked import Chunked, ChunkSeal
from interlock.connectors.aws.sigv4.credential import Claim, Headers
from interlock.connectors.aws.sigv4.errors import NotSigned
from interlock.model.base import Value

UNSIGNED = "UNSIGNED-PAYLOAD"
_SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
_SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
_UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_STREAMING = frozenset({_SIGNED_CHUNKS, _SIGNED_TRAILER, _UNSIGNED_TRAILER})

_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LENGTH = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)


class Mode(Value, frozen=True):
    """How the body is covered.

    `kind` is `whole` (by its hash, which the request doesn't say: the body must be there before `verify`), `declared` (by the
    hash that the request says), `unsigned`, or `chunked` (framing of aws-chunked). `hash` goes into the signature; it is empty
    for `whole`. Of a chunked body, `signed` tells whether its chunks are, `length` is that of the payload without the framing,
    and `trailer` the header that ends it.
    """

    kind: Literal["whole", "declared", "unsigned", "chunked"]
    hash: str = ""
    signed: bool = False
    length: int | None = None
    trailer: str = ""


def hash_of(data: bytes) -> str:
    """What stands for a body in the signature."""
    return hashlib.sha256(data).hexdigest()


def mode(claim: Claim, query: str, headers: Headers) -> Mode:
    """How the request's body is covered. Raises NotSigned."""
    values = c.by_name(headers)
    said = _said(claim, query, values)
    chunked = "aws-chunked" in values.get("content-encoding", "").lower()
    if said in _STREAMING:
        return _chunked(claim, said, values)
    if chunked or "x-amz-trailer" in values or "x-amz-decoded-content-length" in values:
        raise NotSigned("InvalidRequest", "Only a body that is streamed may be aws-chunked.", 400)
    if said == UNSIGNED:
        return Mode("unsigned", UNSIGNED)
    if not said:
        return _unsaid(claim)
    if not _HASH.fullmatch(said):
        raise NotSigned("NotImplemented", "This way of signing a body is not accepted.", 501)
    return Mode("declared", said)


def _said(claim: Claim, query: str, values: Mapping[str, str]) -> str:
    said = values.get("x-amz-content-sha256", "")
    if not claim.presigned:
        return said
    in_query = q.signing_parameters(query).get(q.CONTENT_HASH, "")
    if said and in_query and said != in_query:
        raise NotSigned("InvalidArgument", "Header and query say different things of the body.", 400)
    return said or in_query


def _unsaid(claim: Claim) -> Mode:
    """S3 takes the body of a presigned request as it comes, and of others wants to be told; for all other services it is
    hashed."""
    if not claim.s3:
        return Mode("whole")
    if claim.presigned:
        return Mode("unsigned", UNSIGNED)
    raise NotSigned("InvalidRequest", "Missing required header for this request: x-amz-content-sha256", 400)


def _chunked(claim: Claim, said: str, values: Mapping[str, str]) -> Mode:
    if not claim.s3 or claim.presigned:
        raise NotSigned(
            "NotImplemented", "A body that is streamed is accepted by S3 only, and not presigned.", 501
        )
    length = values.get("x-amz-decoded-content-length", "")
    if not _LENGTH.fullmatch(length):
        raise NotSigned(
            "MissingContentLength", "You must provide the x-amz-decoded-content-length header.", 411
        )
    trailer = values.get("x-amz-trailer", "").lower()
    if (said == _SIGNED_CHUNKS) == bool(trailer) or (trailer and checksum(trailer) is None):
        raise NotSigned(
            "MalformedTrailerError", "x-amz-trailer must name one checksum that is known, or nothing.", 400
        )
    return Mode("chunked", said, said != _UNSIGNED_TRAILER, int(length), trailer)


class Body:
    """A body on its way through: bytes as they come in, payload as it may be passed on.

    When anything is left to be verified at the end, the last piece is held back until it is: whoever receives the rest can
    tell that it isn't complete. Memory is that of two pieces, or of one signed chunk.
    """

    def __init__(
        self,
        *,
        chunks: Chunked | None = None,
        digest: Checksum | None = None,
        sha256: str = "",
        s3: bool = True,
    ) -> None:
        self._chunks, self._digest, self._sha256, self._s3 = chunks, digest, sha256, s3
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What may be passed on now. Raises NotSigned."""
        if self._chunks is not None:
            data = self._chunks.feed(data)
        if self._digest is not None:
            self._digest.update(data)
        elif self._chunks is None:
            return data
        if not data:
            return b""
        held, self._held = self._held, data
        return held

    def finish(self) -> bytes:
        """The rest, when all of it is as the request said. Raises NotSigned."""
        if self._chunks is not None:
            self._chunks.finish()
        if self._sha256:
            self._check_hash()
        elif self._digest is not None:
            self._check_trailer(self._digest)
        held, self._held = self._held, b""
        return held

    @property
    def trailers(self) -> tuple[tuple[str, str], ...]:
        """The checksum that came after the payload, verified, once `finish` was called."""
        return self._chunks.trailers if self._chunks is not None else ()

    def _check_hash(self) -> None:
        if self._digest is None or not hmac.compare_digest(self._digest.digest().hex(), self._sha256):
            if self._s3:
                raise NotSigned(
                    "XAmzContentSHA256Mismatch", "The body is not the one whose hash was signed.", 400
                )
            raise NotSigned("SignatureDoesNotMatch", "The body is not the one whose hash was signed.")

    def _check_trailer(self, digest: Checksum) -> None:
        if not hmac.compare_digest(text(digest), self.trailers[0][1]):
            raise NotSigned("BadDigest", "The checksum in the trailer does not match the body.", 400)


def body(mode: Mode, claim: Claim, secret: str) -> Body:
    """The body of a request that was verified. One of kind `whole` is verified with the request: it goes through as it is."""
    if mode.kind == "declared":
        return Body(digest=hashlib.sha256(), sha256=mode.hash, s3=claim.s3)
    if mode.kind != "chunked":
        return Body()
    key = c.signing_key(secret, claim.date, claim.region, claim.service)
    chain = ChunkSeal(key, claim.timestamp, claim.scope, claim.signature) if mode.signed else None
    return Body(chunks=Chunked(mode.length or 0, mode.trailer, chain), digest=checksum(mode.trailer))
