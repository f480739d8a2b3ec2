"""VACUUM and its like: outside any transaction block, and read-only, so that code in index expressions changes nothing.

What keeps everybody from a table while it is stored anew (VACUUM FULL, CLUSTER, REINDEX) is decided before it runs, recorded, and
watched like a transaction that stands in others' way; nothing is left to be undone of it, and nothing to be measured.
"""

import asyncio
from typing import TYPE_CHECKING

from interlock.connectors.postgres import answer, preview
from interlock.connectors.postgres.classify import Way
from interlock.connectors.postgres.client.causes import cause_of
from interlock.connectors.postgres.codec import build
from interlock.connectors.postgres.codec.backend import ErrorResponse
from interlock.connectors.postgres.session import control
from interlock.connectors.postgres.session.asked.items import Item
from interlock.connectors.postgres.session.conversation.exchange import Lost
from interlock.connectors.postgres.session.conversation.steps import run_steps
from interlock.connectors.postgres.session.ending import failing, finish
from interlock.connectors.postgres.session.ending import unit as units
from interlock.connectors.postgres.session.transaction import Transaction
from interlock.model.change import Measurement
from interlock.model.decision import Forbid
from interlock.sdk.connector import Preview, Settled

if TYPE_CHECKING:
    from interlock.connectors.postgres.session.worker import Worker


async def perform(worker: "Worker", item: Item, *, alone: bool) -> bool:
    """Run such a statement. True when it is done; else the error was sent."""
    info = item.info
    assert info is not None
    if worker.tx is not None or not alone:
        text = f"{info.verb} cannot run inside a transaction block"
        worker.reject(build.error_response("ERROR", "25001", text))
        return False
    if info.immediate_effects:
        return await finish.decide_first(worker, item, OutsideUnit(worker, item))
    decision = worker.channel.gate.check(worker.channel.principal, info.operations)
    if isinstance(decision, Forbid):
        worker.channel.gate.refused(worker.channel.principal, info.operations, decision)
        worker.fail(answer.refusal(decision))
        return False
    stop = await worker.channel.gate.stopped(worker.channel.principal, info.operations)
    if stop is not None:
        worker.fail(answer.refused(stop, worker.channel.gate.link))
        return False
    error = await _run(worker, item)
    if error is not None:
        failing.failed(worker, [info], error.sqlstate)
    return error is None


def first_decided(worker: "Worker", item: Item) -> "units.Decided":
    """The unit of a statement of which nothing runs before it is decided, on a connection of the gateway's own."""
    info = item.info
    assert info is not None
    worker.tx = Transaction(explicit=False, settings=dict(worker.channel.settings))
    worker.record(info, item.asked)
    return OutsideUnit(worker, item) if info.way is Way.OUTSIDE else units.ImmediateUnit(worker, item)


async def _run(worker: "Worker", item: Item, *, again: bool = False) -> ErrorResponse | None:
    """The statement as it came, in the read-only session, within the gateway's own time. `again`: its portal is gone."""
    channel = worker.channel
    exchange = channel.exchange
    batch = exchange.batch()
    if again and item.bind is not None:
        batch.bind_again(item.bind)
    batch.client(item.kind, item.raw, item.done)
    if item.kind != "Q":
        batch.sync()
    timer = asyncio.get_running_loop().call_later(
        channel.timers.statement_timeout_s, channel.server.cancelling, channel.upstream
    )
    try:
        error = await exchange.run(batch)
    finally:
        timer.cancel()
    await _flush(worker)
    return error


async def _flush(worker: "Worker") -> None:
    """So that the counters begin at nothing; and what the client's portal was is closed."""
    batch = worker.channel.exchange.batch()
    batch.own(control.FLUSH_COUNTERS)
    batch.sync()
    await worker.channel.exchange.run(batch)


class OutsideUnit:
    """One statement that keeps others from a table, and cannot be tried: nothing runs before the intent is recorded."""

    def __init__(self, worker: "Worker", item: Item) -> None:
        self._worker = worker
        self._item = item
        self.error = b""
        self.catalogs_changed = False
        self.has_temp = False

    async def preview(self) -> Preview:
        """What the reviewed table says of it."""
        info = self._item.info
        assert info is not None
        effects = info.immediate_effects
        told = await run_steps(self._worker.channel, preview.facts(effects, info.operations))
        return Preview(Measurement(effects), facts=told)

    async def execute(self) -> Settled:
        """Run it. What fails has left nothing, or a part of the tables stored anew: no row differs."""
        worker = self._worker
        # No transaction of ours is open: the server takes it outside of a block only.
        tx, worker.tx = worker.tx, None
        worker.maintaining = Transaction(explicit=False, began=asyncio.get_running_loop().time())
        worker.hold_rows(True)
        done = False
        try:
            await _flush(worker)
            error = await _run(worker, self._item, again=True)
            done = error is None
            self.error = worker.held_error()
        except Lost:
            return Settled(None, "the connection was lost while the statement ran")
        finally:
            worker.hold_rows(False, let_go=done)
            worker.maintaining, worker.tx = None, tx
        if error is not None:
            return Settled(False, "the statement failed", cause=cause_of(error.sqlstate))
        return Settled(True)

    async def abandon(self) -> None:
        """Nothing was begun."""
