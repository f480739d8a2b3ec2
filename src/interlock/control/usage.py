"""What an agent really used of what it is granted, from its changes.

Reads that pass leave no record of their own, so `read` is never called unused. Only what took effect counts as use; what was
refused or never approved shows what was wanted.
"""

from collections.abc import Iterable, Sequence

from interlock.model.base import Value
from interlock.model.change import Change, ChangeState
from interlock.model.effect import ACTION_OF, Evidence, totals
from interlock.model.operation import Action, Resource
from interlock.model.people import Grant

TOOK_EFFECT = frozenset(
    {
        ChangeState.APPLIED,
        ChangeState.REVERTED,
        ChangeState.PARTLY_REVERTED,
        ChangeState.EXECUTING,
        ChangeState.IN_DOUBT,
    }
)


class Use(Value, frozen=True):
    """An action on a resource of a target: by how many changes that took effect, and how many that did not."""

    target: str
    action: Action
    resource: Resource
    used: int
    not_done: int


class GrantUse(Value, frozen=True):
    """A grant beside what was used of it: actions without any use, patterns that no used resource has, and the most rows that one
    change of its resources touched."""

    grant: Grant
    unused_actions: tuple[Action, ...]
    unused_resources: tuple[str, ...]
    most_rows: int
    changes: int

    @property
    def unused(self) -> bool:
        """Whether nothing at all was used of it (reads apart)."""
        return self.changes == 0


def uses(changes: Iterable[Change]) -> tuple[Use, ...]:
    """What was done and what was only asked for, the most used first."""
    found: dict[tuple[str, Action, Resource], list[int]] = {}
    for change in changes:
        done = change.state in TOOK_EFFECT
        for action, resource in _asked(change):
            numbers = found.setdefault((change.target, action, resource), [0, 0])
            numbers[0 if done else 1] += 1
    made = (Use(*key, used, not_done) for key, (used, not_done) in found.items())
    return tuple(
        sorted(made, key=lambda u: (-u.used, -u.not_done, u.target, u.resource.name, u.action.value))
    )


def beside(grant: Grant, changes: Sequence[Change]) -> GrantUse:
    """A grant beside what was used of it."""
    names: set[str] = set()
    actions: set[Action] = set()
    most = number = 0
    for change in changes:
        if change.target != grant.target or change.state not in TOOK_EFFECT:
            continue
        covered = [(a, r) for a, r in _asked(change) if a in grant.actions and covers(grant, r.name)]
        if covered:
            number += 1
            most = max(most, totals(change.measurement.effects).rows)
            actions |= {action for action, _ in covered}
            names |= {resource.name for _, resource in covered}
    return GrantUse(
        grant,
        tuple(a for a in grant.actions if a not in actions and a is not Action.READ),
        tuple(p for p in grant.resources if not any(matches(p, name) for name in names)),
        most,
        number,
    )


def covers(grant: Grant, name: str) -> bool:
    """Whether the grant's patterns hold for a name."""
    return not grant.resources or any(matches(pattern, name) for pattern in grant.resources)


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern, in which each `*` stands for any characters, holds for the whole name (as Cedar's `like`)."""
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    *middle, last = rest
    if not name.startswith(first):
        return False
    place = len(first)
    for part in middle:
        place = name.find(part, place)
        if place < 0:
            return False
        place += len(part)
    return len(name) - place >= len(last) and name.endswith(last)


def _asked(change: Change) -> frozenset[tuple[Action, Resource]]:
    """Each right that the change needed: of its operations, and of its effects (triggers, cascades)."""
    said = {(o.action, r) for o in change.operations for r in o.resources}
    seen = {
        (ACTION_OF[e.change], e.resource)
        for e in change.measurement.effects
        if e.count or e.evidence is Evidence.UNKNOWN
    }
    return frozenset(said | seen)
