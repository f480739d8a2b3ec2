"""What an idle connection costs the process in between."""

import contextlib
import time

from bench.measure import GATEWAY, Effort, Row, Table
from bench.ways import Place, Way


def idle(place: Place, effort: Effort) -> Table:
    """The growth of the process's resident memory (RSS) from none to many idle connections, for each of them."""
    table = Table(f"Memory: {effort.idle} idle connections")
    found = {name: _growth(way, effort.idle) / 1024 for name, way in place.ways.items() if way.process}
    table.rows.append(Row("resident memory for each", "KiB", found, more_is_better=False))
    gateway = place.ways[GATEWAY].process
    assert gateway is not None
    table.remarks.append(f"Interlock's process has {gateway.memory_info().rss / 2**20:.0f} MiB afterwards.")
    return table


def _growth(way: Way, connections: int) -> float:
    assert way.process is not None
    with way.connect() as first:
        first.execute("SELECT 1")
    before = way.process.memory_info().rss
    with contextlib.ExitStack() as stack:
        for _ in range(connections):
            stack.enter_context(way.connect()).execute("SELECT 1")
        time.sleep(0.5)
        return (way.process.memory_info().rss - before) / connections
