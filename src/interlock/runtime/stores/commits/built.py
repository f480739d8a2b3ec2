"""Statements of the way of every change, built once: building one costs more than running it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import (
    Executable,
    Insert,
    Select,
    Table,
    TextClause,
    Update,
    bindparam,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from interlock.model.budget import AMOUNTS
from interlock.model.change import ChangeState
from interlock.runtime.stores.shape import schema

P = ParamSpec("P")
S = TypeVar("S", bound=Executable)
_BY_ID = "old_id"
_BY_VERSION = "old_version"
_BUILT: set[Executable] = set()


def keep(statement: S) -> S:
    """A statement that lasts as long as the process: what is made of it may be kept as well."""
    _BUILT.add(statement)
    return statement


def is_built(statement: Executable) -> bool:
    """Whether a statement is one of these, and not made for one occasion."""
    return statement in _BUILT


def _once(build: Callable[P, S]) -> Callable[P, S]:
    """For each arguments once."""
    made: dict[tuple[object, ...], S] = {}

    @wraps(build)
    def kept(*args: P.args, **kwargs: P.kwargs) -> S:
        assert not kwargs
        if args not in made:
            made[args] = keep(build(*args, **kwargs))
        return made[args]

    return kept


@_once
def column_by(table: Table, column: str, *keys: str) -> Select[Any]:
    """One column of the rows with given values in ``keys``, which are the parameters."""
    return select(table.c[column]).where(*(table.c[key] == bindparam(key) for key in keys))


@_once
def by_content(*states: ChangeState) -> Select[Any]:
    """The newest change of an ``agent`` on a ``target`` with a ``content`` that is in one of the states."""
    table = schema.changes
    same = [table.c[key] == bindparam(key) for key in ("agent", "target", "content")]
    # Spelt out: an IN is put together anew each time it is run.
    in_state = or_(*(table.c.state == state.value for state in states))
    # Of an expression, for which there is no index: the planner would rather walk back through all that the agent ever did.
    newest = select(func.max(table.c.id + "")).where(*same, in_state).scalar_subquery()
    return select(table.c.doc).where(table.c.id == newest)


@_once
def locked_breakers(number: int) -> Select[Any]:
    """The breakers of that many scopes (parameters ``scope_0`` …), in fixed order, locked against moves; with the tracks of agents
    among them and the revision, which cost no statement of their own that way."""
    table, tracks = schema.breakers, schema.tracks
    wanted = or_(*(table.c.scope == bindparam(f"scope_{n}") for n in range(number)))
    both = table.outerjoin(tracks, tracks.c.scope == table.c.scope)
    revision = select(schema.revision.c.value).scalar_subquery()
    query = select(table.c.doc, table.c.scope, tracks.c.doc, revision).select_from(both).where(wanted)
    return query.order_by(table.c.scope).with_for_update(read=True, of=table)


@_once
def last_id_between() -> Select[Any]:
    """The last id of a change from ``first`` to ``last``, or NULL."""
    column = schema.changes.c.id
    return select(func.max(column)).where(column.between(bindparam("first"), bindparam("last")))


@_once
def spend(number: int) -> TextClause:
    """Adds to that many counters (parameters `scope_0`, `target_0`, `rows_created_0` … and ``slice``), and returns for each what it
    shows from the slice ``since`` on: one statement, because it is on the way of every change.

    As text: SQLAlchemy leaves the tables out of RETURNING's columns, which are ambiguous then.
    """
    own = ("scope", "target", *AMOUNTS)
    rows = ", ".join(f"({', '.join(f':{name}_{n}' for name in own)}, :slice)" for n in range(number))
    added = ", ".join(f"{name} = spent.{name} + excluded.{name}" for name in AMOUNTS)
    # Not of the slice itself: what the statement has made of it so far is not defined.
    earlier = (
        "FROM spent AS earlier WHERE earlier.scope = spent.scope AND earlier.target = spent.target"
        " AND earlier.slice >= :since AND earlier.slice < :slice"
    )
    # As one text: a subselect for each number would take several times as long.
    sums = " || ' ' || ".join(f"CAST(coalesce(sum(earlier.{name}), 0) AS text)" for name in AMOUNTS)
    now = ", ".join(f"spent.{name}" for name in AMOUNTS)
    return text(
        f"INSERT INTO spent ({', '.join(own)}, slice) VALUES {rows}"
        f" ON CONFLICT (scope, target, slice) DO UPDATE SET {added}"
        f" RETURNING spent.scope, (SELECT {sums} {earlier}), {now}"
    )


@_once
def value_of(table: Table, column: str) -> Select[Any]:
    """A column of a table with one row."""
    return select(table.c[column])


@_once
def new_row(table: Table) -> Insert:
    """One row; its values are the parameters."""
    return insert(table)


@_once
def fenced_change() -> Update:
    """A change, if it still has the version that the parameters of `fenced` name."""
    table = schema.changes
    return update(table).where(table.c.id == bindparam(_BY_ID), table.c.version == bindparam(_BY_VERSION))


def fenced(change_id: str, version: int) -> dict[str, Any]:
    """Parameters of `fenced_change`, beside the new values."""
    return {_BY_ID: change_id, _BY_VERSION: version}


@_once
def upsert(dialect: str, table: Table, columns: tuple[str, ...]) -> Insert:
    """One row, in the place of the one with its primary key."""
    statement = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)
    keys = [column.name for column in table.primary_key.columns]
    changed = {name: statement.excluded[name] for name in columns if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)
