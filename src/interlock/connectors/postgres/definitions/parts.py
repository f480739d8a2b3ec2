"""What hangs on tables: indexes, constraints, triggers, rules, policies, statistics; and views."""

from collections.abc import Iterator

from interlock.connectors.postgres.definitions import facet as f
from interlock.connectors.postgres.definitions.common import (
    Step,
    called,
    comment,
    options,
    owner,
    rights,
    with_options,
    word,
)
from interlock.connectors.postgres.definitions.facet import Facet
from interlock.connectors.postgres.definitions.tables import column_steps
from interlock.connectors.postgres.queries import ident

_COMMANDS = {"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE", "*": "ALL"}
_ENABLED = {"O": "ENABLE", "D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}


def create_view(facet: Facet, *, replace: bool = False) -> Iterator[Step]:
    text = str(facet.values["definition"]).rstrip().rstrip(";")
    names = ", ".join(ident(column["name"]) for column in facet.columns)
    if facet.sort == "v":
        what = "OR REPLACE VIEW" if replace else "VIEW"
        yield Step(facet.label, (f"CREATE {what} {facet.sql} ({names}){with_options(facet)} AS {text}",))
        return
    method = f" USING {ident(facet.values['method'])}" if facet.values["method"] else ""
    space = f" TABLESPACE {ident(facet.values['tablespace'])}" if facet.values["tablespace"] else ""
    filled = "WITH DATA" if facet.values["filled"] else "WITH NO DATA"
    sql = f"CREATE MATERIALIZED VIEW {facet.sql} ({names}){method}{with_options(facet)}{space} AS {text} {filled}"
    yield Step(facet.label, (sql,))


def view_columns(old: Facet, now: Facet) -> Iterator[Step]:
    """Old names of the columns back."""
    names = {column["num"]: column["name"] for column in now.columns}
    for column in old.columns:
        name = names.get(column["num"], column["name"])
        if name != column["name"]:
            change = f"RENAME COLUMN {ident(str(name))} TO {ident(str(column['name']))}"
            yield Step(old.label, (f"ALTER {word(old)} {old.sql} {change}",))


def view_steps(old: Facet, now: Facet) -> Iterator[Step]:
    before = [(column["name"], column["type"], column["collation"]) for column in old.columns]
    after = [(column["name"], column["type"], column["collation"]) for column in now.columns]
    if (old.values["definition"], before) != (now.values["definition"], after):
        if old.sort == "v" and before[: len(after)] == after:
            yield from create_view(old, replace=True)
        else:
            (made,) = create_view(old)
            yield Step(old.label, (f"DROP {word(old)} {old.sql} RESTRICT", *made.statements))
        return
    statements: list[str] = []
    if old.values["filled"] != now.values["filled"]:
        no = "" if old.values["filled"] else " WITH NO DATA"
        statements.append(f"REFRESH MATERIALIZED VIEW {old.sql}{no}")
    statements += options(old.values["options"], now.values["options"], f"ALTER {word(old)} {old.sql}")
    for sql in statements:
        yield Step(old.label, (sql,))


def create_index(facet: Facet) -> Iterator[Step]:
    """An index that no constraint makes; that of a partitioned table is made alone, its parts are attached."""
    index = facet.values["index"]
    if index["constraint"] is None:
        yield Step(facet.label, (str(facet.values["definition"]),))


def index_steps(old: Facet, now: Facet) -> Iterator[Step]:
    before, after = old.values, now.values
    table = before["index"]["table"]
    name = f"ALTER INDEX {old.sql}"
    statements: list[str] = []
    if before["definition"] != after["definition"] and before["options"] == after["options"]:
        if before["index"]["constraint"] is None:
            yield Step(old.label, (f"DROP INDEX {old.sql} RESTRICT", str(before["definition"])))
        return
    statements += options(before["options"], after["options"], name)
    if before["tablespace"] != after["tablespace"]:
        statements.append(f"{name} SET TABLESPACE {ident(before['tablespace'] or 'pg_default')}")
    for parent in before["parents"] or ():
        if parent not in (after["parents"] or ()):
            statements.append(f"ALTER INDEX {parent} ATTACH PARTITION {old.sql}")
    if before["index"]["clustered"] != after["index"]["clustered"]:
        way = f"CLUSTER ON {ident(old.name)}" if before["index"]["clustered"] else "SET WITHOUT CLUSTER"
        statements.append(f"ALTER TABLE {table} {way}")
    if before["index"]["replica"] and not after["index"]["replica"]:
        statements.append(f"ALTER TABLE {table} REPLICA IDENTITY USING INDEX {ident(old.name)}")
    for place, column in enumerate(old.columns):
        found = now.columns[place] if place < len(now.columns) else column
        if column["statistics"] != found["statistics"]:
            target = -1 if column["statistics"] is None else column["statistics"]
            statements.append(f"{name} ALTER COLUMN {place + 1} SET STATISTICS {target}")
    for sql in (*statements, *comment(old, now)):
        yield Step(old.label, (sql,))


def create_constraint(facet: Facet) -> Iterator[Step]:
    """A constraint that is not its parent's."""
    values = facet.values
    if values["child"]:
        return
    add = f"ADD CONSTRAINT {ident(facet.name)} {values['definition']}"
    if values["domain"]:
        yield Step(facet.label, (f"ALTER DOMAIN {values['domain']} {add}",))
        return
    only = "ONLY " if values["type"] in ("p", "u", "x") else ""
    yield Step(facet.label, (f"ALTER TABLE {only}{values['table']} {add}",))


def constraint_steps(old: Facet, now: Facet) -> Iterator[Step]:
    before, after = old.values, now.values
    if any(before[key] != after[key] for key in ("definition", "valid")):
        drop = f"DROP CONSTRAINT {ident(old.name)}"
        where = f"DOMAIN {before['domain']}" if before["domain"] else f"TABLE {before['table']}"
        made = [sql for step in create_constraint(old) for sql in step.statements]
        yield Step(old.label, (f"ALTER {where} {drop} RESTRICT", *made))
        return
    for sql in comment(old, now):
        yield Step(old.label, (sql,))


def create_trigger(facet: Facet) -> Iterator[Step]:
    if not facet.values["child"]:
        yield Step(facet.label, (str(facet.values["definition"]),))


def trigger_steps(old: Facet, now: Facet) -> Iterator[Step]:
    """Triggers and rules: replaced when their text differs, then enabled as they were."""
    before, after = old.values, now.values
    kind = "TRIGGER" if old.catalog == f.TRIGGER else "RULE"
    if before["definition"] != after["definition"]:
        yield Step(old.label, (f"DROP {kind} {called(old)} RESTRICT", str(before["definition"])))
    elif before["enabled"] != after["enabled"]:
        way = _ENABLED[before["enabled"]]
        only = "ONLY " if kind == "TRIGGER" else ""
        yield Step(old.label, (f"ALTER TABLE {only}{before['table']} {way} {kind} {ident(old.name)}",))
    for sql in comment(old, now):
        yield Step(old.label, (sql,))


def create_rule(facet: Facet) -> Iterator[Step]:
    yield Step(facet.label, (str(facet.values["definition"]),))


def create_policy(facet: Facet) -> Iterator[Step]:
    values = facet.values
    text = f"CREATE POLICY {called(facet)} AS {'PERMISSIVE' if values['permissive'] else 'RESTRICTIVE'}"
    text += f" FOR {_COMMANDS[values['command']]} TO {', '.join(values['roles'])}"
    text += f" USING ({values['using']})" if values["using"] else ""
    text += f" WITH CHECK ({values['check']})" if values["check"] else ""
    yield Step(facet.label, (text,))


def policy_steps(old: Facet, now: Facet) -> Iterator[Step]:
    keys = ("permissive", "command", "roles", "using", "check")
    if any(old.values[key] != now.values[key] for key in keys):
        (made,) = create_policy(old)
        yield Step(old.label, (f"DROP POLICY {called(old)}", *made.statements))
    for sql in comment(old, now):
        yield Step(old.label, (sql,))


def create_statistics(facet: Facet) -> Iterator[Step]:
    yield Step(facet.label, (str(facet.values["definition"]),))


def statistics_steps(old: Facet, now: Facet) -> Iterator[Step]:
    statements: list[str] = []
    if old.values["target"] != now.values["target"]:
        target = -1 if old.values["target"] is None else old.values["target"]
        statements.append(f"ALTER STATISTICS {old.sql} SET STATISTICS {target}")
    for sql in (*statements, *owner(old, now), *comment(old, now)):
        yield Step(old.label, (sql,))


def rights_of_view(old: Facet, now: Facet) -> Iterator[Step]:
    """Owner, rights, comments and defaults of a view and of its columns."""
    yield from column_steps(old, now)
    for sql in (*owner(old, now), *rights(old, now), *comment(old, now)):
        yield Step(old.label, (sql,))
