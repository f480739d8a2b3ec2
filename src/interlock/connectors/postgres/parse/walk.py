"""Which fields of a node hold nodes, taken from libpg_query's own structures as pglast describes them."""

from collections.abc import Iterator
from typing import Any

from pglast import ast

from interlock.connectors.postgres.parse.tree import Node

ANY = ""
"""A field that may hold any node, wrapped in its type's name."""


def _fields(node: type) -> dict[str, str]:
    """Field → node type of the fields that hold nodes (:data:`ANY` for `Node *` and lists)."""
    found = {}
    slots: dict[str, Any] = getattr(node, "__slots__", None) or {}
    for field, info in slots.items():
        kind = info.c_type.rstrip("*")
        if kind in ("Node", "List", "Expr"):
            found[field.rstrip("_")] = ANY
        elif isinstance(getattr(ast, kind, None), type):
            found[field.rstrip("_")] = kind
    return found


NODE_TYPES: frozenset[str] = frozenset(
    name
    for name, node in vars(ast).items()
    if isinstance(node, type)
    and issubclass(node, ast.Node)
    and node not in (ast.Node, ast.Expr)
    and name not in ("Value", "ValUnion")
)
"""Every node type that libpg_query has."""

_FIELDS: dict[str, dict[str, str]] = {
    **{name: _fields(getattr(ast, name)) for name in NODE_TYPES},
    "List": {"items": ANY},
}


class UnknownField(Exception):
    """A field that holds nodes and that nobody told us of."""


def children(kind: str, node: Node) -> Iterator[tuple[str, Node]]:
    """The nodes right below, each with its type. Raises UnknownField."""
    fields = _FIELDS.get(kind)
    for field, value in node.items():
        if not isinstance(value, dict | list):
            continue
        held = fields.get(field) if fields is not None else None
        if held is None:
            raise UnknownField(f"{kind}.{field}")
        if held is not ANY:
            if not isinstance(value, dict):
                raise UnknownField(f"{kind}.{field}")
            yield held, value
        elif isinstance(value, dict):
            yield from value.items()
        else:
            for item in value:
                yield from item.items()


def strings(items: list[Node] | None) -> tuple[str, ...]:
    """The texts of a list of String nodes (a qualified name); a star or anything else becomes `*`."""
    return tuple(item["String"].get("sval", "") if "String" in item else "*" for item in items or ())


def constant(node: Node | None) -> str | None:
    """A constant as text (`TypeCast`s of it looked through), or None for whatever else."""
    while node is not None and "TypeCast" in node:
        node = node["TypeCast"].get("arg")
    if not node:
        return None
    if "A_Const" in node:
        return _value(node["A_Const"])
    for kind in ("String", "Integer", "Float", "Boolean"):
        if kind in node:
            return _value({kind: node[kind]})
    return None


def _value(held: Node) -> str | None:
    if held.get("isnull"):
        return None
    for field, value in held.items():
        if field == "location":
            continue
        inner = value.get(
            {"String": "sval", "Integer": "ival", "Float": "fval", "Boolean": "boolval"}.get(field, field)
        )
        if field in ("boolval", "Boolean"):
            return "on" if inner else "off"
        if field in ("ival", "Integer"):
            return str(inner or 0)
        return str(inner or "")
    return None
