"""The fast path: a complete segment of pure reads, outside a transaction, goes to the server as it is, and its answer back.

The session is read-only for the server (DESIGN section 9): should a read write all the same, it fails with 25006 and is run again
by the worker, if nothing of it was let out.
"""

import struct
from collections.abc import Callable

from interlock.connectors.postgres.classify import StatementInfo, Way
from interlock.connectors.postgres.codec import (
    Framer,
    Scanner,
    backend_limits,
    build,
    encode,
    frontend_limits,
)
from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.session.asked import segment
from interlock.connectors.postgres.session.asked.items import Item, Mistake
from interlock.connectors.postgres.session.asked.known import Known
from interlock.connectors.postgres.session.channel import Channel
from interlock.connectors.postgres.session.conversation.exchange import is_farewell
from interlock.connectors.postgres.session.conversation.heard import sqlstate
from interlock.connectors.postgres.session.ending import failing
from interlock.model.errors import Rejected
from interlock.wire import ProtocolViolation

_READ_ONLY_VIOLATION = b"C25006\0"
_PASSABLE = frozenset(b"PBDECS")
_READY, _ERROR, STATUS = b"ZES"
_INTEREST = b"ZES123"
_LOOKED_AT = b"ES"
_PARSED = 49
_ROW = 68
_LONGEST_START = 4096
_PARSE = 80
_IDLE = build.ready("I")
_LENGTH = struct.Struct(">I").unpack_from
_FORCED_READ_ONLY = encode(b.ParameterStatus("default_transaction_read_only", "on"))
_SHOWN_READ_WRITE = encode(b.ParameterStatus("default_transaction_read_only", "off"))


class Passing:
    """What passes through one session. `active` while an answer is awaited; `known` is what passed before; `farewell` when
    the client was told why the server ends the connection."""

    __slots__ = (
        "_channel",
        "_fresh",
        "_items",
        "_scanner",
        "_send",
        "_sent",
        "_start",
        "_swallowing",
        "_write",
        "active",
        "farewell",
        "known",
    )

    def __init__(self, channel: Channel, write: Callable[[bytes], None]) -> None:
        self._channel = channel
        self._write = write
        self._send = channel.upstream.write
        # How the last answer began, up to its first row: the next one's description is mostly the same.
        self._start = b""
        self._scanner = Scanner(backend_limits(), _INTEREST)
        self._fresh = False
        self._swallowing = False
        self._items: list[Item] = []
        self._sent = b""
        self.active = self.farewell = False
        self.known = Known(channel)

    @property
    def frames(self) -> list[tuple[int, bytes]]:
        """The messages of the segment that was sent last."""
        return Framer(frontend_limits(len(self._sent))).feed(self._sent)

    def at_once(self, data: bytes) -> bool:
        """Send on what the client has just sent, if that is one whole segment that is known to pass."""
        items = self.known.find(data)
        if items is None:
            return False
        if items:
            self._items = list(items)
        self._sent = data
        self.active = self._fresh = True
        self._send(data)
        return True

    def try_pass(self) -> bool:
        """Send the first segment of the inbox straight to the server, if it is complete and nothing but reads."""
        channel = self._channel
        kind, raw = channel.inbox[0]
        if kind == 81:
            if not self._is_read(raw):
                return False
            frames = [channel.inbox.popleft()]
        else:
            count = next((n for n, (k, _) in enumerate(channel.inbox, 1) if k == 83), 0)
            if not count or not self._are_reads(count):
                return False
            frames = [channel.inbox.popleft() for _ in range(count)]
        data = b"".join([raw for _, raw in frames])
        channel.taken(len(data))
        self.known.learn(frames, self._items)
        self._sent = data
        self.active = self._fresh = True
        self._send(data)
        return True

    def _is_read(self, raw: bytes) -> bool:
        channel = self._channel
        try:
            infos = channel.classify(raw[5:-1].decode())
        except (UnicodeDecodeError, Rejected):
            return False  # the worker meets it again, and answers it
        return bool(infos) and all(_passes(info) for info in infos) and channel.may(infos)

    def _are_reads(self, count: int) -> bool:
        channel = self._channel
        frames = [channel.inbox[n] for n in range(count)]
        if any(kind not in _PASSABLE for kind, _ in frames):
            return False
        channel.in_transaction = False
        channel.names.portals.clear()
        try:
            items = segment.items(frames[:-1], channel)
        except (Mistake, ProtocolViolation):
            return False
        infos: list[StatementInfo] = []
        for item in items:
            if not item.reads or (item.kind == "E" and (item.info is None or not _passes(item.info))):
                return False
            if item.info is not None:
                infos.append(item.info)
        if infos and not channel.may(infos):
            return False
        self._items = [item for item in items if item.done is not None]
        return True

    def answered(self, data: bytes) -> bool:
        """Pass the answer on, if it is there as a whole and there is nothing in it to look at."""
        if not self._fresh or data[-6:] != _IDLE:
            return False
        if not data.startswith(self._start):
            self._start = b""
        position = start = len(self._start)
        last = len(data) - 6
        while position < last:
            kind = data[position]
            if kind in _LOOKED_AT:
                return False
            if kind == _ROW and not start:
                start = position
            position += _LENGTH(data, position + 1)[0] + 1
        if position != last:
            return False
        if start != len(self._start) and start < _LONGEST_START:
            self._start = data[:start]
        if self._items:
            if len(self._items) > 1 or data[0] != _PARSED:
                return False
            done = self._items.pop().done
            assert done is not None
            done(True)
        self.active = False
        self._write(data)
        return True

    def received(self, data: bytes) -> bytes | None:
        """The next bytes of the answer. None as long as it goes on; at its end what came behind it; then `again` tells whether to
        run the segment gated. Raises ProtocolViolation."""
        first, self._fresh = self._fresh, False
        behind: bytes | None = None
        statuses: list[tuple[int, int]] = []
        for kind, start, end, complete in self._scanner.scan(data):
            if not complete:
                continue
            if kind == _READY:
                data, behind = data[:end], data[end:]
                break
            if kind == _ERROR:
                self.farewell = self.farewell or is_farewell(data[start:end])
                self._swallowing = first and _READ_ONLY_VIOLATION in data[start:end] and self._repeatable()
                self._tell(data[start:end])
                self._not_done()
            elif kind == STATUS:
                statuses.append((start, end))
            elif self._items:
                done = self._items.pop(0).done
                assert done is not None
                done(True)
        for start, end in statuses:
            self._channel.status(virtual_status(data[start:end], 0, end - start))
        for start, end in reversed(statuses):
            data = virtual_status(data, start, end)
        if not self._swallowing:
            self._write(data)
        if behind is not None:
            self.active = False
            self._scanner = Scanner(backend_limits(), _INTEREST)
            self._not_done()
        return behind

    def _tell(self, error: bytes) -> None:
        """A write that the server will not even prepare fails as one that it does not carry out."""
        about = self._items[0].about if self._items else None
        if about is not None:
            failing.told(self._channel, [about], sqlstate(error).decode(errors="replace"))

    def _repeatable(self) -> bool:
        """Whether the segment may be sent once more: what it prepares under a name is there already."""
        return all(kind in b"QBDES" or (kind == _PARSE and not raw[5]) for kind, raw in self.frames)

    def again(self) -> bool:
        """Whether what has ended wrote, was kept from the client, and is to be run again."""
        swallowed, self._swallowing = self._swallowing, False
        return swallowed

    def _not_done(self) -> None:
        """What the segment was to prepare, and has not been answered: it is not there."""
        items, self._items = self._items, []
        for item in items:
            assert item.done is not None
            item.done(False)


def _passes(info: StatementInfo) -> bool:
    """A pure read. What SQL prepares and forgets is followed by the worker."""
    return info.way is Way.PASS and info.prepares is None and info.deallocates is None


def virtual_status(data: bytes, start: int, end: int) -> bytes:
    """A session is read-only for the server and not for its client (DESIGN section 9): ParameterStatus is virtual."""
    shown = data[start:end].replace(_FORCED_READ_ONLY, _SHOWN_READ_WRITE)
    return data if len(shown) == end - start else data[:start] + shown + data[end:]
