"""Faults: one clear error, nothing half done, and the store goes on when the cause is gone."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, text
from tests.conftest import MakeCluster
from tests.faults.wire import Mode, Wire
from tests.runtime.stores.conftest import MASTER, Backend
from tests.runtime.stores.lossy_proxy import LossyProxy
from tests.runtime.stores.store_values import draft, read, transact, wait

from interlock.ledger import entry
from interlock.model.errors import Unavailable
from interlock.runtime.stores import SqlStore, open_store
from interlock.runtime.stores.commits import batch
from interlock.runtime.stores.commits.engine import connect
from interlock.runtime.stores.commits.patience import bounded
from interlock.runtime.stores.errors import CommitUnknown
from interlock.runtime.stores.rows.writing import SqlTx
from interlock.runtime.stores.shape.migrations import migrate


def append(store: SqlStore, n: int = 0) -> int:
    return transact(store, lambda tx: tx.append("decision", {"n": n}))


def path_of(backend: Backend) -> Path:
    return Path(backend.url.removeprefix("sqlite:///"))


# -- full


def limit_pages(store: SqlStore, pages: int) -> None:
    """A disk that is nearly full, as SQLite sees it."""
    event.listen(
        store._engines.writer, "connect", lambda c, _: c.execute(f"PRAGMA max_page_count={pages}").fetchone()
    )
    store._writer._session.drop()


def test_a_full_store_refuses_and_keeps_nothing_half_done(sqlite_backend: Backend) -> None:
    store = sqlite_backend.open()
    ((pages,),) = sqlite_backend.raw("PRAGMA page_count")
    limit_pages(store, pages + 5)

    def big(tx: SqlTx) -> None:
        tx.append("decision", {"n": 1})
        made = tx.new_change(draft())
        tx.put_payload(made.id, "content", bytes(100_000))

    with pytest.raises(Unavailable, match="full"):
        transact(store, big)
    assert sqlite_backend.raw("SELECT count(*) FROM changes") == [(0,)]
    assert append(store) == 1, "what fits goes on"
    assert wait(store.verify()).ok


def test_one_that_does_not_fit_does_not_fail_its_group(sqlite_backend: Backend) -> None:
    store = sqlite_backend.open()
    ((pages,),) = sqlite_backend.raw("PRAGMA page_count")
    limit_pages(store, pages + 5)

    async def run() -> list[Any]:
        works: list[Callable[[SqlTx], Any]] = [lambda tx: tx.append("decision", {}) for _ in range(5)]
        works.insert(2, lambda tx: tx.put_payload("CHG-1", "content", bytes(100_000)))
        return await asyncio.gather(*map(store.transact, works), return_exceptions=True)

    results = asyncio.run(run())
    assert isinstance(results.pop(2), Unavailable)
    assert results == [1, 2, 3, 4, 5]


# -- locked


def test_a_locked_sqlite_store_refuses_and_recovers(sqlite_backend: Backend) -> None:
    store = sqlite_backend.open(lock_timeout=0.1)
    other = sqlite3.connect(path_of(sqlite_backend), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(Unavailable, match="locked"):
            append(store)
        assert read(store, lambda tx: tx.ledger_size()) == 1, "readers do not mind"
    finally:
        other.close()
    assert append(store) == 1


def test_a_locked_postgres_store_refuses_and_recovers(pg18_backend: Backend) -> None:
    store = pg18_backend.open(lock_timeout=0.1)
    assert pg18_backend.database is not None
    with pg18_backend.database.connect() as other:
        other.execute("SELECT 1 FROM interlock.ledger_head FOR UPDATE")
        with pytest.raises(Unavailable, match="locked"):
            append(store)
        assert read(store, lambda tx: tx.ledger_size()) == 1
    assert append(store) == 1


def test_everyone_of_a_group_is_told_when_the_store_is_locked(sqlite_backend: Backend) -> None:
    store = sqlite_backend.open(lock_timeout=0.1)
    other = sqlite3.connect(path_of(sqlite_backend), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def run() -> list[Any]:
        return await asyncio.gather(
            *(store.transact(lambda tx: tx.append("decision", {})) for _ in range(100)),
            return_exceptions=True,
        )

    results = asyncio.run(run())
    other.close()
    assert all(isinstance(result, Unavailable) for result in results)
    assert append(store) == 1


# -- gone


def test_a_deleted_file_stops_everything_at_once(sqlite_backend: Backend) -> None:
    store = sqlite_backend.open()
    append(store)
    path_of(sqlite_backend).unlink()
    with pytest.raises(Unavailable, match="gone"):
        append(store)
    with pytest.raises(Unavailable, match="gone"):
        read(store, lambda tx: tx.ledger_size())
    assert not path_of(sqlite_backend).exists()


def test_a_replaced_file_is_not_taken_for_the_store(sqlite_backend: Backend, tmp_path: Path) -> None:
    store = sqlite_backend.open()
    path = path_of(sqlite_backend)
    copy = tmp_path / "copy.db"
    sqlite_backend.raw(f"VACUUM INTO '{copy}'")
    append(store)
    copy.replace(path)
    with pytest.raises(Unavailable, match="replaced"):
        append(store)
    with pytest.raises(Unavailable, match="replaced"):
        read(store, lambda tx: tx.ledger_size())


def test_a_server_that_stops_and_comes_back(own_cluster: MakeCluster) -> None:
    cluster = own_cluster()
    store = open_store(cluster.dsn("postgres"), MASTER, create=True, lock_timeout=1)
    append(store)
    cluster.stop(immediate=True)
    with pytest.raises(Unavailable):
        append(store)
    with pytest.raises(Unavailable):
        read(store, lambda tx: tx.ledger_size())
    cluster.resume()
    assert append(store) == 2
    assert read(store, lambda tx: tx.ledger_size()) == 3
    cluster.restart()
    assert append(store) == 3, "a connection that died while idle is not an error"
    assert read(store, lambda tx: tx.ledger_size()) == 4
    assert wait(store.verify()).ok
    wait(store.close())


def test_a_connection_killed_inside_a_transaction_is_tried_again(pg18_backend: Backend) -> None:
    store = pg18_backend.open()
    runs: list[int] = []

    def work(tx: SqlTx) -> None:
        runs.append(tx.append("decision", {"n": len(runs)}))
        tx.put_meta("k", "v")
        if len(runs) == 1:
            pid = tx.runner.execute(text("SELECT pg_backend_pid()"))[0][0]
            pg18_backend.raw(f"SELECT pg_terminate_backend({pid})")
        tx.put_meta("k", "w")

    transact(store, work)
    assert runs == [1, 1]
    assert entry.decode(wait(store.entry(1))).body == {"n": 1}
    assert read(store, lambda tx: tx.ledger_size()) == 2


# -- the commit's answer is lost


KILL_AT_FIRST_COMMIT = """
CREATE SEQUENCE commits;
CREATE FUNCTION kill_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF nextval('commits') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1); END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER kill_once AFTER UPDATE ON ledger_head DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION kill_once();
"""


def test_a_commit_that_died_is_found_out_and_done_again_once(pg18_backend: Backend) -> None:
    store = pg18_backend.open()
    pg18_backend.raw(KILL_AT_FIRST_COMMIT)
    assert append(store, 7) == 1
    assert pg18_backend.raw("SELECT last_value FROM commits") == [(2,)]
    assert read(store, lambda tx: tx.ledger_size()) == 2


def test_a_commit_whose_answer_was_lost_is_found_out_and_not_done_twice(pg18_backend: Backend) -> None:
    with LossyProxy(pg18_backend.url) as proxy:
        store = open_store(proxy.url, MASTER, create=True)
        proxy.armed = True
        assert append(store, 7) == 1
        assert proxy.broken == 1
        assert append(store, 8) == 2
        assert [entry.decode(e).body["n"] for e in wait(store.entries(1, 9))] == [7, 8]
        assert wait(store.verify()).ok
        wait(store.close())


def test_a_commit_that_cannot_be_found_out_is_said_to_be_unknown(
    pg18_backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "_SETTLE_SECONDS", 0.3)
    with LossyProxy(pg18_backend.url) as proxy:
        store = open_store(proxy.url, MASTER, create=True)
        proxy.armed = proxy.closed_after = True
        with pytest.raises(CommitUnknown, match="recovery"):
            append(store, 7)
        with pytest.raises(Unavailable):
            append(store, 8)
        proxy.closed_after = False
        assert append(store, 9) == 2
        wait(store.close())
    assert [entry.decode(e).body["n"] for e in wait(pg18_backend.open(origin=None).entries(1, 9))] == [7, 9]


# -- killed


WRITE_FOR_EVER = """
import asyncio, sys
from interlock.runtime.crypto import MasterKey
from interlock.runtime.stores import open_store

async def one(store, n):
    def work(tx):
        tx.put_meta(f"k{n}", "v")
        return tx.append("decision", {"n": n})
    print(n, await store.transact(work), flush=True)

async def main():
    store = open_store(sys.argv[1], MasterKey(bytes(range(32))))
    for start in range(0, 10**9, 8):
        await asyncio.gather(*(one(store, start + i) for i in range(8)))

asyncio.run(main())
"""


@pytest.mark.parametrize("lines", [1, 50, 333])
def test_nothing_that_was_acknowledged_is_lost_when_the_writer_is_killed(
    backend: Backend, lines: int
) -> None:
    wait(backend.open().close())
    child = subprocess.Popen(
        [sys.executable, "-c", WRITE_FOR_EVER, backend.url],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ},
    )
    with child:
        assert child.stdout is not None
        acknowledged = [tuple(map(int, child.stdout.readline().split())) for _ in range(lines)]
        child.send_signal(signal.SIGKILL)
    store = backend.open()
    kept = [entry.decode(data).body["n"] for data in wait(store.entries(1, 100_000))]
    assert all(kept[index - 1] == n for n, index in acknowledged)
    assert len(kept) == len(set(kept))
    keys = {row[0] for row in backend.raw("SELECT key FROM meta WHERE key LIKE 'k%'")} - {"key"}
    assert keys == {f"k{n}" for n in kept}, "entry and record are there together or not at all"
    assert wait(store.verify()).ok
    assert append(store) == len(kept) + 1
    assert wait(store.sign())
    assert wait(store.verify()).ok


# -- silent


def test_a_store_that_does_not_answer_refuses_all_the_same_and_is_found_again(
    pg18_backend: Backend,
) -> None:
    """A network that drops everything: no error comes from anywhere, and what hangs must neither hang for ever nor end the rest."""
    assert pg18_backend.database is not None
    with Wire(pg18_backend.database.cluster.port) as wire:
        store = open_store(wire.url(pg18_backend.url), MASTER, create=True, lock_timeout=0.2, patience=0.5)
        assert append(store, 1) == 1
        assert read(store, lambda tx: tx.ledger_size()) == 2
        wire.become(Mode.SILENT)

        async def both() -> tuple[Any, Any]:
            work = store.transact(lambda tx: tx.append("decision", {"n": 2}))
            return await asyncio.gather(work, store.read(lambda tx: tx.ledger_size()), return_exceptions=True)

        wrote, looked = wait(both())
        assert isinstance(wrote, CommitUnknown)
        assert type(looked) is Unavailable
        assert "in time" in str(looked)
        wire.become(Mode.PASS)
        number = until_it_answers(store, 3)
        kept = [entry.decode(e).body["n"] for e in wait(store.entries(1, 9))]
        assert kept == [1, 3], "whoever gave up finds nothing done later"
        assert number == 2
        assert wait(store.verify()).ok
        wait(store.close())


def until_it_answers(store: SqlStore, n: int) -> int:
    """The first append that succeeds. One that does not ends the test by its time limit."""
    while True:
        try:
            return append(store, n)
        except Unavailable:
            continue


def test_a_statement_that_is_never_answered_breaks_its_connection(pg18_backend: Backend) -> None:
    """Without that, the only thread that writes would wait for as long as the kernel hopes."""
    assert pg18_backend.database is not None
    with Wire(pg18_backend.database.cluster.port) as wire:
        connection = bounded(0.2).connect(wire.url(pg18_backend.url), autocommit=True)
        assert connection.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SET statement_timeout = 100; SELECT pg_sleep(60)")
        assert not connection.closed, "a server that is slow but there says so itself"
        wire.become(Mode.SILENT)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 2")
        assert connection.closed


def test_what_waits_behind_a_slow_store_gives_up_and_is_not_done_later(pg18_backend: Backend) -> None:
    assert pg18_backend.database is not None
    with Wire(pg18_backend.database.cluster.port) as wire:
        store = open_store(wire.url(pg18_backend.url), MASTER, create=True, lock_timeout=0.2, patience=0.5)
        wire.become(Mode.SLOW)

        async def caught() -> list[Any]:
            def numbered(n: int) -> Awaitable[int]:
                return store.transact(lambda tx: tx.append("decision", {"n": n}))

            begun = asyncio.ensure_future(numbered(0))
            await asyncio.to_thread(wire.noticed.wait, 60)
            later = map(numbered, range(1, 50))
            return await asyncio.gather(begun, *later, return_exceptions=True)

        results = wait(caught())
        assert all(isinstance(result, CommitUnknown) for result in results), results
        wire.become(Mode.PASS)
        until_it_answers(store, 100)
        kept = [entry.decode(e).body["n"] for e in wait(store.entries(1, 99))]
        assert kept in ([100], [0, 100]), "only what had begun may have been done"
        assert wait(store.verify()).ok
        wait(store.close())


def test_a_replica_that_goes_in_the_middle_of_a_pipeline_does_not_keep_the_log(pg18_backend: Backend) -> None:
    """Between the parts of a pipeline no timeout of an idle transaction counts. The default would be two hours, by TCP."""
    store = pg18_backend.open(lock_timeout=0.2)
    kept = connect(store._engines.writer)
    gone = kept.connection.driver_connection
    assert isinstance(gone, psycopg.Connection)
    gone.execute("SELECT size FROM ledger_head FOR UPDATE")
    gone.pgconn.enter_pipeline_mode()
    gone.pgconn.send_query_params(b"SELECT 1", None)
    gone.pgconn.send_flush_request()  # and never a Sync
    gone.pgconn.flush()
    with pytest.raises(Unavailable, match="locked"):
        append(store, 1)
    assert until_it_answers(store, 2) == 1
    assert not gone.closed, "nothing was heard of it: the server ended it"
    kept.invalidate()


def test_a_migration_may_take_longer_than_a_transaction(pg18_backend: Backend) -> None:
    store = pg18_backend.open(lock_timeout=0.2)
    asked = "SELECT setting FROM pg_settings WHERE name = 'transaction_timeout'"
    with connect(store._engines.writer) as connection, connection.begin():
        assert connection.exec_driver_sql(asked).scalar_one() == "1000"
        migrate(connection, create=False, upgrade=True)
        assert connection.exec_driver_sql(asked).scalar_one() == "0"
    with connect(store._engines.reader) as connection:
        assert connection.exec_driver_sql(asked).scalar_one() == "0"
