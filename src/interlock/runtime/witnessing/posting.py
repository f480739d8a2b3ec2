"""Sending something to an address, for witnesses and webhooks. Redirects are never followed."""

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator


def connection(scheme: str, host: str, port: int | None, timeout: float) -> http.client.HTTPConnection:
    """A connection that is not open yet; each step of it may take `timeout` seconds. Certificates are checked."""
    if scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
    return http.client.HTTPConnection(host, port, timeout=timeout)


@contextlib.contextmanager
def no_longer_than(seconds: float, connected: socket.socket) -> Iterator[None]:
    """End the connection after that time: the timeout of a socket starts anew with each byte."""

    def end() -> None:
        with contextlib.suppress(OSError):  # closed already
            socket.socket.shutdown(connected, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
