"""How libpg_query names objects in DROP, RENAME, COMMENT, GRANT and the like, as resources."""

from typing import Any

from interlock.connectors.postgres.classify.context import Context
from interlock.connectors.postgres.parse import Name, Node
from interlock.connectors.postgres.parse.facts import relation
from interlock.connectors.postgres.parse.walk import strings
from interlock.connectors.postgres.verbs.objects import ROWS
from interlock.connectors.postgres.verbs.rules import ObjectRule
from interlock.model.operation import Resource

_RELATIONS = frozenset(("table", "view", "materialized_view", "foreign_table", "sequence"))


def rule_for(object_type: str) -> ObjectRule:
    """The row of an `ObjectType`; KeyError when there is none."""
    return ROWS[object_type]


def unqualified(rule: ObjectRule, name: str) -> Resource:
    """An object that lies in no schema; a schema is its own group."""
    return Resource(rule.kind, name, name if rule.kind == "schema" else "")


def named(ctx: Context, rule: ObjectRule, node: Node, part: str = "") -> tuple[Resource, ...]:
    """The resources that one entry of `objects` (or an `object`) names; `part` is the name of a constraint apart from it."""
    match rule.naming:
        case "plain" | "number":
            return (unqualified(rule, plain(node)),)
        case "callable":
            return _callable(ctx, rule, node)
        case "type":
            return ctx.type_resources(_type_name(node))
        case "inner":
            return _inner(ctx, rule.kind, _parts(node))
        case "domain":
            items = _items(node)
            name = Name.of(strings(items)) if part else _type_name(items[0])
            owners = ctx.type_resources(name)
            return tuple(Resource(rule.kind, f"{o.name}.{part or plain(items[-1])}", o.group) for o in owners)
        case "typed":
            return (Resource(rule.kind, "/".join(_piece(item) for item in _items(node))),)
        case "am":
            return (_schema_object(ctx, rule.kind, Name.of(_parts(node)[1:])),)
        case _:
            return qualified(ctx, rule.kind, Name.of(_parts(node)))


def qualified(ctx: Context, kind: str, name: Name) -> tuple[Resource, ...]:
    """An object with a schema-qualified name: a relation is looked up, others are taken at their word."""
    if kind in _RELATIONS:
        return ctx.relation_resources(name, kind)
    return (_schema_object(ctx, kind, name),)


def range_var(ctx: Context, kind: str, node: Node) -> tuple[Resource, ...]:
    """An object named by a RangeVar."""
    return qualified(ctx, kind, relation(node))


def plain(node: Any) -> str:
    """A single name, however it is wrapped."""
    if not isinstance(node, dict):
        return str(node or "")
    for kind in ("String", "Integer", "Float"):
        if kind in node:
            return str(next(iter(node[kind].values()), ""))
    if "RoleSpec" in node:
        return role(node["RoleSpec"])
    if "DefElem" in node:
        return str(node["DefElem"].get("defname", ""))
    return ".".join(_parts(node))


def role(spec: Node | None) -> str:
    """The name of a RoleSpec; CURRENT_USER and the like as they are written."""
    spec = spec or {}
    return str(spec.get("rolename") or spec.get("roletype", "").removeprefix("ROLESPEC_").upper() or "*")


def _schema_object(ctx: Context, kind: str, name: Name) -> Resource:
    return ctx.new(kind, name)


def _callable(ctx: Context, rule: ObjectRule, node: Node) -> tuple[Resource, ...]:
    name = Name.of(strings(node.get("ObjectWithArgs", node).get("objname")))
    if rule.kind == "operator":
        return (_schema_object(ctx, "operator", name),)
    return ctx.function_resources(name)


def _inner(ctx: Context, kind: str, parts: tuple[str, ...]) -> tuple[Resource, ...]:
    return ctx.inner_resource(kind, Name.of(parts[:-1]), parts[-1] if parts else "")


def _items(node: Node) -> list[Node]:
    items: list[Node] = node.get("List", {}).get("items", [])
    return items


def _piece(node: Node) -> str:
    return str(_type_name(node)) if "TypeName" in node else plain(node)


def _parts(node: Node) -> tuple[str, ...]:
    if "List" in node:
        return strings(_items(node))
    if "String" in node:
        return (node["String"].get("sval", ""),)
    if "TypeName" in node:
        return strings(node["TypeName"].get("names"))
    return ()


def _type_name(node: Node) -> Name:
    return Name.of(strings(node.get("TypeName", node).get("names")) or _parts(node))
