"""Large results in constant memory, and many connections: 1 GB each way, 500 idle and 50 busy connections.

The gateway runs in this process; what it takes is the growth of this process's resident memory while a client reads in another.
"""

import os
import resource
import subprocess
import sys
import threading
from functools import partial

import psutil
from tests.real.conformance.sources import ROOT
from tests.real.conformance.steps import Failed, Steps, demand
from tests.real.conformance.suite import Outcome, Run, Suite

MOST_GROWTH = 64 << 20
_ROW = 10_000
_READS = {
    "rows": ("SELECT repeat('x', {row}) FROM generate_series(1, {rows})",),
    "rows in a transaction": ("BEGIN", "SELECT repeat('x', {row}) FROM generate_series(1, {rows})", "COMMIT"),
    "COPY TO STDOUT": ("COPY (SELECT repeat('x', {row}) FROM generate_series(1, {rows})) TO STDOUT",),
    "COPY TO STDOUT, binary": (
        "COPY (SELECT repeat('x', {row}) FROM generate_series(1, {rows})) TO STDOUT (FORMAT binary)",
    ),
}


class Watch:
    """The most memory that this process has held while watched, over what it held before, in bytes."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._over = threading.Event()
        self.growth = 0

    def __enter__(self) -> "Watch":
        self._before = self._process.memory_info().rss
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def _look(self) -> None:
        while not self._over.wait(0.02):
            self.growth = max(self.growth, self._process.memory_info().rss - self._before)

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()


def run(what: Run) -> dict[str, Outcome]:
    # Each session has a socket to the client and one to the server.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    steps = Steps(what)
    size = 20_000_000 if what.only else 1_000_000_000
    for name, statements in _READS.items():
        steps.step(name, partial(_read, steps, size, statements))
    steps.step("COPY FROM STDIN", partial(_copy_in, steps, size))
    idle, busy = (50, 10) if what.only else (500, 50)
    what.database.psql("CREATE TABLE work (who int, turn int); GRANT ALL ON work TO PUBLIC")
    steps.step("many connections", partial(_many, steps, idle, busy))
    return steps.outcomes


def _read(steps: Steps, size: int, statements: tuple[str, ...]) -> None:
    words = [w for s in statements for w in ("-c", s.format(row=_ROW, rows=size // _ROW))]
    command = [
        str(steps.run.bindir / "psql"),
        "-XAtq",
        "-v",
        "ON_ERROR_STOP=1",
        "-v",
        "FETCH_COUNT=1000",
        *words,
    ]
    with Watch() as watch:
        psql = subprocess.Popen(command, stdout=subprocess.PIPE, env=steps.run.place.environment())
        assert psql.stdout is not None
        heard = 0
        while data := psql.stdout.read(1 << 16):
            heard += len(data)
    demand(psql.wait(60) == 0, f"psql ended with {psql.returncode}")
    demand(heard >= size, f"{heard} bytes of {size} came")
    demand(watch.growth < MOST_GROWTH, f"the gateway grew by {watch.growth >> 20} MiB")


def _copy_in(steps: Steps, size: int) -> None:
    """Given up at the end, so that nothing is left to be kept for an undo."""
    steps.program("psql", "-XAtq", "-c", "CREATE TABLE taken (line text)")
    command = [
        str(steps.run.bindir / "psql"),
        "-XAtq",
        "-c",
        "BEGIN",
        "-c",
        "COPY taken FROM STDIN",
        "-c",
        "ROLLBACK",
    ]
    line = b"x" * (_ROW - 1) + b"\n"
    with Watch() as watch:
        psql = subprocess.Popen(command, stdin=subprocess.PIPE, env=steps.run.place.environment())
        assert psql.stdin is not None
        for _ in range(size // _ROW):
            psql.stdin.write(line)
        psql.stdin.close()
    demand(psql.wait(300) == 0, f"psql ended with {psql.returncode}")
    demand(watch.growth < MOST_GROWTH, f"the gateway grew by {watch.growth >> 20} MiB")


def _many(steps: Steps, idle: int, busy: int) -> None:
    each = 20
    done = subprocess.run(
        [sys.executable, "-m", "tests.real.conformance.many", str(idle), str(busy), str(each)],
        cwd=ROOT,
        env={**steps.run.place.environment(), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    if done.returncode:
        raise Failed(done.stderr[-2000:])
    demand(done.stdout.split() == [str(busy * each), str(idle + busy)], done.stdout)
    ((rows,),) = steps.run.database.psql("SELECT count(*) FROM work")
    demand(rows == busy * each, f"{rows} rows were written")


SUITE = Suite("sizes", "", run, fetched=False, subset=("small",), settings={"max_connections": "700"})
