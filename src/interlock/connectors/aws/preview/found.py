"""How describers say what they found: short builders of effects. Evidence is `planned` when the account was asked, else
`predicted`."""

from collections.abc import Iterable, Sequence

from interlock.model.effect import ChangeKind, Effect, Evidence, Unit
from interlock.model.operation import Resource

Effects = Sequence[Effect]

MISSING = "there is no such thing"


def thing(
    resource: Resource, change: ChangeKind, detail: str = "", *, evidence: Evidence = Evidence.PLANNED
) -> Effect:
    """One resource as a whole."""
    return Effect(resource, change, 1, Unit.OBJECTS, evidence, detail=detail)


def lost(resource: Resource, detail: str = "") -> Effect:
    return thing(resource, ChangeKind.DELETED, detail)


def made(resource: Resource, detail: str = "") -> Effect:
    return thing(resource, ChangeKind.CREATED, detail, evidence=Evidence.PREDICTED)


def absent(resource: Resource) -> Effect:
    """The call is about something that isn't there: it will fail, or do nothing."""
    return Effect(resource, ChangeKind.DELETED, 0, Unit.OBJECTS, Evidence.PLANNED, detail=MISSING)


def items(
    resource: Resource,
    change: ChangeKind,
    count: int,
    before: int | None = None,
    *,
    more: bool = False,
    detail: str = "",
) -> Effect:
    """What a resource holds: objects, items, messages, records. `more`: there are more than were counted."""
    return Effect(
        resource,
        change,
        count,
        Unit.ITEMS,
        Evidence.PLANNED,
        before=before,
        before_at_least=more and before is not None,
        detail=detail,
    )


def emptied(resource: Resource, count: int, *, more: bool = False, detail: str = "") -> Iterable[Effect]:
    """All that a resource holds is lost; nothing to say when it is empty."""
    if count:
        said = f"at least {count:,}; {detail}".rstrip("; ") if more else detail
        yield items(resource, ChangeKind.DELETED, count, count, more=more, detail=said)


def unknown(resource: Resource, why: str) -> Effect:
    """Nobody knows, which counts as a deletion."""
    return Effect(resource, ChangeKind.DELETED, 1, Unit.OBJECTS, Evidence.UNKNOWN, reason=why, detail=why)


def number(count: int, one: str, many: str = "", *, more: bool = False) -> str:
    """`3 objects`, `1 object`, `at least 10,000 objects`."""
    return f"{'at least ' if more else ''}{count:,} {one if count == 1 else many or one + 's'}"
