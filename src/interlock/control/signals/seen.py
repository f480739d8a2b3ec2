"""What a unit of work means to signals."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from interlock.model.base import Value
from interlock.model.effect import ChangeKind, Effect, Evidence, handed_on
from interlock.model.operation import Action, Operation, Resource
from interlock.model.signal import Facts

_DESTROYS = frozenset(
    {
        ChangeKind.DELETED,
        ChangeKind.REPLACED,
        ChangeKind.HIDDEN,
        ChangeKind.NARROWED,
        ChangeKind.REWOUND,
        ChangeKind.WEAKENED,
    }
)
_REMOVES = frozenset({ChangeKind.DELETED, ChangeKind.REPLACED, ChangeKind.HIDDEN})
_GUARDS = frozenset({ChangeKind.PERMISSION, ChangeKind.REPLICATION})


class Seen(Value, frozen=True):
    """One unit. `what` is for people; `key` is alike for units that ask for the same; `subjects` are what a destruction is the
    first of its kind by (an action on a kind, and a group); `removed` how many members a group loses, of how many; `once` is alike
    for units that delete or replace the same objects, and empty for those that do anything else that is destructive."""

    at: datetime
    agent: str
    session: str
    environment: str
    target: str
    what: str
    key: str
    destructive: bool = False
    subjects: tuple[str, ...] = ()
    deleted_in: tuple[str, ...] = ()
    written_in: tuple[str, ...] = ()
    removed: tuple[tuple[str, int, int], ...] = ()
    deleted: tuple[str, ...] = ()
    created: tuple[str, ...] = ()
    stateful: tuple[str, ...] = ()
    guard: str = ""
    sweeping: str = ""
    change: str = ""
    once: str = ""


class Who(Value, frozen=True):
    """Whose unit, where and when."""

    at: datetime
    agent: str
    session: str
    environment: str
    target: str


def destroys(effect: Effect, *, held: bool) -> bool:
    """Whether an effect is destructive: deleting, hiding or weakening objects, or anything that cannot be reverted. A deletion of
    rows that can be reverted is one of budgets, unless policy found it too large (`held`), and so are messages that are handed on.
    What nobody knows is destructive."""
    if effect.evidence is Evidence.UNKNOWN:
        return True
    if not effect.count:
        return False
    if not effect.reversible and not handed_on(effect):
        return True
    return effect.change in (_REMOVES if effect.unit.data else _DESTROYS) and (held or not effect.unit.data)


def seen(
    who: Who,
    operations: Iterable[Operation],
    effects: Iterable[Effect],
    facts: Facts,
    *,
    held: bool = False,
    change: str = "",
) -> Seen:
    """What signals look at. `held` says that policy asked for people, or forbade it."""
    operations, real = tuple(operations), [e for e in effects if e.count or e.evidence is Evidence.UNKNOWN]
    bad = [e for e in real if destroys(e, held=held)]
    blind = any(o.evidence_unknown for o in operations)
    gone = [
        e
        for e in real
        if e.change in _REMOVES and f"{e.resource.kind} {e.resource.name}" not in facts.amended
    ]
    anew = [e for e in gone if e.change is ChangeKind.REPLACED]
    return Seen(
        at=who.at,
        agent=who.agent,
        session=who.session,
        environment=who.environment,
        target=who.target,
        what=words(operations, bad or real),
        key=key_of(operations),
        destructive=bool(bad) or blind,
        subjects=_subjects(who.target, operations, bad, blind),
        deleted_in=_groups(who.target, (e.resource for e in gone)),
        written_in=_groups(who.target, (e.resource for e in real)),
        removed=tuple(_removed(who.target, gone, facts)),
        deleted=_objects(who.target, gone),
        created=_objects(who.target, (e for e in real if e.change is ChangeKind.CREATED or e in anew)),
        stateful=tuple(sorted(_name(who.target, e.resource) for e in real if e.resource.kind in facts.stateful)),
        guard=facts.guard or _guard(operations, real),
        sweeping=facts.sweeping,
        change=change,
        once="" if blind else _once(who.target, bad),
    )  # fmt: skip


def group(target: str, resource: Resource) -> str:
    """A resource group as signals and scopes name it; empty when the resource belongs to none."""
    return f"{target}/{resource.group}" if resource.group else ""


def groups(target: str, operations: Iterable[Operation], effects: Iterable[Effect]) -> tuple[str, ...]:
    """All groups that a unit has to do with, sorted."""
    named = (r for o in operations if o.action is not Action.READ for r in o.resources)
    return _groups(target, (*named, *(e.resource for e in effects)))


def key_of(operations: Iterable[Operation]) -> str:
    """Alike for units that ask for the same on the same resources."""
    asked = sorted({f"{o.verb} {r.kind} {r.name}" for o in operations for r in o.resources or (_NONE,)})
    return hashlib.sha256("\n".join(asked).encode()).hexdigest()[:16]


_NONE = Resource("", "")


def words(operations: Iterable[Operation], effects: Iterable[Effect]) -> str:
    """A few words for people: what happens to what, or what was asked when that is all that is known."""
    told = [f"{e.change.value} {e.resource.kind} {e.resource.name}" for e in effects]
    told = told or [f"{o.verb} {r.kind} {r.name}" for o in operations for r in o.resources or (_NONE,)]
    first = (told[0] if told else "").strip()[:120]
    return f"{first} and {len(told) - 1} more" if len(told) > 1 else first


def _once(target: str, bad: Sequence[Effect]) -> str:
    """An object as it is can go only once, in whatever words; rows and constraints go again and again."""
    if any(e.change not in _REMOVES or e.unit.data or e.evidence is Evidence.UNKNOWN for e in bad):
        return ""
    gone = sorted({_name(target, e.resource) for e in bad})
    return hashlib.sha256("\n".join(gone).encode()).hexdigest()[:16] if gone else ""


def _groups(target: str, resources: Iterable[Resource]) -> tuple[str, ...]:
    return tuple(sorted({name for r in resources if (name := group(target, r))}))


def _name(target: str, resource: Resource) -> str:
    return f"{target}/{resource.kind} {resource.name}"


def _objects(target: str, effects: Iterable[Effect]) -> tuple[str, ...]:
    return tuple(sorted({_name(target, e.resource) for e in effects if not e.unit.data}))


GROUP = "group "
"""How subjects begin that are groups."""


def _subjects(
    target: str, operations: Iterable[Operation], bad: Iterable[Effect], blind: bool
) -> tuple[str, ...]:
    found = {f"{e.change.value} {e.unit.value + ' of ' if e.unit.data else ''}{e.resource.kind}" for e in bad}
    found |= {f"{GROUP}{name}" for e in bad if (name := group(target, e.resource))}
    if blind:
        found |= {f"unknown {o.verb}" for o in operations if o.evidence_unknown}
    return tuple(sorted(found))


def _removed(target: str, effects: Iterable[Effect], facts: Facts) -> Iterator[tuple[str, int, int]]:
    counts: dict[str, int] = {}
    for effect in effects:
        if facts.members and effect.resource.kind not in facts.members:
            continue
        if not effect.unit.data and effect.resource.group:
            counts[effect.resource.group] = counts.get(effect.resource.group, 0) + effect.count
    for name, count in sorted(counts.items()):
        if name in facts.sizes:
            yield f"{target}/{name}", count, facts.sizes[name]


def _guard(operations: Iterable[Operation], effects: Iterable[Effect]) -> str:
    """Rights, credentials, audit, backup, logging and replication are what `Action.ADMIN` stands for."""
    for effect in effects:
        if effect.change in _GUARDS:
            return f"{effect.change.value} of {effect.resource.kind} {effect.resource.name}"
    for operation in operations:
        if operation.action is Action.ADMIN:
            names = ", ".join(f"{r.kind} {r.name}" for r in operation.resources)
            return f"{operation.verb} {names}".strip()
    return ""
