"""The state of one connection, from the side of the server: bytes in, events out."""

import re

from interlock.connectors.aws.http.chunks import BadChunk, ChunkReader, Piece, Size, Trailers
from interlock.connectors.aws.http.events import Data, End, Event, Head, Malformed
from interlock.connectors.aws.http.head import check_lines, read_head
from interlock.connectors.aws.http.limits import MAX_BODY, MAX_HEAD, MAX_KEPT

_LIST = re.compile(r"[ \t]*,[ \t]*")


class Parser:
    """Requests from a connection, one at a time.

    After the End of a request nothing more is read until `next()`: what the client sent ahead is kept (at most 1 MiB).
    Malformed ends the connection: events of the same request that were handed out before count for nothing, and every later
    call raises it again.
    """

    def __init__(self, *, max_body: int = MAX_BODY) -> None:
        self._max_body = max_body
        self._kept = bytearray()
        self._checked = 0
        self._head: Head | None = None
        self._left = 0
        self._chunks: ChunkReader | None = None
        self._ended = False
        self._failed: Malformed | None = None

    @property
    def idle(self) -> bool:
        """Whether the client has begun no request: the connection may be closed without an answer."""
        return self._head is None and not self._kept

    def feed(self, data: bytes) -> list[Event]:
        """What is complete with `data`. Raises Malformed."""
        if self._failed is not None:
            raise self._failed
        try:
            return self._feed(data)
        except Malformed as error:
            self._failed = error
            raise

    def next(self) -> list[Event]:
        """Go on with the next request, after an End: what of it is here already. Raises Malformed."""
        if not self._ended:
            raise RuntimeError("the request has not ended yet")
        self._ended, self._head, self._chunks = False, None, None
        kept, self._kept, self._checked = bytes(self._kept), bytearray(), 0
        return self.feed(kept)

    def _feed(self, data: bytes) -> list[Event]:
        if self._ended:
            self._keep(data)
            return []
        if self._head is not None:
            return self._body(data)
        self._kept += data
        return self._begin()

    def _keep(self, data: bytes) -> None:
        self._kept += data
        if len(self._kept) > MAX_KEPT:
            raise Malformed(400, f"more than {MAX_KEPT} bytes were sent ahead")

    def _begin(self) -> list[Event]:
        """The head, when it is complete, and what of the body came with it."""
        end = self._kept.find(b"\r\n\r\n", max(0, self._checked - 3), MAX_HEAD) + 4
        complete = end > 3
        self._check(end if complete else min(len(self._kept), MAX_HEAD))
        if not complete:
            if len(self._kept) >= MAX_HEAD:
                raise Malformed(431, f"the head of the request is longer than {MAX_HEAD} bytes")
            return []
        self._head = head = self._admit(read_head(bytes(self._kept[:end])))
        rest, self._kept = bytes(self._kept[end:]), bytearray()
        return [head, *self._body(rest)]

    def _check(self, end: int) -> None:
        """Look at the lines as they come, so that a head without line ends is refused before it is complete."""
        begin = self._checked - self._kept.endswith(
            b"\r", 0, self._checked
        )  # its LF may be among what is new
        check_lines(bytes(self._kept[begin:end]))
        self._checked = end

    def _admit(self, head: Head) -> Head:
        self._left = head.length or 0
        if self._left > self._max_body:
            raise Malformed(413, f"the body is longer than {self._max_body} bytes")
        if head.chunked:
            self._chunks, self._left = ChunkReader(), self._max_body
        return head

    def _body(self, data: bytes) -> list[Event]:
        if self._chunks is not None:
            return self._chunked(self._chunks, data)
        events: list[Event] = []
        piece, rest = (data, b"") if len(data) <= self._left else (data[: self._left], data[self._left :])
        if piece:
            self._left -= len(piece)
            events.append(Data(piece))
        if not self._left:
            events.append(self._end((), rest))
        return events

    def _end(self, trailers: tuple[tuple[str, str], ...], rest: bytes) -> End:
        self._ended = True
        self._keep(rest)
        return End(trailers)

    def _chunked(self, chunks: ChunkReader, data: bytes) -> list[Event]:
        try:
            return [event for piece in chunks.feed(data) for event in self._piece(piece, chunks)]
        except BadChunk as error:
            raise Malformed(400, str(error)) from None

    def _piece(self, piece: Piece, chunks: ChunkReader) -> list[Event]:
        if isinstance(piece, bytes):
            return [Data(piece)]
        if isinstance(piece, Trailers):
            return [self._end(self._announced(piece), chunks.rest)]
        self._check_size(piece)
        return []

    def _check_size(self, size: Size) -> None:
        if size.extension:
            raise Malformed(400, "a chunk of the transfer coding has an extension")
        self._left -= size.size
        if self._left < 0:
            raise Malformed(413, f"the body is longer than {self._max_body} bytes")

    def _announced(self, trailers: Trailers) -> tuple[tuple[str, str], ...]:
        """The trailers, when the head named each of them in x-amz-trailer (S3 API reference, "Signature calculations for
        trailing headers")."""
        headers = dict(self._head.headers) if self._head is not None else {}
        names = set(_LIST.split(headers.get("x-amz-trailer", "").lower()))
        found = [name for name, _ in trailers.fields]
        if len(set(found)) != len(found) or not names.issuperset(found):
            raise Malformed(400, "a trailer was not announced")
        return trailers.fields
