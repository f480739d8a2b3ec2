"""The trash: where rows go that a change of definitions takes away (DESIGN section 9, "DDL undo").

A copy is a table in the schema `interlock_trash`, made in the agent's own transaction by a function of the maintainer's: it is
there if and only if the change was committed. Agents have no right on that schema. They may call the function, but it does
nothing without a message authentication code (HMAC-SHA-256, RFC 2104) over what is copied, bound to the session's process and to
its transaction; the key lies in the trash, and the gateway reads it as the maintainer.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from interlock.connectors.postgres.queries import Rows, Statement, array, qualified

SCHEMA = "interlock_trash"
"""Holds the copies, and the key."""
GATE = "interlock_gate"
"""Holds what the roles of agents may call."""
KEY_BYTES = 64

KEY: Statement = (
    f"SELECT pg_catalog.encode(k.key, 'hex') FROM {SCHEMA}.key AS k"
    f" WHERE pg_catalog.length(k.key) OPERATOR(pg_catalog.=) {KEY_BYTES}",
    (),
)
"""Asked as the maintainer. No row, or an error: this database has no trash."""

_LIST = f"""
SELECT c.oid::pg_catalog.text, c.relname::pg_catalog.text,
       pg_catalog.pg_total_relation_size(c.oid::pg_catalog.regclass)::pg_catalog.text,
       d.what OPERATOR(pg_catalog.->>) 'schema', d.what OPERATOR(pg_catalog.->>) 'table',
       d.what OPERATOR(pg_catalog.->>) 'rows', d.what OPERATOR(pg_catalog.->>) 'at', d.what OPERATOR(pg_catalog.->>) 'xid'
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
 CROSS JOIN LATERAL (SELECT pg_catalog.obj_description(c.oid, 'pg_class')::pg_catalog.jsonb AS what) AS d
 WHERE n.nspname OPERATOR(pg_catalog.=) '{SCHEMA}' AND c.relkind OPERATOR(pg_catalog.=) 'r'
   AND pg_catalog.starts_with(c.relname::pg_catalog.text, 'kept_')
 ORDER BY c.oid
"""
LIST: Statement = (_LIST, ())
"""All copies, oldest first. Asked as the maintainer or the observer."""

_FOUND = f"""
SELECT c.relname::pg_catalog.text, c.oid::pg_catalog.text
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
 WHERE n.nspname OPERATOR(pg_catalog.=) '{SCHEMA}' AND c.relname::pg_catalog.text OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.text[])
"""

KEEP = (
    f"SELECT {GATE}.keep($1::pg_catalog.text, $2::pg_catalog.oid, $3::pg_catalog.int2[], $4::pg_catalog.text)"
    "::pg_catalog.text"
)
WHERE_WE_ARE: Statement = (
    "SELECT pg_catalog.pg_backend_pid()::pg_catalog.text, pg_catalog.pg_current_xact_id()::pg_catalog.text",
    (),
)
"""What a code is bound to. Asked on the agent's connection, in its open read-write transaction."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One table in the trash: `name` in its schema, how large it is (bytes), what it was copied from (`label`), how many rows, when
    (seconds since 1970, the server's clock) and by which transaction (as `Preview.marker` has it)."""

    oid: int
    name: str
    size: int
    label: str
    rows: int
    at: float
    xid: str


def copies(rows: Rows) -> list[Copy]:
    """The reply to `LIST`."""
    return [
        Copy(
            int(oid or 0),
            name or "",
            int(size or 0),
            f"{schema}.{table}",
            int(count or 0),
            float(at or 0),
            xid or "",
        )
        for oid, name, size, schema, table, count, at, xid in rows
    ]


def found(names: Sequence[str]) -> Statement:
    """Which of these copies are there: name, oid."""
    return _FOUND, (array(names),)


def drop(name: str) -> Statement:
    """Remove one copy for good. To be run as the maintainer."""
    return f"DROP TABLE IF EXISTS {qualified(SCHEMA, name)}", ()


def keep(key: bytes, pid: str, xid: str, table: int, columns: Sequence[int], name: str) -> Statement:
    """Copy these columns (attribute numbers) of a table into the trash, under that name. Answers how many rows that were.

    Refused by the server: 42501 (no right, row security, or a code that does not fit), 55006 (this transaction has already
    changed rows of the table), 0A000 (its snapshot may be older than the rows), 53100 (the disk is full).
    """
    numbers = ",".join(map(str, columns))
    message = "/".join(("keep", pid, xid, str(table), numbers, name))
    code = hmac.digest(key, message.encode(), hashlib.sha256).hex()
    return KEEP, (code, str(table), "{" + numbers + "}", name)
