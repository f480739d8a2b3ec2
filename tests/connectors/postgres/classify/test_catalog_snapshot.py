"""The snapshot of the catalogs and its cheap fingerprint."""

import pytest
from tests.connectors.postgres.classify.shop import SHOP, fingerprint, read

from interlock.connectors.postgres.catalog import QUERIES, Catalog, impure_type
from interlock.connectors.postgres.classify import Way, classify
from interlock.testing.peers.pg import PgDatabase

CHANGES = [
    "CREATE TABLE t (id int)",
    "DROP TABLE payments",
    "ALTER TABLE customers RENAME TO clients",
    "ALTER TABLE customers ADD COLUMN extra mood",
    "ALTER TABLE notes ALTER COLUMN rating TYPE int",
    "ALTER TABLE customers ALTER COLUMN name SET DEFAULT 'x'",
    "ALTER TABLE customers ADD CHECK (id > 0)",
    "ALTER TABLE customers ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY p ON customers USING (true)",
    "CREATE INDEX ON customers (lower(name))",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE OR REPLACE FUNCTION cleanup() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "ALTER FUNCTION cleanup() SET search_path = archive",
    "ALTER FUNCTION cleanup() IMMUTABLE",
    "CREATE OR REPLACE VIEW open_names AS SELECT name FROM customers",
    "CREATE TRIGGER t AFTER INSERT ON customers FOR EACH ROW EXECUTE FUNCTION tell()",
    "ALTER TABLE told DISABLE TRIGGER tell",
    "CREATE RULE r AS ON DELETE TO payments DO INSTEAD NOTHING",
    "CREATE OPERATOR === (leftarg = int, rightarg = int, function = int4eq)",
    "CREATE CAST (mood AS int) WITH INOUT",
    "CREATE AGGREGATE agg (int) (sfunc = int4pl, stype = int)",
    "ALTER DOMAIN small ADD CHECK (VALUE < 100)",
    "CREATE TYPE r AS RANGE (subtype = int)",
    "ALTER TABLE payments ADD FOREIGN KEY (id) REFERENCES customers",
    "CREATE TABLE parts_south PARTITION OF parts FOR VALUES IN ('south')",
    "ALTER TABLE parts DETACH PARTITION parts_north",
    "CREATE STATISTICS s ON (id + 1), name FROM customers",
    "ALTER TABLE customers SET SCHEMA archive",
    "ALTER SCHEMA archive RENAME TO attic",
]


@pytest.mark.parametrize("change", CHANGES)
def test_changes_are_seen(fresh_db: PgDatabase, change: str) -> None:
    fresh_db.psql(SHOP)
    before = fingerprint(fresh_db)
    assert fingerprint(fresh_db) == before
    fresh_db.psql(change)
    assert fingerprint(fresh_db) != before


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO customers (name) VALUES ('x')",
        "TRUNCATE customers CASCADE",
        "VACUUM (FULL, ANALYZE) customers",
        "CREATE TEMP TABLE t (id serial PRIMARY KEY)",
        "SELECT nextval('numbers')",
    ],
)
def test_work_is_not_taken_for_a_change(fresh_db: PgDatabase, change: str) -> None:
    fresh_db.psql(SHOP)
    before, snapshot = fingerprint(fresh_db), read(fresh_db)
    with fresh_db.connect(autocommit=True) as connection:
        connection.execute(change.encode())
        assert fingerprint(fresh_db) == before
        if "TEMP" not in change:
            assert read(fresh_db).fingerprint == snapshot.fingerprint


def test_equal_catalogs_have_equal_fingerprints(fresh_db18: PgDatabase) -> None:
    fresh_db18.psql(SHOP)
    assert read(fresh_db18).fingerprint == read(fresh_db18).fingerprint


def test_rows_must_be_complete(shop: Catalog) -> None:
    with pytest.raises(KeyError):
        Catalog.from_rows({"server": [("180000", "UTF8", "d")]})
    with pytest.raises(ValueError, match="unpack"):
        Catalog.from_rows({**{name: [] for name in QUERIES}, "server": []})


def test_types_of_parameters(shop: Catalog) -> None:
    assert impure_type(shop, 23) == ""
    (mood,) = shop.types_named["mood"]
    (positive,) = shop.types_named["positive"]
    assert impure_type(shop, mood.oid) == ""
    assert impure_type(shop, positive.oid) == ""
    assert impure_type(shop, 99_999_999)


def test_names_outside_ascii_in_a_single_byte_database(pg15: object, fresh_db18: PgDatabase) -> None:
    cluster = fresh_db18.cluster
    name = f"{fresh_db18.name}_latin1"
    cluster.psql(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        latin = PgDatabase(cluster, name)
        latin.psql('CREATE TABLE "é" (id int)')
        (info,) = classify('SELECT * FROM "é"', read(latin))
        assert info.way is Way.GATED
        (info,) = classify("SELECT 1", read(latin))
        assert info.way is Way.PASS
    finally:
        cluster.drop_database(name)


def test_a_name_that_is_in_no_snapshot_is_told(shop: Catalog) -> None:
    (info,) = classify("SELECT f(1) FROM missing", shop)
    assert set(info.unresolved) == {"f()", "missing"}
    (info,) = classify("SELECT * FROM customers", shop)
    assert info.unresolved == ()


def test_a_built_in_function_without_a_row_is_refused(shop: Catalog) -> None:
    import dataclasses

    newer = dataclasses.replace(shop, builtin_functions=shop.builtin_functions | {"pg_future"}, memo={})
    (info,) = classify("SELECT pg_future(1)", newer)
    assert info.way is Way.REFUSED
    assert "reviewed table" in info.why


def test_resources_follow_the_search_path(shop: Catalog) -> None:
    def names(*path: str) -> list[str]:
        (info,) = classify("SELECT * FROM orders", shop, search_path=path or None)
        return [r.name for o in info.operations for r in o.resources]

    assert names("public", "archive") == ["public.orders"]
    assert names("archive", "public") == ["archive.orders"]
    assert sorted(names()) == ["archive.orders", "public.orders"]
    (info,) = classify("CREATE TABLE t (id int)", shop, search_path=("archive", "public"))
    assert info.operations[0].resources[0].name == "archive.t"
    assert info.operations[0].resources[0].group == "archive"
