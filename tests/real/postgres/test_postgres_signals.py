"""What an agent does on PostgreSQL opens breakers by itself: every signal that statements can reach, through real clients."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from tests.real.conftest import FILL, SETUP, Shop, fails

from interlock.connectors.postgres.setup.roles import grants_sql
from interlock.model.breaker import BreakerState
from interlock.model.change import ChangeState
from interlock.model.signal import Signal, Trip, TripFilter
from interlock.testing.gateway import ROLES, Gateway, prepare
from interlock.testing.peers.pg import PgCluster, PgDatabase

MORE = (
    SETUP
    + """
CREATE VIEW v1 AS SELECT 1 AS a; CREATE VIEW v2 AS SELECT 2 AS a;
CREATE TABLE checked (id int PRIMARY KEY, n int CHECK (n > 0));
CREATE TABLE spare1 (a int); CREATE TABLE spare2 (a int); CREATE TABLE spare3 (a int);
CREATE TABLE spare4 (a int); CREATE TABLE spare5 (a int); CREATE TABLE spare6 (a int); CREATE TABLE spare7 (a int);
CREATE FUNCTION raises() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not so'; END $$;
CREATE TABLE late (a int);
CREATE FUNCTION fails() RETURNS int LANGUAGE plpgsql AS $$ BEGIN INSERT INTO checked VALUES (1, 0); RETURN 1; END $$;
CREATE PROCEDURE tries() LANGUAGE plpgsql AS $$ BEGIN DELETE FROM ten; INSERT INTO checked VALUES (1, 0); END $$;
CREATE CONSTRAINT TRIGGER late_one AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raises();
"""
)
RELAXED = {"production": {"protection": "relaxed"}}


def database_of(pg: PgCluster, setup: str = MORE) -> PgDatabase:
    database = pg.create_database(f"t_{secrets.token_hex(6)}")
    prepare(database, setup)
    return database


def trips(gateway: Gateway, agent: str) -> list[Trip]:
    """What opened because of this agent, oldest first."""
    gateway.entries("nothing")  # failures that wait are recorded
    found = gateway.run(gateway.runtime.store.transact(lambda tx: tx.trips(TripFilter())))
    return [trip for trip in reversed(found) if trip.agent == agent]


def signals(shop: Shop) -> list[tuple[Signal, str]]:
    """Which signals opened what kind of scope because of this test's agent, oldest first."""
    return [(trip.signal, trip.scope.partition("/")[0]) for trip in trips(shop.gateway, shop.agent)]


def state(gateway: Gateway, scope: str) -> BreakerState | None:
    row = gateway.run(gateway.runtime.store.transact(lambda tx: tx.breaker(scope)))
    return None if row is None else row.state


@pytest.fixture(scope="module")
def strict(pg: PgCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A strict environment with the shipped thresholds. That several agents trip is normal here."""
    database = database_of(pg)
    top = {"breakers": {"agents_tripped": "off"}}
    with Gateway(database, tmp_path_factory.mktemp("gateway"), agents=(), top=top) as gateway:
        yield Shop(gateway)
    database.drop()


@pytest.fixture
def shop(strict: Shop) -> Shop:
    strict.database.psql(FILL + "DELETE FROM checked")
    strict.agent = strict.new_agent()
    return strict


@pytest.fixture
def relaxed(pg18: PgCluster, tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    """An environment in which nobody is asked, with the signals given. What measures does not depend on the version."""
    made: list[tuple[Gateway, PgDatabase]] = []

    def make(setup: str = MORE, **limits: Any) -> Shop:
        database = database_of(pg18, setup)
        top = {"environments": RELAXED, "breakers": {"environments": {"production": limits}}}
        gateway = Gateway(database, tmp_path / str(len(made)), agents=("bot",), top=top).start()
        made.append((gateway, database))
        shop = Shop(gateway)
        shop.agent = "bot"
        return shop

    yield make
    for gateway, database in made:
        gateway.stop()
        database.drop()


# ---- destructive -----------------------------------------------------------------------------------------------------


def test_four_drops_in_a_minute_open_the_session_and_a_new_session_still_trips_the_agent(shop: Shop) -> None:
    with shop.connect() as agent:
        for n in range(1, 5):
            with fails("IL001"):
                agent.execute(f"DROP TABLE spare{n}".encode())
        assert signals(shop) == [(Signal.DESTRUCTIVE, "session")]
        with fails("IL003"):
            agent.execute("INSERT INTO ten VALUES (11, 'x')")
        assert agent.execute("SELECT count(*) FROM ten").fetchone() == (10,)
        with shop.connect() as other:
            other.execute("INSERT INTO ten VALUES (11, 'x')")
            with fails("IL001"):
                other.execute("DROP TABLE spare5")
            assert (Signal.DESTRUCTIVE, "agent") not in signals(shop)
            with fails("IL002"):  # no more than five wait at a time; it was tried all the same
                other.execute("DROP TABLE spare6")
            assert (Signal.DESTRUCTIVE, "agent") in signals(shop)
            with fails("IL003"):
                other.execute("INSERT INTO ten VALUES (12, 'x')")
            assert other.execute("SELECT count(*) FROM ten").fetchone() == (11,)
    trip = trips(shop.gateway, shop.agent)[0]
    assert [step.what for step in trip.steps] == [f"deleted table public.spare{n}" for n in range(1, 5)]
    assert all(step.change for step in trip.steps)
    assert shop.gateway.ledger_ok()


def test_what_people_approved_executes_and_does_not_trip(shop: Shop) -> None:
    shop.make("".join(f"CREATE TABLE done{n} (a int);" for n in range(7)))
    for n in range(7):
        with shop.connect() as agent:
            with fails("IL001"):
                agent.execute(f"DROP TABLE done{n}".encode())
            # The attempts of this test are no flood: each is forgotten before the next.
            forget(shop, n)
            shop.approve_held()
            agent.execute(f"DROP TABLE done{n}".encode())
    assert signals(shop) == []
    assert shop.database.psql("SELECT count(*) FROM pg_class WHERE relname ~ '^done'") == [(0,)]


def forget(shop: Shop, number: int) -> None:
    """As if the marks of what was held were older than a day."""

    def older(tx: Any) -> None:
        track = tx.track(shop.agent)
        assert len(track.destructive) == 1, number
        tx.put_track(shop.agent, msgspec.structs.replace(track, destructive=(), novel=()))

    shop.gateway.run(shop.gateway.runtime.store.transact(older))


def test_a_revert_passes_while_the_agent_is_stopped(shop: Shop) -> None:
    with shop.connect() as agent:
        agent.execute("UPDATE ten SET b = 'other' WHERE a = 1")
        (change,) = shop.changes(ChangeState.APPLIED)
        for n in range(1, 5):
            with fails("IL001"):
                agent.execute(f"DROP TABLE spare{n}".encode())
        with fails("IL003"):
            agent.execute("UPDATE ten SET b = 'third' WHERE a = 1")
    shop.gateway.revert(change.id)
    assert shop.database.psql("SELECT b FROM ten WHERE a = 1") == [("row 1",)]


def test_three_kinds_of_destruction_that_are_new_open_the_agent(shop: Shop) -> None:
    shop.make("CREATE SEQUENCE numbers")
    with shop.connect() as agent:
        for statement in ("DROP TABLE spare1", "DROP VIEW v1", "DROP SEQUENCE numbers"):
            with fails("IL001"):
                agent.execute(statement.encode())
    assert signals(shop) == [(Signal.NOVEL, "agent")]


def test_more_than_was_approved_closes_the_approval(shop: Shop) -> None:
    with shop.connect() as agent:
        with fails("IL001"):
            agent.execute("DELETE FROM customers WHERE id > 50")
        change = shop.approve_held()
        shop.database.psql("INSERT INTO customers SELECT i, 'more' FROM generate_series(101, 200) i")
        with fails("IL001"):
            agent.execute("DELETE FROM customers WHERE id > 50")
    assert (Signal.BEYOND_APPROVED, "change") in signals(shop)
    assert state(shop.gateway, f"change/{change.id}") is BreakerState.OPEN


# ---- failures --------------------------------------------------------------------------------------------------------


FAILING = {
    "a check": "INSERT INTO checked VALUES (1, 0)",
    "a missing table": "INSERT INTO nowhere VALUES (1)",
    "a duplicate": "INSERT INTO ten VALUES (1, 'again')",
    "a deferred trigger": "INSERT INTO late VALUES (1)",
    "a block": "DO $$ BEGIN UPDATE ten SET b = 'x'; INSERT INTO checked VALUES (1, 0); END $$",
    "a block that defines": "DO $$ BEGIN CREATE TABLE ten (a int); END $$",
    "a block that runs a literal": "DO $$ BEGIN EXECUTE 'INSERT INTO checked VALUES (1, 0)'; END $$",
    "a block that calls": "DO $$ BEGIN PERFORM fails(); END $$",
    "a procedure": "CALL tries()",
    "a function": "SELECT fails()",
}


@pytest.mark.parametrize("what", FAILING)
@pytest.mark.parametrize("way", ["simple", "extended", "block"])
def test_the_same_failure_four_times_in_a_row_opens_the_session(shop: Shop, what: str, way: str) -> None:
    with shop.connect() as agent:
        for n in range(4):
            assert signals(shop) == [], n
            with pytest.raises(psycopg.Error) as caught:
                run(agent, FAILING[what], way)
            assert not (caught.value.sqlstate or "").startswith("IL")
        assert signals(shop) == [(Signal.SAME_FAILURE, "session")]
        with fails("IL003"):
            agent.execute("UPDATE ten SET b = 'x' WHERE a = 1")
        assert agent.execute("SELECT 1").fetchone() == (1,)


def run(agent: psycopg.Connection[Any], statement: str, way: str) -> None:
    if way == "simple":
        agent.execute(statement.encode())
    elif way == "extended":
        agent.execute(statement.encode(), prepare=True)
    else:
        with agent.transaction():
            agent.execute(statement.encode())


def test_one_session_for_each_statement(shop: Shop) -> None:
    """There is no session to stop that would matter: the agent is."""
    for n in range(4):
        assert signals(shop) == [], n
        assert "violates check" in shop.psql("-c", FAILING["a check"]).stderr
    assert signals(shop) == [(Signal.SAME_FAILURE, "agent")]
    assert "IL003" in shop.psql("-v", "VERBOSITY=verbose", "-c", "UPDATE ten SET b = 'x' WHERE a = 1").stderr
    assert shop.psql("-c", "SELECT count(*) FROM ten").stdout.strip() == "10"


def test_one_session_after_the_other(shop: Shop) -> None:
    """Each is over before its breaker could open; three within an hour are counted all the same."""

    def of_the_agent() -> list[Signal]:
        # A session's own breaker may just have been there still.
        return [signal for signal, scope in signals(shop) if scope == "agent"]

    for n in range(3):
        assert of_the_agent() == [], n
        shop.psql(script="\n".join([FAILING["a check"] + ";"] * 5))
    assert of_the_agent() == [Signal.SESSIONS_TRIPPED]


def test_different_failures_in_as_many_sessions(shop: Shop) -> None:
    for n in range(4):
        shop.psql("-c", f"UPDATE ten SET b = '{n}' WHERE a = 1")
    for n in range(6):
        assert signals(shop) == [], n
        shop.psql("-c", f"INSERT INTO {('checked', 'ten', 'tempting')[n % 3]} SELECT {n} / 0")
    assert signals(shop) == [(Signal.ERRORS, "agent")]


def test_a_failed_block_is_one_failure(shop: Shop) -> None:
    """All that follows in a failed transaction fails as well."""
    script = "BEGIN;" + FAILING["a check"] + ";" + "INSERT INTO ten VALUES (50, 'x');" * 8 + "ROLLBACK;"
    with shop.connect() as agent:
        agent.execute("INSERT INTO ten VALUES (20, 'x')")
    shop.psql(script=script.replace(";", ";\n"))
    assert signals(shop) == []
    track: Any = shop.gateway.run(shop.gateway.runtime.store.transact(lambda tx: tx.track(shop.agent)))
    assert [o.result.value for o in track.outcomes].count("failed") == 1


TYPOS = (
    ("SELEC 1", "INSRT INTO ten VALUES (1)", "UPDATE ten SER b = 1", "DELETE FORM ten"),
    ("SELECT * FROM tn", "SELECT * FROM te", "SELECT * FROM tem", "SELECT * FROM teh"),
    ("SELECT lenght('a')", "SELECT cuont(*) FROM ten", "SELECT mox(a) FROM ten", "SELECT non()"),
    ("SELECT c FROM ten", "SELECT d FROM ten", "SELECT e FROM ten", "SELECT f FROM ten"),
    ("INSERT INTO tn VALUES (1)", "INSERT INTO te VALUES (1)", "UPDATE tn SET b = 1", "DELETE FROM te"),
    ("DROP TABLE tn", "DROP TABLE te", "DROP VIEW te", "DROP INDEX te"),
    ("\\d tn", "\\dt+ te", "\\df non", "\\sf non"),
)


@pytest.mark.parametrize("lines", TYPOS, ids=lambda lines: lines[0])
def test_typing_errors_trip_nothing(shop: Shop, lines: tuple[str, ...]) -> None:
    done = shop.psql(script="\n".join(line if line[0] == "\\" else line + ";" for line in lines))
    assert done.stderr
    assert signals(shop) == []
    assert shop.psql("-c", "UPDATE ten SET b = 'x' WHERE a = 1").returncode == 0


def test_reads_that_fail_trip_nothing(shop: Shop) -> None:
    with shop.connect() as agent:
        for _ in range(6):
            with fails("22012"):
                agent.execute("SELECT 1 / 0")
            with fails("22012"), agent.transaction():
                agent.execute("SELECT 1 / 0")
    assert signals(shop) == []


READS = {
    "a block that raises": "DO $$ BEGIN RAISE EXCEPTION 'no'; END $$",
    "a block that looks": "DO $$ DECLARE n int; BEGIN SELECT 1 / count(*) INTO n FROM ten WHERE a < 0; END $$",
}


@pytest.mark.parametrize("what", READS)
def test_code_that_only_reads_and_fails_trips_nothing(shop: Shop, what: str) -> None:
    with shop.connect() as agent:
        for _ in range(6):
            with pytest.raises(psycopg.Error) as caught:
                agent.execute(READS[what].encode())
            assert caught.value.sqlstate in ("P0001", "22012")
    assert signals(shop) == []


def test_a_block_that_goes_well_at_last_is_the_same_block(shop: Shop) -> None:
    """Three that fail, one that does not, and three more that fail: nobody is stuck until those are four."""
    block = "DO $$ BEGIN INSERT INTO checked VALUES ({}, {}); END $$"

    def fail(times: int) -> None:
        for n in range(times):
            with fails("23514"):
                agent.execute(block.format(n, 0).encode())
        shop.gateway.entries("nothing")  # they are recorded before anything else happens

    with shop.connect() as agent:
        fail(3)
        agent.execute(block.format(9, 1).encode())
        shop.gateway.entries("nothing")
        fail(3)
        assert signals(shop) == []
        fail(1)
        assert signals(shop) == [(Signal.SAME_FAILURE, "session")]


def test_insert_or_update_by_hand_trips_nothing(shop: Shop) -> None:
    """What is there already is updated instead: each second statement fails, and nobody is stuck."""
    with shop.connect() as agent:
        for n in range(1, 9):
            with fails("23505"):
                agent.execute(f"INSERT INTO ten VALUES ({n}, 'x')".encode())
            agent.execute(f"UPDATE ten SET b = 'x' WHERE a = {n}".encode())
    assert signals(shop) == []


def test_most_of_the_last_ten_changes_failed(shop: Shop) -> None:
    wrong = [f"INSERT INTO {t} SELECT {n} / 0" for n in range(2) for t in ("checked", "ten", "tempting")]
    with shop.connect() as agent:
        for n in range(4):
            agent.execute(f"UPDATE ten SET b = '{n}' WHERE a = 1".encode())
        for place, statement in enumerate(wrong):
            assert signals(shop) == [], place
            with pytest.raises(psycopg.Error):
                agent.execute(statement.encode())
        assert signals(shop) == [(Signal.ERRORS, "session")]


def test_what_is_there_already_or_not_at_all_does_not_count_among_errors(shop: Shop) -> None:
    with shop.connect() as agent:
        for n in range(4):
            agent.execute(f"UPDATE ten SET b = '{n}' WHERE a = 1".encode())
        for n in range(12):
            with fails("23505", "42P01", "42P07"):
                agent.execute(
                    [
                        b"INSERT INTO ten VALUES (1, 'x')",
                        b"CREATE TABLE ten (a int)",
                        f"DROP TABLE gone{n}".encode(),
                        f"INSERT INTO missing{n} VALUES (1)".encode(),
                    ][n % 4]
                )
            if n % 4 == 1:
                agent.execute("UPDATE ten SET b = 'y' WHERE a = 2")
    assert signals(shop) == []


def test_what_can_be_tried_again_trips_nothing(shop: Shop) -> None:
    """Serialisation failures, and locks that others hold."""
    with shop.connect() as agent, shop.database.connect(autocommit=True) as other:
        for n in range(5):
            with fails("40001"), agent.transaction():
                agent.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                agent.execute("SELECT * FROM ten")
                other.execute("UPDATE ten SET b = %s WHERE a = 1", (str(n),))
                agent.execute("UPDATE ten SET b = 'mine' WHERE a = 1")
        for _ in range(5):
            with other.transaction():
                other.execute("LOCK TABLE tempting")
                with fails("55P03"):
                    agent.execute("SET lock_timeout = '1ms'; INSERT INTO tempting VALUES (1)")
    assert signals(shop) == []


# ---- groups ----------------------------------------------------------------------------------------------------------


def schemas(number: int) -> str:
    return "".join(f"CREATE SCHEMA s{n}; CREATE TABLE s{n}.t (a int PRIMARY KEY);" for n in range(number))


@pytest.fixture
def many(pg18: PgCluster, tmp_path: Path) -> Iterator[Shop]:
    database = pg18.create_database(f"t_{secrets.token_hex(6)}")
    prepare(database)
    database.psql(f"SET SESSION AUTHORIZATION {ROLES.upstream}; {schemas(8)}")
    database.psql(grants_sql("plain", ROLES, ["public", *(f"s{n}" for n in range(8))]))
    with Gateway(database, tmp_path, top={"breakers": {}}) as gateway:
        shop = Shop(gateway)
        shop.agent = "bot"
        yield shop
    database.drop()


def test_wandering_through_schemas_opens_the_agent(many: Shop) -> None:
    with many.connect() as agent:
        for n in range(5):
            agent.execute(f"INSERT INTO s{n}.t VALUES (1)".encode())
        assert signals(many) == []
        with fails("IL003"):
            agent.execute("INSERT INTO s5.t VALUES (1)")
        assert signals(many) == [(Signal.GROUPS_WRITTEN, "agent")]
        assert many.database.psql("SELECT count(*) FROM s5.t") == [(0,)]


def test_deleting_here_and_there_opens_the_agent(many: Shop) -> None:
    many.database.psql("".join(f"INSERT INTO s{n}.t SELECT generate_series(1, 500);" for n in range(5)))
    with many.connect() as agent:
        for n in range(3):
            agent.execute(f"DELETE FROM s{n}.t WHERE a = 1".encode())
        with fails("IL003"):
            agent.execute("DELETE FROM s3.t WHERE a = 1")
    assert signals(many) == [(Signal.GROUPS_DELETED, "agent")]


TWELVE = "".join(f"CREATE TABLE app.t{n} (a int);" for n in range(12))
HELPED = TWELVE + "".join(
    f"CREATE FUNCTION app.f{n}() RETURNS int LANGUAGE sql AS 'SELECT 1';" for n in range(40)
)


def own(shop: Shop, schema: str, setup: str) -> None:
    """A schema that agents' role owns, and what is in it."""
    role = ROLES.upstream
    shop.database.psql(
        f"CREATE SCHEMA {schema} AUTHORIZATION {role}; SET SESSION AUTHORIZATION {role}; {setup}"
    )
    shop.gateway.reread()


@pytest.mark.parametrize("setup", [TWELVE, HELPED], ids=["tables", "tables among functions"])
def test_a_third_of_a_schema_opens_the_agent(relaxed: Callable[..., Shop], setup: str) -> None:
    shop = relaxed(novel="off")
    own(shop, "app", setup)
    with shop.connect() as agent:
        agent.execute("DROP TABLE app.t0, app.t1, app.t2")
        assert signals(shop) == []
        with fails("IL003"):
            agent.execute("DROP TABLE app.t3")
        assert signals(shop) == [(Signal.GROUP_SHARE, "agent")]
        with fails("IL003"):
            agent.execute("INSERT INTO app.t4 VALUES (1)")
        assert agent.execute("SELECT count(*) FROM app.t3").fetchone() == (0,)


def test_no_approval_lifts_a_third_of_a_schema(strict: Shop) -> None:
    """As shipped: what people are asked about one by one adds up, and what is too much at once is not put before them."""
    shop, schema = strict, f"s{secrets.token_hex(4)}"
    shop.agent = shop.new_agent()
    own(shop, schema, TWELVE.replace("app.", f"{schema}."))

    def drop(*numbers: int) -> str:
        return "DROP TABLE " + ", ".join(f"{schema}.t{n}" for n in numbers)

    with shop.connect() as agent:
        for n in range(3):
            with fails("IL001"):
                agent.execute(drop(n).encode())
            shop.approve_held()
            agent.execute(drop(n).encode())
        with fails("IL003") as error:
            agent.execute(drop(3).encode())
        assert f"4 of 12 members of {shop.gateway.target}/{schema}" in str(error.caught)
    assert signals(shop) == [(Signal.GROUP_SHARE, "agent")]
    assert shop.database.psql(f"SELECT count(*) FROM {schema}.t3") == [(0,)]
    # Another agent, all of another one at once: nobody is asked.
    shop.agent, before = shop.new_agent(), shop.gateway.changes()[0].id
    schema = f"s{secrets.token_hex(4)}"
    own(shop, schema, TWELVE.replace("app.", f"{schema}."))
    with shop.connect() as agent, fails("IL003") as error:
        agent.execute(f"DROP SCHEMA {schema} CASCADE".encode())
    assert "no approval lifts that" in str(error.caught)
    assert shop.gateway.changes()[0].id == before
    assert signals(shop) == [(Signal.GROUP_SHARE, "agent")]


def test_the_last_table_of_a_schema_is_refused(relaxed: Callable[..., Shop]) -> None:
    shop = relaxed(novel="off", recreated_stateful="off")
    own(
        shop,
        "one",
        "CREATE TABLE one.t (a int); CREATE FUNCTION one.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    )
    with shop.connect() as agent:
        with fails("IL002") as error:
            agent.execute("DROP TABLE one.t")
        assert "last member" in str(error.caught)
        agent.execute("CREATE TABLE one.u (a int)")
        agent.execute("DROP TABLE one.u")  # there is another
        agent.execute("CREATE TABLE one.u (a int)")
        agent.execute("DROP TABLE one.u")  # and again, though two are gone by now
    assert signals(shop) == []


def test_emptying_a_table_is_no_matter_of_members(relaxed: Callable[..., Shop]) -> None:
    shop = relaxed(novel="off")
    with shop.connect() as agent:
        agent.execute("DELETE FROM tempting")
        agent.execute("TRUNCATE ten")
    assert signals(shop) == []


# ---- again -----------------------------------------------------------------------------------------------------------


def test_a_table_made_again_opens_the_session(relaxed: Callable[..., Shop]) -> None:
    shop = relaxed(novel="off")
    with shop.connect() as agent:
        agent.execute("DROP TABLE spare1")
        with fails("IL003"):
            agent.execute("CREATE TABLE spare1 (a int)")
    assert signals(shop) == [(Signal.RECREATED, "session")]


def test_a_table_made_again_in_the_same_transaction_opens_the_session(relaxed: Callable[..., Shop]) -> None:
    shop = relaxed(novel="off")
    with shop.connect() as agent, fails("IL003"), agent.transaction():
        agent.execute("DROP TABLE spare1")
        agent.execute("CREATE TABLE spare1 (a int)")
    assert signals(shop) == [(Signal.RECREATED, "session")]


def test_a_view_is_made_again_once_and_not_twice(relaxed: Callable[..., Shop]) -> None:
    shop = relaxed(novel="off", destructive_minute="off")
    with shop.connect() as agent:
        agent.execute("DROP VIEW v1")
        agent.execute("CREATE VIEW v1 AS SELECT 2 AS a")
        agent.execute("DROP VIEW v1")
        with fails("IL003"):
            agent.execute("CREATE VIEW v1 AS SELECT 3 AS a")
    assert signals(shop) == [(Signal.RECREATED, "session")]


def test_another_definition_is_not_another_thing(relaxed: Callable[..., Shop]) -> None:
    """Replacing a view or function, and rewriting the rows of a table, takes nothing away to make it again."""
    shop = relaxed(novel="off", destructive_minute="off", destructive_ten_minutes="off")
    with shop.connect() as agent:
        for n in range(3):
            agent.execute(f"CREATE OR REPLACE VIEW v1 AS SELECT {n} AS a".encode())
            agent.execute(
                f"CREATE OR REPLACE FUNCTION cleanup() RETURNS bigint LANGUAGE sql AS 'SELECT {n}::bigint'".encode()
            )
            agent.execute(f"ALTER TABLE ten ALTER COLUMN b TYPE varchar({20 - n})".encode())
    assert signals(shop) == []


# ---- guards and selections -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "GRANT SELECT ON ten TO PUBLIC",
        "ALTER TABLE ten REPLICA IDENTITY FULL",
        "REVOKE ALL ON ten FROM PUBLIC; GRANT ALL ON ten TO il_observer",
    ],
)
def test_rights_and_replication_without_approval_open_the_agent(
    relaxed: Callable[..., Shop], statement: str
) -> None:
    shop = relaxed(novel="off")
    with shop.connect() as agent, fails("IL003"):
        agent.execute(statement.encode())
    assert signals(shop)[0] == (Signal.GUARD, "agent")


def test_rights_that_people_are_asked_about_trip_nothing(shop: Shop) -> None:
    with shop.connect() as agent, fails("IL001"):
        agent.execute("GRANT SELECT ON ten TO PUBLIC")
    assert signals(shop) == []


def test_interlocks_own_schema_opens_the_agent(shop: Shop) -> None:
    shop.gateway.database.psql(
        "CREATE SCHEMA IF NOT EXISTS interlock_own; CREATE TABLE IF NOT EXISTS interlock_own.records (a int);"
        "GRANT ALL ON SCHEMA interlock_own TO il_agent; GRANT ALL ON interlock_own.records TO il_agent"
    )
    shop.gateway.reread()
    with shop.connect() as agent:
        with fails("IL002"):
            agent.execute("SELECT * FROM interlock_own.records")
        assert signals(shop) == []  # curious, no more
        with fails("IL002"):
            agent.execute("DELETE FROM interlock_own.records")
    assert signals(shop) == [(Signal.GUARD, "agent")]


def test_all_that_a_role_owns_is_refused(relaxed: Callable[..., Shop]) -> None:
    shop = relaxed(novel="off", guard="off", group_share="off")
    with shop.connect() as agent:
        with fails("IL002") as error:
            agent.execute(f"DROP OWNED BY {ROLES.upstream}".encode())
        assert "reaches more than it names" in str(error.caught)
    assert signals(shop) == []
    assert shop.count("ten") == 0  # nothing was ever in it, and it is there


def test_a_schema_is_named_and_no_selection(relaxed: Callable[..., Shop]) -> None:
    shop = relaxed(novel="off", last_member="off")
    own(shop, "two", "CREATE TABLE two.t (a int); CREATE TABLE two.u (a int)")
    with shop.connect() as agent:
        agent.execute("DROP SCHEMA two CASCADE")
    assert signals(shop) == []
