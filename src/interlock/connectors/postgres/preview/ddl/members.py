"""Which objects joined or left an extension, which only pg_depend tells. What belongs to one goes with it, never alone."""

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

_MOST = 100


def members(facts: Facts) -> Steps[tuple[Effect, ...]]:
    """What the transaction put into extensions and took out of them."""
    own = str(int(facts.xid or 0) & 0xFFFFFFFF)
    agent, observer = yield (
        Ask("agent", ((f"{_JOINED} LIMIT {_MOST}", ()),)),
        Ask("observer", ((f"{_LEFT} LIMIT {_MOST}", (own,)),)),
    )
    effects: list[Effect] = []
    for reply, said in ((agent, "joined an extension"), (observer, "left an extension")):
        if isinstance(reply, QueryFailed):
            what = Resource("catalog", "pg_depend", "pg_catalog")
            effects.append(_effect(what, said, Evidence.UNKNOWN))
        else:
            effects += [
                _effect(Resource(kind or "object", identity or "", schema or ""), said, Evidence.MEASURED)
                for kind, identity, schema in reply[0]
            ]
    return tuple(effects)


def _effect(what: Resource, said: str, evidence: Evidence) -> Effect:
    reason = "membership in an extension is not put back"
    return Effect(what, ChangeKind.SETTING, 1, Unit.OBJECTS, evidence, reason=reason, detail=said)
