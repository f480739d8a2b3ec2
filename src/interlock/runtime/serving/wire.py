"""One client connection on asyncio: `sdk.connector.Wire` for the connector's session, with backpressure both ways."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import structlog

from interlock.runtime.drive import described
from interlock.sdk.connector import Session

HIGH_WATER = 256 * 1024
"""Bytes in the client's write buffer above which the source is paused."""

TLS_SECONDS = 10.0

_log = structlog.get_logger(__name__)


class Connection(asyncio.Protocol):
    """Both the transport's protocol and the session's wire. `make` builds the session once the client is there."""

    def __init__(
        self, make: Callable[["Connection"], Session], on_end: Callable[["Connection"], None], name: str
    ) -> None:
        self._make, self._on_end, self._name = make, on_end, name
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._closing = False
        self.session: Session | None = None
        self._received: Callable[[bytes], None] = _nothing
        self.peer = ""
        self.secure = False

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]  # uvloop's is not a subclass
        self._transport.set_write_buffer_limits(high=HIGH_WATER)  # type: ignore[union-attr]
        self.peer = _peer(transport.get_extra_info("peername"))
        self._guard(self._begin)

    def _begin(self) -> None:
        self.session = self._make(self)
        self._received = self.session.received

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        try:  # `_guard` in place, as this is called for each message
            self._received(data)
        except Exception as error:  # noqa: BLE001  # the boundary to the event loop
            self._broke(error)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._writable.set()
        session = self.session
        if session is not None:
            self._guard(lambda: session.lost(exc))
        self._on_end(self)

    def pause_writing(self) -> None:
        self._writable.clear()
        if self.session is not None:
            self.session.writable(False)

    def resume_writing(self) -> None:
        self._writable.set()
        if self.session is not None and not self._closing:
            self.session.writable(True)

    def _guard(self, call: Callable[[], Any]) -> None:
        """A bug in one session must end that connection, and no other."""
        try:
            call()
        except Exception as error:  # noqa: BLE001  # the boundary to the event loop
            self._broke(error)

    def _broke(self, error: Exception) -> None:
        _log.error("session.broke", target=self._name, **described(error))
        self.abort()

    # -- sdk.connector.Wire

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._closing:
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait while the client is slow. Raises ConnectionError when it is gone."""
        await self._writable.wait()
        if self._closing:
            raise ConnectionResetError("the client is gone")

    def pause(self) -> None:
        if self._transport is not None and not self._closing:
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._closing:
            self._transport.resume_reading()

    def buffered(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """See `sdk.connector.Wire`. Reading pauses before anything else, so that nothing of the handshake reaches the session."""
        transport = self._transport
        if transport is None or self._closing:
            raise ConnectionResetError("the client is gone")
        transport.pause_reading()
        loop = asyncio.get_running_loop()
        upgraded = await loop.start_tls(
            transport, self, context, server_side=True, ssl_handshake_timeout=TLS_SECONDS
        )
        if upgraded is None:
            raise ConnectionResetError("the client is gone")
        self._transport = upgraded
        upgraded.set_write_buffer_limits(high=HIGH_WATER)
        self.secure = True

    def close(self) -> None:
        """See `sdk.connector.Wire`."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        self._closing = True
        if self._transport is not None:
            self._transport.abort()


def _nothing(data: bytes) -> None:
    """Takes what comes before there is a session."""


def _peer(name: Any) -> str:
    if isinstance(name, tuple) and len(name) >= 2:
        return f"{name[0]}:{name[1]}"
    return str(name or "unix")
