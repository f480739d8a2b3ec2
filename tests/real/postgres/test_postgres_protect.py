"""`interlock postgres protect`: large tables whose changes can be undone all the same."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.conftest import fails

from interlock.connectors.postgres.target import protection
from interlock.connectors.postgres.target.live import PgLive
from interlock.model.change import ChangeState
from interlock.model.errors import NotFound, Rejected
from interlock.sdk.connector import Permitted
from interlock.testing.gateway import BY, TARGET, Gateway, prepare
from interlock.testing.peers.pg import PgCluster

SETUP = """
CREATE TABLE large (id int PRIMARY KEY, v int NOT NULL, note text);
CREATE TABLE lines (id int PRIMARY KEY, large int REFERENCES large ON DELETE CASCADE);
CREATE TABLE plain (id int PRIMARY KEY, v int);
INSERT INTO large SELECT i, i, 'n' || i FROM generate_series(1, 500) i;
INSERT INTO lines SELECT i, i FROM generate_series(1, 500) i;
INSERT INTO plain SELECT i, i FROM generate_series(1, 500) i;
ANALYZE
"""
LIMITS = {"limits": {"scan_rows": 10, "scan_bytes": 8192}}
CASCADE = "DELETE FROM large WHERE id BETWEEN 10 AND 14"


@pytest.fixture
def gateway(pg: PgCluster, tmp_path: Path) -> Iterator[Gateway]:
    database = pg.create_database(f"t_{secrets.token_hex(6)}")
    prepare(database, SETUP)
    with Gateway(database, tmp_path, keys=LIMITS) as made:
        yield made
    database.drop()


def protect(gateway: Gateway, *tables: str, on: bool = True) -> list[str]:
    service = gateway.runtime.protection
    return list(gateway.run(service.protect(TARGET, tables, on=on, by=BY)))


def content(gateway: Gateway) -> list[object]:
    return [gateway.database.psql(f"SELECT * FROM {table} ORDER BY id") for table in ("large", "lines")]


def test_protected_tables_are_reversible_beyond_the_limits(gateway: Gateway) -> None:
    with gateway.connect() as agent:
        with fails("IL001"):
            agent.execute(CASCADE)
        assert not all(e.reversible for e in gateway.held().measurement.effects)
        assert protect(gateway, "large", "public.lines") == ["public.large", "public.lines"]
        before = content(gateway)
        # The same text now is another effect: it need not wait for anybody.
        with gateway.connect() as other:
            other.execute(f"{CASCADE} AND v > 0")
        (change,) = gateway.changes(ChangeState.APPLIED)
        assert {e.resource.name: e.count for e in change.measurement.effects} == {
            "public.large": 5,
            "public.lines": 5,
        }
        assert all(e.reversible for e in change.measurement.effects)
        assert "history" in change.measurement.undo_how
        assert isinstance(gateway.revert(change.id), Permitted)
        assert content(gateway) == before


def test_it_is_recorded_who_protected_what(gateway: Gateway) -> None:
    protect(gateway, "large")
    protect(gateway, "large", on=False)
    with pytest.raises(Rejected, match="not protected"):
        protect(gateway, "large", on=False)
    with pytest.raises(NotFound):
        gateway.run(gateway.runtime.protection.protect("nowhere", ["large"], on=True, by=BY))
    bodies = [entry["body"] for entry in gateway.entries("protection")]
    assert [(b["protected"], b["state"]) for b in bodies] == [
        (True, "begun"),
        (True, "done"),
        (False, "begun"),
        (False, "done"),
        (False, "begun"),
        (False, "failed"),
    ]
    assert {b["by"] for b in bodies} == {BY}
    assert bodies[1]["tables"] == ["public.large"]
    assert gateway.database.psql("SELECT to_regclass('interlock_history.row_history')") == [(None,)]


def test_agents_may_not_take_the_triggers_away(gateway: Gateway) -> None:
    protect(gateway, "large")
    with gateway.connect() as agent:
        for sql in (
            "ALTER TABLE large DISABLE TRIGGER _interlock_history",
            "DROP TRIGGER _interlock_history ON large",
            "DO $$ BEGIN EXECUTE 'ALTER TABLE large DISABLE TRIGGER USER'; END $$",
        ):
            with fails("IL002", "40000") as error:
                agent.execute(sql.encode())
            assert "interlock postgres unprotect" in str(error.caught)
        for sql in (
            "SELECT * FROM interlock_history.row_history",
            "DELETE FROM interlock_history.row_history",
            "SELECT * FROM interlock_gate.touched_rows()",
            "DO $$ BEGIN PERFORM * FROM interlock_gate.touched_rows(); END $$",
        ):
            with fails("IL002"):
                agent.execute(sql.encode())
    assert gateway.changes(ChangeState.HELD) == []


def test_a_protected_table_is_written_to_as_before(gateway: Gateway) -> None:
    """Inserts, COPY and upserts pass as they did; nothing of Interlock's shows among the effects."""
    protect(gateway, "large", "lines")
    with gateway.connect() as agent:
        agent.execute("INSERT INTO large VALUES (1001, 1), (1002, 2)")
        with agent.cursor().copy("COPY large (id, v) FROM STDIN") as copy:
            copy.write_row((1003, 3))
        agent.execute("INSERT INTO large VALUES (1003, 4) ON CONFLICT (id) DO UPDATE SET v = excluded.v")
    for change in gateway.changes():
        assert change.state is ChangeState.APPLIED
        assert {e.resource.name for e in change.measurement.effects} == {"public.large"}
        assert all(e.reversible for e in change.measurement.effects)


def test_what_is_written_down_is_swept(gateway: Gateway) -> None:
    protect(gateway, "large")
    with gateway.connect() as agent:
        agent.execute("UPDATE large SET v = 0 WHERE id = 1")
    count = "SELECT count(*) FROM interlock_history.row_history"
    assert gateway.database.psql(count) == [(1,)]
    live = gateway.runtime.targets[TARGET].live
    assert isinstance(live, PgLive)
    gateway.run(protection.sweep_once(live.roles))
    assert gateway.database.psql(count) == [(0,)]


def test_doctor_sees_triggers_that_are_not_whole(gateway: Gateway) -> None:
    protect(gateway, "large", "lines")

    def findings() -> list[tuple[str, str]]:
        found = gateway.run(gateway.runtime.targets[TARGET].live.doctor())
        return [(f.level, f.what) for f in found if f.check == "history triggers"]

    assert findings() == [("ok", "2 tables are protected, their history triggers are whole")]
    gateway.database.psql("ALTER TABLE lines DISABLE TRIGGER _interlock_history")
    assert findings() == [("warning", "public.lines: its history trigger is not enabled always")]
