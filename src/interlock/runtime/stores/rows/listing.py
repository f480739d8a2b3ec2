"""Pages of changes, in bounded time whatever is asked for and whatever the database's planner believes.

One condition leads: its index is walked back from the newest id, a stretch of a fixed number of rows after the other, and the other
conditions are tried on these rows only. Times are ranges of ids. A look that has come to the end of its last stretch is over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Text, literal, literal_column, select, tuple_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from interlock.model import ids
from interlock.model.change import ChangeFilter
from interlock.model.search import folded
from interlock.runtime.stores.shape import schema

Run = Callable[[Select[Any]], Sequence[Any]]
STRETCHES: Final = (500, 2_000, 7_500)
"""Rows of each stretch: short at first, because most pages are soon full. All together (docs/benchmarks-console.md) take a quarter
of the 0.1 s that a page may."""
_TABLE = schema.changes


class Position(FunctionElement[int]):
    """Where a text has another in it, from 1; 0 when it has not. Compares bytes, unlike LIKE."""

    inherit_cache = True


@compiles(Position, "sqlite")
def _on_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    return f"instr({compiler.process(element.clauses, **kw)})"


@compiles(Position, "postgresql")
def _on_postgres(element: Any, compiler: Any, **kw: Any) -> str:
    return f"pg_catalog.strpos({compiler.process(element.clauses, **kw)})"


@dataclass(frozen=True, slots=True)
class Looked:
    """The documents found; `next` as in `model.change.Listing`; `over` when the look ended before the page was full."""

    docs: Sequence[str]
    next: str
    over: bool


@dataclass(frozen=True, slots=True)
class Condition:
    """A column has one of the values; its index is `column, id`."""

    column: str
    values: tuple[str, ...]

    def holds(self) -> ColumnElement[bool]:
        """As a condition on rows that the planner takes for no reason to use another index."""
        return _TABLE.c[self.column].in_(self.values).is_(True)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows of one value of the leading condition (or all rows) with `first` <= id < `end`, newest first."""

    condition: Condition | None
    value: str
    first: str
    end: str

    def of(self, *columns: Any) -> Select[Any]:
        """The columns of these rows.

        Pairs are compared, and ordered by: only that index can give them without a sort (and `engine` turns sorts off). With a
        plain `column = value ORDER BY id`, PostgreSQL may walk the primary key instead, as far as the next row that fits: that is
        bounded by nothing.
        """
        ident = _TABLE.c.id
        if self.condition is None:
            rows = select(*columns).where(ident < self.end, ident >= self.first)
            return rows.order_by(ident.desc())
        column = _TABLE.c[self.condition.column]
        pair, value = tuple_(column, ident), literal(self.value, Text)
        rows = select(*columns).where(
            pair < tuple_(value, literal(self.end, Text)), pair >= tuple_(value, literal(self.first, Text))
        )
        return rows.order_by(column.desc(), ident.desc())


@dataclass(slots=True)
class Look:
    """One page being filled."""

    run: Run
    limit: int
    lead: Condition | None
    rest: Sequence[ColumnElement[bool]]
    found: list[tuple[str, str]] = field(default_factory=list)

    def arms(self, first: str, end: str) -> Iterator[Stretch]:
        for value in self.lead.values if self.lead is not None else ("",):
            yield Stretch(self.lead, value, first, end)

    def floor(self, first: str, end: str, rows: int) -> str:
        """The id down to which there are at most so many rows below `end`; `first` when there are no more."""
        arms = list(self.arms(first, end))
        each = _number(max(1, rows // len(arms)) - 1)
        floors = [self.run(arm.of(_TABLE.c.id).limit(_number(1)).offset(each)) for arm in arms]
        return max((found[0][0] for found in floors if found), default=first)

    def fill(self, first: str, end: str) -> None:
        """Take what fits from a stretch, one more than the page needs at most."""
        wanted = self.limit + 1 - len(self.found)
        rows: list[tuple[str, str]] = []
        for arm in self.arms(first, end):
            query = arm.of(_TABLE.c.id, _TABLE.c.doc).where(*self.rest).limit(_number(wanted))
            rows += [(row[0], row[1]) for row in self.run(query)]
        self.found += sorted(rows, reverse=True)[:wanted]

    @property
    def full(self) -> bool:
        return len(self.found) > self.limit

    def result(self, rest_from: str, first: str) -> Looked:
        """`rest_from` is down to where it was looked."""
        page = self.found[: self.limit]
        docs = [doc for _, doc in page]
        if self.full:
            return Looked(docs, page[-1][0], False)
        more = rest_from > first
        return Looked(docs, rest_from if more else "", more and len(page) < self.limit)


def look(run: Run, which: ChangeFilter, limit: int) -> Looked:
    """Find a page of changes."""
    first, end = _range(which)
    conditions, words = _conditions(which), [folded(word) for word in which.words]
    sought: list[ColumnElement[bool]] = [
        Position(_TABLE.c.words, literal(word, Text)) > 0 for word in words if word
    ]
    if first >= end:
        return Looked((), "", False)
    if len(conditions) <= 1 and not sought:
        only = Look(run, limit, conditions[0] if conditions else None, ())
        only.fill(first, end)
        return only.result(first, first)
    lead = min(
        conditions, key=lambda one: Look(run, limit, one, ()).floor(first, end, STRETCHES[0]), default=None
    )
    rest = [one.holds() for one in conditions if one is not lead]
    return _walk(Look(run, limit, lead, [*rest, *sought]), first, end)


def _walk(page: Look, first: str, end: str) -> Looked:
    for rows in STRETCHES:
        floor = page.floor(first, end, rows)
        page.fill(floor, end)
        end = floor
        if page.full or floor == first:
            break
    return page.result(end, first)


def _range(which: ChangeFilter) -> tuple[str, str]:
    first = ids.BEFORE_ALL if which.since is None else ids.first_id(which.since)
    end = ids.AFTER_ALL if which.until is None else ids.first_id(which.until)
    return first, min(end, which.before) if which.before else end


def _conditions(which: ChangeFilter) -> list[Condition]:
    single = {
        "agent": which.agent,
        "target": which.target,
        "environment": which.environment,
        "action": which.action.value if which.action else "",
    }
    found = [Condition(column, (value,)) for column, value in single.items() if value]
    if which.states:
        found.append(Condition("state", tuple(dict.fromkeys(state.value for state in which.states))))
    return found


def _number(value: int) -> ColumnElement[int]:
    """Part of the statement's text: a plan that fits any number would fit none."""
    return literal_column(str(value))
