"""Reverting row changes on real servers: every row as it was, or a refusal that says why."""

from collections.abc import Iterator

import pytest
from tests.connectors.postgres.rig import Rig, dump, rig, told

from interlock.connectors.postgres.preview import Losing, Predicate
from interlock.model.errors import Rejected
from interlock.testing.peers.pg import PgDatabase

SHOP = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, email text UNIQUE, n int NOT NULL DEFAULT 0);
CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer int REFERENCES customers ON DELETE CASCADE ON UPDATE CASCADE,
  net numeric, gross numeric GENERATED ALWAYS AS (net * 1.19) STORED);
CREATE TABLE payments (id int PRIMARY KEY, orderid int REFERENCES orders ON DELETE CASCADE);
CREATE TABLE staff (id int PRIMARY KEY, boss int REFERENCES staff ON DELETE CASCADE);
CREATE TABLE log (at timestamptz, what text);
INSERT INTO customers SELECT i, 'c' || i, i || '@x' FROM generate_series(1, 20) i;
INSERT INTO orders (customer, net) SELECT (i - 1) / 5 + 1, i * 1.5 FROM generate_series(1, 100) i;
INSERT INTO payments SELECT i, i FROM generate_series(1, 100) i;
INSERT INTO staff SELECT i, nullif(i / 2, 0) FROM generate_series(1, 1500) i;
INSERT INTO log SELECT '2026-01-01', 'l' || i % 3 FROM generate_series(1, 9) i;
"""

CHANGES = [
    ("DELETE FROM customers WHERE id < 5",),
    ("DELETE FROM customers", "INSERT INTO customers VALUES (7, 'seven', 'seven@x')"),
    ("UPDATE customers SET name = upper(name)",),
    ("UPDATE customers SET id = id + 1000",),
    ("UPDATE customers SET id = 500 WHERE id = 3", "UPDATE orders SET net = 0 WHERE customer = 500"),
    ("INSERT INTO customers VALUES (99, 'x', 'y')", "INSERT INTO orders (customer, net) VALUES (99, 1), (99, 2)"),
    ("DELETE FROM customers WHERE id = 1", "INSERT INTO customers VALUES (77, 'again', '1@x')"),
    ("INSERT INTO customers VALUES (30, 'new', 'n@x')", "UPDATE orders SET customer = 30", "DELETE FROM customers WHERE id < 4"),
    ("UPDATE orders SET net = net * 2 WHERE id % 7 = 0", "DELETE FROM payments WHERE id > 50"),
    ("DELETE FROM staff",),
    ("DELETE FROM staff WHERE id = 3", "INSERT INTO staff VALUES (5000, 1), (5001, 5000)"),
    ("DELETE FROM log WHERE what = 'l1'",),
    ("UPDATE log SET what = 'same'", "INSERT INTO log VALUES (now(), NULL)"),
    ("UPDATE customers SET n = n + 1 WHERE id = 1", "UPDATE customers SET n = n + 1 WHERE id = 1", "SAVEPOINT a",
     "UPDATE customers SET n = n + 1 WHERE id = 2", "RELEASE a"),
    ("INSERT INTO customers VALUES (1, 'up', 'u@x') ON CONFLICT (id) DO UPDATE SET name = excluded.name, email = excluded.email",),
    ("MERGE INTO payments p USING generate_series(90, 110) g ON p.id = g WHEN MATCHED THEN DELETE"
     " WHEN NOT MATCHED THEN INSERT VALUES (g, 1)",),
]  # fmt: skip


@pytest.fixture
def shop(fresh_db: PgDatabase) -> Iterator[Rig]:
    with rig(fresh_db, SHOP) as made:
        yield made


@pytest.mark.parametrize("change", CHANGES, ids=range(len(CHANGES)))
def test_every_row_is_back(shop: Rig, change: tuple[str, ...]) -> None:
    before = dump(shop.database)
    result = shop.applied(*change)
    assert not any(short.endswith("!") for short in told(result)), told(result)
    assert dump(shop.database) != before
    reverted = shop.revert(result)
    assert reverted.complete
    assert dump(shop.database) == before


@pytest.mark.parametrize(
    "change", [CHANGES[1], CHANGES[4], CHANGES[7], CHANGES[8], CHANGES[12]], ids=range(5)
)
def test_revert_can_be_reverted(shop: Rig, change: tuple[str, ...]) -> None:
    result = shop.applied(*change)
    after = dump(shop.database)
    shop.revert(result)
    shop.revert(shop.measured)
    assert dump(shop.database) == after


def test_revert_of_way_one_uses_few_rounds(shop: Rig) -> None:
    before = dump(shop.database)
    shop.begin()
    shop.capture(Predicate("public", "orders", "id < $1"), "UPDATE orders SET net = 1 WHERE id < $1", ("40",))
    result = shop.measure()
    shop.commit()
    shop.revert(result)
    assert dump(shop.database) == before
    assert told(shop.measured) == {"updated 39 rows public.orders"}
    assert shop.measured.measurement.undo_how == "predicate"


def test_truncate_is_undone(shop: Rig) -> None:
    before = dump(shop.database)
    shop.begin()
    shop.lose(Losing(("customers",), cascade=True, truncates=True), "TRUNCATE customers CASCADE")
    shop.run("INSERT INTO customers VALUES (1, 'only', 'o')")
    result = shop.measure()
    shop.commit()
    assert shop.revert(result).complete
    assert dump(shop.database) == before


def test_modified_since_is_refused_with_numbers_unless_forced(shop: Rig) -> None:
    result = shop.applied(
        "UPDATE customers SET name = 'agent' WHERE id <= 3", "DELETE FROM payments WHERE id <= 2"
    )
    shop.script("UPDATE customers SET name = 'person' WHERE id = 1")
    shop.script("UPDATE customers SET name = 'person', email = 'p@x' WHERE id = 2")
    shop.script("DELETE FROM customers WHERE id = 3")
    shop.script("INSERT INTO payments VALUES (1, 50)")
    now = dump(shop.database)
    with pytest.raises(Rejected) as refused:
        shop.revert(result)
    assert "public.customers: 2 modified (name), 1 deleted" in str(refused.value)
    assert "public.payments: 1 with their key used again (orderid)" in str(refused.value)
    assert dump(shop.database) == now
    reverted = shop.revert(result, force=True)
    assert not reverted.complete
    assert shop.run("SELECT id, name, email FROM customers WHERE id < 4 ORDER BY id") == [
        ("1", "c1", "1@x"),
        ("2", "c2", "p@x"),
    ]
    assert shop.run("SELECT orderid FROM payments WHERE id <= 2 ORDER BY id") == [("50",), ("2",)]


def test_row_that_was_put_back_already_is_no_conflict(shop: Rig) -> None:
    result = shop.applied("DELETE FROM payments WHERE id <= 2")
    shop.script("INSERT INTO payments VALUES (1, 1)")
    assert shop.revert(result).complete
    assert shop.run("SELECT count(*) FROM payments") == [("100",)]


def test_rows_that_refer_to_new_ones_stand_in_the_way(shop: Rig) -> None:
    shop.script(
        "ALTER TABLE orders DROP CONSTRAINT orders_customer_fkey, ADD FOREIGN KEY (customer) REFERENCES customers"
    )
    result = shop.applied("INSERT INTO customers VALUES (99, 'x', 'y')")
    shop.script("INSERT INTO orders (customer, net) VALUES (99, 1)")
    with pytest.raises(Rejected, match=r"stand in the way of undoing public\.customers \(23503\)"):
        shop.revert(result)


def test_triggers_stay_on_and_counters_come_out_right(shop: Rig) -> None:
    shop.script("""
        CREATE FUNCTION count_orders() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF TG_OP = 'INSERT' THEN UPDATE customers SET n = n + 1 WHERE id = NEW.customer; END IF;
          IF TG_OP = 'DELETE' THEN UPDATE customers SET n = n - 1 WHERE id = OLD.customer; END IF;
          RETURN NULL; END $$;
        CREATE TRIGGER counting AFTER INSERT OR DELETE ON orders FOR EACH ROW EXECUTE FUNCTION count_orders();
        CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          INSERT INTO log VALUES (now(), TG_OP); RETURN NULL; END $$;
        CREATE TRIGGER audit AFTER INSERT OR DELETE ON payments FOR EACH ROW EXECUTE FUNCTION audit();
    """)
    tables = (
        "SELECT md5(string_agg(c::text, '' ORDER BY id)) FROM customers c",
        "SELECT md5(string_agg(o::text, '' ORDER BY id)) FROM orders o",
    )
    for sql in (
        "DELETE FROM orders WHERE id < 8",
        "INSERT INTO orders (customer, net) VALUES (3, 7), (3, 8)",
    ):
        before = [shop.run(table) for table in tables]
        result = shop.applied(sql)
        shop.revert(result)
        assert [shop.run(table) for table in tables] == before
    # The lines of the first DELETE are gone; the revert has left its own.
    assert shop.run("SELECT what, count(*) FROM log WHERE what !~ 'l' GROUP BY 1") == [("INSERT", "7")]


def test_trigger_that_keeps_a_row_different_is_reported(shop: Rig) -> None:
    shop.script("""
        ALTER TABLE customers ADD COLUMN touched timestamptz DEFAULT '2026-01-01';
        CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.touched := clock_timestamp(); RETURN NEW; END $$;
        CREATE TRIGGER touch BEFORE UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION touch();
    """)
    result = shop.applied("UPDATE customers SET name = 'x' WHERE id < 3")
    with pytest.raises(
        Rejected, match=r"triggers or cascades keep rows from being as they were: 2 of public\.customers"
    ):
        shop.revert(result)
    reverted = shop.revert(result, force=True)
    assert reverted.tables[0].inexact == 2
    assert shop.run("SELECT name FROM customers WHERE id < 3 ORDER BY id") == [("c1",), ("c2",)]


def test_altered_or_missing_table_is_refused(shop: Rig) -> None:
    result = shop.applied("UPDATE log SET what = 'x'")
    shop.script("ALTER TABLE log ALTER what TYPE varchar(10)")
    with pytest.raises(Rejected, match=r"columns of public[.]log were altered"):
        shop.revert(result)
    shop.script("DROP TABLE log")
    with pytest.raises(Rejected, match="does not exist any more"):
        shop.revert(result)


def test_renamed_table_and_added_column_do_not_matter(shop: Rig) -> None:
    result = shop.applied("DELETE FROM payments WHERE id < 9")
    shop.script("ALTER TABLE payments RENAME TO paid; ALTER TABLE paid ADD COLUMN note text DEFAULT 'n'")
    assert shop.revert(result).complete
    assert shop.run("SELECT count(*) FROM paid WHERE note = 'n'") == [("100",)]


def test_another_database_is_refused(shop: Rig) -> None:
    result = shop.applied("DELETE FROM payments WHERE id < 9")
    from interlock.connectors.postgres import undo

    with pytest.raises(Rejected, match="another database"):
        shop.drive(undo.plan(result.undo, force=False, fingerprint="1/other"))
