"""``python -m bench``: everything in one run; see ``--help``."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console

from bench import show
from bench.appending import appending
from bench.connecting import connecting
from bench.copying import copying
from bench.cost import count
from bench.deciding import deciding
from bench.growing import growing
from bench.machine import describe, fsyncs_per_second
from bench.measure import QUICK, Effort, Table, verdict
from bench.memory import idle
from bench.soaking import soaking
from bench.statements import Bench, far, reads, tpcb, updates
from bench.ways import Place, find_pooler, place

PARTS = (
    "policy",
    "ledger",
    "reads",
    "updates",
    "cost",
    "tpcb",
    "far",
    "growth",
    "connect",
    "copy",
    "memory",
    "soak",
)
_ALONE = ("policy", "ledger")


def main() -> int:
    """Measure, print as it comes, and tell which goals were met."""
    wanted = _arguments()
    effort = QUICK if wanted.quick else Effort()
    parts = tuple(wanted.only or PARTS)
    console = Console(width=None if sys.stdout.isatty() else 140)
    tables: list[Table] = []
    with tempfile.TemporaryDirectory(prefix="interlock-bench-", dir=wanted.folder) as name:
        folder = Path(name)
        machine: dict[str, str] = {}
        for table in _measure(parts, effort, folder, wanted.postgres, machine, console):
            tables.append(table)
            show.terminal(console, table)
            if wanted.markdown:  # each time: a whole run takes long, and may be ended
                wanted.markdown.write_text(show.markdown(machine, tables))
    goals = [row.goal for table in tables for row in table.rows if row.goal]
    met = sum(1 for goal in goals if verdict(goal) == "met")
    console.print(f"{met} of {len(goals)} goals met.")
    return 0


def _measure(
    parts: tuple[str, ...],
    effort: Effort,
    folder: Path,
    version: str,
    machine: dict[str, str],
    console: Console,
) -> Iterator[Table]:
    from interlock.testing.peers.pg_install import find_bindir

    machine.update(describe(find_bindir(version) / "postgres", find_pooler()))
    machine["disk"] = f"{fsyncs_per_second(folder, min(2, effort.seconds)):,.0f} fsyncs of 4 KiB a second"
    for word, value in machine.items():
        console.print(f"{word:>12}  {value}", highlight=False)
    if "policy" in parts:
        yield deciding(effort)
    if "ledger" in parts:
        yield appending(effort, folder)
    if set(parts) <= set(_ALONE):
        return
    with place(version, folder / "gateway") as here:
        yield from _served(parts, effort, folder, here)


def _served(parts: tuple[str, ...], effort: Effort, folder: Path, here: Place) -> Iterator[Table]:
    bench = Bench(here, effort, folder)
    ways: dict[str, Callable[[], Table]] = {
        "reads": lambda: reads(bench),
        "updates": lambda: updates(bench),
        "cost": lambda: count(here, folder),
        "tpcb": lambda: tpcb(bench),
        "far": lambda: far(bench, here, folder),
        "growth": lambda: growing(here, effort),
        "connect": lambda: connecting(here, effort),
        "copy": lambda: copying(here, effort),
        "memory": lambda: idle(here, effort, folder),
        "soak": lambda: soaking(here, effort, folder),
    }
    for part in parts:
        if part in ways:
            yield ways[part]()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short runs, to see that it works")
    parser.add_argument("--only", action="append", choices=PARTS, help="a part of it (may be repeated)")
    parser.add_argument("--postgres", default="18", metavar="MAJOR", help="which server (18)")
    parser.add_argument("--folder", type=Path, help="where the store and the probe of the disk lie")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the results there too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
