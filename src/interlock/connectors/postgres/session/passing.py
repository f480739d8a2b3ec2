"""The fast path: a complete segment of pure reads, outside a transaction, goes to the server as it is, and its answer back.

The session is read-only for the server (DESIGN section 9): should a read write all the same, it fails with 25006 and is run again
by the worker, if nothing of it was let out.
"""

from collections.abc import Callable

from interlock.connectors.postgres.classify import StatementInfo, Way
from interlock.connectors.postgres.codec import Scanner, backend_limits, encode
from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.session import segment
from interlock.connectors.postgres.session.channel import Channel
from interlock.connectors.postgres.session.items import Item, Mistake
from interlock.model.errors import Rejected
from interlock.wire import ProtocolViolation

_READ_ONLY_VIOLATION = b"C25006\0"
_PASSABLE = frozenset(b"PBDECS")
_READY, _ERROR, STATUS = b"ZES"
_FORCED_READ_ONLY = encode(b.ParameterStatus("default_transaction_read_only", "on"))
_SHOWN_READ_WRITE = encode(b.ParameterStatus("default_transaction_read_only", "off"))


class Passing:
    """What passes through one session. `active` while an answer is awaited."""

    __slots__ = ("_channel", "_fresh", "_items", "_scanner", "_swallowing", "_write", "active", "frames")

    def __init__(self, channel: Channel, write: Callable[[bytes], None]) -> None:
        self._channel = channel
        self._write = write
        self._scanner = Scanner(backend_limits(), b"ZES123")
        self._fresh = False
        self._swallowing = False
        self._items: list[Item] = []
        self.active = False
        self.frames: list[tuple[int, bytes]] = []

    def try_pass(self) -> bool:
        """Send the first segment of the inbox straight to the server, if it is complete and nothing but reads."""
        channel = self._channel
        kind, raw = channel.inbox[0]
        if kind == 81:
            if not self._is_read(raw):
                return False
            channel.inbox.popleft()
            self.frames = [(kind, raw)]
            data = raw
        else:
            count = next((n for n, (k, _) in enumerate(channel.inbox, 1) if k == 83), 0)
            if not count or not self._are_reads(count):
                return False
            self.frames = [channel.inbox.popleft() for _ in range(count)]
            data = b"".join([raw for _, raw in self.frames])
        channel.taken(len(data))
        self.active = self._fresh = True
        channel.upstream.write(data)
        return True

    def _is_read(self, raw: bytes) -> bool:
        channel = self._channel
        try:
            infos = channel.classify(raw[5:-1].decode())
        except (UnicodeDecodeError, Rejected):
            return False  # the worker meets it again, and answers it
        return bool(infos) and all(info.way is Way.PASS for info in infos) and channel.may(infos)

    def _are_reads(self, count: int) -> bool:
        channel = self._channel
        frames = [channel.inbox[n] for n in range(count)]
        if any(kind not in _PASSABLE for kind, _ in frames):
            return False
        try:
            items = segment.items(frames[:-1], channel)
        except (Mistake, ProtocolViolation):
            return False
        infos: list[StatementInfo] = []
        for item in items:
            if not item.reads or (item.kind == "E" and (item.info is None or item.info.way is not Way.PASS)):
                return False
            if item.info is not None:
                infos.append(item.info)
        if infos and not channel.may(infos):
            return False
        self._items = [item for item in items if item.done is not None]
        return True

    def received(self, data: bytes) -> bool:
        """The next bytes of the answer. True when it ends with them: then `again` tells whether to run the segment gated. Raises
        ProtocolViolation."""
        first, self._fresh = self._fresh, False
        ended = False
        statuses: list[tuple[int, int]] = []
        for kind, start, end, complete in self._scanner.scan(data):
            if not complete:
                continue
            if kind == _READY:
                ended = True
            elif kind == _ERROR:
                self._swallowing = first and start == 0 and _READ_ONLY_VIOLATION in data[:end]
                self._not_done()
            elif kind == STATUS:
                statuses.append((start, end))
            elif self._items:
                done = self._items.pop(0).done
                assert done is not None
                done(True)
        for start, end in reversed(statuses):
            data = virtual_status(data, start, end)
        if not self._swallowing:
            self._write(data)
        if ended:
            self.active = False
            self._not_done()
        return ended

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


def virtual_status(data: bytes, start: int, end: int) -> bytes:
    """A session is read-only for the server and not for its client (DESIGN section 9): ParameterStatus is virtual."""
    shown = data[start:end].replace(_FORCED_READ_ONLY, _SHOWN_READ_WRITE)
    return data if len(shown) == end - start else data[:start] + shown + data[end:]
