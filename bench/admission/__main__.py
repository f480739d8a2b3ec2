"""``python -m bench.admission``: everything in one run; see ``--help``."""

import argparse
import asyncio
import logging
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import structlog
from rich.console import Console

from bench import machine, show
from bench.admission.filling import filler, grow
from bench.admission.intents import Bench
from bench.admission.plans import Plan, plans
from bench.measure import DIRECT, GATEWAY, Goal, Row, Table, percentile, verdict
from interlock.testing.peers.pg import PgCluster
from interlock.testing.peers.pg_install import find_bindir

STORES = ("sqlite", "postgres")
SIZES = (100_000, 1_000_000, 10_000_000)
TURNS = 24
"""How often the two ways take turns: what else the machine does comes and goes."""
FLAT = 1.5
"""How many times what it took at the smallest history an intent may take at the largest."""


def main() -> int:
    """Measure, print as it comes, and tell which goals were met."""
    wanted = _arguments()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    sizes = (1_000, 10_000, 100_000) if wanted.quick else tuple(s for s in SIZES if s <= wanted.most)
    number = 180 if wanted.quick else 600
    console = Console(width=None if sys.stdout.isatty() else 170)
    about = {
        **machine.itself(),
        "PostgreSQL": machine.said(str(find_bindir("18") / "postgres"), "--version").removeprefix(
            "postgres (PostgreSQL) "
        ),
        "SQLite": sqlite3.sqlite_version,
        "Interlock": machine.ours("SQLAlchemy", "psycopg"),
    }
    for word, value in about.items():
        console.print(f"{word:>12}  {value}", highlight=False)
    tables: list[Table] = []
    with tempfile.TemporaryDirectory(prefix="interlock-bench-", dir=wanted.folder) as name:
        for table in _measure(wanted.only or STORES, Path(name), sizes, number):
            tables.append(table)
            show.terminal(console, table)
            if wanted.markdown:  # each time: a whole run takes long, and may be ended
                wanted.markdown.write_text(show.markdown(about, tables))
    goals = [row.goal for table in tables for row in table.rows if row.goal]
    console.print(f"{sum(verdict(goal) == 'met' for goal in goals)} of {len(goals)} goals met.")
    return 0


def _measure(stores: tuple[str, ...], folder: Path, sizes: tuple[int, ...], number: int) -> Iterator[Table]:
    if "sqlite" in stores:
        yield from _store("SQLite", f"sqlite:///{folder}/store.db", sizes, number)
    if "postgres" in stores:
        settings = {
            "shared_buffers": "2GB",
            "max_wal_size": "32GB",
            "checkpoint_timeout": "1h",
            "autovacuum": "off",  # what is filled is vacuumed there and then
        }
        with PgCluster.start("18", settings=settings) as cluster:
            yield from _store("PostgreSQL 18", cluster.create_database("store").dsn(), sizes, number)


def _store(name: str, url: str, sizes: tuple[int, ...], number: int) -> Iterator[Table]:
    with asyncio.Runner() as runner:
        bench = Bench(url)
        runner.run(bench.furnish())
        yield runner.run(_cost(bench, name, number))
        yield runner.run(_history(bench, name, sizes, number))
        runner.run(bench.close())


async def _cost(bench: Bench, name: str, number: int) -> Table:
    """The same transaction with and without admission, in turn."""
    table = Table(f"{name}: the transaction of an intent, with admission and without")
    for concurrent in (1, 8, 64):
        times: dict[bool, list[float]] = {True: [], False: []}
        effort: dict[bool, list[float]] = {True: [], False: []}
        some = max(concurrent, number // TURNS)
        for turn in range(TURNS):
            for guarded in (turn % 2 == 0, turn % 2 == 1):
                begun = time.process_time()
                times[guarded] += await bench.times(concurrent, some, guarded=guarded)
                effort[guarded].append((time.process_time() - begun) * 1e6 / some)
        for share, word in ((0.5, "median"), (0.99, "99 %")):
            found = {DIRECT: percentile(times[False], share), GATEWAY: percentile(times[True], share)}
            table.rows.append(Row(f"{concurrent} at a time: {word}", "ms", found, more_is_better=False))
        least = {DIRECT: percentile(effort[False], 0.25), GATEWAY: percentile(effort[True], 0.25)}
        table.rows.append(
            Row(f"{concurrent} at a time: processor time of the gateway", "µs", least, more_is_better=False)
        )
    counts = {g: _distinct(await bench.counted(guarded=g)) for g in (True, False)}
    more = counts[True] - counts[False]
    table.rows.append(
        Row(
            "statements, with those of its commit",
            "",
            {DIRECT: counts[False], GATEWAY: counts[True]},
            more_is_better=False,
            goal=Goal("at most one more", more <= 1),
        )
    )
    table.remarks.append(
        "Direct: the same transaction without breakers reserved (five scopes) and budgets counted (four counters)."
        " Many at a time share a commit, and wait for each other: that is what the higher numbers are."
    )
    return table


def _distinct(statements: list[str]) -> int:
    """A trace tells a statement again after each of its triggers."""
    return sum(one != other for one, other in zip(statements, ["", *statements], strict=False))


async def _history(bench: Bench, name: str, sizes: tuple[int, ...], number: int) -> Table:
    table = Table(f"{name}: the transaction of an intent, as history grows")
    before, medians = 0, []
    for size in sizes:
        begun = time.perf_counter()
        with filler(bench.url) as execute:
            grow(execute, not bench.url.startswith("sqlite"), before, size)
        took, before = time.perf_counter() - begun, size
        await bench.times(8, 100, guarded=True)  # what was just filled is in no cache
        for concurrent in (1, 8):
            times = await bench.times(concurrent, number // 2, guarded=True)
            middle = percentile(times, 0.5)
            if concurrent == 1:
                medians.append(middle)
            note = f"99 % under {percentile(times, 0.99):.1f} ms"
            table.rows.append(
                Row(f"{size:,} operations, {concurrent} at a time", "ms", {"median": middle}, note=note)
            )
        table.rows += [_row(size, plan) for plan in await plans(bench)]
        table.remarks.append(f"Filled up to {size:,} in {took:.0f} s.")
    flat = Goal(f"at most {FLAT} times the first", medians[-1] <= FLAT * medians[0])
    table.rows.append(Row("the last beside the first", "×", {"median": medians[-1] / medians[0]}, goal=flat))
    return table


def _row(size: int, plan: Plan) -> Row:
    why = "by an index" if not plan.scans else f"goes through {', '.join(plan.scans)}"
    goal = Goal("by an index", not plan.scans)
    return Row(
        f"{size:,}: {plan.name}",
        "blocks",
        {} if plan.blocks is None else {"median": plan.blocks},
        note=why,
        goal=goal,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.admission", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="little history, to see that it works")
    parser.add_argument("--most", type=int, default=SIZES[-1], metavar="N", help="no more history than that")
    parser.add_argument("--only", action="append", choices=STORES, help="one store (may be repeated)")
    parser.add_argument("--folder", type=Path, help="where the stores lie")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the results there too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
