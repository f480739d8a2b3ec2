"""Version 7 of the schema: changes are listed and searched by indexes, and counted as they come.

`changes` is made anew, with the long document last, and its rows are copied: what is found by, is taken from the document.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    MetaData,
    Row,
    Table,
    Text,
    func,
    insert,
    select,
)
from sqlalchemy.schema import CreateTable

from interlock.model.change import ACTIVITY_SLICE, Change
from interlock.model.errors import Misconfigured
from interlock.model.search import words_of
from interlock.runtime.stores.shape import schema
from interlock.runtime.stores.shape.schema import PG_SCHEMA

SLICE_MS: Final = int(ACTIVITY_SLICE.total_seconds()) * 1000
_AT_ONCE = 2_000
_OLD = "changes_before"

BEFORE: Final = Table(
    "changes",
    MetaData(),
    Column("id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("requested_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("doc", Text, nullable=False),
    Index("changes_by_state", "state", "id"),
    Index("changes_by_agent", "agent", "state"),
    Index("changes_by_content", "agent", "target", "content"),
)
"""`changes` as versions 1 to 6 had it."""


def upgrade(connection: Connection) -> None:
    """The migration."""
    for index in BEFORE.indexes:
        index.drop(connection)
    connection.exec_driver_sql(f"ALTER TABLE changes RENAME TO {_OLD}")
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"ALTER INDEX changes_pkey RENAME TO {_OLD}_pkey")
    connection.execute(CreateTable(schema.changes))
    for rows in _pages(connection):
        connection.execute(insert(schema.changes), [_filled(row) for row in rows])
    connection.exec_driver_sql(f"DROP TABLE {_OLD}")
    for index in sorted(schema.changes.indexes, key=lambda index: str(index.name)):
        index.create(connection)
    schema.activity.create(connection)
    _count_all(connection)
    for statement in _triggers(connection.dialect.name):
        connection.exec_driver_sql(statement)


def _pages(connection: Connection) -> Iterator[Sequence[Row[Any]]]:
    old = BEFORE.to_metadata(MetaData(), name=_OLD)
    last = ""
    while rows := connection.execute(
        select(old).where(old.c.id > last).order_by(old.c.id).limit(_AT_ONCE)
    ).all():
        yield rows
        last = rows[-1].id


def _filled(row: Row[Any]) -> dict[str, Any]:
    try:
        change = msgspec.json.decode(row.doc, type=Change)
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise Misconfigured(
            f"store: the change {row.id} cannot be read: restore the store from a backup"
        ) from None
    return {**row._mapping, "action": change.action.value, "words": words_of(change)}


def _count_all(connection: Connection) -> None:
    table = schema.changes
    place = (table.c.requested_at // SLICE_MS).label("slice")
    counted = select(place, table.c.state, func.count()).group_by("slice", table.c.state)
    connection.execute(insert(schema.activity).from_select(["slice", "state", "changes"], counted))


def _triggers(dialect: str) -> Iterator[str]:
    """Whoever writes a change, it is counted: there is no second statement to forget, and on PostgreSQL no round trip."""
    postgres = dialect == "postgresql"
    where = f"{PG_SCHEMA}.activity" if postgres else "activity"
    come = (
        f"INSERT INTO {where} (slice, state, changes) VALUES (NEW.requested_at / {SLICE_MS}, NEW.state, 1)"
        " ON CONFLICT (slice, state) DO UPDATE SET changes = activity.changes + 1;"
    )
    gone = f"UPDATE {where} SET changes = changes - 1 WHERE slice = OLD.requested_at / {SLICE_MS} AND state = OLD.state;"
    moved = "AFTER UPDATE OF state ON changes FOR EACH ROW WHEN (OLD.state <> NEW.state)"
    if not postgres:
        yield f"CREATE TRIGGER changes_come AFTER INSERT ON changes BEGIN {come} END"
        yield f"CREATE TRIGGER changes_moved {moved} BEGIN {gone} {come} END"
        return
    for name, body in (("change_come", come), ("change_moved", f"{gone} {come}")):
        yield (
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$"
        )
    yield "CREATE TRIGGER changes_come AFTER INSERT ON changes FOR EACH ROW EXECUTE FUNCTION change_come()"
    yield f"CREATE TRIGGER changes_moved {moved} EXECUTE FUNCTION change_moved()"
