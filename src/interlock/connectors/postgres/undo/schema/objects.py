"""Dropping what a change created, unless it has been used since."""

from collections.abc import Sequence

from interlock.connectors.postgres.image import Created
from interlock.connectors.postgres.queries import Ask, QueryFailed, Steps, ask, ident, qualified
from interlock.connectors.postgres.undo.attempt import Group
from interlock.model.errors import Rejected

_IDENTITY = "SELECT i.type, i.identity FROM pg_catalog.pg_identify_object($1::pg_catalog.oid, $2::pg_catalog.oid, $3::int) AS i"
_ADDRESS = (
    "SELECT n.object_names[1], n.object_names[2], n.object_names[3]"
    " FROM pg_catalog.pg_identify_object_as_address($1::pg_catalog.oid, $2::pg_catalog.oid, $3::int) AS n"
)
_MISSING = """
SELECT a.attmissingval::pg_catalog.text, a.attgenerated::pg_catalog.text FROM pg_catalog.pg_attribute AS a
 WHERE a.attrelid OPERATOR(pg_catalog.=) $1::pg_catalog.oid AND a.attnum OPERATOR(pg_catalog.=) $2::int2
"""


def drops(created: Sequence[Created], *, force: bool) -> Steps[tuple[list[Group], int]]:
    """The steps, last created first, and how many objects are gone already. Raises Rejected when one was renamed, or (unless
    `force`) holds data that came since."""
    groups: list[Group] = []
    gone = 0
    for step in sorted(created, key=lambda c: c.address[1:], reverse=True):
        identity = yield from _identity(step)
        if identity is None:
            gone += 1
            continue
        if identity != step.identity:
            raise Rejected(f"{step.kind} {step.identity} is called {identity} now; undo that first")
        if not force and (yield from _holds_more(step)):
            raise Rejected(f"{step.kind} {step.identity} holds data that came since, which would be lost")
        groups.append(Group(f"{step.kind} {step.identity}", ((step.drop, ()),)))
    return groups, gone


def _identity(step: Created) -> Steps[str | None]:
    address = tuple(str(part) for part in step.address)
    (reply,) = yield (Ask("maintainer", ((_IDENTITY, address),)),)
    if isinstance(reply, QueryFailed):
        raise Rejected(f"{step.kind} {step.identity} cannot be looked up ({reply.sqlstate})")
    kind, identity = reply[0][0]
    return None if kind is None or identity is None else identity


def _holds_more(step: Created) -> Steps[bool]:
    if step.kind == "table" and step.content is not None:
        [rows] = yield from ask(
            Ask(
                "maintainer",
                ((f"SELECT pg_catalog.count(*)::pg_catalog.text FROM ONLY {step.identity}", ()),),
            )
        )
        return int(rows[0][0] or 0) > step.content
    if step.kind == "table column":
        return (yield from _column_used(step))
    return False


def _column_used(step: Created) -> Steps[bool]:
    """Whether some row has another value in the column than the default it was added with."""
    address = tuple(str(part) for part in step.address)
    names, state = yield from ask(Ask("maintainer", ((_ADDRESS, address), (_MISSING, address[1:]))))
    schema, table, column = (name or "" for name in names[0])
    if not state or state[0][1]:
        return False
    missing = state[0][0]
    name = f"t.{ident(column)}"
    used = f"{name} IS NOT NULL"
    if missing is not None:
        # An array of one, as attmissingval is; compared as text because its element type is the column's.
        used = f"ARRAY[{name}]::pg_catalog.text OPERATOR(pg_catalog.<>) $1"
    sql = f"SELECT EXISTS (SELECT FROM {qualified(schema, table)} AS t WHERE {used})::pg_catalog.text"
    [rows] = yield from ask(Ask("maintainer", ((sql, () if missing is None else (missing,)),)))
    return rows[0][0] == "true"
