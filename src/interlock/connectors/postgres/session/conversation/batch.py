"""What goes to the server in one write: the client's messages and the gateway's own SQL, and what is expected back for each."""

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.codec import build, encode
from interlock.connectors.postgres.codec import frontend as f

if TYPE_CHECKING:
    from interlock.connectors.postgres.session.conversation.exchange import Exchange

OWN = "_interlock_"
"""Names of the gateway's own prepared statements and portals begin so; a client's may not."""

_ONCE = OWN + "once"
_EXECUTE_OWN, _CLOSE_OWN = encode(f.Execute(OWN)), encode(f.Close("P", OWN))
_CLOSE_ONCE = encode(f.Close("S", _ONCE))


class Reply:
    """The answer to one of the gateway's own statements: rows in text form, or the error that ended it.

    `skipped` tells that an earlier error kept the server from looking at it.
    """

    __slots__ = ("error", "raw", "rows", "size", "skipped", "statement", "tag")

    def __init__(self, statement: str = "") -> None:
        self.statement = statement
        self.rows: list[tuple[bytes | None, ...]] = []
        self.error: b.ErrorResponse | None = None
        self.raw = b""
        self.skipped = False
        self.size = 0
        self.tag = ""

    @property
    def failed(self) -> bool:
        return self.skipped or self.error is not None

    def texts(self) -> list[tuple[str | None, ...]]:
        """The rows as text; the session's encoding is UTF-8 always."""
        return [tuple(None if v is None else v.decode() for v in row) for row in self.rows]


class Expected:
    """What is to come back for one message: of which `kind`, for whom (`own`, or the client), and what to do then."""

    __slots__ = ("done", "kind", "offset", "own")

    def __init__(
        self, kind: str, own: Reply | None, done: Callable[[bool], None] | None = None, offset: int = 0
    ) -> None:
        self.kind = kind
        self.own = own
        self.done = done
        self.offset = offset


@functools.lru_cache(1024)
def _bare_bind(name: str) -> bytes:
    return encode(f.Bind(OWN, name))


class Batch:
    """What goes to the server in one write, and what is expected back."""

    def __init__(self, exchange: "Exchange") -> None:
        self._exchange = exchange
        self.data: list[bytes] = []
        self.expected: list[Expected] = []
        self._open = False

    def own(
        self,
        sql: str,
        params: Sequence[str | bytes | None] = (),
        types: tuple[int, ...] = (),
        formats: tuple[int, ...] = (),
    ) -> Reply:
        """One statement of the gateway's, by the extended protocol, prepared once per connection under a name of ours."""
        name, fresh = self._exchange.prepared(sql, types)
        reply = Reply(name)
        if fresh:
            parse = encode(f.Parse(name, sql, types))
            self._add("P", parse, reply, lambda ok: self._exchange.confirm(sql, types, ok))
        values = tuple(v.encode() if isinstance(v, str) else v for v in params)
        self.bound(name, formats, values, reply)
        return reply

    def once(
        self,
        sql: str,
        params: Sequence[str | bytes | None] = (),
        types: tuple[int, ...] = (),
        formats: tuple[int, ...] = (),
    ) -> Reply:
        """One statement that is not worth keeping prepared: the client's own transaction control, say."""
        reply = Reply()
        name = _ONCE
        self._add("C", _CLOSE_ONCE, reply)
        self._add("P", encode(f.Parse(name, sql, types)), reply)
        self.bound(name, formats, tuple(v.encode() if isinstance(v, str) else v for v in params), reply)
        return reply

    def bound(
        self, name: str, formats: tuple[int, ...], values: tuple[bytes | None, ...], reply: Reply
    ) -> None:
        """Bind, execute and close a portal of one of our statements; the result is text."""
        self._close_left()
        bind = build.bind(OWN, name, values, formats) if values or formats else _bare_bind(name)
        self._add("B", bind, reply)
        self._add("E", _EXECUTE_OWN, reply)
        self._add("C", _CLOSE_OWN, reply)

    def _close_left(self) -> None:
        for left in self._exchange.take_left():
            self._add("C", encode(f.Close(*left)), Reply(), functools.partial(self._exchange.closed, left))

    def bind_again(self, bind: f.Bind) -> Reply:
        """The client's Bind once more, which has been answered: its portal ended with the transaction that it was made in."""
        reply = Reply()
        self._add("B", encode(bind), reply)
        return reply

    def client(
        self, kind: str, raw: bytes, done: Callable[[bool], None] | None = None, offset: int = 0
    ) -> None:
        """A message of the client's, unchanged; `done(True)` when the server has accepted it. `offset` is where it stands in what
        the client sent (characters)."""
        if kind in "QF" and self._open:
            # After an error in what goes before, the server would never look at a simple message.
            self.sync()
        if kind == "B":
            # What is in the way may have this very name: closed later, it would be this portal that is gone.
            self._close_left()
        self._open = kind not in "QFS"
        self.data.append(raw)
        self.expected.append(Expected(kind, None, done, offset))

    def sync(self, reply: Reply | None = None) -> None:
        """A Sync of the gateway's: errors before it do not reach what comes after."""
        self._open = False
        self.data.append(build.SYNC)
        self.expected.append(Expected("S", reply or Reply()))

    def _add(
        self, kind: str, message: bytes, reply: Reply, done: Callable[[bool], None] | None = None
    ) -> None:
        self._open = True
        self.data.append(message)
        self.expected.append(Expected(kind, reply, done))
