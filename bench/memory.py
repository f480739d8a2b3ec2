"""What an idle connection costs the process in between."""

import contextlib
import time
from pathlib import Path

import psutil

from bench.gateway import AGENT, TARGET, running
from bench.measure import GATEWAY, POOLER, Effort, Row, Table
from bench.ways import DATABASE, OBSERVER, ROLE, Place, Way, find_pooler, pooling
from interlock.testing.peers.pg import PgDatabase


def idle(place: Place, effort: Effort, folder: Path) -> Table:
    """The growth of the process's resident memory (RSS) from none to many idle connections, for each of them. The processes
    are fresh: memory that others left behind would hide it."""
    table = Table(f"Memory: {effort.idle} idle connections")
    found: dict[str, float] = {}
    pooler = find_pooler()
    if pooler is not None:
        with pooling(pooler, place.cluster) as way:
            found[POOLER] = _growth(way, effort.idle) / 1024
    database = PgDatabase(place.cluster, DATABASE)
    with running(folder / "idle", database, ROLE, OBSERVER) as gateway:
        process = psutil.Process(gateway.pid)
        way = Way(gateway.port, AGENT, TARGET, gateway.token, process)
        found[GATEWAY] = _growth(way, effort.idle) / 1024
        table.remarks.append(
            f"Interlock's process has {process.memory_info().rss / 2**20:.0f} MiB with them."
        )
    table.rows.append(Row("resident memory for each", "KiB", found, more_is_better=False))
    return table


def _growth(way: Way, connections: int) -> float:
    assert way.process is not None
    for _ in range(3):
        with way.connect() as first:
            first.execute("SELECT 1")
    before = way.process.memory_info().rss
    with contextlib.ExitStack() as stack:
        for _ in range(connections):
            stack.enter_context(way.connect()).execute("SELECT 1")
        time.sleep(1)  # for what ends in the background
        return (way.process.memory_info().rss - before) / connections
