"""Retention: which payloads are due, and destroying them so that nothing readable stays behind."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Engine, select

from interlock.model.change import ChangeState
from interlock.runtime.stores.rows.writing import SqlTx
from interlock.runtime.stores.shape import schema
from interlock.runtime.stores.times import milliseconds

KEPT = (
    ChangeState.RECEIVED,
    ChangeState.HELD,
    ChangeState.APPROVED,
    ChangeState.EXECUTING,
    ChangeState.IN_DOUBT,
)
"""What is still going on keeps its payloads, however old it is."""

AT_ONCE = 200


def due(tx: SqlTx, before: datetime) -> Sequence[str]:
    """Changes that ended before that time and still have payloads, oldest first, at most ``AT_ONCE``."""
    keys, changes = schema.payload_keys, schema.changes
    query = (
        select(changes.c.id)
        .join(keys, keys.c.change_id == changes.c.id)
        .where(changes.c.state.not_in([s.value for s in KEPT]), changes.c.updated_at < milliseconds(before))
        .order_by(changes.c.id)
        .limit(AT_ONCE)
    )
    return [change_id for (change_id,) in tx.runner.execute(query)]


def destroy_due(tx: SqlTx, before: datetime) -> Sequence[str]:
    """Destroy what is due and record it; the changes concerned."""
    found = due(tx, before)
    for change_id in found:
        tx.append("payload.destroyed", {"change": change_id})
        tx.destroy_payloads(change_id)
    return found


def empty_wal(engine: Engine) -> None:
    """Move everything from SQLite's write-ahead log into the database: destroyed keys must not survive in it.

    Does what readers that are busy let it do; the next commit's checkpoint does the rest.
    """
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
