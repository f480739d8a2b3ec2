"""What goes to the client: the messages of one turn of the event loop leave in one write."""

import asyncio
from collections.abc import Callable

_LARGE = 64 * 1024


class Outbox:
    """Writes in the order given. What is large leaves at once, so that a slow client is noticed."""

    __slots__ = ("_size", "_waiting", "_write")

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._waiting: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """Send soon."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting.append(data)
        self._size += len(data)
        if self._size >= _LARGE:
            self.flush()

    def write_now(self, data: bytes) -> None:
        """Send now, behind what waits."""
        if self._waiting:
            self._waiting.append(data)
            self.flush()
        else:
            self._write(data)

    def flush(self) -> None:
        """Send what waits."""
        waiting = self._waiting
        if waiting:
            self._waiting, self._size = [], 0
            self._write(waiting[0] if len(waiting) == 1 else b"".join(waiting))
