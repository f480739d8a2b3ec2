"""A wire between a client and a server that can be cut without a word: nothing is refused, nothing answers."""

import contextlib
import enum
import socket
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit


class Mode(enum.Enum):
    """What becomes of bytes: they pass, they wait and pass later, or they are lost for good."""

    PASS = "pass"
    SLOW = "slow"
    SILENT = "silent"


class Wire:
    """Forwards TCP from an address of its own to a server on loopback. Bytes that came while it was silent are lost, and what
    was connected then never hears anything again, as behind a router that forgot it. `noticed` is set whenever something was
    held back or lost."""

    def __init__(self, port: int, *, host: str = "127.0.0.1") -> None:
        self._server = ("127.0.0.1", port)
        self._listener = socket.create_server((host, 0))
        self.host, self.port = host, int(self._listener.getsockname()[1])
        self.noticed = threading.Event()
        self._moved = threading.Condition()
        self._mode = Mode.PASS

    def url(self, dsn: str) -> str:
        """The same database, through this wire."""
        parts = urlsplit(dsn)
        login = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{login}@{self.host}:{self.port}"))

    def become(self, mode: Mode) -> None:
        """From now on."""
        with self._moved:
            self._mode = mode
            self.noticed.clear()
            self._moved.notify_all()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.become(Mode.PASS)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        if not self._passes():
            threading.Event().wait()  # connected, and nobody there: for as long as the process lives
        try:
            server = socket.create_connection(self._server)
        except OSError:
            client.close()
            return
        for one, other in ((client, server), (server, client)):
            threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _passes(self) -> bool:
        """Whether something passes; it may have to wait. False when it is lost."""
        with self._moved:
            while self._mode is Mode.SLOW:
                self.noticed.set()
                self._moved.wait()
            if self._mode is Mode.SILENT:
                self.noticed.set()
            return self._mode is Mode.PASS

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if not self._passes():
                    while source.recv(1 << 16):
                        pass
                    return
                sink.sendall(data)
        # An end is heard as well, unless nothing is.
        if self._passes():
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_RDWR)
