"""Appends to the ledger a second, beside what the disk can do."""

import asyncio
import secrets
import statistics
import time
from pathlib import Path

import uvloop

from bench.machine import fsyncs_per_second
from bench.measure import Effort, Goal, Row, Table, interleaved
from interlock.model.base import Json
from interlock.runtime.crypto import MasterKey
from interlock.runtime.stores import SqlStore, open_store
from interlock.sdk.ports import Tx

CONCURRENT = (1, 64)
_EACH_FSYNC = 10
_RAW = "fsync of 4 KiB"
_BODY: dict[str, Json] = {
    "change": "CHG-7K3F9Q2M",
    "agent": "bencher",
    "target": "bench",
    "content": "0" * 64,
    "effects": [{"change": "updated", "count": 1, "resource": "public.pgbench_accounts"}],
}


def appending(effort: Effort, folder: Path) -> Table:
    """The store on SQLite as it is served (WAL, synchronous=FULL), in the same folder as the probe of the disk."""
    store = open_store(
        f"sqlite:///{folder}/appending.db", MasterKey(secrets.token_bytes(32)), create=True, origin="bench"
    )
    seconds = effort.seconds / 2
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        ways: dict[str, int] = {_RAW: 0, **{f"{n} at a time": n for n in CONCURRENT}}

        served: dict[int, list[float]] = {n: [] for n in CONCURRENT}

        def run(concurrent: int) -> float:
            if not concurrent:
                return fsyncs_per_second(folder, seconds)
            before = store.statistics.transactions, store.statistics.commits
            rate = runner.run(_appends(store, concurrent, seconds))
            after = store.statistics.transactions, store.statistics.commits
            served[concurrent].append((after[0] - before[0]) / (after[1] - before[1]))
            return rate

        medians = interleaved(ways, effort.repeats, run)
        runner.run(store.close())
    table = Table("Ledger: appends")
    raw = medians[_RAW]
    for name, rate in medians.items():
        ratio = rate / raw
        last = name == f"{CONCURRENT[-1]} at a time"
        goal = Goal(f"at least {_EACH_FSYNC} for each raw fsync", ratio >= _EACH_FSYNC) if last else None
        note = "" if name == _RAW else f"{ratio:.2f} for each raw fsync"
        table.rows.append(Row(name, "a second", {"median": rate}, goal=goal, note=note))
    table.remarks += [
        f"{number} at a time: one durable commit serves {statistics.median(served[number]):.1f} appends."
        for number in CONCURRENT
    ]
    return table


async def _appends(store: SqlStore, concurrent: int, seconds: float) -> float:
    end = time.perf_counter() + seconds
    begun = time.perf_counter()
    done = await asyncio.gather(*(_append_until(store, end) for _ in range(concurrent)))
    return sum(done) / (time.perf_counter() - begun)


async def _append_until(store: SqlStore, end: float) -> int:
    count = 0
    while time.perf_counter() < end:
        await store.transact(_append)
        count += 1
    return count


def _append(tx: Tx) -> int:
    return tx.append("decision", _BODY)
