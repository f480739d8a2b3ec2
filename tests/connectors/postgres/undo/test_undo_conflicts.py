"""What others did to the same rows since: found row by row and column by column, and never undone unasked."""

from collections.abc import Iterator

import pytest
from tests.connectors.postgres.rig import Rig, dump, rig

from interlock.model.conflict import Conflicting, ConflictKind, RowConflict
from interlock.model.errors import Rejected
from interlock.testing.peers.pg import PgDatabase

SHOP = """
CREATE TABLE people (id int PRIMARY KEY, name text, email text UNIQUE, city text, size int,
                     twice int GENERATED ALWAYS AS (size * 2) STORED);
CREATE TABLE notes (id int PRIMARY KEY, person int REFERENCES people, body text);
CREATE TABLE bare (a int, b text);
CREATE TABLE staff (id int PRIMARY KEY, boss int REFERENCES staff DEFERRABLE, name text);
CREATE TABLE left_side (id int PRIMARY KEY, other int NOT NULL);
CREATE TABLE right_side (id int PRIMARY KEY, other int NOT NULL REFERENCES left_side DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE left_side ADD FOREIGN KEY (other) REFERENCES right_side DEFERRABLE INITIALLY DEFERRED;
CREATE TABLE nothing ();
INSERT INTO people SELECT i, 'n' || i, i || '@x', 'here', i FROM generate_series(1, 9) i;
INSERT INTO notes SELECT i, i, 'b' FROM generate_series(1, 5) i;
INSERT INTO bare SELECT i % 3, 'b' FROM generate_series(1, 9) i;
INSERT INTO staff SELECT i, nullif(i / 2, 0), 's' FROM generate_series(1, 7) i;
BEGIN; INSERT INTO left_side SELECT i, i FROM generate_series(1, 4) i;
INSERT INTO right_side SELECT i, i FROM generate_series(1, 4) i; COMMIT;
"""


@pytest.fixture
def shop(fresh_db18: PgDatabase) -> Iterator[Rig]:
    with rig(fresh_db18, SHOP) as made:
        yield made


def refused(made: Rig, change: object) -> list[RowConflict]:
    """The conflicts of a revert that is refused, and changes nothing."""
    now = dump(made.database)
    with pytest.raises(Conflicting) as caught:
        made.revert(change)  # type: ignore[arg-type]
    assert dump(made.database) == now
    for one in caught.value.conflicts:
        assert one.row not in str(caught.value), "keys are for the answer, not for messages"
    return list(caught.value.conflicts)


def names(made: Rig, columns: str = "name, city", where: str = "id < 4") -> list[tuple[str | None, ...]]:
    return made.run(f"SELECT {columns} FROM people WHERE {where} ORDER BY id")


def test_other_columns_are_no_conflict_and_stay(shop: Rig) -> None:
    change = shop.applied("UPDATE people SET name = 'agent', size = 0 WHERE id < 4")
    shop.script("UPDATE people SET city = 'there' WHERE id = 2")
    reverted = shop.revert(change)
    assert reverted.complete
    assert reverted.conflicts == ()
    assert names(shop, "name, city, size, twice") == [
        ("n1", "here", "1", "2"),
        ("n2", "there", "2", "4"),
        ("n3", "here", "3", "6"),
    ]


def test_the_same_column_is_a_conflict_that_names_row_and_column(shop: Rig) -> None:
    change = shop.applied("UPDATE people SET name = 'agent', size = 0 WHERE id < 4")
    shop.script("UPDATE people SET name = 'person', city = 'there' WHERE id = 2")
    assert refused(shop, change) == [
        RowConflict("public.people", "id = 2", ConflictKind.MODIFIED, ("name",), left=False)
    ]
    reverted = shop.revert(change, force=True)
    assert reverted.complete
    assert [c.row for c in reverted.conflicts] == ["id = 2"]
    assert names(shop) == [("n1", "here"), ("n2", "there"), ("n3", "here")]


def test_what_somebody_set_back_already_is_no_conflict(shop: Rig) -> None:
    change = shop.applied("UPDATE people SET name = 'agent', size = 0 WHERE id < 4")
    shop.script("UPDATE people SET name = 'n2' WHERE id = 2")
    assert shop.revert(change).complete
    assert names(shop, "name, size") == [("n1", "1"), ("n2", "2"), ("n3", "3")]


def test_a_new_row_that_somebody_works_on_is_a_conflict_in_any_column(shop: Rig) -> None:
    change = shop.applied("INSERT INTO people VALUES (20, 'new', 'a@x'), (21, 'new', 'b@x')")
    shop.script("UPDATE people SET city = 'there' WHERE id = 20")
    assert refused(shop, change) == [
        RowConflict("public.people", "id = 20", ConflictKind.MODIFIED, ("city",))
    ]
    assert shop.revert(change, force=True).complete
    assert names(shop, where="id >= 20") == []


def test_a_new_row_that_is_gone_is_as_it_should_be(shop: Rig) -> None:
    change = shop.applied("INSERT INTO people VALUES (20, 'new', 'a@x'), (21, 'new', 'b@x')")
    shop.script("DELETE FROM people WHERE id = 20")
    assert shop.revert(change).complete


def test_rows_that_are_gone_or_taken_are_left_by_force_and_the_rest_is_done(shop: Rig) -> None:
    change = shop.applied(
        "UPDATE people SET name = 'agent' WHERE id IN (7, 8)", "DELETE FROM notes WHERE id < 3"
    )
    shop.script("DELETE FROM people WHERE id = 7; INSERT INTO notes VALUES (1, 9, 'mine')")
    found = [
        RowConflict("public.people", "id = 7", ConflictKind.DELETED, (), left=True),
        RowConflict("public.notes", "id = 1", ConflictKind.TAKEN, ("person", "body"), left=True),
    ]
    assert sorted(refused(shop, change), key=lambda c: c.table) == sorted(found, key=lambda c: c.table)
    reverted = shop.revert(change, force=True)
    assert not reverted.complete
    assert names(shop, "id, name", "id IN (7, 8)") == [("8", "n8")]
    assert shop.run("SELECT id, person, body FROM notes WHERE id < 3 ORDER BY id") == [
        ("1", "9", "mine"),
        ("2", "2", "b"),
    ]


def test_without_a_key_a_changed_row_cannot_be_told_from_a_gone_one(shop: Rig) -> None:
    change = shop.applied("UPDATE bare SET b = 'agent' WHERE a = 0")
    shop.script("UPDATE bare SET b = 'person' WHERE ctid = (SELECT min(ctid) FROM bare WHERE a = 0)")
    (found,) = refused(shop, change)
    assert (found.row, found.kind, found.left) == ("a = 0, b = agent", ConflictKind.DELETED, True)
    assert not shop.revert(change, force=True).complete
    assert shop.run("SELECT b, count(*) FROM bare WHERE a = 0 GROUP BY 1 ORDER BY 1") == [
        ("b", "2"),
        ("person", "1"),
    ]


@pytest.mark.parametrize("deferrable", ["", "DEFERRABLE INITIALLY DEFERRED"])
def test_a_forced_revert_never_breaks_a_foreign_key(shop: Rig, deferrable: str) -> None:
    """Rows that came since refer to a row of the change's: it stays, the others go."""
    shop.script(
        "ALTER TABLE notes DROP CONSTRAINT notes_person_fkey,"
        f" ADD FOREIGN KEY (person) REFERENCES people {deferrable}"
    )
    change = shop.applied("INSERT INTO people VALUES (20, 'new', 'a@x'), (21, 'new', 'b@x')")
    shop.script("INSERT INTO notes VALUES (20, 20, 'mine')")
    with pytest.raises(Rejected):
        shop.revert(change)
    reverted = shop.revert(change, force=True)
    assert [(c.row, c.kind, c.left) for c in reverted.conflicts] == [("id = 20", ConflictKind.BLOCKED, True)]
    assert not reverted.complete
    assert names(shop, "id", "id >= 20") == [("20",)]


def test_a_forced_revert_leaves_what_a_unique_value_blocks(shop: Rig) -> None:
    change = shop.applied(
        "DELETE FROM people WHERE id IN (8, 9)", "UPDATE people SET email = 'z' || id WHERE id = 7"
    )
    shop.script("INSERT INTO people VALUES (30, 'x', '8@x'), (31, 'y', '7@x')")
    with pytest.raises(Rejected, match="stand in the way"):
        shop.revert(change)
    reverted = shop.revert(change, force=True)
    assert sorted((c.row, c.kind, c.columns) for c in reverted.conflicts) == [
        ("id = 7", ConflictKind.BLOCKED, ("email",)),
        ("id = 8", ConflictKind.BLOCKED, ()),
    ]
    assert names(shop, "id", "id IN (8, 9)") == [("9",)]


def test_rows_that_refer_to_each_other_come_back_in_part(shop: Rig) -> None:
    """A tree of rows of which somebody has taken one place since: its children cannot come back under it."""
    shop.script("INSERT INTO staff VALUES (12, 6, 'deep'), (13, 12, 'deeper')")
    change = shop.applied(
        "UPDATE staff SET boss = NULL WHERE boss IN (6, 12)", "DELETE FROM staff WHERE id IN (6, 12, 13)"
    )
    shop.script("DELETE FROM staff WHERE id IN (7, 3)")
    with pytest.raises(Rejected):
        shop.revert(change)
    reverted = shop.revert(change, force=True)
    assert {c.row for c in reverted.conflicts} == {"id = 6", "id = 12", "id = 13"}
    assert shop.run(
        "SELECT count(*) FROM staff s WHERE boss IS NOT NULL AND NOT EXISTS (SELECT FROM staff b WHERE b.id = s.boss)"
    ) == [("0",)]


def test_a_cycle_of_tables_comes_back_whole_or_in_part(shop: Rig) -> None:
    before = dump(shop.database)
    sql = ("DELETE FROM left_side WHERE id < 3", "DELETE FROM right_side WHERE id < 3")
    change = shop.applied(*sql)
    assert shop.revert(change).complete
    assert dump(shop.database) == before
    change = shop.applied(*sql)
    shop.script("BEGIN; INSERT INTO left_side VALUES (1, 3); COMMIT")
    reverted = shop.revert(change, force=True)
    assert not reverted.complete
    broken = (
        "SELECT count(*) FROM right_side r WHERE NOT EXISTS (SELECT FROM left_side l WHERE l.id = r.other)"
    )
    assert shop.run(broken) == [("0",)]


def test_a_partial_revert_is_a_change_that_can_be_reverted(shop: Rig) -> None:
    change = shop.applied(
        "UPDATE people SET name = 'agent' WHERE id < 4", "INSERT INTO people VALUES (20, 'new', 'a@x')"
    )
    shop.script("UPDATE people SET name = 'person' WHERE id = 2; INSERT INTO notes VALUES (20, 20, 'mine')")
    between = dump(shop.database)
    assert not shop.revert(change, force=True).complete
    assert shop.revert(shop.measured).complete
    assert dump(shop.database) == between


def test_a_table_without_columns_or_with_many(shop: Rig) -> None:
    columns = ", ".join(f"c{n} text DEFAULT E'a\\'\\\\b'" for n in range(200))
    shop.script(
        f"CREATE TABLE wide ({columns}); INSERT INTO wide DEFAULT VALUES; INSERT INTO nothing DEFAULT VALUES"
    )
    before = dump(shop.database)
    change = shop.applied(
        "UPDATE wide SET c7 = NULL, c150 = '('",
        "INSERT INTO wide DEFAULT VALUES",
        "INSERT INTO nothing DEFAULT VALUES",
    )
    assert shop.revert(change).complete
    assert dump(shop.database) == before


def test_a_large_table_without_a_key_is_asked_for_the_concerned_rows_alone(shop: Rig) -> None:
    shop.script("INSERT INTO bare SELECT i, 'x' FROM generate_series(10, 250000) i")
    change = shop.applied("UPDATE bare SET b = 'agent' WHERE a = 77")
    sent = shop.maintainer.rows_sent
    assert shop.revert(change).complete
    assert shop.maintainer.rows_sent - sent < 60
    assert shop.run("SELECT b FROM bare WHERE a = 77") == [("x",)]
