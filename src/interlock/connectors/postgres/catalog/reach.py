"""What running a statement may run besides: functions, triggers, rules, defaults, checks, views, cascades, and what those run.

What of it cannot be measured, or outlives a rollback, is a hazard: one short phrase each, with the place. Names in bodies have
every candidate, so this finds too much rather than too little.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from interlock.connectors.postgres import history, settings
from interlock.connectors.postgres.catalog.model import (
    FIRST_USER_OID,
    Catalog,
    Function,
    Operator,
    is_own,
)
from interlock.connectors.postgres.parse.body import Body, look_through, plain
from interlock.connectors.postgres.parse.facts import Name
from interlock.connectors.postgres.verbs.functions import EXTENSION_ROWS, ROWS, rule_of
from interlock.connectors.postgres.verbs.rules import FunctionKind

_LANGUAGES = ("sql", "plpgsql")


class Step(NamedTuple):
    """Something that runs: a function (f), a relation read (r) or written (w), a type (t)."""

    what: Literal["f", "r", "w", "t"]
    oid: int


@dataclass(frozen=True, slots=True)
class Reach:
    """Everything that may run. `writes` tells that rows may change underway, `defines` that definitions may; `calls` are names of
    built-in functions, `types` the types whose values may be read in, `written` the relations whose rows may change."""

    hazards: tuple[str, ...] = ()
    functions: frozenset[int] = frozenset()
    relations: frozenset[int] = frozenset()
    defines: bool = False
    calls: frozenset[str] = frozenset()
    types: frozenset[int] = frozenset()
    writes: bool = False
    written: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class _Near:
    """What one step leads to at once."""

    steps: tuple[Step, ...] = ()
    hazards: tuple[str, ...] = ()
    defines: bool = False
    calls: frozenset[str] = frozenset()
    writes: bool = False


@dataclass(slots=True)
class _Collected:
    steps: list[Step] = field(default_factory=list)
    hazards: list[str] = field(default_factory=list)
    defines: bool = False
    calls: set[str] = field(default_factory=set)
    writes: bool = False

    def near(self) -> _Near:
        steps = tuple(dict.fromkeys(self.steps))
        return _Near(steps, tuple(self.hazards), self.defines, frozenset(self.calls), self.writes)


def reach(
    catalog: Catalog,
    *,
    functions: Iterable[int] = (),
    reads: Iterable[int] = (),
    writes: Iterable[int] = (),
    types: Iterable[int] = (),
    operators: Iterable[Name] = (),
    bodies: Iterable[tuple[str, str]] = (),
) -> Reach:
    """Follow everything from where a statement begins. `bodies` are texts that it runs itself, with a label each (DO)."""
    start = _Collected()
    start.steps += [Step("f", oid) for oid in functions]
    start.steps += [Step("r", oid) for oid in reads]
    start.steps += [Step("w", oid) for oid in writes]
    start.steps += [Step("t", oid) for oid in types]
    for name in operators:
        _operators(start, catalog.named_operators(name))
    for label, text in bodies:
        _add_body(catalog, start, label, look_through(text))
    # A cast between built-in types may run for any value.
    start.steps += [
        Step("f", function)
        for source, target, function in catalog.casts
        if source < FIRST_USER_OID and target < FIRST_USER_OID
    ]
    hazards = list(start.hazards)
    rows, defines, calls = start.writes, start.defines, set(start.calls)
    seen: set[Step] = set()
    left = list(start.steps)
    while left:
        step = left.pop()
        if step in seen:
            continue
        seen.add(step)
        near = _near(catalog, step)
        hazards += near.hazards
        rows, defines = rows or near.writes, defines or near.defines
        calls |= near.calls
        left += near.steps
    return Reach(
        tuple(sorted(set(hazards))),
        frozenset(step.oid for step in seen if step.what == "f" and step.oid >= FIRST_USER_OID),
        frozenset(step.oid for step in seen if step.what in "rw"),
        defines,
        frozenset(calls),
        frozenset(step.oid for step in seen if step.what == "t"),
        rows,
        frozenset(step.oid for step in seen if step.what == "w"),
    )


def _near(catalog: Catalog, step: Step) -> _Near:
    known: _Near | None = catalog.memo.get(step)
    if known is None:
        found = _Collected()
        match step.what:
            case "f":
                _function(catalog, found, step.oid)
            case "t":
                _type(catalog, found, step.oid)
            case "r" | "w":
                _relation(catalog, found, step.oid, write=step.what == "w")
        known = catalog.memo[step] = found.near()
    return known


def _function(catalog: Catalog, found: _Collected, oid: int) -> None:
    function = catalog.functions.get(oid)
    if function is None or function.trusted:
        return
    _settings(found, function)
    if function.kind == "a":
        _support(found, function.support, function.label)
    elif function.language in _LANGUAGES:
        _add_body(catalog, found, function.label, look_through(function.body))
    else:
        row = EXTENSION_ROWS.get(function.name)
        what = row.reason if row else f"language {function.language}"
        found.hazards.append(f"{what} in {function.label}")


def _settings(found: _Collected, function: Function) -> None:
    for setting in function.settings:
        name, _, value = setting.partition("=")
        if settings.judge(name, value).verdict is not settings.Verdict.PASS:
            found.hazards.append(f"SET {name} in {function.label}")


def _support(found: _Collected, support: Iterable[tuple[int, str]], label: str) -> None:
    for oid, name in support:
        found.steps.append(Step("f", oid))
        rule = rule_of(name)
        if oid < FIRST_USER_OID and (rule is None or rule.kind is not FunctionKind.READ):
            found.hazards.append(f"{name}() in {label}")


def _add_body(catalog: Catalog, found: _Collected, label: str, body: Body) -> None:
    """What a body's words may name."""
    found.hazards += [f"{hazard} in {label}" for hazard in body.hazards]
    found.writes, found.defines = found.writes or body.writes, found.defines or body.defines
    found.calls |= {name for name in body.calls if name in ROWS}
    index = _index(catalog)
    for name in body.calls:
        found.steps += [Step("f", oid) for oid in index.functions.get(name, ())]
    for name in body.operators:
        _operators(found, catalog.operators_named.get(name, ()))
    for name in body.words:
        found.steps += [Step("f", oid) for oid in index.attributes.get(name, ())]
        found.steps += [Step("t", oid) for oid in index.types.get(name, ())]
        for oid in index.relations.get(name, ()):
            schema = catalog.relations[oid].schema
            if is_own(schema) and schema not in body.words:
                continue  # a common word (people, grants, changes); no search path leads there
            found.steps.append(Step("r", oid))
            if body.writes or body.defines:
                found.steps.append(Step("w", oid))


def _operators(found: _Collected, operators: Iterable[Operator]) -> None:
    for operator in operators:
        label = f"operator {operator.schema}.{operator.name}"
        _support(found, ((operator.function, operator.builtin),), label)


def _type(catalog: Catalog, found: _Collected, oid: int) -> None:
    found.steps += [Step("f", function) for *ends, function in catalog.casts if oid in ends]
    if oid in catalog.row_types:
        relation = catalog.row_types[oid]
        found.steps += [Step("t", column) for column in catalog.columns.get(relation, ())]
        return
    kind = catalog.types.get(oid)
    if kind is None:
        return
    label = f"{kind.schema}.{kind.name}"
    _support(found, kind.support, label)
    found.steps.append(Step("t", kind.base))
    for text in catalog.domains.get(oid, ()):
        _add_body(catalog, found, f"the check of {label}", look_through(text))


def _relation(catalog: Catalog, found: _Collected, oid: int, *, write: bool) -> None:
    relation = catalog.relations.get(oid)
    if relation is None:
        return
    label = relation.label
    if relation.kind == "f":
        found.hazards.append(f"foreign table {label}")
    if relation.kind == "v" or (relation.kind == "m" and write):
        body = look_through(relation.definition)
        _add_body(catalog, found, label, body)
        if write:
            found.steps += [Step("w", o) for n in body.words for o in _index(catalog).relations.get(n, ())]
    found.steps += [Step("t", column) for column in catalog.columns.get(oid, ())]
    found.steps += [Step("t", relation.row_type)]
    for kind, text in catalog.expressions.get(oid, ()):
        if write or kind not in ("default", "statistics"):
            _add_body(catalog, found, f"{kind} of {label}", look_through(text))
    found.steps += [Step("w" if write else "r", child) for child in catalog.children.get(oid, ())]
    if write:
        _on_write(catalog, found, oid, label)


def _on_write(catalog: Catalog, found: _Collected, oid: int, label: str) -> None:
    for function, name, text in catalog.triggers.get(oid, ()):
        if _writes_history(catalog.functions.get(function)):
            continue
        found.steps.append(Step("f", function))
        _add_body(catalog, found, f"trigger {name} of {label}", _without_execute(look_through(text)))
    for name, text in catalog.rules.get(oid, ()):
        _add_body(catalog, found, f"rule {name} of {label}", look_through(text))
    found.steps += [Step("w", other) for other in catalog.cascades.get(oid, ())]


def _writes_history(function: Function | None) -> bool:
    """Interlock's own trigger function, in a schema where nobody else makes any: it writes down what it is there to write down."""
    return function is not None and (function.schema, function.name) == (history.SCHEMA, history.FUNCTION)


def _without_execute(body: Body) -> Body:
    """A trigger's definition names events and its function; it neither writes nor defines by itself."""
    return Body(body.words, body.calls, body.operators, hazards=body.hazards)


@dataclass(frozen=True, slots=True)
class _Index:
    functions: dict[str, tuple[int, ...]]
    attributes: dict[str, tuple[int, ...]]
    relations: dict[str, tuple[int, ...]]
    types: dict[str, tuple[int, ...]]


def _index(catalog: Catalog) -> _Index:
    """Ids by name as bodies hold names."""
    known: _Index | None = catalog.memo.get("index")
    if known is None:
        functions = _ids(catalog.functions_named)
        known = catalog.memo["index"] = _Index(
            functions,
            {
                name: oids
                for name, oids in functions.items()
                if name in {plain(a) for a in catalog.attributes}
            },
            _ids(catalog.relations_named),
            _ids(catalog.types_named),
        )
    return known


def _ids(named: Mapping[str, Iterable[Any]]) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for name, items in named.items():
        found[plain(name)] = (*found.get(plain(name), ()), *(item.oid for item in items))
    return found
