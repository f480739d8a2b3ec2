"""A TCP proxy that breaks the connection at a chosen moment of a PostgreSQL session."""

import selectors
import socket
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit


class LossyProxy:
    """Forwards to a server. While :attr:`armed`, the first COMMIT is delivered, but its answer never is: the
    connection breaks instead; with :attr:`closed_after`, no later one is accepted either."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        userinfo = parts.netloc.rpartition("@")[0]
        self.url = urlunsplit(parts._replace(netloc=f"{userinfo}@127.0.0.1:{port}"))
        self.armed = self.closed_after = False
        self.broken = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.broken and self.closed_after:
                client.close()
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._server) as server, selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ)
            ready.register(server, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    source, target = (client, server) if key.fileobj is client else (server, client)
                    try:
                        data = source.recv(65536)
                    except OSError:
                        return
                    if not data:
                        return
                    target.sendall(data)
                    if source is client and self.armed and b"COMMIT\0" in data:
                        server.recv(65536)  # the server has answered: it is committed
                        self.armed = False
                        self.broken += 1
                        return
