"""A relay between gateway and moto that counts requests."""

import socket
import threading
from types import TracebackType
from typing import Self


class Counting:
    """Each connection is relayed as it is; requests are counted by their first lines."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = int(self._listener.getsockname()[1])
        self.count = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._upstream))
            for one, other, counts in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._relay, args=(one, other, counts), daemon=True).start()

    def _relay(self, one: socket.socket, other: socket.socket, counts: bool) -> None:
        try:
            while data := one.recv(1 << 16):
                self.count += data.count(b" HTTP/1.1\r\n") if counts else 0
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            one.close()
            other.close()
