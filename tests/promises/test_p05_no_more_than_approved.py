"""P5 No more than was approved: the effect is measured again at the commit, and what differs is held again with the difference."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from tests.promises.conftest import Serve
from tests.real.conftest import Shop, fails

from interlock.model.change import Change, ChangeState
from interlock.testing.gateway import ROLES

HELD = "IL001"
Agent = psycopg.Connection[tuple[Any, ...]]


def approved(shop: Shop, agent: Agent, sql: str) -> Change:
    with fails(HELD):
        agent.execute(sql.encode())
    return shop.approve_held()


def held_again(shop: Shop, agent: Agent, sql: str, before: Change, *differences: str) -> None:
    """Sent again it is held anew, says the difference, and the approval is gone."""
    with fails(HELD) as error:
        agent.execute(sql.encode())
    told = error.caught.diag.message_detail or ""
    assert "held again" in str(error.caught)
    for difference in differences:
        assert difference in told
    assert shop.held().replaces == before.id
    assert shop.gateway.change(before.id).state is ChangeState.WITHDRAWN


@contextmanager
def made(shop: Shop, make: str, unmake: str) -> Iterator[None]:
    """Something more in the database, for the length of the block."""
    shop.make(make)
    try:
        yield
    finally:
        shop.make(unmake)


MORE = """
CREATE TABLE audit (note text);
CREATE TABLE children (ten int REFERENCES ten ON DELETE NO ACTION);
CREATE TABLE later (a int);
CREATE TABLE fresh (a int, b text);
INSERT INTO fresh SELECT i, 'fresh ' || i FROM generate_series(1, 10) i;
CREATE VIEW source AS SELECT a, b FROM fresh;
CREATE VIEW outer_source AS SELECT a, b FROM source;
CREATE VIEW low AS SELECT a, b FROM ten WHERE a > 0;
CREATE FUNCTION inner_step() RETURNS void LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION tidy() RETURNS void LANGUAGE plpgsql AS 'BEGIN DELETE FROM ten; PERFORM inner_step(); END';
CREATE FUNCTION drops() RETURNS void LANGUAGE plpgsql AS 'BEGIN DROP TABLE later; END';
CREATE FUNCTION spare(int) RETURNS bool LANGUAGE sql STABLE AS 'SELECT $1 > 0';
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN PERFORM inner_step(); RETURN COALESCE(NEW, OLD); END';
CREATE TRIGGER noted BEFORE UPDATE ON ten FOR EACH ROW EXECUTE FUNCTION noted();
CREATE FUNCTION silent() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN COALESCE(NEW, OLD); END';
"""
LESS = """
DROP TABLE audit, children; DROP TABLE IF EXISTS later; DROP VIEW outer_source, source, low; DROP TABLE fresh;
DROP TRIGGER noted ON ten; DROP FUNCTION noted, silent, tidy, inner_step, drops, spare;
"""
EMPTY = "DELETE FROM ten"
ALL = "UPDATE ten SET b = 'all'"

DIFFERENCES = {
    "a trigger was added": (
        EMPTY,
        "CREATE TRIGGER more BEFORE DELETE ON ten FOR EACH ROW EXECUTE FUNCTION silent()",
        "DROP TRIGGER more ON ten",
    ),
    "a trigger was switched off": (
        ALL,
        "ALTER TABLE ten DISABLE TRIGGER noted",
        "ALTER TABLE ten ENABLE TRIGGER noted",
    ),
    "a trigger's function was replaced": (
        ALL,
        "CREATE OR REPLACE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.b := ''harm''; RETURN NEW; END'",
        "SELECT",
    ),
    "a function that a trigger calls was replaced": (
        ALL,
        "CREATE OR REPLACE FUNCTION inner_step() RETURNS void LANGUAGE sql AS 'SELECT 2'",
        "SELECT",
    ),
    "a function was replaced": (
        "SELECT tidy()",
        "CREATE OR REPLACE FUNCTION tidy() RETURNS void LANGUAGE plpgsql AS 'BEGIN DELETE FROM ten WHERE a > 0; END'",
        "SELECT",
    ),
    "a function that it calls was replaced": (
        "SELECT tidy()",
        "CREATE OR REPLACE FUNCTION inner_step() RETURNS void LANGUAGE sql AS 'SELECT 3'",
        "SELECT",
    ),
    "a function of the condition was replaced": (
        "DELETE FROM ten WHERE spare(a)",
        "CREATE OR REPLACE FUNCTION spare(int) RETURNS bool LANGUAGE sql STABLE AS 'SELECT true'",
        "SELECT",
    ),
    "a function has other settings": (
        "SELECT tidy()",
        "ALTER FUNCTION tidy() SET work_mem = '1MB'",
        "ALTER FUNCTION tidy() RESET work_mem",
    ),
    "a function runs as its owner": ("SELECT tidy()", "ALTER FUNCTION tidy() SECURITY DEFINER", "SELECT"),
    "a function that only defines was replaced": (
        "SELECT drops()",
        "CREATE OR REPLACE FUNCTION drops() RETURNS void LANGUAGE plpgsql AS 'BEGIN DROP TABLE IF EXISTS later; END'",
        "SELECT",
    ),
    "a column was added": (ALL, "ALTER TABLE ten ADD c int", "ALTER TABLE ten DROP c"),
    "a column has another default": (
        EMPTY,
        "ALTER TABLE ten ALTER b SET DEFAULT 'x'",
        "ALTER TABLE ten ALTER b DROP DEFAULT",
    ),
    "a column has another type": (
        "UPDATE fresh SET b = 'all'",
        "DROP VIEW outer_source, source; ALTER TABLE fresh ALTER b TYPE varchar(100);"
        "CREATE VIEW source AS SELECT a, b FROM fresh; CREATE VIEW outer_source AS SELECT a, b FROM source",
        "SELECT",
    ),
    "a rule was added": (
        EMPTY,
        "CREATE RULE more AS ON DELETE TO ten DO ALSO NOTHING",
        "DROP RULE more ON ten",
    ),
    "a foreign key cascades now": (
        EMPTY,
        "ALTER TABLE children DROP CONSTRAINT children_ten_fkey,"
        " ADD CONSTRAINT children_ten_fkey FOREIGN KEY (ten) REFERENCES ten ON DELETE CASCADE",
        "SELECT",
    ),
    "a constraint was added": (
        ALL,
        "ALTER TABLE ten ADD CONSTRAINT more CHECK (a > 0)",
        "ALTER TABLE ten DROP CONSTRAINT more",
    ),
    "row security was switched on": (
        EMPTY,
        "ALTER TABLE ten ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE ten DISABLE ROW LEVEL SECURITY",
    ),
    "a policy was added": (
        EMPTY,
        "CREATE POLICY more ON ten USING (true)",
        "DROP POLICY more ON ten",
    ),
    "the view that is read says something else": (
        "UPDATE ten SET b = s.b FROM source s WHERE s.a = ten.a",
        "CREATE OR REPLACE VIEW source AS SELECT a, 'harm'::text AS b FROM fresh",
        "SELECT",
    ),
    "a view behind the view says something else": (
        "UPDATE ten SET b = s.b FROM outer_source s WHERE s.a = ten.a",
        "CREATE OR REPLACE VIEW source AS SELECT a, 'harm'::text AS b FROM fresh",
        "SELECT",
    ),
    "the view that is written through has another condition": (
        "UPDATE low SET b = 'all'",
        "CREATE OR REPLACE VIEW low AS SELECT a, b FROM ten",
        "SELECT",
    ),
}
"""By what was changed between the approval and the commit: the approved work, the change, and how it is taken back."""


@pytest.mark.parametrize("name", DIFFERENCES)
def test_another_definition_is_not_the_approved_one(shop: Shop, name: str) -> None:
    """None of these changes how many rows, or which, are affected."""
    sql, change, back = DIFFERENCES[name]
    with made(shop, MORE, LESS), shop.connect() as agent:
        before = approved(shop, agent, sql)
        with made(shop, change, back):
            held_again(shop, agent, sql, before, "a definition")
        assert shop.count("ten") == 10
        assert shop.database.psql("SELECT count(*) FROM ten WHERE b LIKE 'row %'") == [(10,)]


def test_what_did_not_take_part_may_change(shop: Shop) -> None:
    with made(shop, MORE, LESS), shop.connect() as agent:
        before = approved(shop, agent, EMPTY)
        with made(
            shop,
            "ALTER TABLE audit ADD c int; CREATE OR REPLACE VIEW source AS SELECT a, 'x'::text AS b FROM fresh;"
            "CREATE FUNCTION another() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "DROP FUNCTION another",
        ):
            assert agent.execute(EMPTY).rowcount == 10
        assert shop.gateway.change(before.id).state is ChangeState.APPLIED


def test_without_an_observer_definitions_are_compared_too(serve18: Serve) -> None:
    with serve18(observer=False) as shop, made(shop, MORE, LESS), shop.connect() as agent:
        before = approved(shop, agent, "SELECT tidy()")
        shop.make(DIFFERENCES["a function was replaced"][1])
        held_again(shop, agent, "SELECT tidy()", before, "a definition")
        assert shop.count("ten") == 10


# -- the effect


def test_another_table_is_emptied_as_well(shop: Shop) -> None:
    """What is called was approved as it is, and does more by now: the difference is named, table by table."""
    work = (
        "CREATE FUNCTION work() RETURNS void LANGUAGE plpgsql AS 'BEGIN DELETE FROM ten;"
        " IF EXISTS (SELECT FROM notes) THEN DELETE FROM tempting; END IF; END'"
    )
    with made(shop, work, "DROP FUNCTION work"), shop.connect() as agent:
        before = approved(shop, agent, "SELECT work()")
        shop.database.psql("INSERT INTO notes (body) VALUES ('go on')")
        held_again(
            shop, agent, "SELECT work()", before, "public.tempting: 10 rows deleted, approved was none"
        )
        assert (shop.count("ten"), shop.count("tempting")) == (10, 10)


def test_another_column_is_changed_as_well(shop: Shop) -> None:
    sql = "UPDATE customers SET name = 'anonymous', email = coalesce((SELECT body FROM notes LIMIT 1), email)"
    with shop.connect() as agent:
        before = approved(shop, agent, sql)
        shop.database.psql("INSERT INTO notes (body) VALUES ('spam')")
        held_again(shop, agent, sql, before, "also changes email")
    assert shop.database.psql(
        "SELECT count(*) FROM customers WHERE email = 'spam' OR name = 'anonymous'"
    ) == [(0,)]


def test_the_same_words_mean_another_table(shop: Shop) -> None:
    """Where a name leads is the server's business: a schema put in front by the role's own setting changes it for new sessions,
    a table that comes into being in front does at once."""
    front = "CREATE SCHEMA front; GRANT ALL ON SCHEMA front TO PUBLIC"
    shop.database.psql(front)
    try:
        with shop.connect(options="-c search_path=front,public") as agent:
            before = approved(shop, agent, EMPTY)
            shop.database.psql(
                f"CREATE TABLE front.ten (LIKE public.ten INCLUDING ALL); ALTER TABLE front.ten OWNER TO {ROLES.upstream};"
                "INSERT INTO front.ten SELECT * FROM public.ten"
            )
            shop.gateway.reread()
            held_again(shop, agent, EMPTY, before, "front.ten")
        assert shop.database.psql("SELECT count(*) FROM front.ten") == [(10,)]
        assert shop.count("public.ten") == 10
    finally:
        shop.database.psql("DROP SCHEMA front CASCADE")
        shop.gateway.reread()


def test_the_role_has_another_search_path_by_now(shop: Shop) -> None:
    """Approved under one path; under another the same text is other work, and nobody's approval covers it."""
    with shop.connect() as agent:
        first = approved(shop, agent, EMPTY)
    shop.database.psql(
        f'ALTER ROLE il_agent IN DATABASE "{shop.database.name}" SET search_path = elsewhere, public'
    )
    try:
        with shop.connect() as agent, fails(HELD):
            agent.execute(EMPTY)
        assert shop.held().replaces == ""
        assert shop.gateway.change(first.id).state is ChangeState.APPROVED
        assert shop.count("ten") == 10
    finally:
        shop.database.psql(f'ALTER ROLE il_agent IN DATABASE "{shop.database.name}" RESET search_path')


# -- smaller


def test_fewer_of_the_approved_rows_pass_and_fewer_others_do_not(shop: Shop) -> None:
    sql = "DELETE FROM orders WHERE total > 100"
    with shop.connect() as agent:
        before = approved(shop, agent, sql)
        shop.database.psql("DELETE FROM orders WHERE id > 290")
        # Fewer than were approved, but one of them is another.
        shop.database.psql(
            "INSERT INTO orders VALUES (1000, 1, 1000); INSERT INTO payments VALUES (1000, 1000)"
        )
        held_again(shop, agent, sql, before, "not provably among the approved")
        again = shop.approve_held()
        shop.database.psql("DELETE FROM orders WHERE id = 1000")
        agent.execute(sql)
        assert shop.gateway.change(again.id).state is ChangeState.APPLIED
    assert shop.database.psql("SELECT count(*) FROM orders WHERE total > 100") == [(0,)]


def test_fewer_rows_that_empty_a_table_do_not_pass(shop: Shop) -> None:
    """Nine of ten were approved. Of eight, all are lost."""
    sql = "DELETE FROM ten WHERE a <= 9"
    with shop.connect() as agent:
        before = approved(shop, agent, sql)
        shop.database.psql("DELETE FROM ten WHERE a >= 9")
        held_again(shop, agent, sql, before, "now emptied")
    assert shop.count("ten") == 8


def test_what_can_no_longer_be_undone_does_not_pass(serve18: Serve) -> None:
    """Approved as revertible; by now the observer may not read the rows."""
    with serve18() as shop, shop.connect() as agent:
        before = approved(shop, agent, EMPTY)
        shop.database.psql(
            "REVOKE pg_read_all_data FROM il_observer; REVOKE SELECT ON ten FROM il_observer, PUBLIC"
        )
        try:
            held_again(shop, agent, EMPTY, before, "can no longer be reverted")
        finally:
            shop.database.psql("GRANT pg_read_all_data TO il_observer")
        assert shop.count("ten") == 10


# -- at the last moment


def test_applied_by_the_gateway_is_measured_again_too(shop: Shop) -> None:
    with made(shop, MORE, LESS):
        with shop.connect() as agent:
            before = approved(shop, agent, "SELECT tidy()")
        shop.make(DIFFERENCES["a function was replaced"][1])
        answer = shop.gateway.apply(before.id)
        assert "definition" in str(answer)
        assert shop.count("ten") == 10
        assert shop.gateway.change(before.id).state is ChangeState.WITHDRAWN
