"""The units of work that a session hands to the core: an open, measured transaction; and a statement whose effect no rollback
undoes."""

from typing import TYPE_CHECKING, Protocol

import msgspec

from interlock.connectors.postgres import preview, undo
from interlock.connectors.postgres.client.causes import cause_of
from interlock.connectors.postgres.preview import Context
from interlock.connectors.postgres.queries import Rows
from interlock.connectors.postgres.session import control
from interlock.connectors.postgres.session.asked.items import Item
from interlock.connectors.postgres.session.channel import Channel
from interlock.connectors.postgres.session.conversation.exchange import Lost
from interlock.connectors.postgres.session.conversation.heard import sqlstate
from interlock.connectors.postgres.session.conversation.steps import run_steps
from interlock.connectors.postgres.session.ending import finish
from interlock.connectors.postgres.session.transaction import Transaction
from interlock.connectors.postgres.undo.schema import proof
from interlock.model.change import Measurement
from interlock.sdk.connector import Preview, Settled, Unit

if TYPE_CHECKING:
    from interlock.connectors.postgres.session.worker import Worker


class Decided(Unit, Protocol):
    """A unit that is decided before anything of it runs. `error` is the server's own when it failed."""

    error: bytes
    catalogs_changed: bool
    has_temp: bool


class GatedUnit:
    """An open transaction that has been measured and can only be committed or rolled back. `error` is the server's own error when
    the commit failed."""

    def __init__(self, channel: Channel, tx: Transaction, first: list[Rows], prepare: str = "") -> None:
        self._channel = channel
        self._tx = tx
        self._first = first
        self._prepare = prepare
        self._marker: dict[str, str] = {}
        self.error = b""
        self.catalogs_changed = preview.catalogs_changed(first)
        self.has_temp = preview.has_temp(first)

    async def preview(self) -> Preview:
        """Turn what was counted into effects, and take the before-image."""
        context = Context(
            self._channel.server.identity,
            captured=tuple(c for image in self._tx.images if (c := image.captured) is not None),
            losses=tuple(loss for image in self._tx.images for loss in image.losses),
            observer=self._channel.server.has_observer,
            definitions=tuple(self._tx.captures.facets.values()),
            provable=self._tx.captures.asked,
            functions=tuple(sorted({oid for info in self._tx.infos for oid in info.functions})),
            relations=tuple(sorted({oid for info in self._tx.infos for oid in info.relations})),
            layouts=self._channel.server.layouts,
            limits=self._channel.server.limits,
        )
        found, wished = await run_steps(self._channel, preview.examine_definitions(self._first, context))
        if wished is not None:
            ran_under = self._tx.settings.get("search_path", undo.DEFAULT_PATH)
            found = await run_steps(self._channel, proof.prove(found, wished, search_path=ran_under))
        found = with_side_effects(found, self._tx)
        path = self._tx.settings.get("search_path")
        if path is not None and found.marker:
            # A revert must run under it, too: users' triggers may depend on it.
            found = msgspec.structs.replace(found, marker={**found.marker, "search_path": path})
        asked = tuple(operation for info in self._tx.infos for operation in info.operations)
        told = await run_steps(self._channel, preview.facts(found.measurement.effects, asked))
        found = msgspec.structs.replace(found, facts=told)
        self._marker = dict(found.marker)
        return found

    async def execute(self) -> Settled:
        """COMMIT. When the connection is lost meanwhile, the server is asked on another one what became of it."""
        exchange = self._channel.exchange
        batch = exchange.batch()
        if self._tx.captures.asked:
            # The savepoint in which undoing was tried is still open, and read-only ends with it: holdable cursors run at COMMIT.
            batch.own(f"RELEASE SAVEPOINT {proof.SAVEPOINT}")
            batch.own("SET TRANSACTION READ ONLY")
        if self._prepare:
            literal = self._prepare.replace("'", "''")
            reply = batch.once(f"PREPARE TRANSACTION '{literal}'")
        else:
            reply = batch.own("COMMIT")
        batch.sync()
        try:
            await exchange.run(batch)
        except Lost:
            return await self._channel.server.settle(self._marker)
        if reply.error is not None:
            self.error = reply.raw
            await self._restore()
            state = reply.error.sqlstate
            return Settled(False, f"the commit failed with SQLSTATE {state}", cause=cause_of(state))
        if reply.tag not in ("COMMIT", "PREPARE TRANSACTION"):
            return Settled(False, "the server rolled the transaction back")
        return Settled(True)

    async def _restore(self) -> None:
        if self._channel.exchange.status != "I":
            await self.abandon()

    async def abandon(self) -> None:
        """ROLLBACK: afterwards no lock is held (P10). A lost connection comes to the same."""
        batch = self._channel.exchange.batch()
        batch.own("ROLLBACK")
        batch.own(control.FLUSH_COUNTERS)
        batch.sync()
        try:
            await self._channel.exchange.run(batch)
        except Lost:
            return


def with_side_effects(found: Preview, tx: Transaction) -> Preview:
    """Add what measuring does not show (NOTIFY), as the reviewed tables predict it."""
    more = tuple(effect for info in tx.infos for effect in info.side_effects)
    if not more:
        return found
    measurement = found.measurement
    return msgspec.structs.replace(
        found, measurement=msgspec.structs.replace(measurement, effects=(*measurement.effects, *more))
    )


_LASTS = "what no rollback undoes (a sequence that was set, say) may have been done"


class ImmediateUnit:
    """One statement whose effect no rollback undoes: nothing runs before the intent is recorded. What else it does is measured, and
    must be nothing."""

    def __init__(self, worker: "Worker", item: Item) -> None:
        self._worker = worker
        self._item = item
        self.error = b""
        self.catalogs_changed = False
        self.has_temp = False

    async def preview(self) -> Preview:
        """What the reviewed table says of it, and what a sequence holds that it sets."""
        info = self._item.info
        assert info is not None
        steps = preview.setval.judged(info.text, info.immediate_effects)
        effects = await run_steps(self._worker.channel, steps)
        told = await run_steps(self._worker.channel, preview.facts(effects, info.operations))
        return Preview(Measurement(effects), facts=told)

    async def execute(self) -> Settled:
        """Run it in a transaction of its own; other effects than the predicted ones roll it back."""
        worker = self._worker
        exchange = worker.channel.exchange
        batch = exchange.batch()
        control.begin(worker, batch)
        bound = [batch.bind_again(self._item.bind)] if self._item.bind is not None else []
        batch.client(self._item.kind, self._item.raw, self._item.done)
        measured = finish.add_measuring(worker, batch)
        worker.hold_rows(True)
        committed = False
        try:
            error = await exchange.run(batch)
            replies = (*bound, *measured.steps, *measured.first)
            if error is not None or any(reply.failed for reply in replies):
                self.error = worker.held_error() or next((r.raw for r in replies if r.error is not None), b"")
                await self._undo()
                cause = cause_of(sqlstate(self.error).decode(errors="replace"))
                return Settled(False, f"the statement failed; {_LASTS}", cause=cause)
            rows = [reply.texts() for reply in measured.first]
            facts = preview.read(rows)
            if (
                preview.tampered(rows)
                or any(c.any for c in facts.relations)
                or preview.catalogs_changed(rows)
            ):
                await self._undo()
                return Settled(
                    False, f"the statement did more than was predicted, and was rolled back; {_LASTS}"
                )
            batch = exchange.batch()
            done = batch.own("COMMIT")
            batch.sync()
            await exchange.run(batch)
            committed = not done.failed
        except Lost:
            return Settled(None, "the connection was lost while the statement ran")
        finally:
            worker.hold_rows(False, let_go=committed)
        if committed:
            return Settled(True)
        state = done.error.sqlstate if done.error is not None else ""
        return Settled(False, "the commit failed", cause=cause_of(state))

    async def _undo(self) -> None:
        batch = self._worker.channel.exchange.batch()
        batch.own("ROLLBACK")
        batch.own(control.FLUSH_COUNTERS)
        batch.sync()
        await self._worker.channel.exchange.run(batch)

    async def abandon(self) -> None:
        """Nothing was begun."""
