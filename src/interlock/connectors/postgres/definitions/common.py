"""Statements that go for objects of many kinds: names, owners, rights, comments."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from interlock.connectors.postgres.definitions import facet as f
from interlock.connectors.postgres.definitions.facet import Facet
from interlock.connectors.postgres.queries import ident, literal, qualified

RELATIONS = {
    "r": "TABLE",
    "p": "TABLE",
    "v": "VIEW",
    "m": "MATERIALIZED VIEW",
    "S": "SEQUENCE",
    "f": "FOREIGN TABLE",
    "i": "INDEX",
    "I": "INDEX",
}
_WORDS = {
    f.SCHEMA: "SCHEMA",
    f.STATISTICS: "STATISTICS",
    f.COLLATION: "COLLATION",
    f.TS_DICT: "TEXT SEARCH DICTIONARY",
    f.TS_CONFIG: "TEXT SEARCH CONFIGURATION",
    f.PUBLICATION: "PUBLICATION",
    f.OPERATOR: "OPERATOR",
    f.CAST: "CAST",
    f.TYPE: "TYPE",
}
_GRANTED = {"SEQUENCE": "SEQUENCE", "SCHEMA": "SCHEMA", "TYPE": "TYPE", "DOMAIN": "TYPE"}
_GRANTED |= dict.fromkeys(("FUNCTION", "PROCEDURE", "AGGREGATE"), "ROUTINE")


@dataclass(frozen=True, slots=True)
class Step:
    """Statements that belong together; `label` says what they are about. All names in them have their schema."""

    label: str
    statements: tuple[str, ...]


def word(facet: Facet) -> str:
    """What ALTER, DROP and COMMENT call an object of this kind."""
    match facet.catalog:
        case f.RELATION:
            return RELATIONS[facet.sort]
        case f.FUNCTION:
            return {"p": "PROCEDURE", "a": "AGGREGATE"}.get(facet.values["sort"], "FUNCTION")
        case f.TYPE:
            return "DOMAIN" if facet.values["sort"] == "d" else "TYPE"
        case other:
            return _WORDS[other]


def called(facet: Facet) -> str:
    """An object as ALTER, DROP and COMMENT want it named."""
    match facet.catalog:
        case f.FUNCTION if facet.values["sort"] == "a":
            return f"{facet.sql}({facet.values['arguments'] or '*'})"
        case f.FUNCTION:
            return f"{facet.sql}{facet.values['types']}"
        case f.OPERATOR:
            return str(facet.values["signature"])
        case f.CAST:
            return f"({facet.values['source']} AS {facet.values['target']})"
        case f.CONSTRAINT:
            where = facet.values["table"] or f"DOMAIN {facet.values['domain']}"
            return f"{ident(facet.name)} ON {where}"
        case f.TRIGGER | f.RULE | f.POLICY:
            return f"{ident(facet.name)} ON {facet.values['table']}"
        case _:
            return facet.sql


def renames(old: Facet, now: Facet) -> Iterator[str]:
    """Its old name back. Both steps go by what it is called at that moment."""
    if old.catalog in (f.CONSTRAINT, f.TRIGGER, f.RULE, f.POLICY, f.DEFAULT_ACL, f.CAST):
        if old.name != now.name:
            yield _part_renamed(old, now)
        return
    what = word(now)
    if old.schema != now.schema:
        yield f"ALTER {what} {called(now)} SET SCHEMA {ident(old.schema)}"
    if old.name != now.name:
        moved = qualified(old.schema, now.name) if now.schema else ident(now.name)
        if now.catalog == f.FUNCTION:
            moved += called(now)[len(now.sql) :]
        yield f"ALTER {what} {moved} RENAME TO {ident(old.name)}"


def _part_renamed(old: Facet, now: Facet) -> str:
    change = f"{ident(now.name)} TO {ident(old.name)}"
    if old.catalog != f.CONSTRAINT:
        kind = {f.TRIGGER: "TRIGGER", f.RULE: "RULE", f.POLICY: "POLICY"}[old.catalog]
        return f"ALTER {kind} {ident(now.name)} ON {now.values['table']} RENAME TO {ident(old.name)}"
    if now.values["domain"]:
        return f"ALTER DOMAIN {now.values['domain']} RENAME CONSTRAINT {change}"
    return f"ALTER TABLE {now.values['table']} RENAME CONSTRAINT {change}"


def owner(old: Facet, now: Facet) -> Iterator[str]:
    """Its owner back. An index has its table's, and a sequence that belongs to a column too."""
    if old.values.get("owner") == now.values.get("owner") or old.sort in ("i", "I"):
        return
    if old.sort == "S" and now.values.get("owned"):
        return
    yield f"ALTER {word(old)} {called(old)} OWNER TO {ident(str(old.values['owner']))}"


def comment(old: Facet, now: Facet) -> Iterator[str]:
    if old.values.get("comment") == now.values.get("comment"):
        return
    text = old.values.get("comment")
    kinds = {f.CONSTRAINT: "CONSTRAINT", f.TRIGGER: "TRIGGER", f.RULE: "RULE", f.POLICY: "POLICY"}
    what = kinds.get(old.catalog) or word(old)
    yield f"COMMENT ON {what} {called(old)} IS {'NULL' if text is None else literal(text)}"


def rights(old: Facet, now: Facet) -> Iterator[str]:
    """The rights on an object as they were."""
    before, after = old.values.get("rights"), now.values.get("rights")
    if before == after:
        return
    what = _GRANTED.get(word(old), "TABLE")
    name = called(old) if old.catalog != f.TYPE else old.sql
    if word(old) == "AGGREGATE":
        name = f"{old.sql}{old.values['types']}"
    yield from granted(before or [], after or [], f"{what} {name}", str(old.values.get("owner")))


def granted(
    before: Sequence[Sequence[object]],
    after: Sequence[Sequence[object]],
    on: str,
    owner: str,
    column: str = "",
) -> Iterator[str]:
    """From one access list to another. What someone else than the owner gave is given by that role again."""
    wanted = {tuple(entry) for entry in before}
    there = {tuple(entry) for entry in after}
    part = f" ({column})" if column else ""
    for grantee, grantor, privilege, option in sorted(there - wanted, key=str):
        kept = (grantee, grantor, privilege, not option) in wanted
        only = "GRANT OPTION FOR " if kept and option else ""
        if not kept or option:
            sql = f"REVOKE {only}{privilege}{part} ON {on} FROM {_grantee(str(grantee))} CASCADE"
            yield _as(str(grantor), owner, sql)
    for grantee, grantor, privilege, option in sorted(wanted - there, key=str):
        tail = " WITH GRANT OPTION" if option else ""
        yield _as(str(grantor), owner, f"GRANT {privilege}{part} ON {on} TO {_grantee(str(grantee))}{tail}")


def _grantee(name: str) -> str:
    return ident(name) if name else "PUBLIC"


def _as(grantor: str, owner: str, sql: str) -> str:
    """GRANT by the owner is what any member of it does; another grantor must do it itself (manual, GRANT, "Notes")."""
    if grantor == owner:
        return sql
    role, text = literal(grantor), literal(sql)
    return "DO " + literal(
        "DECLARE me text := current_user; BEGIN PERFORM pg_catalog.set_config('role', "
        f"{role}, true); EXECUTE {text}; PERFORM pg_catalog.set_config('role', me, true); END"
    )


def options(before: Sequence[str] | None, after: Sequence[str] | None, alter: str) -> Iterator[str]:
    """Storage parameters back: `alter` is `ALTER … ` up to SET."""
    was, now = _pairs(before), _pairs(after)
    gone = [name for name in now if name not in was]
    back = [
        f"{ident_option(name)} = {literal(value)}" for name, value in was.items() if now.get(name) != value
    ]
    if gone:
        yield f"{alter} RESET ({', '.join(map(ident_option, gone))})"
    if back:
        yield f"{alter} SET ({', '.join(back)})"


def ident_option(name: str) -> str:
    """A parameter's name, perhaps with a namespace (`toast.…`)."""
    return ".".join(ident(part) for part in name.split("."))


def _pairs(given: Sequence[str] | None) -> dict[str, str]:
    return {item.partition("=")[0]: item.partition("=")[2] for item in given or ()}


def with_options(facet: Facet) -> str:
    """WITH (…) of a new relation."""
    pairs = _pairs(facet.values.get("options"))
    pairs |= {f"toast.{name}": value for name, value in _pairs(facet.values.get("toast")).items()}
    if not pairs:
        return ""
    return " WITH (" + ", ".join(f"{ident_option(n)} = {literal(v)}" for n, v in pairs.items()) + ")"
