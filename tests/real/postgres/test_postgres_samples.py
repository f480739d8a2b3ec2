"""What people are shown of rows and definitions, on a real database: while a change waits, and after it was done."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.real.conftest import Shop, fails

from interlock.connectors.postgres.samples import samples
from interlock.model.change import Change, ChangeState
from interlock.model.effect import ChangeKind
from interlock.model.errors import Rejected
from interlock.model.masking import Diff
from interlock.model.sample import ROWS, Rows
from interlock.runtime.service.deciding.insight import SampleView
from interlock.testing.gateway import Gateway, prepare
from interlock.testing.peers.pg import PgDatabase

CANARY = "canary-7f3a-of-this-test"
PASSWORD = "hunter2-canary-of-this-test"


def viewed(shop: Shop, change: Change, viewer: str = "", *, reveal: bool = False) -> SampleView:
    return shop.gateway.run(shop.gateway.runtime.insight.sample(change.id, viewer, reveal=reveal))


@pytest.fixture
def allowed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """People of `sre` may see values."""
    monkeypatch.setattr(shop.gateway.runtime.insight, "_reveal", frozenset({"sre"}))
    return shop


def rows_of(view: SampleView, name: str, change: ChangeKind) -> Rows:
    found = [p for p in view.parts if isinstance(p, Rows) and (p.resource.name, p.change) == (name, change)]
    assert len(found) == 1, view
    return found[0]


def cells(part: Rows, side: str = "before") -> list[dict[str, str | None]]:
    names = [column.name for column in part.columns]
    return [
        {
            name: None if cell is None else cell.text
            for name, cell in zip(names, getattr(row, side), strict=True)
        }
        for row in part.rows
    ]


def held(shop: Shop, *statements: str) -> Change:
    with shop.connect() as agent, fails("IL001"), agent.transaction():
        for statement in statements:
            agent.execute(statement)
    return shop.changes(ChangeState.HELD)[0]


def test_rows_of_a_held_deletion(allowed: Shop) -> None:
    change = held(allowed, "DELETE FROM payments WHERE id > 100")
    view = viewed(allowed, change, "ann", reveal=True)
    part = rows_of(view, "public.payments", ChangeKind.DELETED)
    assert [(c.name, c.type, c.key) for c in part.columns] == [
        ("id", "integer", True), ("order", "integer", False), ("paid", "boolean", False),
    ]  # fmt: skip
    assert (len(part.rows), part.of) == (ROWS, 200)
    shown = cells(part)
    assert all(101 <= int(row["id"] or 0) == int(row["order"] or 0) and row["paid"] == "f" for row in shown)
    assert allowed.count("payments") == 300


def test_an_update_shows_the_key_and_what_changes(allowed: Shop) -> None:
    change = held(allowed, "UPDATE customers SET email = NULL, name = name || '!' WHERE id <= 40")
    part = rows_of(viewed(allowed, change, "ann", reveal=True), "public.customers", ChangeKind.UPDATED)
    assert [column.name for column in part.columns] == ["id", "name", "email"]
    row = next(n for n, cell in enumerate(cells(part)) if cell["id"] == "7")
    assert cells(part)[row] == {"id": "7", "name": "customer 7", "email": "7@example.org"}
    assert cells(part, "after")[row] == {"id": "7", "name": "customer 7!", "email": None}
    assert part.rows[row].changed == ("name", "email")
    change = held(allowed, "UPDATE orders SET total = total + 1")
    part = rows_of(viewed(allowed, change), "public.orders", ChangeKind.UPDATED)
    assert [column.name for column in part.columns] == ["id", "total"]  # customer stays


def test_masked_is_the_default(shop: Shop) -> None:
    shop.database.psql(f"UPDATE customers SET name = '{CANARY}'")
    change = held(shop, "DELETE FROM customers WHERE id <= 50")
    view = viewed(shop, change)
    part = rows_of(view, "public.customers", ChangeKind.DELETED)
    assert {row["name"] for row in cells(part)} == {"••• 16–63"}
    assert {int(row["id"] or 0) for row in cells(part)} <= set(range(1, 51))
    assert CANARY not in repr(view)
    assert not view.may_reveal
    # what cascades is there as well
    assert rows_of(view, "public.orders", ChangeKind.DELETED).of == 150


def test_only_those_whom_the_configuration_names_and_it_is_recorded(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = held(shop, "DELETE FROM payments WHERE id > 100")
    for viewer in ("ann", "", "nobody"):
        with pytest.raises(Rejected, match="people of the groups"):
            viewed(shop, change, viewer, reveal=True)
    assert not [e for e in shop.gateway.entries("sample.viewed") if e["body"]["change"] == change.id]
    monkeypatch.setattr(shop.gateway.runtime.insight, "_reveal", frozenset({"sre"}))
    viewed(shop, change, "ann")
    assert not [e for e in shop.gateway.entries("sample.viewed") if e["body"]["change"] == change.id]
    viewed(shop, change, "ann", reveal=True)
    (entry,) = [e for e in shop.gateway.entries("sample.viewed") if e["body"]["change"] == change.id]
    assert entry["body"]["person"] == "ann"
    assert entry["body"]["resources"] == ["table public.payments"]
    assert entry["body"]["revealed"] is True


def test_a_column_that_says_it_is_secret_is_never_kept(allowed: Shop) -> None:
    allowed.make("CREATE TABLE accounts (id int PRIMARY KEY, password text, api_token text, plain text)")
    try:
        allowed.database.psql(
            f"INSERT INTO accounts SELECT i, '{PASSWORD}', '{PASSWORD}', 'open' FROM generate_series(1, 50) i"
        )
        change = held(allowed, "DELETE FROM accounts")
        view = viewed(allowed, change, "ann", reveal=True)
        part = rows_of(view, "public.accounts", ChangeKind.DELETED)
        assert {(row["password"], row["api_token"], row["plain"]) for row in cells(part)} == {
            ("", "", "open")
        }
        assert PASSWORD not in repr(view)
        allowed.approve_held()
        with allowed.connect() as agent:
            agent.execute("DELETE FROM accounts")
        done = allowed.gateway.change(change.id)
        view = viewed(allowed, done, "ann", reveal=True)
        assert rows_of(view, "public.accounts", ChangeKind.DELETED).of == 50
        assert PASSWORD not in repr(view)
    finally:
        allowed.make("DROP TABLE accounts")


def test_nothing_of_it_is_in_ledger_or_log(allowed: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    allowed.database.psql(f"UPDATE customers SET name = '{CANARY}'")
    change = held(allowed, "DELETE FROM customers WHERE id <= 50")
    assert CANARY in repr(viewed(allowed, change, "ann", reveal=True))
    assert CANARY not in json.dumps(allowed.gateway.entries())
    out = capfd.readouterr()
    assert CANARY not in out.out + out.err
    assert CANARY.encode() not in b"".join(p.read_bytes() for p in allowed.gateway.folder.rglob("*.db*"))


def test_what_was_done_is_told_by_its_before_image(allowed: Shop) -> None:
    with allowed.connect() as agent:
        agent.execute("UPDATE customers SET email = 'new' WHERE id = 3")
        agent.execute("INSERT INTO ten VALUES (11, 'row 11')")
    made, changed = allowed.changes()
    part = rows_of(viewed(allowed, changed, "ann", reveal=True), "public.customers", ChangeKind.UPDATED)
    assert (cells(part), cells(part, "after")) == (
        [{"id": "3", "email": "3@example.org"}],
        [{"id": "3", "email": "new"}],
    )
    part = rows_of(viewed(allowed, made, "ann", reveal=True), "public.ten", ChangeKind.CREATED)
    assert cells(part, "after") == [{"a": "11", "b": "row 11"}]
    assert not part.rows[0].before


def test_a_definition_is_compared(allowed: Shop) -> None:
    allowed.make(
        "CREATE FUNCTION greet(who text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN\n  -- a word\n"
        f"  RETURN '{CANARY}' || who;\nEND $$"
    )
    try:
        new = "CREATE OR REPLACE FUNCTION greet(who text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN\n  RETURN who;\nEND $$"
        change = held(allowed, new)
        view = viewed(allowed, change)
        (diff,) = [p for p in view.parts if isinstance(p, Diff) and "greet" in p.resource.name]
        assert [line.text.strip() for line in diff.lines if line.sort == "added"] == ["RETURN who;"]
        assert [line.text.strip() for line in diff.lines if line.sort == "removed"] == [
            "-- •••",
            "RETURN '•••' || who;",
        ]
        assert CANARY not in repr(view)
        assert CANARY in repr(viewed(allowed, change, "ann", reveal=True))
    finally:
        allowed.make("DROP FUNCTION greet(text)")


def test_a_dropped_table_shows_its_definition_and_rows(allowed: Shop) -> None:
    change = held(allowed, "DROP TABLE ten")
    view = viewed(allowed, change, "ann", reveal=True)
    diff = next(p for p in view.parts if isinstance(p, Diff) and p.resource.name == "public.ten")
    assert {line.sort for line in diff.lines} == {"removed"}
    assert any("column a integer not null" in line.text for line in diff.lines)
    part = rows_of(view, "public.ten", ChangeKind.DELETED)
    assert part.of == 10
    assert not part.rows or cells(part)[0]["b"].startswith("row")  # type: ignore[union-attr]
    assert part.rows or "trash" in part.note


def test_where_nothing_was_gathered_it_says_so(fresh_db18: PgDatabase, tmp_path: Path) -> None:
    """Without an observer there is no before-image, and nothing more is asked for a sample's sake."""
    prepare(fresh_db18, "CREATE TABLE t (a int PRIMARY KEY)")
    fresh_db18.psql("INSERT INTO t SELECT generate_series(1, 10)")
    with Gateway(fresh_db18, tmp_path, observer=False) as gateway:
        with gateway.connect("bot") as agent, fails("IL001"):
            agent.execute("DELETE FROM t")
        view = gateway.run(gateway.runtime.insight.sample(gateway.held().id, "ann"))
        assert (view.parts, view.stored) == ((), False)


def test_a_sample_that_cannot_be_made_holds_nothing_up(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    live: Any = shop.gateway.runtime.core.lives["shop"]

    def broken(parts: Any) -> Any:
        raise RuntimeError(CANARY)

    monkeypatch.setattr(live, "samples", broken)
    change = held(shop, "DELETE FROM payments WHERE id > 100")
    monkeypatch.undo()
    view = viewed(shop, change)
    assert not view.parts
    assert not view.stored


def test_retention_destroys_it(allowed: Shop) -> None:
    change = held(allowed, "DELETE FROM payments WHERE id > 100")
    gateway = allowed.gateway
    assert viewed(allowed, change).parts
    gateway.deny(change.id)
    later = gateway.runtime.core.directory.now()
    gateway.run(gateway.runtime.store.destroy_payloads_before(later.replace(year=later.year + 1)))
    view = viewed(allowed, change, "ann", reveal=True)
    assert (view.parts, view.stored, view.revealed) == ((), False, False)


def test_parts_that_were_cut_tell_what_is_there(shop: Shop) -> None:
    with shop.connect() as agent:
        agent.execute("UPDATE customers SET email = 'x' WHERE id <= 20")
    (change,) = shop.changes()
    parts = shop.gateway.run(
        shop.gateway.runtime.store.read(
            lambda tx: [tx.payload(change.id, n) for n in tx.payload_parts(change.id, "undo/")]
        )
    )
    assert samples(parts).parts
    for end in range(0, len(parts[0]), 97):
        samples([parts[0][:end]])  # raises nothing
