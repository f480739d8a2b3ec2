"""Objects that are no part of a relation: functions, types, schemas, publications, default rights, and the rarer kinds."""

from collections.abc import Iterator
from typing import Any

from interlock.connectors.postgres.definitions import facet as f
from interlock.connectors.postgres.definitions.common import (
    Step,
    called,
    comment,
    granted,
    owner,
    rights,
    word,
)
from interlock.connectors.postgres.definitions.facet import Facet
from interlock.connectors.postgres.queries import ident, literal

_DEFAULTS = {
    "r": "TABLES",
    "S": "SEQUENCES",
    "f": "FUNCTIONS",
    "T": "TYPES",
    "n": "SCHEMAS",
    "L": "LARGE OBJECTS",
}


def create_other(facet: Facet) -> Iterator[Step]:
    """The object itself; owner, rights and comment follow. Nothing for kinds that cannot be made from what is known of them."""
    sql = _created(facet)
    if sql:
        yield Step(facet.label, tuple(sql))


def _created(facet: Facet) -> list[str]:
    values = facet.values
    match facet.catalog:
        case f.FUNCTION:
            return [_aggregate(facet) if values["sort"] == "a" else str(values["definition"])]
        case f.TYPE:
            return _type(facet)
        case f.SCHEMA:
            return [f"CREATE SCHEMA {facet.sql}"]
        case f.PUBLICATION:
            return [f"CREATE PUBLICATION {facet.sql}{_members(values, 'FOR ')} WITH ({_published(values)})"]
        case f.CAST:
            return [_cast(values)]
        case f.COLLATION:
            return _collation(facet)
        case f.OPERATOR:
            return [f"CREATE OPERATOR {facet.values['schema']}.{facet.name} ({_list(values['parts'])})"]
        case f.TS_DICT:
            given = f", {values['options']}" if values["options"] else ""
            return [f"CREATE TEXT SEARCH DICTIONARY {facet.sql} (TEMPLATE = {values['template']}{given})"]
        case f.TS_CONFIG:
            return [f"CREATE TEXT SEARCH CONFIGURATION {facet.sql} (PARSER = {values['parser']})"]
        case _:
            return []


def _list(parts: dict[str, Any]) -> str:
    return ", ".join(name if value is True else f"{name} = {value}" for name, value in parts.items())


def _aggregate(facet: Facet) -> str:
    return f"CREATE AGGREGATE {facet.sql}({facet.values['arguments'] or '*'}) ({_list(facet.values['aggregate'])})"


def _type(facet: Facet) -> list[str]:
    values = facet.values
    match values["sort"]:
        case "e":
            return [f"CREATE TYPE {facet.sql} AS ENUM ({', '.join(map(literal, values['labels'] or ()))})"]
        case "c":
            return [f"CREATE TYPE {facet.sql} AS ({', '.join(map(_attribute, values['attributes'] or ()))})"]
        case "r":
            return [f"CREATE TYPE {facet.sql} AS RANGE ({_list(values['range'])})"]
        case "d":
            text = f"CREATE DOMAIN {facet.sql} AS {values['base']}"
            text += f" COLLATE {values['collation']}" if values["collation"] else ""
            return [text + (f" DEFAULT {values['default']}" if values["default"] else "")]
        case _:
            return []


def _attribute(attribute: dict[str, Any]) -> str:
    collation = f" COLLATE {attribute['collation']}" if attribute["collation"] else ""
    return f"{ident(attribute['name'])} {attribute['type']}{collation}"


def _members(values: dict[str, Any], lead: str) -> str:
    if values["all"]:
        return f" {lead}ALL TABLES"
    members = [_member(*member) for member in values["tables"] or ()]
    members += [f"TABLES IN SCHEMA {schema}" for schema in values["schemas"] or ()]
    return f" {lead}{', '.join(members)}" if members else ""


def _member(table: str, columns: list[str] | None, where: str | None) -> str:
    text = f"TABLE {table}"
    text += f" ({', '.join(columns)})" if columns else ""
    return text + (f" WHERE ({where})" if where else "")


def _published(values: dict[str, Any]) -> str:
    root = "true" if values["root"] else "false"
    return f"publish = {literal(values['publish'])}, publish_via_partition_root = {root}"


def _cast(values: dict[str, Any]) -> str:
    way = {"b": "WITHOUT FUNCTION", "i": "WITH INOUT"}.get(
        values["method"], f"WITH FUNCTION {values['function']}"
    )
    context = {"a": " AS ASSIGNMENT", "i": " AS IMPLICIT"}.get(values["context"], "")
    return f"CREATE CAST ({values['source']} AS {values['target']}) {way}{context}"


def _collation(facet: Facet) -> list[str]:
    row = facet.values["row"]
    locale = row.get("colllocale") or row.get("colliculocale")
    provider = {"i": "icu", "c": "libc", "b": "builtin"}.get(row["collprovider"])
    if provider is None:
        return []
    if provider == "libc" and row["collencoding"] == -1 and row["collcollate"] in ("C", "POSIX"):
        # Of any encoding: only a copy of a built-in one is that.
        return [f"CREATE COLLATION {facet.sql} FROM pg_catalog.{ident(row['collcollate'])}"]
    given = [f"PROVIDER = {provider}"]
    if provider == "libc":
        given += [f"LC_COLLATE = {literal(row['collcollate'])}", f"LC_CTYPE = {literal(row['collctype'])}"]
    else:
        given += [f"LOCALE = {literal(locale or '')}"]
    given += [] if row["collisdeterministic"] else ["DETERMINISTIC = false"]
    given += [f"RULES = {literal(row['collicurules'])}"] if row.get("collicurules") else []
    return [f"CREATE COLLATION {facet.sql} ({', '.join(given)})"]


def other_steps(old: Facet, now: Facet) -> Iterator[Step]:
    """From what it is to what it was."""
    if old.catalog == f.DEFAULT_ACL:
        yield from _default_rights(old, now)
        return
    for sql in _altered(old, now):
        yield Step(old.label, (sql,))
    if "owner" in old.values:
        yield from (Step(old.label, (sql,)) for sql in (*owner(old, now), *rights(old, now)))
    yield from (Step(old.label, (sql,)) for sql in comment(old, now))


def _altered(old: Facet, now: Facet) -> Iterator[str]:
    match old.catalog:
        case f.FUNCTION:
            yield from _function(old, now)
        case f.TYPE:
            yield from _type_altered(old, now)
        case f.PUBLICATION:
            yield from _publication(old, now)
        case f.TS_CONFIG if old.values["mappings"] != now.values["mappings"]:
            was, has = dict(old.values["mappings"] or ()), dict(now.values["mappings"] or ())
            name = f"ALTER TEXT SEARCH CONFIGURATION {old.sql}"
            yield from (f"{name} DROP MAPPING FOR {token}" for token in has if token not in was)
            for token, dictionaries in was.items():
                if token not in has:
                    yield f"{name} ADD MAPPING FOR {token} WITH {', '.join(dictionaries)}"
                elif has[token] != dictionaries:
                    yield f"{name} ALTER MAPPING FOR {token} WITH {', '.join(dictionaries)}"
        case _:
            return


def _function(old: Facet, now: Facet) -> Iterator[str]:
    before, after = old.values, now.values
    if before["definition"] == after["definition"]:
        return
    if (before["returns"], before["arguments"]) != (after["returns"], after["arguments"]):
        yield f"DROP {word(now)} {called(now)} RESTRICT"
    yield str(before["definition"])


def _type_altered(old: Facet, now: Facet) -> Iterator[str]:
    before, after = old.values, now.values
    if before["sort"] == "e" and before["labels"] != after["labels"]:
        was, has = before["labels"] or [], after["labels"] or []
        if len(was) == len(has):
            for one, other in zip(was, has, strict=True):
                if one != other:
                    yield f"ALTER TYPE {old.sql} RENAME VALUE {literal(other)} TO {literal(one)}"
    if before["sort"] == "c":
        yield from _attributes(old, now)
    if before["sort"] == "d":
        name = f"ALTER DOMAIN {old.sql}"
        if before["default"] != after["default"]:
            yield f"{name} SET DEFAULT {before['default']}" if before["default"] else f"{name} DROP DEFAULT"
        if before["notnull"] != after["notnull"]:
            yield f"{name} {'SET' if before['notnull'] else 'DROP'} NOT NULL"


def _attributes(old: Facet, now: Facet) -> Iterator[str]:
    was = {a["name"]: a for a in old.values["attributes"] or ()}
    has = {a["name"]: a for a in now.values["attributes"] or ()}
    name = f"ALTER TYPE {old.sql}"
    gone, new = [n for n in has if n not in was], [n for n in was if n not in has]
    if len(gone) == len(new) == 1 and len(was) == len(has):
        yield f"{name} RENAME ATTRIBUTE {ident(gone[0])} TO {ident(new[0])}"
        return
    yield from (f"{name} DROP ATTRIBUTE {ident(n)}" for n in gone)
    yield from (f"{name} ADD ATTRIBUTE {_attribute(was[n])}" for n in new)
    for n, attribute in was.items():
        if n in has and has[n]["type"] != attribute["type"]:
            yield f"{name} ALTER ATTRIBUTE {ident(n)} TYPE {attribute['type']}"
        if n in has and has[n]["comment"] != attribute["comment"]:
            text = "NULL" if attribute["comment"] is None else literal(attribute["comment"])
            yield f"COMMENT ON COLUMN {old.sql}.{ident(n)} IS {text}"


def _publication(old: Facet, now: Facet) -> Iterator[str]:
    before, after = old.values, now.values
    name = f"ALTER PUBLICATION {old.sql}"
    if (before["publish"], before["root"]) != (after["publish"], after["root"]):
        yield f"{name} SET ({_published(before)})"
    if (before["tables"], before["schemas"]) != (after["tables"], after["schemas"]):
        if before["tables"] or before["schemas"]:
            yield f"{name} SET{_members(before, '')}"
        else:
            yield f"{name} DROP{_members({**after, 'tables': [[t, None, None] for t, *_ in after['tables'] or ()]}, '')}"


def _default_rights(old: Facet, now: Facet) -> Iterator[Step]:
    """By ALTER DEFAULT PRIVILEGES: what equals the usual rights is no entry any more."""
    if old.values["rights"] == now.values["rights"]:
        return
    values = old.values
    where = f" IN SCHEMA {ident(values['schema'])}" if values["schema"] else ""
    lead = f"ALTER DEFAULT PRIVILEGES FOR ROLE {ident(values['owner'])}{where} "
    kind = _DEFAULTS[values["sort"]]
    given = granted(values["rights"] or [], now.values["rights"] or [], kind, str(values["owner"]))
    yield Step(old.label, tuple(lead + sql for sql in given))


def usual(facet: Facet) -> Facet:
    """Default rights as they are without an entry: what a new entry is undone to, and a removed one made from."""
    empty = facet.values["usual"] or []
    return Facet(
        facet.address, facet.kind, facet.names, facet.args, facet.identity, {**facet.values, "rights": empty}
    )
