"""A service that answers as it is told: each connection is a conversation, written as a coroutine."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Self

from interlock.connectors.aws.upstream.pool import Origin

Talk = Callable[["Peer"], Awaitable[None]]


class Peer:
    """One connection, as the service sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def head(self) -> bytes:
        """The next request's head."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def ended(self) -> bool:
        """Wait until the other side ends the connection."""
        with contextlib.suppress(ConnectionError):
            return await self.reader.read() == b""
        return True


class Service:
    """Listens on loopback; `talks` are what connections are answered with, in order, the last one for all others."""

    def __init__(self, *talks: Talk, tls: ssl.SSLContext | None = None) -> None:
        self._talks, self._tls = list(talks), tls
        self.connections = 0
        self.came: asyncio.Queue[None] = asyncio.Queue()
        self._server: asyncio.Server
        self._busy: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0, ssl=self._tls)
        self.origin = Origin(self._tls is not None, "127.0.0.1", self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._busy:
            task.cancel()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        place, self.connections = min(self.connections, len(self._talks) - 1), self.connections + 1
        self.came.put_nowait(None)
        try:
            await self._talks[place](Peer(reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def saying(*answers: bytes) -> Talk:
    """Answers one request after the other with these bytes, and ends the connection."""

    async def talk(peer: Peer) -> None:
        for answer in answers:
            await peer.head()
            await peer.say(answer)

    return talk


def always(answer: bytes) -> Talk:
    """Answers every request alike."""

    async def talk(peer: Peer) -> None:
        while True:
            await peer.head()
            await peer.say(answer)

    return talk


async def several(*pieces: bytes) -> AsyncIterator[bytes]:
    """A body in pieces."""
    for piece in pieces:
        yield piece
