"""A proxy between gateway and server that stops, or breaks, the agents' connections at a chosen statement of the gateway's."""

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from interlock.connectors.postgres.codec import (
    Framer,
    StartupFramer,
    backend_limits,
    decode_frontend,
    decode_startup,
    frontend_limits,
)
from interlock.connectors.postgres.codec import frontend as f
from interlock.testing.gateway import ROLES

PATIENCE_S = 60.0


class PgProxy:
    """Forwards to a server on loopback. `stop_at` arms it: when an agent's connection is to run that SQL next, `reached` is set,
    and the connection stands still (`before` the server sees it, or `after` the server has answered) until `go_on` or `cut`.
    Connections of other roles pass untouched."""

    def __init__(self, port: int) -> None:
        self._server = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.reached = threading.Event()
        self.deaf = False
        """Takes no new connections: the server cannot be reached."""
        self._sql = ""
        self._after = False
        self._decided = threading.Event()
        self._cutting = False

    def stop_at(self, sql: str, *, after: bool = False) -> None:
        """Stand still at the next execution of exactly this SQL."""
        self.reached.clear()
        self._decided.clear()
        self._sql, self._after, self._cutting = sql, after, False

    def go_on(self) -> None:
        """Let what stands still go on as if nothing had been."""
        self._decided.set()

    def cut(self) -> None:
        """Break the connection that stands still, both ways."""
        self._cutting = True
        self._decided.set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.deaf:
                client.close()
                continue
            try:
                server = socket.create_connection(self._server)
            except OSError:
                client.close()
                continue
            Link(self, client, server)

    def wait(self) -> bool:
        """Whether to go on, once somebody has decided."""
        self.reached.set()
        self._decided.wait(PATIENCE_S)
        return not self._cutting

    def is_it(self, sql: str, *, after: bool) -> bool:
        """Whether this is what to stop at; only once."""
        if not sql or sql != self._sql or after is not self._after:
            return False
        self._sql = ""
        return True


class Link:
    """One connection through the proxy, a thread for each direction."""

    def __init__(self, proxy: PgProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._statements: dict[str, str] = {}
        self._silent = threading.Event()
        threading.Thread(target=self._guarded, args=(self._forth,), daemon=True).start()
        threading.Thread(target=self._guarded, args=(self._back,), daemon=True).start()

    def _guarded(self, way: Callable[[], None]) -> None:
        with contextlib.suppress(OSError):
            way()
        for end in (self._client, self._server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _forth(self) -> None:
        if self._startup() != ROLES.upstream:
            while data := self._client.recv(1 << 16):
                self._server.sendall(data)
            return
        frames = Framer(frontend_limits())
        while data := self._client.recv(1 << 16):
            for kind, raw in frames.feed(data):
                if not self._frame(kind, raw):
                    return

    def _startup(self) -> str:
        """Pass the startup packet on; whose it is."""
        framer = StartupFramer()
        while (packet := framer.feed(self._client.recv(1))) is None:
            pass
        self._server.sendall(packet)
        message = decode_startup(packet)
        return (message.get("user") or "") if isinstance(message, f.StartupMessage) else ""

    def _frame(self, kind: int, raw: bytes) -> bool:
        """Pass a message on. False when the connection is to be cut."""
        sql = self._runs(kind, raw)
        if self._proxy.is_it(sql, after=False) and not self._proxy.wait():
            return False
        if self._proxy.is_it(sql, after=True):
            self._silent.set()
        self._server.sendall(raw)
        return True

    def _runs(self, kind: int, raw: bytes) -> str:
        """The SQL that this message brings to execution, or an empty text."""
        if kind not in b"PBQ":
            return ""
        message = decode_frontend(kind, raw)
        match message:
            case f.Parse(name, sql):
                self._statements[name] = sql
                return ""
            case f.Bind(_, statement):
                return self._statements.get(statement, "")
            case f.Query(sql):
                return sql
        return ""

    def _back(self) -> None:
        frames = Framer(backend_limits())
        while data := self._server.recv(1 << 16):
            if not self._silent.is_set():
                self._client.sendall(data)
                continue
            # The answer to what was asked for ends with a ReadyForQuery; nobody hears of it before it is decided.
            held = bytearray(data)
            while not any(kind == 90 for kind, _ in frames.feed(data)):
                data = self._server.recv(1 << 16)
                held += data
            if not self._proxy.wait():
                return
            self._silent.clear()
            self._client.sendall(bytes(held))
