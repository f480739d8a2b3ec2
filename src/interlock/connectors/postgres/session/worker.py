"""Runs what is gated: a segment at a time, statement by statement, in transactions of the gateway's own.

The client's statements go to the server together with the gateway's SQL around them; the newest completion is withheld until
the decision, so that an error can come instead of it.
"""

from collections.abc import Sequence

from interlock.connectors.postgres import answer
from interlock.connectors.postgres.classify import StatementInfo
from interlock.connectors.postgres.codec import build, decode_frontend
from interlock.connectors.postgres.codec import frontend as f
from interlock.connectors.postgres.session import statements
from interlock.connectors.postgres.session.asked import function_call, segment
from interlock.connectors.postgres.session.asked.items import Item, Mistake, simple
from interlock.connectors.postgres.session.beforehand import images
from interlock.connectors.postgres.session.channel import Channel
from interlock.connectors.postgres.session.ending import finish
from interlock.connectors.postgres.session.ending.record import Asked
from interlock.connectors.postgres.session.transaction import Transaction
from interlock.model.errors import Rejected, Unavailable
from interlock.wire import InvalidText, ProtocolViolation

_COMPLETE = frozenset(b"CIV")
_OTHER_CALL = (
    "of the functions called by object id only those of the large-object interface are passed; use SELECT"
)


class Left(Exception):
    """The client has taken its leave; what is open is rolled back with its connection."""


class Worker:
    """The gated part of a session. `channel` is what it works on; `run` takes messages until nothing is open any more."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        channel.worker = self
        self.tx: Transaction | None = None
        self.committing = False
        # The maintenance that runs outside any transaction, and keeps others from a table.
        self.maintaining: Transaction | None = None
        self.suspicious = False
        self._frames: list[tuple[int, bytes]] = []
        self.withheld = b""
        self._kept: list[bytes] | None = None
        self._comparing = False
        self.imaging: list[images.Image] = []
        self._skip_sync = False
        self.together = False
        # The Sync behind an Execute of COPY FROM STDIN is swallowed by the COPY; another follows the data.
        self.swallowed = False

    # The client's side

    def write(self, data: bytes) -> None:
        """To the client, or kept while nobody is to hear it."""
        if self._kept is None:
            self.channel.write(data)
        elif not self._comparing or data[:1] == b"E":
            self._kept.append(data)

    def hold_rows(self, yes: bool, *, let_go: bool = False, comparing: bool = False) -> None:
        """Keep what the client would be sent (when `comparing`, errors only); when that ends, throw it away or let it go."""
        self._comparing = comparing
        kept, self._kept = self._kept, [] if yes else None
        if let_go and kept:
            self.channel.write(b"".join(kept))

    @property
    def unheard(self) -> bool:
        """Whether what is run is kept from the client: the gateway runs it by itself."""
        return self._kept is not None

    def held_error(self) -> bytes:
        """The last error among what is kept."""
        return next((data for data in reversed(self._kept or []) if data[:1] == b"E"), b"")

    def sink(self, kind: int, raw: bytes) -> None:
        """What the server answers the client: passed on, but for the newest completion."""
        if kind == 69:
            failed = next((image.reply for image in self.imaging if image.reply and image.reply.error), None)
            # A before-image's failure (a lock not to be had, say) is the statement's own: it would have met it too.
            raw = failed.raw if failed is not None else raw
            if self.channel.over is not None:
                raw = build.error_response("ERROR", "57014", str(self.channel.over))
        self.release()
        if self.tx is not None:
            self.tx.heard.take(kind, raw, listening=self._comparing or self.channel.wait_s > 0)
        if kind in _COMPLETE:
            self.withheld = raw
        else:
            self.write(raw)

    def release(self) -> None:
        """Let the withheld completion go."""
        if self.withheld:
            self.write(self.withheld)
            self.withheld = b""

    def complete(self, tag: str) -> None:
        """A completion that the gateway gives itself."""
        self.release()
        self.withheld = build.command_complete(tag)

    def fail(self, error: bytes) -> None:
        """An error in the place of the completion. An open transaction is failed from here on."""
        self.withheld = b""
        self.write(error)
        if self.tx is not None:
            self.tx.poisoned = True

    def reject(self, error: bytes) -> None:
        """An error of a statement that was not run; what came before it did complete."""
        self.release()
        self.fail(error)

    def ready(self) -> None:
        self.release()
        for status in self.channel.changed():
            self.write(status)
        self.write(build.ready(self.status))

    @property
    def status(self) -> str:
        if self.tx is None:
            return "I"
        return "E" if self.tx.poisoned or self.channel.exchange.status == "E" else "T"

    @property
    def failed(self) -> bool:
        """Whether the open transaction can only be rolled back."""
        return self.status == "E"

    @property
    def at_rest(self) -> bool:
        """Whether nothing is open, so that the fast path may be taken."""
        return self.tx is None and not self._frames and not self._skip_sync

    # Messages

    async def run(self) -> None:
        """Take the client's messages until nothing is open."""
        while True:
            frame = await self.channel.next_frame(in_transaction=self.tx is not None)
            if frame is None:
                return
            await self._frame(*frame)
            if self.at_rest and not self.channel.waiting():
                return

    async def _frame(self, kind: int, raw: bytes) -> None:
        letter = chr(kind)
        if letter == "Q":
            await self._simple(raw)
        elif letter in "PBDEC":
            self._frames.append((kind, raw))
        elif letter == "S":
            await self._segment(sync=True)
        elif letter == "H":
            await self._segment(sync=False)
        elif letter == "F":
            await self._function_call(raw)
        elif letter == "X":
            raise Left
        elif letter not in "dcf":  # those are what is left of a COPY that failed: ignored, as the server does
            raise ProtocolViolation(f"unexpected message type 0x{kind:02x}")

    async def _simple(self, raw: bytes) -> None:
        self._frames.clear()
        self._note_transaction()
        try:
            query = decode_frontend(81, raw)
            assert isinstance(query, f.Query)
            infos = await self._classified(query.sql)
        except InvalidText:
            self.fail(_bad_text())
        except Unavailable as error:
            self.fail(answer.unavailable(str(error)))
        except Rejected as error:
            self.fail(segment.unreadable(error))
        else:
            if not infos:
                self.release()
                self.write(build.EMPTY_QUERY)
            await statements.perform(self, [simple(info) for info in infos], end=True)
        self.ready()

    async def _function_call(self, raw: bytes) -> None:
        self._frames.clear()
        self._note_transaction()
        call = decode_frontend(70, raw)
        assert isinstance(call, f.FunctionCall)
        asked = function_call.as_statement(call)
        try:
            infos = await self._classified(asked.sql) if asked is not None else ()
        except Unavailable as error:
            self.fail(answer.unavailable(str(error)))
        else:
            if asked is None:
                self.fail(answer.forbidden(_OTHER_CALL))
            else:
                await statements.perform(self, [Item("F", raw, infos[0], asked)], end=True)
        self.ready()

    async def _classified(self, sql: str) -> tuple[StatementInfo, ...]:
        """Classify by catalogs that are known to be as they are. Raises Rejected, Unavailable."""
        await self.channel.server.settled()
        infos = self.channel.classify(sql)
        if await self._outdated(infos):
            infos = self.channel.classify(sql)
        return infos

    async def _items(self, frames: Sequence[tuple[int, bytes]]) -> list[Item]:
        await self.channel.server.settled()
        items = segment.items(frames, self.channel)
        if await self._outdated([item.info for item in items if item.info is not None]):
            items = segment.items(frames, self.channel)
        return items

    async def _outdated(self, infos: Sequence[StatementInfo]) -> bool:
        """Whether a name that the catalogs did not have may be there by now. What this session has made itself, temporary or not
        committed, is not in them and need not be."""
        own = self.channel.has_temp or (self.tx is not None and any(i.changes_catalog for i in self.tx.infos))
        return not own and any(info.unresolved for info in infos) and await self.channel.server.look()

    async def _segment(self, *, sync: bool) -> None:
        frames, self._frames = self._frames, []
        self._note_transaction()
        if self._skip_sync:
            # After an error everything up to the Sync is ignored (manual, section 55.2.3).
            self._skip_sync = not sync
            if sync:
                self.ready()
            return
        ok = True
        try:
            items = await self._items(frames)
        except Mistake as mistake:
            self.fail(mistake.error)
            ok = False
        except Unavailable as error:
            self.fail(answer.unavailable(str(error)))
            ok = False
        except InvalidText:
            self.fail(_bad_text())
            ok = False
        else:
            ok = await statements.perform(self, items, end=sync)
        if not ok and self.tx is not None and not self.tx.explicit:
            await finish.roll_back(self)
        if sync:
            if self.swallowed:
                self.swallowed = False
            else:
                self.ready()
        else:
            self.swallowed = False
            if ok and self.tx is not None and not self.tx.explicit and self.withheld and self.tx.writes:
                # The client wants to see the result now: it may, once it is decided and done.
                ok = await finish.commit(self)
            self._skip_sync = not ok
            self.release()

    def _note_transaction(self) -> None:
        self.channel.in_transaction = self.tx is not None
        if self.tx is None:
            self.channel.names.portals.clear()  # they ended with their transaction

    def record(self, info: StatementInfo, asked: Asked | None = None, formats: tuple[int, ...] = ()) -> None:
        """Remember a statement of the open transaction, for its content; and in which formats its result was asked for."""
        if self.tx is not None:
            self.tx.infos.append(info)
            self.tx.introduced += info.introduces
            self.tx.asked.append(asked or Asked(info.text))
            self.tx.formats.append(formats)

    def drop_completion(self) -> None:
        self.withheld = b""


def _bad_text() -> bytes:
    return build.error_response("ERROR", "22021", 'invalid byte sequence for encoding "UTF8"')
