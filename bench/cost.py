"""What one gated write costs: round trips to the server and durable commits of the store, counted and not timed."""

from pathlib import Path

import psycopg

from bench.gateway import AGENT, TARGET, Gateway, running
from bench.measure import DIRECT, GATEWAY, Goal, Row, Table
from bench.turns import Relay, relay
from bench.ways import DATABASE, OBSERVER, ROLE, Place, Way
from interlock.testing.pg import PgDatabase

_WRITES = 50
_UPDATE = "UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = %s"
_MOST_MORE = 2


def count(place: Place, folder: Path) -> Table:
    """The same update a number of times, each its own transaction, through a relay that counts."""
    table = Table("What one single-row UPDATE costs, counted")
    database = PgDatabase(place.cluster, DATABASE)
    with relay(place.cluster.port) as counter:
        direct = _turns(Way(counter.port, ROLE, DATABASE), counter, ROLE)
        with running(folder / "counted", database, ROLE, OBSERVER, server=counter.port) as gateway:
            way = Way(gateway.port, AGENT, TARGET, gateway.token)
            before = gateway.metric("interlock_store_commits")
            session = _turns(way, counter, ROLE, OBSERVER)
            commits = (_settled(gateway) - before) / _WRITES
    more = session[ROLE] - direct[ROLE]
    goal = Goal(f"at most {_MOST_MORE} more than direct", more <= _MOST_MORE)
    own = {DIRECT: direct[ROLE], GATEWAY: session[ROLE]}
    table.rows.append(Row("round trips, on the agent's connection", "", own, more_is_better=False, goal=goal))
    observed = {GATEWAY: session[OBSERVER]}
    table.rows.append(Row("beside them, on the observer's", "", observed, more_is_better=False))
    table.rows.append(Row("durable commits of the store", "", {GATEWAY: commits}, more_is_better=False))
    table.remarks.append(
        "Direct: the statement. Interlock: the statement with its before-image and what it did; the rows before and after, asked of"
        " both connections at once; COMMIT. The client waits for one durable commit (the intent); the outcome is recorded later."
    )
    return table


def _turns(way: Way, counter: Relay, *roles: str) -> dict[str, float]:
    with way.connect() as connection:
        _write(connection, 5)
        before = dict(counter.turns)
        _write(connection, _WRITES)
        return {role: (counter.turns[role] - before.get(role, 0)) / _WRITES for role in roles or (ROLE,)}


def _write(connection: psycopg.Connection, times: int) -> None:
    for number in range(times):
        connection.execute(_UPDATE, (number + 1,), prepare=True)


def _settled(gateway: Gateway) -> float:
    """The store's commits, once outcomes that are recorded behind the answer are there too."""
    seen = -1.0
    while (now := gateway.metric("interlock_store_commits")) != seen:
        seen = now
    return now
