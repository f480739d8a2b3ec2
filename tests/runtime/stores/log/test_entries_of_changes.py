"""Which entries are about which change: written with them, found without searching the log, and made for logs that are older."""

from typing import Any, TypeAlias

import pytest
from tests.runtime.stores.conftest import Backend
from tests.runtime.stores.store_values import wait

from interlock.ledger import entry
from interlock.model.errors import Rejected
from interlock.runtime.stores import SqlStore
from interlock.runtime.stores.commits.engine import connect, make_engines
from interlock.runtime.stores.shape import migrations
from interlock.testing.stores.enforcing import FakeStore

AnyStore: TypeAlias = SqlStore | FakeStore
ONE, TWO = "CHG-AAAAAAAA", "CHG-BBBBBBBB"


@pytest.fixture(params=["sqlite", "pg18", "pg15", "fake"])
def any_store(request: pytest.FixtureRequest) -> AnyStore:
    """A new store on each database in turn, and the fake."""
    if request.param == "fake":
        return FakeStore()
    place: Backend = request.getfixturevalue(f"{request.param}_place")
    return place.open()


def append(store: AnyStore, *entries: tuple[str, dict[str, Any]]) -> None:
    """All in one transaction."""
    wait(store.transact(lambda tx: [tx.append(kind, body) for kind, body in entries]))


def written(store: AnyStore) -> None:
    append(store, ("change.held", {"change": ONE}))
    append(store, ("change.held", {"change": TWO}), ("approval", {"change": ONE, "person": "ann"}))
    append(store, ("login", {"person": "ann"}))
    append(store, ("revert", {"change": ONE, "by_change": TWO}))


def found(store: AnyStore, change: str, **more: int) -> list[tuple[int, bytes]]:
    return list(wait(store.read(lambda tx: tx.entries_of(change, **more))))


def kinds(store: AnyStore, change: str, **more: int) -> list[str]:
    rows = found(store, change, **more)
    assert [n for n, _ in rows] == sorted(n for n, _ in rows)
    return [entry.decode(data).kind for _, data in rows]


def test_each_change_finds_its_own(any_store: AnyStore) -> None:
    written(any_store)
    assert kinds(any_store, ONE) == ["change.held", "approval", "revert"]
    assert kinds(any_store, TWO) == ["change.held", "revert"]
    assert kinds(any_store, "CHG-CCCCCCCC") == []
    assert kinds(any_store, ONE, limit=2) == ["approval", "revert"]


def test_numbers_are_the_logs(any_store: AnyStore) -> None:
    written(any_store)
    index = wait(any_store.transact(lambda tx: tx.append("comment", {"change": TWO})))
    assert found(any_store, TWO)[-1][0] == index
    if isinstance(any_store, SqlStore):
        assert wait(any_store.entry(index)) == found(any_store, TWO)[-1][1]


def test_nothing_stays_of_what_failed(any_store: AnyStore) -> None:
    def fails(tx: Any) -> None:
        tx.append("change.held", {"change": ONE})
        raise Rejected("no")

    with pytest.raises(Rejected):
        wait(any_store.transact(fails))
    assert kinds(any_store, ONE) == []
    append(any_store, ("change.held", {"change": ONE}))
    assert kinds(any_store, ONE) == ["change.held"]


def test_what_is_no_id_is_not_taken_for_one(store: SqlStore, backend: Backend) -> None:
    """`approval.refused` quotes what somebody sent."""
    append(
        store,
        *(("approval.refused", {"change": text}) for text in ("", "x" * 200, "CHG-aaaaaaaa", f"{ONE} ")),
    )
    assert backend.raw("SELECT count(*) FROM ledger_changes") == [(0,)]


def test_an_older_log_gets_the_index(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    store = backend.open()
    written(store)
    expected = {change: found(store, change) for change in (ONE, TWO)}
    backend.raw("DROP TABLE ledger_changes")
    monkeypatch.setattr(migrations, "_AT_ONCE", 2)
    engines = make_engines(backend.url, 5)
    try:
        with connect(engines.writer) as connection, connection.begin():
            migrations._entries_of_changes(connection)
    finally:
        engines.dispose()
    assert {change: found(store, change) for change in (ONE, TWO)} == expected
    assert expected[ONE]


def test_it_is_read_by_the_index(sqlite_backend: Backend) -> None:
    """Of a log of any length only the rows of the change are read."""
    written(sqlite_backend.open())
    query = (
        "EXPLAIN QUERY PLAN SELECT e.number, e.data FROM ledger_entries e JOIN ledger_changes c ON c.number = e.number"
        f" WHERE c.change_id = '{ONE}' ORDER BY c.number DESC LIMIT 10"
    )
    steps = [row[3] for row in sqlite_backend.raw(query)]
    assert any("SEARCH c USING" in step and "change_id=?" in step for step in steps), steps
    assert all("SCAN" not in step for step in steps), steps
