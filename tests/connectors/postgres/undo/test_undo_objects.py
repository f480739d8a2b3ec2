"""Reverting what was created."""

from collections.abc import Iterator

import pytest
from tests.connectors.postgres.preview.test_preview_ddl import CREATED, SHOP
from tests.connectors.postgres.rig import Rig, dump, rig

from interlock.model.errors import Rejected
from interlock.testing.peers.pg import PgDatabase


@pytest.fixture
def shop(fresh_db: PgDatabase) -> Iterator[Rig]:
    with rig(fresh_db, SHOP) as made:
        yield made


@pytest.mark.parametrize("sql", [sql for sql, _ in CREATED])
def test_what_was_created_is_dropped(shop: Rig, sql: str) -> None:
    before = dump(shop.database)
    result = shop.applied(*sql.split(";"))
    assert dump(shop.database) != before
    # Values that a volatile default gave cannot be told from somebody's.
    assert shop.revert(result, force="bigserial" in sql).complete
    assert dump(shop.database) == before


def test_a_whole_schema_in_any_order(shop: Rig) -> None:
    before = dump(shop.database)
    result = shop.applied(
        "CREATE SCHEMA s",
        "CREATE TYPE s.c AS ENUM ('a')",
        "CREATE FUNCTION s.f(s.c) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'",
        "CREATE TABLE s.t (id int PRIMARY KEY, c s.c CHECK (s.f(c) = 1))",
        "INSERT INTO s.t VALUES (1, 'a')",
        "CREATE VIEW s.v AS SELECT * FROM s.t",
        "CREATE VIEW s.w AS SELECT * FROM s.v",
        "CREATE TABLE s.u (t int REFERENCES s.t)",
        "UPDATE leads SET score = 1 WHERE id = 1",
        "INSERT INTO visits VALUES (1000, 1, 'x')",
    )
    assert shop.revert(result).complete
    assert dump(shop.database) == before


def test_data_that_came_since_is_not_lost_silently(shop: Rig) -> None:
    table = shop.applied("CREATE TABLE t (id int)", "INSERT INTO t VALUES (1)")
    column = shop.applied(
        "ALTER TABLE leads ADD COLUMN note text", "ALTER TABLE leads ADD COLUMN plain int DEFAULT 3"
    )
    shop.script("INSERT INTO t VALUES (2)")
    shop.script("UPDATE leads SET plain = 4 WHERE id = 2")
    with pytest.raises(Rejected, match=r"table public[.]t holds data that came since"):
        shop.revert(table)
    with pytest.raises(Rejected, match=r"table column public\.leads\.plain holds data"):
        shop.revert(column)
    assert shop.revert(table, force=True).complete
    assert shop.revert(column, force=True).complete


def test_objects_that_came_since_and_depend_are_not_lost(shop: Rig) -> None:
    result = shop.applied("CREATE VIEW v AS SELECT 1 AS a")
    shop.script("CREATE VIEW w AS SELECT * FROM v")
    with pytest.raises(Rejected, match=r"view public\.v \(2BP01\)"):
        shop.revert(result)


def test_renamed_and_dropped_since(shop: Rig) -> None:
    renamed = shop.applied("CREATE VIEW v AS SELECT 1 AS a")
    shop.script("ALTER VIEW v RENAME TO w; CREATE VIEW v AS SELECT 2 AS b")
    with pytest.raises(Rejected, match=r"is called public\.w now"):
        shop.revert(renamed)
    shop.script("DROP VIEW w")
    assert shop.revert(renamed).gone == 1
    assert shop.run("SELECT b FROM v") == [("2",)]
