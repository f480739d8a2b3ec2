"""Way 3: history triggers tell which rows were touched, where the table is too large to be searched."""

from collections.abc import Iterator

import pytest
from tests.connectors.postgres.rig import Rig, dump, rig, told

from interlock.connectors.postgres import history, preview
from interlock.connectors.postgres.preview import Limits, Predicate
from interlock.connectors.postgres.queries import Ask, Steps
from interlock.model.errors import Rejected
from interlock.sdk.connector import Preview
from interlock.testing.peers.pg import PgDatabase

NOTHING = Limits(scan_rows=0, scan_bytes=0, predicate_rows=3)
"""No table is small enough for way 2."""

SHOP = """
CREATE TABLE p (id int PRIMARY KEY, v int, note text);
CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE, v int,
                twice int GENERATED ALWAYS AS (v * 2) STORED);
CREATE TABLE q (k int, v int, PRIMARY KEY (k, v)) PARTITION BY LIST (k);
CREATE TABLE q0 PARTITION OF q FOR VALUES IN (0);
CREATE TABLE q1 PARTITION OF q DEFAULT;
CREATE TABLE base (id int PRIMARY KEY); CREATE TABLE heir (extra text, PRIMARY KEY (id)) INHERITS (base);
CREATE TABLE bare (id int, v text);
INSERT INTO p SELECT i, i, 'n' FROM generate_series(1, 6) i;
INSERT INTO c SELECT i, (i + 1) / 2, i FROM generate_series(1, 10) i;
INSERT INTO q SELECT i % 3, i FROM generate_series(1, 9) i;
INSERT INTO base VALUES (1), (2); INSERT INTO heir VALUES (3, 'x'), (4, 'y');
INSERT INTO bare SELECT i % 3, 'v' FROM generate_series(1, 9) i;
ANALYZE;
"""
ALL = ("p", "c", "q", "base", "public.bare")

CHANGES = [
    ("UPDATE p SET v = v + 1",),
    ("DELETE FROM p WHERE id < 4",),
    ("UPDATE p SET id = id + 100 WHERE id > 4", "UPDATE p SET note = 'again' WHERE id > 100"),
    ("INSERT INTO p VALUES (9, 9), (10, 10)", "UPDATE p SET v = 0 WHERE id = 9", "DELETE FROM p WHERE id = 10"),
    ("DELETE FROM p WHERE id = 1", "INSERT INTO p VALUES (1, 7, 'back')"),
    ("SAVEPOINT a", "UPDATE p SET v = 8 WHERE id = 2", "RELEASE a", "UPDATE p SET note = 'b' WHERE id = 2"),
    ("MERGE INTO c USING generate_series(9, 12) g ON c.id = g WHEN MATCHED THEN DELETE"
     " WHEN NOT MATCHED THEN INSERT (id, p, v) VALUES (g, 1, g)",),
    ("INSERT INTO p VALUES (1, 5) ON CONFLICT (id) DO UPDATE SET v = excluded.v",),
    ("UPDATE q SET k = 0 WHERE k = 1", "DELETE FROM q WHERE v = 9", "INSERT INTO q VALUES (7, 7)"),
    ("UPDATE base SET id = id + 10", "DELETE FROM heir WHERE id = 13"),
    ("DELETE FROM bare WHERE id = 1", "UPDATE bare SET v = 'w' WHERE id = 2", "INSERT INTO bare VALUES (2, 'w'), (NULL, NULL)"),
]  # fmt: skip


def as_maintainer(made: Rig, steps: Steps[list[str]]) -> list[str]:
    """One transaction of the maintainer's."""
    made.maintainer.run("BEGIN READ WRITE")
    try:
        result = made.drive(steps)
    except BaseException:
        made.maintainer.run("ROLLBACK")
        raise
    made.maintainer.run("COMMIT")
    return result


def protect(made: Rig, *tables: str) -> list[str]:
    roles = (made.agent_role, f"{made.database.name}_maintainer")
    return as_maintainer(made, history.protect(tables, roles, ("public",)))


@pytest.fixture
def shop(fresh_db18: PgDatabase) -> Iterator[Rig]:
    with rig(fresh_db18, SHOP) as made:
        yield made


@pytest.fixture
def each(fresh_db: PgDatabase) -> Iterator[Rig]:
    """On each version in turn."""
    with rig(fresh_db, SHOP) as made:
        yield made


def applied(made: Rig, *statements: str, limits: Limits = NOTHING) -> Preview:
    made.begin()
    for statement in statements:
        made.run(statement)
    result = made.measure(limits)
    made.commit()
    return result


def rows(made: Rig) -> str:
    """The users' data; what the triggers wrote down aside."""
    return "\n".join(line for line in dump(made.database).splitlines() if "row_history" not in line)


@pytest.mark.parametrize("change", CHANGES, ids=range(len(CHANGES)))
def test_large_tables_with_triggers_are_reversible(each: Rig, change: tuple[str, ...]) -> None:
    protect(each, *ALL)
    before = rows(each)
    result = applied(each, *change)
    assert rows(each) != before
    assert not any("!" in line or "interlock" in line for line in told(result)), told(result)
    assert result.measurement.undo_how == "history"
    assert each.revert(result).complete
    assert rows(each) == before


def test_without_triggers_they_are_not(shop: Rig) -> None:
    assert told(applied(shop, "UPDATE p SET v = 0 WHERE id = 1")) == {"updated 1 rows public.p!"}


def test_no_trigger_is_left_after_unprotect(shop: Rig) -> None:
    before = dump(shop.database)
    assert protect(shop, "p", "q") == ["public.p", "public.q", "public.q0", "public.q1"]
    assert as_maintainer(shop, history.unprotect(["p"], ("public",))) == ["public.p"]
    assert as_maintainer(shop, history.unprotect(["public.q"], ("public",))) == ["public.q"]
    assert dump(shop.database) == before
    with pytest.raises(Rejected, match="not protected"):
        as_maintainer(shop, history.unprotect(["p"], ("public",)))


def test_protecting_twice_and_a_parent_after_its_partition(shop: Rig) -> None:
    protect(shop, "q0")
    protect(shop, "q")
    protect(shop, "q", "p", "q1")
    shop.script("CREATE TABLE q2 PARTITION OF q FOR VALUES IN (2000)")
    found = as_maintainer(shop, _listed(shop))
    assert found == ["public.p", "public.q", "public.q0", "public.q1", "public.q2"]
    result = applied(shop, "INSERT INTO q VALUES (2000, 1)", "DELETE FROM q WHERE k = 0")
    assert result.measurement.undo_how == "history"
    assert shop.revert(result).complete


def _listed(made: Rig) -> Steps[list[str]]:
    found = yield from history.installed((made.agent_role,))
    assert not any(one.fault for one in found), found
    return [one.table for one in found]


def test_what_is_wrong_with_triggers_is_told(shop: Rig) -> None:
    protect(shop, "p", "c")
    shop.script("ALTER TABLE c DISABLE TRIGGER _interlock_history")
    rows_found = shop.step(Ask("observer", (history.installed_statement(),)))[0]
    c, p = history.read_installed(rows_found, (shop.agent_role, 'an "odd", role'))
    assert (c.table, c.fault) == ("public.c", "its history trigger is not enabled always")
    assert p.fault == 'its history trigger does not fire for an "odd", role'


@pytest.mark.parametrize("names", [("nowhere",), ("p", "public.nowhere"), ("a b",), ("pg_catalog.pg_class",)])
def test_what_is_no_table_is_refused(shop: Rig, names: tuple[str, ...]) -> None:
    with pytest.raises(Rejected):
        protect(shop, *names)


def test_only_the_owner_may_protect(shop: Rig) -> None:
    shop.database.psql("CREATE TABLE foreign_owned (a int)")
    with pytest.raises(Rejected, match=r"belongs to postgres, .* GRANT \"postgres\" TO the maintainer"):
        protect(shop, "foreign_owned")


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE p DISABLE TRIGGER _interlock_history",
        "ALTER TABLE p DISABLE TRIGGER USER",
        "ALTER TABLE p ENABLE REPLICA TRIGGER _interlock_history",
        "DROP TRIGGER _interlock_history ON p",
        "ALTER TRIGGER _interlock_history ON p RENAME TO x",
        "DO $$ BEGIN EXECUTE 'ALTER TABLE p DISABLE TRIGGER USER'; END $$",
        "ALTER TABLE q DETACH PARTITION q0",
    ],
)
def test_an_agent_may_not_touch_the_triggers(shop: Rig, statement: str) -> None:
    protect(shop, *ALL)
    shop.begin()
    shop.run(statement)
    with pytest.raises(Rejected, match="may not be changed"):
        shop.measure()
    shop.rollback()


def test_a_table_may_be_dropped_with_its_triggers(shop: Rig) -> None:
    protect(shop, *ALL)
    result = shop.work("DROP TABLE c, bare")
    assert {"deleted table public.c!", "deleted table public.bare!"} <= {
        line.replace("!", "") + "!" for line in told(result)
    }


def test_a_trigger_that_misses_something_makes_no_image(shop: Rig) -> None:
    """Rows that were changed before there were triggers in the transaction, say: the numbers tell."""
    protect(shop, "p")
    shop.database.psql("ALTER TABLE p DISABLE TRIGGER _interlock_history")
    assert told(applied(shop, "UPDATE p SET v = 0")) == {"updated 6 rows public.p!"}
    shop.database.psql("ALTER TABLE p ENABLE ALWAYS TRIGGER _interlock_history")
    shop.begin()
    shop.run("UPDATE p SET v = 1 WHERE id = 1")
    with shop.database.connect(autocommit=True) as admin:
        admin.execute("UPDATE interlock_history.row_history SET was = '(4000,1)'")
    # What somebody else holds there is not this transaction's to see.
    assert told(shop.measure(NOTHING)) == {"updated 1 rows public.p"}
    shop.rollback()


def test_a_transaction_is_told_of_its_own_rows_alone(shop: Rig) -> None:
    protect(shop, "p")
    shop.begin()
    shop.run("UPDATE p SET v = 1 WHERE id = 1")
    shop.commit()
    shop.begin()
    shop.run("UPDATE p SET v = 2 WHERE id = 2")
    assert len(shop.run("SELECT * FROM interlock_gate.touched_rows()")) == 1
    shop.rollback()
    for forbidden in (
        "SELECT * FROM interlock_history.row_history",
        "INSERT INTO interlock_history.row_history VALUES ('1', 1)",
        "SELECT interlock_history.record_history()",
        "CREATE TRIGGER x AFTER INSERT ON c FOR EACH ROW EXECUTE FUNCTION interlock_history.record_history()",
    ):
        with pytest.raises(Exception, match="permission denied"):
            shop.script(forbidden)


def test_only_interlocks_own_sessions_are_written_down_and_swept(shop: Rig) -> None:
    protect(shop, "p")
    shop.database.psql("UPDATE p SET v = 5")
    count = "SELECT count(*) FROM interlock_history.row_history"
    assert shop.database.psql(count) == [(0,)]
    shop.begin()
    shop.run("SET LOCAL ROLE NONE")
    shop.run("UPDATE p SET v = 6")
    # Seen from elsewhere nothing is committed yet, and what is open is not swept.
    shop.maintainer.run(*history.sweep())
    assert len(shop.run("SELECT * FROM interlock_gate.touched_rows()")) == 6
    shop.commit()
    assert shop.database.psql(count) == [(6,)]
    shop.maintainer.run(*history.sweep())
    assert shop.database.psql(count) == [(0,)]


def test_a_revert_by_way_of_the_triggers_can_be_reverted(shop: Rig) -> None:
    protect(shop, *ALL)
    before = rows(shop)
    result = applied(shop, "DELETE FROM p WHERE id < 3", "INSERT INTO p VALUES (50, 1)")
    after = rows(shop)
    shop.revert(result)
    assert rows(shop) == before
    shop.revert(shop.measured)
    assert rows(shop) == after


def test_a_simple_statement_beyond_way_one_is_covered(shop: Rig) -> None:
    """Way 1 gives up beyond its limit of rows; the triggers do not."""
    protect(shop, "p")
    shop.begin()
    rows_locked = shop.agent.run(preview.image_before(Predicate("public", "p"), NOTHING))
    assert len(rows_locked) == NOTHING.predicate_rows + 1
    shop.captured.append(preview.Captured(tuple((a or "", b or "") for a, b in rows_locked)))
    shop.run("UPDATE p SET v = 0")
    assert told(shop.measure(NOTHING)) == {"updated 6 rows public.p"}
    shop.rollback()
