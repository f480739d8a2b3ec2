"""P8 After a trip commits, no further write is admitted, on any replica."""

import base64
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Semaphore
from typing import Any, NamedTuple

import psycopg
import pytest
from tests.real.conftest import FILL, SETUP, fails, until

from interlock.model.change import ChangeState
from interlock.model.errors import Rejected
from interlock.testing.gateway import BY, Gateway, prepare
from interlock.testing.peers.pg import PgCluster, PgDatabase
from interlock.testing.stores.signals import behaved_well

BREAKER = "IL003"
CLIENTS = 8


class Replicas(NamedTuple):
    """Two gateways in front of one database, on one store; both servers remember when each transaction committed."""

    one: Gateway
    two: Gateway
    target: PgDatabase
    store: PgDatabase


@pytest.fixture(scope="module")
def both(stamped: PgCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    target, store = (stamped.create_database(f"t_{secrets.token_hex(6)}") for _ in range(2))
    prepare(target, SETUP)
    target.psql(FILL)
    folder = tmp_path_factory.mktemp("replicas")
    key = folder / "master.key"
    key.touch(mode=0o600)
    key.write_text(base64.b64encode(secrets.token_bytes(32)).decode())
    shared: dict[str, Any] = {"store": store.dsn(), "master_key": key}
    agents = [f"bot-{n}" for n in range(CLIENTS)]
    with (
        Gateway(target, folder / "one", agents=agents, **shared) as one,
        Gateway(target, folder / "two", furnish=False, **shared) as two,
    ):
        two.tokens = one.tokens
        yield Replicas(one, two, target, store)
    target.drop()
    store.drop()


@pytest.fixture
def replicas(both: Replicas) -> Replicas:
    """With the target's first content."""
    both.target.psql(FILL)
    return both


class Flood:
    """Agents that write through both replicas as fast as they can, each until it has been refused several times."""

    def __init__(self, replicas: Replicas, *, refusals: int) -> None:
        self._replicas, self._refusals = replicas, refusals
        self._done = Semaphore(0)
        self._pool = ThreadPoolExecutor(CLIENTS)
        self._work = [self._pool.submit(self._write, n) for n in range(CLIENTS)]

    def _write(self, number: int) -> list[str]:
        """What was acknowledged."""
        written: list[str] = []
        refused = 0
        gateway = (self._replicas.one, self._replicas.two)[number % 2]
        with gateway.connect(f"bot-{number}") as agent:
            while refused < self._refusals:
                body = secrets.token_hex(8)
                try:
                    self._one(agent, number, body)
                except psycopg.Error as error:
                    if error.sqlstate != BREAKER:
                        raise
                    refused += 1
                else:
                    assert not refused, "refused and then admitted again"
                    written.append(body)
                    self._done.release()
        return written

    def _one(self, agent: psycopg.Connection[Any], number: int, body: str) -> None:
        """Half of them as a statement, half as a transaction."""
        sql = "INSERT INTO notes (body) VALUES (%s)"
        if number % 4 < 2:
            agent.execute(sql, (body,))
            return
        with agent.transaction():
            agent.execute(sql, (body,))
            agent.execute("SELECT 1")

    def wait(self, writes: int) -> None:
        for _ in range(writes):
            assert self._done.acquire(timeout=60)

    def end(self) -> set[str]:
        written = {body for work in self._work for body in work.result(120)}
        self._pool.shutdown()
        return written


def freeze(gateway: Gateway) -> Callable[[], None]:
    gateway.freeze("too much")
    return gateway.thaw


def trip(scope: str) -> Callable[[Gateway], Callable[[], None]]:
    def opened(gateway: Gateway) -> Callable[[], None]:
        switches = gateway.runtime.switches
        gateway.run(switches.open(scope, "too much", by=BY))

        def reset() -> None:
            gateway.run(switches.reset(scope, "looked", by=BY))  # to probation
            gateway.run(gateway.runtime.store.transact(lambda tx: behaved_well(tx, scope)))
            gateway.run(switches.reset(scope, "looked", by=BY))

        return reset

    return opened


WAYS = {
    "environment/production": freeze,
    "target/shop": trip("target/shop"),
    "global": trip("global"),
}


@pytest.mark.parametrize("scope", WAYS)
def test_under_a_flood_through_two_replicas(replicas: Replicas, scope: str) -> None:
    one, two, target, store = replicas
    until(
        lambda: all(
            not b.frozen for g in (one, two) for b in g.runtime.core.directory.snapshot.breakers.values()
        )
    )
    before = len(one.entries())
    flood = Flood(replicas, refusals=5)
    flood.wait(60)
    undo = WAYS[scope](two)
    acknowledged = flood.end()
    ((tripped,),) = store.psql(
        f"SELECT pg_xact_commit_timestamp(xmin) FROM interlock.breakers WHERE scope = '{scope}'"
    )
    try:
        rows = dict(target.psql("SELECT body, pg_xact_commit_timestamp(xmin) FROM notes"))
        assert acknowledged == set(rows)
        assert len(rows) >= 60
        entries = one.entries()
        kinds = [e["kind"] for e in entries]
        (place,) = [n for n, kind in enumerate(kinds) if kind in ("freeze", "breaker") and n >= before][-1:]
        assert "intent" in kinds[before:place]
        assert "intent" not in kinds[place:]
        # By the clocks of the servers: no intent was durable after the trip, and so no write is later than its intent allows.
        admitted = [n for n, kind in enumerate(kinds) if kind == "intent" and n >= before]
        assert len(admitted) == len(rows)
        late = store.psql(
            "SELECT count(*) FROM interlock.ledger_entries"
            f" WHERE number = ANY (ARRAY{admitted}) AND pg_xact_commit_timestamp(xmin) > '{tripped}'"
        )
        assert late == [(0,)]
        in_flight = [at for at in rows.values() if at > tripped]
        assert len(in_flight) <= CLIENTS, "what was admitted before may end after"
        # Nothing comes in afterwards either, by neither way, and reading goes on.
        for gateway in (one, two):
            with gateway.connect("bot-0") as agent:
                with fails(BREAKER):
                    agent.execute("UPDATE ten SET b = 'x' WHERE a = 1")
                assert agent.execute("SELECT count(*) FROM ten").fetchone() == (10,)
    finally:
        undo()
    with one.connect("bot-0") as agent:
        agent.execute("UPDATE ten SET b = 'x' WHERE a = 1")
    assert one.ledger_ok()


def test_an_approval_does_not_pass_a_tripped_breaker(replicas: Replicas) -> None:
    """Approved is not admitted: neither sent again at one replica, nor applied by the other. The approval is not used up."""
    one, two, target, _ = replicas
    with one.connect("bot-1") as agent:
        with fails("IL001"):
            agent.execute("DELETE FROM ten")
        change = one.approve(one.held().id)
        one.freeze("stop")
        try:
            with fails(BREAKER):
                agent.execute("DELETE FROM ten")
            answer = two.apply(change.id)
            assert "frozen" in str(answer)
            assert target.psql("SELECT count(*) FROM ten") == [(10,)]
            assert two.change(change.id).state is ChangeState.APPROVED
        finally:
            two.thaw()
        assert agent.execute("DELETE FROM ten").rowcount == 10


def test_only_its_scope_is_stopped_until_people_move_it_back(replicas: Replicas) -> None:
    one, two, *_ = replicas
    sql = "INSERT INTO notes (body) VALUES ('x')"
    switches = two.runtime.switches
    one.run(one.runtime.switches.open("agent/bot-2", "odd", by=BY))
    with two.connect("bot-2") as agent, two.connect("bot-3") as other:
        with fails(BREAKER):
            agent.execute(sql)
        other.execute(sql)
        with pytest.raises(Rejected):
            two.run(switches.reset("agent/bot-2", "looked", by="person/olga"))
        two.run(switches.reset("agent/bot-2", "looked", by="person/ann"))
        agent.execute(sql)
        with fails(BREAKER) as error:
            agent.execute("DELETE FROM tempting WHERE a = 1")
        assert "probation" in str(error.caught)
        two.run(two.runtime.store.transact(lambda tx: behaved_well(tx, "agent/bot-2")))
        two.run(switches.reset("agent/bot-2", "looked", by="person/ann"))
        agent.execute("DELETE FROM tempting WHERE a = 1")
