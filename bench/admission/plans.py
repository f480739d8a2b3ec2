"""How the statements on the way of an intent are carried out: by indexes, and touching as much of the store at any age."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event, text

from bench.admission.intents import TARGET, Bench
from interlock.runtime.stores.commits.engine import connect
from interlock.sdk.ports import ReadTx

_LARGE = ("changes", "ledger_entries", "ledger_changes", "ledger_nodes", "payload_keys", "payloads", "spent")
LOOKS: dict[str, Callable[[ReadTx], object]] = {
    "the same content, waiting": lambda tx: tx.change_by_content("agent-3", TARGET.name, "0" * 64),
    "the same content, denied": lambda tx: tx.denied_change("agent-3", TARGET.name, "0" * 64),
    "how many of an agent wait": lambda tx: tx.open_changes("agent-3"),
    "what recovery looks at": lambda tx: tx.changes_in_doubt(),
}
"""What is read on the way to an intent, and beside it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One statement: blocks that it touched (PostgreSQL only), and tables of history that it went through from end to end."""

    name: str
    blocks: int | None
    scans: tuple[str, ...]


async def plans(bench: Bench) -> list[Plan]:
    """Of each query of the intent's transaction, and of each look."""
    asked: list[tuple[str, Any]] = []

    def hear(*given: Any) -> None:
        asked.append((given[2], given[3]))

    store = bench.store
    engines = (store._engines.writer, store._engines.reader)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", hear)
    await bench.record(guarded=True)
    wanted = [(_named(sql), sql, values) for sql, values in asked if sql.startswith("SELECT")]
    wanted += [("count budgets", sql, values) for sql, values in asked if sql.startswith("INSERT INTO spent")]
    for name, look in LOOKS.items():
        asked.clear()
        await store.read(look)
        wanted += [(name, sql, values) for sql, values in asked if sql.startswith("SELECT")]
    for engine in engines:
        event.remove(engine, "before_cursor_execute", hear)
    if store._engines.is_sqlite:
        return _lite(bench, wanted) + await _traced(bench)
    return [_explained(bench, *each) for each in wanted]


def _named(sql: str) -> str:
    if "FROM breakers" in sql:
        return "reserve breakers"
    table = re.search(r"FROM ([a-z_.]+)", sql)
    return f"read {table.group(1)}" if table else "read the clock"


def _explained(bench: Bench, name: str, sql: str, values: Any) -> Plan:
    with connect(bench.store._engines.writer) as connection, connection.begin() as transaction:
        found = connection.exec_driver_sql(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", values
        ).scalar_one()
        transaction.rollback()
    (top,) = found if isinstance(found, list) else json.loads(found)
    plan = top["Plan"]
    scans = tuple(
        node["Relation Name"]
        for node in _nodes(plan)
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in _LARGE
    )
    # An index that is gone through from the end is no lookup either.
    scans += tuple(
        node["Index Name"]
        for node in _nodes(plan)
        if node["Node Type"].startswith("Index")
        and "Index Cond" not in node
        and "Index Name" in node
        and node["Index Name"].startswith(_LARGE)
    )
    return Plan(name, plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], scans)


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in _nodes(child))]


def _lite(bench: Bench, wanted: list[tuple[str, str, Any]]) -> list[Plan]:
    found = []
    for name, sql, values in wanted:
        with connect(bench.store._engines.reader) as connection:
            steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
        found.append(Plan(name, None, _scanned(steps)))
    return found


async def _traced(bench: Bench) -> list[Plan]:
    """What goes past SQLAlchemy."""
    statements = await bench.counted(guarded=True)
    found = []
    for sql in dict.fromkeys(s for s in statements if s.startswith(("SELECT", "INSERT INTO spent"))):
        with connect(bench.store._engines.reader) as connection:
            steps = connection.execute(
                text(f"EXPLAIN QUERY PLAN {sql.replace(':', chr(92) + ':')}")
            ).fetchall()
        name = _named(sql) if sql.startswith("SELECT") else "count budgets"
        found.append(Plan(name, None, _scanned(steps)))
    return found


def _scanned(steps: Any) -> tuple[str, ...]:
    details = [str(step[3]) for step in steps]
    return tuple(d for d in details if d.startswith("SCAN") and d.split()[1] in (*_LARGE, "earlier"))
