"""A working day in minutes: whether the gateway's memory grows with what it has done."""

import random
import time
from pathlib import Path

import psutil
import psycopg

from bench.gateway import AGENT, TARGET, Gateway, running
from bench.measure import GATEWAY, Effort, Goal, Row, Table
from bench.ways import DATABASE, OBSERVER, ROLE, Place, Way
from interlock.testing.pg import PgDatabase

_MOST_GROWTH = 0.1
_SESSION = 500
"""Statements after which the client connects again."""
_ACCOUNTS = 100_000


def soaking(place: Place, effort: Effort, folder: Path) -> Table:
    """Eight hours' worth of statements, one a second, sent as fast as they go: seven of ten read, the others write one row, with
    texts that never come again among them. Resident memory (RSS) after a tenth of them and after all."""
    number = effort.soak_statements
    table = Table(f"Soak: {number:,} statements")
    database = PgDatabase(place.cluster, DATABASE)
    with running(folder / "soak", database, ROLE, OBSERVER) as gateway:
        way = Way(gateway.port, AGENT, TARGET, gateway.token, psutil.Process(gateway.pid))
        draw = random.Random(7)
        begun = time.perf_counter()
        _statements(way, number // 10, draw)
        early = _resident(way, gateway)
        _statements(way, number - number // 10, draw)
        late = _resident(way, gateway)
        rate = number / (time.perf_counter() - begun)
    growth = late / early - 1
    goal = Goal(f"grows by at most {_MOST_GROWTH:.0%}", growth <= _MOST_GROWTH)
    table.rows.append(Row("after a tenth of them", "MiB", {GATEWAY: early}, more_is_better=False))
    table.rows.append(Row("after all", "MiB", {GATEWAY: late}, more_is_better=False, goal=goal))
    table.remarks.append(f"It grew by {growth:.1%}, at {rate:,.0f} statements a second, by one client.")
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
