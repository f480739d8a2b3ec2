"""What only pg_depend tells: which objects joined or left an extension (they go with it, never alone), and which sequences got
another owning column, or none (with it they go)."""

from interlock.connectors.postgres.preview.first import Facts
from interlock.connectors.postgres.queries import Ask, QueryFailed, Steps
from interlock.model.effect import ChangeKind, Effect, Evidence, Unit
from interlock.model.operation import Resource

_MEMBERS = """
SELECT i.type, i.identity, i.schema
  FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_extension AS e ON e.oid OPERATOR(pg_catalog.=) d.refobjid
 CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, d.objsubid) AS i
 WHERE d.refclassid OPERATOR(pg_catalog.=) 3079::pg_catalog.oid
   AND d.deptype OPERATOR(pg_catalog.=) ANY ('{e,x}'::pg_catalog."char"[])
"""
_JOINED = f"""{_MEMBERS} AND pg_catalog.age(d.xmin) OPERATOR(pg_catalog.<=) 0
   AND pg_catalog.age(e.xmin) OPERATOR(pg_catalog.>) 0"""
"""To extensions that were there before: what a new one is made of shows with it."""
_LEFT = f"""{_MEMBERS} AND d.xmax OPERATOR(pg_catalog.<>) 0
   AND pg_catalog.age(d.xmax) OPERATOR(pg_catalog.<=) pg_catalog.age($1::pg_catalog.xid)
   AND e.xmax OPERATOR(pg_catalog.=) 0"""
"""Extensions that stay: what goes with one that is dropped shows by itself."""

_OWNED = """
SELECT i.type, i.identity, i.schema
  FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) d.objid
 CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, 0) AS i
 WHERE d.classid OPERATOR(pg_catalog.=) 1259::pg_catalog.oid AND d.refclassid OPERATOR(pg_catalog.=) 1259::pg_catalog.oid
   AND d.refobjsubid OPERATOR(pg_catalog.>) 0 AND c.relkind OPERATOR(pg_catalog.=) 'S'
   AND d.deptype OPERATOR(pg_catalog.=) 'a'
"""
_BOUND = f"""{_OWNED} AND pg_catalog.age(d.xmin) OPERATOR(pg_catalog.<=) 0 AND pg_catalog.age(c.xmin) OPERATOR(pg_catalog.>) 0"""
"""Sequences that were there before; a new one shows as created."""
_FREED = f"""{_OWNED} AND d.xmax OPERATOR(pg_catalog.<>) 0
   AND pg_catalog.age(d.xmax) OPERATOR(pg_catalog.<=) pg_catalog.age($1::pg_catalog.xid) AND c.xmax OPERATOR(pg_catalog.=) 0"""
"""Sequences that stay; one that is dropped shows as that."""

_MOST = 100
_EXTENSION = "membership in an extension is not put back"
_SEQUENCE = "the owning column of a sequence is not put back"


def ties(facts: Facts) -> Steps[tuple[Effect, ...]]:
    """What the transaction put into extensions and took out of them, and which sequences it bound to columns or freed."""
    own = str(int(facts.xid or 0) & 0xFFFFFFFF)
    agent, observer = yield (
        Ask("agent", ((f"{_JOINED} LIMIT {_MOST}", ()), (f"{_BOUND} LIMIT {_MOST}", ()))),
        Ask("observer", ((f"{_LEFT} LIMIT {_MOST}", (own,)), (f"{_FREED} LIMIT {_MOST}", (own,)))),
    )
    if isinstance(agent, QueryFailed) or isinstance(observer, QueryFailed):
        what = Resource("catalog", "pg_depend", "pg_catalog")
        return (_effect(what, "what belongs together changed", _EXTENSION, Evidence.UNKNOWN),)
    found = (
        (agent[0], "joined an extension", _EXTENSION),
        (observer[0], "left an extension", _EXTENSION),
        (agent[1], "goes with another column from now on", _SEQUENCE),
        (observer[1], "no longer goes with its column", _SEQUENCE),
    )
    return tuple(
        _effect(Resource(kind or "object", identity or "", schema or ""), said, reason)
        for rows, said, reason in found
        for kind, identity, schema in rows
    )


def _effect(what: Resource, said: str, reason: str, evidence: Evidence = Evidence.MEASURED) -> Effect:
    return Effect(what, ChangeKind.SETTING, 1, Unit.OBJECTS, evidence, reason=reason, detail=said)
