"""What is read on the way of a change is found by an index, however much history there is."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event
from tests.runtime.stores.conftest import Backend, _database
from tests.runtime.stores.store_values import read

from interlock.runtime.stores import SqlStore
from interlock.sdk.ports import ReadTx

MANY = 20_000
FILL = f"""
ALTER TABLE changes DISABLE TRIGGER USER;
INSERT INTO changes (id, version, state, agent, target, environment, content, requested_at, updated_at, action, words, doc)
  SELECT 'CHG-' || lpad(n::text, 8, '0'), 3, 'applied', 'agent-' || (n % 4), 'shop', 'production', md5(n::text), n, n, 'update',
    '', '{{}}' FROM generate_series(1, {MANY}) n;
INSERT INTO approvals (number, change_id, person, nonce, doc)
  SELECT n, 'CHG-' || lpad((n / 2)::text, 8, '0'), 'p' || (n % 2), 'n', '{{}}' FROM generate_series(2, {MANY}) n;
INSERT INTO taken_back (number, change_id, doc)
  SELECT n, 'CHG-' || lpad(n::text, 8, '0'), '{{}}' FROM generate_series(1, {MANY}) n;
ANALYZE changes; ANALYZE approvals; ANALYZE taken_back
"""
LOOKS: dict[str, Callable[[ReadTx], object]] = {
    "content that waits": lambda tx: tx.change_by_content("agent-1", "shop", "c" * 64),
    "content that was denied": lambda tx: tx.denied_change("agent-1", "shop", "c" * 64),
    "what recovery looks at": lambda tx: tx.changes_in_doubt(),
    "how many wait": lambda tx: tx.open_changes("agent-1"),
    "approvals": lambda tx: tx.approvals("CHG-none"),
    "taken back": lambda tx: tx.taken_back("CHG-none"),
}


@pytest.fixture(scope="module")
def filled(request: pytest.FixtureRequest) -> Iterator[tuple[Backend, SqlStore]]:
    places = _database(request.getfixturevalue("pg18"))
    place = next(places)
    store = place.open()
    for statement in FILL.split(";"):
        place.raw(statement)
    yield place, store
    next(places, None)


@pytest.mark.parametrize("look", LOOKS)
def test_by_an_index_and_not_by_going_through_all(filled: tuple[Backend, SqlStore], look: str) -> None:
    _, store = filled
    asked: list[tuple[str, Any]] = []

    def hear(*given: Any) -> None:
        asked.append((given[2], given[3]))

    event.listen(store._engines.reader, "before_cursor_execute", hear)
    read(store, LOOKS[look])
    event.remove(store._engines.reader, "before_cursor_execute", hear)
    queries = [each for each in asked if "FROM" in each[0]]
    assert queries
    for sql, values in queries:
        with store._engines.reader.connect() as connection:
            found = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {sql}", values).scalar_one()
        (top,) = found if isinstance(found, list) else json.loads(found)
        for node in nodes(top["Plan"]):
            assert node["Node Type"] != "Seq Scan", sql
            assert "Index Name" not in node or "Index Cond" in node, sql
            # Not by all that one agent ever did, either.
            assert node["Plan Rows"] < MANY / 100, sql


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)
