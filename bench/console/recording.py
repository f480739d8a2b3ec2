"""What recording a change pays for lists and counters: with and without their indexes and triggers, in turn."""

import asyncio
import contextlib
import secrets
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psycopg

from bench.console.filling import drafts
from bench.measure import DIRECT, GATEWAY, Row, Table, interleaved
from interlock.model.base import Json
from interlock.model.change import Change, ChangeState
from interlock.runtime.crypto import MasterKey
from interlock.runtime.stores import SqlStore, open_store
from interlock.runtime.stores.shape.schema import PG_SCHEMA
from interlock.sdk.ports import Tx
from interlock.testing.peers.pg import PgDatabase

_INDEXES = ("agent", "target", "environment", "action")
_BODY: dict[str, Json] = {"change": "CHG-7K3F9Q2M", "agent": "bencher", "content": "0" * 64}
Measure = tuple[SqlStore, list[float]]


def recording(folder: Path, bare: PgDatabase, whole: PgDatabase, changes: int, repeats: int) -> Table:
    """One change: the intent (a new change and an entry) and the outcome (the change moved, and an entry)."""
    table = Table("Recording a change: its intent and its outcome")
    for concurrent in (1, 16):
        for name, urls, drop in (
            ("SQLite", [f"sqlite:///{folder}/{secrets.token_hex(4)}.db" for _ in range(2)], _drop_sqlite),
            ("PostgreSQL", [bare.dsn(), whole.dsn()], _drop_postgres),
        ):
            stores = [
                open_store(url, MasterKey(bytes(32)), create=True, origin="bench/console") for url in urls
            ]
            drop(urls[0])
            table.rows += _compared(f"{name}, {concurrent} at a time", stores, concurrent, changes, repeats)
    table.remarks.append(
        "Direct: the same store without the indexes of lists, and without the triggers that count."
    )
    return table


def _compared(name: str, stores: list[SqlStore], concurrent: int, changes: int, repeats: int) -> list[Row]:
    times: dict[int, list[float]] = {0: [], 1: []}
    with asyncio.Runner() as runner:

        def run(place: int) -> float:
            begun = time.process_time()
            rate = runner.run(_record(stores[place], concurrent, changes))
            times[place].append((time.process_time() - begun) * 1e6 / changes)
            return rate

        medians = interleaved({DIRECT: 0, GATEWAY: 1}, repeats, run)
        for store in stores:
            runner.run(store.close())
    least = {DIRECT: min(times[0]), GATEWAY: min(times[1])}
    return [
        Row(name, "changes/s", medians),
        Row(f"{name}: processor time", "µs", least, more_is_better=False),
    ]


async def _record(store: SqlStore, concurrent: int, changes: int) -> float:
    """Changes a second."""
    made = drafts(changes, datetime.now(UTC))

    async def some() -> None:
        for draft in made:
            await _one(store, draft)

    begun = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(concurrent)))
    return changes / (time.perf_counter() - begun)


async def _one(store: SqlStore, draft: Change) -> None:
    def intend(tx: Tx) -> Change:
        made = tx.new_change(msgspec.structs.replace(draft, state=ChangeState.EXECUTING))
        tx.append("change.received", _BODY)
        return made

    change = await store.transact(intend)

    def conclude(tx: Tx) -> None:
        tx.save_change(msgspec.structs.replace(change, state=ChangeState.APPLIED, note="done"))
        tx.append("change.received", _BODY)

    await store.transact(conclude)


def _drop_sqlite(url: str) -> None:
    with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        _drop(connection.execute, "")


def _drop_postgres(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"SET search_path TO {PG_SCHEMA}")
        _drop(connection.execute, " ON changes")


def _drop(execute: Callable[[str], object], on: str) -> None:
    for column in _INDEXES:
        execute(f"DROP INDEX IF EXISTS changes_by_{column}")
    for trigger in ("changes_come", "changes_moved"):
        execute(f"DROP TRIGGER IF EXISTS {trigger}{on}")
