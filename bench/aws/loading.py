"""How long the gateway takes to know what all requests look like."""

import asyncio
import statistics
import subprocess
import sys
from pathlib import Path

from bench.aws.effort import Effort
from bench.measure import Goal, Row, Table
from interlock.connectors.aws.upstream import routing_index
from interlock.testing.peers.moto import CACHE

_PROBE = """
import sys, time
from pathlib import Path
from interlock.connectors.aws.codec import load
begun = time.perf_counter()
load(Path(sys.argv[1]).read_bytes())
print(time.perf_counter() - begun)
"""


def loading(effort: Effort) -> Table:
    """The routing index, in a fresh process each time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    asyncio.run(routing_index(str(CACHE)))
    file = max(CACHE.glob("aws-index-*.bin"), key=lambda path: path.stat().st_mtime)
    seconds = statistics.median(_load(file) for _ in range(effort.repeats))
    table = Table("Start")
    goal = Goal("under 0.2 s", seconds < 0.2)
    size = f"{file.stat().st_size / 2**20:.1f} MiB"
    table.rows.append(Row("loading the routing index", "ms", {"median": seconds * 1000}, False, goal, size))
    return table


def _load(file: Path) -> float:
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, str(file)],
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return float(done.stdout)
