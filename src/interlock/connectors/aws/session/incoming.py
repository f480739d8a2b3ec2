"""The body of one request, on its way from the connection to whoever reads it, with backpressure."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from interlock.connectors.aws import sigv4
from interlock.connectors.aws.http import Malformed
from interlock.sdk.connector import Wire

HIGH_WATER = 512 * 1024
"""Bytes that wait here before the client is asked to wait."""


class Gone(Exception):
    """The client is not there any more."""


class Incoming:
    """Pieces of a body. `done` tells that all of it has been read."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._moved = asyncio.Event()
        self._ended = self._paused = False
        self._error: Exception | None = None
        self.trailers: tuple[tuple[str, str], ...] = ()

    @property
    def done(self) -> bool:
        return self._ended and not self._pieces

    @property
    def paused(self) -> bool:
        """Whether the client was asked to wait."""
        return self._paused

    @property
    def ended(self) -> bool:
        """Whether the client has sent all of it."""
        return self._ended

    # -- the connection's side

    def put(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data)
        if self._size > HIGH_WATER and not self._paused:
            self._paused = True
            self._wire.pause()
        self._moved.set()

    def end(self, trailers: tuple[tuple[str, str], ...] = ()) -> None:
        self._ended, self.trailers = True, trailers
        self._moved.set()

    def fail(self, error: Exception) -> None:
        self._error = error
        self._moved.set()

    # -- the reader's side

    async def next(self) -> bytes:
        """The next piece; empty at the end. Raises Gone, Malformed."""
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self._ended:
                return b""
            self._moved.clear()
            await self._moved.wait()
        piece = self._pieces.popleft()
        self._size -= len(piece)
        if self._paused and self._size <= HIGH_WATER // 2:
            self._paused = False
            self._wire.resume()
        return piece

    async def drain(self, limit: int) -> bool:
        """Read what is left, of `limit` bytes at most, and forget it; whether that was all."""
        try:
            while not self.done:
                piece = await self.next()
                limit -= len(piece)
                if limit < 0:
                    return False
        except (Gone, Malformed):
            return False
        return True


class Taken:
    """What was read of a body, decoded and verified as far as it goes."""

    def __init__(self, incoming: Incoming, decoder: sigv4.Body, length: int | None) -> None:
        self._incoming, self._decoder = incoming, decoder
        self._data = bytearray()
        self.length = length
        self.complete = False
        self.broke: Exception | None = None
        """Why the rest of a body that was being sent on did not come, or was not what was signed."""

    @property
    def data(self) -> bytes:
        return bytes(self._data)

    @property
    def trailers(self) -> tuple[tuple[str, str], ...]:
        return self._decoder.trailers if self.complete else ()

    async def more(self, limit: int) -> None:
        """Read until the end, or until there are more than `limit` bytes. Raises NotSigned when it is not what was signed."""
        while not self.complete and len(self._data) <= limit:
            piece = await self._incoming.next()
            if piece:
                self._data += self._decoder.feed(piece)
            else:
                self._data += self._decoder.finish()
                self.complete = True

    def sent(self) -> bytes | AsyncIterator[bytes]:
        """What goes on: the whole, or what is there and the rest as it comes."""
        return self.data if self.complete else self._rest()

    async def _rest(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._decoded():
                yield piece
        except (Gone, Malformed, sigv4.NotSigned) as error:
            self.broke = error
            raise

    async def _decoded(self) -> AsyncIterator[bytes]:
        yield self.data
        self._data.clear()
        while piece := await self._incoming.next():
            if data := self._decoder.feed(piece):
                yield data
        if data := self._decoder.finish():
            yield data
