"""A classification being made."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from interlock.connectors.postgres.catalog import Reach
from interlock.connectors.postgres.classify.info import Declared, Setting, StatementInfo
from interlock.connectors.postgres.parse import RawStatement
from interlock.connectors.postgres.verbs.functions import ROWS
from interlock.connectors.postgres.verbs.rules import FunctionKind, Way
from interlock.model.effect import ChangeKind, Effect, Evidence, Unit
from interlock.model.operation import Action, Operation, Resource

_ORDER = {
    way: place
    for place, way in enumerate(
        (Way.PASS, Way.SETTING, Way.CONTROL, Way.GATED, Way.OUTSIDE, Way.IMMEDIATE, Way.REFUSED)
    )
}


@dataclass(slots=True)
class Draft:
    """Collects what is found out; ways only get stricter."""

    verb: str
    way: Way = Way.PASS
    why: str = ""
    operations: dict[tuple[Action, str], list[Resource]] = field(default_factory=dict)
    hazards: list[str] = field(default_factory=list)
    introduces: list[str] = field(default_factory=list)
    immediate: list[Effect] = field(default_factory=list)
    side_effects: list[Effect] = field(default_factory=list)
    declared: list[Declared] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    changes_catalog: bool = False
    runs_writes: bool = False
    functions: set[int] = field(default_factory=set)
    relations: set[int] = field(default_factory=set)
    more: dict[str, Any] = field(default_factory=dict)

    def need(self, action: Action, resources: Iterable[Resource], verb: str = "") -> None:
        """An operation on some resources."""
        held = self.operations.setdefault((action, verb or self.verb), [])
        held += [resource for resource in resources if resource not in held]

    def at_least(self, way: Way, why: str = "") -> None:
        """The statement needs this way, or a stricter one."""
        if _ORDER[way] > _ORDER[self.way]:
            self.way, self.why = way, why or self.why
        elif way is self.way and not self.why:
            self.why = why

    def refuse(self, why: str) -> None:
        self.at_least(Way.REFUSED, why)

    def declare(self, change: ChangeKind, resources: Iterable[Resource]) -> None:
        self.declared += [Declared(change, resource) for resource in resources]

    def reaches(self, found: Reach) -> None:
        """What may run besides, and its hazards."""
        self.functions |= found.functions
        self.relations |= found.relations
        self.changes_catalog = self.changes_catalog or found.defines
        self.runs_writes = self.runs_writes or found.writes or found.defines
        self.sends(found.calls)
        self.hazards += [h for h in found.hazards if h not in self.hazards]

    def sends(self, calls: Iterable[str]) -> None:
        """Built-in functions that code calls, or may call from now on, of which no measuring tells (notifications)."""
        for name in sorted(calls):
            rule = ROWS[name]
            if rule.kind is FunctionKind.UNDONE and rule.change is not None:
                why = f"{name}() {rule.reason}; a rollback does not undo it once it is committed"
                what = Resource(rule.resource or "server", "*")
                effect = Effect(what, rule.change, 1, Unit.OBJECTS, Evidence.PREDICTED, reason=why)
                self.side_effects += [effect] if effect not in self.side_effects else []

    def absorb(self, other: StatementInfo, *, effects: bool = True) -> None:
        """A statement inside this one that runs with it."""
        for operation in other.operations:
            self.need(operation.action, operation.resources, operation.verb)
        self.functions |= set(other.functions)
        self.relations |= set(other.relations)
        if not effects:
            return
        self.hazards += [h for h in other.escapes if h not in self.hazards]
        if other.early:
            self.more["early"] = True
        self.introduces += [h for h in other.introduces if h not in self.introduces]
        self.side_effects += other.side_effects
        self.declared += other.declared
        self.settings += other.settings
        self.changes_catalog = self.changes_catalog or other.changes_catalog
        self.runs_writes = self.runs_writes or other.runs_writes
        if other.at_once:
            self.more["at_once"] = True
        if other.way is Way.IMMEDIATE:
            self.immediate += other.immediate_effects
        self.at_least(other.way, other.why)

    def finish(self, raw: RawStatement, unresolved: Iterable[str] = ()) -> StatementInfo:
        """The classification of `raw`."""
        hazards = tuple(self.hazards) if self.way is not Way.REFUSED else ()
        evidence = _short(hazards)
        if self.way is Way.PASS and hazards:
            self.way = Way.GATED
        operations = tuple(
            Operation(
                action,
                verb,
                tuple(resources),
                "" if self.way is Way.PASS else raw.text,
                evidence_unknown=evidence,
            )
            for (action, verb), resources in self.operations.items()
        )
        if not operations:
            operations = (Operation(Action.READ, self.verb, (), "", evidence),)
        immediate = tuple(self.immediate)
        if hazards:
            immediate += tuple(_unknown(operations, hazard) for hazard in hazards)
        return StatementInfo(
            text=raw.text,
            offset=raw.offset,
            node=raw.tag,
            verb=self.verb,
            operations=operations,
            way=self.way,
            why=self.why,
            immediate_effects=immediate,
            escapes=hazards,
            introduces=tuple(self.introduces),
            side_effects=tuple(self.side_effects),
            declared=tuple(self.declared),
            settings=tuple(self.settings),
            changes_catalog=self.changes_catalog,
            runs_writes=self.way is not Way.PASS and (self.runs_writes or bool(hazards)),
            unresolved=tuple(dict.fromkeys(unresolved)),
            functions=tuple(sorted(self.functions)),
            relations=tuple(sorted(self.relations)),
            **self.more,
        )


def held_back(info: StatementInfo, hazards: Iterable[str]) -> StatementInfo:
    """The same statement when hazards count for it that it does not name itself: those that earlier statements of the open
    transaction have introduced."""
    more = tuple(hazard for hazard in hazards if hazard not in info.escapes)
    if not more or info.way not in (Way.GATED, Way.IMMEDIATE):
        return info
    escapes = (*info.escapes, *more)
    operations = tuple(
        Operation(o.action, o.verb, o.resources, o.native, evidence_unknown=_short(escapes))
        for o in info.operations
    )
    effects = (*info.immediate_effects, *(_unknown(operations, hazard) for hazard in more))
    return dataclasses.replace(info, operations=operations, escapes=escapes, immediate_effects=effects)


def _short(hazards: tuple[str, ...]) -> str:
    shown = "; ".join(hazards[:5])
    return f"{shown}; and {len(hazards) - 5} more" if len(hazards) > 5 else shown


def _unknown(operations: tuple[Operation, ...], hazard: str) -> Effect:
    resource = next((r for o in operations for r in o.resources), Resource("database", "*"))
    return Effect(
        resource,
        ChangeKind.UPDATED,
        1,
        Unit.OBJECTS,
        Evidence.UNKNOWN,
        reason="may outlive a rollback",
        detail=hazard[:200],
    )
