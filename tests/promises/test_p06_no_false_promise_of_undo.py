"""P6 No false promise of undo: "revertible" is said only when the before-image is durably stored, before the commit."""

import os
import resource
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing

import pytest
from tests.promises.conftest import Serve
from tests.real.conftest import Shop, fails
from tests.real.undo.states import state

from interlock.model.change import Change, ChangeState
from interlock.model.errors import InterlockError, Rejected
from interlock.sdk.connector import Permitted
from interlock.testing.gateway import Gateway
from interlock.testing.peers.process import GatewayProcess

HELD, UNAVAILABLE = "IL001", "IL005"
SMALL = "UPDATE ten SET b = 'new' WHERE a = 1"


def parts(gateway: Gateway, change: Change) -> list[str]:
    """The names of the stored parts of a change's before-image."""
    prefix = change.marker.get("undo", "none")

    async def read() -> list[str]:
        return list(await gateway.runtime.store.read(lambda tx: tx.payload_parts(change.id, prefix)))

    return gateway.run(read())


def revertible(change: Change) -> bool:
    return all(effect.reversible for effect in change.measurement.effects)


def promised_nothing(shop: Shop, change: Change) -> None:
    """It is said that it cannot be undone, and why; done with people's approval it still is not."""
    lost = [e for e in change.measurement.effects if not e.reversible]
    assert lost
    assert all(e.reason for e in lost), "the reason is told"
    shop.gateway.approve(change.id)
    assert isinstance(shop.gateway.apply(change.id), Permitted)
    assert parts(shop.gateway, change) == []
    with pytest.raises(Rejected, match="cannot be reverted"):
        shop.gateway.revert(change.id)


# -- what is said to be revertible is


def test_every_change_that_passes_unasked_can_be_taken_back(shop: Shop) -> None:
    """Whatever the kind of work: the image lies in the store, and puts back what was there."""
    work = [
        SMALL,
        "DELETE FROM orders WHERE id BETWEEN 1 AND 5",
        "INSERT INTO notes (body) VALUES ('x')",
        "INSERT INTO ten VALUES (1, 'y') ON CONFLICT (a) DO UPDATE SET b = excluded.b",
        "WITH gone AS (DELETE FROM tempting WHERE a = 5 RETURNING a) INSERT INTO ten SELECT a + 100, 'moved' FROM gone",
        "MERGE INTO ten USING (VALUES (2, 'm'), (50, 'n')) AS v (a, b) ON ten.a = v.a"
        " WHEN MATCHED THEN UPDATE SET b = v.b WHEN NOT MATCHED THEN INSERT VALUES (v.a, v.b)",
        "DO $$ BEGIN UPDATE customers SET email = NULL WHERE id < 10; END $$",
    ]
    look = (
        "SELECT (SELECT json_agg(t ORDER BY a) FROM ten t), (SELECT json_agg(c ORDER BY id) FROM customers c),"
        " (SELECT json_agg(o ORDER BY id) FROM orders o), (SELECT json_agg(p ORDER BY id) FROM payments p),"
        " (SELECT json_agg(x ORDER BY a) FROM tempting x), (SELECT count(*) FROM notes)"
    )
    before = shop.database.psql(look)
    with shop.connect() as agent:
        for sql in work:
            agent.execute(sql.encode())
            change = shop.changes()[0]
            assert change.state is ChangeState.APPLIED, sql
            assert revertible(change), sql
            assert parts(shop.gateway, change), sql
            assert shop.database.psql(look) != before, sql
            assert isinstance(shop.gateway.revert(change.id), Permitted), sql
            assert shop.database.psql(look) == before, sql


def test_no_room_for_the_image_is_no_room_for_the_change(serve18: Serve) -> None:
    """The image is a part of the intent: when the store cannot take it, nothing is done, and nothing is promised."""
    with serve18(agents=("bot",)) as shop:
        shop.database.psql("UPDATE customers SET name = repeat(md5(id::text), 4000) WHERE id <= 5")
        shop.gateway.stop()
        with GatewayProcess(shop.gateway) as process, process.connect() as agent:
            agent.execute(SMALL)
            sizes = [os.stat(f"{shop.gateway.folder}/var/interlock.db{end}").st_size for end in ("-wal", "")]
            # Room for entries, none for an image of half a megabyte.
            room = max(sizes) + 200_000
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
            with fails(UNAVAILABLE):
                agent.execute("DELETE FROM customers WHERE id <= 5")
            assert shop.count("customers") == 100
            agent.execute("UPDATE ten SET b = 'newer' WHERE a = 1")
        shop.gateway.start()
        assert len(shop.gateway.changes()) == 2
        assert all(c.state is ChangeState.APPLIED and revertible(c) for c in shop.gateway.changes())


# -- what cannot be undone is not said to be, and so it is held

LIMITS: Mapping[str, tuple[Mapping[str, int], str, str]] = {
    "the image is too large": (
        {"image_bytes": 100},
        "UPDATE customers SET name = 'x' WHERE id = 7",
        "too large",
    ),
    "the image of a table is too large": (
        {"image_bytes": 100},
        "DO $$ BEGIN UPDATE customers SET name = repeat('x', 200) WHERE id = 7; END $$",
        "too large",
    ),
    "the table is too large to search": (
        {"scan_bytes": 1000},
        "DO $$ BEGIN UPDATE customers SET name = 'x' WHERE id = 7; END $$",
        "too large to search",
    ),
}


@pytest.mark.parametrize("name", LIMITS)
def test_beyond_the_limits_of_images(serve18: Serve, name: str) -> None:
    limits, sql, why = LIMITS[name]
    with serve18(keys={"limits": dict(limits)}) as shop, shop.connect() as agent:
        with fails(HELD) as error:
            agent.execute(sql.encode())
        assert "not reversible" in (error.caught.diag.message_detail or "")
        assert why in (error.caught.diag.message_detail or "")
        assert shop.database.psql("SELECT name FROM customers WHERE id = 7") == [("customer 7",)]
        promised_nothing(shop, shop.held())


def test_without_an_observer(serve18: Serve) -> None:
    with serve18(observer=False) as shop, shop.connect() as agent:
        with fails(HELD) as error:
            agent.execute(SMALL)
        assert "there is no observer" in (error.caught.diag.message_detail or "")
        promised_nothing(shop, shop.held())


def test_a_table_that_the_observer_may_not_read(shop: Shop) -> None:
    """Row security that the observer does not get past: what it would see is not what is there."""
    role = "il_observer"
    shop.make(
        "CREATE TABLE secured (a int PRIMARY KEY, b text); INSERT INTO secured SELECT i, 'row' FROM generate_series(1, 100) i;"
        "ALTER TABLE secured ENABLE ROW LEVEL SECURITY; CREATE POLICY odd ON secured USING (a % 2 = 1)"
    )
    try:
        with shop.connect() as agent:
            agent.execute("UPDATE secured SET b = 'new' WHERE a = 1")
            (change,) = shop.changes(ChangeState.APPLIED)
            assert revertible(change), "BYPASSRLS sees all rows"
            shop.database.psql(f"ALTER ROLE {role} NOBYPASSRLS")
            with fails(HELD) as error:
                agent.execute("UPDATE secured SET b = 'newer' WHERE a = 1")
            assert "not reversible" in (error.caught.diag.message_detail or "")
            promised_nothing(shop, shop.held())
    finally:
        shop.database.psql(f"ALTER ROLE {role} BYPASSRLS")
        shop.make("DROP TABLE secured")


def test_a_row_that_is_locked_against_the_observer(shop: Shop) -> None:
    """The transaction took a lock that keeps everybody out, the observer too."""
    with shop.connect() as agent:
        with fails(HELD), agent.transaction():
            agent.execute("LOCK TABLE ten IN ACCESS EXCLUSIVE MODE")
            agent.execute(SMALL)
        change = shop.held()
        assert not revertible(change)
        assert all(e.reason for e in change.measurement.effects if not e.reversible)


@pytest.mark.parametrize(
    "sql",
    [
        "DO $$ BEGIN DROP TABLE tempting; END $$",
        "DO $$ BEGIN ALTER TABLE ten DROP COLUMN b; END $$",
        "CREATE TYPE colour AS ENUM ('red'); ALTER TABLE tempting ADD COLUMN c colour; ALTER TABLE ten DROP COLUMN a",
    ],
)
def test_definitions_that_are_lost_are_not_said_to_come_back(shop: Shop, sql: str) -> None:
    with shop.connect() as agent, fails(HELD) as error:
        agent.execute(sql.encode())
    assert "not reversible" in (error.caught.diag.message_detail or "")
    assert not revertible(shop.held())
    assert (shop.count("tempting"), shop.count("ten")) == (10, 10)


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE tempting",
        "ALTER TABLE ten DROP COLUMN b",
        "DROP FUNCTION cleanup",
        "REVOKE ALL ON ten FROM PUBLIC; COMMENT ON TABLE ten IS 'x'; ALTER TABLE ten RENAME TO eleven",
    ],
)
def test_definitions_that_are_said_to_come_back_do(shop: Shop, sql: str) -> None:
    """Tried before the commit, and so: approved, applied, reverted, all is as it was."""
    before = state(shop.database)
    with shop.connect() as agent, fails(HELD):
        agent.execute(sql.encode())
    assert state(shop.database) == before, "trying leaves no trace"
    change = shop.held()
    assert revertible(change)
    shop.gateway.approve(change.id)
    assert isinstance(shop.gateway.apply(change.id), Permitted)
    assert state(shop.database) != before
    assert isinstance(shop.gateway.revert(change.id), Permitted)
    assert state(shop.database) == before


# -- an image that is no more


def destroyed(store: sqlite3.Connection) -> None:
    store.execute("DELETE FROM payload_keys")
    store.execute("DELETE FROM payloads")


def altered(store: sqlite3.Connection) -> None:
    for change, name, sealed in store.execute("SELECT * FROM payloads WHERE name LIKE 'undo/%'").fetchall():
        other = bytes([*sealed[:-1], sealed[-1] ^ 1])
        store.execute(
            "UPDATE payloads SET sealed = ? WHERE (change_id, name) = (?, ?)", (other, change, name)
        )


def swapped(store: sqlite3.Connection) -> None:
    """The image of the other change under this one's name."""
    store.execute(
        "UPDATE payloads SET sealed = (SELECT sealed FROM payloads AS o WHERE o.name = payloads.name"
        " AND o.change_id <> payloads.change_id) WHERE name LIKE 'undo/%'"
    )


@pytest.mark.parametrize("spoil", [destroyed, altered, swapped])
def test_an_image_that_is_no_longer_what_it_was_brings_nothing_back(
    serve18: Serve, spoil: Callable[[sqlite3.Connection], None]
) -> None:
    with serve18() as shop, shop.connect() as agent:
        agent.execute(SMALL)
        agent.execute("UPDATE ten SET b = 'other' WHERE a = 2")
        change = shop.changes()[-1]
        file = shop.gateway.folder / "var/interlock.db"
        with closing(sqlite3.connect(file, isolation_level=None)) as store:
            spoil(store)
        with pytest.raises(InterlockError):
            shop.gateway.revert(change.id)
        assert shop.database.psql("SELECT b FROM ten WHERE a <= 2 ORDER BY a") == [("new",), ("other",)]
        assert shop.gateway.change(change.id).state is ChangeState.APPLIED
