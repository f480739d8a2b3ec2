"""Proving that a change of definitions can be undone, before it is committed (P6): it is undone, on the agent's own connection, in
a savepoint that is rolled back, by the very code that a revert runs.

What proves it is twofold. Each object is asked what it is like, and must be what it was. And the catalogs are compared, row by row,
with what is committed: whatever differs must be of one of these objects.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import TypeVar

from msgspec import structs

from interlock.connectors.postgres.definitions import Facet, alike, portraits
from interlock.connectors.postgres.image import Definition, Frame, Kept, decode, encode
from interlock.connectors.postgres.preview import first, read
from interlock.connectors.postgres.preview.ddl.catalog_diff import diff
from interlock.connectors.postgres.preview.ddl.effects import NOT_UNDONE
from interlock.connectors.postgres.preview.examine import UNPROVEN
from interlock.connectors.postgres.preview.lost.kept import copies_made, without
from interlock.connectors.postgres.queries import (
    CANONICAL_SETTINGS,
    Ask,
    QueryFailed,
    Reply,
    Statement,
    Steps,
    ask,
)
from interlock.connectors.postgres.undo.plan import DEFAULT_PATH, plan
from interlock.connectors.postgres.undo.schema.definitions import present
from interlock.connectors.postgres.undo.schema.residue import unaccounted
from interlock.model.effect import Unit
from interlock.model.errors import Rejected
from interlock.sdk.connector import Preview

T = TypeVar("T")
_LONGEST = 300

SAVEPOINT = '"_interlock_proof"'
"""Set when a transaction has been measured, before it is made read-only."""
_BACK: Statement = (f"ROLLBACK TO SAVEPOINT {SAVEPOINT}", ())
_READ_ONLY: Statement = ("SET TRANSACTION READ ONLY", ())
_CANONICAL: Statement = (
    "SELECT "
    + ", ".join(f"pg_catalog.set_config('{k}', '{v}', true)" for k, v in CANONICAL_SETTINGS.items()),
    (),
)


def prove(measured: Preview, wished: Preview, *, search_path: str = DEFAULT_PATH) -> Steps[Preview]:
    """`wished` is what could be said if the definitions in its before-image can be brought back: that, if undoing it has worked;
    else what was `measured`, with why it has not. The transaction is left as it was. Raises QueryFailed when it is lost."""
    frames = list(decode(wished.undo))
    if not frames:
        return measured
    proposed = [frame for frame in frames if isinstance(frame, Definition)]
    was = [frame.was for frame in proposed if frame.was is not None]
    role = proposed[0].role if proposed else ""
    yield from ask(Ask("agent", (_BACK, _CANONICAL)))
    asked = [facet.address for frame in proposed if (facet := frame.was or frame.left) is not None]
    left = {facet.address: facet for facet in (yield from portraits("agent", asked))}
    others: list[Frame] = [frame for frame in frames if not isinstance(frame, Definition)]
    # What lies in the trash is out of the agent's reach; that it fits is the trash's own promise.
    tried: list[Frame] = [frame for frame in others if not (isinstance(frame, Kept) and frame.trash)]
    made = [
        Definition(role, None, left[f.left.address]) for f in proposed if f.was is None and f.left is not None
    ]
    tried += [*made, *(Definition(role, facet, left.get(facet.address)) for facet in was)]
    late = next((facet for facet in was if facet.late and facet.address not in left), None)
    why = f"{late.label} was met after other names had changed" if late is not None else ""
    unfilled = {f"{f.schema}.{f.name}" for f in others if isinstance(f, Kept) and f.trash}
    why = why or (yield from _tried(tried, was, search_path, unfilled))
    alone = (yield from _alone(measured, search_path)) if why else ""
    yield from ask(Ask("agent", (_BACK, _READ_ONLY)))
    if why:
        return _nothing(measured, alone) if alone else _said(measured, why)
    kept = [*others, *made, *_touched(role, was, left)]
    effects = tuple(
        structs.replace(effect, reversible=True, reason="") if effect.reason == UNPROVEN else effect
        for effect in wished.measurement.effects
    )
    measurement = structs.replace(wished.measurement, effects=effects)
    return structs.replace(wished, undo=encode(kept), measurement=measurement)


def _said(measured: Preview, why: str) -> Preview:
    """What was measured, with the reason why its definitions do not come back. What was made can still be dropped, but that does
    not bring everything back to what it was (an index may have become a constraint's): it is no promise."""
    effects = tuple(
        structs.replace(e, reversible=False, reason=NOT_UNDONE)
        if e.unit is Unit.OBJECTS and e.reversible
        else e
        for e in measured.measurement.effects
    )
    measurement = structs.replace(measured.measurement, effects=effects)
    return _reasoned(structs.replace(measured, measurement=measurement), why, (NOT_UNDONE, UNPROVEN))


def _nothing(measured: Preview, why: str) -> Preview:
    """What was measured, with no promise at all: what would be undone of it cannot be undone by itself."""
    effects = tuple(
        structs.replace(e, reversible=False, reason=e.reason or NOT_UNDONE)
        for e in measured.measurement.effects
    )
    measurement = structs.replace(measured.measurement, effects=effects, undo_how="none")
    return _said(structs.replace(measured, measurement=measurement, undo=()), why)


def _reasoned(measured: Preview, why: str, reasons: Sequence[str]) -> Preview:
    reason = f"undoing it was tried, and failed: {why}"[:_LONGEST]
    effects = tuple(
        structs.replace(effect, reason=reason) if effect.reason in reasons else effect
        for effect in measured.measurement.effects
    )
    return structs.replace(measured, measurement=structs.replace(measured.measurement, effects=effects))


def _touched(role: str, was: Sequence[Facet], left: dict[tuple[int, int], Facet]) -> Iterator[Frame]:
    """What is stored: the definitions that the change touched."""
    for facet in was:
        now = left.get(facet.address)
        if now is None or not alike(facet, now) or facet.values.get("file") != now.values.get("file"):
            yield Definition(role, facet, now)


def _tried(
    frames: Sequence[Frame], was: Sequence[Facet], search_path: str, unfilled: Collection[str]
) -> Steps[str]:
    """Undo it all. Why it does not come out right; empty when it does."""
    try:
        undone = plan(encode(frames), force=False, search_path=search_path, unfilled=unfilled)
        reverted = yield from as_agent(undone)
        if not reverted.complete:
            return "rows are not as they were"
        facts = read((yield from ask(first())))
        difference = yield from diff(facts)
        without(difference, copies_made(difference))
        now = yield from as_agent(present(was, by_name=True))
        filled = [facet for facet in was if facet.sort == "m" and facet.values["filled"]]
        for view in filled:
            again = now[view.address]
            if again.address != view.address and again.values.get("content") != view.values.get("content", 0):
                return f"{view.label} would be filled with other rows than it had"
        return unaccounted(difference, was, list(now.values()))
    except Rejected as error:
        return str(error)
    except QueryFailed as error:
        return f"undoing it failed with SQLSTATE {error.sqlstate}"


def _alone(measured: Preview, search_path: str) -> Steps[str]:
    """Whether the rest can be undone while the definitions stay: why not, else an empty string."""
    if not measured.undo:
        return ""
    yield from ask(Ask("agent", (_BACK, _CANONICAL)))
    try:
        within_reach = [f for f in decode(measured.undo) if not (isinstance(f, Kept) and f.trash)]
        yield from as_agent(plan(encode(within_reach), force=False, search_path=search_path))
    except Rejected as error:
        return str(error)
    except QueryFailed as error:
        return f"undoing it failed with SQLSTATE {error.sqlstate}"
    return ""


def as_agent(steps: Steps[T]) -> Steps[T]:
    """Run a part that asks the maintainer on the agent's connection instead."""
    replies: tuple[Reply, ...] | None = None
    while True:
        try:
            asked = next(steps) if replies is None else steps.send(replies)
        except StopIteration as done:
            result: T = done.value
            return result
        replies = yield tuple(
            Ask("agent", question.statements) if question.on == "maintainer" else question
            for question in asked
        )
