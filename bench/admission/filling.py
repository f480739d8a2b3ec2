"""A store with very much history, made by the database itself in its real schema: rows of the sizes that small changes have.

What is made is history alone. The log's hashes are invented, so nobody could verify it; its head is where it would be.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from interlock.ledger.merkle import Frontier
from interlock.model import ids
from interlock.runtime.stores.shape.schema import PG_SCHEMA

Execute = Callable[[str, Sequence[Any]], Sequence[Any]]
TABLES = ("changes", "ledger_entries", "ledger_changes", "ledger_nodes", "payload_keys", "payloads", "spent")
_BEGUN = datetime(2025, 6, 1, tzinfo=UTC)
"""When the first of it was asked for; one each millisecond since."""
_AGENTS, _TARGETS, _SLICES = 40, 4, 24
_MANY = 1_000_000
"""More new rows than that are put in before the indexes are made, which is quicker."""


def grow(execute: Execute, postgres: bool, before: int, after: int) -> None:
    """From so many operations of history to so many: each a change, an entry of the log, its place in the index of entries, and a
    counter of what was spent. Payloads, which retention destroys after a month, are there for a tenth. Documents are short: what
    admission writes to grows with the number of rows."""
    many = after - before >= _MANY
    dropped = _dropped(execute, postgres) if many else []
    off = "DISABLE" if postgres else ""
    triggers = _without_triggers(execute, postgres, off)
    ((begun,),) = execute("SELECT size FROM ledger_head", ())
    for name, columns, source in _sources(postgres, before, after, begun):
        execute(f"INSERT INTO {name} ({columns}) {source}", ())
    for statement in (*triggers, *dropped):
        execute(statement, ())
    size = begun + after - before
    edge = Frontier(size, tuple(bytes(32) for _ in range(size.bit_count())))
    execute("UPDATE ledger_head SET size = ?, edge = ?", (size, edge.encode()))


def _sources(postgres: bool, before: int, after: int, size: int) -> Iterator[tuple[str, str, str]]:
    """Of each table: its columns, and the query that makes its rows. `size` is how long the log is already."""
    oldest = ids.change_number(_BEGUN)
    letters = " || ".join(
        f"substr('{ids.ALPHABET}', CAST((({oldest} + n) >> {shift}) & 31 AS integer) + 1, 1)"
        for shift in range(35, -1, -5)
    )
    change = f"'CHG-' || {letters}"
    begun = int(_BEGUN.timestamp() * 1000)
    hashed = "sha256(CAST(CAST(n AS text) AS bytea))" if postgres else "randomblob(32)"
    blob = "convert_to(repeat('e', 60), 'UTF8')" if postgres else "zeroblob(60)"
    content = "md5(CAST(n AS text)) || md5(CAST(n AS text))" if postgres else "lower(hex(randomblob(32)))"

    def series(first: int, last: int) -> str:
        if postgres:
            return f"generate_series({first}, {last}) AS s(n)"
        return f"(WITH RECURSIVE s(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM s WHERE n < {last}) SELECT n FROM s)"

    new = series(before + 1, after)
    yield (
        "changes",
        "id, version, state, agent, target, environment, content, requested_at, updated_at, action, words, doc",
        f"SELECT {change}, 3, 'applied', 'agent-' || (n % {_AGENTS}), 'target-' || (n % {_TARGETS}), 'production',"
        f" {content}, {begun} + n, {begun} + n, 'update', 'update public.orders_' || (n % 60), '{{}}' FROM {new}",
    )
    entries = series(size, size + after - before - 1)
    yield "ledger_entries", "number, leaf, data", f"SELECT n, {hashed}, {blob} FROM {entries}"
    yield "ledger_changes", "change_id, number", f"SELECT {change}, n FROM {new}"
    nodes = series(size // 256, (size + after - before) // 256 - 1)
    yield "ledger_nodes", "level, number, hash", f"SELECT 8, n, {hashed} FROM {nodes}"
    tenth = series(before // 10 + 1, after // 10)
    yield "payload_keys", "change_id, sealed", f"SELECT {change}, {hashed} FROM {tenth}"
    yield "payloads", "change_id, name, sealed", f"SELECT {change}, 'content', {blob} FROM {tenth}"
    yield (
        "spent",
        "scope, target, slice, rows_created, rows_updated, rows_deleted, objects",
        f"SELECT 'table/table public.t' || (n / {_SLICES}), 'target-0', {begun} + (n % {_SLICES}) * 300000, 1, 1, 0, 0"
        f" FROM {new}",
    )


def _dropped(execute: Execute, postgres: bool) -> list[str]:
    """Drop indexes that rows would be put into one by one; what makes them again."""
    if postgres:
        keys = execute(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'p'"
            f" AND conrelid::regclass::text IN ({', '.join(repr(name) for name in TABLES)})",
            (),
        )
        for table, key, _ in keys:
            execute(f"ALTER TABLE {table} DROP CONSTRAINT {key}", ())
        found = execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'interlock' AND tablename = 'changes'",
            (),
        )
        again = [f"ALTER TABLE {table} ADD CONSTRAINT {key} {sql}" for table, key, sql in keys]
    else:
        again = []
        found = execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'changes' AND sql IS NOT NULL",
            (),
        )
    for name, _ in found:
        execute(f"DROP INDEX {name}", ())
    return again + [sql for _, sql in found]


def _without_triggers(execute: Execute, postgres: bool, off: str) -> list[str]:
    """Have no trigger look at what is put in; what makes them look again."""
    if postgres:
        for name in TABLES:
            execute(f"ALTER TABLE {name} {off} TRIGGER USER", ())
        return [f"ALTER TABLE {name} ENABLE TRIGGER USER" for name in TABLES]
    found = execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'", ())
    for name, _ in found:
        execute(f"DROP TRIGGER {name}", ())
    return [sql for _, sql in found]


@contextlib.contextmanager
def filler(url: str) -> Iterator[Execute]:
    """Executes SQL (`?` for each parameter) beside the store, without waiting for the disk."""
    if url.startswith("sqlite"):
        with contextlib.closing(
            sqlite3.connect(Path(url.removeprefix("sqlite:///")), isolation_level=None)
        ) as lite:
            for pragma in ("synchronous=OFF", "cache_size=-1000000", "temp_store=MEMORY"):
                lite.execute(f"PRAGMA {pragma}")
            yield lambda sql, values: lite.execute(sql, values).fetchall()
            lite.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in (
            "synchronous_commit = off",
            "maintenance_work_mem = '1GB'",
            f"search_path = {PG_SCHEMA}",
        ):
            connection.execute(f"SET {setting}".encode())

        def execute(sql: str, values: Sequence[Any]) -> Sequence[Any]:
            words = sql.replace("?", "%s") if values else sql
            cursor = connection.execute(words.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

        yield execute
        for name in TABLES:
            connection.execute(f"VACUUM (ANALYZE, FREEZE) {name}".encode())
        connection.execute("CHECKPOINT")
