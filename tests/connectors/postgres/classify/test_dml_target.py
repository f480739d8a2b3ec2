"""The one table of a statement, and its predicate as text."""

import psycopg
import pytest
from tests.connectors.postgres.classify.shop import SHOP, read

from interlock.connectors.postgres.catalog import Catalog
from interlock.connectors.postgres.classify import DmlTarget, classify
from interlock.model.operation import Action
from interlock.testing.peers.pg import PgDatabase


def target(catalog: Catalog, sql: str) -> DmlTarget:
    (info,) = classify(sql, catalog)
    assert info.target is not None
    return info.target


PREDICATES = {
    "UPDATE customers SET name = 'x' WHERE id = 5": ("id = 5", True),
    "UPDATE customers SET name = 'x'": ("", True),
    "DELETE FROM ONLY public.customers AS c WHERE c.id = $1 RETURNING c.id": ("c.id = $1", True),
    "DELETE FROM customers WHERE id IN (SELECT customer_id FROM public.orders WHERE amount > 5)": (
        "id IN (SELECT customer_id FROM public.orders WHERE amount > 5)",
        True,
    ),
    "UPDATE customers SET name = (SELECT 'a' WHERE true) WHERE name LIKE '%WHERE%' -- WHERE x\n": (
        "name LIKE '%WHERE%'",
        True,
    ),
    "UPDATE customers SET name = CASE WHEN id > 3 THEN 'a' END WHERE /* x */ region = 'é' AND id > 3 RETURNING *": (
        "/* x */ region = 'é' AND id > 3",
        True,
    ),
    "DELETE FROM customers WHERE \"name\" = E'a\\'b' OR (id = 1) -- RETURNING *": (
        "\"name\" = E'a\\'b' OR (id = 1)",
        True,
    ),
    "DELETE FROM notes WHERE feeling = 'good'": ("feeling = 'good'", True),
    # the predicate would not select the same rows again, or runs what it should not
    "DELETE FROM customers WHERE random() < 0.5": ("random() < 0.5", False),
    "DELETE FROM customers WHERE nextval('numbers') > 5": ("nextval('numbers') > 5", False),
    "DELETE FROM customers WHERE cleanup() > id": ("cleanup() > id", False),
    "DELETE FROM customers WHERE id IN (SELECT gone FROM sly)": ("id IN (SELECT gone FROM sly)", False),
    "DELETE FROM customers WHERE CURRENT OF c": ("", False),
    # more than one table, or not an ordinary one
    "DELETE FROM customers USING public.orders o WHERE o.customer_id = customers.id": (
        "o.customer_id = customers.id",
        False,
    ),
    "WITH x AS (SELECT 1 AS id) DELETE FROM customers WHERE id IN (SELECT id FROM x)": (
        "id IN (SELECT id FROM x)",
        False,
    ),
    "UPDATE open_orders SET amount = 1 WHERE id = 1": ("id = 1", False),
    "DELETE FROM no_such_table WHERE id = 1": ("id = 1", False),
    "DELETE FROM orders WHERE id = 1": ("id = 1", False),
}


@pytest.mark.parametrize("sql", PREDICATES)
def test_predicates(shop: Catalog, sql: str) -> None:
    found = target(shop, sql)
    assert (found.where_sql, found.simple) == PREDICATES[sql]


def test_very_long_statements_have_no_predicate_of_their_own(shop: Catalog) -> None:
    found = target(shop, f"DELETE FROM customers WHERE id IN ({','.join(map(str, range(100_000)))})")
    assert (found.where_sql, found.simple) == ("", False)


def test_names(shop: Catalog) -> None:
    found = target(shop, "DELETE FROM ONLY customers AS c WHERE c.id = 1 RETURNING *")
    assert (found.action, found.schema, found.table, found.only, found.alias) == (
        Action.DELETE,
        "public",
        "customers",
        True,
        "c",
    )
    assert found.has_returning
    assert found.oid == shop.relations_named["customers"][0].oid
    found = target(shop, "UPDATE public.orders SET amount = 1, status = 'x' WHERE id = 1")
    assert (found.schema, found.table, found.only, found.columns) == (
        "public",
        "orders",
        False,
        ("amount", "status"),
    )
    found = target(shop, "INSERT INTO customers (id, name) VALUES (1, 'x')")
    assert (found.action, found.columns, found.has_returning, found.simple) == (
        Action.CREATE,
        ("id", "name"),
        False,
        False,
    )
    found = target(
        shop, "INSERT INTO customers VALUES (1) ON CONFLICT (id) DO UPDATE SET name = 'x' RETURNING *"
    )
    assert (found.action, found.has_returning) == (Action.UPDATE, True)
    assert target(shop, "COPY customers (name) FROM STDIN").columns == ("name",)
    ambiguous = target(shop, "DELETE FROM orders WHERE id = 1")
    assert (ambiguous.schema, ambiguous.oid) == ("", 0)
    (info,) = classify("DELETE FROM orders WHERE id = 1", shop, search_path=("archive", "public"))
    assert info.target is not None
    assert (info.target.schema, info.target.simple) == ("archive", True)


def test_reads_and_definitions_have_none(shop: Catalog) -> None:
    for sql in (
        "SELECT * FROM customers",
        "TRUNCATE customers",
        "DROP TABLE customers",
        "WITH x AS (DELETE FROM customers) SELECT 1",
    ):
        (info,) = classify(sql, shop)
        assert info.target is None


def test_a_simple_predicate_selects_what_the_statement_hits(fresh_db: PgDatabase) -> None:
    rows = "INSERT INTO customers SELECT i, CASE WHEN i % 2 = 0 THEN 'a''b' END, 'é' FROM generate_series(1, 20) i;"
    fresh_db.psql(SHOP + rows + "INSERT INTO notes VALUES (1, 'good', 5, NULL)")
    catalog = read(fresh_db)
    compared = 0
    for sql in PREDICATES:
        found = target(catalog, sql)
        if not found.simple or "$1" in sql:
            continue
        only = "ONLY " if found.only else ""
        alias = f" AS {found.alias}" if found.alias else ""
        where = f" WHERE {found.where_sql}" if found.where_sql else ""
        with fresh_db.connect() as connection:
            asked = connection.execute(
                f"SELECT count(*) FROM {only}{found.schema}.{found.table}{alias}{where}".encode()
            ).fetchone()
            assert asked is not None
            done: psycopg.Cursor = connection.execute(sql.encode())
            assert done.rowcount == asked[0]
            connection.rollback()
        compared += 1
    assert compared >= 6
