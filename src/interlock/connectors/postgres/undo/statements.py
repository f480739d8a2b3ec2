"""SQL that reads rows by key and puts them back. Values are parameters in text format; each has the type of its column."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from interlock.connectors.postgres.image import Row
from interlock.connectors.postgres.queries import Statement, array, ident, literal
from interlock.connectors.postgres.undo.load import Stored

T = TypeVar("T")
_PARAMETERS = 20_000
"""Parameters of one statement (the protocol has room for 65,535)."""
_ROWS = 500
_ARGUMENTS = 90


def find(stored: Stored, keys: Sequence[Row]) -> Statement:
    """Lock and read the rows with these keys: ctid, then the recorded columns."""
    values, given = _key_values(stored, keys)
    return (
        f"SELECT {stored.columns} FROM ONLY {stored.sql} AS t JOIN (VALUES {values})"
        f" AS k({_key_names(stored)}) ON {_key_matches(stored)} FOR UPDATE OF t",
        given,
    )


def lock(stored: Stored) -> Statement:
    """For a table without a key: keep writers out, or a row could go from one place to another unseen."""
    return f"LOCK TABLE ONLY {stored.sql} IN SHARE ROW EXCLUSIVE MODE", ()


def find_values(stored: Stored, rows: Sequence[Row]) -> Statement:
    """For a table without a key: the rows that have one of these values, found in one pass over the table."""
    given = array(list(dict.fromkeys(",".join(map(_quoted, row)) for row in rows)))
    return (
        f"SELECT {stored.columns} FROM ONLY {stored.sql} AS t JOIN pg_catalog.unnest($1::pg_catalog.text[]) AS k(v)"
        f" ON k.v OPERATOR(pg_catalog.=) ({_whole(stored)})",
        (given,),
    )


def _quoted(value: str | None) -> str:
    return "NULL" if value is None else literal(value)


def _whole(stored: Stored) -> str:
    """All values of a row as one text. `format` calls the types' output functions, as SELECT does; a cast to text could be
    anybody's. (A function takes 100 arguments.)"""
    names = [f"t.{ident(column.name)}" for column in stored.table.columns]
    parts = [names[start : start + _ARGUMENTS] for start in range(0, len(names), _ARGUMENTS)]
    texts = [f"pg_catalog.format('{','.join(['%L'] * len(part))}', {', '.join(part)})" for part in parts]
    return " OPERATOR(pg_catalog.||) ',' OPERATOR(pg_catalog.||) ".join(texts) if texts else "''"


def insert(stored: Stored, rows: Sequence[Row]) -> Statement:
    """Put rows back with the values they had, identity columns included; generated columns make themselves."""
    places = [place for place, column in enumerate(stored.table.columns) if not column.generated]
    if not places:
        return f"INSERT INTO {stored.sql} SELECT FROM pg_catalog.generate_series(1, $1::int)", (
            str(len(rows)),
        )
    names = ", ".join(ident(stored.table.columns[place].name) for place in places)
    given = tuple(row[place] for row in rows for place in places)
    return (
        f"INSERT INTO {stored.sql} ({names}) OVERRIDING SYSTEM VALUE VALUES {_tuples(len(rows), len(places))}",
        given,
    )


def update(stored: Stored, places: Sequence[int], values: Row, key: Row) -> Statement:
    """Set columns of the row with that key."""
    sets = ", ".join(f"{ident(stored.table.columns[p].name)} = ${n}" for n, p in enumerate(places, 1))
    where = " AND ".join(
        f"t.{ident(part.name)} OPERATOR({part.operator}) ${len(places) + n}"
        for n, part in enumerate(stored.key, 1)
    )
    return f"UPDATE ONLY {stored.sql} AS t SET {sets} WHERE {where}", (*values, *key)


def update_many(stored: Stored, places: Sequence[int], rows: Sequence[tuple[Row, Row]]) -> Statement:
    """Set the same columns of many rows, given as (values, key); none of the columns belongs to the key."""
    columns = [stored.table.columns[place] for place in (*places, *stored.key_places)]
    names = [f"v{n}" for n in range(len(places))] + [f"k{n}" for n in range(len(stored.key))]
    sets = ", ".join(f"{ident(columns[n].name)} = k.v{n}" for n in range(len(places)))
    values = _typed([column.type for column in columns], len(rows))
    return (
        f"UPDATE ONLY {stored.sql} AS t SET {sets} FROM (VALUES {values}) AS k({', '.join(names)})"
        f" WHERE {_key_matches(stored)}",
        tuple(value for values, key in rows for value in (*values, *key)),
    )


def update_at(stored: Stored, places: Sequence[int], values: Row, ctid: str) -> Statement:
    """Set columns of the row version at a place (tables without a key)."""
    sets = ", ".join(f"{ident(stored.table.columns[p].name)} = ${n}" for n, p in enumerate(places, 1))
    where = f"t.ctid OPERATOR(pg_catalog.=) ${len(places) + 1}::pg_catalog.tid"
    return f"UPDATE ONLY {stored.sql} AS t SET {sets} WHERE {where}", (*values, ctid)


def delete(stored: Stored, keys: Sequence[Row]) -> Statement:
    """Remove the rows with these keys."""
    values, given = _key_values(stored, keys)
    return (
        f"DELETE FROM ONLY {stored.sql} AS t USING (VALUES {values}) AS k({_key_names(stored)})"
        f" WHERE {_key_matches(stored)}",
        given,
    )


def delete_at(stored: Stored, ctids: Sequence[str]) -> Statement:
    """Remove the row versions at these places (tables without a key)."""
    return (
        f"DELETE FROM ONLY {stored.sql} AS t WHERE t.ctid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.tid[])",
        (array(ctids),),
    )


def chunks(rows: Sequence[T], width: int) -> Iterator[Sequence[T]]:
    """Rows in portions that fit into one statement's parameters."""
    step = max(1, min(_ROWS, _PARAMETERS // max(1, width)))
    return (rows[start : start + step] for start in range(0, len(rows), step))


def _key_values(stored: Stored, keys: Sequence[Row]) -> tuple[str, tuple[str | None, ...]]:
    types = [stored.table.columns[place].type for place in stored.key_places]
    return _typed(types, len(keys)), tuple(value for key in keys for value in key)


def _typed(types: Sequence[str], rows: int) -> str:
    """The rows of VALUES with a cast at each parameter: a cast in one row says nothing about the parameters of another."""
    width = len(types)
    return ", ".join(
        "(" + ", ".join(f"${row * width + n}::{kind}" for n, kind in enumerate(types, 1)) + ")"
        for row in range(rows)
    )


def _key_names(stored: Stored) -> str:
    return ", ".join(f"k{n}" for n in range(len(stored.key)))


def _key_matches(stored: Stored) -> str:
    return " AND ".join(
        f"t.{ident(part.name)} OPERATOR({part.operator}) k.k{n}" for n, part in enumerate(stored.key)
    )


def _tuples(rows: int, width: int) -> str:
    return ", ".join(
        "(" + ", ".join(f"${r * width + n}" for n in range(1, width + 1)) + ")" for r in range(rows)
    )
