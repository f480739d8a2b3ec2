"""What a statement names and does, without knowing what the names mean.

:func:`collect` goes once over the tree, without recursion. What it does not know lands in `Facts.unknown`, and whoever reads the
facts must take that for the worst.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from interlock.connectors.postgres.parse.tree import Node
from interlock.connectors.postgres.parse.walk import UnknownField, children, strings
from interlock.connectors.postgres.verbs.expressions import JSON_FUNCTIONS, PARTS, SYNTAX_CALLS
from interlock.connectors.postgres.verbs.rules import Part
from interlock.model.operation import Action


class Name(NamedTuple):
    """A name as written: the schema is empty when it is not qualified. A database in front is dropped: there is
    but one."""

    schema: str
    name: str

    @classmethod
    def of(cls, parts: tuple[str, ...]) -> "Name":
        return cls(parts[-2] if len(parts) > 1 else "", parts[-1] if parts else "")

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclass(frozen=True, slots=True)
class Call:
    """A function call. `syntax` tells that the name comes from SQL syntax (`EXTRACT(...)`), not from the text."""

    name: Name
    args: tuple[Node, ...] = ()
    star: bool = False
    syntax: bool = False


@dataclass(frozen=True, slots=True)
class Write:
    """A relation that a statement changes, and how."""

    action: Action
    verb: str
    relation: Name
    temporary: bool = False


@dataclass(slots=True)
class Facts:
    """All that a tree names. `attributes` are names after a dot, which may be calls (`t.f` is `f(t)` when t has no column f)."""

    calls: list[Call] = field(default_factory=list)
    operators: set[Name] = field(default_factory=set)
    types: set[Name] = field(default_factory=set)
    reads: dict[Name, None] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)
    locks: list[Name] = field(default_factory=list)
    ctes: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    impure: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    sublinks: bool = False
    definitions: bool = False
    cursor: str = ""


def relation(node: Node) -> Name:
    """The name of a RangeVar."""
    return Name(node.get("schemaname", ""), node.get("relname", ""))


def collect(kind: str, node: Node, facts: Facts | None = None) -> Facts:
    """Look through a node of type `kind`. Statement types that have no handler here are looked through like definitions."""
    facts = facts if facts is not None else Facts()
    stack = [(kind, node)]
    while stack:
        kind, node = stack.pop()
        handler = _HANDLERS.get(kind)
        if handler is not None:
            node = handler(node, facts)
            if not node:
                continue
        else:
            part = PARTS.get(kind)
            if part is Part.LEAF:
                continue
            if part is Part.DEFINITION or (part is None and kind.endswith("Stmt")):
                facts.definitions = True
            elif part is not Part.PLAIN:
                facts.unknown.append(kind)
                continue
        try:
            stack.extend(children(kind, node))
        except UnknownField as error:
            facts.unknown.append(str(error))
    return facts


def _without(node: Node, *fields: str) -> Node:
    return {key: value for key, value in node.items() if key not in fields}


def _call(node: Node, facts: Facts) -> Node:
    facts.calls.append(
        Call(
            Name.of(strings(node.get("funcname"))),
            tuple(node.get("args", ())),
            bool(node.get("agg_star")),
            node.get("funcformat") == "COERCE_SQL_SYNTAX",
        )
    )
    return _without(node, "funcname")


def _syntax_call(name: str) -> Callable[[Node, Facts], Node]:
    def handle(node: Node, facts: Facts) -> Node:
        facts.calls.append(Call(Name("", name), syntax=True))
        return node

    return handle


def _json_function(node: Node, facts: Facts) -> Node:
    facts.calls.append(Call(Name("", JSON_FUNCTIONS.get(node.get("op", ""), "?")), syntax=True))
    return node


_EQUAL = Name("", "=")
_BETWEEN = {Name("", name) for name in ("<", "<=", ">", ">=")}


def _expression(node: Node, facts: Facts) -> Node:
    if "BETWEEN" in node.get("kind", ""):
        facts.operators |= _BETWEEN
    else:
        facts.operators.add(Name.of(strings(node.get("name"))))
    return _without(node, "name")


def _sublink(node: Node, facts: Facts) -> Node:
    facts.sublinks = True
    facts.operators.add(Name.of(strings(node["operName"])) if "operName" in node else _EQUAL)
    return _without(node, "operName")


def _case(node: Node, facts: Facts) -> Node:
    if "arg" in node:
        facts.operators.add(_EQUAL)
    return node


def _join(node: Node, facts: Facts) -> Node:
    if "usingClause" in node or node.get("isNatural"):
        facts.operators.add(_EQUAL)
    return _without(node, "usingClause", "join_using_alias")


def _sort(node: Node, facts: Facts) -> Node:
    if "useOp" in node:
        facts.operators.add(Name.of(strings(node["useOp"])))
    return _without(node, "useOp")


def _column(node: Node, facts: Facts) -> Node:
    facts.attributes.update(strings(node.get("fields"))[1:])
    return {}


def _indirection(node: Node, facts: Facts) -> Node:
    facts.attributes.update(s for s in strings(node.get("indirection")) if s != "*")
    return node


def _type(node: Node, facts: Facts) -> Node:
    facts.types.add(Name.of(strings(node.get("names"))))
    return _without(node, "names", "arrayBounds")


def _relation(node: Node, facts: Facts) -> Node:
    facts.reads[relation(node)] = None
    return {}


def _cte(node: Node, facts: Facts) -> Node:
    facts.ctes.add(node.get("ctename", ""))
    return _without(node, "aliascolnames", "ctecolnames", "ctecoltypes", "ctecoltypmods", "ctecolcollations")


def _sample(node: Node, facts: Facts) -> Node:
    if Name.of(strings(node.get("method"))) not in (Name("", "bernoulli"), Name("", "system")):
        facts.impure.append("uses a sampling method of its own")
    return _without(node, "method")


def _locking(node: Node, facts: Facts) -> Node:
    facts.impure.append("locks rows")
    facts.locks.extend(relation(item["RangeVar"]) for item in node.get("lockedRels", ()))
    return {}


def _into(node: Node, facts: Facts) -> Node:
    target = node.get("rel", {})
    facts.writes.append(
        Write(Action.CREATE, "SELECT INTO", relation(target), target.get("relpersistence") == "t")
    )
    return {}


def _current_of(node: Node, facts: Facts) -> Node:
    facts.impure.append("follows a cursor")
    facts.cursor = node.get("cursor_name", "")
    return {}


def _insert(node: Node, facts: Facts) -> Node:
    target = relation(node["relation"])
    facts.writes.append(Write(Action.CREATE, "INSERT", target))
    if node.get("onConflictClause", {}).get("action") == "ONCONFLICT_UPDATE":
        facts.writes.append(Write(Action.UPDATE, "INSERT ON CONFLICT", target))
    return _without(node, "relation")


def _update(node: Node, facts: Facts) -> Node:
    facts.writes.append(Write(Action.UPDATE, "UPDATE", relation(node["relation"])))
    return _without(node, "relation")


def _delete(node: Node, facts: Facts) -> Node:
    facts.writes.append(Write(Action.DELETE, "DELETE", relation(node["relation"])))
    return _without(node, "relation")


_MERGE = {"CMD_INSERT": Action.CREATE, "CMD_UPDATE": Action.UPDATE, "CMD_DELETE": Action.DELETE}


def _merge(node: Node, facts: Facts) -> Node:
    target = relation(node["relation"])
    asked = {item["MergeWhenClause"].get("commandType") for item in node.get("mergeWhenClauses", ())}
    for command, action in _MERGE.items():
        if command in asked:
            facts.writes.append(Write(action, "MERGE", target))
    if not asked & set(_MERGE):
        facts.impure.append("locks rows")
        facts.reads[target] = None
    return _without(node, "relation")


_HANDLERS: dict[str, Callable[[Node, Facts], Node]] = {
    "A_Expr": _expression,
    "A_Indirection": _indirection,
    "CaseExpr": _case,
    "ColumnRef": _column,
    "CommonTableExpr": _cte,
    "CurrentOfExpr": _current_of,
    "DeleteStmt": _delete,
    "FuncCall": _call,
    "InsertStmt": _insert,
    "IntoClause": _into,
    "JoinExpr": _join,
    "JsonFuncExpr": _json_function,
    "LockingClause": _locking,
    "MergeStmt": _merge,
    "RangeTableSample": _sample,
    "RangeVar": _relation,
    "SelectStmt": lambda node, _: node,
    "SortBy": _sort,
    "SubLink": _sublink,
    "TypeName": _type,
    "UpdateStmt": _update,
    **{kind: _syntax_call(name) for kind, name in SYNTAX_CALLS.items()},
}
