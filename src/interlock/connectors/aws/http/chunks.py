"""Chunked framing, as HTTP (RFC 9112 section 7.1) and aws-chunked bodies share it: `size[extension] CRLF data CRLF … 0 CRLF
trailers CRLF`.

Only the framing is read here, and strictly: no spaces, no leading zeros, CRLF everywhere. What an extension means is the
reader's.
"""

import re
from collections.abc import Iterator
from typing import TypeAlias

from interlock.connectors.aws.http.limits import MAX_CHUNK_LINE, MAX_TRAILERS
from interlock.model.base import Value

_SIZE = re.compile(rb"(0|[1-9A-Fa-f][0-9A-Fa-f]{0,14})((?:;[!-~]*)?)", re.ASCII)
_TRAILER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*((?:[!-~](?:[ \t!-~]*[!-~])?)?)[ \t]*", re.ASCII)


class BadChunk(Exception):
    """The framing is broken; the text names the rule."""


class Size(Value, frozen=True):
    """A chunk begins: its size (0: the last) and what follows the size on its line."""

    size: int
    extension: bytes


class Trailers(Value, frozen=True):
    """The end of the body. Names are in lower case."""

    fields: tuple[tuple[str, str], ...]


Piece: TypeAlias = Size | bytes | Trailers
_Step: TypeAlias = tuple[int, Piece | None]
"""How far the data is read, and the piece that was found there."""

_MORE: _Step = (-1, None)


class ChunkReader:
    """Cuts a chunked body into pieces; `rest` is what came after its end."""

    def __init__(self) -> None:
        self._kept = b""
        self._left = 0
        self._fields: list[tuple[str, str]] = []
        self._room = MAX_TRAILERS
        self._state = self._size
        self.done = False
        self.rest = b""

    def feed(self, data: bytes) -> Iterator[Piece]:
        """The pieces that are complete; data of a chunk is handed out as it comes. To be used up. Raises BadChunk."""
        if self._kept:
            data = self._kept + data
        at = 0
        while not self.done:
            after, piece = self._state(data, at)
            if after < 0:
                break
            at = after
            if piece is not None:
                yield piece
        self._kept = b"" if self.done else data[at:]

    def _line(self, data: bytes, at: int, limit: int) -> int:
        """Where the line that begins at `at` ends, or -1 when it isn't complete."""
        end = data.find(b"\r\n", at, at + limit)
        if end < 0 and len(data) - at >= limit:
            raise BadChunk("a line of the chunked framing is too long")
        return end

    def _size(self, data: bytes, at: int) -> _Step:
        end = self._line(data, at, MAX_CHUNK_LINE)
        if end < 0:
            return _MORE
        match = _SIZE.fullmatch(data, at, end)
        if match is None:
            raise BadChunk("a chunk's size line is malformed")
        self._left = int(match[1], 16)
        self._state = self._data if self._left else self._trailer
        return end + 2, Size(self._left, match[2])

    def _data(self, data: bytes, at: int) -> _Step:
        if at == len(data):
            return _MORE
        piece = data[at : at + self._left]
        self._left -= len(piece)
        if not self._left:
            self._state = self._data_end
        return at + len(piece), piece

    def _data_end(self, data: bytes, at: int) -> _Step:
        found = data[at : at + 2]
        if not b"\r\n".startswith(found):
            raise BadChunk("a chunk is longer than its size says")
        if len(found) < 2:
            return _MORE
        self._state = self._size
        return at + 2, None

    def _trailer(self, data: bytes, at: int) -> _Step:
        end = self._line(data, at, self._room)
        if end < 0:
            return _MORE
        if end == at:
            self.done, self.rest = True, data[end + 2 :]
            return end + 2, Trailers(tuple(self._fields))
        self._room -= end + 2 - at
        self._fields.append(_field(data[at:end]))
        return end + 2, None


def _field(line: bytes) -> tuple[str, str]:
    match = _TRAILER.fullmatch(line)
    if match is None:
        raise BadChunk("a trailer is malformed")
    return match[1].decode("ascii").lower(), match[2].decode("ascii")
