"""Stores of earlier versions, with what they hold, become what a new one is."""

from typing import Any

import msgspec
import pytest
from tests.runtime.stores.conftest import Backend
from tests.runtime.stores.store_values import AT, draft, read, transact, wait

from interlock.model import ids
from interlock.model.change import ACTIVITY_SLICE, Activity, Change, ChangeFilter, ChangeState
from interlock.model.errors import Misconfigured
from interlock.model.operation import Action
from interlock.runtime.stores.shape import listed, migrations
from interlock.runtime.stores.times import milliseconds

NUMBER = 2_500
"""More than are copied at once."""


def old_store(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, version: int, *, damaged: bool = False
) -> list[Change]:
    """A store of that version, with changes as it wrote them."""
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:version])
        patch.setattr(migrations, "VERSION", version)
        backend.open()
    states = [ChangeState.APPLIED, ChangeState.HELD]
    changes = [
        draft(
            id=ids.change_id(ids.change_number(AT) + n),
            state=states[n % 2],
            version=3,
            reason=f"o'reason ref-{n}.",
        )
        for n in range(NUMBER)
    ]
    for first in range(0, NUMBER, 500):
        rows = [_row(change) for change in changes[first : first + 500]]
        backend.raw(
            f"INSERT INTO changes ({', '.join(listed.BEFORE.columns.keys())}) VALUES {', '.join(rows)}"
        )
    if damaged:
        backend.raw(f"UPDATE changes SET doc = '{{}}' WHERE id = '{changes[-1].id}'")
    return changes


def _row(change: Change) -> str:
    values = (
        change.id, change.version, change.state.value, change.agent, change.target, change.environment, change.content,
        milliseconds(change.requested_at), milliseconds(change.updated_at), None, msgspec.json.encode(change).decode(),
    )  # fmt: skip
    return f"({', '.join(_literal(value) for value in values)})"


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    quoted = str(value).replace("'", "''")
    return str(value) if isinstance(value, int) else f"'{quoted}'"


@pytest.mark.parametrize("version", [2, 3])
def test_changes_of_earlier_versions_are_listed_searched_and_counted(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    changes = old_store(backend, monkeypatch, version)
    with pytest.raises(Misconfigured, match="interlock migrate"):
        backend.open()
    store = backend.open(create=False, upgrade=True)
    newest = list(reversed(changes))
    assert read(store, lambda tx: tx.change(changes[7].id)) == changes[7]
    assert read(store, lambda tx: tx.changes(ChangeFilter(limit=1000))) == newest[:1000]
    assert read(store, lambda tx: tx.changes(ChangeFilter(action=Action.DELETE, limit=3))) == newest[:3]
    assert read(store, lambda tx: tx.changes(ChangeFilter(words=("o'reason", "ref-7."), limit=9))) == [
        changes[7]
    ]
    width = ACTIVITY_SLICE
    counted = [Activity(0, ChangeState.APPLIED, NUMBER // 2), Activity(0, ChangeState.HELD, NUMBER // 2)]
    assert read(store, lambda tx: tx.activity(AT, width)) == counted
    approved = msgspec.structs.replace(changes[1], state=ChangeState.APPROVED)
    transact(store, lambda tx: (tx.save_change(approved), tx.new_change(draft())))
    assert [a.changes for a in read(store, lambda tx: tx.activity(AT, width))][:3] == [1250, 1, 1249]
    assert wait(store.verify()).ok


def test_an_upgraded_store_is_as_a_new_one(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables, columns, indexes and triggers."""
    old_store(backend, monkeypatch, 2)
    backend.open(create=False, upgrade=True)
    upgraded = _form(backend)
    new = _form_of_new(backend)
    assert upgraded == new
    assert any("changes_by_environment" in str(line) for line in upgraded)


def _form(backend: Backend) -> list[tuple[Any, ...]]:
    if backend.is_sqlite:
        return backend.raw(
            "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%' ORDER BY 1, 2"
        )
    return [
        *backend.raw(
            "SELECT table_name, column_name, data_type, is_nullable, ordinal_position FROM information_schema.columns"
            " WHERE table_schema = 'interlock' ORDER BY 1, 5"
        ),
        *backend.raw("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'interlock' ORDER BY 1"),
        *backend.raw(
            "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"
        ),
    ]


def _form_of_new(backend: Backend) -> list[tuple[Any, ...]]:
    """The same database, emptied and made anew."""
    if backend.is_sqlite:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        names = [name for (name,) in backend.raw(query)]
        for name in names:
            backend.raw(f"DROP TABLE {name}")
    else:
        backend.raw("DROP SCHEMA interlock CASCADE")
    backend.close()
    backend.open()
    return _form(backend)


def test_a_change_that_cannot_be_read_stops_the_upgrade_and_nothing_is_changed(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = old_store(backend, monkeypatch, 3, damaged=True)
    with pytest.raises(Misconfigured, match=changes[-1].id):
        backend.open(create=False, upgrade=True)
    assert backend.raw("SELECT version FROM schema_version") == [(3,)]
    assert backend.raw("SELECT count(*) FROM changes") == [(NUMBER,)]
    backend.raw(f"DELETE FROM changes WHERE id = '{changes[-1].id}'")
    store = backend.open(create=False, upgrade=True)
    assert len(read(store, lambda tx: tx.changes(ChangeFilter(limit=5)))) == 5
