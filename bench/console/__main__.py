"""``python -m bench.console``: everything in one run; see ``--help``."""

import argparse
import asyncio
import contextlib
import logging
import multiprocessing
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import structlog
from rich.console import Console

from bench import machine, show
from bench.console.filling import fill_postgres, fill_sqlite
from bench.console.pages import Query, pages
from bench.console.recording import recording
from bench.console.served import configured, serving
from bench.console.streams import streams
from bench.measure import Table, verdict
from interlock.runtime.config.document import load
from interlock.runtime.opening import open_configured
from interlock.runtime.stores.shape.schema import PG_SCHEMA
from interlock.testing.peers.pg import PgCluster
from interlock.testing.peers.pg_install import find_bindir

PARTS = ("recording", "sqlite", "postgres")


def main() -> int:
    """Measure, print as it comes, and tell which goals were met."""
    wanted = _arguments()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    number, repeats = (20_000, 5) if wanted.quick else (wanted.changes, 50)
    console = Console(width=None if sys.stdout.isatty() else 170)
    about = {
        **machine.itself(),
        "PostgreSQL": machine.said(str(find_bindir("18") / "postgres"), "--version").removeprefix(
            "postgres (PostgreSQL) "
        ),
        "SQLite": sqlite3.sqlite_version,
        "Interlock": machine.ours("SQLAlchemy", "starlette", "Jinja2"),
    }
    for word, value in about.items():
        console.print(f"{word:>12}  {value}", highlight=False)
    tables: list[Table] = []
    with tempfile.TemporaryDirectory(prefix="interlock-bench-", dir=wanted.folder) as name:
        for table in _measure(tuple(wanted.only or PARTS), Path(name), number, repeats):
            tables.append(table)
            show.terminal(console, table)
            if wanted.markdown:  # each time: a whole run takes long, and may be ended
                wanted.markdown.write_text(show.markdown(about, tables))
    goals = [row.goal for table in tables for row in table.rows if row.goal]
    console.print(f"{sum(verdict(goal) == 'met' for goal in goals)} of {len(goals)} goals met.")
    return 0


def _measure(parts: tuple[str, ...], folder: Path, number: int, repeats: int) -> Iterator[Table]:
    if "sqlite" in parts:
        yield from _both(folder / "sqlite", "sqlite:///interlock.db", number, repeats)
    if {"postgres", "recording"} & set(parts):
        settings = {"shared_buffers": "512MB", "max_wal_size": "4GB"}
        with PgCluster.start("18", settings=settings) as cluster:
            if "recording" in parts:
                bare, whole = (cluster.create_database(name) for name in ("bare", "whole"))
                yield recording(folder, bare, whole, max(200, number // 1_000), 5)
            if "postgres" in parts:
                yield from _both(folder / "postgres", cluster.create_database("store").dsn(), number, repeats)


def _both(folder: Path, url: str, number: int, repeats: int) -> Iterator[Table]:
    file, begun = configured(folder, url), time.perf_counter()
    config = load(file)
    asyncio.run(open_configured(config, create=True).close())
    fill, where = (fill_sqlite, folder / "interlock.db") if url.startswith("sqlite") else (fill_postgres, url)
    # In a process of its own: what that needs is not to be counted as the server's.
    filling = multiprocessing.get_context("spawn").Process(target=fill, args=(where, number))
    filling.start()
    filling.join()
    assert filling.exitcode == 0
    filled = time.perf_counter() - begun
    with asyncio.Runner() as runner:
        found, heard = runner.run(_served(file, folder, url, number, repeats))
    found.remarks.append(f"The store was filled in {filled:.0f} s.")
    yield found
    if url.startswith("sqlite"):
        yield heard


async def _served(file: Path, folder: Path, url: str, number: int, repeats: int) -> tuple[Table, Table]:
    name = "SQLite" if url.startswith("sqlite") else "PostgreSQL 18"
    async with serving(file) as site, _asking(folder, url) as query:
        title = f"Pages, {name}: {number:,} changes of one day"
        return await pages(site, query, title, repeats), await streams(site, 2 if number < 100_000 else 10)


@contextlib.asynccontextmanager
async def _asking(folder: Path, url: str) -> AsyncIterator[Query]:
    if url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(folder / "interlock.db", check_same_thread=False)) as lite:
            yield lambda sql, values: lite.execute(sql, values).fetchall()
        return
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"SET search_path TO {PG_SCHEMA}")

        def ask(sql: str, values: Sequence[Any]) -> object:
            return connection.execute(sql.replace("%", "%%").replace("?", "%s"), values).fetchall()

        yield ask


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.console", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few changes, to see that it works")
    parser.add_argument("--changes", type=int, default=1_000_000, metavar="N", help="how many (1,000,000)")
    parser.add_argument("--only", action="append", choices=PARTS, help="a part of it (may be repeated)")
    parser.add_argument("--folder", type=Path, help="where the stores lie")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the results there too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
