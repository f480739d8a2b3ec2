"""Runs what is gated: a segment at a time, statement by statement, in transactions of the gateway's own.

The client's statements go to the server together with the gateway's SQL around them; the newest completion is withheld until
the decision, so that an error can come instead of it.
"""

import asyncio
import dataclasses
from collections.abc import Callable, Sequence

from interlock.connectors.postgres import answer
from interlock.connectors.postgres.classify import StatementInfo, Way
from interlock.connectors.postgres.codec import build, decode_frontend
from interlock.connectors.postgres.codec import frontend as f
from interlock.connectors.postgres.codec.backend import ErrorResponse
from interlock.connectors.postgres.queries import QueryFailed
from interlock.connectors.postgres.session import control, finish, images, segment, virtual
from interlock.connectors.postgres.session.channel import Channel
from interlock.connectors.postgres.session.exchange import Batch
from interlock.connectors.postgres.session.items import Item, Mistake, own_name, simple
from interlock.connectors.postgres.session.record import Asked, Record
from interlock.connectors.postgres.session.transaction import Transaction
from interlock.model.decision import Forbid
from interlock.model.errors import Rejected
from interlock.model.operation import Action, Operation
from interlock.sdk.connector import Held
from interlock.wire import InvalidText, ProtocolViolation

_COMPLETE = frozenset(b"CI")
_RESERVED = "names of prepared statements that begin with _interlock_ are kept for Interlock"


class Worker:
    """The gated part of a session. `channel` is what it works on; `run` takes messages until nothing is open any more."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.tx: Transaction | None = None
        self.committing = False
        self.suspicious = False
        self._frames: list[tuple[int, bytes]] = []
        self._withheld = b""
        self._kept: list[bytes] | None = None
        self._imaging: list[images.Image] = []
        self._skip_sync = False
        self._together = False
        # The Sync behind an Execute of COPY FROM STDIN is swallowed by the COPY; another follows the data.
        self._swallowed = False

    # The client's side

    def write(self, data: bytes) -> None:
        """To the client, or kept while nobody is to hear it."""
        if self._kept is None:
            self.channel.write(data)
        else:
            self._kept.append(data)

    def hold_rows(self, yes: bool, *, let_go: bool = False) -> None:
        """Keep what the client would be sent; when that ends, throw it away or let it go."""
        kept, self._kept = self._kept, [] if yes else None
        if let_go and kept:
            self.channel.write(b"".join(kept))

    def held_error(self) -> bytes:
        """The last error among what is kept."""
        return next((data for data in reversed(self._kept or []) if data[:1] == b"E"), b"")

    def sink(self, kind: int, raw: bytes) -> None:
        """What the server answers the client: passed on, but for the newest completion."""
        if kind == 69:
            failed = next((image.reply for image in self._imaging if image.reply and image.reply.error), None)
            # A before-image's failure (a lock not to be had, say) is the statement's own: it would have met it too.
            raw = failed.raw if failed is not None else raw
        self.release()
        if kind in _COMPLETE:
            self._withheld = raw
            if self.tx is not None:
                self.tx.tags.append(raw)
        else:
            self.write(raw)

    def release(self) -> None:
        """Let the withheld completion go."""
        if self._withheld:
            self.write(self._withheld)
            self._withheld = b""

    def complete(self, tag: str) -> None:
        """A completion that the gateway gives itself."""
        self.release()
        self._withheld = build.command_complete(tag)

    def fail(self, error: bytes) -> None:
        """An error in the place of the completion. An open transaction is failed from here on."""
        self._withheld = b""
        self.write(error)
        if self.tx is not None:
            self.tx.poisoned = True

    def reject(self, error: bytes) -> None:
        """An error of a statement that was not run; what came before it did complete."""
        self.release()
        self.fail(error)

    def ready(self) -> None:
        self.release()
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
            self.fail(answer.forbidden("function calls by the fast path are not passed; use SELECT"))
            self.ready()
        elif letter not in "dcf":  # those are what is left of a COPY that failed: ignored, as the server does
            raise ProtocolViolation(f"unexpected message type 0x{kind:02x}")

    async def _simple(self, raw: bytes) -> None:
        self._frames.clear()
        self._note_transaction()
        try:
            query = decode_frontend(81, raw)
            assert isinstance(query, f.Query)
            infos = self.channel.classify(query.sql)
        except InvalidText:
            self.fail(_bad_text())
        except Rejected as error:
            self.fail(segment.unreadable(error))
        else:
            if not infos:
                self.release()
                self.write(build.EMPTY_QUERY)
            await self.perform([simple(info) for info in infos], end=True)
        self.ready()

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
            items = segment.items(frames, self.channel)
        except Mistake as mistake:
            self.fail(mistake.error)
            ok = False
        except InvalidText:
            self.fail(_bad_text())
            ok = False
        else:
            ok = await self.perform(items, end=sync)
        if not ok and self.tx is not None and not self.tx.explicit:
            await finish.roll_back(self)
        if sync:
            if self._swallowed:
                self._swallowed = False
            else:
                self.ready()
        else:
            self._swallowed = False
            if ok and self.tx is not None and not self.tx.explicit and self._withheld and self.tx.writes:
                # The client wants to see the result now: it may, once it is decided and done.
                ok = await finish.commit(self)
            self._skip_sync = not ok
            self.release()

    def _note_transaction(self) -> None:
        self.channel.in_transaction = self.tx is not None
        if self.tx is None:
            self.channel.names.portals.clear()  # they ended with their transaction

    # Statements

    async def perform(self, items: Sequence[Item], *, end: bool) -> bool:
        """Run the items of one segment in order; `end` when an implicit transaction ends with them. True when all went well; else
        the error has been sent, and nothing of an implicit transaction is left."""
        if self.tx is None and not await self._may_begin(items):
            return False
        asked = [item.info for item in items if item.info is not None]
        if self.tx is None and (len(asked) > 1 or not end):
            # Several statements succeed or fail together, and what is flushed must last until the Sync.
            self._together = True
        elif self.tx is None and len(asked) == 1 and control.needs_block(asked[0]):
            self.reject(control.no_block("LOCK TABLE" if asked[0].node == "LockStmt" else asked[0].verb))
            return False
        try:
            return await self._each(items, end=end, alone=len(asked) == 1)
        finally:
            self._together = False

    async def _each(self, items: Sequence[Item], *, end: bool, alone: bool) -> bool:
        batch: list[Item] = []
        for place, item in enumerate(items):
            if item.info is not None and _reserved(item.info):
                item.info = dataclasses.replace(item.info, way=Way.REFUSED, why=_RESERVED)
            if item.info is None or item.plain or virtual.passes(item.info):
                if not self._allowed(item):
                    if batch and not await self.send(batch):
                        return False
                    self._refuse(item)
                    return await self._abandon_implicit()
                batch.append(item)
                last = end and place == len(items) - 1
                if (item.info is not None and item.info.copy == "in") or last:
                    sending, batch = batch, []
                    if not await self.send(sending, last=last):
                        return await self._abandon_implicit()
                continue
            if batch:
                sending, batch = batch, []
                if not await self.send(sending):
                    return await self._abandon_implicit()
            if not await self._special(item, alone=alone):
                return await self._abandon_implicit()
        if batch and not await self.send(batch):
            return await self._abandon_implicit()
        if end and self.tx is not None and not self.tx.explicit:
            return await finish.commit(self)
        return True

    async def _abandon_implicit(self) -> bool:
        if self.tx is not None and not self.tx.explicit:
            await finish.roll_back(self)
        return False

    async def _may_begin(self, items: Sequence[Item]) -> bool:
        """Whether an implicit transaction may touch the target at all: not when this very content waits already."""
        infos = [item.info for item in items if item.info is not None]
        if not infos or any(info.way is not Way.GATED for info in infos):
            return True
        asked = tuple(item.asked for item in items if item.asked is not None)
        operations = [operation for info in infos for operation in info.operations]
        record = Record(
            self.channel.target.fingerprint, self.channel.principal.agent, asked, self.channel.meaning()
        )
        change = self.channel.gate.lift(self.channel.principal, operations, record.digest())
        if change is None:
            return True
        self.fail(answer.held(Held(change, again=True)))
        return False

    def _allowed(self, item: Item) -> bool:
        if item.info is None:
            return True
        decision = self.channel.gate.check(self.channel.principal, operations_of(item.info))
        return not isinstance(decision, Forbid)

    def _refuse(self, item: Item) -> None:
        assert item.info is not None
        operations = operations_of(item.info)
        decision = self.channel.gate.check(self.channel.principal, operations)
        assert isinstance(decision, Forbid)
        self.channel.gate.refused(self.channel.principal, operations, decision)
        self.reject(answer.forbidden(decision.why))

    async def send(self, items: Sequence[Item], *, last: bool = False) -> bool:
        """Send statements (and what belongs to them) in one write, with the gateway's SQL around. True when all went well."""
        if self.tx is not None and self.tx.poisoned:
            if any(item.info is not None or item.kind != "C" for item in items):
                self.reject(control.IN_FAILED)
                return False
            return True
        # `suspicious`: the server said that what looked like a read writes.
        gated = self.suspicious or any(item.way is Way.GATED for item in items)
        self.suspicious = False
        if self._together and any(item.info is not None or item.kind == "B" for item in items):
            gated = True
        if self.tx is None and gated:
            self.tx = Transaction(
                explicit=False, read_only=virtual.read_only(self), settings=dict(self.channel.settings)
            )
        taken: list[images.Image | None] = [None for _ in items]
        if self.tx is not None:
            try:
                taken = [await images.take(self, item) for item in items]
            except QueryFailed as lost:
                self.fail(
                    build.error_response(
                        "ERROR", lost.sqlstate, "the transaction failed while it was prepared"
                    )
                )
                return False
        exchange = self.channel.exchange
        batch = exchange.batch()
        begun = control.begin(self, batch)
        self._imaging = []
        for item, early in zip(items, taken, strict=True):
            image = early or (images.add(self, batch, item) if self.tx is not None else None)
            self._imaging += [] if image is None else [image]
            offset = item.info.offset if item.kind == "Q" and item.info is not None else 0
            batch.client(item.kind, item.raw, self._done(item), offset)
            if item.portal is not None:
                item.portal.started = True
            if item.info is not None and item.asked is not None:
                self.record(item.info, item.asked)
        copies = items[-1].info is not None and items[-1].info.copy == "in"
        measured = None
        if last and self.tx is not None and not self.tx.explicit and not copies:
            measured = finish.add_measuring(self, batch)
        elif not (copies or items[-1].kind == "Q"):
            batch.sync()
        error = await self._timed(batch)
        if exchange.copying_in:
            error = await self._copy_in(extended=items[-1].kind != "Q")
        if begun is not None and begun.error is not None:
            self.write(begun.raw)
            return False
        broken = next((i.reply for i in self._imaging if i.reply is not None and i.reply.failed), None)
        if error is None and broken is not None:
            self.write(broken.raw)
        if error is not None or broken is not None:
            self._withheld = b""
            return False
        if self.tx is not None:
            self.tx.images += self._imaging
        if measured is not None:
            return await finish.decide(self, measured)
        return True

    def _done(self, item: Item) -> Callable[[bool], None] | None:
        """What to do when the server has answered a message. Each for itself: what one statement prepares or sets stays when the
        next one of the same message fails."""
        if item.info is None:
            return item.done

        def done(ok: bool) -> None:
            if item.done is not None:
                item.done(ok)
            if ok:
                virtual.succeeded(self, item)

        return done

    async def _timed(self, batch: Batch) -> ErrorResponse | None:
        """Run a batch; a statement that takes too long is cancelled, as the server would by statement_timeout (which is the
        agent's to change)."""
        channel = self.channel
        loop = asyncio.get_running_loop()
        timer = loop.call_later(
            channel.server.statement_timeout_s, channel.server.cancelling, channel.upstream
        )
        try:
            return await channel.exchange.run(batch)
        finally:
            timer.cancel()

    def record(self, info: StatementInfo, asked: Asked | None = None) -> None:
        """Remember a statement of the open transaction, for its content."""
        if self.tx is not None:
            self.tx.infos.append(info)
            self.tx.asked.append(asked or Asked(info.text))

    async def _special(self, item: Item, *, alone: bool) -> bool:
        info = item.info
        assert info is not None
        if item.bind is not None:
            # The server has it, and is not asked to run it.
            self.channel.exchange.leave(item.bind.portal)
        match info.way:
            case Way.CONTROL:
                return await control.perform(self, info)
            case Way.SETTING:
                return await virtual.perform(self, item)
            case Way.OUTSIDE:
                return await control.outside(self, item, alone=alone)
            case Way.IMMEDIATE:
                return await finish.immediate(self, item, alone=alone)
            case Way.GATED:
                return await finish.immediate(self, item, alone=alone)
            case Way.REFUSED | Way.PASS:
                known = self.channel.names.statements
                if info.executes is not None and info.executes not in known and info.why != _RESERVED:
                    self.reject(segment.no_statement(info.executes))
                    return False
                why = info.why or "this statement is not known to be safe"
                self.channel.gate.refused(self.channel.principal, info.operations, Forbid(why, ("unknown",)))
                self.reject(answer.forbidden(why))
                return False

    async def _copy_in(self, *, extended: bool) -> ErrorResponse | None:
        """Relay COPY data from the client until it ends it, or the server has had enough."""
        exchange = self.channel.exchange
        self._swallowed = extended
        ended = False
        while exchange.copying_in:
            frame = await self.channel.next_frame(in_transaction=True, while_copying=exchange)
            if frame is None:
                break
            kind, raw = frame
            if kind == 100:  # d
                self.channel.upstream.write(raw)
                await self.channel.upstream.drain()
            elif kind in (99, 102):  # c, f
                self.channel.upstream.write(raw)
                exchange.end_copy(sync=extended)
                ended = True
            elif kind not in (72, 83):  # Flush and Sync are ignored here, as the server does
                raise ProtocolViolation(f"unexpected message type 0x{kind:02x} during COPY")
        if extended and not ended:
            exchange.end_copy(sync=True)
        return await exchange.settled()

    def drop_completion(self) -> None:
        self._withheld = b""


def operations_of(info: StatementInfo) -> tuple[Operation, ...]:
    """What a statement needs the right to. Rows that a write returns are read."""
    if not info.returns_rows or any(o.action is Action.READ for o in info.operations):
        return info.operations
    resources = tuple(r for o in info.operations for r in o.resources)
    return (*info.operations, Operation(Action.READ, info.verb, resources))


def _reserved(info: StatementInfo) -> bool:
    """Whether SQL reaches for a prepared statement of the gateway's: with one in the place of another it would measure nothing."""
    return any(name and own_name(name) for name in (info.prepares, info.executes, info.deallocates))


def _bad_text() -> bytes:
    return build.error_response("ERROR", "22021", 'invalid byte sequence for encoding "UTF8"')
