"""``python -m bench.aws``: everything in one run; see ``--help``."""

import argparse
import logging
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import structlog
from rich.console import Console

from bench import machine, show
from bench.aws.effort import QUICK, Effort
from bench.aws.holding import holding
from bench.aws.loading import loading
from bench.aws.moving import moving
from bench.aws.reading import reads
from bench.aws.ways import backend, find_proxy, ways
from bench.measure import Table, verdict
from interlock.testing.peers.moto import MotoServer

PARTS = ("index", "reads", "moto", "large", "holding")


def main() -> int:
    """Measure, print as it comes, and tell which goals were met."""
    wanted = _arguments()
    effort = QUICK if wanted.quick else Effort()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    console = Console(width=None if sys.stdout.isatty() else 150)
    about = {
        **machine.itself(),
        "mitmproxy": _proxy(),
        "Interlock": machine.ours("uvloop", "aiohttp", "botocore", "moto"),
    }
    for word, value in about.items():
        console.print(f"{word:>12}  {value}", highlight=False)
    tables: list[Table] = []
    with tempfile.TemporaryDirectory(prefix="interlock-bench-") as name:
        for table in _measure(tuple(wanted.only or PARTS), effort, Path(name)):
            tables.append(table)
            show.terminal(console, table)
            if wanted.markdown:  # each time: a whole run takes long, and may be ended
                wanted.markdown.write_text(show.markdown(about, tables))
    goals = [row.goal for table in tables for row in table.rows if row.goal]
    console.print(f"{sum(verdict(goal) == 'met' for goal in goals)} of {len(goals)} goals met.")
    return 0


def _measure(parts: tuple[str, ...], effort: Effort, folder: Path) -> Iterator[Table]:
    if "index" in parts:
        yield loading(effort)
    if {"reads", "large"} & set(parts):
        with backend() as port, ways(port, folder / "backend") as found:
            if "reads" in parts:
                yield reads(found, effort, "from an upstream that does nothing else")
            if "large" in parts:
                yield moving(found, effort)
    if "moto" in parts:
        with MotoServer.start() as moto, ways(moto.port, folder / "moto") as found:
            _furnish(moto)
            yield reads(found, effort, "from moto")
    if "holding" in parts:
        yield holding(effort, folder / "holding")


def _furnish(moto: MotoServer) -> None:
    """What the reads ask for."""
    moto.client("iam").create_user(UserName="bench")
    db = moto.client("dynamodb")
    db.create_table(
        TableName="bench", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )  # fmt: skip
    db.put_item(TableName="bench", Item={"id": {"S": "1"}, "v": {"S": "a value"}})


def _proxy() -> str:
    found = find_proxy()
    if found is None:
        return "not installed: left out"
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    return said.split("\n")[0].removeprefix("Mitmproxy: ")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.aws", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short runs, to see that it works")
    parser.add_argument("--only", action="append", choices=PARTS, help="a part of it (may be repeated)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the results there too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
