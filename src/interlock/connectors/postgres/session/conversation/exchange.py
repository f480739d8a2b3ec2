"""The conversation with the server: the client's messages and the gateway's own SQL, pipelined in one write.

Every message that the server answers has an expectation in a queue; an answer belongs to the first of them. What answers the
client's messages is passed on (rows in pieces, as they come), what answers the gateway's own goes into a `Reply`.
"""

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.codec import backend_limits, build, decode_backend, encode
from interlock.connectors.postgres.queries import OUTDATED
from interlock.connectors.postgres.session.conversation.batch import OWN, Batch, Expected, Reply
from interlock.wire import ProtocolViolation

_HEADER = struct.Struct(">BI").unpack_from
_COUNT = struct.Struct(">H").unpack_from
_SIZE = struct.Struct(">i").unpack_from
_LIMITS = backend_limits()
_BULK = frozenset(b"Dd")
_ASIDE = frozenset(b"NAS")
_Own: TypeAlias = tuple[str, tuple[int, ...]]
"""The text of a statement of ours, and the types of its parameters."""
_MOST_KEPT = 128
"""Statements of ours that are kept prepared on one connection."""
# What ends the answer to one expected message (PostgreSQL manual, section 55.2.3). The letters on the left are those
# of the client's message, but `p` stands for Describe of a portal and `t` for Describe of a statement.
_ENDS: dict[str, frozenset[int]] = {
    "P": frozenset(b"1"),
    "B": frozenset(b"2"),
    "t": frozenset(b"Tn"),
    "p": frozenset(b"Tn"),
    "E": frozenset(b"CIs"),
    "C": frozenset(b"3"),
    "S": frozenset(b"Z"),
    "Q": frozenset(b"Z"),
    "F": frozenset(b"Z"),
}


class Lost(Exception):
    """The server's connection ended while an answer was awaited."""


class Exchange:
    """Reads the server's answers. `client(kind, raw)` is called with each message (kind > 0) or piece of one (kind 0) that
    answers the client; `aside(kind, raw)` with notices, notifications and parameter changes. `farewell` when the client was told
    why the server ends the connection."""

    def __init__(
        self,
        write: Callable[[bytes], None],
        client: Callable[[int, bytes], None],
        aside: Callable[[int, bytes], None],
    ) -> None:
        self._write = write
        self._client = client
        self._aside = aside
        self._queue: deque[Expected] = deque()
        self._held = bytearray()
        self._need = 0
        self._passing = 0
        self._waiter: asyncio.Future[None] | None = None
        self._prepared: dict[_Own, str] = {}
        self._seen: set[_Own] = set()
        self._basis: object = None
        self._number = 0
        self._lost: Exception | None = None
        self._left: set[tuple[str, str]] = set()
        self.status = "I"
        self.error: b.ErrorResponse | None = None
        self.copying_in = self.farewell = False
        self.on_copy_end: Callable[[], None] = lambda: None

    # Own prepared statements

    def prepared(self, sql: str, types: tuple[int, ...] = ()) -> tuple[str, bool]:
        """The name of a statement of ours, and whether it must still be parsed."""
        name = self._prepared.get((sql, types))
        if name is not None:
            return name, False
        self._number += 1
        name = f"{OWN}{self._number}"
        self._prepared[sql, types] = name
        return name, True

    def rest_on(self, basis: object) -> None:
        """What names mean by now. For the server they go on meaning what they did when a statement was prepared."""
        if basis != self._basis:
            self._basis = basis
            self.renew()

    def comes_again(self, sql: str, types: tuple[int, ...] = ()) -> bool:
        """Whether a statement was asked before, so that it is worth keeping prepared."""
        key = (sql, types)
        if key in self._prepared:
            return True
        if len(self._seen) >= _MOST_KEPT:
            self._seen.clear()
        again = key in self._seen
        self._seen.add(key)
        if again and len(self._prepared) >= _MOST_KEPT:
            self.renew()
        return again

    def confirm(self, sql: str, types: tuple[int, ...], ok: bool) -> None:
        """Forget a statement that could not be prepared."""
        if not ok:
            self._prepared.pop((sql, types), None)

    def forget_prepared(self) -> None:
        """The client dropped all prepared statements (DEALLOCATE ALL, DISCARD ALL): ours went with them."""
        self._prepared.clear()

    def leave(self, portal: str) -> None:
        """A portal is in the way: it is closed before the next statement of ours. The server would complain of it at the end of
        a failed transaction, or when its name is used again."""
        self._left.add(("P", portal))

    def renew(self) -> None:
        """Prepare our statements anew, under new names: who knows what has become of the old ones."""
        self._left.update(("S", name) for name in self._prepared.values())
        self._prepared.clear()

    def closed(self, left: tuple[str, str], ok: bool) -> None:
        """What was in the way has been closed, or is to be closed later."""
        if not ok:
            self._left.add(left)

    def take_left(self) -> set[tuple[str, str]]:
        left, self._left = self._left, set()
        return left

    # Sending

    def batch(self) -> Batch:
        return Batch(self)

    async def run(self, batch: Batch) -> b.ErrorResponse | None:
        """Send a batch and wait until the last of it is answered, or the server asks for COPY data (`copying_in`).

        Returns the error that answered a message of the client's, if any. Raises Lost.
        """
        self.error = None
        self.send(batch)
        return await self.settled()

    def send(self, batch: Batch) -> None:
        """Send a batch without waiting."""
        if self._lost is not None:
            raise Lost from self._lost
        self._queue.extend(batch.expected)
        self._write(b"".join(batch.data))

    async def settled(self) -> b.ErrorResponse | None:
        """Wait for what was sent, as `run` does."""
        while self._queue and not self.copying_in:
            if self._lost is not None:
                raise Lost from self._lost
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self.error

    def end_copy(self, *, sync: bool) -> None:
        """The client has ended its COPY data; with `sync` a Sync of ours follows it."""
        self.copying_in = False
        if sync:
            self._write(build.SYNC)
            self._queue.append(Expected("S", Reply()))

    @property
    def idle(self) -> bool:
        return not self._queue

    @property
    def at_boundary(self) -> bool:
        """Whether what was received ends where a message ends."""
        return not self._held and not self._passing

    def lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self._lost = error or ConnectionError("the server closed the connection")
        self._wake()

    # Receiving

    def received(self, data: bytes) -> None:
        """The next bytes from the server. Raises ProtocolViolation."""
        position = 0
        if self._passing:
            position = min(self._passing, len(data))
            self._client(0, data[:position])
            self._passing -= position
        elif self._held:
            self._held += data
            if len(self._held) < self._need:
                return
            data = bytes(self._held)
            self._held.clear()
        size = len(data)
        while position < size:
            if position + 5 > size:
                self._hold(data[position:], 5)
                break
            kind, length = _HEADER(data, position)
            if length < 4 or length > _LIMITS[kind]:
                raise ProtocolViolation(f"unexpected message type 0x{kind:02x} or length from the server")
            end = position + length + 1
            if end > size:
                if kind in _BULK and self._queue and self._queue[0].own is None:
                    self._client(0, data[position:])
                    self._passing = end - size
                else:
                    self._hold(data[position:], length + 1)
                break
            self._message(kind, data[position:end] if position or end < size else data)
            position = end
        if not self._queue or self.copying_in or self._lost:
            self._wake()

    def _hold(self, part: bytes, need: int) -> None:
        self._held += part
        self._need = need

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _message(self, kind: int, raw: bytes) -> None:
        if kind in _ASIDE:
            self._aside(kind, raw)
            return
        if not self._queue:
            if kind == 69:  # E: a FATAL that nobody asked for (shutdown, terminated)
                self._aside(kind, raw)
                return
            raise ProtocolViolation("the server answered what nobody asked")
        head = self._queue[0]
        if kind == 69:
            self._failed(head, raw)
            return
        if kind == 90:  # Z
            self.status = chr(raw[5])
        if kind == 71:  # G
            self.copying_in = True
        if head.own is None:
            if kind != 90:
                self._client(kind, raw)
        elif kind == 68:
            reply = head.own
            reply.rows.append(_row(raw))
            reply.size += len(raw)
        elif kind == 67:
            head.own.tag = raw[5:-1].decode()
        ends = _ENDS[head.kind]
        if kind in ends:
            self._queue.popleft()
            if head.done is not None:
                head.done(True)

    def _failed(self, head: Expected, raw: bytes) -> None:
        if self.copying_in:
            self.copying_in = False
            self.on_copy_end()
        error = decode_backend(69, raw)
        assert isinstance(error, b.ErrorResponse)
        if head.own is None:
            self.error = error
            self.farewell = self.farewell or is_farewell(raw)
            self._client(69, _moved(error, head.offset) if head.offset else raw)
            if head.kind == "Q":
                # The rest of the same message: the server would not have looked at it.
                for rest in self._queue:
                    if rest is not head and rest.own is None:
                        rest.own = Reply()
        else:
            head.own.error = error
            head.own.raw = raw
            if head.kind in "BE":
                self.leave(OWN)
            if error.sqlstate == "26000":
                # Someone deallocated our statement from within SQL: prepare it again next time.
                self._prepared.clear()
            elif error.sqlstate == OUTDATED:
                self.renew()
        if head.done is not None:
            head.done(False)
            head.done = None
        if head.kind in "QSF":
            return
        # The server ignores everything up to the next Sync (manual, section 55.2.3).
        while self._queue and self._queue[0].kind != "S":
            skipped = self._queue.popleft()
            if skipped.own is not None and skipped.own.error is None:
                skipped.own.skipped = True
            if skipped.done is not None:
                skipped.done(False)


def is_farewell(raw: bytes) -> bool:
    """Whether an ErrorResponse ends the connection; the field V is its severity, in English always."""
    return b"\0VFATAL\0" in raw or b"\0VPANIC\0" in raw


def _moved(error: b.ErrorResponse, offset: int) -> bytes:
    """The error with its place counted from the beginning of the client's message (the server saw one statement of it)."""
    fields = tuple(
        (code, str(int(text) + offset) if code == "P" and text.isdigit() else text)
        for code, text in error.fields
    )
    return encode(b.ErrorResponse(fields))


def _row(raw: bytes) -> tuple[bytes | None, ...]:
    """The values of a DataRow. Raises ProtocolViolation. (Long images come as many rows: this is worth its brevity.)"""
    values: list[bytes | None] = []
    try:
        (count,), position = _COUNT(raw, 5), 7
        for _ in range(count):
            (length,) = _SIZE(raw, position)
            position += 4
            if length < 0:
                values.append(None)
            else:
                values.append(raw[position : position + length])
                position += length
    except struct.error:
        position = -1
    if position != len(raw):
        raise ProtocolViolation("a DataRow with an impossible length")
    return tuple(values)
