"""What an incident's SQL names besides tables: sequences, types, indexes, policies, triggers, partitions.

`Parts` finds them, and how each is made; what the incident's own set-up makes is left to it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pglast
from pglast import ast
from pglast.enums import AlterTableType as Alter
from pglast.enums import ObjectType as Kind
from pglast.parser import ParseError
from pglast.visitors import Visitor


def quoted(name: str) -> str:
    """An identifier, of parts joined by dots."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


def named(node: ast.RangeVar | None) -> str:
    """What a relation is called."""
    if node is None:
        return ""
    return f"{node.schemaname}.{node.relname}" if node.schemaname else node.relname or ""


def last(node: Any) -> str:
    """The last part of a qualified name."""
    parts = node if isinstance(node, tuple) else (node,)
    found = [part.sval for part in parts if isinstance(part, ast.String) and part.sval]
    return found[-1] if found else ""


@dataclass
class Others:
    """`no_tables` are names of relations that are something else; `lines` make what belongs to tables that are there by then."""

    no_tables: set[str] = field(default_factory=set)
    before: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def relation(self, name: str, line: str) -> None:
        if name and name not in self.no_tables:
            self.no_tables.add(name)
            self.lines.append(line)


class Parts(Visitor):
    """Collects into `others`."""

    def __init__(self, others: Others) -> None:
        self.others = others

    def sequence(self, name: str) -> None:
        line = f"CREATE SEQUENCE {quoted(name)} AS int; SELECT setval('{quoted(name)}', 900);"
        self.others.relation(name, line)

    def visit_AlterSeqStmt(self, _: Any, node: ast.AlterSeqStmt) -> None:
        self.sequence(named(node.sequence))

    def visit_FuncCall(self, _: Any, node: ast.FuncCall) -> None:
        first = (node.args or (None,))[0]
        value = first.val if isinstance(first, ast.A_Const) else None
        if last(node.funcname) in ("nextval", "setval", "currval") and isinstance(value, ast.String):
            self.sequence(value.sval or "")

    def visit_AlterEnumStmt(self, _: Any, node: ast.AlterEnumStmt) -> None:
        labels = {node.oldVal or "old", node.newValNeighbor or "other"} - {node.newVal or ""}
        listed = ", ".join(f"'{label}'" for label in sorted(labels))
        self.others.before.append(f"CREATE TYPE {quoted(last(node.typeName))} AS ENUM ({listed});")

    def visit_RefreshMatViewStmt(self, _: Any, node: ast.RefreshMatViewStmt) -> None:
        self.matview(named(node.relation))

    def matview(self, name: str) -> None:
        self.others.relation(name, f"CREATE MATERIALIZED VIEW {quoted(name)} AS SELECT count(*) FROM orders;")

    def index(self, name: str) -> None:
        self.others.relation(name, f"CREATE INDEX {quoted(name)} ON orders (amount);")

    def visit_ReindexStmt(self, _: Any, node: ast.ReindexStmt) -> None:
        if node.kind == pglast.enums.ReindexObjectType.REINDEX_OBJECT_INDEX:
            self.index(named(node.relation))

    def visit_RenameStmt(self, _: Any, node: ast.RenameStmt) -> None:
        make = {
            Kind.OBJECT_SEQUENCE: self.sequence,
            Kind.OBJECT_INDEX: self.index,
            Kind.OBJECT_MATVIEW: self.matview,
        }
        if node.renameType in make:
            make[node.renameType](named(node.relation))
        elif node.renameType == Kind.OBJECT_VIEW:
            self.view(named(node.relation))
        elif node.renameType in (Kind.OBJECT_TABCONSTRAINT, Kind.OBJECT_TRIGGER, Kind.OBJECT_POLICY):
            self.inner(node.renameType, named(node.relation), node.subname or "")

    def view(self, name: str) -> None:
        self.others.relation(name, f"CREATE VIEW {quoted(name)} AS SELECT * FROM orders;")

    def inner(self, kind: Any, table: str, name: str) -> None:
        """What belongs to a table, by its name."""
        lines = {
            Kind.OBJECT_TABCONSTRAINT: f"ALTER TABLE {quoted(table)} ADD CONSTRAINT {quoted(name)} CHECK (id > -1);",
            Kind.OBJECT_TRIGGER: (
                f"CREATE FUNCTION {quoted(name + '_f')}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
                f" CREATE TRIGGER {quoted(name)} BEFORE INSERT ON {quoted(table)} FOR EACH ROW"
                f" EXECUTE FUNCTION {quoted(name + '_f')}();"
            ),
            Kind.OBJECT_POLICY: f"CREATE POLICY {quoted(name)} ON {quoted(table)} USING (true);",
            Kind.OBJECT_RULE: f"CREATE RULE {quoted(name)} AS ON INSERT TO {quoted(table)} DO ALSO SELECT 1;",
        }
        if kind in lines:
            self.others.lines.append(lines[kind])

    def visit_DropStmt(self, _: Any, node: ast.DropStmt) -> None:
        plain: dict[Any, Callable[[str], None]] = {
            Kind.OBJECT_SEQUENCE: self.sequence,
            Kind.OBJECT_INDEX: self.index,
            Kind.OBJECT_MATVIEW: self.matview,
        }
        for found in node.objects or ():
            parts = [
                p.sval for p in (found if isinstance(found, tuple) else (found,)) if isinstance(p, ast.String)
            ]
            if node.removeType in plain:
                plain[node.removeType](".".join(p for p in parts if p))
            elif len(parts) > 1:
                self.inner(node.removeType, ".".join(p or "" for p in parts[:-1]), parts[-1] or "")
            elif node.removeType == Kind.OBJECT_TYPE and isinstance(found, ast.TypeName):
                self.others.before.append(f"CREATE TYPE {quoted(last(found.names))} AS ENUM ('a');")

    def visit_AlterTableStmt(self, _: Any, node: ast.AlterTableStmt) -> None:
        table = named(node.relation)
        made = {part.name for part in node.cmds or () if part.subtype == Alter.AT_AddConstraint}
        for part in node.cmds or ():
            self.part(table, part, made)

    def part(self, table: str, part: ast.AlterTableCmd, made: set[str | None]) -> None:
        match part.subtype:
            case Alter.AT_DropConstraint | Alter.AT_AlterConstraint if part.name not in made:
                self.inner(Kind.OBJECT_TABCONSTRAINT, table, part.name or "c")
            case Alter.AT_DisableRowSecurity | Alter.AT_NoForceRowSecurity:
                self.others.lines.append(f"ALTER TABLE {quoted(table)} ENABLE ROW LEVEL SECURITY;")
                self.others.lines.append(f"ALTER TABLE {quoted(table)} FORCE ROW LEVEL SECURITY;")
                self.others.lines.append(f"CREATE POLICY all_rows ON {quoted(table)} USING (true);")
            case Alter.AT_DisableTrig | Alter.AT_DisableTrigAll | Alter.AT_DisableTrigUser:
                self.inner(Kind.OBJECT_TRIGGER, table, part.name or "checks")
            case Alter.AT_DetachPartition:
                definition: Any = part.def_
                child = named(definition.name if definition is not None else None)
                self.others.no_tables |= {table, child}
                self.others.lines.append(
                    f"CREATE TABLE {quoted(table)} (id bigint) PARTITION BY RANGE (id); CREATE TABLE {quoted(child)}"
                    f" PARTITION OF {quoted(table)} FOR VALUES FROM (0) TO (1000);"
                    f" INSERT INTO {quoted(table)} SELECT generate_series(1, 30);"
                )
            case Alter.AT_DropInherit:
                parent = named(part.def_) if isinstance(part.def_, ast.RangeVar) else ""
                self.others.lines.append(f"ALTER TABLE {quoted(table)} INHERIT {quoted(parent)};")
            case _:
                return


class Made(Visitor):
    """What SQL makes itself: names of relations, functions and schemas."""

    def __init__(self) -> None:
        self.relations: set[str] = set()
        self.functions: set[str] = set()
        self.schemas: set[str] = set()

    def visit_CreateSchemaStmt(self, _: Any, node: ast.CreateSchemaStmt) -> None:
        self.schemas.add(node.schemaname or "")

    def visit_CreateStmt(self, _: Any, node: ast.CreateStmt) -> None:
        self.relations.add(named(node.relation))

    def visit_CreateTableAsStmt(self, _: Any, node: ast.CreateTableAsStmt) -> None:
        self.relations.add(named(node.into.rel if node.into is not None else None))

    def visit_CreateSeqStmt(self, _: Any, node: ast.CreateSeqStmt) -> None:
        self.relations.add(named(node.sequence))

    def visit_ViewStmt(self, _: Any, node: ast.ViewStmt) -> None:
        self.relations.add(named(node.view))

    def visit_IndexStmt(self, _: Any, node: ast.IndexStmt) -> None:
        self.relations.add(node.idxname or "")

    def visit_CreateFunctionStmt(self, _: Any, node: ast.CreateFunctionStmt) -> None:
        self.functions.add(last(node.funcname))


def made_by(sql: str) -> Made:
    """What a script makes."""
    made = Made()
    try:
        made(pglast.parse_sql(sql))
    except ParseError:
        return made
    return made
