"""Builds the database that an incident needs, from the incident's own SQL: every table, column, role, schema and function that it
names is there, with rows that its conditions find, so that nothing but the gateway stands in its way."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pglast
from pglast import ast
from pglast.parser import ParseError
from pglast.visitors import Visitor
from tests.incidents.scene_parts import Made, Others, Parts, made_by, quoted

BASE = ("orders", "payments", "customers", "leads", "users")
"""Tables that are always there: what drops a schema must have something to lose."""
ROWS = 100
_LITERALS = re.compile(r"'((?:[^']|'')*)'(?:\s*\|\|\s*'((?:[^']|'')*)')*")
_PIECE = re.compile(r"'((?:[^']|'')*)'")
_KEYWORDS = (
    "ALTER",
    "CALL",
    "CREATE",
    "DELETE",
    "DROP",
    "GRANT",
    "INSERT",
    "REVOKE",
    "SELECT",
    "TRUNCATE",
    "UPDATE",
)


@dataclass
class Table:
    """A table to be made. Columns by name: the type, and the values that conditions look for."""

    columns: dict[str, str] = field(default_factory=dict)
    wanted: dict[str, list[str]] = field(default_factory=dict)

    def column(self, name: str, kind: str = "", *values: str) -> None:
        known = self.columns.get(name)
        if known is None or (kind and known == _guess(name)):
            self.columns[name] = kind or _guess(name)
        self.wanted.setdefault(name, []).extend(values)


@dataclass
class Scene:
    """What is to be made."""

    tables: dict[str, Table] = field(default_factory=dict)
    roles: set[str] = field(default_factory=set)
    schemas: set[str] = field(default_factory=set)
    functions: dict[str, list[str]] = field(default_factory=dict)
    filled: set[str] = field(default_factory=set)
    revoked: set[str] = field(default_factory=set)
    views: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)
    others: Others = field(default_factory=Others)
    given: str = ""
    own: Made = field(default_factory=Made)

    def table(self, name: str) -> Table:
        if "." in name:
            self.schemas.add(name.partition(".")[0])
        return self.tables.setdefault(name, Table())

    def sql(self, *, rows: int = ROWS) -> str:
        """The script that makes it; all names of tables are as written in the incident."""
        given = made_by(self.given)
        schemas = self.schemas - self.own.schemas - {"public"}
        lines = [f"CREATE SCHEMA IF NOT EXISTS {quoted(s)};" for s in sorted(schemas)]
        lines += self.others.before if not self.given else []
        there = self.made | self.others.no_tables | given.relations | self.own.relations
        there |= {n for n in self.tables if n.rpartition(".")[0] in self.own.schemas - {""}}
        for name in sorted({*self.tables, *BASE} - there):
            lines += _table(name, self.tables.get(name, Table()), rows, keyed=name not in self.filled)
        for name in sorted(self.views - set(self.tables) - there):
            lines.append(f"CREATE VIEW {quoted(name)} AS SELECT * FROM orders;")
        for name, arguments in sorted(self.functions.items()):
            if name in given.functions | self.own.functions:
                continue
            taken = ", ".join(arguments)
            lines.append(
                f"CREATE FUNCTION {quoted(name)}({taken}) RETURNS int LANGUAGE sql AS"
                " 'DELETE FROM payments; DELETE FROM orders; SELECT 1';"
            )
        lines += [self.given + ";"] if self.given else self.others.lines
        lines += [
            f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {quoted(role)};" for role in sorted(self.revoked)
        ]
        return "\n".join(lines)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _guess(name: str) -> str:
    """The type that a column of that name usually has."""
    if name == "id" or name.endswith(("_id", "_no", "count")):
        return "bigint"
    if name.endswith(("_at", "_on", "date", "time", "since", "until")):
        return "timestamptz"
    if name in ("amount", "total", "price", "sum", "balance"):
        return "numeric"
    if name.startswith(("is_", "has_")) or name in ("active", "deleted", "enabled"):
        return "boolean"
    return "text"


_VALUE = {
    "bigint": "i",
    "int": "i",
    "numeric": "i * 1.5",
    "timestamptz": "now() - i * interval '1 hour'",
    "boolean": "i % 2 = 0",
    "text": "'value ' || i",
    "jsonb": "jsonb_build_object('n', i)",
}


def _table(name: str, table: Table, rows: int, *, keyed: bool) -> list[str]:
    """A table with its rows; `keyed` by its id, unless the incident brings rows of its own."""
    columns = {"id": "bigint", **table.columns}
    if name.rpartition(".")[2] == "orders":
        columns = {
            **columns,
            "amount": columns.get("amount", "numeric"),
            "status": "text",
            "created_at": "timestamptz",
        }
    shape = ", ".join(
        f"{quoted(c)} {kind}" + (" PRIMARY KEY" if c == "id" and keyed else "") for c, kind in columns.items()
    )
    values = ", ".join(_values(c, kind, table.wanted.get(c, [])) for c, kind in columns.items())
    return [
        f"CREATE TABLE {quoted(name)} ({shape});",
        f"INSERT INTO {quoted(name)} SELECT {values} FROM generate_series(1, {rows}) i;",
    ]


def _values(column: str, kind: str, wanted: list[str]) -> str:
    """The first rows have what the conditions look for."""
    usual = _VALUE.get(kind, "'value ' || i")
    if column == "id" or not wanted:
        return f"({usual})::{kind}"
    picked = " ".join(f"WHEN {n} THEN {_literal(value)}" for n, value in enumerate(dict.fromkeys(wanted), 1))
    return f"(CASE i {picked} ELSE ({usual})::text END)::{kind}"


def _type(argument: ast.Node) -> str:
    """The type of an argument of a function that is to be made."""
    constant = argument.val if isinstance(argument, ast.A_Const) else None
    return "int" if isinstance(constant, ast.Integer) else "text"


# -- reading the incident


def scene_of(payload: str, given: str = "") -> Scene:
    """What an incident's SQL names, also in the texts that it would execute. `given` is SQL that makes what cannot be told from
    that (what hangs on a table, and which code runs by itself)."""
    scene = Scene(given=given, own=made_by(payload))
    for statement in _statements(payload):
        _Reader(scene)(statement)
        Parts(scene.others)(statement)
        for text in _texts(statement):
            for inner in _statements(text):
                _Reader(scene)(inner)
    return scene


def _statements(sql: str) -> Iterator[ast.Node]:
    try:
        parsed = pglast.parse_sql(sql)
    except ParseError:
        return
    for raw in parsed:
        if isinstance(raw, ast.RawStmt) and raw.stmt is not None:
            yield raw.stmt


def _texts(statement: ast.Node) -> Iterator[str]:
    """Texts in code that look like SQL, put together where they are put together there."""
    if not isinstance(statement, ast.DoStmt | ast.CreateFunctionStmt):
        return
    for option in (statement.args if isinstance(statement, ast.DoStmt) else statement.options) or ():
        argument = option.arg
        bodies = argument if isinstance(argument, tuple) else (argument,)
        for body in bodies:
            if isinstance(body, ast.String) and body.sval:
                yield from _executed(body.sval)


def _executed(code: str) -> Iterator[str]:
    for found in _LITERALS.finditer(code):
        text = "".join(piece.replace("''", "'") for piece in _PIECE.findall(found.group()))
        if text.strip().upper().startswith(_KEYWORDS):
            yield text
    for part in re.split(r";|\bBEGIN\b|\bTHEN\b|\bLOOP\b", code):
        if part.strip().upper().startswith(_KEYWORDS):
            yield part.strip()


class _Reader(Visitor):
    """Collects names, and what columns are compared with. Columns without a table belong to every table of the statement."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.here: dict[str, Table] = {}
        self.loose: list[tuple[str, str, tuple[str, ...]]] = []
        self.common: set[str] = set()
        self.nested = 0

    def __call__(self, node: Any) -> Any:
        self.nested += 1
        found = super().__call__(node)
        self.nested -= 1
        if not self.nested:
            for table in self.here.values():
                for name, kind, values in self.loose:
                    table.column(name, kind, *values)
        return found

    def visit_CommonTableExpr(self, _: Any, node: ast.CommonTableExpr) -> None:
        self.common.add(node.ctename or "")

    def visit_RangeVar(self, parents: Any, node: ast.RangeVar) -> None:
        name = f"{node.schemaname}.{node.relname}" if node.schemaname else node.relname or ""
        if name in self.common or (node.schemaname or "").startswith(("pg_", "information_schema")):
            return
        if name.startswith("pg_"):
            return
        self.here[name] = self.scene.table(name)

    def visit_CreateStmt(self, _: Any, node: ast.CreateStmt) -> None:
        if node.relation is not None and not node.relation.schemaname:
            self.scene.made.add(node.relation.relname or "")

    def visit_IndexStmt(self, _: Any, node: ast.IndexStmt) -> None:
        for part in node.indexParams or ():
            if part.name:
                self.loose.append((part.name, "", ()))

    def visit_ColumnRef(self, _: Any, node: ast.ColumnRef) -> None:
        last = (node.fields or ())[-1]
        if isinstance(last, ast.String) and last.sval:
            self.loose.append((last.sval, "", ()))

    def visit_UpdateStmt(self, _: Any, node: ast.UpdateStmt) -> None:
        self._targets(node.targetList)

    def visit_InsertStmt(self, _: Any, node: ast.InsertStmt) -> None:
        self._targets(node.cols)
        if node.relation is not None:
            self.scene.filled.add(node.relation.relname or "")

    def _targets(self, targets: Any) -> None:
        self.loose += [(t.name, "", ()) for t in targets or () if isinstance(t, ast.ResTarget) and t.name]

    def visit_A_Expr(self, _: Any, node: ast.A_Expr) -> None:
        sides: list[Any] = [node.lexpr, node.rexpr]
        if not isinstance(sides[0], ast.ColumnRef):
            sides.reverse()
        column, right = sides
        if not isinstance(column, ast.ColumnRef) or not isinstance(
            (column.fields or (None,))[-1], ast.String
        ):
            return
        others = right if isinstance(right, tuple) else (right,)
        constants = [o.val for o in others if isinstance(o, ast.A_Const)]
        name = str(column.fields[-1].sval)  # type: ignore[index]
        for value in constants:
            if isinstance(value, ast.String):
                self.loose.append((name, "", (value.sval or "",)))
            elif isinstance(value, ast.Integer):
                self.loose.append((name, "bigint", (str(value.ival),)))
            elif isinstance(value, ast.Boolean):
                self.loose.append((name, "boolean", (str(value.boolval).lower(),)))

    def visit_AlterTableStmt(self, _: Any, node: ast.AlterTableStmt) -> None:
        for command in node.cmds or ():
            if command.name and command.subtype != pglast.enums.AlterTableType.AT_AddConstraint:
                self.loose.append((command.name, "", ()))

    def visit_RenameStmt(self, _: Any, node: ast.RenameStmt) -> None:
        if node.renameType == pglast.enums.ObjectType.OBJECT_COLUMN and node.subname:
            self.loose.append((node.subname, "", ()))

    def visit_DropStmt(self, _: Any, node: ast.DropStmt) -> None:
        kinds = pglast.enums.ObjectType
        for named in node.objects or ():
            parts = [
                p.sval for p in (named if isinstance(named, tuple) else (named,)) if isinstance(p, ast.String)
            ]
            name = ".".join(p for p in parts if p)
            if node.removeType == kinds.OBJECT_TABLE and name:
                self.scene.table(name)
            elif node.removeType == kinds.OBJECT_VIEW and name:
                self.scene.views.add(name)
            elif node.removeType == kinds.OBJECT_SCHEMA and name:
                self.scene.schemas.add(name)
                if name != "public":
                    self.scene.table(f"{name}.content")

    def visit_RoleSpec(self, _: Any, node: ast.RoleSpec) -> None:
        if node.rolename:
            self.scene.roles.add(node.rolename)

    def visit_GrantRoleStmt(self, _: Any, node: ast.GrantRoleStmt) -> None:
        self.scene.roles.update(p.priv_name for p in node.granted_roles or () if p.priv_name)

    def visit_FuncCall(self, _: Any, node: ast.FuncCall) -> None:
        name = ".".join(p.sval for p in node.funcname or () if isinstance(p, ast.String) and p.sval)
        self.scene.functions[name] = [_type(argument) for argument in node.args or ()]

    def visit_GrantStmt(self, _: Any, node: ast.GrantStmt) -> None:
        if not node.is_grant:
            self.scene.revoked.update(r.rolename for r in node.grantees or () if r.rolename)
