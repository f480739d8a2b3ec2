"""aws-chunked bodies: the framing is taken off, and nothing is passed on before its signature is verified.

Sources: S3 API reference, "Transferring Payload in Multiple Chunks (Chunked Upload)" and "Signature calculations for trailing
headers".
"""

import hashlib
import hmac
import re

from interlock.connectors.aws.http.chunks import BadChunk, ChunkReader, Piece, Size, Trailers
from interlock.connectors.aws.sigv4.canonical import seal
from interlock.connectors.aws.sigv4.errors import NotSigned

MAX_CHUNK = 8 * 1024 * 1024
"""Bytes of a signed chunk: it is held in memory until its signature is verified. Clients send 64 KiB to 1 MiB."""

MIN_CHUNK = 8 * 1024
"""S3 takes no smaller ones, but for the last."""

_EMPTY = hashlib.sha256(b"").hexdigest()
_EXTENSION = re.compile(rb";chunk-signature=([0-9a-f]{64})")
TRAILER_SIGNATURE = "x-amz-trailer-signature"


class ChunkSeal:
    """The chain of signatures: each covers the one before it, beginning with the request's (the seed)."""

    def __init__(self, key: bytes, timestamp: str, scope: str, seed: str) -> None:
        self._key, self._about, self.last = key, f"{timestamp}\n{scope}", seed

    def chunk(self, data_hash: str) -> str:
        """The signature of the next chunk."""
        self.last = seal(
            self._key, f"AWS4-HMAC-SHA256-PAYLOAD\n{self._about}\n{self.last}\n{_EMPTY}\n{data_hash}"
        )
        return self.last

    def trailer(self, fields: tuple[tuple[str, str], ...]) -> str:
        """The signature of the trailers."""
        lines = "".join(f"{name}:{value}\n" for name, value in fields)
        hashed = hashlib.sha256(lines.encode("latin-1")).hexdigest()
        return seal(self._key, f"AWS4-HMAC-SHA256-TRAILER\n{self._about}\n{self.last}\n{hashed}")


class Chunked:
    """Takes the framing off. With a `chain`, chunks are signed; with a `trailer`, a header of that name ends the body (its
    value is in `trailers` then) and is signed if the chunks are."""

    def __init__(self, length: int, trailer: str, chain: ChunkSeal | None) -> None:
        self._reader = ChunkReader()
        self._left, self._trailer, self._chain = length, trailer, chain
        self._small = False
        self._open = 0
        self._signature = ""
        self._parts: list[bytes] = []
        self._done = False
        self.trailers: tuple[tuple[str, str], ...] = ()

    def feed(self, data: bytes) -> bytes:
        """The payload in `data`, as far as it is verified. Raises NotSigned."""
        if data and self._done:
            raise _broken("there is more after its end")
        try:
            payload = b"".join([self._piece(piece) for piece in self._reader.feed(data)])
        except BadChunk as error:
            raise _broken(str(error)) from None
        if self._reader.rest:
            raise _broken("there is more after its end")
        return payload

    def finish(self) -> None:
        """Raise NotSigned unless all of the body was there."""
        if not self._done:
            raise NotSigned("IncompleteBody", "The body ended before its last chunk.", 400)

    def _piece(self, piece: Piece) -> bytes:
        if isinstance(piece, Size):
            return self._begin(piece)
        if isinstance(piece, Trailers):
            return self._end(piece.fields)
        return self._data(piece)

    def _begin(self, chunk: Size) -> bytes:
        self._left -= chunk.size
        if self._left < 0 or (not chunk.size and self._left):
            raise NotSigned(
                "IncompleteBody", "The body isn't as long as x-amz-decoded-content-length says.", 400
            )
        if (self._small and chunk.size) or (self._chain and chunk.size > MAX_CHUNK):
            raise NotSigned(
                "InvalidChunkSizeError",
                f"Chunks must have {MIN_CHUNK} bytes (but for the last) to {MAX_CHUNK}.",
                403,
            )
        self._small, self._open = chunk.size < MIN_CHUNK, chunk.size
        self._signature = self._signed_with(chunk.extension)
        if not chunk.size:
            self._verify()
        return b""

    def _signed_with(self, extension: bytes) -> str:
        match = _EXTENSION.fullmatch(extension)
        if bool(extension) != bool(self._chain) or (extension and match is None):
            raise _broken("a chunk must have a signature if, and only if, chunks are signed")
        return match[1].decode("ascii") if match else ""

    def _data(self, data: bytes) -> bytes:
        self._open -= len(data)
        if self._chain is None:
            return data
        self._parts.append(data)
        return b"" if self._open else self._verify()

    def _verify(self) -> bytes:
        """The chunk's data, now that its signature holds."""
        data = b"".join(self._parts)
        self._parts.clear()
        if self._chain is not None and not _same(
            self._chain.chunk(hashlib.sha256(data).hexdigest()), self._signature
        ):
            raise NotSigned("SignatureDoesNotMatch", "The signature of a chunk does not match it.")
        return data

    def _end(self, fields: tuple[tuple[str, str], ...]) -> bytes:
        expected = [self._trailer] if self._trailer else []
        if self._trailer and self._chain:
            expected.append(TRAILER_SIGNATURE)
        if [name for name, _ in fields] != expected:
            raise NotSigned(
                "MalformedTrailerError", "The trailers are not those that x-amz-trailer announces.", 400
            )
        self.trailers = fields[:1]
        if self._trailer and self._chain and not _same(self._chain.trailer(self.trailers), fields[1][1]):
            raise NotSigned("SignatureDoesNotMatch", "The signature of the trailers does not match them.")
        self._done = True
        return b""


def _same(made: str, given: str) -> bool:
    return hmac.compare_digest(made, given)


def _broken(rule: str) -> NotSigned:
    return NotSigned("InvalidRequest", f"The framing of the body is broken: {rule}.", 400)
