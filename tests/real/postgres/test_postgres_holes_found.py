"""Ways round the measuring that the oracle found (`tests/real/oracle`), each as small as it can be."""

from pathlib import Path

import pytest
from tests.real.conftest import Shop, fails

from interlock.model.change import ChangeState
from interlock.model.effect import ChangeKind, Effect
from interlock.testing.gateway import ROLES, Gateway, prepare
from interlock.testing.peers.pg import PgDatabase

HELD = "IL001"
RELAXED = {"environments": {"production": {"protection": "relaxed"}}}


def effects(shop: Shop) -> list[Effect]:
    """Of everything that this test's agent did or asked for."""
    return [effect for change in shop.changes() for effect in change.measurement.effects]


def kinds(shop: Shop) -> set[tuple[str, ChangeKind]]:
    return {(effect.resource.kind, effect.change) for effect in effects(shop)}


CHANNEL = ("channel", ChangeKind.UPDATED)


@pytest.mark.parametrize(
    ("make", "use"),
    [
        (
            "CREATE FUNCTION {s}.ring() RETURNS int LANGUAGE plpgsql AS 'BEGIN NOTIFY bell; RETURN 1; END'",
            "SELECT {s}.ring()",
        ),
        (
            "CREATE FUNCTION {s}.ring() RETURNS int LANGUAGE sql AS 'SELECT pg_notify($$bell$$, $$x$$); SELECT 1'",
            "SELECT {s}.ring() FROM ten",
        ),
        (
            "CREATE PROCEDURE {s}.ring() LANGUAGE plpgsql AS 'BEGIN EXECUTE $$NOTIFY bell$$; END'",
            "CALL {s}.ring()",
        ),
        (
            "CREATE TABLE {s}.t (a int); CREATE FUNCTION {s}.ring() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN PERFORM pg_notify($$bell$$, NULL); RETURN NULL; END';"
            "CREATE TRIGGER ringing AFTER INSERT ON {s}.t EXECUTE FUNCTION {s}.ring()",
            "INSERT INTO {s}.t VALUES (1)",
        ),
        ("", "DO 'BEGIN NOTIFY bell; END'"),
    ],
)
def test_notifications_from_code_are_decided_and_recorded(shop: Shop, make: str, use: str) -> None:
    schema = f"ring_{shop.agent.replace('-', '_')}"
    shop.make(f"CREATE SCHEMA {schema}; {make.format(s=schema)}")
    try:
        with shop.database.connect(autocommit=True) as listener:
            heard: list[str] = []
            listener.add_notify_handler(lambda notice: heard.append(notice.channel))
            listener.execute("LISTEN bell")
            with shop.connect() as agent, fails(HELD):
                agent.execute(use.format(s=schema).encode())
            listener.execute("SELECT")
            assert heard == []
            assert CHANNEL in kinds(shop)
            shop.approve_held()
            with shop.connect() as agent:
                agent.execute(use.format(s=schema).encode())
            listener.execute("SELECT")
            assert heard == ["bell"]
    finally:
        shop.make(f"DROP SCHEMA {schema} CASCADE")


def test_code_that_notifies_made_in_the_same_transaction(shop: Shop) -> None:
    make = "CREATE FUNCTION loud() RETURNS int LANGUAGE plpgsql AS 'BEGIN NOTIFY bell; RETURN 1; END'"
    with shop.connect(autocommit=False) as agent:
        agent.execute(make.encode())
        agent.execute("SELECT loud()")
        with fails(HELD):
            agent.commit()
    assert CHANNEL in kinds(shop)


@pytest.mark.parametrize("body", ["SELECT a AS notify, b FROM ten", "SELECT notify.a FROM ten AS notify"])
def test_a_name_is_no_notification(shop: Shop, body: str) -> None:
    schema = f"quiet_{shop.agent.replace('-', '_')}"
    shop.make(
        f"CREATE SCHEMA {schema}; CREATE FUNCTION {schema}.f() RETURNS bigint LANGUAGE sql AS"
        f" 'SELECT count(*) FROM ({body}) AS x'"
    )
    try:
        with shop.connect() as agent:
            assert agent.execute(f"SELECT {schema}.f()".encode()).fetchone() == (10,)
        assert effects(shop) == []
    finally:
        shop.make(f"DROP SCHEMA {schema} CASCADE")


def test_cluster_using_an_index_is_a_setting_of_the_table(shop: Shop) -> None:
    with shop.connect() as agent:
        for sql in ("CLUSTER ten USING ten_pkey", "CLUSTER ten"):
            with fails("IL001"):  # nobody else uses the table meanwhile
                agent.execute(sql.encode())
            shop.approve_held()
            agent.execute(sql.encode())
            if "USING" in sql:
                assert ("index", ChangeKind.SETTING) in kinds(shop)
    assert [c.state for c in shop.changes()] == [ChangeState.APPLIED] * 2
    assert shop.count("ten") == 10


def test_constraints_that_are_inherited_no_longer(shop: Shop) -> None:
    if int(shop.database.psql("SHOW server_version_num")[0][0]) < 180000:
        pytest.skip("before 18, NOT NULL has no constraint of its own")
    shop.make("CREATE TABLE strict_a (a int CONSTRAINT a_set NOT NULL)")
    try:
        with shop.connect() as agent, fails(HELD):
            agent.execute("ALTER TABLE strict_a ALTER CONSTRAINT a_set NO INHERIT")
        assert ("constraint", ChangeKind.WEAKENED) in kinds(shop)
    finally:
        shop.make("DROP TABLE strict_a")


@pytest.mark.parametrize(
    ("temporary", "lasting", "kept"),
    [
        (
            "CREATE DOMAIN pg_temp.words AS text",
            "ALTER TABLE ten ALTER COLUMN b TYPE pg_temp.words",
            "SELECT count(*) FROM pg_attribute WHERE attrelid = 'ten'::regclass AND attname = 'b'",
        ),
        (
            "CREATE TEMP SEQUENCE numbers_t",
            "ALTER TABLE tempting ALTER COLUMN a SET DEFAULT nextval('pg_temp.numbers_t')",
            "SELECT 1",
        ),
        (
            "CREATE TEMP TABLE rows_t (a int)",
            "CREATE RULE copied AS ON INSERT TO tempting DO ALSO INSERT INTO pg_temp.rows_t VALUES (1)",
            "SELECT 1",
        ),
        ("CREATE TEMP TABLE rows_t (a int)", "CREATE DOMAIN listed AS pg_temp.rows_t[]", "SELECT 1"),
    ],
)
def test_what_depends_on_temporary_objects_goes_with_them(
    shop: Shop, temporary: str, lasting: str, kept: str
) -> None:
    with shop.connect() as agent:
        agent.execute(temporary.encode())
        with fails(HELD):
            agent.execute(lasting.encode())
        late = [e for e in effects(shop) if e.detail == "when the session ends"]
        assert {e.change for e in late} == {ChangeKind.DELETED}
    assert shop.database.psql(kept) == [(1,)]


def test_temporary_objects_among_themselves_are_nobodys_business(shop: Shop) -> None:
    with shop.connect() as agent:
        agent.execute("CREATE TEMP TABLE rows_t (a serial PRIMARY KEY, b text CHECK (b <> '') DEFAULT 'x')")
        agent.execute("CREATE TEMP VIEW seen_t AS SELECT a FROM rows_t")
        agent.execute("CREATE TABLE from_t AS SELECT a FROM rows_t")
        agent.execute("DROP TABLE rows_t CASCADE")
    assert {e.resource.name for e in effects(shop)} == {"public.from_t"}
    shop.make("DROP TABLE from_t")


def test_options_of_toast_are_options_of_the_table(shop: Shop) -> None:
    with shop.connect() as agent:
        agent.execute("ALTER TABLE customers SET (toast.autovacuum_enabled = off)")
    assert ("toast table", ChangeKind.SETTING) in kinds(shop)
    shop.make("ALTER TABLE customers RESET (toast.autovacuum_enabled)")


def test_rights_of_a_composite_type_are_its_own(shop: Shop) -> None:
    shop.make("CREATE TYPE pair AS (a int, b int)")
    try:
        with shop.connect() as agent, fails(HELD):
            agent.execute("REVOKE USAGE ON TYPE pair FROM PUBLIC")
        assert ("type", ChangeKind.PERMISSION) in kinds(shop)
    finally:
        shop.make("DROP TYPE pair")


def test_replaced_aggregates_are_replaced(shop: Shop) -> None:
    """Only its row in pg_aggregate tells."""
    shop.make("CREATE AGGREGATE most(int) (SFUNC = int4larger, STYPE = int)")
    try:
        with shop.connect() as agent, fails(HELD):
            agent.execute("CREATE OR REPLACE AGGREGATE most(int) (SFUNC = int4smaller, STYPE = int)")
        assert ("aggregate", ChangeKind.REPLACED) in kinds(shop)
        with shop.connect() as agent:
            agent.execute("CREATE AGGREGATE least_of(int) (SFUNC = int4smaller, STYPE = int)")
        made = shop.changes(ChangeState.APPLIED)[0].measurement.effects
        assert [(e.resource.kind, e.change) for e in made] == [("aggregate", ChangeKind.CREATED)]
    finally:
        shop.make("DROP AGGREGATE most(int); DROP AGGREGATE IF EXISTS least_of(int)")


def test_objects_that_join_and_leave_an_extension(fresh_db: PgDatabase, tmp_path: Path) -> None:
    prepare(fresh_db, "CREATE TABLE ours (a int);")
    fresh_db.psql(f"ALTER ROLE {ROLES.upstream} SUPERUSER")  # whoever installed an extension may do so
    try:
        with Gateway(fresh_db, tmp_path, top=RELAXED) as gateway, gateway.connect() as agent:
            for statement in (
                "ALTER EXTENSION plpgsql ADD TABLE ours",
                "DO 'BEGIN ALTER EXTENSION plpgsql DROP TABLE ours; END'",
            ):
                agent.execute(statement.encode())
                told = gateway.changes()[0].measurement.effects
                assert {e.change for e in told} == {ChangeKind.SETTING}
                assert "public.ours" in {e.resource.name for e in told}
            agent.execute("CREATE OPERATOR FAMILY kin USING btree")
            agent.execute(
                "ALTER OPERATOR FAMILY kin USING btree ADD FUNCTION 1 (int4, int2) btint42cmp(int4, int2)"
            )
            (effect,) = gateway.changes()[0].measurement.effects
            assert effect.change is ChangeKind.CREATED
            agent.execute("ALTER OPERATOR FAMILY kin USING btree DROP FUNCTION 1 (int4, int2)")
            (effect,) = gateway.changes()[0].measurement.effects
            assert effect.change is ChangeKind.DELETED
    finally:
        fresh_db.psql(f"ALTER ROLE {ROLES.upstream} NOSUPERUSER")


def test_sequences_that_are_bound_to_other_columns(fresh_db: PgDatabase, tmp_path: Path) -> None:
    prepare(fresh_db, "CREATE TABLE one (a serial); CREATE TABLE two (a int);")
    with Gateway(fresh_db, tmp_path, top=RELAXED) as gateway, gateway.connect() as agent:
        for statement in (
            "ALTER SEQUENCE one_a_seq OWNED BY two.a",
            "DO 'BEGIN ALTER SEQUENCE one_a_seq OWNED BY NONE; END'",
            "ALTER SEQUENCE one_a_seq OWNED BY one.a",
        ):
            agent.execute(statement.encode())
            told = gateway.changes()[0].measurement.effects
            assert {e.resource.name for e in told} == {"public.one_a_seq"}
            assert [e.reversible for e in told if e.change is ChangeKind.SETTING]
            assert not all(e.reversible for e in told)
        agent.execute("CREATE TABLE three (a serial, b int GENERATED ALWAYS AS IDENTITY)")
        told = gateway.changes()[0].measurement.effects
        assert ChangeKind.SETTING not in {e.change for e in told}


def test_definitions_in_a_cursor_that_outlives_its_transaction(shop: Shop) -> None:
    """The savepoint in which undoing is tried is open at COMMIT, and what was set in it ends with it: read-only as well."""
    shop.make(
        "CREATE FUNCTION tidy() RETURNS int LANGUAGE plpgsql AS 'BEGIN DROP TABLE tempting; RETURN 1; END'"
    )
    try:
        with shop.connect() as agent:
            agent.execute("BEGIN")
            agent.execute("DECLARE c CURSOR WITH HOLD FOR SELECT tidy()")
            with fails("25006", HELD):
                agent.execute("COMMIT")
        assert shop.count("tempting") == 10
    finally:
        shop.make("DROP FUNCTION tidy()")


DEEP = "DO $d$ BEGIN PERFORM setval(''tickets'', 4711); END $d$"
DEEPER = "DO LANGUAGE plpgsql $d$ BEGIN DO $e$ BEGIN PERFORM setval(''tickets'', 4711); END $e$; END $d$"


@pytest.mark.parametrize("code", [DEEP, DEEPER])
def test_a_do_inside_of_a_function(shop: Shop, code: str) -> None:
    shop.make(f"CREATE FUNCTION deep() RETURNS int LANGUAGE plpgsql AS 'BEGIN {code}; RETURN 1; END'")
    try:
        with shop.connect() as agent, agent.transaction(force_rollback=True), fails("IL002", HELD):
            agent.execute("SELECT deep()")
        ((value,),) = shop.database.psql("SELECT last_value FROM tickets")
        assert value != 4711
    finally:
        shop.make("DROP FUNCTION deep()")


CONSTANTS = [
    "SELECT '{1}'::checked[]",
    "INSERT INTO kept VALUES ('1')",
    "SELECT 1 FROM kept WHERE a = '1'",
    "EXPLAIN SELECT '{1}'::checked[]",
]


@pytest.mark.parametrize("text", CONSTANTS)
def test_constants_that_run_code_when_a_statement_is_parsed(shop: Shop, text: str) -> None:
    shop.make(
        "CREATE FUNCTION looks(int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN PERFORM setval(''tickets'', 4711); RETURN true; END';"
        "CREATE DOMAIN checked AS int CHECK (looks(VALUE)); CREATE TABLE kept (a checked); GRANT ALL ON kept TO PUBLIC"
    )
    try:
        with shop.connect() as agent, fails("IL002", HELD):
            agent.execute(text.encode(), prepare=True)
        ((value,),) = shop.database.psql("SELECT last_value FROM tickets")
        assert value != 4711
    finally:
        shop.make("DROP TABLE kept; DROP DOMAIN checked; DROP FUNCTION looks(int)")
