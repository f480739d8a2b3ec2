"""What passed before passes again: whole segments of pure reads, recognised without being taken apart.

Remembered is only what `Passing` found the long way, and only as long as nothing it rests on may have changed: rules and rights
(`Gate.moment`), catalogs (`Server.catalog_epoch`), and the session itself (`forget`).
"""

import re
import struct
from collections.abc import Container

from interlock.connectors.postgres.codec import build, encode
from interlock.connectors.postgres.codec import frontend as f
from interlock.connectors.postgres.session.asked.items import Item
from interlock.connectors.postgres.session.channel import Channel

Frames = list[tuple[int, bytes]]

_MOST = 256
_LONGEST = 4096
_LENGTH = struct.Struct(">I").unpack_from
_QUERY, _PARSE, _BIND, _CLOSE = b"QPBC"
_DESCRIBE, _EXECUTE = encode(f.Describe("P", "")), encode(f.Execute(""))
_TAILS = frozenset((_EXECUTE + build.SYNC, _DESCRIBE + _EXECUTE + build.SYNC))
"""How a segment ends that executes the unnamed portal once, to its end."""
_SHORTEST_BIND = 13
_DIGITS_ALIKE = bytes(48 if 48 <= byte <= 57 else byte for byte in range(256))
"""For `bytes.translate`: all digits become `0`."""
_NUMBERS_ONLY = re.compile(rb"(?:[A-Za-z_ =,.()*<>;\s+\-/%]|(?<![\w.])\d{1,9}(?![\w.]))*\0")
"""Texts in which digits are nothing but whole numbers that fit an integer: their values make no read a write."""
_NOTHING: tuple[Item, ...] = ()
_UNNAMED = frozenset((b"",))


class Known:
    """The memory of one session."""

    __slots__ = ("_channel", "_epoch", "_moment", "_named", "_parsed", "_queries", "_texts")

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._moment: object = None
        self._epoch: object = None
        # By the simple message with all digits alike: its length field, in which digits are none.
        self._queries: dict[bytes, bytes] = {}
        self._texts: set[bytes] = set()
        self._named: set[bytes] = set()
        # By the Parse message of the unnamed statement.
        self._parsed: dict[bytes, tuple[Item, ...]] = {}

    def forget(self) -> None:
        """Something of the session may have changed."""
        self._queries.clear()
        self._texts.clear()
        self._named.clear()
        self._parsed.clear()

    def find(self, data: bytes) -> tuple[Item, ...] | None:
        """When `data` is one segment that may pass: its items that wait for the server's word. Else None."""
        channel = self._channel
        if channel.gate.moment is not self._moment or channel.server.catalog_epoch is not self._epoch:
            return None
        kind = data[0]
        if kind == _QUERY:
            if self._queries.get(data.translate(_DIGITS_ALIKE)) == data[1:5] or data in self._texts:
                return _NOTHING
        elif kind == _BIND:
            if _executes(data, 0, self._named):
                return _NOTHING
        elif kind == _PARSE and len(data) > 5:
            end = _LENGTH(data, 1)[0] + 1
            items = self._parsed.get(data[:end])
            if items is not None and _executes(data, end, _UNNAMED):
                return items
        return None

    def learn(self, frames: Frames, items: list[Item]) -> None:
        """This segment has been found to pass."""
        channel = self._channel
        moment, epoch = channel.gate.moment, channel.server.catalog_epoch
        if (
            moment is not self._moment
            or epoch is not self._epoch
            or any(k == _CLOSE or (k == _PARSE and raw[5]) for k, raw in frames)
            or len(self._queries) + len(self._texts) + len(self._named) + len(self._parsed) >= _MOST
        ):
            self.forget()
            self._moment, self._epoch = moment, epoch
        if sum(len(raw) for _, raw in frames) <= _LONGEST:
            if frames[0][0] == _QUERY:
                self._learn_query(frames[0][1])
            else:
                self._learn_segment(frames, items)

    def _learn_query(self, raw: bytes) -> None:
        if _NUMBERS_ONLY.fullmatch(raw, 5):
            self._queries[raw.translate(_DIGITS_ALIKE)] = raw[1:5]
        else:
            self._texts.add(raw)

    def _learn_segment(self, frames: Frames, items: list[Item]) -> None:
        data = b"".join([raw for _, raw in frames])
        kind, raw = frames[0]
        if kind == _BIND:
            name = raw[6 : raw.find(0, 6)]
            # Whether the unnamed statement is still the same is not followed here.
            if name and _executes(data, 0, (name,)):
                self._named.add(name)
        elif kind == _PARSE and not raw[5] and _executes(data, len(raw), _UNNAMED):
            self._parsed[raw] = (items[0],)


def _executes(data: bytes, start: int, statements: Container[bytes]) -> bool:
    """Whether what begins at `start` binds one of `statements` to the unnamed portal, executes it to its end, and is all."""
    if len(data) < start + _SHORTEST_BIND or data[start] != _BIND or data[start + 5]:
        return False
    if data[start + 6 : data.find(0, start + 6)] not in statements:
        return False
    tail: bytes = data[start + 1 + _LENGTH(data, start + 1)[0] :]
    return tail in _TAILS
