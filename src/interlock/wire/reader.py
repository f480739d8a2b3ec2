"""A strict cursor over one complete message in network byte order."""

import struct

from interlock.wire.errors import InvalidText, ProtocolViolation

_UINT16 = struct.Struct(">H").unpack_from
_INT16 = struct.Struct(">h").unpack_from
_UINT32 = struct.Struct(">I").unpack_from
_INT32 = struct.Struct(">i").unpack_from


class Reader:
    """Reads fields from ``data``, beginning at ``position``; ``what`` names the message in errors.

    Every method raises :class:`ProtocolViolation` when the message ends before the field does; no other
    exception comes out, whatever the bytes are. Call :meth:`finish` after the last field.
    """

    __slots__ = ("_data", "_end", "_position", "_what")

    def __init__(self, data: bytes, position: int = 0, what: str = "message") -> None:
        self._data = data
        self._position = position
        self._end = len(data)
        self._what = what

    def _skip(self, size: int) -> int:
        """Move past ``size`` bytes and return where they begin."""
        start = self._position
        if size < 0 or size > self._end - start:
            raise self.violation("it ends in the middle of a field")
        self._position = start + size
        return start

    def violation(self, rule: str) -> ProtocolViolation:
        """The error to raise when this message breaks ``rule``."""
        return ProtocolViolation(f"malformed {self._what}: {rule}")

    def uint8(self) -> int:
        """One byte, 0 to 255."""
        return self._data[self._skip(1)]

    def int16(self) -> int:
        """Two bytes, signed."""
        value: int = _INT16(self._data, self._skip(2))[0]
        return value

    def uint16(self) -> int:
        """Two bytes, unsigned."""
        value: int = _UINT16(self._data, self._skip(2))[0]
        return value

    def int32(self) -> int:
        """Four bytes, signed."""
        value: int = _INT32(self._data, self._skip(4))[0]
        return value

    def uint32(self) -> int:
        """Four bytes, unsigned."""
        value: int = _UINT32(self._data, self._skip(4))[0]
        return value

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes; a negative size is a violation too."""
        start = self._skip(size)
        return self._data[start : start + size]

    def text(self) -> str:
        """UTF-8 text that ends with a NUL byte. Raises :class:`InvalidText` when it is not UTF-8."""
        start = self._position
        end = self._data.find(0, start, self._end)
        if end < 0:
            raise self.violation("a text is not terminated")
        self._position = end + 1
        try:
            return self._data[start:end].decode()
        except UnicodeDecodeError:
            raise InvalidText(f"malformed {self._what}: a text is not valid UTF-8") from None

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(self._end - self._position)

    def nullable(self) -> bytes | None:
        """A value preceded by its length in four bytes; the length -1 stands for None."""
        size = self.int32()
        if size == -1:
            return None
        return self.take(size)

    def nullables(self) -> tuple[bytes | None, ...]:
        """A count in two bytes, then as many values as :meth:`nullable` reads."""
        data, position, end = self._data, self._skip(2) + 2, self._end
        # This is how rows are read, so it does without the method calls. Each value takes four bytes or more.
        (count,) = _UINT16(data, position - 2)
        values: list[bytes | None] = []
        for _ in range(count):
            if end - position < 4:
                raise self.violation("it ends in the middle of a field")
            (size,) = _INT32(data, position)
            position += 4
            if size == -1:
                values.append(None)
                continue
            if size < 0 or size > end - position:
                raise self.violation("a value has an impossible length")
            values.append(data[position : position + size])
            position += size
        self._position = position
        return tuple(values)

    def finish(self) -> None:
        """Raises :class:`ProtocolViolation` unless everything has been read."""
        if self._position != self._end:
            raise self.violation("bytes follow the last field")
