"""Interlock's own schemas (the trash, the gate to it, the store when it lies in the database that agents work on): policy is told
of all that a statement names or reaches of them, through views, functions and triggers too. (Its invariants forbid every one.)"""

from collections.abc import Iterable

from interlock.connectors.postgres.catalog import reach
from interlock.connectors.postgres.catalog.model import OWN_SCHEMA, Catalog, is_own
from interlock.connectors.postgres.classify.context import KINDS, Context
from interlock.connectors.postgres.classify.draft import Draft
from interlock.connectors.postgres.classify.forms import calls
from interlock.connectors.postgres.parse import Facts, Name
from interlock.connectors.postgres.parse.walk import constant
from interlock.model.operation import Action, Resource

_SHOWS = ("table_to_xml", "schema_to_xml")
"""How the names of built-in functions begin that show what their first argument names."""


def told(ctx: Context, draft: Draft, facts: Facts) -> None:
    """Add an operation on whatever of Interlock's schemas is named or reached. Costs nothing where there are none."""
    if not _is_here(ctx.catalog):
        return
    found = reach(
        ctx.catalog,
        functions=calls.functions_of(ctx, facts),
        reads=_named(ctx, facts.reads),
        writes=_named(ctx, (write.relation for write in facts.writes)),
        operators=facts.operators,
    )
    mine = [
        r for oid in sorted(found.relations) if (r := ctx.catalog.relations.get(oid)) and is_own(r.schema)
    ]
    resources = [Resource(KINDS.get(r.kind, "table"), r.label, r.schema) for r in mine]
    for oid in sorted(found.functions):
        function = ctx.catalog.functions.get(oid)
        if function is not None and is_own(function.schema):
            resources.append(Resource("function", function.label, function.schema))
    if any(_shown(facts)):
        resources.append(Resource("schema", OWN_SCHEMA, OWN_SCHEMA))
    if resources:
        draft.need(Action.READ, resources)


def _is_here(catalog: Catalog) -> bool:
    known: bool | None = catalog.memo.get("own schema")
    if known is None:
        known = catalog.memo["own schema"] = any(is_own(r.schema) for r in catalog.relations.values())
    return known


def _named(ctx: Context, names: Iterable[Name]) -> set[int]:
    return {relation.oid for name in names for relation in ctx.relations(name)}


def _shown(facts: Facts) -> Iterable[bool]:
    for call in facts.calls:
        text = constant(call.args[0]) if call.args and call.name.name.startswith(_SHOWS) else None
        yield text is not None and is_own(text.replace('"', "").partition(".")[0])
