"""The gateway's own store fails while agents write to Postgres, replicas share one, and policies break: with real clients."""

import functools
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.real.conftest import fails, until

from interlock.model.change import ChangeState
from interlock.runtime import core
from interlock.runtime.crypto import master_key_from_file
from interlock.runtime.rules import directory
from interlock.sdk.connector import Permitted
from interlock.testing.gateway import BY, Gateway, prepare
from interlock.testing.peers.pg import PgCluster, PgDatabase

HELD, FORBIDDEN, BREAKER, UNAVAILABLE = "IL001", "IL002", "IL003", "IL005"
SETUP = (
    "CREATE TABLE t (a int PRIMARY KEY, b text); INSERT INTO t SELECT i, 'old' FROM generate_series(1, 20) i;"
)
WRITE = "UPDATE t SET b = 'new' WHERE a = 1"
ALL = "DELETE FROM t"


@pytest.fixture
def database(fresh_db18: PgDatabase) -> PgDatabase:
    prepare(fresh_db18, SETUP)
    return fresh_db18


def value(database: PgDatabase) -> str:
    found: str = database.psql("SELECT b FROM t WHERE a = 1")[0][0]
    return found


def count(database: PgDatabase) -> int:
    found: int = database.psql("SELECT count(*) FROM t")[0][0]
    return found


# -- one store


def test_a_locked_store_refuses_writes(
    database: PgDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "STALE", 60.0)
    with Gateway(database, tmp_path) as gateway, gateway.connect() as agent:
        store = sqlite3.connect(tmp_path / "var" / "interlock.db", isolation_level=None)
        store.execute("BEGIN IMMEDIATE")
        with fails(UNAVAILABLE) as error:
            agent.execute(WRITE)
        assert "tried again" in (error.caught.diag.message_hint or "")
        assert agent.execute("SELECT b FROM t WHERE a = 1").fetchone() == ("old",)
        store.execute("ROLLBACK")
        store.close()
        assert value(database) == "old"
        agent.execute(WRITE)
        assert value(database) == "new"
        assert [c.state for c in gateway.changes()] == [ChangeState.APPLIED]
        assert gateway.ledger_ok()


def test_a_store_that_is_replaced_is_no_store(database: PgDatabase, tmp_path: Path) -> None:
    with Gateway(database, tmp_path) as gateway, gateway.connect() as agent:
        agent.execute(WRITE)
        files = sorted((tmp_path / "var").glob("interlock.db*"))
        for file in files:
            file.rename(file.with_name(f"moved-{file.name}"))
        (tmp_path / "var" / "interlock.db").touch()
        with fails(UNAVAILABLE):
            agent.execute("UPDATE t SET b = 'newer' WHERE a = 1")
        assert value(database) == "new"
        (tmp_path / "var" / "interlock.db").unlink()
        for file in files:
            file.with_name(f"moved-{file.name}").rename(file)
        agent.execute("UPDATE t SET b = 'newest' WHERE a = 1")
        assert value(database) == "newest"
        assert gateway.ledger_ok()


def test_a_store_gone_for_long_refuses_all_that_is_to_be_decided(
    database: PgDatabase, tmp_path: Path, own_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rights that nobody can confirm are no rights."""
    cluster = own_cluster("18")
    cluster.create_database("store")
    url = cluster.dsn("store").replace("postgresql://", "postgresql+psycopg://")
    monkeypatch.setattr(directory, "STALE", 2.0)
    with Gateway(database, tmp_path, store=url) as gateway, gateway.connect() as agent:
        agent.execute(WRITE)
        cluster.stop()
        live = gateway.runtime.core.directory
        with fails(UNAVAILABLE):
            agent.execute("UPDATE t SET b = 'unrecorded' WHERE a = 1")
        until(lambda: not live.fresh)
        for sql in ("SELECT 1", WRITE, "BEGIN; DELETE FROM t; COMMIT"):
            with fails(UNAVAILABLE):
                agent.execute(sql.encode())
            agent.execute("ROLLBACK")
        with pytest.raises(psycopg.OperationalError):
            gateway.connect()
        assert (value(database), count(database)) == ("new", 20)
        cluster.resume()
        until(lambda: live.fresh)
        until(lambda: works(agent))
        assert gateway.ledger_ok()


def works(agent: psycopg.Connection[Any]) -> bool:
    try:
        agent.execute("UPDATE t SET b = 'again' WHERE a = 1")
    except psycopg.DatabaseError as error:
        if error.sqlstate != UNAVAILABLE:
            raise
        return False
    return True


# -- replicas


@pytest.fixture
def replicas(
    database: PgDatabase, pg18: PgCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Gateway, Gateway]]:
    """Two gateways with one store and one database."""
    monkeypatch.setattr(directory, "STALE", 60.0)
    store = pg18.create_database(f"store_{secrets.token_hex(6)}")
    url = store.dsn().replace("postgresql://", "postgresql+psycopg://")
    key = tmp_path / "master.key"
    master_key_from_file(key, create=True)
    with Gateway(database, tmp_path / "a", store=url, master_key=key) as first:
        second = Gateway(database, tmp_path / "b", store=url, master_key=key, furnish=False)
        second.tokens = first.tokens
        with second:
            yield first, second
    store.drop()


def test_held_on_one_approved_on_the_other_resumed_on_the_first(
    replicas: tuple[Gateway, Gateway], database: PgDatabase
) -> None:
    one, two = replicas
    with one.connect() as agent:
        with fails(HELD):
            agent.execute(ALL)
        change = two.held()
        two.approve(change.id, "ann")
        one.approve(change.id, "ben")
        assert agent.execute(ALL).rowcount == 20
    assert count(database) == 0
    assert one.change(change.id).state is ChangeState.APPLIED
    assert two.change(change.id).state is ChangeState.APPLIED
    assert isinstance(two.revert(change.id), Permitted)
    assert count(database) == 20
    assert two.change(change.id).state is ChangeState.REVERTED
    assert one.change(change.id).state is ChangeState.REVERTED
    assert one.ledger_ok()
    assert two.ledger_ok()


def test_a_client_waits_on_one_while_people_approve_on_the_other(
    replicas: tuple[Gateway, Gateway], database: PgDatabase
) -> None:
    one, two = replicas
    with ThreadPoolExecutor(1) as pool, one.connect(options="-c interlock.wait=60s") as agent:
        result = pool.submit(lambda: agent.execute(ALL).rowcount)
        (change,) = until(lambda: two.changes(ChangeState.HELD))
        two.approve(change.id)
        assert result.result(60) == 20
    assert count(database) == 0


def test_who_comes_to_wait_for_what_was_given_up_elsewhere_asks_anew(
    replicas: tuple[Gateway, Gateway], database: PgDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = replicas

    async def looks_away() -> None:
        """As between two looks at the store."""

    monkeypatch.setattr(one.runtime.core.watch, "look", looks_away)
    with one.connect() as agent, fails(HELD):
        agent.execute(ALL)
    old = two.held().id
    two.withdraw(old)
    with ThreadPoolExecutor(1) as pool, one.connect(options="-c interlock.wait=60s") as agent:
        result = pool.submit(lambda: agent.execute(ALL).rowcount)
        until(lambda: two.changes(ChangeState.HELD) or result.done())
        assert not result.done(), result.exception()
        new = two.held().id
        assert new != old
        two.approve(new)
        assert result.result(60) == 20
    assert count(database) == 0


def test_applied_by_the_other(replicas: tuple[Gateway, Gateway], database: PgDatabase) -> None:
    one, two = replicas
    with one.connect() as agent:
        with fails(HELD):
            agent.execute(ALL)
        change = two.approve(one.held().id)
        assert isinstance(two.apply(change.id), Permitted)
    assert count(database) == 0


def test_denied_on_the_other(replicas: tuple[Gateway, Gateway], database: PgDatabase) -> None:
    one, two = replicas
    with one.connect() as agent:
        with fails(HELD):
            agent.execute(ALL)
        two.deny(two.held().id)
        until(lambda: denied(agent))
    assert count(database) == 20


def denied(agent: Any) -> bool:
    """Whether the same work is answered with the denial by now."""
    with fails(HELD, "IL002") as error:
        agent.execute(ALL)
    return error.sqlstate == "IL002"


def new_change(agent: Any, gateway: Gateway, old: str = "") -> bool:
    """Whether the same work is held anew by now: a replica may take a moment to hear of what another has done."""
    with fails(HELD):
        agent.execute(ALL)
    return any(c.id != old for c in gateway.changes(ChangeState.HELD))


def test_replicas_race_for_one_approval(replicas: tuple[Gateway, Gateway], database: PgDatabase) -> None:
    one, two = replicas
    for _ in range(5):
        with one.connect() as agent:
            until(functools.partial(new_change, agent, one))
        change = two.approve(one.held().id)
        start = threading.Barrier(2)

        def race(gateway: Gateway, start: threading.Barrier = start) -> str:
            with gateway.connect() as agent:
                start.wait()
                try:
                    return str(agent.execute(ALL).rowcount)
                except psycopg.DatabaseError as error:
                    return error.sqlstate or "?"

        with ThreadPoolExecutor(2) as pool:
            results = sorted(pool.map(race, replicas))
        assert "20" in results, results
        assert count(database) == 0
        used = [e for e in one.entries("intent") if e["body"]["change"] == change.id]
        assert len(used) == 1, results
        for left in one.changes(ChangeState.HELD, ChangeState.APPROVED):
            one.withdraw(left.id)
        database.psql("DELETE FROM t; INSERT INTO t SELECT i, 'old' FROM generate_series(1, 20) i")
    assert one.ledger_ok()
    assert two.ledger_ok()


def test_a_freeze_on_one_stops_the_other_at_once(
    replicas: tuple[Gateway, Gateway], database: PgDatabase
) -> None:
    one, two = replicas
    with one.connect() as agent:
        agent.execute(WRITE)
        two.freeze()
        with fails(BREAKER):
            agent.execute("UPDATE t SET b = 'frozen' WHERE a = 1")
        two.thaw()
        agent.execute("UPDATE t SET b = 'thawed' WHERE a = 1")
    assert value(database) == "thawed"


def test_disabled_on_one_ended_on_the_other(replicas: tuple[Gateway, Gateway], database: PgDatabase) -> None:
    one, two = replicas
    with one.connect() as agent:
        two.run(two.runtime.agents.disable("bot", by=BY))
        with pytest.raises(psycopg.Error):
            agent.execute(WRITE)
        gate = one.runtime.targets["shop"].gate
        until(lambda: not gate.sessions)
    assert value(database) == "old"


def test_a_dead_replicas_work_is_recovered_by_the_other(
    replicas: tuple[Gateway, Gateway], database: PgDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first dies with an intent; the second finds out what became of it."""
    one, two = replicas
    monkeypatch.setattr(core, "DEAD_AFTER", core.DEAD_AFTER * 0)
    with one.connect() as agent:
        agent.execute(WRITE)
        (change,) = one.changes()
    assert two.change(change.id).state is ChangeState.APPLIED
    assert two.run(two.runtime._chores.recover()).in_doubt == ()


# -- policies


FORBIDS = '@id("no-deletes") @description("No deletes.") forbid (principal, action == Action::"delete", resource);\n'


def test_a_broken_policy_file_keeps_the_last_good_set(database: PgDatabase, tmp_path: Path) -> None:
    rules = tmp_path / "policies"
    rules.mkdir()
    (rules / "own.cedar").write_text(FORBIDS)
    with Gateway(database, tmp_path, top={"policies": "policies"}) as gateway, gateway.connect() as agent:
        one = "DELETE FROM t WHERE a = 20"
        with fails(FORBIDDEN):
            agent.execute(one)
        for broken in (
            "forbid (",
            FORBIDS + "nonsense",
            "\xff",
            '@id("x") permit (principal, action, resource);',
        ):
            (rules / "own.cedar").write_text(broken, "latin-1")
            gateway.run(gateway.runtime.reload())
            with fails(FORBIDDEN):
                agent.execute(one)
            agent.execute(WRITE)
            (check,) = [c for c in gateway.runtime.health() if c.name == "policies"]
            assert not check.ok, broken
        (rules / "own.cedar").write_text(FORBIDS.replace("delete", "admin"))
        gateway.run(gateway.runtime.reload())
        agent.execute(one)
        assert all(c.ok for c in gateway.runtime.health())
        digests = [e["body"] for e in gateway.entries("policy")]
        assert len(digests) == 2, "what is in force is recorded, and only that"
    assert count(database) == 19


def test_policies_are_read_again_by_themselves(database: PgDatabase, tmp_path: Path) -> None:
    rules = tmp_path / "policies"
    rules.mkdir()
    with Gateway(database, tmp_path, top={"policies": "policies"}) as gateway, gateway.connect() as agent:
        agent.execute("DELETE FROM t WHERE a = 20")
        (rules / "own.cedar").write_text(FORBIDS)
        until(lambda: len(gateway.entries("policy")) == 2)
        with fails(FORBIDDEN):
            agent.execute("DELETE FROM t WHERE a = 19")
    assert count(database) == 19
