"""Schema versions: made once, migrated forward one by one, never recreated.

A migration is a function of a connection, run in one transaction with the new version number. Add the next one at the
end of ``MIGRATIONS``; a released one never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from sqlalchemy import Connection, Table, func, insert, inspect, select, text, update

from interlock.ledger.merkle import Frontier
from interlock.model.errors import Misconfigured
from interlock.runtime.stores.log import mention
from interlock.runtime.stores.shape import listed, schema
from interlock.runtime.stores.shape.schema import PG_SCHEMA


def _first(connection: Connection) -> None:
    """Version 1: the tables that were there from the beginning."""
    tables = [table for table in schema.metadata.sorted_tables if table not in _LATER]
    schema.metadata.create_all(connection, tables, checkfirst=False)
    listed.BEFORE.create(connection, checkfirst=False)
    empty = Frontier()
    connection.execute(insert(schema.ledger_head).values(id=1, size=empty.size, edge=empty.encode()))
    connection.execute(insert(schema.revision).values(id=1, value=0))
    connection.execute(insert(schema.ledger_signer).values(id=1, holder="", fence=0, expires_at=0))
    _protect(connection)


def _protect(connection: Connection) -> None:
    """Triggers that refuse to alter or remove what is append-only."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(
            "CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$"
            " BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$"
        )
    protect = _on_postgres if connection.dialect.name == "postgresql" else _on_sqlite
    for table in schema.APPEND_ONLY:
        for statement in protect(table):
            connection.exec_driver_sql(statement)


def _on_postgres(table: Table) -> Iterator[str]:
    for action in ("UPDATE", "DELETE", "TRUNCATE"):
        yield (
            f"CREATE TRIGGER {table.name}_no_{action.lower()} BEFORE {action} ON {table.name}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting()"
        )


def _on_sqlite(table: Table) -> Iterator[str]:
    refuse = "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
    for action in ("UPDATE", "DELETE"):
        yield f"CREATE TRIGGER {table.name}_no_{action.lower()} BEFORE {action} ON {table.name} {refuse}"
    # INSERT OR REPLACE removes the old row without a word to triggers on DELETE.
    same = " AND ".join(f"{column.name} = NEW.{column.name}" for column in table.primary_key.columns)
    taken = f"EXISTS (SELECT 1 FROM {table.name} WHERE {same})"
    yield f"CREATE TRIGGER {table.name}_no_replace BEFORE INSERT ON {table.name} WHEN {taken} {refuse}"


def _budgets(connection: Connection) -> None:
    """Version 2: what small changes add up to."""
    schema.spent.create(connection)


def _console(connection: Connection) -> None:
    """Version 3: web sessions, invitations and the ceremonies of passkeys."""
    schema.tickets.create(connection)


def _deciding(connection: Connection) -> None:
    """Version 4: what people do about held changes beside approving and denying."""
    for table in _DECIDING:
        table.create(connection)


def _outbox(connection: Connection) -> None:
    """Version 5: messages to people."""
    schema.outbox.create(connection)


def _governed(connection: Connection) -> None:
    """Version 6: what admins have approved to be in force."""
    schema.in_force.create(connection)


_DECIDING: Final = (schema.taken_back, schema.reviews, schema.break_glass)


def _entries_of_changes(connection: Connection) -> None:
    """Version 8: which entries of the log are about which change."""
    schema.ledger_changes.create(connection)
    entries, start = schema.ledger_entries.c, 0
    while True:
        some = select(entries.number, entries.data).where(entries.number >= start).order_by(entries.number)
        rows = connection.execute(some.limit(_AT_ONCE)).all()
        found = [row for number, data in rows for row in mention.rows(number, bytes(data))]
        if found:
            connection.execute(insert(schema.ledger_changes), found)
        if len(rows) < _AT_ONCE:
            return
        start = rows[-1][0] + 1


def _signals(connection: Connection) -> None:
    """Version 9: what agents left behind, and breakers that opened by themselves."""
    schema.tracks.create(connection)
    schema.trips.create(connection)


def _health(connection: Connection) -> None:
    """Version 10: the health of targets, and the changes under watch."""
    schema.health.create(connection)
    schema.watched.create(connection)


_AT_ONCE: Final = 2_000
"""Entries that a migration reads at a time."""

_LATER: Final = (
    schema.spent,
    schema.tickets,
    *_DECIDING,
    schema.outbox,
    schema.in_force,
    schema.changes,
    schema.activity,
    schema.ledger_changes,
    schema.tracks,
    schema.trips,
    schema.health,
    schema.watched,
)
"""Tables that a later version added, or made anew."""

MIGRATIONS: Final[tuple[Callable[[Connection], None], ...]] = (
    _first,
    _budgets,
    _console,
    _deciding,
    _outbox,
    _governed,
    listed.upgrade,
    _entries_of_changes,
    _signals,
    _health,
)
VERSION: Final = len(MIGRATIONS)


def stored_version(connection: Connection) -> int:
    """The schema version of a database; 0 when it holds nothing.

    Raises Misconfigured when it holds something that is not a store.
    """
    where = PG_SCHEMA if connection.dialect.name == "postgresql" else None
    tables = set(inspect(connection).get_table_names(schema=where))
    if schema.schema_version.name not in tables:
        if tables:
            raise Misconfigured("store: the database holds other tables and no Interlock store")
        return 0
    versions = connection.execute(select(schema.schema_version.c.version)).scalars().all()
    if len(versions) != 1:
        raise Misconfigured("store: its schema version is missing: restore it from a backup")
    return int(versions[0])


def migrate(connection: Connection, *, create: bool, upgrade: bool) -> int:
    """Bring the schema to ``VERSION``, inside the caller's transaction; return the version found.

    Raises Misconfigured for an empty database without ``create``, an older one without ``upgrade``, a newer one always.
    """
    if connection.dialect.name == "postgresql":
        _enter_schema(connection, create)
    found = stored_version(connection)
    if found > VERSION:
        raise Misconfigured(
            f"store: its schema is version {found}, newer than this program's {VERSION}: upgrade it"
        )
    if found == 0 and not create:
        raise Misconfigured("store: there is none yet; `interlock init` makes one (was the database moved?)")
    if 0 < found < VERSION and not upgrade:
        raise Misconfigured(f"store: its schema is version {found}, not {VERSION}: run `interlock migrate`")
    for number, step in enumerate(MIGRATIONS[found:], found + 1):
        step(connection)
        _set_version(connection, number)
    return found


def _set_version(connection: Connection, number: int) -> None:
    if number == 1:
        connection.execute(insert(schema.schema_version).values(version=1))
    else:
        connection.execute(update(schema.schema_version).values(version=number))


def _enter_schema(connection: Connection, create: bool) -> None:
    """Replicas that start together take turns; the schema is made only when that was asked for."""
    # A migration takes as long as it needs.
    connection.exec_driver_sql(
        "SELECT pg_catalog.set_config(name, '0', true) FROM pg_catalog.pg_settings WHERE name = 'transaction_timeout'"
    )
    connection.execute(select(func.pg_catalog.pg_advisory_xact_lock(0x1E7E610C)))
    exists = connection.execute(
        text("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = :name"), {"name": PG_SCHEMA}
    ).first()
    if not exists and create:
        connection.exec_driver_sql(f"CREATE SCHEMA {PG_SCHEMA}")
