"""Tables, their columns, and sequences."""

from collections.abc import Iterator

from interlock.connectors.postgres.definitions.common import (
    Step,
    comment,
    granted,
    options,
    owner,
    rights,
    with_options,
    word,
)
from interlock.connectors.postgres.definitions.facet import Facet, Values
from interlock.connectors.postgres.queries import ident, literal

_STORAGE = {"p": "PLAIN", "e": "EXTERNAL", "m": "MAIN", "x": "EXTENDED"}
_COMPRESSION = {"p": "pglz", "l": "lz4", "": "default"}
_REPLICA = {"d": "DEFAULT", "n": "NOTHING", "f": "FULL"}


def create_table(facet: Facet) -> Iterator[Step]:
    """The table with its columns, in their places: dropped ones are made and dropped again. Defaults, constraints and all that
    may refer to something else come later."""
    values = facet.values
    parents = values.get("parents") or []
    inherits = bool(parents) and not values["partition"]
    columns = list(values["columns"] or ())
    body = [_place(column) for column in columns if not inherits or column["local"]]
    kind = "UNLOGGED TABLE" if values["persistence"] == "u" else "TABLE"
    if facet.sort == "f":
        kind = "FOREIGN TABLE"
    text = f"CREATE {kind} {facet.sql} ({', '.join(body)})"
    text += f" INHERITS ({', '.join(parents)})" if inherits else ""
    text += f" PARTITION BY {values['key']}" if values["key"] else ""
    text += f" USING {ident(values['method'])}" if values["method"] else ""
    if facet.sort == "f":
        server, given = values["server"]
        text += f" SERVER {ident(server)}{_fdw(given)}"
    else:
        text += with_options(facet)
    text += f" TABLESPACE {ident(values['tablespace'])}" if values["tablespace"] else ""
    gone = [
        f"ALTER TABLE {facet.sql} DROP COLUMN {_dropped(column)}" for column in columns if column["dropped"]
    ]
    yield Step(facet.label, (text, *gone))


def _dropped(column: Values) -> str:
    return ident(f"........pg.dropped.{column['num']}........")


def _place(column: Values) -> str:
    return f"{_dropped(column)} pg_catalog.int4" if column["dropped"] else column_text(column)


def column_text(column: Values) -> str:
    """A column in CREATE TABLE and ADD COLUMN: name, type, and what can be said of it only now."""
    text = f"{ident(column['name'])} {column['type']}"
    text += f" COLLATE {column['collation']}" if column["collation"] else ""
    if column["generated"]:
        kind = "STORED" if column["generated"] == "s" else "VIRTUAL"
        text += f" GENERATED ALWAYS AS ({column['default']}) {kind}"
    text += _fdw(column["fdw"])
    return text


def _fdw(given: list[str] | None) -> str:
    if not given:
        return ""
    pairs = (item.partition("=") for item in given)
    return " OPTIONS (" + ", ".join(f"{ident(name)} {literal(value)}" for name, _, value in pairs) + ")"


def structure(old: Facet, now: Facet) -> Iterator[Step]:
    """Columns as they were in name, number and type: what rows need before they can come back."""
    present = {column["num"]: column for column in now.columns} if old.address == now.address else {}
    by_name = {column["name"]: column for column in now.columns}
    table = f"ALTER TABLE {old.sql}"
    for column in old.columns:
        found = present.get(column["num"]) or by_name.get(column["name"])
        if found is None:
            yield Step(
                f"column {column['name']} of {old.identity}", (f"{table} ADD COLUMN {column_text(column)}",)
            )
            continue
        if found["name"] != column["name"]:
            change = f"{table} RENAME COLUMN {ident(found['name'])} TO {ident(column['name'])}"
            yield Step(f"column {column['name']} of {old.identity}", (change,))
        if (found["type"], found["collation"]) != (column["type"], column["collation"]):
            yield Step(f"column {column['name']} of {old.identity}", tuple(_typed(table, column, found)))


def _typed(table: str, column: Values, found: Values) -> Iterator[str]:
    name = f"{table} ALTER COLUMN {ident(column['name'])}"
    if found["default"] and not found["generated"]:
        # The default may not be one of the old type; the old one is set afterwards.
        yield f"{name} DROP DEFAULT"
    text = f"{name} TYPE {column['type']}"
    text += f" COLLATE {column['collation']}" if column["collation"] else ""
    if not found["generated"]:
        text += f" USING {ident(column['name'])}::{column['type']}"
    yield text


def table_steps(old: Facet, now: Facet) -> Iterator[Step]:
    """All else of a table (or partition, foreign table): each step by itself."""
    yield from column_steps(old, now)
    for sql in (*_table(old, now), *owner(old, now), *rights(old, now), *comment(old, now)):
        yield Step(old.label, (sql,))


def column_steps(old: Facet, now: Facet) -> Iterator[Step]:
    """What can be said of the columns of a table or view that are there."""
    by_name = {column["name"]: column for column in now.columns}
    for column in old.columns:
        found = by_name.get(column["name"])
        if found is not None and found != column:
            for sql in _column(old, column, found):
                yield Step(f"column {column['name']} of {old.identity}", (sql,))


def _table(old: Facet, now: Facet) -> Iterator[str]:
    before, after = old.values, now.values
    table = f"ALTER {word(old)} {old.sql}"
    yield from options(before["options"], after["options"], table)
    yield from options(
        [f"toast.{item}" for item in before["toast"] or ()],
        [f"toast.{item}" for item in after["toast"] or ()],
        table,
    )
    if before["secured"] != after["secured"]:
        yield f"{table} {'ENABLE' if before['secured'] else 'DISABLE'} ROW LEVEL SECURITY"
    if before["forced"] != after["forced"]:
        yield f"{table} {'' if before['forced'] else 'NO '}FORCE ROW LEVEL SECURITY"
    if before["replica"] != after["replica"] and before["replica"] in _REPLICA:
        yield f"{table} REPLICA IDENTITY {_REPLICA[before['replica']]}"
    if before["persistence"] != after["persistence"]:
        yield f"{table} SET {'UNLOGGED' if before['persistence'] == 'u' else 'LOGGED'}"
    if before["method"] != after["method"] and before["method"]:
        yield f"{table} SET ACCESS METHOD {ident(before['method'])}"
    if before["tablespace"] != after["tablespace"]:
        yield f"{table} SET TABLESPACE {ident(before['tablespace'] or 'pg_default')}"
    yield from _parents(old, now, table)


def _parents(old: Facet, now: Facet, table: str) -> Iterator[str]:
    before, after = old.values, now.values
    was, has = before.get("parents") or [], after.get("parents") or []
    if (was, before["bound"]) == (has, after["bound"]):
        return
    for parent in has:
        if after["partition"]:
            yield f"ALTER TABLE {parent} DETACH PARTITION {old.sql}"
        elif parent not in was:
            yield f"{table} NO INHERIT {parent}"
    for parent in was:
        if before["partition"]:
            yield f"ALTER TABLE {parent} ATTACH PARTITION {old.sql} {before['bound']}"
        elif parent not in has:
            yield f"{table} INHERIT {parent}"


def _column(old: Facet, column: Values, found: Values) -> Iterator[str]:
    name = f"ALTER {'TABLE' if old.sort != 'v' else 'VIEW'} {old.sql} ALTER COLUMN {ident(column['name'])}"
    if column["identity"] != found["identity"] and found["identity"]:
        kind = "ALWAYS" if column["identity"] == "a" else "BY DEFAULT"
        yield f"{name} SET GENERATED {kind}" if column["identity"] else f"{name} DROP IDENTITY"
    if column["generated"] != found["generated"] and found["generated"]:
        yield f"{name} DROP EXPRESSION"
    elif column["default"] != found["default"]:
        if column["generated"]:
            yield f"{name} SET EXPRESSION AS ({column['default']})"
        else:
            yield f"{name} SET DEFAULT {column['default']}" if column["default"] else f"{name} DROP DEFAULT"
    yield from _not_null(old, column, found, name)
    if column["storage"] != found["storage"]:
        yield f"{name} SET STORAGE {_STORAGE[column['storage'] or column['usual']]}"
    if column["compression"] != found["compression"]:
        yield f"{name} SET COMPRESSION {_COMPRESSION[column['compression']]}"
    if column["statistics"] != found["statistics"]:
        yield f"{name} SET STATISTICS {-1 if column['statistics'] is None else column['statistics']}"
    yield from options(column["options"], found["options"], name)
    if column["rights"] != found["rights"]:
        yield from granted(
            column["rights"] or [],
            found["rights"] or [],
            f"TABLE {old.sql}",
            str(old.values["owner"]),
            ident(column["name"]),
        )
    if column["comment"] != found["comment"]:
        text = "NULL" if column["comment"] is None else literal(column["comment"])
        yield f"COMMENT ON COLUMN {old.sql}.{ident(column['name'])} IS {text}"


def _not_null(old: Facet, column: Values, found: Values, name: str) -> Iterator[str]:
    """From version 18 on NOT NULL is a constraint with a name of its own, which is made as such."""
    if old.sort not in ("r", "p", "f"):
        return
    was, has = column["notnull_as"], found["notnull_as"]
    if was and has and was != has:
        yield f"ALTER TABLE {old.sql} RENAME CONSTRAINT {ident(has)} TO {ident(was)}"
    elif column["notnull"] != found["notnull"] and not was:
        yield f"{name} {'SET' if column['notnull'] else 'DROP'} NOT NULL"


# ---- sequences --------------------------------------------------------------------------------------------------------


def create_sequence(facet: Facet) -> Iterator[Step]:
    """A sequence, or the column's identity that it makes."""
    parameters = f"{_as_type(facet)} {_parameters(facet)}"
    owned = facet.values["owned"]
    if owned and owned[2] == "i":
        kind = "BY DEFAULT" if facet.values.get("by_default") else "ALWAYS"
        sql = (
            f"ALTER TABLE {owned[0]} ALTER COLUMN {ident(owned[1])} ADD GENERATED {kind} AS IDENTITY"
            f" (SEQUENCE NAME {facet.sql} {_parameters(facet)})"
        )
        yield Step(facet.label, (sql,))
        return
    unlogged = "UNLOGGED " if facet.values["persistence"] == "u" else ""
    yield Step(facet.label, (f"CREATE {unlogged}SEQUENCE {facet.sql} {parameters}",))


def _as_type(facet: Facet) -> str:
    return f"AS {facet.values['sequence']['type']}"


def _parameters(facet: Facet) -> str:
    s = facet.values["sequence"]
    cycle = "CYCLE" if s["cycle"] else "NO CYCLE"
    return (
        f"INCREMENT BY {s['increment']} MINVALUE {s['min']} MAXVALUE {s['max']} START WITH {s['start']}"
        f" CACHE {s['cache']} {cycle}"
    )


def sequence_steps(old: Facet, now: Facet) -> Iterator[Step]:
    before, after = old.values, now.values
    statements: list[str] = []
    if before["sequence"] != after["sequence"]:
        statements.append(f"ALTER SEQUENCE {old.sql} {_as_type(old)} {_parameters(old)}")
    if before["owned"] != after["owned"] and not (before["owned"] and before["owned"][2] == "i"):
        owned = before["owned"]
        to = f"{owned[0]}.{ident(owned[1])}" if owned else "NONE"
        statements.append(f"ALTER SEQUENCE {old.sql} OWNED BY {to}")
    if before["persistence"] != after["persistence"]:
        statements.append(
            f"ALTER SEQUENCE {old.sql} SET {'UNLOGGED' if before['persistence'] == 'u' else 'LOGGED'}"
        )
    if before.get("value") != after.get("value") and before.get("value"):
        last, called = before["value"]
        # RESTART stores the sequence anew, which a rollback undoes; then setval sets what is new only (manual, 9.17).
        sets = f"SELECT pg_catalog.setval({literal(old.sql)}::pg_catalog.regclass, {last}, {called})"
        yield Step(old.label, (f"ALTER SEQUENCE {old.sql} RESTART WITH {last}", sets))
    for sql in (*statements, *owner(old, now), *rights(old, now), *comment(old, now)):
        yield Step(old.label, (sql,))
