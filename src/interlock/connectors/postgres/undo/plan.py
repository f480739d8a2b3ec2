"""Reverting an applied change from its before-image, inside one open transaction.

Foreign keys and triggers stay on: what the change's own cascades and triggers did is in the before-image like everything else, and
is undone like it. Therefore the order is found by trying, and afterwards every row is read again: one that a trigger set to
something else is set once more, and what then still differs refuses the revert (unless forced). What triggers add because
of the revert (a line in an audit table) stays, and shows when the revert is measured as any other work.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from interlock.connectors.postgres.image import Row
from interlock.connectors.postgres.preview.context import Captured
from interlock.connectors.postgres.preview.first import FLUSH
from interlock.connectors.postgres.queries import Ask, QueryFailed, Statement, Steps, ask
from interlock.connectors.postgres.undo import kept, sequences, statements
from interlock.connectors.postgres.undo.attempt import Group, Orders, in_some_order
from interlock.connectors.postgres.undo.load import Stored, load
from interlock.connectors.postgres.undo.present import (
    Todo,
    astray,
    compare,
    concerned,
    expected,
    resolve,
    rows_by_value,
)
from interlock.connectors.postgres.undo.schema import definitions
from interlock.connectors.postgres.undo.schema.objects import drops
from interlock.connectors.postgres.undo.stages import row_stages, settable
from interlock.model.conflict import Conflicting, RowConflict
from interlock.model.errors import Rejected

DEFAULT_PATH = '"$user", public'
_BEGIN: Statement = ("BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE", ())
_BUSY = ("55P03", "40P01")
_PASSES = 3
Hazards: TypeAlias = Callable[[Collection[int]], Sequence[str]]
"""What code would run that no rollback undoes when rows of tables (by oid) are written."""


@dataclass(frozen=True, slots=True)
class TableReverted:
    """What was done to one table: rows put back, set back, removed; `inexact` are those that triggers keep different (only when
    forced)."""

    table: str
    inserted: int
    updated: int
    removed: int
    inexact: int = 0


@dataclass(frozen=True, slots=True)
class Reverted:
    """What was done. `captured` names the touched rows for the preview's way 1; `dropped` are the objects that were created by the
    change; `gone` is how many of those did not exist any more. `conflicts` are rows that others touched since (only when
    forced)."""

    tables: tuple[TableReverted, ...]
    dropped: tuple[str, ...]
    gone: int
    captured: tuple[Captured, ...]
    conflicts: tuple[RowConflict, ...] = ()
    copies: frozenset[int] = frozenset()
    sequences: frozenset[str] = frozenset()

    @property
    def complete(self) -> bool:
        """Whether everything that the change did is undone."""
        return not any(one.left for one in self.conflicts) and not any(table.inexact for table in self.tables)


def plan(
    parts: Sequence[bytes],
    *,
    force: bool,
    fingerprint: str = "",
    search_path: str = DEFAULT_PATH,
    unfilled: Collection[str] = (),
    orders: Orders | None = None,
    values: bool = False,
    hazards: Hazards = lambda tables: (),
) -> Steps[Reverted]:
    """Undo, on the `maintainer` connection: in an open read-write transaction of isolation READ COMMITTED under
    `queries.CANONICAL_SETTINGS`. The caller measures it and commits, or rolls back. `search_path` is the one that the change ran
    under: triggers may depend on it. `unfilled` are tables whose rows stay in the trash: only in a trial, by one who may not reach
    it. What was there before goes in again. With `values` those that the change took from sequences are given back where that is
    exact (not in a trial: setting a sequence is for good).

    `hazards` tells what of the code that runs with it is for good.

    Raises Conflicting, which names rows and columns, when what the change had set was set, deleted or made anew since (unless
    `force`: then the columns that the change had set are set back all the same, and what cannot be is left and reported);
    Rejected when something else stands in the way; QueryFailed for other errors; undo.image.Damaged.
    """
    image = load(parts)
    if fingerprint and image.fingerprint != fingerprint:
        raise Rejected("the change was made in another database")
    given_back = image.kept_rows
    yield from kept.check(given_back, force=force)
    objects, gone = yield from drops(image.created, force=force)
    if not image.definitions.empty:
        # What was made may have the name of what was dropped, and rows need their tables.
        yield from definitions.check(image.definitions, force=force)
        yield from definitions.structure(image.definitions, objects)
    yield from resolve(image)
    _look_through(image.tables.values(), hazards)
    todos: list[Todo] = []
    for stored in image.tables.values():
        todos.append((yield from _compare(stored, force)))
    conflicts = [conflict for todo in todos for conflict in todo.conflicts]
    if conflicts and not force:
        summaries = [todo.summary for todo in todos if todo.conflicts]
        raise Conflicting(f"rows were changed since: {'; '.join(summaries)}", conflicts)
    contents = yield from _contents(todos)
    stages = [
        [group for each in given_back for group in kept.groups(each)],
        *(yield from row_stages(image, todos)),
        objects if image.definitions.empty else [],
    ]
    orders = orders if orders is not None else Orders()
    left = yield from in_some_order(stages, search_path, force=force, orders=orders)
    for group in left:
        assert group.leave is not None
        group.leave()
    inexact = yield from _verify(todos, contents, search_path, orders)
    if sum(inexact) and not force:
        labels = [f"{n} of {todo.stored.label}" for n, todo in zip(inexact, todos, strict=True) if n]
        raise Rejected(f"triggers or cascades keep rows from being as they were: {', '.join(labels)}")
    yield from kept.verify(given_back, force=force)
    if not image.definitions.empty:
        yield from definitions.rest(image.definitions, unfilled)
    given: frozenset[str] = frozenset()
    if values:
        given = yield from sequences.give_back(image.advanced, todos)
        yield from sequences.catch_up(todos)
    return Reverted(
        tuple(_report(todo, n) for todo, n in zip(todos, inexact, strict=True)),
        tuple(group.label for group in objects),
        gone,
        tuple(_captured(todo) for todo in todos),
        tuple(conflict for todo in todos for conflict in todo.conflicts),
        (yield from kept.clearing(given_back)),
        given,
    )


def _look_through(tables: Collection[Stored], hazards: Hazards) -> None:
    """Triggers, checks and what they call run with rights that agents do not have, before the revert is recorded: none of it may
    be for good."""
    found = hazards([stored.table.oid for stored in tables])
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise Rejected(f"no rollback would undo what runs with it: {found[0]}{more}. Nothing was changed")


def revert(
    parts: Sequence[bytes],
    *,
    force: bool,
    fingerprint: str = "",
    search_path: str = DEFAULT_PATH,
    hazards: Hazards = lambda tables: (),
) -> Steps[Reverted]:
    """`plan` in a transaction of its own, which it opens on the `maintainer` connection and leaves open, to be measured and
    committed. Work that was tried in vain would be measured too, and make the revert itself look as if it could not be
    reverted: when there was any, everything is rolled back and done once more in the order that was found."""
    orders = Orders()
    yield from ask(Ask("maintainer", (_BEGIN,)))
    done = yield from plan(
        parts,
        force=force,
        fingerprint=fingerprint,
        search_path=search_path,
        orders=orders,
        values=True,
        hazards=hazards,
    )
    if not orders.failures:
        return done
    yield from ask(Ask("maintainer", ((FLUSH, ()), ("ROLLBACK", ()))))
    yield from ask(Ask("maintainer", (_BEGIN,)))
    orders.replay = True
    return (
        yield from plan(
            parts,
            force=force,
            fingerprint=fingerprint,
            search_path=search_path,
            orders=orders,
            values=True,
            hazards=hazards,
        )
    )


def _compare(stored: Stored, force: bool) -> Steps[Todo]:
    try:
        return (yield from compare(stored, force=force))
    except QueryFailed as failed:
        why = "is in use by somebody else" if failed.sqlstate in _BUSY else "cannot be read or locked"
        raise Rejected(f"{stored.label} {why} (SQLSTATE {failed.sqlstate}). Nothing was changed") from failed


def _report(todo: Todo, inexact: int) -> TableReverted:
    return TableReverted(todo.stored.label, len(todo.insert), len(todo.restore), len(todo.remove), inexact)


def _captured(todo: Todo) -> Captured:
    oid = str(todo.stored.table.oid)
    ctids = [ctid for _, ctid in todo.remove] + [restore.ctid for restore in todo.restore]
    return Captured(tuple((oid, ctid) for ctid in ctids))


# ---- exactness --------------------------------------------------------------------------------------------------------


def _contents(todos: Sequence[Todo]) -> Steps[dict[int, Counter[Row]]]:
    """How often the tables without a key hold the rows concerned, before anything is done."""
    contents: dict[int, Counter[Row]] = {}
    for todo in todos:
        if not todo.stored.key:
            rows = yield from rows_by_value(todo.stored, concerned(todo))
            contents[todo.stored.table.oid] = Counter(row for _, row in rows)
    return contents


def _verify(
    todos: Sequence[Todo], contents: dict[int, Counter[Row]], search_path: str, orders: Orders
) -> Steps[list[int]]:
    """Read everything again, and set once more what triggers set differently. How many rows of each table are not as they were."""
    inexact = [0] * len(todos)
    for attempt in range(_PASSES):
        again: list[Group] = []
        for place, todo in enumerate(todos):
            if not todo.stored.key:
                inexact[place] = yield from _verify_contents(todo, contents[todo.stored.table.oid])
                continue
            different, lost = yield from astray(todo)
            inexact[place] = len(different) + lost
            again += _fix(todo, different)
        if not again or attempt == _PASSES - 1:
            break
        yield from in_some_order([again], search_path, orders=orders)
    return inexact


def _fix(todo: Todo, different: Sequence[tuple[Row, list[int]]]) -> list[Group]:
    stored = todo.stored
    single = [
        statements.update(stored, places_set, tuple(row[place] for place in places_set), stored.key_of(row))
        for row, places in different
        if (places_set := settable(stored, places))
    ]
    return [Group(stored.label, tuple(single))] if single else []


def _verify_contents(todo: Todo, before: Counter[Row]) -> Steps[int]:
    rows = yield from rows_by_value(todo.stored, concerned(todo))
    wanted = expected(todo, before)
    # Rows that triggers add because of the revert are no fault; rows that are missing are.
    wanted.subtract(row for _, row in rows)
    return sum((+wanted).values())
