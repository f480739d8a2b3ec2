"""Units that the gateway runs by itself, each on a connection of its own: an approved change from its record, and a revert."""

from collections.abc import Collection, Sequence
from typing import Protocol, TypeVar

import msgspec

from interlock.connectors.postgres import preview, undo
from interlock.connectors.postgres.client.causes import cause_of
from interlock.connectors.postgres.client.config import UpstreamConfig
from interlock.connectors.postgres.client.errors import SqlError, UpstreamError
from interlock.connectors.postgres.client.sql import SqlConnection
from interlock.connectors.postgres.queries import (
    CANONICAL_SETTINGS,
    Ask,
    QueryFailed,
    Rows,
    Statement,
    Steps,
)
from interlock.connectors.postgres.session.channel import Channel
from interlock.connectors.postgres.session.conversation.exchange import Exchange
from interlock.connectors.postgres.session.ending import outside, replay
from interlock.connectors.postgres.session.ending.record import REVERT, Record, digest_of
from interlock.connectors.postgres.session.ending.unit import Decided, GatedUnit
from interlock.connectors.postgres.session.server import Server
from interlock.connectors.postgres.session.transaction import Transaction
from interlock.connectors.postgres.session.worker import Worker
from interlock.connectors.postgres.target.pool import rows_of
from interlock.connectors.postgres.target.run import run
from interlock.connectors.postgres.upstream import Upstream
from interlock.model.change import Change, Measurement
from interlock.model.effect import ACTION_OF
from interlock.model.errors import Rejected, Unavailable
from interlock.model.operation import Operation
from interlock.sdk.connector import Preview, Principal, Refused, Settled, Unit, Work

T = TypeVar("T")


class Reverts(Server, Protocol):
    """What a revert needs of its target besides what sessions do."""

    def reverting_role(self) -> UpstreamConfig:
        """The maintainer, or the role that agents run as when there is none."""

    def hazards(self, tables: Collection[int]) -> Sequence[str]:
        """What no rollback undoes of the code that runs when tables (by oid) are written."""


class AppliedUnit:
    """An approved change, run again from its record as the agent it belongs to."""

    def __init__(self, server: Server, record: Record, principal: Principal) -> None:
        self._server = server
        self._record = record
        self._principal = principal
        self._upstream: Upstream | None = None
        self._unit: GatedUnit | Decided | None = None

    async def preview(self) -> Preview:
        """Connect with the recorded settings, run the statements, measure. What no rollback undoes runs in `execute` alone. Raises
        Rejected, Unavailable."""
        record = self._record
        try:
            self._upstream = await self._server.connect(record.agent, record.settings)
        except UpstreamError as error:
            raise Unavailable(f"the server cannot be reached ({error.sqlstate})") from None
        channel = Channel(self._server, self._server.gate, self._principal, self._upstream, lambda data: None)
        channel.settings = dict(record.settings)
        worker = Worker(channel)
        channel.exchange = Exchange(self._upstream.write, worker.sink, lambda kind, raw: None)
        self._upstream.set_receiver(channel.exchange.received, channel.exchange.lost)
        item = await replay.alone(worker, record.statements)
        if item is not None:
            self._unit = outside.first_decided(worker, item)
            return await self._unit.preview()
        old = Transaction(
            explicit=True, begin=record.begin, asked=list(record.statements), settings=dict(record.settings)
        )
        again = await replay.run(worker, old)
        if isinstance(again, Refused):
            raise Rejected(again.why)
        self._unit = again.unit
        return await self._unit.preview()

    async def execute(self) -> Settled:
        """COMMIT, or run what no rollback undoes."""
        assert self._unit is not None
        settled = await self._unit.execute()
        if self._unit.catalogs_changed:
            self._server.schema_changed()
        self._close()
        return settled

    async def abandon(self) -> None:
        """End the connection: the server rolls back."""
        if self._unit is not None:
            await self._unit.abandon()
        self._close()

    def _close(self) -> None:
        if self._upstream is not None:
            self._upstream.abort()


async def apply_unit(
    server: Server, change: Change, record: Record, principal: Principal
) -> tuple[Work, Unit]:
    """A unit that runs a recorded change on the server's side; it is the same work by its digest."""
    work = Work(principal, change.operations, record.digest(), record.encode(), change.reason)
    return work, AppliedUnit(server, record, principal)


class RevertUnit:
    """Puts back what a change did, in one transaction, measured like any other."""

    def __init__(self, server: Reverts, parts: Sequence[bytes], *, force: bool, search_path: str) -> None:
        self._server = server
        self._search_path = search_path
        self._parts = parts
        self._force = force
        self._connection: SqlConnection | None = None
        self._marker: dict[str, str] = {}
        self._catalogs_changed = False

    async def preview(self) -> Preview:
        """Run the inverse steps and measure them. Raises Rejected when rows were modified since, Unavailable."""
        settings = {
            **CANONICAL_SETTINGS,
            "default_transaction_read_only": "on",
            "synchronous_commit": "on",
            # Others write at the same time: neither do they wait for a revert that waits, nor a person for them.
            "lock_timeout": f"{self._server.lock_timeout_ms}ms",
            "statement_timeout": f"{self._server.statement_timeout_s:.0f}s",
        }
        try:
            self._connection = await SqlConnection.connect(self._server.reverting_role(), settings)
            fingerprint = self._server.identity.fingerprint
            await self._server.look()
            steps = undo.revert(
                self._parts,
                force=self._force,
                fingerprint=fingerprint,
                search_path=self._search_path,
                hazards=self._server.hazards,
            )
            reverted = await self._run(steps)
            statements = preview.first().statements
            ending: list[Statement] = [
                ("SET CONSTRAINTS ALL IMMEDIATE", ()),
                *statements,
                ("SET TRANSACTION READ ONLY", ()),
            ]
            replies = await self._ask(ending)
        except UpstreamError as error:
            raise Unavailable(f"the server cannot be reached ({error.sqlstate})") from None
        except (SqlError, QueryFailed) as error:
            raise Rejected(
                f"the revert cannot be done: the server answered SQLSTATE {error.sqlstate}"
            ) from None
        first = replies[1:-1]
        self._catalogs_changed = preview.catalogs_changed(first)
        context = preview.Context(
            self._server.identity,
            captured=reverted.captured,
            copies=reverted.copies,
            observer=self._server.has_observer,
            layouts=self._server.layouts,
            limits=self._server.limits,
        )
        found = await self._run(preview.examine(first, context))
        if not reverted.complete:
            found = msgspec.structs.replace(found, marker={**found.marker, "partly": "1"})
        self._marker = dict(found.marker)
        measurement = _known_back(found.measurement, reverted.sequences)
        return msgspec.structs.replace(found, measurement=measurement, conflicts=reverted.conflicts)

    async def _run(self, steps: Steps[T]) -> T:
        """Both `maintainer` and `agent` are this one connection."""

        async def asker(ask: Ask) -> list[Rows]:
            return await (self._server.observe if ask.on == "observer" else self._ask)(ask.statements)

        return await run(steps, asker)

    async def _ask(self, statements: Sequence[Statement]) -> list[Rows]:
        assert self._connection is not None
        try:
            return [rows_of(result) for result in await self._connection.pipeline(list(statements))]
        except SqlError as error:
            raise QueryFailed(error.sqlstate, error.message) from None

    async def execute(self) -> Settled:
        """COMMIT; on a lost connection the server is asked what became of it."""
        assert self._connection is not None
        try:
            await self._connection.query("COMMIT")
        except SqlError as error:
            await self.abandon()
            why = f"the commit failed with SQLSTATE {error.sqlstate}"
            return Settled(False, why, cause=cause_of(error.sqlstate))
        except UpstreamError:
            return await self._server.settle(self._marker)
        if self._catalogs_changed:
            self._server.schema_changed()
        self._connection.upstream.abort()
        return Settled(True)

    async def abandon(self) -> None:
        """End the connection: the server rolls back."""
        if self._connection is not None:
            await self._connection.upstream.close()


def _known_back(measurement: Measurement, sequences: Collection[str]) -> Measurement:
    """A sequence that a revert sets back goes forward again when the revert is reverted: with the rows that come back."""
    effects = tuple(
        msgspec.structs.replace(effect, reversible=True, reason="")
        if effect.resource.kind == "sequence" and effect.resource.name in sequences
        else effect
        for effect in measurement.effects
    )
    return msgspec.structs.replace(measurement, effects=effects)


async def revert_unit(
    server: Reverts, change: Change, parts: Sequence[bytes], *, force: bool, principal: Principal
) -> tuple[Work, Unit]:
    """A unit that reverts `change`."""
    operations = tuple(
        Operation(ACTION_OF[effect.change], "REVERT", (effect.resource,))
        for effect in change.measurement.effects
    )
    payload = f"{REVERT}{change.id}{' (forced)' if force else ''}".encode()
    work = Work(principal, operations, digest_of(payload), payload, reverts=change.id)
    path = change.marker.get("search_path", undo.DEFAULT_PATH)
    return work, RevertUnit(server, parts, force=force, search_path=path)
