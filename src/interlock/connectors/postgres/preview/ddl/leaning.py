"""Lasting objects that depend on temporary ones: the server drops them, values and all, when the session ends and its temporary
objects go with everything that depends on them (`RemoveTempRelations`). No statement does it, so no gate would see it."""

from interlock.connectors.postgres.queries import Ask, QueryFailed, Steps
from interlock.model.effect import ChangeKind, Effect, Evidence, Unit
from interlock.model.operation import Resource


def _schema_of(class_id: str, object_id: str) -> str:
    """SQL for the schema that an object lies in, itself or with its table."""
    table = "(SELECT r.relnamespace FROM pg_catalog.pg_class AS r, {0} AS o WHERE {1})"
    ways = {
        1259: ("pg_class", "relnamespace", ""),
        1247: ("pg_type", "typnamespace", ""),
        1255: ("pg_proc", "pronamespace", ""),
        2606: ("pg_constraint", "connamespace", ""),
        2617: ("pg_operator", "oprnamespace", ""),
        3381: ("pg_statistic_ext", "stxnamespace", ""),
        2604: ("pg_attrdef", "", "adrelid"),
        2618: ("pg_rewrite", "", "ev_class"),
        2620: ("pg_trigger", "", "tgrelid"),
        3256: ("pg_policy", "", "polrelid"),
    }
    parts = []
    for number, (catalog, own, of) in ways.items():
        is_it = f"o.oid OPERATOR(pg_catalog.=) {object_id}"
        if own:
            found = f"(SELECT o.{own} FROM pg_catalog.{catalog} AS o WHERE {is_it})"
        else:
            found = table.format(f"pg_catalog.{catalog}", f"{is_it} AND r.oid OPERATOR(pg_catalog.=) o.{of}")
        parts.append(f"WHEN {class_id} OPERATOR(pg_catalog.=) {number}::pg_catalog.oid THEN {found}")
    return f"CASE {' '.join(parts)} ELSE 0::pg_catalog.oid END"


_LEANING = f"""
SELECT DISTINCT i.type, i.identity, i.schema
  FROM pg_catalog.pg_depend AS d
 CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, d.objsubid) AS i
 WHERE pg_catalog.age(d.xmin) OPERATOR(pg_catalog.<=) 0
   AND d.deptype OPERATOR(pg_catalog.=) ANY ('{{n,a}}'::pg_catalog."char"[])
   AND {_schema_of("d.refclassid", "d.refobjid")} OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
   AND {_schema_of("d.classid", "d.objid")} OPERATOR(pg_catalog.<>) pg_catalog.pg_my_temp_schema()
"""


def leaning() -> Steps[tuple[Effect, ...]]:
    """What the transaction has made depend on the session's temporary objects: it will be dropped with them. When that cannot be
    told, it is unknown."""
    (reply,) = yield (Ask("agent", ((_LEANING, ()),)),)
    if isinstance(reply, QueryFailed):
        return (_effect(Resource("catalog", "pg_depend", "pg_catalog"), Evidence.UNKNOWN),)
    return tuple(
        _effect(Resource(kind or "object", identity or "", schema or ""), Evidence.PREDICTED)
        for kind, identity, schema in reply[0]
    )


def _effect(what: Resource, evidence: Evidence) -> Effect:
    return Effect(
        what,
        ChangeKind.DELETED,
        1,
        Unit.OBJECTS,
        evidence,
        reason="it depends on a temporary object, and is dropped when the session ends",
        detail="when the session ends",
    )
