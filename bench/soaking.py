"""A working day in minutes: whether the gateway's memory grows with what it has done."""

import random
import time
from pathlib import Path

import psutil
import psycopg

from bench.gateway import AGENT, TARGET, Gateway, running
from bench.measure import GATEWAY, Effort, Goal, Row, Table
from bench.ways import DATABASE, OBSERVER, ROLE, Place, Way
from interlock.testing.peers.pg import PgDatabase

_MOST_GROWTH = 0.1
_SESSION = 500
"""Statements after which the client connects again."""
_ACCOUNTS = 100_000


def soaking(place: Place, effort: Effort, folder: Path) -> Table:
    """Eight hours' worth of statements, one a second, sent as fast as they go: seven of ten read, the others write one row, with
    texts that never come again among them. Resident memory (RSS) after a tenth of them, half and all."""
    number = effort.soak_statements
    table = Table(f"Soak: {number:,} statements")
    database = PgDatabase(place.cluster, DATABASE)
    with running(folder / "soak", database, ROLE, OBSERVER) as gateway:
        way = Way(gateway.port, AGENT, TARGET, gateway.token, psutil.Process(gateway.pid))
        draw = random.Random(7)
        begun = time.perf_counter()
        resident = []
        for part in (number // 10, number // 2 - number // 10, number - number // 2):
            _statements(way, part, draw)
            resident.append(_resident(way, gateway))
        rate = number / (time.perf_counter() - begun)
    growth = resident[-1] / resident[0] - 1
    goal = Goal(f"at most {_MOST_GROWTH:.0%} more than after a tenth", growth <= _MOST_GROWTH)
    for name, size in zip(("after a tenth of them", "after half", "after all"), resident, strict=True):
        own = goal if name == "after all" else None
        table.rows.append(Row(name, "MiB", {GATEWAY: size}, more_is_better=False, goal=own))
    table.remarks.append(
        f"It grew by {growth:.1%}, at {rate:,.0f} statements a second by one client: what is remembered of statements has a bound."
    )
    return table


def _resident(way: Way, gateway: Gateway) -> float:
    """MiB, once outcomes that are recorded behind the answer are there too."""
    assert way.process is not None
    seen = -1.0
    while (now := gateway.metric("interlock_store_commits")) != seen:
        seen = now
        time.sleep(0.2)
    return way.process.memory_info().rss / 2**20


def _statements(way: Way, number: int, draw: random.Random) -> None:
    for start in range(0, number, _SESSION):
        with way.connect() as connection:
            for n in range(start, min(start + _SESSION, number)):
                _one(connection, n, draw)


def _one(connection: psycopg.Connection, n: int, draw: random.Random) -> None:
    account = draw.randrange(1, _ACCOUNTS)
    match n % 10:
        case 0:
            connection.execute("UPDATE pgbench_accounts SET abalance = %s WHERE aid = %s", (n, account))
        case 1:
            connection.execute(f"UPDATE pgbench_accounts SET abalance = {n} WHERE aid = {account}".encode())
        case 2:
            text = f"INSERT INTO pgbench_history (tid, bid, aid, delta, filler) VALUES (1, 1, {account}, 1, 'n{draw.random()}')"
            connection.execute(text.encode())
        case 3:
            text = f"SELECT abalance AS a{n} FROM pgbench_accounts WHERE aid = {account} -- {draw.random()}"
            connection.execute(text.encode()).fetchall()
        case _:
            connection.execute("SELECT abalance FROM pgbench_accounts WHERE aid = %s", (account,)).fetchall()
