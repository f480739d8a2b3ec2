"""What breakers are told of a unit beside its effects (`model.signal.Facts`)."""

from collections.abc import Collection, Iterable, Sequence

from interlock.connectors.postgres.catalog.model import is_own
from interlock.connectors.postgres.preview.ddl.effects import REMADE
from interlock.connectors.postgres.queries import Ask, QueryFailed, Statement, Steps, array, ask
from interlock.model.effect import ChangeKind, Effect
from interlock.model.operation import Action, Operation
from interlock.model.signal import Facts

_GONE = frozenset({ChangeKind.DELETED, ChangeKind.REPLACED, ChangeKind.HIDDEN})
_HOLDS_OR_SHOWS = ("foreign table", "materialized view", "table", "view")
_RUNS = ("aggregate", "function", "procedure")
_STATEFUL = frozenset({"database", "large object", "table"})
_SWEEPING = {
    "ALTER TABLE ALL IN TABLESPACE": "all that lies in a tablespace",
    "DROP OWNED": "all that a role owns, whatever it is called",
    "REASSIGN OWNED": "all that a role owns, whatever it is called",
}

# What an extension brought with it is the extension's: it goes with it, and not one by one.
_OF_SCHEMA = """
SELECT n.nspname, pg_catalog.count(*)
  FROM pg_catalog.{catalog} AS o
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) o.{within}
 WHERE n.nspname OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.name[]) AND {which}
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
                    WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.{catalog}'::pg_catalog.regclass
                      AND d.objid OPERATOR(pg_catalog.=) o.oid
                      AND d.deptype OPERATOR(pg_catalog.=) 'e'::pg_catalog."char")
 GROUP BY 1
"""
_RELATIONS = _OF_SCHEMA.format(
    catalog="pg_class",
    within="relnamespace",
    which="""o.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f}'::pg_catalog."char"[])""",
)
_FUNCTIONS = _OF_SCHEMA.format(catalog="pg_proc", within="pronamespace", which="true")


def facts(effects: Sequence[Effect], operations: Sequence[Operation]) -> Steps[Facts]:
    """What a measured transaction means to breakers. It asks only when objects of a schema are gone."""
    lost = [e for e in effects if e.change in _GONE and e.count and not e.unit.data and not _amended(e)]
    # One dropped function in a schema of tables must not make its tables fewer than they are, nor the other way round.
    members = next((k for k in (_HOLDS_OR_SHOWS, _RUNS) if any(e.resource.kind in k for e in lost)), ())
    schemas = sorted({e.resource.group for e in lost if e.resource.kind in members} - {""})
    sizes = (yield from _sizes(schemas, members, effects)) if schemas else {}
    kinds = {e.resource.kind for e in effects}
    amended = sorted({f"{e.resource.kind} {e.resource.name}" for e in effects if _amended(e)})
    return Facts(
        sizes=sizes,
        members=members,
        amended=tuple(amended),
        stateful=tuple(sorted(_STATEFUL & kinds)),
        sweeping=sweeping(operations),
        guard=guard(effects, operations),
    )


def sweeping(operations: Iterable[Operation]) -> str:
    """Why a statement reaches everything, where it names nothing of it."""
    return next((_SWEEPING[o.verb] for o in operations if o.verb in _SWEEPING), "")


def guard(effects: Iterable[Effect], operations: Iterable[Operation]) -> str:
    """Why it touches Interlock's own schema. (Rights and replication show in effects and actions.)"""
    named = (r for o in operations if o.action is not Action.READ for r in o.resources)
    own = any(is_own(r.group) for r in (*named, *(e.resource for e in effects)))
    return "Interlock's own schema" if own else ""


def _amended(effect: Effect) -> bool:
    """A replaced definition, and rows that were written anew, are of the thing that was there."""
    return effect.change is ChangeKind.REPLACED and REMADE not in effect.detail


def _sizes(
    schemas: Sequence[str], members: Collection[str], effects: Sequence[Effect]
) -> Steps[dict[str, int]]:
    """How many of these kinds each schema had before. Committed state is asked for: the unit's own is not there yet. Where the
    observer cannot be asked, the transaction is, that has lost them already. Raises QueryFailed."""
    query = _RELATIONS if members is _HOLDS_OR_SHOWS else _FUNCTIONS
    statement: Statement = (query, (array(schemas),))
    (reply,) = yield (Ask("observer", (statement,)),)
    if not isinstance(reply, QueryFailed):
        return {str(name): int(count or 0) for name, count in reply[0]}
    [rows] = yield from ask(Ask("agent", (statement,)))
    left = {str(name): int(count or 0) for name, count in rows}
    return {name: left.get(name, 0) + _net(name, members, effects) for name in schemas}


def _net(schema: str, members: Collection[str], effects: Iterable[Effect]) -> int:
    """How many fewer of these kinds a schema has by these effects."""
    mine = [e for e in effects if e.resource.group == schema and e.resource.kind in members]
    lost = sum(e.count for e in mine if e.change in (ChangeKind.DELETED, ChangeKind.HIDDEN))
    return lost - sum(e.count for e in mine if e.change is ChangeKind.CREATED)
