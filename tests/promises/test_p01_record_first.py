"""P1 Record first: nothing takes effect on a target unless its intent is durable in the ledger."""

import random
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from tests.promises.conftest import hang_commits, new_shop, open_transactions, store_held
from tests.real.conftest import FILL, SETUP, Shop, fails, until

from interlock.model.change import Change, ChangeState
from interlock.runtime.background.tickers import Chores
from interlock.testing.gateway import Gateway, prepare
from interlock.testing.peers.pg import PgCluster, PgDatabase
from interlock.testing.peers.process import GatewayProcess

Agent = psycopg.Connection[tuple[Any, ...]]


# -- nothing is seen on the target while its record waits


class Recording(NamedTuple):
    """A shop and the store of its gateway, a database of its own where a test can hold it still."""

    shop: Shop
    store: PgDatabase


@pytest.fixture(scope="module")
def recordings(
    pg: PgCluster, pg18: PgCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Recording]:
    store = pg18.create_database(f"store_{secrets.token_hex(6)}")
    with new_shop(pg, tmp_path_factory.mktemp("recording"), store=store.dsn()) as shop:
        yield Recording(shop, store)
    store.drop()


@pytest.fixture
def recording(recordings: Recording) -> Recording:
    """With its first content and a new agent."""
    recordings.shop.fill()
    return recordings


def simple(agent: Agent) -> None:
    agent.execute("UPDATE ten SET b = 'new' WHERE a = 1")


def extended(agent: Agent) -> None:
    agent.execute("UPDATE ten SET b = %s WHERE a = %s", ("new", 1), prepare=True)


def block(agent: Agent) -> None:
    with agent.transaction():
        agent.execute("SAVEPOINT s")
        agent.execute("UPDATE ten SET b = 'new' WHERE a = 1")


def copied(agent: Agent) -> None:
    with agent.cursor() as cursor, cursor.copy("COPY ten FROM STDIN") as copy:
        copy.write_row((11, "new"))


def pipelined(agent: Agent) -> None:
    with agent.pipeline():
        agent.execute("INSERT INTO ten VALUES (11, 'new')")
        agent.execute("SELECT 1")


def called(agent: Agent) -> None:
    agent.execute("DO $$ BEGIN UPDATE ten SET b = 'new' WHERE a = 1; END $$")


def defined(agent: Agent) -> None:
    agent.execute("CREATE TABLE made (a int)")


def two_phase(agent: Agent) -> None:
    agent.execute("BEGIN")
    agent.execute("UPDATE ten SET b = 'new' WHERE a = 1")
    agent.execute("PREPARE TRANSACTION 'first phase'")
    agent.execute("COMMIT PREPARED 'first phase'")


NEW = "SELECT FROM ten WHERE b = 'new' UNION ALL SELECT FROM pg_class WHERE relname = 'made'"
PREPARED = "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"


@pytest.mark.parametrize("work", [simple, extended, block, copied, pipelined, called, defined, two_phase])
def test_while_the_record_waits_nothing_is_done(recording: Recording, work: Callable[[Agent], None]) -> None:
    shop, store = recording
    before = len(shop.gateway.entries())
    with shop.connect() as agent, ThreadPoolExecutor(1) as pool:
        with store_held(store) as recorded:
            done = pool.submit(work, agent)
            until(lambda: open_transactions(shop.database))
            recorded()
            assert shop.database.psql(NEW) == []
            assert shop.database.psql(PREPARED) == []
            assert not done.done()
        done.result(60)
        assert shop.database.psql(NEW) != []
        kinds = [e["kind"] for e in shop.gateway.entries()[before:]]
        assert kinds.index("intent") < kinds.index("outcome")
    shop.make("DROP TABLE IF EXISTS made")


def test_what_a_rollback_does_not_undo_is_not_run_before_its_record(recording: Recording) -> None:
    shop, store = recording
    look = "SELECT last_value FROM tickets"
    sql = "SELECT setval('tickets', 500)"
    with shop.connect() as agent, ThreadPoolExecutor(1) as pool:
        with fails("IL001"):
            agent.execute(sql)
        assert shop.database.psql(look) == [(1,)]
        shop.approve_held()
        with store_held(store) as recorded:
            done = pool.submit(agent.execute, sql)
            recorded()
            assert shop.database.psql(look) == [(1,)]
        done.result(60)
        assert shop.database.psql(look) == [(500,)]


def test_applied_and_reverted_by_the_gateway_is_recorded_first_too(recording: Recording) -> None:
    shop, store = recording
    with shop.connect() as agent, fails("IL001"):
        agent.execute("DELETE FROM ten")
    change = shop.approve_held()
    ways: list[tuple[Callable[[], Any], int, int]] = [
        (lambda: shop.gateway.apply(change.id), 10, 0),
        (lambda: shop.gateway.revert(change.id), 0, 10),
    ]
    for way, before, after in ways:
        with ThreadPoolExecutor(1) as pool:
            with store_held(store) as recorded:
                done = pool.submit(way)
                recorded()
                assert shop.count("ten") == before
            done.result(60)
        assert shop.count("ten") == after


# -- kill -9


@pytest.fixture
def furnished(stamped: PgCluster, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that is stopped, for processes to run on its folder."""
    database = stamped.create_database(f"t_{secrets.token_hex(6)}")
    prepare(database, SETUP)
    database.psql(FILL)
    gateway = Gateway(database, tmp_path / "gateway")
    gateway.start().stop()
    yield gateway
    gateway.stop()
    database.drop()


def recover(gateway: Gateway) -> None:
    gateway.run(Chores(gateway.runtime.core).recover(starting=True))


def test_killed_before_the_record_nothing_happened(
    pg18: PgCluster, store18: PgDatabase, tmp_path: Path
) -> None:
    with new_shop(pg18, tmp_path / "gateway", store=store18.dsn(), agents=("bot",)) as shop:
        shop.gateway.stop()
        with (
            GatewayProcess(shop.gateway) as process,
            process.connect() as agent,
            ThreadPoolExecutor(1) as pool,
        ):
            with store_held(store18) as recorded:
                lost = pool.submit(agent.execute, "UPDATE ten SET b = 'new' WHERE a = 1")
                until(lambda: open_transactions(shop.database))
                recorded()
                process.kill()
                with pytest.raises(psycopg.OperationalError):
                    lost.result(60)
            until(lambda: not open_transactions(shop.database))
        shop.gateway.start()
        assert shop.database.psql(NEW) == []
        assert shop.gateway.changes() == []
        assert shop.gateway.entries("intent") == []


_COMMITTING = "SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = current_database()"


def test_killed_between_commit_and_outcome_the_record_is_there(
    furnished: Gateway, stamped: PgCluster
) -> None:
    """The commit hangs: nobody sees it yet, and its intent with the before-image is durable. What recovery cannot know stays in
    doubt until the target tells (and P6: the undo was stored before)."""
    database = furnished.database
    with (
        GatewayProcess(furnished) as process,
        process.connect() as agent,
        ThreadPoolExecutor(1) as pool,
        hang_commits(stamped),
    ):
        lost = pool.submit(agent.execute, "UPDATE ten SET b = 'new' WHERE a = 1")
        until(lambda: database.psql(_COMMITTING))
        assert database.psql(NEW) == []
        process.kill()
        with pytest.raises(psycopg.OperationalError):
            lost.result(60)
        furnished.start()
        (change,) = furnished.changes()
        assert [e["body"]["change"] for e in furnished.entries("intent")] == [change.id]
        assert furnished.entries("outcome") == []
        assert change.state is ChangeState.IN_DOUBT
        assert database.psql(NEW) == []
    until(lambda: not database.psql(_COMMITTING))
    assert len(database.psql(NEW)) == 1
    recover(furnished)
    assert furnished.change(change.id).state is ChangeState.APPLIED
    furnished.revert(change.id)
    assert database.psql(NEW) == []
    assert furnished.ledger_ok()


class Flood:
    """Clients that insert one row after the other until their connection breaks."""

    def __init__(self, process: GatewayProcess, clients: int) -> None:
        self._seen = threading.Semaphore(0)
        self.acknowledged: list[str] = []
        self._pool = ThreadPoolExecutor(clients)
        self._work = [self._pool.submit(self._insert, process) for _ in range(clients)]

    def _insert(self, process: GatewayProcess) -> None:
        try:
            with process.connect() as agent:
                while True:
                    name = secrets.token_hex(8)
                    agent.execute("INSERT INTO notes (body) VALUES (%s)", (name,))
                    self.acknowledged.append(name)
                    self._seen.release()
        except psycopg.OperationalError:
            return

    def wait(self, rows: int) -> None:
        for _ in range(rows):
            assert self._seen.acquire(timeout=60)

    def end(self) -> None:
        for work in self._work:
            work.result(60)
        self._pool.shutdown()


def test_killed_at_any_moment_the_ledger_knows_all_that_happened(furnished: Gateway) -> None:
    database = furnished.database
    acknowledged: list[str] = []
    for _ in range(2):
        with GatewayProcess(furnished) as process:
            flood = Flood(process, 6)
            flood.wait(random.randint(5, 40))
            process.kill()
            flood.end()
        acknowledged += flood.acknowledged
    until(lambda: not open_transactions(database))
    furnished.start()
    recover(furnished)
    rows = dict(database.psql("SELECT xmin::text, body FROM notes"))
    states = {c.state for c in furnished.changes()}
    assert states <= {ChangeState.APPLIED, ChangeState.FAILED}, states
    applied = {xid_of(c): c for c in furnished.changes(ChangeState.APPLIED)}
    assert applied.keys() == rows.keys()
    assert set(acknowledged) <= set(rows.values())
    intents = {e["body"]["change"]: datetime.fromisoformat(e["at"]) for e in furnished.entries("intent")}
    for xid, change in applied.items():
        ((committed,),) = database.psql(f"SELECT pg_xact_commit_timestamp('{xid}')")
        assert intents[change.id] <= committed
    assert furnished.ledger_ok()


def xid_of(change: Change) -> str:
    return str(int(change.marker["xid"]) & 0xFFFFFFFF)
