"""HTTP/1.1 for the API's doors, with an end to all waiting for a client (uvicorn has none for a request that never ends).

It is h11's reading of HTTP that counts, on both doors: it bounds the size of a head, and refuses what two readers could read in two
ways (obsolete line folding, bare line ends, several Content-Lengths, several Hosts or none).
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_S = 20.0
"""Seconds that a whole request, head and body, may take from its first byte (or, the first one, from the connection)."""
KEEP_ALIVE_S = 5
"""Seconds that a connection stays open between two requests."""
LARGEST_HEAD = 32 * 1024
"""Bytes of a request's line and headers."""
MOST_STALLED = 256
"""Most connections that wait for their client: one more, and the one that has waited longest is cut off. So whoever opens many and
says nothing keeps out nobody but themselves."""
MOST = 800
"""Most connections and requests under way, long polls and streams included; what is beyond is answered with 503."""

_TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class PromptProtocol(H11Protocol):
    """One connection."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._late: asyncio.TimerHandle | None = None
        self._since = self.loop.time()
        self._time_request()
        self._make_room()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._time_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)

    @property
    def _begun(self) -> bool:
        """Whether an answer is under way."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def stalled(self) -> bool:
        """Whether the client is what is waited for: to send its request, or to take the answer."""
        return not self._begun or self.cycle.more_body or self.flow.write_paused

    def _time_request(self) -> None:
        if self._begun and not self.cycle.more_body:
            self._in_time()
        elif self._late is None:
            self._since = self.loop.time()
            self._late = self.loop.call_later(REQUEST_S, self._too_late)

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _too_late(self) -> None:
        if self._begun:
            self.transport.abort()  # in the middle of the body: the request ends as when the client goes away
        elif not self.transport.is_closing():
            self.transport.write(_TIMEOUT)
            self.transport.close()

    def _make_room(self) -> None:
        stalled = [c for c in self.connections if isinstance(c, PromptProtocol) and c.stalled]
        if len(stalled) > MOST_STALLED:
            min(stalled, key=lambda each: each._since).transport.abort()
