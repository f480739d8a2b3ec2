"""Counting and imaging changed rows, on real servers."""

from collections.abc import Iterator

import pytest
from tests.connectors.postgres.rig import Rig, effect, rig, told

from interlock.connectors.postgres import image
from interlock.connectors.postgres.preview import Limits, Predicate
from interlock.model.affected import part_of
from interlock.model.effect import ChangeKind, totals
from interlock.testing.peers.pg import PgDatabase

SHOP = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, n_orders int NOT NULL DEFAULT 0);
CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE ON UPDATE CASCADE, total numeric);
CREATE TABLE payments (id int PRIMARY KEY, "order" int REFERENCES orders ON DELETE CASCADE);
CREATE TABLE log (at timestamptz, what text);
INSERT INTO customers SELECT i, 'c' || i FROM generate_series(1, 20) i;
INSERT INTO orders SELECT i, (i - 1) / 5 + 1, i * 1.5 FROM generate_series(1, 100) i;
INSERT INTO payments SELECT i, i FROM generate_series(1, 100) i;
"""


@pytest.fixture
def shop(fresh_db: PgDatabase) -> Iterator[Rig]:
    with rig(fresh_db, SHOP) as made:
        yield made


def frames(parts: tuple[bytes, ...]) -> list[image.Frame]:
    return list(image.decode(parts))


def test_nothing_done_is_no_effect(shop: Rig) -> None:
    result = shop.work("UPDATE orders SET total = 0 WHERE id = 4711")
    assert result.measurement.effects == ()
    assert result.undo == ()
    assert result.marker == {}


def test_update_delete_insert(shop: Rig) -> None:
    result = shop.work(
        "UPDATE orders SET total = total + 1 WHERE id <= 3",
        "DELETE FROM payments WHERE id > 90",
        "INSERT INTO log VALUES (now(), 'x'), (now(), 'y')",
    )
    assert told(result) == {
        "updated 3 rows public.orders",
        "deleted 10 rows public.payments",
        "created 2 rows public.log",
    }
    assert effect(result, ChangeKind.UPDATED, "public.orders").columns == ("total",)
    deleted = effect(result, ChangeKind.DELETED, "public.payments")
    assert (deleted.before, deleted.before_at_least) == (100, False)
    assert result.measurement.undo_how == "new+xmax"
    assert result.marker.keys() == {"xid", "system", "timeline", "database"}


def test_counters_start_at_zero_each_time(shop: Rig) -> None:
    assert told(shop.work("DELETE FROM log")) == set()
    assert told(shop.applied("DELETE FROM payments WHERE id = 1")) == {"deleted 1 rows public.payments"}
    assert told(shop.work("DELETE FROM payments WHERE id = 2")) == {"deleted 1 rows public.payments"}


def test_cascades_count(shop: Rig) -> None:
    result = shop.work("DELETE FROM customers WHERE id = 1")
    assert told(result) == {
        "deleted 1 rows public.customers",
        "deleted 5 rows public.orders",
        "deleted 5 rows public.payments",
    }


def test_share_is_counted_no_further_than_needed(shop: Rig) -> None:
    shop.script("INSERT INTO log SELECT now(), i::text FROM generate_series(1, 1000) i")
    deleted = effect(shop.work("DELETE FROM log WHERE what = '7'"), ChangeKind.DELETED, "public.log")
    assert (deleted.before, deleted.before_at_least) == (100, True)
    assert totals([deleted]).share_deleted == 1


def test_emptied_table_is_known(shop: Rig) -> None:
    assert totals(shop.work("DELETE FROM payments").measurement.effects).tables_emptied == 1
    assert totals(shop.work("DELETE FROM payments WHERE id > 1").measurement.effects).tables_emptied == 0


def test_way_one_by_predicate_takes_one_step(shop: Rig) -> None:
    shop.work("UPDATE orders SET total = 7 WHERE id = 1")  # the layout is known from then on
    shop.begin()
    shop.capture(
        Predicate("public", "orders", "id < $1"), "UPDATE orders SET total = 1 WHERE id < $1", ("5",)
    )
    result = shop.measure()
    assert shop.rounds == 1
    assert told(result) == {"updated 4 rows public.orders"}
    assert result.measurement.undo_how == "predicate"
    (updated,) = [f for f in frames(result.undo) if isinstance(f, image.Updated)]
    assert sorted(updated.rows)[0] == (("1", "1", "1.5"), ("1", "1", "1"))


def test_way_one_follows_a_changed_key(shop: Rig) -> None:
    shop.begin()
    shop.capture(Predicate("public", "customers", "id = 1"), "UPDATE customers SET id = 1000 WHERE id = 1")
    result = shop.measure()
    assert told(result) == {"updated 1 rows public.customers", "updated 5 rows public.orders"}
    assert result.measurement.undo_how == "predicate+xmax"
    (updated,) = [f for f in frames(result.undo) if isinstance(f, image.Updated) and len(f.rows) == 1]
    assert updated.rows == ((("1", "c1", "0"), ("1000", "c1", "0")),)


def test_way_one_is_given_up_when_it_does_not_agree(shop: Rig) -> None:
    """A trigger suppresses one row and changes another: as many rows, but not the same."""
    shop.script("""
        CREATE FUNCTION swap() RETURNS trigger LANGUAGE plpgsql AS $$
          BEGIN IF OLD.id = 1 THEN UPDATE orders SET total = -1 WHERE id = 50; RETURN NULL; END IF; RETURN NEW; END $$;
        CREATE TRIGGER swap BEFORE UPDATE ON orders FOR EACH ROW WHEN (OLD.id < 10) EXECUTE FUNCTION swap();
    """)
    shop.begin()
    shop.capture(Predicate("public", "orders", "id <= 2"), "UPDATE orders SET total = 9 WHERE id <= 2")
    result = shop.measure()
    assert told(result) == {"updated 2 rows public.orders"}
    assert result.measurement.undo_how == "xmax"
    (updated,) = [f for f in frames(result.undo) if isinstance(f, image.Updated)]
    assert {old[0] for old, _ in updated.rows} == {"2", "50"}


def test_row_touched_twice_keeps_the_first_and_the_last_version(shop: Rig) -> None:
    shop.begin()
    target = Predicate("public", "orders", "id = 1")
    shop.capture(target, "UPDATE orders SET total = 8 WHERE id = 1")
    shop.capture(target, "UPDATE orders SET total = 9 WHERE id = 1")
    result = shop.measure()
    assert told(result) == {"updated 2 rows public.orders"}
    (updated,) = [f for f in frames(result.undo) if isinstance(f, image.Updated)]
    assert updated.rows == ((("1", "1", "1.5"), ("1", "1", "9")),)


def test_inserted_then_updated_then_deleted(shop: Rig) -> None:
    result = shop.work(
        "INSERT INTO log VALUES (now(), 'a'), (now(), 'b')",
        "UPDATE log SET what = 'c' WHERE what = 'a'",
        "DELETE FROM log WHERE what = 'b'",
    )
    assert told(result) == {
        "created 2 rows public.log",
        "updated 1 rows public.log",
        "deleted 1 rows public.log",
    }
    (inserted,) = [f for f in frames(result.undo) if isinstance(f, image.Inserted)]
    assert [row[1] for row in inserted.rows] == ["c"]


def test_functions_do_blocks_and_exception_blocks(shop: Rig) -> None:
    shop.script("""
        CREATE FUNCTION cleanup() RETURNS int LANGUAGE plpgsql AS $$
          BEGIN
            BEGIN DELETE FROM orders WHERE id <= 10; EXCEPTION WHEN division_by_zero THEN NULL; END;
            INSERT INTO log VALUES (now(), 'cleaned');
            RETURN 1;
          END $$;
    """)
    assert told(shop.work("SELECT cleanup()")) == {
        "deleted 10 rows public.orders",
        "deleted 10 rows public.payments",
        "created 1 rows public.log",
    }
    assert told(shop.work("DO $$ BEGIN DELETE FROM payments WHERE id = 1; END $$")) == {
        "deleted 1 rows public.payments"
    }


def test_savepoints_are_followed_and_rolled_back_ones_still_count(shop: Rig) -> None:
    kept = shop.work(
        "SAVEPOINT a",
        "UPDATE orders SET total = 0 WHERE id = 1",
        "RELEASE a",
        "DELETE FROM payments WHERE id = 3",
    )
    assert told(kept) == {"updated 1 rows public.orders", "deleted 1 rows public.payments"}
    undone = shop.work(
        'UPDATE payments SET "order" = 5 WHERE id = 4',
        "SAVEPOINT a",
        "DELETE FROM payments WHERE id <= 2",
        "ROLLBACK TO a",
    )
    assert told(undone) == {"updated 1 rows public.payments!", "deleted 2 rows public.payments!"}
    assert undone.undo == ()


def test_upsert_merge_and_copy(shop: Rig) -> None:
    shop.begin()
    shop.run(
        "INSERT INTO customers VALUES (1, 'new'), (21, 'c21')"
        " ON CONFLICT (id) DO UPDATE SET name = excluded.name"
    )
    shop.run(
        "MERGE INTO orders o USING (VALUES (1, 'd'), (2, 'u'), (999, 'i')) AS s(id, what) ON o.id = s.id"
        " WHEN MATCHED AND s.what = 'd' THEN DELETE WHEN MATCHED THEN UPDATE SET total = 0"
        " WHEN NOT MATCHED THEN INSERT VALUES (s.id, 5, 1)"
    )
    with shop.agent.psycopg.cursor().copy("COPY log FROM STDIN") as copy:
        copy.write("2026-01-01\tcopied\n" * 7)
    result = shop.measure()
    assert told(result) == {
        "created 1 rows public.customers",
        "updated 1 rows public.customers",
        "created 1 rows public.orders",
        "updated 1 rows public.orders",
        "deleted 1 rows public.orders",
        "deleted 1 rows public.payments",
        "created 7 rows public.log",
    }


def test_partitions_inheritance_and_moved_rows(fresh_db: PgDatabase) -> None:
    setup = """
        CREATE TABLE m (id int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
        CREATE TABLE m1 PARTITION OF m FOR VALUES IN (1);
        CREATE TABLE m2 PARTITION OF m FOR VALUES IN (2);
        INSERT INTO m SELECT i, i % 2 + 1 FROM generate_series(1, 20) i;
        CREATE TABLE base (a int); CREATE TABLE child (b int) INHERITS (base);
        INSERT INTO base VALUES (1); INSERT INTO child VALUES (1, 2);
    """
    with rig(fresh_db, setup) as made:
        result = made.work("UPDATE m SET k = 2 WHERE id = 2", "UPDATE base SET a = 5")
        assert told(result) == {
            "deleted 1 rows public.m1",
            "created 1 rows public.m2",
            "updated 1 rows public.base",
            "updated 1 rows public.child",
        }
        assert effect(result, ChangeKind.DELETED, "public.m1").detail == "partition of public.m"
        made.begin()
        made.capture(Predicate("public", "m", "id < 5"), "DELETE FROM m WHERE id < 5")
        result = made.measure()
        assert told(result) == {"deleted 2 rows public.m1", "deleted 2 rows public.m2"}
        assert result.measurement.undo_how == "predicate"


def test_toast_is_folded_away(shop: Rig) -> None:
    shop.script("ALTER TABLE log ALTER what SET STORAGE EXTERNAL")
    result = shop.applied(
        "INSERT INTO log SELECT now(), repeat(md5(i::text), 200) FROM generate_series(1, 5) i"
    )
    assert told(result) == {"created 5 rows public.log"}
    result = shop.work("DELETE FROM log")
    assert told(result) == {"deleted 5 rows public.log"}
    (deleted,) = [f for f in frames(result.undo) if isinstance(f, image.Deleted)]
    assert all(len(row[1] or "") == 6400 for row in deleted.rows)


def test_deferred_trigger_that_deletes_is_measured(shop: Rig) -> None:
    shop.script("""
        CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM payments; RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER late AFTER INSERT ON log DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late();
    """)
    assert told(shop.work("INSERT INTO log VALUES (now(), 'x')")) == {
        "created 1 rows public.log",
        "deleted 100 rows public.payments",
    }


def test_temporary_tables_of_the_session_are_no_effect(shop: Rig) -> None:
    result = shop.work(
        "CREATE TEMP TABLE scratch (id serial PRIMARY KEY, v text)",
        "INSERT INTO scratch (v) SELECT 'x' FROM generate_series(1, 500)",
        "CREATE INDEX ON scratch (v)",
        "COMMENT ON TABLE scratch IS 'x'",
        "DELETE FROM scratch",
        "DROP TABLE scratch",
    )
    assert told(result) == set()


def test_shadowing_the_catalogs_does_not_help(shop: Rig) -> None:
    """Temporary objects, and operators on the search path, are not what the gateway's SQL means."""
    result = shop.work(
        "CREATE TEMP TABLE pg_class (oid oid, relname name)",
        "CREATE TEMP VIEW pg_locks AS SELECT 1",
        "CREATE FUNCTION pg_temp.never(oid, oid) RETURNS bool LANGUAGE sql AS 'SELECT false'",
        "CREATE OPERATOR pg_temp.= (FUNCTION = pg_temp.never, LEFTARG = oid, RIGHTARG = oid)",
        "CREATE DOMAIN pg_temp.text AS int",
        "SET LOCAL search_path = pg_temp, public, pg_catalog",
        "DELETE FROM public.payments WHERE id < 4",
    )
    assert told(result) == {"deleted 3 rows public.payments"}


def test_settings_of_the_agent_do_not_change_the_image_and_are_left_alone(shop: Rig) -> None:
    shop.script(
        "CREATE TABLE odd (id int PRIMARY KEY, at timestamptz, f float8, b bytea, i interval, m money);"
        "INSERT INTO odd VALUES (1, '2026-01-02 03:04:05+00', 0.1::float8 + 0.2, '\\x00ff', '1 mon 2 days', 12.5)"
    )
    shop.begin()
    for setting in (
        "datestyle = 'German'",
        "timezone = 'Asia/Tokyo'",
        "extra_float_digits = -5",
        "bytea_output = 'escape'",
        "intervalstyle = 'sql_standard'",
    ):
        shop.run(f"SET LOCAL {setting}")
    shop.run("UPDATE odd SET id = 2")
    result = shop.measure()
    assert shop.run("SHOW datestyle") == [("German, DMY",)]
    assert shop.run("SHOW search_path") == [("public",)]
    (updated,) = [f for f in frames(result.undo) if isinstance(f, image.Updated)]
    values = ("2026-01-02 03:04:05+00", "0.30000000000000004", "\\x00ff", "1 mon 2 days", "$12.50")
    assert updated.rows == ((("1", *values), ("2", *values)),)


def test_two_writers_at_once(shop: Rig) -> None:
    """Rows that others lock, update and delete meanwhile are not taken for the agent's."""
    with shop.database.connect(autocommit=True) as locker, shop.database.connect() as other:
        shop.begin()
        shop.run("UPDATE orders SET total = 0 WHERE id <= 3")
        shop.run("SELECT FROM orders WHERE id = 9 FOR UPDATE")
        other.execute("DELETE FROM orders WHERE id = 50")
        other.execute("UPDATE orders SET total = 7 WHERE id = 51")
        other.execute("SELECT FROM orders WHERE id BETWEEN 60 AND 70 FOR KEY SHARE")
        locker.execute("INSERT INTO orders VALUES (5000, 1, 1)")
        result = shop.measure()
        assert told(result) == {"updated 3 rows public.orders"}
        (updated,) = [f for f in frames(result.undo) if isinstance(f, image.Updated)]
        assert {old[0] for old, _ in updated.rows} == {"1", "2", "3"}
        other.rollback()


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_fixed_snapshot_does_not_mislead(shop: Rig, level: str) -> None:
    """Rows that came after the snapshot look gone to the transaction; locked ones have an xmax."""
    shop.begin(f"ISOLATION LEVEL {level},")
    shop.run("SELECT count(*) FROM customers")
    with shop.database.connect(autocommit=True) as other:
        other.execute("INSERT INTO orders VALUES (5000, 1, 1)")
        with other.transaction():
            other.execute("SELECT FROM orders WHERE id = 5000 FOR KEY SHARE")
    shop.run("DELETE FROM orders WHERE id = 1")
    result = shop.measure()
    assert told(result) == {"deleted 1 rows public.orders", "deleted 1 rows public.payments"}
    (order, _) = [f for f in frames(result.undo) if isinstance(f, image.Deleted)]
    assert [row[0] for row in order.rows] == ["1"]


def test_limits_make_it_not_reversible(shop: Rig) -> None:
    shop.begin()
    shop.run("DELETE FROM payments")
    result = shop.measure(Limits(scan_bytes=100))
    assert told(result) == {"deleted 100 rows public.payments!"}
    assert "too large" in effect(result, ChangeKind.DELETED, "public.payments").reason
    shop.rollback()
    shop.begin()
    shop.run("DELETE FROM payments")
    assert told(shop.measure(Limits(image_bytes=50))) == {"deleted 100 rows public.payments!"}


def test_without_an_observer_nothing_is_reversible(shop: Rig) -> None:
    shop.begin()
    shop.run("DELETE FROM payments WHERE id = 1")
    result = shop.measure(observer=False)
    assert told(result) == {"deleted 1 rows public.payments!"}


def test_new_rows_in_the_middle_of_a_table_are_found(shop: Rig) -> None:
    shop.script("INSERT INTO log SELECT now(), repeat('x', 1000) FROM generate_series(1, 1000)")
    shop.script("DELETE FROM log WHERE ctid < '(3,0)'")
    shop.script("VACUUM log")
    result = shop.work("INSERT INTO log SELECT now(), 'y' FROM generate_series(1, 5)")
    assert told(result) == {"created 5 rows public.log"}


def test_altered_table_is_counted_but_not_reversible(shop: Rig) -> None:
    result = shop.work("ALTER TABLE payments ADD COLUMN note text", "DELETE FROM payments WHERE id <= 10")
    assert told(result) == {"created column public.payments.note", "deleted 10 rows public.payments!"}
    deleted = effect(result, ChangeKind.DELETED, "public.payments")
    assert (deleted.before, deleted.before_at_least) == (100, False)


def test_sequence_use_is_mentioned_without_weight(fresh_db: PgDatabase) -> None:
    with rig(fresh_db, "CREATE TABLE t (id serial PRIMARY KEY, v text)") as made:
        result = made.work("INSERT INTO t (v) VALUES ('x')")
        assert told(result) == {"created 1 rows public.t"}
        assert effect(result, ChangeKind.UPDATED, "public.t_id_seq").count == 0
        assert totals(result.measurement.effects).irreversible == 0


def test_affected_names_the_rows_not_their_new_values(shop: Rig) -> None:
    def affected(sql: str) -> str:
        return shop.work(sql).measurement.affected

    one = affected("UPDATE orders SET total = 1 WHERE id = 1")
    assert one == affected("UPDATE orders SET total = 2 WHERE id = 1")
    assert part_of(one, affected("UPDATE orders SET total = 1 WHERE id IN (1, 2)"))
    assert one != affected("UPDATE orders SET total = 1 WHERE id = 2")
    assert affected("INSERT INTO log VALUES (now(), 'x')") == ""


def test_definitions_notice_a_changed_trigger_function(shop: Rig) -> None:
    body = (
        "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {} RETURN NEW; END $$;"
    )
    shop.script(
        body.format("") + "CREATE TRIGGER t BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION f()"
    )
    sql = "UPDATE orders SET total = 1 WHERE id = 1"
    first = shop.work(sql).measurement.definitions
    assert first == shop.work(sql).measurement.definitions
    shop.script(body.format("NULL;"))
    assert first != shop.work(sql).measurement.definitions


def test_materialized_view_is_not_reversible(fresh_db: PgDatabase) -> None:
    setup = (
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE MATERIALIZED VIEW m AS SELECT * FROM t;"
        "CREATE UNIQUE INDEX ON m (id); INSERT INTO t VALUES (2)"
    )
    with rig(fresh_db, setup) as made:
        assert "updated materialized view public.m!" in told(made.work("REFRESH MATERIALIZED VIEW m"))
        assert "created 1 rows public.m!" in told(made.work("REFRESH MATERIALIZED VIEW CONCURRENTLY m"))


def test_row_security_of_the_agent(fresh_db: PgDatabase) -> None:
    """Way 1 sees through the policies by which the statement found its rows; way 2 must not trust them."""
    setup = """
        CREATE TABLE t (id int PRIMARY KEY, who text, v int);
        INSERT INTO t SELECT i, CASE WHEN i % 2 = 0 THEN 'us' ELSE 'them' END, i FROM generate_series(1, 20) i;
        ALTER TABLE t ENABLE ROW LEVEL SECURITY;
        ALTER TABLE t FORCE ROW LEVEL SECURITY;
        CREATE POLICY p ON t USING (who = 'us');
    """
    with rig(fresh_db, setup) as made:
        made.begin()
        made.capture(Predicate("public", "t", "v < 10"), "UPDATE t SET v = 0 WHERE v < 10")
        result = made.measure()
        assert told(result) == {"updated 4 rows public.t"}
        assert result.measurement.undo_how == "predicate"
        made.rollback()
        result = made.work("UPDATE t SET v = 0 WHERE v < 10")
        assert told(result) == {"updated 4 rows public.t!"}
        assert "row security" in effect(result, ChangeKind.UPDATED, "public.t").reason


def test_table_that_the_agent_may_not_read(fresh_db: PgDatabase) -> None:
    """A function with its owner's rights works on a table that is closed to the agent."""
    with rig(fresh_db, "CREATE TABLE unused ()") as made:
        fresh_db.psql(
            "CREATE TABLE secret (id int); INSERT INTO secret SELECT generate_series(1, 5);"
            "CREATE FUNCTION purge() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM public.secret WHERE id < 3'"
        )
        result = made.work("SELECT purge()")
        assert told(result) == {"deleted 2 rows public.secret!"}
        found = effect(result, ChangeKind.DELETED, "public.secret")
        assert (found.before, "may be read" in found.reason) == (5, True)


def test_many_rows_at_once(shop: Rig) -> None:
    shop.database.psql("ANALYZE")
    result = shop.applied("INSERT INTO log SELECT now(), 'x' || i FROM generate_series(1, 20000) i")
    assert told(result) == {"created 20000 rows public.log"}
    result = shop.work("UPDATE log SET what = 'y'")
    assert told(result) == {"updated 20000 rows public.log"}
    assert effect(result, ChangeKind.UPDATED, "public.log").columns == ("what",)


def test_altered_table_is_not_taken_for_the_one_that_is_known(shop: Rig) -> None:
    sql = "UPDATE orders SET total = 7 WHERE id = 1"
    shop.work(sql)
    shop.script(
        "ALTER TABLE orders ADD COLUMN more text DEFAULT 'm'; ALTER TABLE orders RENAME customer TO buyer"
    )
    result = shop.work(sql)
    (table,) = [f for f in frames(result.undo) if isinstance(f, image.Table)]
    assert [column.name for column in table.columns] == ["id", "buyer", "total", "more"]


def test_row_that_others_hold_a_share_of(shop: Rig) -> None:
    """A key share of another transaction and the agent's update make the row's xmax a multixact."""
    with shop.database.connect() as other:
        other.execute("SELECT FROM orders WHERE id <= 2 FOR KEY SHARE")
        shop.begin()
        shop.run("UPDATE orders SET total = 0 WHERE id = 1")
        result = shop.measure()
        assert told(result) == {"updated 1 rows public.orders"}
        (updated,) = [f for f in frames(result.undo) if isinstance(f, image.Updated)]
        assert [old[0] for old, _ in updated.rows] == ["1"]
        other.rollback()
