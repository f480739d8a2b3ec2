"""What a before-image and a revert cost: rows and rounds, not seconds. Ways 1 and 3 are asked for the rows that changed, however
large the table is; way 2 reads no table beyond its limit."""

from collections.abc import Iterator

import pytest
from tests.connectors.postgres.rig import Rig, rig, told

from interlock.connectors.postgres import history, preview
from interlock.connectors.postgres.preview import Limits, Predicate
from interlock.sdk.connector import Preview
from interlock.testing.peers.pg import PgDatabase

ROWS = 60_000
SETUP = f"""
CREATE TABLE large (id int PRIMARY KEY, v int NOT NULL, note text);
CREATE INDEX ON large (v);
INSERT INTO large SELECT i, i, 'n' FROM generate_series(1, {ROWS}) i;
CREATE TABLE small (LIKE large INCLUDING ALL); INSERT INTO small SELECT * FROM large WHERE id <= 2000;
VACUUM ANALYZE large; VACUUM ANALYZE small
"""
READS = """SELECT coalesce(sum(pg_stat_get_tuples_returned(c.oid) + pg_stat_get_tuples_fetched(c.oid)), 0)
  FROM pg_class c WHERE c.relname IN ('large', 'large_pkey', 'large_v_idx', 'small', 'small_pkey', 'small_v_idx')"""


@pytest.fixture
def shop(fresh_db18: PgDatabase) -> Iterator[Rig]:
    with rig(fresh_db18) as made:
        for statement in SETUP.split(";"):
            made.script(statement)
        yield made


class Cost:
    """Rows that the gateway's connections were sent, row versions that the server read in the tables, and rounds."""

    def __init__(self, made: Rig) -> None:
        self._made = made
        self._before = self._now()
        made.rounds = 0

    def _now(self) -> tuple[int, int]:
        made = self._made
        for connection in (made.agent, made.observer, made.maintainer):
            connection.psycopg.execute("SELECT pg_stat_force_next_flush()")
        sent = sum(c.rows_sent for c in (made.agent, made.observer, made.maintainer))
        return sent, int(made.database.psql(READS)[0][0])

    def told(self) -> tuple[int, int, int]:
        sent, read = self._now()
        return sent - self._before[0], read - self._before[1], self._made.rounds


def by_predicate(made: Rig, table: str, rows: int, limits: Limits) -> Preview:
    made.begin()
    sql = f"UPDATE {table} SET note = 'x' WHERE id <= {rows}"
    found = made.agent.run(preview.image_before(Predicate("public", table, f"id <= {rows}"), limits))
    made.captured.append(preview.Captured(tuple((a or "", b or "") for a, b in found)))
    made.run(sql)
    result = made.measure(limits)
    made.commit()
    return result


def by_history(made: Rig, table: str, rows: int, limits: Limits) -> Preview:
    made.begin()
    made.run(f"UPDATE {table} SET note = 'x' WHERE id <= {rows}")
    made.run(f"INSERT INTO {table} SELECT i, 0, 'new' FROM generate_series({ROWS + 1}, {ROWS + rows}) i")
    made.run(f"DELETE FROM {table} WHERE id BETWEEN 1000 AND {999 + rows}")
    result = made.measure(limits)
    made.commit()
    return result


WAYS = {"predicate": by_predicate, "history": by_history}


def cost(made: Rig, way: str, table: str, rows: int) -> tuple[int, int, int]:
    """Of the image and of the revert, together."""
    before = Cost(made)
    result = WAYS[way](made, table, rows, Limits(scan_rows=10, scan_bytes=8192))
    assert result.measurement.undo_how == way, told(result)
    assert made.revert(result).complete
    return before.told()


@pytest.mark.parametrize("way", WAYS)
def test_cost_is_that_of_the_rows_changed_and_not_of_the_table(shop: Rig, way: str) -> None:
    if way == "history":
        shop.maintainer.run("BEGIN READ WRITE")
        shop.drive(history.protect(["large", "small"], (shop.agent_role,), ("public",)))
        shop.maintainer.run("COMMIT")
    cost(shop, way, "small", 5)  # what is asked the first time only
    cost(shop, way, "large", 5)
    small, large, more = (
        cost(shop, way, "small", 5),
        cost(shop, way, "large", 5),
        cost(shop, way, "large", 50),
    )
    assert large[0] == small[0], "as many rows are sent"
    assert large[2] == small[2], "in as many rounds"
    # To find out which share of the table is touched it is counted, no further than a hundred times the change.
    assert large[1] < 8_000 < ROWS
    assert large[0] < more[0] <= 10 * large[0] + 100
    assert more[2] == large[2]


def test_way_two_reads_no_table_beyond_its_limit(shop: Rig) -> None:
    before = Cost(shop)
    result = shop.work("UPDATE large SET note = 'x' WHERE id <= 5")
    assert told(result) == {"updated 5 rows public.large"}
    assert before.told()[1] >= ROWS, "way 2 searches the table"
    for limits in (Limits(scan_rows=ROWS // 2), Limits(scan_bytes=100_000)):
        before = Cost(shop)
        shop.begin()
        shop.run("UPDATE large SET note = 'x' WHERE id <= 5")
        found = shop.measure(limits)
        shop.rollback()
        assert told(found) == {"updated 5 rows public.large!"}
        (effect,) = [e for e in found.measurement.effects if e.count]
        assert effect.reason == "public.large is too large to search for the changed rows"
        assert before.told()[1] < 8_000


@pytest.mark.parametrize(("limits", "reason"), [
    (Limits(image_bytes=1_000), "the before-image of public.large is too large"),
    (Limits(candidates=100), "too many rows of public.large are in use to tell the changed ones"),
])  # fmt: skip
def test_way_two_gives_up_where_it_must(shop: Rig, limits: Limits, reason: str) -> None:
    shop.begin()
    shop.run("UPDATE large SET note = 'x' WHERE id <= 1000")
    found = shop.measure(limits)
    shop.rollback()
    assert {e.reason for e in found.measurement.effects if e.count} == {reason}
