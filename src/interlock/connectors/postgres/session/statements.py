"""Runs the statements of one segment in order, each as its way demands: with the gateway's SQL around them, or by the parts for
transaction control, settings and what must be decided before it runs."""

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from interlock.connectors.postgres import answer
from interlock.connectors.postgres.classify import StatementInfo, Way, held_back
from interlock.connectors.postgres.codec import build
from interlock.connectors.postgres.codec.backend import ErrorResponse
from interlock.connectors.postgres.preview.lost.keep import NoRoom
from interlock.connectors.postgres.queries import QueryFailed
from interlock.connectors.postgres.session import control
from interlock.connectors.postgres.session.asked import segment
from interlock.connectors.postgres.session.asked.items import Item, own_name
from interlock.connectors.postgres.session.beforehand import defining, images
from interlock.connectors.postgres.session.conversation.batch import Batch
from interlock.connectors.postgres.session.ending import failing, finish, outside
from interlock.connectors.postgres.session.ending.record import Record
from interlock.connectors.postgres.session.transaction import Transaction
from interlock.connectors.postgres.session.wishes import virtual
from interlock.model.decision import Forbid
from interlock.model.operation import Action, Operation
from interlock.wire import ProtocolViolation

if TYPE_CHECKING:
    from interlock.connectors.postgres.session.worker import Worker


_ALL_ROWS = bytes(4)
_RESERVED = "names of prepared statements that begin with _interlock_ are kept for Interlock"
_PIECES = "the rows of a write are read in pieces only inside a transaction block: send BEGIN first, and COMMIT after them"


async def perform(worker: "Worker", items: Sequence[Item], *, end: bool) -> bool:
    """Run the items of one segment in order; `end` when an implicit transaction ends with them. True when all went well; else
    the error has been sent, and nothing of an implicit transaction is left."""
    if worker.tx is None and not await _may_begin(worker, items):
        return False
    asked = [item.info for item in items if item.info is not None]
    if worker.tx is None and (len(asked) > 1 or not end):
        # Several statements succeed or fail together, and what is flushed must last until the Sync.
        worker.together = True
    elif worker.tx is None and len(asked) == 1 and control.needs_block(asked[0]):
        worker.reject(control.no_block("LOCK TABLE" if asked[0].node == "LockStmt" else asked[0].verb))
        return False
    try:
        return await _each(worker, items, end=end, alone=len(asked) == 1)
    finally:
        worker.together = False


async def _each(worker: "Worker", items: Sequence[Item], *, end: bool, alone: bool) -> bool:
    batch: list[Item] = []
    introduced = [] if worker.tx is None else list(worker.tx.introduced)
    for place, item in enumerate(items):
        if item.info is not None:
            item.info = held_back(item.info, introduced)
            introduced += item.info.introduces
        if item.info is not None and _reserved(item.info):
            item.info = dataclasses.replace(item.info, way=Way.REFUSED, why=_RESERVED)
        elif item.info is not None and not end and _in_pieces(worker, item, item.info):
            item.info = dataclasses.replace(item.info, way=Way.REFUSED, why=_PIECES)
        if item.info is None or item.plain or virtual.passes(item.info):
            if not _allowed(worker, item):
                if batch and not await send(worker, batch):
                    return False
                _refuse(worker, item)
                return await _abandon_implicit(worker)
            if item.info is not None and item.info.at_once:
                if batch and not await send(worker, batch):
                    return await _abandon_implicit(worker)
                batch = []
                if not await may_run(worker, item.info):
                    return await _abandon_implicit(worker)
            batch.append(item)
            last = end and place == len(items) - 1
            if (item.info is not None and item.info.copy == "in") or last:
                sending, batch = batch, []
                if not await send(worker, sending, last=last):
                    return await _abandon_implicit(worker)
            continue
        if batch:
            sending, batch = batch, []
            if not await send(worker, sending):
                return await _abandon_implicit(worker)
        if not await _special(worker, item, alone=alone):
            return await _abandon_implicit(worker)
    if batch and not await send(worker, batch):
        return await _abandon_implicit(worker)
    if end and worker.tx is not None and not worker.tx.explicit:
        return await finish.commit(worker)
    return True


async def _abandon_implicit(worker: "Worker") -> bool:
    if worker.tx is not None and not worker.tx.explicit:
        await finish.roll_back(worker)
    return False


async def _may_begin(worker: "Worker", items: Sequence[Item]) -> bool:
    """Whether an implicit transaction may touch the target at all: not when this very content waits already."""
    infos = [item.info for item in items if item.info is not None]
    if not infos or any(info.way is not Way.GATED for info in infos):
        return True
    asked = tuple(item.asked for item in items if item.asked is not None)
    operations = [operation for info in infos for operation in info.operations]
    record = Record(
        worker.channel.target.fingerprint, worker.channel.principal.agent, asked, worker.channel.meaning()
    )
    change = worker.channel.gate.lift(worker.channel.principal, operations, record.digest())
    return change is None or await finish.approved_meanwhile(worker, change)


def _allowed(worker: "Worker", item: Item) -> bool:
    if item.info is None:
        return True
    decision = worker.channel.gate.check(worker.channel.principal, operations_of(item.info))
    return not isinstance(decision, Forbid)


async def may_run(worker: "Worker", info: StatementInfo) -> bool:
    """Whether nothing stops what is done as soon as it runs, and that no commit decides about."""
    stop = await worker.channel.gate.stopped(worker.channel.principal, operations_of(info))
    if stop is not None:
        worker.reject(answer.refused(stop, worker.channel.gate.link))
    return stop is None


def _refuse(worker: "Worker", item: Item) -> None:
    assert item.info is not None
    operations = operations_of(item.info)
    decision = worker.channel.gate.check(worker.channel.principal, operations)
    assert isinstance(decision, Forbid)
    worker.channel.gate.refused(worker.channel.principal, operations, decision)
    worker.reject(answer.refusal(decision))


async def send(worker: "Worker", items: Sequence[Item], *, last: bool = False) -> bool:
    """Send statements (and what belongs to them) in one write, with the gateway's SQL around. True when all went well."""
    if worker.tx is not None and worker.tx.poisoned and not all(_in_place(item) for item in items):
        worker.reject(control.IN_FAILED)
        return False
    # `suspicious`: the server said that what looked like a read writes.
    gated = worker.suspicious or any(item.way is Way.GATED for item in items)
    worker.suspicious = False
    if worker.together and any(item.info is not None or item.kind == "B" for item in items):
        gated = True
    if worker.tx is None and gated:
        worker.tx = Transaction(
            explicit=False, read_only=virtual.read_only(worker), settings=dict(worker.channel.settings)
        )
    taken: list[images.Image | None] = [None for _ in items]
    if worker.tx is not None:
        try:
            taken = [await images.take(worker, item) for item in items]
            for item in items:
                await defining.before(worker, item)
        except NoRoom as full:
            worker.fail(answer.unavailable(full.message))
            return False
        except QueryFailed as lost:
            failing.failed(worker, [i.info for i in items if i.info is not None], lost.sqlstate)
            worker.fail(
                build.error_response("ERROR", lost.sqlstate, "the transaction failed while it was prepared")
            )
            return False
    exchange = worker.channel.exchange
    batch = exchange.batch()
    begun = control.begin(worker, batch)
    worker.imaging = []
    stopped: list[StatementInfo] = []
    for item, early in zip(items, taken, strict=True):
        image = early or (images.add(worker, batch, item) if worker.tx is not None else None)
        worker.imaging += [] if image is None else [image]
        offset = item.info.offset if item.kind == "Q" and item.info is not None else 0
        batch.client(item.kind, item.raw, _done(worker, item, stopped), offset)
        if item.portal is not None:
            item.portal.started = True
        if item.info is not None and item.asked is not None:
            worker.record(item.info, item.asked, item.bind.result_formats if item.bind is not None else ())
    copies = items[-1].info is not None and items[-1].info.copy == "in"
    measured = None
    if last and worker.tx is not None and not worker.tx.explicit and not copies:
        measured = finish.add_measuring(worker, batch)
    elif not (copies or items[-1].kind in "QF"):
        batch.sync()
    error = await _timed(worker, batch)
    if exchange.copying_in:
        error = await _copy_in(worker, extended=items[-1].kind != "Q")
    if begun is not None and begun.error is not None:
        worker.write(begun.raw)
        return False
    broken = next((i.reply for i in worker.imaging if i.reply is not None and i.reply.failed), None)
    if error is None and broken is not None:
        worker.write(broken.raw)
    if error is not None or broken is not None:
        worker.withheld = b""
        if failure := error or (broken.error if broken is not None else None):
            failing.failed(worker, stopped[:1] or [i.info for i in items if i.info], failure.sqlstate)
        return False
    if worker.tx is not None:
        worker.tx.images += worker.imaging
    if measured is not None:
        return await finish.decide(worker, measured)
    return True


def _done(worker: "Worker", item: Item, stopped: list[StatementInfo]) -> Callable[[bool], None] | None:
    """What to do when the server has answered a message. Each for itself: what one statement prepares or sets stays when the
    next one of the same message fails. The first that fails, or is not looked at any more, leads `stopped`."""
    info = item.info or item.about
    if info is None:
        return item.done

    def done(ok: bool) -> None:
        if item.done is not None:
            item.done(ok)
        if not ok:
            stopped.append(info)
        elif item.info is not None:
            virtual.succeeded(worker, item)

    return done


async def _timed(worker: "Worker", batch: Batch) -> ErrorResponse | None:
    """Run a batch; a statement that takes too long is cancelled, as the server would by statement_timeout (which is the
    agent's to change)."""
    channel = worker.channel
    loop = asyncio.get_running_loop()
    timer = loop.call_later(channel.timers.statement_timeout_s, channel.server.cancelling, channel.upstream)
    try:
        return await channel.exchange.run(batch)
    finally:
        timer.cancel()


async def _special(worker: "Worker", item: Item, *, alone: bool) -> bool:
    info = item.info
    assert info is not None
    if item.bind is not None:
        # The server has it, and is not asked to run it.
        worker.channel.exchange.leave(item.bind.portal)
    match info.way:
        case Way.CONTROL:
            return await control.perform(worker, info)
        case Way.SETTING:
            return await virtual.perform(worker, item)
        case Way.OUTSIDE:
            return await outside.perform(worker, item, alone=alone)
        case Way.IMMEDIATE:
            return await finish.immediate(worker, item, alone=alone)
        case Way.GATED:
            return await finish.immediate(worker, item, alone=alone)
        case Way.REFUSED | Way.PASS:
            known = worker.channel.names.statements
            if info.executes is not None and info.executes not in known and info.why != _RESERVED:
                worker.reject(segment.no_statement(info.executes))
                return False
            why = info.why or "this statement is not known to be safe"
            worker.channel.gate.refused(worker.channel.principal, info.operations, Forbid(why, ("unknown",)))
            worker.reject(answer.forbidden(why))
            return False


async def _copy_in(worker: "Worker", *, extended: bool) -> ErrorResponse | None:
    """Relay COPY data from the client until it ends it, or the server has had enough."""
    exchange = worker.channel.exchange
    worker.swallowed = extended
    ended = False
    while exchange.copying_in:
        frame = await worker.channel.next_frame(in_transaction=True, while_copying=exchange)
        if frame is None:
            break
        kind, raw = frame
        if kind == 100:  # d
            worker.channel.upstream.write(raw)
            await worker.channel.upstream.drain()
        elif kind in (99, 102):  # c, f
            worker.channel.upstream.write(raw)
            exchange.end_copy(sync=extended)
            ended = True
        elif kind not in (72, 83):  # Flush and Sync are ignored here, as the server does
            raise ProtocolViolation(f"unexpected message type 0x{kind:02x} during COPY")
    if extended and not ended:
        exchange.end_copy(sync=True)
    return await exchange.settled()


def operations_of(info: StatementInfo) -> tuple[Operation, ...]:
    """What a statement needs the right to. Rows that a write returns are read."""
    if not info.returns_rows or any(o.action is Action.READ for o in info.operations):
        return info.operations
    resources = tuple(r for o in info.operations for r in o.resources)
    return (*info.operations, Operation(Action.READ, info.verb, resources))


def _in_place(item: Item) -> bool:
    """Whether the server would take a message in a failed transaction."""
    return item.kind in "Ctp" or item.ends


def _in_pieces(worker: "Worker", item: Item, info: StatementInfo) -> bool:
    """Whether a write is to stop after some rows, with nothing behind it that could be refused: it would be decided when the client
    has closed its cursor, and clients do not listen any more then (pg-cursor)."""
    implicit = worker.tx is None or not worker.tx.explicit
    writes = info.way is Way.GATED and any(o.action is not Action.READ for o in info.operations)
    return item.kind == "E" and implicit and writes and item.raw[-4:] != _ALL_ROWS


def _reserved(info: StatementInfo) -> bool:
    """Whether SQL reaches for a prepared statement of the gateway's: with one in the place of another it would measure nothing."""
    return any(name and own_name(name) for name in (info.prepares, info.executes, info.deallocates))
