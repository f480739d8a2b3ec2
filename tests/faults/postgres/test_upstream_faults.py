"""The server goes away at each step of a write: nothing is done that is not recorded, nothing recorded as done that was not."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.faults.postgres.pgproxy import PgProxy
from tests.real.conftest import fails, until

from interlock.model.change import ChangeState
from interlock.sdk.connector import Permitted
from interlock.testing.gateway import BY, Gateway, prepare
from interlock.testing.peers.pg import PgCluster, PgDatabase
from interlock.testing.peers.process import GatewayProcess

SETUP = """
CREATE TABLE t (a int PRIMARY KEY, b text); INSERT INTO t SELECT i, 'old' FROM generate_series(1, 20) i;
"""
WRITE = "UPDATE t SET b = 'new' WHERE a = 1"
ALL = "DELETE FROM t"


class Client:
    """A statement under way in a thread of its own; `result` is what came of it."""

    def __init__(self, dsn: str, sql: str = WRITE) -> None:
        self.result = ""
        self._connection = psycopg.connect(dsn, autocommit=True)
        self._thread = threading.Thread(target=self._run, args=(sql,))
        self._thread.start()

    def _run(self, sql: str) -> None:
        try:
            self.result = str(self._connection.execute(sql.encode()).statusmessage)
        except psycopg.Error as error:
            self.result = error.sqlstate or "lost"

    def die(self) -> None:
        """Close the client's socket under it, as a crash would."""
        import os
        import socket

        with socket.socket(fileno=os.dup(self._connection.pgconn.socket)) as own:
            own.shutdown(socket.SHUT_RDWR)

    def join(self) -> str:
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.result


def values(database: PgDatabase) -> list[str]:
    return [b for (b,) in database.psql("SELECT b FROM t ORDER BY a")]


def untouched(database: PgDatabase) -> bool:
    return values(database) == ["old"] * 20


def sessions(database: PgDatabase) -> list[Any]:
    """Agents' sessions on the server that have something open."""
    return database.psql(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND usename = 'il_agent' AND state <> 'idle'"
    )


@pytest.fixture
def database(fresh_db: PgDatabase) -> PgDatabase:
    prepare(fresh_db, SETUP)
    return fresh_db


@pytest.fixture
def proxy(database: PgDatabase) -> Iterator[PgProxy]:
    with PgProxy(database.cluster.port) as made:
        yield made


@pytest.fixture
def gateway(database: PgDatabase, proxy: PgProxy, tmp_path: Path) -> Iterator[Gateway]:
    with Gateway(database, tmp_path, port=proxy.port) as made:
        yield made


def end_sessions(database: PgDatabase) -> None:
    database.psql(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND usename = 'il_agent'"
    )


# -- sessions ended on the server


def test_ended_while_idle(gateway: Gateway, database: PgDatabase) -> None:
    with gateway.connect() as agent, gateway.connect() as other:
        agent.execute("SELECT 1")
        end_sessions(database)
        for connection in (agent, other):
            with pytest.raises(psycopg.OperationalError):
                connection.execute(WRITE)
            assert connection.closed
    with gateway.connect() as agent:
        agent.execute(WRITE)
    assert [c.state for c in gateway.changes()] == [ChangeState.APPLIED]


def test_ended_in_a_transaction(gateway: Gateway, database: PgDatabase) -> None:
    with gateway.connect() as agent:
        agent.execute("BEGIN")
        agent.execute(ALL)
        end_sessions(database)
        with pytest.raises(psycopg.OperationalError):
            agent.execute("COMMIT")
    assert untouched(database)
    assert gateway.changes() == []


@pytest.mark.parametrize(
    "sql", ["SELECT pg_sleep(300)", "UPDATE t SET b = 'x' WHERE pg_sleep(300) IS NOT NULL"]
)
def test_ended_while_a_statement_runs(gateway: Gateway, database: PgDatabase, sql: str) -> None:
    client = Client(gateway.dsn(), sql)
    until(lambda: database.psql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
    end_sessions(database)
    assert client.join() in ("57P01", "08006", "lost")
    assert untouched(database)
    assert gateway.changes() == []
    with gateway.connect() as agent:
        assert agent.execute("SELECT 1").fetchone() == (1,)


# -- connections broken at each step

STEPS = ["BEGIN READ WRITE", WRITE, "SET CONSTRAINTS ALL IMMEDIATE", "SET TRANSACTION READ ONLY"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_lost_before_the_decision(
    gateway: Gateway, database: PgDatabase, proxy: PgProxy, step: str, after: bool
) -> None:
    proxy.stop_at(step, after=after)
    client = Client(gateway.dsn())
    assert proxy.reached.wait(60)
    proxy.cut()
    assert client.join() in ("08006", "lost")
    assert untouched(database)
    assert gateway.changes(ChangeState.APPLIED, ChangeState.EXECUTING, ChangeState.IN_DOUBT) == []
    with gateway.connect() as agent:
        agent.execute(WRITE)
    assert gateway.ledger_ok()


def test_lost_before_the_commit(gateway: Gateway, database: PgDatabase, proxy: PgProxy) -> None:
    """The intent is recorded, the server never heard of the COMMIT: it has rolled back, and that is what is recorded."""
    proxy.stop_at("COMMIT")
    client = Client(gateway.dsn())
    assert proxy.reached.wait(60)
    (begun,) = gateway_changes_now(gateway)
    assert begun.state is ChangeState.EXECUTING
    proxy.cut()
    assert client.join() in ("40000", "08007", "08006", "lost")
    until(lambda: not sessions(database))
    assert untouched(database)
    settle(gateway)
    assert gateway.change(begun.id).state is ChangeState.FAILED
    assert gateway.ledger_ok()


def test_lost_after_the_commit(gateway: Gateway, database: PgDatabase, proxy: PgProxy) -> None:
    """The server has committed and its answer is lost: it is asked, and says so."""
    proxy.stop_at("COMMIT", after=True)
    client = Client(gateway.dsn())
    assert proxy.reached.wait(60)
    proxy.cut()
    result = client.join()
    assert values(database)[0] == "new"
    (change,) = gateway.changes()
    assert change.state is ChangeState.APPLIED
    assert result == "UPDATE 1", "what was done was not refused"
    assert isinstance(gateway.revert(change.id), Permitted)
    assert untouched(database)
    assert gateway.ledger_ok()


def test_a_client_that_dies_while_its_commit_is_under_way(
    gateway: Gateway, database: PgDatabase, proxy: PgProxy
) -> None:
    proxy.stop_at("COMMIT")
    client = Client(gateway.dsn())
    assert proxy.reached.wait(60)
    client.die()
    assert client.join() == "lost"
    proxy.go_on()
    until(lambda: gateway.changes(ChangeState.APPLIED))
    assert values(database)[0] == "new"
    assert gateway.ledger_ok()


def test_a_used_approval_is_given_back_when_nothing_was_committed(
    gateway: Gateway, database: PgDatabase, proxy: PgProxy
) -> None:
    with gateway.connect() as agent, fails("IL001"):
        agent.execute(ALL)
    change = gateway.approve(gateway.held().id)
    proxy.stop_at("COMMIT")
    client = Client(gateway.dsn(), ALL)
    assert proxy.reached.wait(60)
    proxy.cut()
    client.join()
    until(lambda: not sessions(database))
    settle(gateway)
    assert untouched(database)
    assert gateway.change(change.id).state is ChangeState.APPROVED
    assert isinstance(gateway.apply(change.id), Permitted)
    assert values(database) == []
    assert gateway.ledger_ok()


def gateway_changes_now(gateway: Gateway) -> list[Any]:
    """Changes as they are, without waiting for what is under way."""
    from interlock.model.change import ChangeFilter

    return list(gateway.run(gateway.runtime.changes.list(ChangeFilter())))


def settle(gateway: Gateway) -> None:
    """Have the gateway look after what it began, as it does every few seconds."""
    gateway.stop()
    gateway.start()


# -- the whole server goes


@pytest.fixture
def own(own_cluster: Any, tmp_path: Path) -> Iterator[tuple[PgCluster, PgDatabase, PgProxy, Gateway]]:
    cluster = own_cluster("18")
    made = cluster.create_database("shop")
    prepare(made, SETUP)
    with PgProxy(cluster.port) as between, Gateway(made, tmp_path, port=between.port) as served:
        yield cluster, made, between, served


@pytest.mark.parametrize("after", [False, True], ids=["before the commit", "after the commit"])
def test_a_server_that_crashes_around_a_commit(own: Any, after: bool) -> None:
    cluster, database, proxy, gateway = own
    proxy.stop_at("COMMIT", after=after)
    client = Client(gateway.dsn())
    assert proxy.reached.wait(60)
    cluster.kill()
    proxy.cut()
    assert client.join() in ("08007", "08006", "lost")
    (change,) = gateway.changes()
    assert change.state is ChangeState.IN_DOUBT
    with pytest.raises(psycopg.OperationalError):
        gateway.connect().execute("SELECT 1")
    cluster.resume()
    assert values(database)[0] == ("new" if after else "old")
    settle(gateway)
    # Of a transaction that never committed the crash may have taken even the id: then nobody can tell, and nobody guesses.
    expected = (ChangeState.APPLIED,) if after else (ChangeState.FAILED, ChangeState.IN_DOUBT)
    assert gateway.change(change.id).state in expected
    with gateway.connect() as agent:
        agent.execute("UPDATE t SET b = 'later' WHERE a = 2")
    assert gateway.ledger_ok()


def test_a_server_that_restarts_is_found_again(own: Any) -> None:
    cluster, database, _, gateway = own
    with gateway.connect() as agent:
        agent.execute(WRITE)
        cluster.restart()
        with pytest.raises(psycopg.OperationalError):
            agent.execute("SELECT 1")
    with gateway.connect() as agent:
        agent.execute("UPDATE t SET b = 'again' WHERE a = 2")
        with fails("IL001"):
            agent.execute(ALL)
    assert values(database)[:2] == ["new", "again"]


def test_a_server_that_is_not_there_is_said_to_be_so(own: Any) -> None:
    cluster, _, _, gateway = own
    cluster.stop()
    with pytest.raises(psycopg.OperationalError, match="server"):
        gateway.connect()
    cluster.resume()
    with gateway.connect() as agent:
        assert agent.execute("SELECT count(*) FROM t").fetchone() == (20,)


# -- the gateway is killed


@pytest.fixture
def killable(database: PgDatabase, proxy: PgProxy, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that was furnished and stopped: to be run as a process, and then again in this one."""
    made = Gateway(database, tmp_path, port=proxy.port)
    with made:
        pass
    yield made
    made.stop()


def test_killed_before_the_intent(killable: Gateway, database: PgDatabase, proxy: PgProxy) -> None:
    with GatewayProcess(killable) as process:
        proxy.stop_at("SET TRANSACTION READ ONLY", after=True)
        client = Client(process.dsn())
        assert proxy.reached.wait(60)
        process.kill()
        assert client.join() == "lost"
    proxy.cut()
    until(lambda: not sessions(database))
    assert untouched(database)
    with killable:
        assert killable.changes() == []
        with killable.connect() as agent:
            agent.execute(WRITE)
        assert killable.ledger_ok()


def test_killed_between_intent_and_commit(killable: Gateway, database: PgDatabase, proxy: PgProxy) -> None:
    with GatewayProcess(killable) as process:
        proxy.stop_at("COMMIT")
        client = Client(process.dsn())
        assert proxy.reached.wait(60)
        process.kill()
        assert client.join() == "lost"
    proxy.cut()
    until(lambda: not sessions(database))
    assert untouched(database)
    with killable:
        (change,) = killable.changes()
        assert change.state is ChangeState.FAILED
        assert killable.entries("recovery", "outcome")
        assert killable.ledger_ok()


def test_killed_between_commit_and_outcome(killable: Gateway, database: PgDatabase, proxy: PgProxy) -> None:
    with GatewayProcess(killable) as process:
        proxy.stop_at("COMMIT", after=True)
        client = Client(process.dsn())
        assert proxy.reached.wait(60)
        process.kill()
        assert client.join() == "lost"
    proxy.cut()
    assert values(database)[0] == "new"
    with killable:
        (change,) = killable.changes()
        assert change.state is ChangeState.APPLIED
        assert isinstance(killable.revert(change.id), Permitted), (
            "its before-image was stored before the commit"
        )
        assert untouched(database)
        assert killable.ledger_ok()


def test_killed_with_an_approval_in_use(killable: Gateway, database: PgDatabase, proxy: PgProxy) -> None:
    with killable:
        with killable.connect() as agent, fails("IL001"):
            agent.execute(ALL)
        change = killable.approve(killable.held().id)
    with GatewayProcess(killable) as process:
        proxy.stop_at("COMMIT")
        client = Client(process.dsn(), ALL)
        assert proxy.reached.wait(60)
        process.kill()
        client.join()
    proxy.cut()
    until(lambda: not sessions(database))
    with killable:
        assert killable.change(change.id).state is ChangeState.APPROVED
        with killable.connect() as agent:
            assert agent.execute(ALL).rowcount == 20
        assert killable.change(change.id).state is ChangeState.APPLIED
        assert killable.ledger_ok()


def test_still_open_on_the_server_stays_in_doubt(
    killable: Gateway, database: PgDatabase, proxy: PgProxy
) -> None:
    """The gateway is back before the server has noticed that its client is gone: nothing is guessed."""
    with GatewayProcess(killable) as process:
        proxy.stop_at("COMMIT")
        client = Client(process.dsn())
        assert proxy.reached.wait(60)
        process.kill()
        client.join()
    with killable:
        (change,) = killable.changes()
        assert change.state is ChangeState.IN_DOUBT
    proxy.cut()
    until(lambda: not sessions(database))
    with killable:
        assert killable.change(change.id).state is ChangeState.FAILED
        assert killable.ledger_ok()
    assert untouched(database)


def test_terminated_while_committing(killable: Gateway, database: PgDatabase, proxy: PgProxy) -> None:
    """SIGTERM waits for what is being committed, and its client hears of it."""
    with GatewayProcess(killable) as process:
        proxy.stop_at("COMMIT")
        client = Client(process.dsn())
        with process.connect() as idle:
            assert proxy.reached.wait(60)
            ended: list[int] = []
            ending = threading.Thread(target=lambda: ended.append(process.terminate()))
            ending.start()
            process.wait_for("shutdown.begun")
            proxy.go_on()
            assert client.join() == "UPDATE 1"
            ending.join(60)
            assert ended == [0]
            with pytest.raises(psycopg.OperationalError):
                idle.execute("SELECT 1")
    assert values(database)[0] == "new"
    with killable:
        assert [c.state for c in killable.changes()] == [ChangeState.APPLIED]
        assert killable.ledger_ok()


def test_disabled_while_committing(gateway: Gateway, database: PgDatabase, proxy: PgProxy) -> None:
    """What was decided is carried through; the session ends with it."""
    proxy.stop_at("COMMIT")
    client = Client(gateway.dsn())
    assert proxy.reached.wait(60)
    gateway.run(gateway.runtime.agents.disable("bot", by=BY))
    proxy.go_on()
    assert client.join() in ("UPDATE 1", "57P01", "lost")
    assert values(database)[0] == "new"
    assert [c.state for c in gateway.changes()] == [ChangeState.APPLIED]
    gate = gateway.runtime.targets["shop"].gate
    until(lambda: not gate.sessions)
