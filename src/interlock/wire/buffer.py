"""A receive buffer: bytes are appended at the end and taken from the front, each in amortized constant time."""

from interlock.wire.errors import ProtocolViolation


class ReceiveBuffer:
    """Holds what has been received and not yet been consumed, up to ``limit`` bytes.

    Taking from the front only moves an offset; the consumed prefix is dropped once it outweighs the rest, so a
    message of n bytes that arrives in k pieces costs O(n + k), whatever the sizes.
    """

    __slots__ = ("_data", "_start", "limit")

    def __init__(self, limit: int) -> None:
        self._data = bytearray()
        self._start = 0
        self.limit = limit

    def __len__(self) -> int:
        return len(self._data) - self._start

    def append(self, data: bytes | bytearray | memoryview) -> None:
        """Add ``data`` at the end. Raises :class:`ProtocolViolation` when more than the limit would be held."""
        if len(self) + len(data) > self.limit:
            raise ProtocolViolation(f"more than {self.limit} bytes sent without a complete message")
        self._data += data

    def peek(self, size: int) -> bytes:
        """Up to ``size`` bytes from the front, which stay."""
        return bytes(memoryview(self._data)[self._start : self._start + size])

    def take(self, size: int) -> bytes | None:
        """Exactly ``size`` bytes from the front, or None (and nothing consumed) when fewer are held."""
        if size > len(self):
            return None
        taken = self.peek(size)
        self._start += size
        if self._start * 2 > len(self._data):
            del self._data[: self._start]
            self._start = 0
        return taken

    def take_all(self) -> bytes:
        """Everything held."""
        taken = self.peek(len(self))
        self._data.clear()
        self._start = 0
        return taken
