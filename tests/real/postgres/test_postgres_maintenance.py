"""What keeps everybody from a table while it is stored anew is held, recorded and ended in time, like everything that stands in
others' way; what autovacuum does as well is nobody's business."""

import contextlib
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from tests.real.conftest import SETUP, Shop, fails, until

from interlock.model.change import ChangeState
from interlock.testing.gateway import Gateway, prepare
from interlock.testing.peers.pg import PgCluster

STRONG = [
    "VACUUM FULL ten",
    "VACUUM (FULL, ANALYZE) ten",
    "VACUUM (FULL 'on') ten",
    "VACUUM FULL",
    "CLUSTER ten USING ten_pkey",
    "CLUSTER",
    "REINDEX TABLE ten",
    "REINDEX INDEX ten_pkey",
    "REINDEX (CONCURRENTLY off) SCHEMA public",
]
WEAK = ["VACUUM ten", "VACUUM (FULL off, ANALYZE) ten", "ANALYZE", "REINDEX TABLE CONCURRENTLY ten"]


@pytest.fixture(scope="module")
def served(pg: PgCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Locks for a second at most."""
    database = pg.create_database(f"t_{secrets.token_hex(6)}")
    prepare(database, SETUP)
    with Gateway(
        database, tmp_path_factory.mktemp("gateway"), keys={"limits": {"strong_lock_s": 1}}
    ) as gateway:
        yield Shop(gateway)
    database.drop()


def node(shop: Shop) -> object:
    return shop.database.psql("SELECT relname, relfilenode FROM pg_class WHERE relname ~ '^ten' ORDER BY 1")


@pytest.mark.parametrize("sql", STRONG)
def test_it_is_held_before_anything_of_it_runs(shop: Shop, sql: str) -> None:
    before = node(shop)
    with shop.connect() as agent, fails("IL001"):
        agent.execute(sql.encode())
    assert node(shop) == before
    change = shop.held()
    assert any("keeps others from it" in effect.reason for effect in change.measurement.effects)
    shop.gateway.withdraw(change.id)


@pytest.mark.parametrize("prepared", [False, True], ids=["simple", "prepared"])
@pytest.mark.parametrize("sql", ["VACUUM FULL ten", "REINDEX TABLE ten", "CLUSTER ten USING ten_pkey"])
def test_it_is_done_and_recorded_when_people_approve(shop: Shop, sql: str, prepared: bool) -> None:
    before = node(shop)
    with shop.connect() as agent:
        with fails("IL001"):
            agent.execute(sql.encode(), prepare=prepared)
        change = shop.gateway.approve(shop.held().id)
        agent.execute(sql.encode(), prepare=prepared)
        assert agent.execute("SELECT count(*) FROM ten").fetchone() == (10,)
    assert node(shop) != before
    assert shop.gateway.change(change.id).state is ChangeState.APPLIED
    kinds = [entry["kind"] for entry in shop.gateway.entries() if change.id in str(entry)]
    assert {"intent", "outcome"} <= set(kinds), kinds


@pytest.mark.parametrize("sql", WEAK)
def test_what_keeps_nobody_out_passes(shop: Shop, sql: str) -> None:
    with shop.connect() as agent:
        agent.execute(sql.encode())
    assert shop.gateway.changes(ChangeState.HELD) == []


def test_a_frozen_environment_stays_as_it_is(shop: Shop) -> None:
    with shop.connect() as agent:
        with fails("IL001"):
            agent.execute("VACUUM FULL ten")
        shop.gateway.approve(shop.held().id)
        before = node(shop)
        shop.gateway.freeze()
        try:
            with fails("IL003"):
                agent.execute("VACUUM FULL ten")
            assert node(shop) == before
        finally:
            shop.gateway.thaw()


def test_it_ends_when_it_stands_in_others_way_for_too_long(shop: Shop) -> None:
    shop.make(
        "CREATE TABLE slow (a int); INSERT INTO slow SELECT generate_series(1, 40);"
        "CREATE FUNCTION late(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';"
        "CREATE INDEX slow_late ON slow (late(a));"
        "CREATE OR REPLACE FUNCTION late(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_sleep(10); RETURN $1; END'"
    )
    try:
        with contextlib.closing(shop.connect()) as agent, ThreadPoolExecutor(1) as pool:
            with fails("IL001"):
                agent.execute("VACUUM FULL slow")
            shop.gateway.approve(shop.held().id)
            done = pool.submit(agent.execute, b"VACUUM FULL slow")
            with pytest.raises(psycopg.Error) as caught:
                done.result()
            assert caught.value.sqlstate == "57014"
            until(lambda: not shop.database.psql("SELECT 1 FROM pg_locks WHERE relation = 'slow'::regclass"))
    finally:
        shop.make("DROP TABLE slow; DROP FUNCTION late")
