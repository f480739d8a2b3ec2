"""Follows the boundaries of messages in a stream that passes through, without holding it.

A row of a gigabyte costs what its chunks cost. Only the messages of interest are reported (:class:`Scanner`) or
collected (:class:`Relay`).
"""

import struct

from interlock.connectors.postgres.codec.framer import refuse
from interlock.connectors.postgres.codec.limits import NOTHING, Limits
from interlock.wire import ProtocolViolation

Span = tuple[int, int, int, bool]
"""Type byte, start and end in the chunk, and whether the message ends there."""

_HEADER = struct.Struct(">BI").unpack_from
_ROW = ord("D")
_READY = ord("Z")


class Scanner:
    """Reports where the messages of the types in ``interest`` lie.

    A message that spans chunks is reported in each of them: it is complete where its last byte is.
    """

    __slots__ = ("_head", "_interest", "_kind", "_left", "_limits", "_plain_row")

    def __init__(self, limits: Limits, interest: bytes) -> None:
        self._limits = limits
        self._interest = frozenset(interest)
        # The type that streams are made of is worth a shortcut, when it is only passed on.
        self._plain_row = -1 if _ROW in interest or not limits[_ROW] else _ROW
        self._head = b""
        self._kind = 0
        self._left = 0

    @property
    def at_boundary(self) -> bool:
        """Whether what has been scanned ends where a message ends."""
        return not self._left and not self._head

    @property
    def inside(self) -> int | None:
        """The type of the message that the last chunk ended in, or None at a boundary."""
        if self._left:
            return self._kind
        return self._head[0] if self._head else None

    def scan(self, data: bytes) -> list[Span]:
        """The spans of interest in the next chunk. Raises :class:`ProtocolViolation` as a framer does."""
        spans: list[Span] = []
        position = 0 if self.at_boundary else self._resume(data, spans)
        interest, limits, plain = self._interest, self._limits, self._plain_row
        longest_row = limits[_ROW]
        size = len(data)
        last = size - 5
        while position <= last:
            kind, length = _HEADER(data, position)
            if kind == plain and 4 <= length <= longest_row:
                position += length + 1
                continue
            if length < 4 or length > limits[kind]:
                self._break(kind, length)
            if kind in interest:
                self._check_ready(kind, length)
                end = position + length + 1
                spans.append((kind, position, end, True) if end <= size else (kind, position, size, False))
            position += length + 1
        if position > size:
            self._kind = kind
            self._left = position - size
        elif position < size:
            self._cut_head(data, position, spans)
        return spans

    def _cut_head(self, data: bytes, position: int, spans: list[Span]) -> None:
        """The chunk ends in a header, from ``position`` on."""
        kind = data[position]
        if not self._limits[kind]:
            self._break(kind, 4)
        self._head = data[position:]
        if kind in self._interest:
            spans.append((kind, position, len(data), False))

    def _resume(self, data: bytes, spans: list[Span]) -> int:
        """Account for the message begun in an earlier chunk; returns where the next one begins."""
        if self._head:
            need = 5 - len(self._head)
            head = self._head + data[:need]
            self._kind = head[0]
            if len(head) < 5:
                self._head = head
                self._report(len(data), False, spans)
                return len(data)
            kind, length = _HEADER(head)
            if length < 4 or length > self._limits[kind]:
                self._break(kind, length)
            self._check_ready(kind, length)
            self._head = b""
            self._left = need + length - 4
        end = self._left
        if end > len(data):
            self._left = end - len(data)
            self._report(len(data), False, spans)
            return len(data)
        self._left = 0
        self._report(end, True, spans)
        return end

    def _report(self, end: int, complete: bool, spans: list[Span]) -> None:
        if self._kind in self._interest and end:
            spans.append((self._kind, 0, end, complete))

    def _check_ready(self, kind: int, length: int) -> None:
        # Whoever looks for it takes its last byte for the status, without decoding it.
        if kind == _READY and length != 5:
            self._break(kind, 0)

    def _break(self, kind: int, length: int) -> None:
        violation = refuse(kind, length, self._limits)
        self._limits = NOTHING
        self._plain_row = -1
        self._head = b""
        self._left = 0
        raise violation


class Relay:
    """Splits a stream into what only passes through and the whole messages of interest, in their order.

    ``feed`` returns pieces ``(type byte, whole message)`` for the types in ``interest``, and ``(0, bytes)`` for runs
    of anything else, which may begin and end inside messages. At most ``longest`` bytes of one message of interest
    are held.
    """

    __slots__ = ("_held", "_longest", "_scanner")

    def __init__(self, limits: Limits, interest: bytes, longest: int = 16 * 1024 * 1024) -> None:
        self._scanner = Scanner(limits, interest)
        self._held = bytearray()
        self._longest = longest

    @property
    def at_boundary(self) -> bool:
        """Whether everything fed so far ends where a message ends, so that another message may be put in."""
        return self._scanner.at_boundary

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The pieces of the next chunk. Raises :class:`ProtocolViolation` as a framer does."""
        spans = self._scanner.scan(data)
        if not spans:
            return [(0, data)] if data else []
        pieces: list[tuple[int, bytes]] = []
        position = 0
        for kind, start, end, complete in spans:
            if start > position:
                pieces.append((0, data[position:start]))
            position = end
            if complete and not self._held:
                pieces.append((kind, data[start:end]))
                continue
            self._held += data[start:end]
            if len(self._held) > self._longest:
                raise ProtocolViolation(
                    f"a message is longer than the {self._longest} bytes that can be held"
                )
            if complete:
                pieces.append((kind, bytes(self._held)))
                self._held.clear()
        if position < len(data):
            pieces.append((0, data[position:]))
        return pieces
