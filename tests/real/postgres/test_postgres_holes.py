"""Each way round the measuring that is known (DESIGN section 9), tried on real servers: what it would do must not happen.

`HOLES` names the test of each.
"""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import pq
from tests.connectors.postgres.session.rawclient import FLUSH, SYNC, Message, extended, raw, short
from tests.real.conftest import FILL, SETUP, Shop, fails

from interlock.connectors.postgres.codec import backend as b
from interlock.connectors.postgres.codec import frontend as f
from interlock.connectors.postgres.target import catalogs
from interlock.model.change import ChangeState
from interlock.model.operation import Action
from interlock.testing.gateway import ROLES, Gateway, prepare
from interlock.testing.peers.pg import PgDatabase

HELD, FORBIDDEN = "IL001", "IL002"
NO_PRIVILEGE = "42501"
"""The server's own refusal."""

HOLES = {
    "standard_conforming_strings off hides statements": "test_strings_hide_no_statements",
    "a read that writes (its function was replaced a moment ago)": "test_read_that_writes_is_run_again_through_the_gate",
    "a read that writes after something was released": "test_read_that_writes_later_is_an_error",
    "a deferred trigger deletes at COMMIT": "test_deferred_trigger_runs_before_the_decision",
    "a WITH HOLD cursor runs at COMMIT": "test_cursor_with_hold_cannot_write_at_commit",
    "read-write by the client's own wish": "test_no_wish_makes_a_session_read_write",
    "catalogs shadowed by search_path, operators included": "test_shadowed_catalogs_change_no_count",
    "catalogs shadowed by temporary tables": "test_temporary_catalogs_change_no_count",
    "a function that shadows a builtin": "test_shadowing_function_is_no_pure_read",
    "the unnamed statement destroyed by the gateway's SQL": "test_unnamed_statement_survives_the_gateways_sql",
    "completion seen before the decision": "test_no_completion_before_the_decision",
    "completion seen on Flush": "test_no_completion_on_flush_before_the_decision",
    "RETURNING without the right to read": "test_returning_needs_the_right_to_read",
    "VACUUM ANALYZE runs an index expression": "test_maintenance_runs_read_only",
    "counters left over from failed transactions": "test_failed_transactions_leave_no_counts",
    "rolled-back savepoints": "test_savepoints_never_hide_rows",
    "TRUNCATE": "test_truncate_is_seen",
    "a function's SET clause blinds the counters": "test_set_clause_of_a_function_blinds_nothing",
    "set_config": "test_set_config_is_judged_as_set",
    "DEALLOCATE ALL and DISCARD ALL": "test_dropping_all_statements_drops_no_measuring",
    "names of the gateway's own": "test_the_gateways_names_are_its_own",
    "statements put in the place of the gateway's": "test_replaced_statements_measure_nothing",
    "session_replication_role": "test_triggers_cannot_be_switched_off",
    "synchronous_commit off": "test_commits_wait_for_the_disk",
    "ALTER ROLE of the own role": "test_own_role_cannot_be_changed",
    "AND CHAIN": "test_chained_transactions_are_decided_each",
    "PREPARE TRANSACTION": "test_first_phase_is_decided_as_a_commit",
    "sequences": "test_sequences_are_decided_before_they_move",
    "large objects on 15": "test_large_objects_are_not_lost",
    "what reaches beyond the transaction": "test_what_no_rollback_undoes_does_not_run",
    "dynamic statements": "test_dynamic_statements_are_measured_or_held",
    "EXPLAIN ANALYZE": "test_explain_analyze_is_measured",
    "a portal executed after a mistake": "test_portal_is_checked_when_it_runs_at_last",
    "a portal of a name used before": "test_portal_of_an_old_name_is_checked",
    "a statement prepared before an error": "test_statement_prepared_before_an_error_is_known",
    "read from the catalogs before they changed": "test_numbers_of_one_shape_are_not_mixed_up",
}


def test_every_hole_has_its_test() -> None:
    assert [name for name in HOLES.values() if name not in globals()] == []
    tests = {name for name in globals() if name.startswith("test_")} - {"test_every_hole_has_its_test"}
    assert tests == set(HOLES.values())


def raw_client(shop: Shop, agent: str = "") -> Any:
    name = agent or shop.agent
    return raw(shop.gateway.port, name, shop.gateway.tokens[name])


# -- parsing


def test_strings_hide_no_statements(fresh_db: PgDatabase, tmp_path: Path) -> None:
    trick = r"SELECT '\''; DELETE FROM ten; --'"
    prepare(fresh_db, SETUP)
    fresh_db.psql(FILL)
    fresh_db.psql(f'ALTER DATABASE "{fresh_db.name}" SET standard_conforming_strings = off')
    with fresh_db.connect() as direct:
        direct.execute(trick.encode())
        count = direct.execute("SELECT count(*) FROM ten").fetchone()
        assert count == (0,), "the trick works without the mend"
        direct.rollback()
    with Gateway(fresh_db, tmp_path) as gateway:
        with gateway.connect() as agent:
            assert agent.execute(trick.encode()).fetchone() == (r"\'; DELETE FROM ten; --",)
            for way in (
                "SET standard_conforming_strings = off",
                "SET LOCAL standard_conforming_strings TO 'off'",
                "SELECT set_config('standard_conforming_strings', 'off', false)",
                "UPDATE pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings'",
                f"ALTER ROLE {ROLES.upstream} SET standard_conforming_strings = off",
            ):
                with fails(FORBIDDEN):
                    agent.execute(way.encode())
                agent.execute(trick.encode())
            agent.execute("RESET ALL")
            agent.execute(trick.encode())
            agent.execute("DISCARD ALL")
            agent.execute(trick.encode())
        with pytest.raises(psycopg.OperationalError):
            gateway.connect(options="-c standard_conforming_strings=off")
    assert fresh_db.psql("SELECT count(*) FROM ten") == [(10,)]


# -- reads


@pytest.fixture
def unwatched(fresh_db: PgDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A gateway that does not look for changes of the catalogs: as in the second before it looks again."""
    monkeypatch.setattr(catalogs, "POLL_S", 3600.0)
    prepare(fresh_db, SETUP + "CREATE VIEW look AS SELECT 1 AS a;")
    fresh_db.psql(FILL)
    with Gateway(fresh_db, tmp_path) as gateway:
        yield gateway


def turn(gateway: Gateway, body: str) -> None:
    """Have the view do something, past the gateway."""
    gateway.database.psql(
        f"CREATE OR REPLACE FUNCTION harm() RETURNS int LANGUAGE sql AS '{body}; SELECT 1';"
        "CREATE OR REPLACE VIEW look AS SELECT harm() AS a"
    )


def test_read_that_writes_is_run_again_through_the_gate(unwatched: Gateway) -> None:
    with unwatched.connect() as agent:
        assert agent.execute("SELECT a FROM look").fetchone() == (1,)
        assert unwatched.changes() == []
        turn(unwatched, "DELETE FROM ten")
        with fails(HELD):
            agent.execute("SELECT a FROM look")
        with fails(HELD):
            agent.execute("SELECT a FROM look", prepare=True)
        assert unwatched.database.psql("SELECT count(*) FROM ten") == [(10,)]
        unwatched.withdraw(unwatched.held().id)
        turn(unwatched, "UPDATE ten SET b = NULL WHERE a = 1")
        assert agent.execute("SELECT a FROM look").fetchone() == (1,)
        assert unwatched.database.psql("SELECT b FROM ten WHERE a = 1") == [(None,)]
        (applied,) = unwatched.changes(ChangeState.APPLIED)
        assert [(e.resource.name, e.count) for e in applied.measurement.effects] == [("public.ten", 1)]


def test_read_that_writes_later_is_an_error(unwatched: Gateway) -> None:
    with unwatched.connect() as agent:
        assert agent.execute("SELECT a FROM look").fetchone() == (1,)
        turn(unwatched, "DELETE FROM ten WHERE a = 1")
        with fails("25006"):
            agent.execute("SELECT generate_series(1, 300000); SELECT a FROM look")
        assert agent.info.transaction_status == pq.TransactionStatus.IDLE
    assert unwatched.database.psql("SELECT count(*) FROM ten") == [(10,)]
    assert unwatched.changes() == []


def test_shadowing_function_is_no_pure_read(shop: Shop) -> None:
    shop.make(
        "CREATE SCHEMA evil; CREATE FUNCTION evil.lower(text) RETURNS text LANGUAGE sql AS"
        " 'DELETE FROM public.ten; SELECT $1';"
        "CREATE FUNCTION evil.add(int, int) RETURNS int LANGUAGE sql AS 'DELETE FROM public.ten; SELECT 1';"
        "CREATE OPERATOR evil.+ (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.add)"
    )
    try:
        with shop.connect() as agent:
            assert agent.execute("SELECT lower('X'), 1 + 1").fetchone() == ("x", 2)
            agent.execute("SET search_path = evil, pg_catalog, public")
            for sql in ("SELECT lower('X')", "SELECT 1 + 1"):
                with fails(HELD):
                    agent.execute(sql.encode())
            agent.execute("RESET search_path")
            assert agent.execute("SELECT lower('X'), 1 + 1").fetchone() == ("x", 2)
        assert shop.count("ten") == 10
    finally:
        shop.make("DROP SCHEMA evil CASCADE")


def test_numbers_of_one_shape_are_not_mixed_up(shop: Shop) -> None:
    with shop.connect() as agent:
        for n in (1, 2, 30, 4):
            assert agent.execute(f"SELECT {n}".encode()).fetchone() == (n,)
            with agent.transaction():
                assert agent.execute(f"SELECT {n + 1}".encode()).fetchone() == (n + 1,)
                name = agent.execute(f"SELECT name FROM customers WHERE id = {n}".encode()).fetchone()
                assert name == (f"customer {n}",)


# -- at the commit


def test_deferred_trigger_runs_before_the_decision(shop: Shop) -> None:
    shop.make(
        "CREATE TABLE bait (a int);"
        "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM ten; RETURN NULL; END';"
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON bait DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION late()"
    )
    try:
        with shop.connect() as agent:
            with fails(HELD) as error:
                agent.execute("INSERT INTO bait VALUES (1)")
            assert "public.ten: 10 of 10 rows deleted" in (error.caught.diag.message_detail or "")
            with fails(HELD), agent.transaction():
                agent.execute("SET CONSTRAINTS ALL DEFERRED")
                agent.execute("SAVEPOINT a")
                agent.execute("SAVEPOINT a")
                agent.execute("INSERT INTO bait VALUES (1)")
        assert (shop.count("ten"), shop.count("bait")) == (10, 0)
    finally:
        shop.make("DROP TABLE bait; DROP FUNCTION late")


def test_cursor_with_hold_cannot_write_at_commit(shop: Shop) -> None:
    with shop.connect() as agent:
        with fails("25006"), agent.transaction():
            agent.execute("DECLARE c CURSOR WITH HOLD FOR SELECT cleanup()")
        with fails("25006", HELD):
            agent.execute("DECLARE c CURSOR WITH HOLD FOR SELECT cleanup()")
        assert shop.count("customers") == 100
        agent.execute("DECLARE h CURSOR WITH HOLD FOR SELECT a FROM ten ORDER BY a")
        assert agent.execute("FETCH 2 FROM h").fetchall() == [(1,), (2,)]


WISHES = (
    "SET TRANSACTION READ WRITE; {}",
    "BEGIN READ ONLY; SET TRANSACTION READ WRITE; {}; COMMIT",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; {}",
    "SET default_transaction_read_only = off; {}",
    "SET transaction_read_only = off; {}",
    "RESET default_transaction_read_only; {}",
    "RESET ALL; {}",
    "DISCARD ALL",
    "SELECT set_config('default_transaction_read_only', 'off', false); {}",
    "SELECT set_config('transaction_read_only', 'off', false); {}",
    "BEGIN READ WRITE; {}; COMMIT",
    "COMMIT; {}",
    "ROLLBACK; BEGIN; {}; COMMIT",
    "END; START TRANSACTION READ WRITE; {}; END",
)


@pytest.mark.parametrize("wish", WISHES)
def test_no_wish_makes_a_session_read_write(shop: Shop, wish: str) -> None:
    with shop.connect() as agent:
        for harm in ("DELETE FROM ten", "SELECT cleanup()"):
            try:
                agent.execute(wish.format(harm).encode())
            except psycopg.Error as error:
                came_of_it = error.sqlstate
            else:
                came_of_it = None
            assert came_of_it in (None, HELD, FORBIDDEN, "25001")
            if agent.info.transaction_status != pq.TransactionStatus.IDLE:
                agent.execute("ROLLBACK")
            with fails(HELD):
                agent.execute(harm.encode())
        assert shop.count("ten") == 10
        assert shop.count("customers") == 100


# -- measuring

_FAKES = """
CREATE FUNCTION fake.pg_stat_get_xact_tuples_inserted(oid) RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint';
CREATE FUNCTION fake.pg_stat_get_xact_tuples_updated(oid) RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint';
CREATE FUNCTION fake.pg_stat_get_xact_tuples_deleted(oid) RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint';
CREATE FUNCTION fake.pg_backend_pid() RETURNS int LANGUAGE sql AS 'SELECT 0';
CREATE FUNCTION fake.pg_stat_force_next_flush() RETURNS void LANGUAGE sql AS 'SELECT';
CREATE FUNCTION fake.current_setting(text) RETURNS text LANGUAGE sql AS 'SELECT ''on''::text';
CREATE TABLE fake.pg_locks (locktype text, database oid, relation oid, pid int, mode text, granted bool);
CREATE TABLE fake.pg_class (LIKE pg_catalog.pg_class);
CREATE TABLE fake.pg_namespace (LIKE pg_catalog.pg_namespace);
CREATE TABLE fake.pg_attribute (oid oid);
CREATE FUNCTION fake.no(oid, oid) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION fake.no(int, int) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION fake.no(bigint, bigint) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION fake.no(bigint, int) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION fake.no(text, text) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION fake.no(name, name) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR fake.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = fake.no);
CREATE OPERATOR fake.= (LEFTARG = int, RIGHTARG = int, FUNCTION = fake.no);
CREATE OPERATOR fake.= (LEFTARG = text, RIGHTARG = text, FUNCTION = fake.no);
CREATE OPERATOR fake.= (LEFTARG = name, RIGHTARG = name, FUNCTION = fake.no);
CREATE OPERATOR fake.<> (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = fake.no);
CREATE OPERATOR fake.<> (LEFTARG = bigint, RIGHTARG = int, FUNCTION = fake.no);
CREATE OPERATOR fake.> (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = fake.no);
CREATE OPERATOR fake.> (LEFTARG = bigint, RIGHTARG = int, FUNCTION = fake.no);
"""


def test_shadowed_catalogs_change_no_count(shop: Shop) -> None:
    shop.make("CREATE SCHEMA fake;" + _FAKES)
    try:
        with shop.connect() as agent:
            agent.execute("SET search_path = fake, pg_catalog, public")
            with fails(HELD) as error:
                agent.execute("DELETE FROM public.ten")
            assert "public.ten: 10 of 10 rows deleted" in (error.caught.diag.message_detail or "")
            agent.execute("UPDATE public.ten SET b = 'x' WHERE a OPERATOR(pg_catalog.=) 1")
        assert shop.count("ten") == 10
        (applied,) = shop.changes(ChangeState.APPLIED)
        assert [(e.resource.name, e.count) for e in applied.measurement.effects] == [("public.ten", 1)]
    finally:
        shop.make("DROP SCHEMA fake CASCADE")


def test_temporary_catalogs_change_no_count(shop: Shop) -> None:
    with shop.connect() as agent:
        agent.execute(
            "CREATE TEMP TABLE pg_locks (locktype text, database oid, relation oid, pid int, mode text, granted bool)"
        )
        agent.execute("CREATE TEMP TABLE pg_class (oid oid, relname name, relfilenode oid, relkind text)")
        agent.execute("CREATE TEMP TABLE pg_stat_xact_all_tables (relid oid, n_tup_del bigint)")
        agent.execute("CREATE TEMP VIEW pg_namespace AS SELECT 0::oid AS oid, 'x'::name AS nspname")
        with fails(HELD) as error:
            agent.execute("DELETE FROM ten")
        assert "public.ten: 10 of 10 rows deleted" in (error.caught.diag.message_detail or "")
        # A table of its own hides the shop's: what happens to it is the session's affair alone.
        agent.execute("CREATE TEMP TABLE ten (a int)")
        agent.execute("INSERT INTO ten VALUES (1)")
        agent.execute("DELETE FROM ten WHERE true")
        with fails(HELD):
            agent.execute("DELETE FROM public.ten")
    assert shop.count("ten") == 10


def test_failed_transactions_leave_no_counts(shop: Shop) -> None:
    with shop.connect() as agent:
        for sql in (
            "DELETE FROM ten; SELECT 1/0",
            "BEGIN; DELETE FROM customers; SELECT nope",
            "BEGIN; DELETE FROM customers; ROLLBACK",
            "UPDATE ten SET b = (1 / (a - 10))::text",
            "DELETE FROM ten",
        ):
            try:
                agent.execute(sql.encode())
            except psycopg.Error as error:
                came_of_it = error.sqlstate
            else:
                came_of_it = None
            assert came_of_it in (None, "22012", "42703", HELD)
            if agent.info.transaction_status != pq.TransactionStatus.IDLE:
                agent.execute("ROLLBACK")
            agent.execute("UPDATE ten SET b = 'y' WHERE a = 1")
            newest = shop.changes(ChangeState.APPLIED)[0]
            assert [(e.resource.name, e.count) for e in newest.measurement.effects] == [("public.ten", 1)], (
                sql
            )


def test_savepoints_never_hide_rows(shop: Shop) -> None:
    with shop.connect() as agent:
        for steps in (
            ("DELETE FROM ten", "SAVEPOINT s", "INSERT INTO notes (body) VALUES ('x')", "ROLLBACK TO s"),
            ("SAVEPOINT s", "DELETE FROM ten", "RELEASE s", "SAVEPOINT s"),
            ("SAVEPOINT s", "SAVEPOINT s", "DELETE FROM ten", "SAVEPOINT t", "RELEASE s"),
        ):
            with fails(HELD), agent.transaction():
                for step in steps:
                    agent.execute(step.encode())
        # Rolled-back work counts as well: that is the safe side, and harms nobody when it is little.
        with agent.transaction():
            agent.execute("SAVEPOINT s")
            agent.execute("UPDATE ten SET b = 'x' WHERE a = 1")
            agent.execute("ROLLBACK TO s")
            agent.execute("UPDATE ten SET b = 'x' WHERE a = 2")
        (applied,) = shop.changes(ChangeState.APPLIED)
        assert [(e.resource.name, e.count) for e in applied.measurement.effects] == [("public.ten", 2)]
    assert shop.count("ten") == 10
    assert shop.database.psql("SELECT a FROM ten WHERE b = 'x'") == [(2,)]


def test_truncate_is_seen(shop: Shop) -> None:
    shop.make(
        "CREATE FUNCTION emptied() RETURNS void LANGUAGE sql AS 'TRUNCATE ten';"
        "CREATE TABLE few (a int); INSERT INTO few VALUES (1)"
    )
    try:
        with shop.connect() as agent:
            for sql in (
                "TRUNCATE ten",
                "TRUNCATE ten, tempting",
                "TRUNCATE customers CASCADE",
                "SELECT emptied()",
                "DO $$ BEGIN TRUNCATE ten; END $$",
                "TRUNCATE few",
            ):
                with fails(HELD):
                    agent.execute(sql.encode())
                agent_id = shop.held().id
                shop.gateway.withdraw(agent_id)
        assert shop.counts()["ten"] == 10
        assert (shop.count("customers"), shop.count("few")) == (100, 1)
    finally:
        shop.make("DROP FUNCTION emptied; DROP TABLE few")


def test_set_clause_of_a_function_blinds_nothing(shop: Shop) -> None:
    shop.database.psql(
        "CREATE FUNCTION blind() RETURNS void LANGUAGE sql SECURITY DEFINER SET track_counts = off AS 'DELETE FROM ten';"
        "CREATE FUNCTION replica() RETURNS void LANGUAGE sql SECURITY DEFINER SET session_replication_role = replica AS"
        " 'DELETE FROM customers';"
        "CREATE FUNCTION deaf() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS"
        " 'BEGIN PERFORM set_config(''track_counts'', ''off'', true); DELETE FROM ten; END'"
    )
    shop.gateway.reread()
    try:
        with shop.connect() as agent:
            for sql in ("SELECT blind()", "SELECT replica()", "SELECT deaf()"):
                with fails(HELD, FORBIDDEN):
                    agent.execute(sql.encode())
                with fails(HELD, FORBIDDEN), agent.transaction():
                    agent.execute(sql.encode())
        assert (shop.count("ten"), shop.count("customers")) == (10, 100)
    finally:
        shop.database.psql("DROP FUNCTION blind, replica, deaf")
        shop.gateway.reread()


def test_dynamic_statements_are_measured_or_held(shop: Shop) -> None:
    shop.make("CREATE FUNCTION run(what text) RETURNS void LANGUAGE plpgsql AS 'BEGIN EXECUTE what; END';")
    try:
        with shop.connect() as agent:
            for sql in (
                "DO $$ BEGIN EXECUTE 'DR' || 'OP TA' || 'BLE ten'; END $$",
                "SELECT run('DELETE FROM ten')",
                "SELECT run('DROP TABLE ten')",
                "SELECT run('DEALLOCATE ALL')",
            ):
                with fails(HELD, FORBIDDEN):
                    agent.execute(sql.encode())
                for waiting in shop.changes(ChangeState.HELD):
                    shop.gateway.withdraw(waiting.id)
        assert shop.count("ten") == 10
    finally:
        shop.make("DROP FUNCTION run")


def test_explain_analyze_is_measured(shop: Shop) -> None:
    with shop.connect() as agent:
        with fails(HELD):
            agent.execute("EXPLAIN ANALYZE DELETE FROM ten")
        with fails(HELD):
            agent.execute("EXPLAIN (ANALYZE, FORMAT json) SELECT cleanup()")
        agent.execute("EXPLAIN DELETE FROM ten")
    assert (shop.count("ten"), shop.count("customers")) == (10, 100)


# -- the gateway's own SQL


def test_unnamed_statement_survives_the_gateways_sql(shop: Shop) -> None:
    with raw_client(shop) as client:
        client.ask(f.Parse("", "UPDATE ten SET b = $2 WHERE a = $1"), SYNC)
        for n in (b"1", b"2", b"3"):
            said = short(client.ask(f.Bind("", "", (), (n, b"seen")), f.Execute(""), SYNC))
            assert said == ["BindComplete", "C UPDATE 1", "Z I"]
    assert shop.database.psql("SELECT count(*) FROM ten WHERE b = 'seen'") == [(3,)]


def test_dropping_all_statements_drops_no_measuring(shop: Shop) -> None:
    with shop.connect() as agent:
        agent.execute("UPDATE ten SET b = 'x' WHERE a = 1")
        for sql in ("DEALLOCATE ALL", "DISCARD ALL", "DISCARD PLANS"):
            agent.execute(sql.encode())
            agent.execute("UPDATE ten SET b = 'x' WHERE a = 1")
            with fails(HELD):
                agent.execute("DELETE FROM ten")
            with agent.transaction():
                agent.execute("UPDATE ten SET b = 'x' WHERE a = 2")
                if "DEALLOCATE" in sql:
                    agent.execute(sql.encode())
                agent.execute("UPDATE ten SET b = 'x' WHERE a = 3")
    assert shop.count("ten") == 10


def test_the_gateways_names_are_its_own(shop: Shop) -> None:
    with raw_client(shop) as client:
        client.query("UPDATE ten SET b = 'x' WHERE a = 1")
        assert short(client.ask(f.Parse("_interlock_1", "SELECT 1"), SYNC))[0].startswith("ERROR 42P05")
        client.ask(f.Parse("s", "SELECT 1"), SYNC)
        assert short(client.ask(f.Bind("_interlock_", "s"), SYNC))[0].startswith("ERROR 42P03")
        names = shop_names(client)
        assert names, "the gateway keeps its statements prepared"
        for name in (*names, "_interlock_999"):
            for sql in (f"DEALLOCATE {name}", f"EXECUTE {name}", f"PREPARE {name} AS SELECT 1"):
                said = client.query(sql)
                assert said[0].startswith(f"ERROR {FORBIDDEN}"), said
                said = short(client.ask(*extended(sql), SYNC))
                assert any(line.startswith(f"ERROR {FORBIDDEN}") for line in said), said
        client.query("BEGIN")
        assert client.query("SAVEPOINT _interlock_image")[0].startswith(f"ERROR {FORBIDDEN}")
        client.query("ROLLBACK")
        assert client.query("DELETE FROM ten")[0].startswith(f"ERROR {HELD}")
    assert shop.count("ten") == 10


def shop_names(client: Any) -> list[str]:
    """The gateway's prepared statements of a session."""
    said = client.query("SELECT name FROM pg_prepared_statements WHERE name LIKE '\\_interlock\\_%'")
    return [line[2:] for line in said if line.startswith("D ")]


def test_replaced_statements_measure_nothing(fresh_db: PgDatabase, tmp_path: Path) -> None:
    """Code that cannot be looked through puts statements of its own in the place of the gateway's."""
    prepare(fresh_db, SETUP)
    fresh_db.psql(FILL)
    unguarded = {"guardrails": "none"}
    with Gateway(fresh_db, tmp_path, top=unguarded, agents=()) as gateway:
        gateway.add_agent("bot", max_rows=5)
        with gateway.connect() as agent:
            agent.execute("UPDATE ten SET b = 'x' WHERE a = 1")
            replace = (
                "DO $$ DECLARE p record; BEGIN FOR p IN SELECT * FROM pg_prepared_statements WHERE name LIKE '%interlock%'"
                " AND statement LIKE '%pg_stat_get_xact%' LOOP EXECUTE 'DEALLOCATE ' || quote_ident(p.name);"
                " EXECUTE 'PREPARE ' || quote_ident(p.name) || ' AS ' ||"
                " replace(p.statement, 'pg_stat_get_xact_tuples_deleted', 'pg_stat_get_xact_tuples_inserted'); END LOOP;"
                " EXECUTE 'DELETE FROM ten'; END $$"
            )
            with pytest.raises(psycopg.Error):
                agent.execute(replace.encode())
        with gateway.connect() as agent:
            agent.execute("BEGIN")
            agent.execute("UPDATE ten SET b = 'x' WHERE a = 1")
            with pytest.raises(psycopg.Error):
                agent.execute(replace.encode())
            with pytest.raises(psycopg.Error):
                agent.execute("SELECT 'failed'")
            agent.execute("ROLLBACK")
    assert fresh_db.psql("SELECT count(*) FROM ten") == [(10,)]


# -- completion


def test_no_completion_before_the_decision(shop: Shop) -> None:
    asked: dict[str, list[Message]] = {
        "simple": [f.Query("DELETE FROM ten")],
        "extended": [*extended("DELETE FROM ten", describe=True), SYNC],
        "several": [f.Query("UPDATE ten SET b = 'x' WHERE a = 1; DELETE FROM ten")],
        "pipeline": [*extended("SELECT 1"), *extended("DELETE FROM ten"), SYNC],
        "block": [f.Query("BEGIN; DELETE FROM ten; COMMIT")],
        "returning": [f.Query("DELETE FROM ten RETURNING a")],
    }
    with raw_client(shop) as client:
        for name, messages in asked.items():
            said = short(client.ask(*messages))
            newest = "C COMMIT" if name == "block" else "C DELETE 10"
            assert newest not in said, (name, said)
            assert any(line.startswith(f"ERROR {HELD}") for line in said), (name, said)
            assert said[-1] == "Z I"
            shop.gateway.withdraw(shop.held().id)
    done = shop.psql("-c", "DELETE FROM ten")
    assert done.returncode == 1
    assert "DELETE" not in done.stdout
    assert "waits for the approval" in done.stderr
    assert shop.count("ten") == 10


def test_no_completion_on_flush_before_the_decision(shop: Shop) -> None:
    with raw_client(shop) as client:
        client.send(*extended("DELETE FROM ten"), FLUSH)
        said = short(client.until(b.ErrorResponse))
        assert said[:2] == ["ParseComplete", "BindComplete"]
        assert said[2].startswith(f"ERROR {HELD}")
        assert short(client.ask(SYNC)) == ["Z I"]
    assert shop.count("ten") == 10


def test_returning_needs_the_right_to_read(shop: Shop) -> None:
    blind = shop.new_agent((Action.CREATE, Action.UPDATE, Action.DELETE))
    with raw_client(shop, blind) as client:
        for sql in (
            "UPDATE ten SET b = 'x' WHERE a = 1 RETURNING *",
            "INSERT INTO ten VALUES (100, 'x') RETURNING a",
            "DELETE FROM ten WHERE a = 1 RETURNING b",
            "WITH x AS (UPDATE ten SET b = 'x' WHERE a = 1 RETURNING *) SELECT * FROM x",
            "SELECT * FROM ten",
            "COPY ten TO STDOUT",
            "TABLE ten",
        ):
            for messages in ([f.Query(sql)], [*extended(sql), SYNC]):
                said = short(client.ask(*messages))
                assert [line.split()[1] for line in said if line.startswith("ERROR")] == [FORBIDDEN], (
                    sql,
                    said,
                )
                assert not [line for line in said if line.startswith(("D ", "d "))], (sql, said)
        assert client.query("UPDATE ten SET b = 'x' WHERE a = 1") == ["C UPDATE 1", "Z I"]
    assert shop.count("ten") == 10


# -- beside the transaction


def test_maintenance_runs_read_only(shop: Shop) -> None:
    shop.make(
        "CREATE TABLE indexed (a int); INSERT INTO indexed SELECT generate_series(1, 50);"
        "CREATE FUNCTION key(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';"
        "CREATE INDEX indexed_key ON indexed (key(a));"
        "CREATE OR REPLACE FUNCTION key(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS"
        " 'BEGIN DELETE FROM ten; RETURN $1; END'"
    )
    try:
        with shop.connect() as agent:
            for sql in (
                "ANALYZE indexed",
                "VACUUM ANALYZE indexed",
                "VACUUM (FULL, ANALYZE) indexed",
                "REINDEX INDEX indexed_key",
                "REINDEX TABLE indexed",
                "CLUSTER indexed USING indexed_key",
            ):
                with pytest.raises(psycopg.Error) as caught:
                    agent.execute(sql.encode())
                if caught.value.sqlstate == HELD:
                    shop.approve_held()
                    with pytest.raises(psycopg.Error) as caught:
                        agent.execute(sql.encode())
                assert not (caught.value.sqlstate or "").startswith("IL"), sql
                assert shop.count("ten") == 10, sql
            agent.execute("VACUUM ten")
            agent.execute("ANALYZE ten")
    finally:
        shop.make("DROP TABLE indexed; DROP FUNCTION key")


def test_sequences_are_decided_before_they_move(shop: Shop) -> None:
    reader = shop.new_agent((Action.READ,))
    with shop.connect(reader) as agent:
        for sql in (
            "SELECT setval('tickets', 1000)",
            "SELECT nextval('tickets')",
            "INSERT INTO notes (body) VALUES ('x')",
        ):
            with fails(FORBIDDEN):
                agent.execute(sql.encode())
    assert shop.database.psql("SELECT last_value, is_called FROM tickets") == [(1, False)]
    with shop.connect() as agent:
        with fails(FORBIDDEN, HELD), agent.transaction():
            agent.execute("SELECT setval('tickets', 1000)")
        # What numbers the rows of a table is no obstacle to inserting them.
        with agent.transaction():
            agent.execute("INSERT INTO notes (body) VALUES ('x')")
        agent.execute("INSERT INTO notes (body) VALUES ('y')")
    assert shop.count("notes") == 2
    assert shop.database.psql("SELECT last_value, is_called FROM tickets") == [(1, False)]


def test_large_objects_are_not_lost(shop: Shop) -> None:
    oid = shop.database.psql("SELECT lo_from_bytea(0, 'precious')")[0][0]
    shop.database.psql(f"ALTER LARGE OBJECT {oid} OWNER TO {ROLES.upstream}")
    with shop.connect() as agent:
        for sql in (
            f"SELECT lo_unlink({oid})",
            f"SELECT lo_put({oid}, 0, 'gone')",
            f"SELECT lo_truncate(lo_open({oid}, 131072), 0)",
        ):
            with fails(HELD, FORBIDDEN, "25006"):
                agent.execute(sql.encode())
    assert bytes(shop.database.psql(f"SELECT lo_get({oid})")[0][0]) == b"precious"
    shop.database.psql(f"SELECT lo_unlink({oid})")


def test_what_no_rollback_undoes_does_not_run(shop: Shop, tmp_path: Path) -> None:
    with shop.database.connect(autocommit=True) as bystander:
        pid = bystander.info.backend_pid
        with shop.connect() as agent:
            for sql in (
                f"SELECT pg_terminate_backend({pid})",
                f"SELECT pg_cancel_backend({pid})",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity",
                "SELECT pg_reload_conf()",
                "SELECT pg_switch_wal()",
                "SELECT pg_read_file('postgresql.conf')",
                "SELECT pg_create_physical_replication_slot('x')",
                "SELECT pg_logical_emit_message(true, 'a', 'b')",
                f"COPY ten TO PROGRAM 'cat > {tmp_path}/out'",
                f"COPY ten TO '{tmp_path}/out'",
                "COPY ten FROM PROGRAM 'echo 1'",
                "LOAD 'auto_explain'",
                "ALTER SYSTEM SET fsync = off",
                "CREATE DATABASE another",
                "CHECKPOINT",
            ):
                with fails(HELD, FORBIDDEN):
                    agent.execute(sql.encode())
                for waiting in shop.changes(ChangeState.HELD):
                    shop.gateway.withdraw(waiting.id)
        assert bystander.execute("SELECT 1").fetchone() == (1,)
    assert list(tmp_path.iterdir()) == []
    assert shop.database.psql("SELECT count(*) FROM pg_replication_slots") == [(0,)]


# -- settings and roles


def test_set_config_is_judged_as_set(shop: Shop) -> None:
    with shop.connect() as agent:
        for sql in (
            "SELECT set_config('track_counts', 'off', false)",
            "SELECT set_config('session_replication_role', 'replica', false)",
            "SELECT set_config('role', 'postgres', false)",
            "SELECT set_config('track_' || 'counts', 'off', false)",
            "SELECT set_config(b, 'off', false) FROM ten",
            "UPDATE pg_settings SET setting = 'off' WHERE name = 'track_counts'",
        ):
            with fails(FORBIDDEN, HELD, NO_PRIVILEGE):
                agent.execute(sql.encode())
        agent.execute("SELECT set_config('search_path', 'pg_catalog', false)")
        with fails("42P01"):
            agent.execute("SELECT * FROM ten")
        agent.execute("SELECT set_config('search_path', 'public', false)")
        with fails(HELD):
            agent.execute("DELETE FROM ten")


def test_triggers_cannot_be_switched_off(shop: Shop) -> None:
    with shop.connect() as agent:
        for sql in (
            "SET session_replication_role = replica",
            "SET SESSION AUTHORIZATION postgres",
            "SET ROLE postgres",
            "SET track_counts = off",
            "SET track_activities = off",
        ):
            with fails(FORBIDDEN):
                agent.execute(sql.encode())
        with fails(FORBIDDEN, HELD, NO_PRIVILEGE):
            agent.execute("ALTER TABLE payments DISABLE TRIGGER ALL")


def test_commits_wait_for_the_disk(shop: Shop) -> None:
    with shop.connect() as agent:
        agent.execute("SET synchronous_commit = off")
        agent.execute("UPDATE ten SET b = 'x' WHERE a = 1")
        assert agent.execute("SELECT current_setting('synchronous_commit')").fetchone() == ("on",)
        with agent.transaction():
            agent.execute("SET LOCAL synchronous_commit = off")
            agent.execute("UPDATE ten SET b = 'y' WHERE a = 1")
            assert agent.execute("SELECT current_setting('synchronous_commit')").fetchone() == ("on",)


def test_own_role_cannot_be_changed(shop: Shop) -> None:
    look = (
        "SELECT a.rolpassword, a.rolcanlogin, s.setconfig FROM pg_authid a"
        f" LEFT JOIN pg_db_role_setting s ON s.setrole = a.oid WHERE rolname = '{ROLES.upstream}'"
    )
    before = shop.database.psql(look)
    with shop.connect() as agent:
        for sql in (
            f"ALTER ROLE {ROLES.upstream} PASSWORD 'mine now'",
            "ALTER USER CURRENT_USER PASSWORD 'mine now'",
            "ALTER ROLE SESSION_USER SET default_transaction_read_only = off",
            f"ALTER ROLE {ROLES.upstream} SET search_path = evil",
            f"ALTER ROLE {ROLES.upstream} VALID UNTIL '2000-01-01'",
            f"ALTER ROLE {ROLES.upstream} NOLOGIN",
            "ALTER ROLE ALL SET work_mem = '1MB'",
        ):
            with fails(FORBIDDEN, HELD):
                agent.execute(sql.encode())
            for waiting in shop.changes(ChangeState.HELD):
                shop.gateway.withdraw(waiting.id)
        for sql in (
            f"ALTER ROLE {ROLES.upstream} PASSWORD 'mine now'",
            "ALTER ROLE CURRENT_USER SET work_mem = '1MB'",
        ):
            with fails(FORBIDDEN):
                agent.execute(sql.encode())
    assert shop.database.psql(look) == before


# -- other ends of a transaction


def test_chained_transactions_are_decided_each(shop: Shop) -> None:
    with shop.connect() as agent:
        agent.execute("BEGIN")
        agent.execute("UPDATE ten SET b = 'x' WHERE a = 1")
        agent.execute("COMMIT AND CHAIN")
        agent.execute("DELETE FROM ten")
        with fails(HELD):
            agent.execute("COMMIT AND CHAIN")
        assert agent.info.transaction_status == pq.TransactionStatus.IDLE
        with fails(HELD):
            agent.execute("BEGIN; DELETE FROM ten; COMMIT AND CHAIN; SELECT 1")
    assert shop.count("ten") == 10
    assert shop.database.psql("SELECT b FROM ten WHERE a = 1") == [("x",)]


def test_first_phase_is_decided_as_a_commit(shop: Shop) -> None:
    look = "SELECT gid FROM pg_prepared_xacts"
    with shop.connect() as agent:

        def prepared() -> None:
            agent.execute("BEGIN")
            agent.execute("DELETE FROM ten")
            agent.execute("PREPARE TRANSACTION 'emptied'")

        with fails(HELD):
            prepared()
        assert shop.database.psql(look) == []
        assert agent.info.transaction_status == pq.TransactionStatus.IDLE
        shop.approve_held()
        prepared()
        assert shop.database.psql(look) == [("emptied",)]
        agent.execute("COMMIT PREPARED 'emptied'")
    assert shop.count("ten") == 0


# -- portals and statements


def test_portal_is_checked_when_it_runs_at_last(shop: Shop) -> None:
    """A portal that was bound, and not executed because of a mistake behind it, is still to be checked when it is executed."""
    with shop.database.connect(autocommit=True) as bystander, raw_client(shop) as client:
        pid = bystander.info.backend_pid
        client.query("BEGIN")
        client.query("SAVEPOINT s")
        sql = f"SELECT pg_cancel_backend({pid})"
        client.ask(f.Parse("c", sql), f.Bind("p", "c"), SYNC)
        client.ask(f.Execute("p"), f.Bind("q", "nope"), SYNC)
        client.query("ROLLBACK TO s")
        said = short(client.ask(f.Bind("p", "c"), f.Execute("p"), SYNC))
        assert "D t" not in said, said
        assert any(line.startswith(f"ERROR {FORBIDDEN}") for line in said), said
        client.query("ROLLBACK")
        client.query("BEGIN")
        client.ask(f.Bind("p", "c"), SYNC)
        client.ask(f.Execute("p"), f.Bind("q", "nope"), SYNC)
        client.query("ROLLBACK")


def test_portal_of_an_old_name_is_checked(shop: Shop) -> None:
    with shop.database.connect(autocommit=True) as bystander, raw_client(shop) as client:
        pid = bystander.info.backend_pid
        client.query("BEGIN")
        client.ask(*extended("SELECT a FROM ten", portal="p", rows=1), SYNC)
        client.query("COMMIT")
        client.query("BEGIN")
        said = short(client.ask(*extended(f"SELECT pg_cancel_backend({pid})", portal="p"), SYNC))
        assert "D t" not in said, said
        assert any(line.startswith(f"ERROR {FORBIDDEN}") for line in said), said


def test_statement_prepared_before_an_error_is_known(shop: Shop) -> None:
    with shop.database.connect(autocommit=True) as bystander, raw_client(shop) as client:
        pid = bystander.info.backend_pid
        client.query("PREPARE p AS SELECT true")
        client.query(f"DEALLOCATE p; PREPARE p AS SELECT pg_cancel_backend({pid}); SELECT 1/0")
        said = client.query("EXECUTE p")
        assert "D t" not in said, said
        client.query("BEGIN")
        said = client.query("EXECUTE p")
        assert "D t" not in said, said
