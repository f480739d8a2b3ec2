"""The difference between a stack as it is and as a template would have it, resource by resource.

The service's own answer would be a change set, but making one is a write. So the two templates are compared with their
parameters put in, and a property whose effect isn't known replaces the resource.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from interlock.connectors.aws.preview.stacks.resolve import Resolver, leans_on
from interlock.connectors.aws.preview.stacks.template import Declared, Template
from interlock.connectors.aws.preview.stacks.types import replaced_by
from interlock.connectors.aws.preview.survey import plain
from interlock.model.base import Value

_MOVES_ON = "AWS::EC2::LaunchTemplate"
"""Its update makes a new version, whose number others refer to."""


class Version(Value, frozen=True):
    """A template with the values of its parameters."""

    template: Template
    parameters: Mapping[str, Any] = {}


class Outcome(Value, frozen=True):
    """What becomes of one resource. `fate` is `added`, `removed`, `replaced`, `updated`, or `doubtful` (its condition can't be
    decided); `properties` are those that change, `because` the ones that replace it."""

    logical: str
    type: str
    fate: str
    properties: tuple[str, ...] = ()
    because: tuple[str, ...] = ()


Changed = dict[str, tuple[Any, Any]]


def compare(old: Version, new: Version, present: Mapping[str, str]) -> list[Outcome]:
    """`present` are the resources that the stack has: logical name → type."""
    before, after = _Side(old), _Side(new)
    outcomes = [*_comings_and_goings(after, present)]
    both = {name: type_ for name, type_ in present.items() if after.has(name, type_) is True}
    changed = {name: _changed(before.properties(name), after.properties(name)) for name in both}
    replaced = _closure(after, both, changed)
    for name, type_ in both.items():
        if name in replaced:
            outcomes.append(Outcome(name, type_, "replaced", tuple(sorted(changed[name])), replaced[name]))
        elif changed[name]:
            outcomes.append(Outcome(name, type_, "updated", tuple(sorted(changed[name]))))
    return outcomes


class _Side:
    def __init__(self, version: Version) -> None:
        self.resources = version.template.resources
        self._resolver = Resolver(version.template, version.parameters)

    def declared(self, name: str) -> Declared | None:
        return self.resources.get(name)

    def has(self, name: str, type_: str) -> bool | None:
        """Whether there is such a resource, of that type; None when that can't be decided."""
        found = self.declared(name)
        if found is None or found.type != type_:
            return False
        return self._resolver.exists(found)

    def exists(self, name: str) -> bool | None:
        return self._resolver.exists(self.resources[name])

    def properties(self, name: str) -> dict[str, Any]:
        found = self.declared(name)
        return self._resolver.properties(found) if found else {}


def _comings_and_goings(after: _Side, present: Mapping[str, str]) -> Iterator[Outcome]:
    for name, type_ in present.items():
        there = after.has(name, type_)
        if there is not True:
            yield Outcome(name, type_, "removed" if there is False else "doubtful")
    for name, declared in after.resources.items():
        if present.get(name) != declared.type and after.exists(name) is not False:
            yield Outcome(name, declared.type, "added")


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> Changed:
    names = {*old, *new}
    pairs = {name: (old.get(name), new.get(name)) for name in sorted(names)}
    return {name: (one, other) for name, (one, other) in pairs.items() if plain(one) != plain(other)}


def _closure(
    after: _Side, both: Mapping[str, str], changed: dict[str, Changed]
) -> dict[str, tuple[str, ...]]:
    """What is replaced, and what is replaced because it refers to something that is."""
    replaced: dict[str, tuple[str, ...]] = {}
    spread = True
    while spread:
        found = {name: replaced_by(both[name], changed[name]) for name in both if name not in replaced}
        replaced |= {name: tuple(because) for name, because in found.items() if because}
        moved = {*replaced, *(name for name in both if both[name] == _MOVES_ON and changed[name])}
        spread = _spread(after, both, changed, moved)
    return replaced


def _spread(after: _Side, both: Mapping[str, str], changed: dict[str, Changed], moved: set[str]) -> bool:
    """Properties that refer to what is made anew change as well."""
    spread = False
    for name in both:
        for key, value in after.properties(name).items():
            if key not in changed[name] and moved & set(leans_on(value)):
                changed[name][key] = (None, value)
                spread = True
    return spread
