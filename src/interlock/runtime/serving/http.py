"""Serving the HTTP API: on TCP for people and agents, and on the admin socket, where the kernel says who asks."""

import asyncio
import contextlib
import os
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import structlog
import uvicorn

from interlock.model.errors import Misconfigured
from interlock.runtime.config.addresses import address
from interlock.runtime.config.document import Api
from interlock.runtime.config.identity import Identity
from interlock.runtime.serving import http_protocol
from interlock.runtime.serving.http_protocol import PromptProtocol

App: TypeAlias = Callable[[Any, Any, Any], Any]
"""An ASGI application."""

_log = structlog.get_logger(__name__)
_UCRED = struct.Struct("3i")


def peer_uid(descriptor: int) -> int:
    """The user id at the other end of a unix socket, as the kernel reports it (unix(7), SO_PEERCRED)."""
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        _, uid, _ = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return int(uid)


def with_uid(app: App, uid: int) -> App:
    """The app, told the peer's user id in `scope["state"]["uid"]`. Only the admin socket sets it."""

    async def told(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope = {**scope, "state": {**scope.get("state", {}), "uid": uid}}
        await app(scope, receive, send)

    return told


def protocol(allowed: frozenset[int]) -> type[asyncio.Protocol]:
    """The HTTP protocol of the admin socket: peers that are not allowed are cut off before they can say anything."""

    class AdminProtocol(PromptProtocol):
        def connection_made(self, transport: Any) -> None:
            uid = peer_uid(transport.get_extra_info("socket").fileno())
            if uid not in allowed:
                _log.warning("admin_socket.refused", uid=uid)
                transport.abort()
                return
            self.app = with_uid(self.app, uid)
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            if getattr(self, "transport", None) is not None:
                super().connection_lost(exc)

    return AdminProtocol


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handling: the gateway decides when to stop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """One door of the API."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        self._server, self._sockets = _Server(config), sockets
        self._task: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """HOST:PORT or the path of the socket."""
        name = self._sockets[0].getsockname()
        return name if isinstance(name, str) else f"{name[0]}:{name[1]}"

    async def start(self) -> None:
        self._task = asyncio.create_task(self._server.serve(self._sockets), name="http")
        up = asyncio.create_task(self._server.up.wait())
        await asyncio.wait({up, self._task}, return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if self._task.done():
            self._task.result()

    async def stop(self) -> None:
        self._server.should_exit = True
        if self._task is not None:
            await self._task


def _config(app: App, http: type[asyncio.Protocol] = PromptProtocol, **more: Any) -> uvicorn.Config:
    # No proxy headers: who asks is never a header's word.
    return uvicorn.Config(
        app,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=5,
        ws="none",
        http=http,
        timeout_keep_alive=http_protocol.KEEP_ALIVE_S,
        h11_max_incomplete_event_size=http_protocol.LARGEST_HEAD,
        limit_concurrency=http_protocol.MOST,
        **more,
    )


def on_tcp(app: App, api: Api) -> HttpServer:
    """The API on its address. Raises Misconfigured when it cannot listen there."""
    host, port = address(api.listen)
    listening = _listen(host, port)
    if api.tls is None:
        return HttpServer(_config(app), [listening])
    try:
        config = _config(app, ssl_certfile=api.tls.cert, ssl_keyfile=api.tls.key)
        config.load()
    except (OSError, ssl.SSLError) as error:
        listening.close()
        raise Misconfigured(f"api.tls: certificate or key cannot be used ({type(error).__name__})") from None
    return HttpServer(config, [listening])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named, asyncio too sends answers without waiting for more (TCP_NODELAY), as uvloop does anyhow.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise Misconfigured(f"api.listen: cannot listen on {host}:{port}: {error.strerror}") from None
    return listening


def on_socket(app: App, path: Path, allowed: frozenset[int] | None = None) -> HttpServer:
    """The API on the admin socket, for the user ids `allowed`, else for root and the server's own user (its folder lets nobody else
    come near either)."""
    allowed = Identity().admitted() if allowed is None else allowed
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        path.unlink(missing_ok=True)
        listening.bind(str(path))
        listening.listen(64)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise Misconfigured(f"the admin socket {path} cannot be made: {error.strerror}") from None
    finally:
        os.umask(before)
    return HttpServer(_config(app, protocol(allowed)), [listening])
