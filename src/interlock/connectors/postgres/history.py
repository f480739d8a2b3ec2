"""Way 3 of before-images: triggers that write down which row versions a transaction touched (DESIGN section 9).

    interlock_history.row_history       unlogged: transaction, table, places of the old and new version (tid, manual 8.19)
    interlock_history.record_history()  the trigger function, AFTER each row, fired for Interlock's own roles alone
    interlock_gate.touched_rows()       what the calling transaction has touched; nobody learns anything of another's

Places, not values: the old version is read by the observer, as with ways 1 and 2, and the new one in the transaction. So nothing
of the users' rows is kept a second time, the triggers cost some microseconds per row, and a trigger that was tampered with
cannot make a wrong image: what it does not tell is missing from the numbers, and the change is "not reversible".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from interlock.connectors.postgres.queries import (
    Ask,
    QueryFailed,
    Rows,
    Statement,
    Steps,
    array,
    ask,
    ident,
    literal,
    qualified,
)
from interlock.model.errors import Rejected

if TYPE_CHECKING:
    from interlock.connectors.postgres.preview.ddl.catalog_diff import CatalogDiff, CatalogRow

SCHEMA = "interlock_history"
GATE = "interlock_gate"
TABLE = "row_history"
FUNCTION = "record_history"
TRIGGER = "_interlock_history"

_TABLE = f"{SCHEMA}.{TABLE}"
_TOUCHED = f"{GATE}.touched_rows"
_SCHEMA_THERE = (
    "SELECT pg_catalog.pg_has_role(session_user, n.nspowner, 'USAGE')::pg_catalog.text"
    " FROM pg_catalog.pg_namespace AS n WHERE n.nspname OPERATOR(pg_catalog.=) $1::pg_catalog.name"
)
_INSTALL = (
    f"CREATE UNLOGGED TABLE IF NOT EXISTS {_TABLE} (xid pg_catalog.xid8 NOT NULL, relation pg_catalog.oid NOT NULL,"
    " was pg_catalog.tid, becomes pg_catalog.tid)",
    f"CREATE INDEX IF NOT EXISTS {TABLE}_xid ON {_TABLE} (xid)",
    f"REVOKE ALL ON TABLE {_TABLE} FROM PUBLIC",
    f"""CREATE OR REPLACE FUNCTION {SCHEMA}.{FUNCTION}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
  IF TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN
    INSERT INTO {_TABLE} VALUES (pg_catalog.pg_current_xact_id(), TG_RELID, NULL, NEW.ctid);
  ELSIF TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN
    INSERT INTO {_TABLE} VALUES (pg_catalog.pg_current_xact_id(), TG_RELID, OLD.ctid, NULL);
  ELSE
    INSERT INTO {_TABLE} VALUES (pg_catalog.pg_current_xact_id(), TG_RELID, OLD.ctid, NEW.ctid);
  END IF;
  RETURN NULL;
END $body$""",
    f"""CREATE OR REPLACE FUNCTION {_TOUCHED}() RETURNS TABLE (relation pg_catalog.oid, was pg_catalog.tid,
  becomes pg_catalog.tid) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
  SELECT h.relation, h.was, h.becomes FROM {_TABLE} AS h
   WHERE h.xid OPERATOR(pg_catalog.=) pg_catalog.pg_current_xact_id_if_assigned() $body$""",
    # Whoever adds a partition to a protected table adds its trigger as well; a trigger function cannot be called otherwise.
    f"GRANT EXECUTE ON FUNCTION {SCHEMA}.{FUNCTION}() TO PUBLIC",
    f"REVOKE ALL ON FUNCTION {_TOUCHED}() FROM PUBLIC",
)

# A name that resolves, with its inheritance children (a partition gets its parent's trigger by itself).
_TABLES = """
WITH RECURSIVE named(oid) AS (
  SELECT $1::pg_catalog.oid
  UNION
  SELECT i.inhrelid FROM named JOIN pg_catalog.pg_inherits AS i ON i.inhparent OPERATOR(pg_catalog.=) named.oid)
SELECT c.oid::pg_catalog.text, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, c.relkind::pg_catalog.text,
       c.relpersistence::pg_catalog.text, c.relispartition::pg_catalog.text,
       pg_catalog.pg_has_role(session_user, c.relowner, 'USAGE')::pg_catalog.text,
       pg_catalog.pg_get_userbyid(c.relowner)::pg_catalog.text,
       (SELECT t.tgparentid FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid OPERATOR(pg_catalog.=) c.oid
           AND t.tgname OPERATOR(pg_catalog.=) $2::pg_catalog.name)::pg_catalog.text
  FROM named JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) named.oid
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace ORDER BY c.oid
"""
_RESOLVE = "SELECT pg_catalog.to_regclass($1)::pg_catalog.oid::pg_catalog.text"

_INSTALLED = """
SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text, t.tgenabled::pg_catalog.text,
       pg_catalog.pg_get_triggerdef(t.oid), c.relispartition::pg_catalog.text
  FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) t.tgrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  JOIN pg_catalog.pg_proc AS p ON p.oid OPERATOR(pg_catalog.=) t.tgfoid
  JOIN pg_catalog.pg_namespace AS f ON f.oid OPERATOR(pg_catalog.=) p.pronamespace
 WHERE t.tgname OPERATOR(pg_catalog.=) $1::pg_catalog.name AND f.nspname OPERATOR(pg_catalog.=) $2::pg_catalog.name
   AND p.proname OPERATOR(pg_catalog.=) $3::pg_catalog.name
 ORDER BY 1, 2
"""


_CONDITION = re.compile(r"ANY \(E?'\{(.*)\}'::(?:pg_catalog\.)?name\[\]")
_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^,"]+)')


@dataclass(frozen=True, slots=True)
class Protected:
    """A table with the triggers. `fault` says what is wrong with them; empty when they are whole."""

    table: str
    fault: str = ""


@dataclass(frozen=True, slots=True)
class _Named:
    oid: int
    schema: str
    name: str
    kind: str
    persistence: str
    partition: bool
    mine: bool
    owner: str
    trigger: str | None
    """The oid of the trigger's parent (0 none), or None without a trigger."""
    below: bool = False
    """Whether it is a partition of a table that is protected with it."""

    @property
    def sql(self) -> str:
        return qualified(self.schema, self.name)

    @property
    def label(self) -> str:
        return f"{self.schema}.{self.name}"


def schema_sql(maintainer: str) -> list[str]:
    """Part of `grants-sql`: the schema, empty until a table is protected."""
    return [
        "-- Where history triggers write down which rows were touched (interlock postgres protect).",
        f"CREATE SCHEMA IF NOT EXISTS {SCHEMA};",
        f"ALTER SCHEMA {SCHEMA} OWNER TO {ident(maintainer)};",
        f"REVOKE ALL ON SCHEMA {SCHEMA} FROM PUBLIC;",
    ]


def protect(tables: Sequence[str], roles: Sequence[str], schemas: Sequence[str]) -> Steps[list[str]]:
    """Install the triggers, on the `maintainer` connection in an open read-write transaction. `roles` are those whose changes are
    written down; a name without a schema is looked for in `schemas`. Returns what is protected, `schema.table`.

    Raises Rejected naming what stands in the way.
    """
    found = yield from _find(tables, schemas)
    yield from _prepared()
    grants = ", ".join(ident(role) for role in roles)
    statements: list[Statement] = [(sql, ()) for sql in _INSTALL]
    statements.append((f"GRANT USAGE ON SCHEMA {GATE} TO {grants}", ()))
    statements.append((f"GRANT EXECUTE ON FUNCTION {_TOUCHED}() TO {grants}", ()))
    # A partition's own trigger has to go before its parent's comes down to it.
    for table in found:
        if table.below and table.trigger == "0":
            statements.append((f"DROP TRIGGER {TRIGGER} ON {table.sql}", ()))
    done = [table for table in found if not table.below and table.trigger in (None, "0")]
    for table in done:
        statements += _triggers(table, roles)
    yield from _run(statements)
    return [table.label for table in found]


def unprotect(tables: Sequence[str], schemas: Sequence[str]) -> Steps[list[str]]:
    """Remove the triggers from tables; with the last one everything else goes as well. As `protect`."""
    found = yield from _find(tables, schemas)
    mine = [table for table in found if table.trigger == "0"]
    if not mine:
        raise Rejected(f"not protected: {', '.join(table.label for table in found)}")
    yield from _run([(f"DROP TRIGGER {TRIGGER} ON {table.sql}", ()) for table in mine])
    if not (yield from installed()):
        names = f"{SCHEMA}.{FUNCTION}(), {_TOUCHED}()"
        yield from _run([(f"DROP FUNCTION {names}", ()), (f"DROP TABLE {_TABLE}", ())])
    return [table.label for table in mine]


def installed(roles: Sequence[str] = ()) -> Steps[list[Protected]]:
    """Which tables have the triggers, and whether these are whole and cover `roles`. On the `maintainer` connection."""
    [rows] = yield from ask(Ask("maintainer", ((_INSTALLED, (TRIGGER, SCHEMA, FUNCTION)),)))
    return read_installed(rows, roles)


def installed_statement() -> Statement:
    """What `read_installed` reads; the catalogs are anyone's to read."""
    return _INSTALLED, (TRIGGER, SCHEMA, FUNCTION)


def read_installed(rows: Rows, roles: Sequence[str]) -> list[Protected]:
    """The reply to `installed_statement`."""
    found: list[Protected] = []
    for schema, name, enabled, definition, _ in rows:
        fault = "" if enabled == "A" else "its history trigger is not enabled always"
        covered = _roles_of(definition or "")
        missing = [role for role in roles if role not in covered]
        if missing and not fault:
            fault = f"its history trigger does not fire for {', '.join(missing)}"
        found.append(Protected(f"{schema}.{name}", fault))
    return found


def _roles_of(definition: str) -> set[str]:
    """The roles that a trigger's condition names, as an array literal (manual 8.15.6)."""
    found = _CONDITION.search(definition)
    if found is None:
        return set()
    parts = _ELEMENT.findall(found[1].replace("''", "'"))
    return {re.sub(r"\\(.)", r"\1", quoted) if quoted else plain for quoted, plain in parts}


def sweep() -> Statement:
    """For the maintainer, outside any transaction: forget what finished transactions touched. Nothing refers to it any more, their
    before-images are stored."""
    return (
        f"DELETE FROM {_TABLE} AS h WHERE h.xid OPERATOR(pg_catalog.<)"
        " pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())",
        (),
    )


def there() -> Statement:
    """Whether the history table exists: one row, its oid or NULL."""
    return f"SELECT pg_catalog.to_regclass('{_TABLE}')::pg_catalog.oid::pg_catalog.text", ()


def refuse_tampering(diff: "CatalogDiff") -> None:
    """Raises Rejected when a transaction changed a history trigger, or removed one from a table that stays: that is for people,
    with `interlock postgres unprotect`."""
    gone = {row.oid for row in diff.deleted if row.catalog == "pg_class"}
    changed = [old for old, _ in diff.updated if _is_trigger(old)]
    changed += [
        old for old in diff.deleted if _is_trigger(old) and int(str(old.values["tgrelid"])) not in gone
    ]
    if changed:
        label = ".".join(changed[0].names[:2])
        raise Rejected(
            f"the history triggers of {label} may not be changed: a person removes them with `interlock postgres unprotect`"
        )


def _is_trigger(row: "CatalogRow") -> bool:
    return row.catalog == "pg_trigger" and row.values.get("tgname") == TRIGGER


# ---- what a transaction touched ---------------------------------------------------------------------------------------


Links = dict[int, list[tuple[str | None, str | None]]]
"""By table: the place of each old version (None for a new row) and of the new one (None for a deleted row)."""


def touched(most: int) -> Steps[Links | None]:
    """What the agent's transaction has touched (a part for `queries.together`); None when it cannot be told, or is more than
    `most` versions."""
    sql = (
        "SELECT t.relation::pg_catalog.text, t.was::pg_catalog.text, t.becomes::pg_catalog.text"
        f" FROM {_TOUCHED}() AS t LIMIT {most + 1}"
    )
    (reply,) = yield (Ask("agent", ((sql, ()),)),)
    if isinstance(reply, QueryFailed) or len(reply[0]) > most:
        return None
    links: Links = {}
    for relation, was, becomes in reply[0]:
        links.setdefault(int(relation or 0), []).append((was, becomes))
    return links


# ---- inside -----------------------------------------------------------------------------------------------------------


def _find(names: Sequence[str], schemas: Sequence[str]) -> Steps[list[_Named]]:
    found: dict[int, _Named] = {}
    for name in names:
        oid = yield from _oid(name, schemas)
        [rows] = yield from ask(Ask("maintainer", ((_TABLES, (oid, TRIGGER)),)))
        for row in rows:
            table = _named(row)
            _check(table)
            below = table.partition and row[0] != oid
            found[table.oid] = replace(table, below=below or (table.oid in found and found[table.oid].below))
    return list(found.values())


def _oid(name: str, schemas: Sequence[str]) -> Steps[str]:
    candidates = [name] if "." in name else [f"{ident(schema)}.{name}" for schema in schemas]
    for candidate in candidates:
        (reply,) = yield (Ask("maintainer", ((_RESOLVE, (candidate,)),)),)
        if isinstance(reply, QueryFailed):
            raise Rejected(f"{name} is not a name of a table")
        if reply[0][0][0] is not None:
            return reply[0][0][0]
    raise Rejected(f"there is no table {name}")


def _named(row: tuple[str | None, ...]) -> _Named:
    oid, schema, name, kind, persistence, partition, mine, owner, trigger = row
    return _Named(
        int(oid or 0), schema or "", name or "", kind or "", persistence or "",
        partition == "true", mine == "true", owner or "", trigger,
    )  # fmt: skip


def _check(table: _Named) -> None:
    if table.kind not in ("r", "p") or table.persistence == "t":
        raise Rejected(f"{table.label} is not a table that can be protected")
    if table.schema.startswith(("pg_", "interlock_")) or table.schema in ("information_schema", "interlock"):
        raise Rejected(f"{table.label} is not a table of yours")
    if not table.mine:
        raise Rejected(
            f"{table.label} belongs to {table.owner}, and only its owner may add the triggers:"
            f" GRANT {ident(table.owner)} TO the maintainer"
        )


def _prepared() -> Steps[None]:
    """Raises Rejected without the schemas that `grants-sql` makes."""
    for schema in (SCHEMA, GATE):
        [rows] = yield from ask(Ask("maintainer", ((_SCHEMA_THERE, (schema,)),)))
        if not rows or rows[0][0] != "true":
            raise Rejected(
                f"there is no schema {schema} that belongs to the maintainer: run the SQL of"
                " `interlock postgres grants-sql` (again)"
            )


def _triggers(table: _Named, roles: Sequence[str]) -> list[Statement]:
    # Other sessions than Interlock's pay for a comparison, nothing more. SET ROLE does not change session_user.
    only = f"SESSION_USER OPERATOR(pg_catalog.=) ANY ({literal(array(roles))}::pg_catalog.name[])"
    return [
        (
            f"CREATE OR REPLACE TRIGGER {TRIGGER} AFTER INSERT OR UPDATE OR DELETE ON {table.sql}"
            f" FOR EACH ROW WHEN ({only}) EXECUTE FUNCTION {SCHEMA}.{FUNCTION}()",
            (),
        ),
        # Whatever session_replication_role says.
        (f"ALTER TABLE {table.sql} ENABLE ALWAYS TRIGGER {TRIGGER}", ()),
    ]


def _run(statements: Sequence[Statement]) -> Steps[None]:
    (reply,) = yield (Ask("maintainer", tuple(statements)),)
    if not isinstance(reply, QueryFailed):
        return
    if reply.sqlstate == "42501":
        raise Rejected(
            "the maintainer may not do that (SQLSTATE 42501): run the SQL of `interlock postgres grants-sql` again"
        )
    if reply.sqlstate == "55P03":
        raise Rejected("the tables are in use (SQLSTATE 55P03): try again when their writers are done")
    raise Rejected(f"the server refused it with SQLSTATE {reply.sqlstate}")
