"""Definitions as text: what the catalogs say of an object, a line for each fact, so that two of them can be compared.

Options of foreign servers and tables may hold passwords: they are not in it.
"""

from collections.abc import Iterator
from typing import Any

from interlock.connectors.postgres.definitions.facet import Facet, Values, alike, plain
from interlock.connectors.postgres.image import Definition
from interlock.model.base import canonical
from interlock.model.operation import Resource
from interlock.model.sample import Text

_WHOLE = ("definition",)
_USUAL_NULL: tuple[Any, ...] = (None, False, "", [], {}, 0)
_HIDDEN = frozenset({"server", "fdw", "usual"})
_COLUMN = ("name", "type", "collation", "notnull", "default")


def text_of(frame: Definition) -> Text | None:
    """An object before and after; None when nothing that is shown differs."""
    facet = frame.was or frame.left
    if facet is None or (frame.was is not None and frame.left is not None and alike(frame.was, frame.left)):
        return None
    before, after = _text(frame.was), _text(frame.left)
    return None if before == after else Text(resource_of(facet), before, after, "sql")


def resource_of(facet: Facet) -> Resource:
    """The object as effects name it."""
    return Resource(facet.kind, facet.identity, facet.schema)


def _text(facet: Facet | None) -> str:
    """Facts in the order of their names; what is as usual is left out."""
    return "" if facet is None else "\n".join(_lines(facet))


def _lines(facet: Facet) -> Iterator[str]:
    yield f"{facet.kind} {facet.identity}"
    values = plain(facet, moving=False)
    for name in sorted(values.keys() - _HIDDEN - {"columns", *_WHOLE}):
        if values[name] not in _USUAL_NULL:
            yield from _fact(name, values[name])
    for column in values.get("columns") or ():
        yield f"  column {_column(column)}"
    for name in _WHOLE:
        if values.get(name):
            yield from str(values[name]).rstrip("\n").split("\n")


def _fact(name: str, value: Any) -> Iterator[str]:
    if name == "rights" and isinstance(value, list):
        yield from (f"  grant {_right(right)}" for right in value)
    elif name == "labels" and isinstance(value, list):
        yield from (f"  label {_literal(label)}" for label in value)
    elif name == "comment":
        yield f"  comment {_literal(value)}"
    else:
        yield f"  {name} {_value(value)}"


def _right(right: Any) -> str:
    grantee, grantor, privilege, grantable = right
    return f"{privilege} to {grantee or 'PUBLIC'} by {grantor}{' with grant option' if grantable else ''}"


def _column(column: Values) -> str:
    said = [str(column["name"]), str(column["type"])]
    said += [f"collate {column['collation']}"] if column.get("collation") else []
    said += ["not null"] if column.get("notnull") else []
    said += [f"default {column['default']}"] if column.get("default") is not None else []
    more = sorted(column.keys() - {*_COLUMN, *_HIDDEN, "notnull_as", "local"})
    said += [f"{name} {_value(column[name])}" for name in more if column[name] not in _USUAL_NULL]
    return " ".join(said)


def _value(value: Any) -> str:
    return value if isinstance(value, str) else canonical(value).decode()


def _literal(value: Any) -> str:
    return "'" + str(value).replace("'", "''") + "'"
