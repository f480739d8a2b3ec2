"""Cuts a stream of bytes into whole messages.

Only type and length are looked at, so that messages which merely pass through cost next to nothing; the table's
``decode_…`` functions take what comes out. For streams that must not be held whole, see ``scanner``.
"""

import struct

from interlock.connectors.postgres.codec.limits import NOTHING, STARTUP_LIMIT, Limits
from interlock.wire import ProtocolViolation, ReceiveBuffer

Frame = tuple[int, bytes]
"""The type byte, and the whole message with type and length."""

_HEADER = struct.Struct(">BI").unpack_from
_TLS_HANDSHAKE = 0x16


def refuse(kind: int, length: int, limits: Limits) -> ProtocolViolation:
    """The violation of a header that breaks ``limits``."""
    if not limits[kind]:
        return ProtocolViolation(f"unexpected message type 0x{kind:02x}")
    if length < 4:
        return ProtocolViolation(f"impossible length of message type 0x{kind:02x}")
    return ProtocolViolation(f"message type 0x{kind:02x} is longer than the {limits[kind]} bytes allowed")


class Framer:
    """Cuts one direction of a connection, after the startup packet, into messages.

    ``limits`` says which types are known and how long each may be; :meth:`use` changes it, for example when the
    peer is logged in. After a violation everything is refused.
    """

    __slots__ = ("_limits", "_pending")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pending = ReceiveBuffer(max(limits) + 1)

    def use(self, limits: Limits) -> None:
        """Judge the messages that begin from now on by ``limits``."""
        self._limits = limits
        self._pending.limit = max(limits) + 1

    def __len__(self) -> int:
        """How many bytes of an unfinished message are held; 0 at a boundary between messages."""
        return len(self._pending)

    def feed(self, data: bytes) -> list[Frame]:
        """The messages that ``data`` completes. Raises :class:`ProtocolViolation` for an unknown type or a bad length.

        When it raises, the messages before the violation in the same ``data`` are not returned: a peer that breaks the
        protocol has nothing more done for it.
        """
        frames: list[Frame] = []
        position = self._finish_pending(data, frames) if len(self._pending) else 0
        limits = self._limits
        size = len(data)
        last = size - 5
        while position <= last:
            kind, length = _HEADER(data, position)
            if length < 4 or length > limits[kind]:
                self._break(kind, length)
            end = position + length + 1
            if end > size:
                break
            frames.append((kind, data[position:end]))
            position = end
        if position < size:
            self._hold(data[position:])
        return frames

    def leftover(self) -> bytes:
        """The bytes of the unfinished message, no longer held: for whoever goes on with the stream."""
        return self._pending.take_all()

    def _hold(self, part: bytes) -> None:
        # A type that is refused is refused at once: its length may never come.
        if not self._limits[part[0]]:
            self._break(part[0], 4)
        self._pending.append(part)

    def _finish_pending(self, data: bytes, frames: list[Frame]) -> int:
        """Add what belongs to the message begun before; returns where the next one begins."""
        pending = self._pending
        position = max(0, 5 - len(pending))
        pending.append(data[:position])
        if len(pending) < 5:
            return len(data)
        kind, length = _HEADER(pending.peek(5))
        if length < 4 or length > self._limits[kind]:
            self._break(kind, length)
        end: int = position + length + 1 - len(pending)
        pending.append(data[position:end])
        if len(pending) < length + 1:
            return len(data)
        frames.append((kind, pending.take_all()))
        return end

    def _break(self, kind: int, length: int) -> None:
        violation = refuse(kind, length, self._limits)
        self._limits = NOTHING
        self._pending.take_all()
        raise violation


class StartupFramer:
    """Waits for one startup packet; a client sends several when it asks for encryption first."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        # A client that speaks early may have sent more than the packet, but no client sends much more.
        self._pending = ReceiveBuffer(2 * STARTUP_LIMIT + 64 * 1024)

    def feed(self, data: bytes) -> bytes | None:
        """The packet, once it is whole. Raises :class:`ProtocolViolation` when its length is impossible."""
        self._pending.append(data)
        head = self._pending.peek(4)
        if head[:1] == bytes((_TLS_HANDSHAKE,)):
            raise ProtocolViolation("TLS must be asked for with an SSLRequest")
        if len(head) < 4:
            return None
        length = int.from_bytes(head, "big")
        if not 8 <= length <= STARTUP_LIMIT:
            raise ProtocolViolation("this is not a PostgreSQL startup packet")
        return self._pending.take(length)

    def leftover(self) -> bytes:
        """What came after the packet.

        It must be empty after a request for encryption, or someone in between has put it there
        (CVE-2021-23214); after a StartupMessage it belongs to the :class:`Framer`.
        """
        return self._pending.take_all()
