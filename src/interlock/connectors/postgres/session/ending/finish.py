"""The end of a gated transaction (DESIGN section 9, Commit sequence): measure, decide, record, commit.

    RELEASE the outermost savepoint; SET CONSTRAINTS ALL IMMEDIATE; measure; SET TRANSACTION READ ONLY   (one write)
    decide; record the intent                                                                            (the core)
    COMMIT                                                                                               (one write)

After SET TRANSACTION READ ONLY nothing can change what was measured: deferred triggers and WITH HOLD cursors have run, or fail.
"""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from interlock.connectors.postgres import answer, preview
from interlock.connectors.postgres.queries import Rows
from interlock.connectors.postgres.session import control
from interlock.connectors.postgres.session.asked.items import Item
from interlock.connectors.postgres.session.conversation.batch import Batch, Reply
from interlock.connectors.postgres.session.conversation.exchange import Lost
from interlock.connectors.postgres.session.ending import failing, replay
from interlock.connectors.postgres.session.ending import unit as units
from interlock.connectors.postgres.session.ending.record import Record
from interlock.connectors.postgres.session.transaction import Transaction
from interlock.connectors.postgres.undo.schema import proof
from interlock.model.change import Change, ChangeState
from interlock.model.decision import Forbid
from interlock.model.operation import Operation
from interlock.sdk.connector import Answer, Held, Permitted, Refused, Work

if TYPE_CHECKING:
    from interlock.connectors.postgres.session.worker import Worker

MOST_REPLAYS = 3
"""How often a waiting client's transaction is run again when each time it is held again."""

GIVEN_UP = frozenset((ChangeState.WITHDRAWN, ChangeState.EXPIRED))
"""Nobody said no: the same may be asked for anew."""


@dataclass(slots=True)
class Measured:
    """The replies to the end of a transaction: what must have gone well, and the measuring query's."""

    steps: list[Reply]
    first: list[Reply]


def add_measuring(worker: "Worker", batch: Batch) -> Measured:
    """Add the end of the transaction, up to the decision, to a write."""
    tx = worker.tx
    assert tx is not None
    if tx.opaque:
        # Code that could not be looked through may have put other statements in the place of ours.
        worker.channel.exchange.renew()
    steps = [
        batch.once(f"RELEASE SAVEPOINT {_quoted(name)}")
        for name in [s.name for s in tx.savepoints[:1]] * _same(tx)
    ]
    steps.append(batch.own("SET CONSTRAINTS ALL IMMEDIATE"))
    first = [batch.own(sql, params) for sql, params in preview.first().statements]
    # Asked before COMMIT, heeded after it: the counters of this transaction end with it.
    steps.append(batch.own(control.FLUSH_COUNTERS))
    if tx.captures.asked:
        # Whether definitions can be brought back is tried here, where writing is still allowed.
        steps.append(batch.own(f"SAVEPOINT {proof.SAVEPOINT}"))
    steps.append(batch.own("SET TRANSACTION READ ONLY"))
    batch.sync()
    return Measured(steps, first)


def _same(tx: Transaction) -> int:
    """How many open savepoints share the outermost one's name: RELEASE finds the innermost of a name first."""
    return sum(1 for savepoint in tx.savepoints if savepoint.name == tx.savepoints[0].name)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


async def commit(worker: "Worker", prepare: str = "") -> bool:
    """End the open transaction by a commit (or PREPARE TRANSACTION with the id `prepare`). True when it is committed; else the
    error was sent. Either way no transaction is open afterwards."""
    tx = worker.tx
    assert tx is not None
    if not tx.begun and not prepare:
        worker.tx = None
        return True
    if not await control.begin_now(worker):  # what is prepared is there afterwards, though it be empty
        await roll_back(worker)
        return False
    if worker.failed:
        await roll_back(worker)
        return False
    held = _waiting(worker, tx)
    if held is not None and worker.channel.wait_s == 0:
        await roll_back(worker)
        worker.fail(answer.held(held, worker.channel.gate.link))
        return False
    rows = await measure(worker)
    if isinstance(rows, bytes):
        worker.fail(rows)
        return False
    return await _admit(worker, tx, units.GatedUnit(worker.channel, tx, rows, prepare))


def _waiting(worker: "Worker", tx: Transaction) -> Held | None:
    channel = worker.channel
    change = channel.gate.lift(channel.principal, _operations(tx), record_of(worker, tx).digest())
    return None if change is None else Held(change, again=True)


async def approved_meanwhile(worker: "Worker", change: Change) -> bool:
    """What waits already, as far as this replica knows, and of which nothing has begun: wait for people if the client wishes. True
    when it is to run after all: approved, or given up elsewhere before this client came. False when it was told that it waits on,
    or is not to be."""
    channel = worker.channel
    if channel.wait_s > 0:
        change, at_once = await channel.wait_for_people(change)
        if change.state is ChangeState.APPROVED or (at_once and change.state in GIVEN_UP):
            return True
    worker.fail(answer.held(Held(change, again=True), channel.gate.link))
    return False


def record_of(worker: "Worker", tx: Transaction) -> Record:
    """The content of a transaction. The settings are those it began with: what it sets itself is among its statements."""
    channel = worker.channel
    return Record(
        channel.target.fingerprint,
        channel.principal.agent,
        tuple(tx.asked),
        channel.meaning(tx.settings),
        tx.begin,
    )


def _operations(tx: Transaction) -> tuple[Operation, ...]:
    return tuple(operation for info in tx.infos for operation in info.operations)


async def measure(worker: "Worker") -> list[Rows] | bytes:
    """Run the end of the open transaction up to the decision: the measuring query's reply, or the error, with nothing left open."""
    batch = worker.channel.exchange.batch()
    measured = add_measuring(worker, batch)
    await worker.channel.exchange.run(batch)
    return await _read(worker, measured)


async def _read(worker: "Worker", measured: Measured) -> list[Rows] | bytes:
    tx = worker.tx
    assert tx is not None
    replies = (*measured.steps, *measured.first)
    failed = next((r for r in replies if r.error is not None), None)
    if failed is not None or any(r.skipped for r in replies):
        await roll_back(worker)
        if failed is not None and failed.error is not None:
            failing.failed(worker, tx.infos, failed.error.sqlstate)
        return failed.raw if failed is not None else control.IN_FAILED
    rows = [reply.texts() for reply in measured.first]
    tampered = preview.tampered(rows)
    if tampered:
        await roll_back(worker)
        why = Forbid(
            f"the transaction changed the setting {tampered}, which the gateway relies on", ("settings",)
        )
        worker.channel.gate.refused(worker.channel.principal, _operations(tx), why)
        return answer.forbidden(why.why)
    return rows


async def decide(worker: "Worker", measured: Measured) -> bool:
    """End an implicit transaction whose measuring query went along with its statements."""
    tx = worker.tx
    assert tx is not None
    rows = await _read(worker, measured)
    if isinstance(rows, bytes):
        worker.fail(rows)
        return False
    return await _admit(worker, tx, units.GatedUnit(worker.channel, tx, rows))


def work_of(worker: "Worker", tx: Transaction) -> Work:
    """What a transaction asks, for the core."""
    record = record_of(worker, tx)
    return Work(
        worker.channel.principal, _operations(tx), record.digest(), record.encode(), worker.channel.reason
    )


async def _admit(worker: "Worker", tx: Transaction, unit: "units.GatedUnit | units.Decided") -> bool:
    channel = worker.channel
    worker.committing = True
    try:
        # The client may go away meanwhile: what is decided is carried through all the same.
        given = await asyncio.shield(channel.gate.admit(work_of(worker, tx), unit))
    finally:
        worker.committing = False
    if isinstance(given, Held) and channel.wait_s > 0 and isinstance(unit, units.GatedUnit):
        worker.tx = None
        given, unit = await _wait(worker, tx, given, unit)
    worker.tx = None
    if isinstance(given, Permitted):
        if unit.catalogs_changed:
            channel.server.schema_changed()
        channel.has_temp = channel.has_temp or unit.has_temp
        return True
    channel.settings = dict(tx.settings)
    worker.fail(unit.error or answer.error(given, channel.gate.link))
    return False


async def _wait(
    worker: "Worker", tx: Transaction, held: Held, unit: "units.GatedUnit"
) -> "tuple[Answer, units.GatedUnit]":
    """Keep the client waiting, with nothing open on the target; when its change is approved, run the transaction again from the
    record. Every result must come out as it did: else the client has been told something untrue. What it has heard and cannot be
    compared (or COPY's rows, which are not kept) is not waited for: it is held like anyone's."""
    channel = worker.channel
    if tx.heard.blind or any(info.copy == "in" for info in tx.infos):
        return held, unit
    given: Answer = held
    for _ in range(MOST_REPLAYS):
        assert isinstance(given, Held)
        change, _ = await channel.wait_for_people(given.change)
        if change.state is not ChangeState.APPROVED:
            return Held(change, again=True), unit
        again = await replay.run(worker, tx, compare=True)
        if isinstance(again, Refused):
            return again, unit
        worker.committing = True
        try:
            given = await asyncio.shield(channel.gate.admit(again.work, again.unit))
        finally:
            worker.committing = False
        unit = again.unit
        if not isinstance(given, Held):
            break
    return given, unit


async def roll_back(worker: "Worker") -> None:
    """End the open transaction by ROLLBACK. Afterwards no transaction is open and nothing of it is left."""
    tx = worker.tx
    assert tx is not None
    worker.tx = None
    worker.drop_completion()
    worker.channel.settings = dict(tx.settings)
    if not tx.begun:
        return
    await undo(worker.channel.exchange.batch(), worker)


async def undo(batch: Batch, worker: "Worker") -> None:
    batch.own("ROLLBACK")
    batch.own(control.FLUSH_COUNTERS)
    batch.sync()
    exchange = worker.channel.exchange
    await exchange.run(batch)
    if exchange.status != "I":
        # Never go on with a transaction that is believed to be over: end the connection, the server rolls back.
        worker.channel.upstream.abort()
        raise Lost


async def immediate(worker: "Worker", item: Item, *, alone: bool) -> bool:
    """A statement whose effect no rollback undoes: decided before it runs, in a transaction of its own."""
    info = item.info
    assert info is not None
    if worker.tx is not None or not alone:
        what = f"{info.verb} ({', '.join(info.escapes)})" if info.escapes else info.verb
        why = f"{what} may have an effect that a rollback does not undo, so it must be sent on its own"
        worker.fail(answer.forbidden(why, "Send this statement alone, outside a transaction."))
        return False
    return await decide_first(worker, item, units.ImmediateUnit(worker, item))


async def decide_first(worker: "Worker", item: Item, unit: "units.Decided") -> bool:
    """Decide a statement that stands alone before anything of it runs. True when it is done; else the error was sent."""
    info = item.info
    assert info is not None
    decision = worker.channel.gate.check(worker.channel.principal, info.operations)
    if isinstance(decision, Forbid):
        worker.channel.gate.refused(worker.channel.principal, info.operations, decision)
        worker.fail(answer.refusal(decision))
        return False
    worker.tx = Transaction(explicit=False, settings=dict(worker.channel.settings))
    worker.record(info, item.asked)
    held = _waiting(worker, worker.tx)
    if held is not None and not await approved_meanwhile(worker, held.change):
        worker.tx = None
        return False
    return await _admit(worker, worker.tx, unit)
