"""Opening: nothing is recreated, nothing foreign or newer is touched, nothing half made is left."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection
from tests.conftest import MakeCluster
from tests.runtime.stores.conftest import MASTER, Backend
from tests.runtime.stores.store_values import read, transact, wait

from interlock.model.errors import Misconfigured, Unavailable
from interlock.runtime.crypto import MasterKey
from interlock.runtime.stores import open_store
from interlock.runtime.stores.shape import migrations


def test_a_store_is_made_only_when_asked(backend: Backend) -> None:
    for _ in range(2):
        with pytest.raises(Misconfigured, match="init"):
            backend.open(create=False)
    store = backend.open()
    transact(store, lambda tx: tx.put_meta("k", "v"))
    again = backend.open(create=False)
    assert read(again, lambda tx: (tx.meta("k"), tx.ledger_size())) == ("v", 1)
    assert read(backend.open(), lambda tx: tx.ledger_size()) == 1, "create makes no second one"


def test_replicas_that_start_together_make_one_store(backend: Backend) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = [f.result(60) for f in [pool.submit(backend.open) for _ in range(4)]]
    assert len({str(store.verifier) for store in stores}) == 1
    assert read(stores[0], lambda tx: tx.ledger_size()) == 1


def test_a_missing_file_is_not_made_anew(sqlite_backend: Backend) -> None:
    with pytest.raises(Misconfigured, match="moved"):
        sqlite_backend.open(create=False)
    assert not Path(sqlite_backend.url.removeprefix("sqlite:///")).exists()


def test_a_new_file_is_private(sqlite_backend: Backend) -> None:
    transact(sqlite_backend.open(), lambda tx: tx.put_meta("k", "v"))
    files = list(Path(sqlite_backend.url.removeprefix("sqlite:///")).parent.glob("store.db*"))
    assert len(files) == 3
    assert all(stat.S_IMODE(file.stat().st_mode) & 0o077 == 0 for file in files)


def test_another_master_key_is_refused(backend: Backend) -> None:
    backend.open()
    with pytest.raises(Misconfigured, match="master key"):
        backend.open(master=MasterKey(bytes(32)))


def test_another_origin_is_refused(backend: Backend) -> None:
    backend.open()
    with pytest.raises(Misconfigured, match="not interlock"):
        backend.open(origin="interlock.example/other")
    assert backend.open(origin=None).origin == "interlock.example/test"


def test_an_origin_is_found_when_none_is_given(backend: Backend) -> None:
    assert backend.open(origin=None).origin.startswith("interlock.local/")


@pytest.mark.parametrize("origin", ["with space", "with+plus"])
def test_an_impossible_origin_is_refused_and_leaves_nothing(backend: Backend, origin: str) -> None:
    with pytest.raises(Misconfigured, match="origin"):
        backend.open(origin=origin)
    with pytest.raises(Misconfigured, match="init"):
        backend.open(create=False)


def test_a_newer_schema_is_refused_and_untouched(backend: Backend) -> None:
    backend.open()
    backend.raw("UPDATE schema_version SET version = 99")
    for options in ({}, {"upgrade": True}):
        with pytest.raises(Misconfigured, match="99, newer"):
            backend.open(**options)
    assert backend.raw("SELECT version FROM schema_version") == [(99,)]


def test_a_lost_version_is_refused(backend: Backend) -> None:
    backend.open()
    backend.raw("DELETE FROM schema_version")
    with pytest.raises(Misconfigured, match="version is missing"):
        backend.open()


LATEST = migrations.VERSION


def add_table(connection: Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE added (x INTEGER)")


def add_and_fail(connection: Connection) -> None:
    add_table(connection)
    raise Misconfigured("half way")


def test_an_older_schema_is_migrated_when_asked(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    transact(backend.open(), lambda tx: tx.put_meta("k", "v"))
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, add_table))
    monkeypatch.setattr(migrations, "VERSION", LATEST + 1)
    with pytest.raises(Misconfigured, match="interlock migrate"):
        backend.open()
    store = backend.open(create=False, upgrade=True)
    assert backend.raw("SELECT version FROM schema_version") == [(LATEST + 1,)]
    assert backend.raw("SELECT count(*) FROM added") == [(0,)]
    assert read(store, lambda tx: tx.meta("k")) == "v"
    assert backend.open(create=False)


def test_a_failed_migration_leaves_the_old_schema(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    backend.open()
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, add_and_fail))
        patch.setattr(migrations, "VERSION", LATEST + 1)
        with pytest.raises(Misconfigured, match="half way"):
            backend.open(upgrade=True)
    assert backend.raw("SELECT version FROM schema_version") == [(LATEST,)]
    with pytest.raises(Exception, match="added"):
        backend.raw("SELECT * FROM added")
    assert wait(backend.open().verify()).ok


def test_a_foreign_database_is_refused(backend: Backend) -> None:
    if not backend.is_sqlite:
        backend.psql("CREATE SCHEMA interlock; CREATE TABLE interlock.theirs (x int)")
    else:
        backend.raw("CREATE TABLE theirs (x int)")
    with pytest.raises(Misconfigured, match="other tables"):
        backend.open()
    assert backend.raw("SELECT count(*) FROM theirs") == [(0,)]


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    file.write_text("not a database at all, but long enough to look at" * 50)
    with pytest.raises(Unavailable, match="not an SQLite database"):
        open_store(f"sqlite:///{file}", MASTER, create=True)
    assert file.read_text().startswith("not a database")


@pytest.mark.parametrize(
    "url", ["", "no url", "sqlite://", "sqlite:///:memory:", "mysql://host/db", "mssql://host/db"]
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match="store:"):
        open_store(url, MASTER, create=True)


def test_a_wrong_password_is_refused_without_repeating_it(own_cluster: MakeCluster) -> None:
    cluster = own_cluster(password="right-one")
    url = cluster.dsn("postgres", password="wrong-one")
    with pytest.raises(Unavailable) as caught:
        open_store(url, MASTER, create=True)
    assert "wrong-one" not in str(caught.value)
    assert caught.value.__cause__ is None
