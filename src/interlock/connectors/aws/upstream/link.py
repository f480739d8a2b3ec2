"""One connection to a service: one request after the other is written, and its answer read (RFC 9112).

httptools (llhttp) cuts the answer. What is read waits here until somebody takes it; a service that sends faster is made to wait.
No timer is set or cancelled for a call: one looks every now and then whether the service has been silent for too long."""

import asyncio
from collections import deque
from typing import Any

import httptools

HIGH_WATER = 512 * 1024
"""Bytes that wait to be taken before the service is asked to wait; likewise of what it is slow to take."""
_BODYLESS = (204, 304)


class Silent(TimeoutError):
    """The service sent nothing, and took nothing, for as long as it may."""


class Garbled(ConnectionError):
    """What came is no HTTP."""


class Link(asyncio.Protocol):
    """See the module. `silence_s` are the seconds for which the service may be silent while it is its turn. Of an answer, `status`
    is 0 until its head is there; then `headers` are as they came, and `done` tells that its end has come."""

    def __init__(self, silence_s: float) -> None:
        self._silence_s = silence_s
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._parser: Any = None
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._paused = self._full = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heard = self.until = 0.0
        self._head = self._framed = self._final = False
        self._keeps = True
        self.sending = False
        """Whether a body is on its way: then it may be the client's turn."""
        self.lost = False
        self.done = True
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []

    # -- for whoever asks

    @property
    def reusable(self) -> bool:
        """Whether another request may follow."""
        return self.done and self._keeps and not (self.lost or self.sending or self._transport.is_closing())

    def ask(self, head: bytes, *, bodyless: bool) -> None:
        """Begin a request with its head, and as much of its body as there is. `bodyless` tells that its answer has no body whatever
        its head says (HEAD)."""
        self._parser = httptools.HttpResponseParser(self)
        self._head, self._framed, self._keeps, self._final = bodyless, False, False, False
        self.done, self.status, self.headers = False, 0, []
        self._heard = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._silence_s, self._look)
        self._transport.write(head)

    async def send(self, data: bytes) -> None:
        """More of the body, at the pace at which the service takes it. Raises what ended the connection."""
        self._check()
        self._transport.write(data)
        self._heard = self._loop.time()
        while self._full:
            self._writer = self._loop.create_future()
            await self._writer
            self._check()

    async def answered(self) -> None:
        """Wait for the head of the answer. Raises what ended the connection."""
        while not self._final:
            self._check()
            await self._more()

    async def take(self) -> bytes:
        """The next piece of the answer's body, empty at its end. Raises what ended the connection."""
        while not self._pieces:
            if self.done:
                return b""
            self._check()
            await self._more()
        piece = self._pieces.popleft()
        self._size -= len(piece)
        if self._paused and self._size <= HIGH_WATER // 2:
            self._paused = False
            self._heard = self._loop.time()
            self._transport.resume_reading()
        return piece

    def abort(self) -> None:
        """End it at once."""
        self._keeps = False
        self._transport.abort()

    def close(self) -> None:
        """End it in order."""
        self._keeps = False
        self._transport.close()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    async def _more(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's is not a subclass
        self._transport.set_write_buffer_limits(high=HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        if self.done:  # nobody asked for this
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self.done:
                self._fail(Garbled("the answer is no HTTP"))
            self.abort()
        if self._size > HIGH_WATER and not (self._paused or self.done):
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if self._final and not (self.done or self._framed) and exc is None:
            self.done = True  # a body without a length ends with its connection
        if not self.done:
            self._fail(exc or ConnectionResetError("the service ended the connection"))
        self._parser = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake()
        self.resume_writing()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._heard = self._loop.time()
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)

    def _fail(self, error: Exception) -> None:
        if self._error is None:
            self._error = error

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _look(self) -> None:
        """Whether the service has been silent for too long."""
        self._timer = None
        if self.done or self.lost:
            return
        now = self._loop.time()
        if self._paused or (self.sending and not self._full):  # it is not its turn
            self._heard = now
        left = self._heard + self._silence_s - now
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
            return
        self._fail(Silent("the service was silent for too long"))
        self.abort()
        self._wake()
        self.resume_writing()

    # -- httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._final:  # trailers are nobody's
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self.done:
            self.abort()  # an answer too many
            return
        self.status = int(self._parser.get_status_code())
        if self.status < 200:
            return
        self._final = True
        names = {name.lower() for name, _ in self.headers}
        self._framed = not names.isdisjoint((b"content-length", b"transfer-encoding"))
        if self._head:  # what its head says of a body is said of another
            self._keeps, self.done = bool(self._parser.should_keep_alive()), True

    def on_body(self, data: bytes) -> None:
        if self.done:
            self.abort()  # a body where none may be
            return
        self._pieces.append(data)
        self._size += len(data)

    def on_message_complete(self) -> None:
        if not self._final:  # 1xx: the answer proper is to come (RFC 9110, section 15.2)
            self.headers, self.status = [], 0
        elif not self.done:
            self._keeps, self.done = bool(self._parser.should_keep_alive()), True
