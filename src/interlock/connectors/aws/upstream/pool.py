"""Connections to services, kept for the next call."""

import asyncio
import socket
import ssl
from functools import cache
from typing import NamedTuple

import aiohappyeyeballs

from interlock.connectors.aws.upstream.link import Link

KEPT_S = 15.0
"""Seconds for which a connection that nobody uses is kept."""
AHEAD_S = 2.0
"""Seconds between two calls within which the next connection is opened ahead, where the service ends each after its answer (moto
does), and for which that one is kept."""
_SECOND_FAMILY_S = 0.25
"""Seconds after which the next address is tried as well (RFC 8305, section 5)."""


class Origin(NamedTuple):
    """Where a connection goes."""

    secure: bool
    host: str
    port: int


class Pool:
    """Connections of one target, at most `most` in use at a time; whoever comes later waits."""

    def __init__(self, *, silence_s: float, most: int) -> None:
        self._silence_s = silence_s
        self._room = asyncio.Semaphore(most)
        self._kept: dict[Origin, list[Link]] = {}
        self._used: set[Link] = set()
        self._ended: dict[Origin, float] = {}
        self._opening: dict[Origin, asyncio.Task[None]] = {}
        self._sweeper: asyncio.TimerHandle | None = None

    async def take(self, origin: Origin, connect_s: float) -> Link:
        """A connection for one call: one that was kept, or else a new one. To be given back. Raises OSError (TimeoutError and
        ssl.SSLError among them) when there is none within the seconds."""
        link = None if self._room.locked() else self._idle(origin)
        if link is not None:
            await self._room.acquire()
        else:
            async with asyncio.timeout(connect_s):
                await self._room.acquire()
                try:
                    link = self._idle(origin) or await self._open(origin)
                except BaseException:
                    self._room.release()
                    raise
        self._used.add(link)
        return link

    def give_back(self, origin: Origin, link: Link) -> None:
        """Once the call is over: what is reusable is kept, anything else ended."""
        if link not in self._used:
            return
        self._used.remove(link)
        self._room.release()
        if link.reusable:
            self._keep(origin, link, KEPT_S)
        elif link.done:
            link.close()
            self._ahead(origin)
        else:
            link.abort()

    def _keep(self, origin: Origin, link: Link, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        link.until = loop.time() + seconds
        self._kept.setdefault(origin, []).append(link)
        if self._sweeper is None:
            self._sweeper = loop.call_later(AHEAD_S, self._sweep)

    def _ahead(self, origin: Origin) -> None:
        """The service ended a connection after its answer: while calls follow each other, the next need not wait for its own."""
        loop = asyncio.get_running_loop()
        now, before = loop.time(), self._ended.get(origin, float("-inf"))
        self._ended[origin] = now
        if now - before < AHEAD_S and not self._kept.get(origin) and origin not in self._opening:
            self._opening[origin] = loop.create_task(self._open_ahead(origin))

    async def _open_ahead(self, origin: Origin) -> None:
        try:
            self._keep(origin, await self._open(origin), AHEAD_S)
        except OSError:
            pass  # the call that comes will say so
        finally:
            del self._opening[origin]

    def _idle(self, origin: Origin) -> Link | None:
        """The one that was used last: the others grow old."""
        kept = self._kept.get(origin)
        while kept:
            link = kept.pop()
            if link.reusable and asyncio.get_running_loop().time() < link.until:
                return link
            link.close()
        return None

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        now, kept = loop.time(), self._kept
        self._kept = {}
        for origin, links in kept.items():
            for link in links:
                if link.reusable and now < link.until:
                    self._kept.setdefault(origin, []).append(link)
                else:
                    link.close()
        self._sweeper = loop.call_later(AHEAD_S, self._sweep) if self._kept else None

    async def _open(self, origin: Origin) -> Link:
        loop = asyncio.get_running_loop()
        tls = _tls() if origin.secure else None
        name = origin.host if origin.secure else None
        found = await _addresses(origin.host, origin.port)
        if len(found) == 1:
            host, port = found[0][4][:2]
            _, link = await loop.create_connection(self._link, host, port, ssl=tls, server_hostname=name)
        else:
            sock = await aiohappyeyeballs.start_connection(found, happy_eyeballs_delay=_SECOND_FAMILY_S)
            _, link = await loop.create_connection(self._link, sock=sock, ssl=tls, server_hostname=name)
        return link

    def _link(self) -> Link:
        return Link(self._silence_s)

    def close(self) -> None:
        """End all of them."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for opening in self._opening.values():
            opening.cancel()
        for link in (*self._used, *(link for links in self._kept.values() for link in links)):
            link.abort()
        self._kept.clear()


async def _addresses(host: str, port: int) -> list[tuple[int, int, int, str, tuple[str, int]]]:
    """What a name stands for. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    )
    return list(found)  # type: ignore[arg-type]


@cache
def _tls() -> ssl.SSLContext:
    """Verified against the system's authorities."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
