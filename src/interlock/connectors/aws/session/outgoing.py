"""Writing answers to a client: whole ones, and the service's own, passed on as they come."""

from collections.abc import Iterable

from interlock.connectors.aws import http
from interlock.connectors.aws.answer import Answer
from interlock.connectors.aws.http import Head
from interlock.connectors.aws.upstream import Lost, Reply
from interlock.sdk.connector import Wire

WHOLE = 64 * 1024
"""Bytes of an answer that is passed on when all of it is there: one that breaks off can still become an error that clients see
(botocore takes half a JSON text for an answer without members)."""


class Outgoing:
    """The answer to one request. `begun` tells that something of it was written: then nothing else can be said."""

    def __init__(self, wire: Wire, head: Head) -> None:
        self._wire, self._head = wire, head
        self.begun = False
        self.keep_alive = head.keep_alive

    @property
    def _bodyless(self) -> bool:
        return self._head.method == "HEAD"

    def go_on(self) -> None:
        """100 Continue, when the client waits for it (RFC 9110, section 10.1.1)."""
        if self._head.expects_continue and not self.begun:
            self._wire.write(http.CONTINUE)

    def answer(self, answer: Answer) -> None:
        """An answer of ours."""
        self.whole(answer.status, answer.headers, answer.body)

    def whole(self, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """An answer whose body is there. That to HEAD may tell a length without one."""
        told = next((v for n, v in headers if n == "content-length"), "")
        length = int(told) if self._bodyless and told.isdigit() else len(body)
        self._begin(status, headers, length, b"" if self._bodyless else body)

    def _begin(
        self, status: int, headers: Iterable[tuple[str, str]], length: int | None, first: bytes = b""
    ) -> None:
        """The head, and what of the body goes out with it: each write is a call of the system's."""
        kept = ((name, value) for name, value in headers if name not in ("date", "server"))
        version = self._head.version
        begin = http.head(status, kept, length=length, keep_alive=self.keep_alive, version=version)
        self.begun = True
        self._wire.write(begin + first)

    async def relay(self, reply: Reply) -> None:
        """The service's answer, as it comes. Raises Lost when it breaks off, ConnectionError when the client is gone."""
        told = reply.header("content-length")
        length = int(told) if told.isdigit() else None
        if self._bodyless or reply.status in (204, 304):
            self._begin(reply.status, reply.headers, length or 0)
            return
        if length is not None and length <= WHOLE:
            self.whole(reply.status, reply.headers, await reply.whole(WHOLE))
        else:
            await self._relay_pieces(reply, length)

    async def _relay_pieces(self, reply: Reply, length: int | None) -> None:
        sent = 0
        async for piece in reply.pieces():
            framed = piece if length is not None else http.chunk(piece)
            if self.begun:
                self._wire.write(framed)
            else:
                self._begin(reply.status, reply.headers, length, framed)
            sent += len(piece)
            await self._wire.drain()
        if not self.begun:
            self._begin(reply.status, reply.headers, length)
        if length is None:
            self._wire.write(http.LAST)
        elif sent != length:
            raise Lost("the answer broke off", sent=True)
