"""What one gated write costs: round trips to the server and durable commits of the store, counted and not timed."""

from collections.abc import Callable
from pathlib import Path

import psycopg

from bench.gateway import AGENT, TARGET, Gateway, running
from bench.measure import DIRECT, GATEWAY, Goal, Row, Table
from bench.turns import Relay, relay
from bench.ways import DATABASE, OBSERVER, ROLE, Place, Way
from interlock.testing.peers.pg import PgDatabase

_WRITES = 50
_UPDATE = "UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = %s"
_TPCB = (
    "BEGIN",
    "UPDATE pgbench_accounts SET abalance = abalance + {n} WHERE aid = {n}",
    "SELECT abalance FROM pgbench_accounts WHERE aid = {n}",
    "UPDATE pgbench_tellers SET tbalance = tbalance + {n} WHERE tid = 1",
    "UPDATE pgbench_branches SET bbalance = bbalance + {n} WHERE bid = 1",
    "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, {n}, {n}, CURRENT_TIMESTAMP)",
    "END",
)
_MOST_MORE = 2


def count(place: Place, folder: Path) -> Table:
    """The same update a number of times, each its own transaction, through a relay that counts."""
    table = Table("What a write costs, counted")
    database = PgDatabase(place.cluster, DATABASE)
    with relay(place.cluster.port) as counter:
        own = Way(counter.port, ROLE, DATABASE)
        direct, direct_tpcb = (_turns(own, counter, write, ROLE) for write in (_write, _tpcb))
        with running(folder / "counted", database, ROLE, OBSERVER, server=counter.port) as gateway:
            way = Way(gateway.port, AGENT, TARGET, gateway.token)
            before = gateway.metric("interlock_store_commits")
            session = _turns(way, counter, _write, ROLE, OBSERVER)
            commits = (_settled(gateway) - before) / _WRITES
            tpcb = _turns(way, counter, _tpcb, ROLE, OBSERVER)
    more = session[ROLE] - direct[ROLE]
    goal = Goal(f"at most {_MOST_MORE} more than direct", more <= _MOST_MORE)
    for name, one, other, aim in (
        ("UPDATE of one row", direct, session, goal),
        ("TPC-B", direct_tpcb, tpcb, None),
    ):
        turns = {DIRECT: one[ROLE], GATEWAY: other[ROLE]}
        beside = {GATEWAY: other[OBSERVER]}
        table.rows.append(
            Row(f"{name}: round trips, on the agent's connection", "", turns, more_is_better=False, goal=aim)
        )
        table.rows.append(Row(f"{name}: beside them, on the observer's", "", beside, more_is_better=False))
    durable = {GATEWAY: commits}
    table.rows.append(Row("UPDATE of one row: durable commits", "", durable, more_is_better=False))
    table.remarks.append(
        "Direct: the statement. Interlock: the statement with its before-image and what it did; the rows before and after, asked of"
        " both connections at once; COMMIT. The client waits for one durable commit (the intent); the outcome is recorded later."
    )
    return table


def _turns(
    way: Way, counter: Relay, write: Callable[[psycopg.Connection, int], None], *roles: str
) -> dict[str, float]:
    with way.connect() as connection:
        write(connection, 5)
        before = dict(counter.turns)
        write(connection, _WRITES)
        return {role: (counter.turns[role] - before.get(role, 0)) / _WRITES for role in roles}


def _tpcb(connection: psycopg.Connection, times: int) -> None:
    connection.prepare_threshold = None  # pgbench's own mix in simple messages, as they are
    for number in range(1, times + 1):
        for statement in _TPCB:
            connection.execute(statement.format(n=number).encode())


def _write(connection: psycopg.Connection, times: int) -> None:
    for number in range(times):
        connection.execute(_UPDATE, (number + 1,), prepare=True)


def _settled(gateway: Gateway) -> float:
    """The store's commits, once outcomes that are recorded behind the answer are there too."""
    seen = -1.0
    while (now := gateway.metric("interlock_store_commits")) != seen:
        seen = now
    return now
