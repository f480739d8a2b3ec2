"""Giving back what tables lost as a whole: rows of dropped and emptied tables, values of dropped and altered columns.

    check()       before anything is undone: what others did since that stands in the way
    groups()      the statements that put it back, once the table (or column) is there again
    verify()      afterwards: whether all is there as it was
    clearing()    the copies in the trash that are needed no longer

A copy in the trash is read where it lies; what is part of the before-image is sent as JSON. Values are text, and read by
the input functions of their types."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from interlock.connectors.postgres import trash
from interlock.connectors.postgres.image import Kept, Row
from interlock.connectors.postgres.queries import (
    Ask,
    QueryFailed,
    Statement,
    Steps,
    array,
    ask,
    ident,
    qualified,
)
from interlock.connectors.postgres.undo.attempt import Group
from interlock.model.errors import Rejected

_CHUNK_ROWS = 20_000
_CHUNK_CHARACTERS = 32 << 20

_NOW = """
SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text,
       EXISTS (SELECT FROM pg_catalog.pg_attribute AS a
                WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND NOT a.attisdropped
                  AND a.attname::pg_catalog.text OPERATOR(pg_catalog.=) ANY ($2::pg_catalog.text[]))::pg_catalog.text
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
 WHERE c.oid OPERATOR(pg_catalog.=) $1::pg_catalog.oid
"""


@dataclass(slots=True)
class StoredKept:
    """What was kept, and its rows when they are part of the before-image. `schema` and `name` are set to what they are now."""

    kept: Kept
    rows: list[Row] = field(default_factory=list)
    schema: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        self.schema, self.name = self.kept.schema, self.kept.name

    @property
    def sql(self) -> str:
        return qualified(self.schema, self.name)

    @property
    def label(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def places(self) -> list[int]:
        """Where the columns stand that can be written: generated ones make themselves."""
        return [place for place, column in enumerate(self.kept.columns) if not column.generated]


def check(all_kept: Sequence[StoredKept], *, force: bool) -> Steps[None]:
    """Find the tables, and keep writers out of those that stayed. Raises Rejected when rows were changed since (unless `force`),
    or a copy is gone."""
    found: list[str] = []
    for stored in all_kept:
        said = yield from _conflicts(stored, force=force)
        found += [said] if said else []
    if found:
        raise Rejected(f"rows were changed since: {'; '.join(found)}")


def verify(all_kept: Sequence[StoredKept], *, force: bool) -> Steps[None]:
    """Read everything again. Raises Rejected when something is not as it was (unless `force`)."""
    for stored in all_kept:
        number = yield from _missing(stored)
        if number and not force:
            raise Rejected(f"{number} rows of {stored.label} are not as they were")


def _conflicts(stored: StoredKept, *, force: bool) -> Steps[str]:
    """Find the table as it is called now, and keep writers out of one that stays. What others did since, in words; empty when
    nothing stands in the way. Raises Rejected when the copy is gone."""
    yield from _there(stored)
    [rows] = yield from ask(Ask("maintainer", ((_NOW, (str(stored.kept.oid), array(stored.kept.lost))),)))
    if not rows:
        return ""  # dropped: it is made again under its old name
    stored.schema, stored.name = rows[0][0] or "", rows[0][1] or ""
    if not stored.kept.lost or force:
        return ""
    lock = (f"LOCK TABLE ONLY {stored.sql} IN SHARE ROW EXCLUSIVE MODE", ())
    found: list[str] = []
    unmatched = 0
    for source, parameters in _sources(stored):
        there, changed = _still(stored, source, parameters)
        statements: list[Statement] = [lock, there]
        if rows[0][2] == "true" and stored.kept.xid:
            statements.append(changed)
        _, gone, *since = yield from ask(Ask("maintainer", tuple(statements)))
        unmatched += int(gone[0][0] or 0)
        if since and since[0][0][0] != "0":
            found.append(f"{since[0][0][0]} modified")
    if unmatched:
        found.append(f"{unmatched} deleted or with another key")
    return f"{stored.label}: {', '.join(found)}" if found else ""


def _there(stored: StoredKept) -> Steps[None]:
    if not stored.kept.trash:
        return
    [rows] = yield from ask(Ask("maintainer", (trash.found([stored.kept.trash]),)))
    if not rows:
        raise Rejected(f"what was kept of {stored.kept.schema}.{stored.kept.name} is no longer in the trash")


def groups(stored: StoredKept) -> list[Group]:
    """The statements that put it back. The table must have the columns that it had, and nothing that refuses the rows yet."""
    write = _set_back if stored.kept.lost else _insert
    return [Group(stored.label, ((write(stored, source), given),)) for source, given in _sources(stored)]


def _missing(stored: StoredKept) -> Steps[int]:
    """How many of the kept rows are not in the table as they were."""
    number = 0
    for source, parameters in _sources(stored):
        kept = ", ".join(
            _text(stored, place, "k", f"c{stored.kept.numbers[place]}") for place in stored.places
        )
        now = ", ".join(_text(stored, place, "t", stored.kept.columns[place].name) for place in stored.places)
        sql = (
            f"SELECT pg_catalog.count(*)::pg_catalog.text FROM (SELECT {kept} FROM {source} EXCEPT ALL"
            f" SELECT {now} FROM ONLY {stored.sql} AS t) AS m"
        )
        (reply,) = yield (Ask("maintainer", ((sql, parameters),)),)
        if isinstance(reply, QueryFailed):
            raise Rejected(f"{stored.label} cannot be read again ({reply.sqlstate})")
        number += int(reply[0][0][0] or 0)
    return number


def clearing(kept: Sequence[StoredKept]) -> Steps[frozenset[int]]:
    """Remove the copies: they go when the revert is committed. Returns their oids."""
    names = [stored.kept.trash for stored in kept if stored.kept.trash]
    if not names:
        return frozenset()
    rows, *_ = yield from ask(Ask("maintainer", (trash.found(names), *(trash.drop(name) for name in names))))
    return frozenset(int(oid or 0) for _, oid in rows)


# ---- SQL --------------------------------------------------------------------------------------------------------------


def _sources(stored: StoredKept) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What stands in FROM, called `k`, with columns named as in the trash; and the statement's parameters."""
    if stored.kept.trash:
        yield f"{qualified(trash.SCHEMA, stored.kept.trash)} AS k", ()
        return
    fields = ", ".join(
        f"(j.v OPERATOR(pg_catalog.->>) {place}) AS c{number}"
        for place, number in enumerate(stored.kept.numbers)
    )
    source = f"(SELECT {fields} FROM pg_catalog.json_array_elements($1::pg_catalog.json) AS j(v)) AS k"
    whole = bool(stored.kept.lost) and not stored.kept.key
    for chunk in [stored.rows] if whole else _chunks(stored.rows):
        yield source, (msgspec.json.encode(chunk).decode(),)


def _chunks(rows: Sequence[Row]) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += sum(len(value or "") for value in row)
        if len(chunk) == _CHUNK_ROWS or size > _CHUNK_CHARACTERS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _insert(stored: StoredKept, source: str) -> str:
    names = ", ".join(ident(stored.kept.columns[place].name) for place in stored.places)
    values = ", ".join(_value(stored, place) for place in stored.places)
    columns = f" ({names}) OVERRIDING SYSTEM VALUE" if names else ""
    return f"INSERT INTO {stored.sql}{columns} SELECT {values} FROM {source}"


def _set_back(stored: StoredKept, source: str) -> str:
    places = [place for place in stored.places if stored.kept.columns[place].name in stored.kept.lost]
    sets = ", ".join(f"{ident(stored.kept.columns[p].name)} = {_value(stored, p)}" for p in places)
    if stored.kept.key:
        return f"UPDATE ONLY {stored.sql} AS t SET {sets} FROM {source} WHERE {_by_key(stored)}"
    # Rows without a key that are alike in all other columns are one as good as the other.
    kept, now = _others(stored)
    return (
        f"UPDATE ONLY {stored.sql} AS t SET {sets}"
        f" FROM (SELECT k.*, {kept} AS whole, pg_catalog.row_number() OVER (PARTITION BY {kept}) AS place FROM {source}) AS k"
        f" JOIN (SELECT n.ctid AS row, {now} AS whole, pg_catalog.row_number() OVER (PARTITION BY {now}) AS place"
        f" FROM ONLY {stored.sql} AS n) AS n"
        " ON n.whole OPERATOR(pg_catalog.=) k.whole AND n.place OPERATOR(pg_catalog.=) k.place"
        " WHERE t.ctid OPERATOR(pg_catalog.=) n.row"
    )


def _still(stored: StoredKept, source: str, parameters: tuple[str, ...]) -> tuple[Statement, Statement]:
    """How many of the kept rows are not there any more; how many of those that are were changed since."""
    count = "SELECT pg_catalog.count(*)::pg_catalog.text"
    if stored.kept.key:
        table = f"ONLY {stored.sql} AS t"
        there = f"{count} FROM {source} WHERE NOT EXISTS (SELECT FROM {table} WHERE {_by_key(stored)})"
        xmin = len(parameters) + 1
        match = f"EXISTS (SELECT FROM {source} WHERE {_by_key(stored)})"
    else:
        kept, now = _others(stored)
        table = f"ONLY {stored.sql} AS n"
        there = f"{count} FROM (SELECT {kept} FROM {source} EXCEPT ALL SELECT {now} FROM {table}) AS m"
        xmin, match = 1, "true"
    name = "t" if stored.kept.key else "n"
    changed = (
        f"{count} FROM {table} WHERE {name}.xmin OPERATOR(pg_catalog.<>) ${xmin}::pg_catalog.xid AND {match}"
    )
    return (there, parameters), (changed, (*parameters[: xmin - 1], stored.kept.xid))


def _by_key(stored: StoredKept) -> str:
    names = [column.name for column in stored.kept.columns]
    return " AND ".join(
        f"t.{ident(part.name)} OPERATOR({part.operator}) {_value(stored, names.index(part.name))}"
        for part in stored.kept.key
    )


def _others(stored: StoredKept) -> tuple[str, str]:
    """All values that were not lost, as one text: of a kept row (`k`), and of a present one (`n`)."""
    places = [place for place in stored.places if stored.kept.columns[place].name not in stored.kept.lost]
    kept = ", ".join(_text(stored, place, "k", f"c{stored.kept.numbers[place]}") for place in places)
    now = ", ".join(_text(stored, place, "n", stored.kept.columns[place].name) for place in places)
    return f"ROW({kept})::pg_catalog.text", f"ROW({now})::pg_catalog.text"


def _value(stored: StoredKept, place: int) -> str:
    return f"k.c{stored.kept.numbers[place]}::{stored.kept.columns[place].type}"


def _text(stored: StoredKept, place: int, table: str, name: str) -> str:
    """A value by the output function of its type; `num_nulls` because a composite value of NULLs is none itself. Texts are
    compared byte by byte, whatever the column's collation takes for equal."""
    value = f"{table}.{ident(name)}"
    shown = f"CASE WHEN pg_catalog.num_nulls({value}) OPERATOR(pg_catalog.=) 0 THEN pg_catalog.format('%s', {value}) END"
    return f'({shown} COLLATE pg_catalog."C")'
