"""pgbench: reads by key, single-row updates, and its own mix after TPC-B."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.gateway import AGENT, TARGET, running
from bench.measure import DIRECT, GATEWAY, POOLER, Effort, Goal, Row, Table, interleaved
from bench.turns import relay
from bench.ways import DATABASE, OBSERVER, ROLE, Place, Way
from interlock.testing.peers.pg import PgDatabase

_DELAY_S = 0.001

_UPDATE = """\
\\set aid random(1, 100000 * :scale)
\\set delta random(-5000, 5000)
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
"""


@dataclass(frozen=True, slots=True)
class Script:
    """What pgbench runs: a built-in script by name, or one from a file."""

    name: str
    arguments: tuple[str, ...]


class Bench:
    """pgbench on one place, its tables made."""

    def __init__(self, place: Place, effort: Effort, folder: Path) -> None:
        self._place, self._effort = place, effort
        self._program = str(place.cluster.bin("pgbench"))
        update = folder / "update.sql"
        update.write_text(_UPDATE)
        self.select = Script("SELECT by key", ("-b", "select-only"))
        self.update = Script("UPDATE of one row", ("-f", str(update), "-D", f"scale={effort.scale}"))
        self.tpcb = Script("TPC-B", ("-b", "tpcb-like"))
        self._make_tables()

    def _make_tables(self) -> None:
        way = self._place.ways[DIRECT]
        arguments = ("-i", "-q", "-s", str(self._effort.scale), "-I", "dtgvp")
        subprocess.run([self._program, *arguments], env=way.environment(), check=True, capture_output=True)
        self._place.sql("ANALYZE; CHECKPOINT")

    def rate(self, script: Script, way: Way, clients: int, protocol: str) -> float:
        """Transactions per second, the time to connect left out."""
        seconds = max(1, round(self._effort.seconds))
        arguments = ("-n", "-M", protocol, "-c", str(clients), "-j", "1", "-T", str(seconds))
        done = subprocess.run(
            [self._program, *arguments, *script.arguments],
            env=way.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"pgbench {script.name}: {done.stderr}")
        return next(float(line.split()[2]) for line in done.stdout.splitlines() if line.startswith("tps"))

    def compare(
        self, script: Script, clients: int, protocol: str, ways: Mapping[str, Way] | None = None
    ) -> dict[str, float]:
        """The rates of all ways, run in turn."""
        repeats = self._effort.repeats
        return interleaved(
            ways or self._place.ways, repeats, lambda way: self.rate(script, way, clients, protocol)
        )


def reads(bench: Bench) -> Table:
    """``pgbench -S``."""
    table = Table("Reads: pgbench -S")
    for protocol in ("simple", "prepared"):
        for clients in (1, 8):
            row = Row(
                f"{protocol}, {_clients(clients)}", "tps", bench.compare(bench.select, clients, protocol)
            )
            table.rows.append(_with_goal(row, POOLER, 0.9))
    return table


def tpcb(bench: Bench) -> Table:
    """pgbench's own mix: seven statements, of which four write."""
    table = Table("TPC-B: pgbench's own mix")
    for protocol in ("simple", "prepared"):
        for clients in (1, 8):
            row = Row(f"{protocol}, {_clients(clients)}", "tps", bench.compare(bench.tpcb, clients, protocol))
            table.rows.append(_with_goal(row, DIRECT, 0.5))
    return table


def updates(bench: Bench) -> Table:
    """One row by key, each its own transaction."""
    table = Table("Writes: UPDATE of one row by key")
    for protocol in ("simple", "prepared"):
        rates = bench.compare(bench.update, 1, protocol)
        latencies = {name: 1000 / rate for name, rate in rates.items()}
        table.rows.append(Row(f"latency, {protocol}, 1 client", "ms", latencies, more_is_better=False))
    for clients in (8,):
        rates = bench.compare(bench.update, clients, "prepared")
        table.rows.append(Row(f"throughput, prepared, {_clients(clients)}", "tps", rates))
    return table


def far(bench: Bench, place: Place, folder: Path) -> Table:
    """The same writes with a server that is not on the same machine: then round trips weigh more than computing."""
    table = Table(f"Writes to a server {2000 * _DELAY_S:g} ms away (1 client, simple)")
    database = PgDatabase(place.cluster, DATABASE)
    with relay(place.cluster.port, _DELAY_S) as distance:
        direct = Way(distance.port, ROLE, DATABASE)
        with running(folder / "far", database, ROLE, OBSERVER, server=distance.port) as gateway:
            ways = {DIRECT: direct, GATEWAY: Way(gateway.port, AGENT, TARGET, gateway.token)}
            for script in (bench.update, bench.tpcb):
                rates = bench.compare(script, 1, "simple", ways)
                latencies = {name: 1000 / rate for name, rate in rates.items()}
                table.rows.append(Row(f"latency, {script.name}", "ms", latencies, more_is_better=False))
    return table


def _with_goal(row: Row, base: str, share: float) -> Row:
    ratio = row.ratio(GATEWAY, base)
    goal = Goal(f"at least {share:g} of {base}", None if ratio is None else ratio >= share)
    return Row(row.name, row.unit, row.medians, row.more_is_better, goal)


def _clients(number: int) -> str:
    return f"{number} client" + "s" * (number != 1)
