"""VACUUM, ANALYZE, REINDEX, CLUSTER, CHECKPOINT."""

from interlock.connectors.postgres.catalog import reach
from interlock.connectors.postgres.classify import objects
from interlock.connectors.postgres.classify.context import Context
from interlock.connectors.postgres.classify.draft import Draft
from interlock.connectors.postgres.classify.forms import calls
from interlock.connectors.postgres.parse import Node, RawStatement
from interlock.connectors.postgres.parse.facts import relation
from interlock.connectors.postgres.verbs.rules import Way
from interlock.connectors.postgres.verbs.statements import ROWS
from interlock.model.effect import ChangeKind
from interlock.model.operation import Action, Resource


def maintenance(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """VACUUM, ANALYZE, REINDEX, CLUSTER: run read-only, but the code in index expressions and statistics runs."""
    body = raw.body
    if raw.tag == "VacuumStmt" and not body.get("is_vacuumcmd"):
        draft.verb = "ANALYZE"
    keeps = raw.tag == "ClusterStmt" and "indexname" in body
    if keeps:
        draft.at_least(Way.GATED, "the table remembers the index, which is a setting of it")
    else:
        draft.at_least(Way.OUTSIDE, ROWS[raw.tag].reason)
    nodes = [
        item["VacuumRelation"]["relation"]
        for item in body.get("rels", ())
        if "relation" in item["VacuumRelation"]
    ]
    nodes += [body["relation"]] if "relation" in body else []
    names = [relation(node) for node in nodes]
    found = [r for name in names for r in ctx.catalog.named_relations(name)]
    if names:
        kind = "index" if body.get("kind") == "REINDEX_OBJECT_INDEX" else "table"
        draft.need(Action.UPDATE, [r for name in names for r in objects.qualified(ctx, kind, name)])
    else:
        draft.need(Action.UPDATE, (Resource("database", body.get("name") or ctx.catalog.database or "*"),))
    oids = {r.oid for r in found} or set(ctx.catalog.relations)
    texts = [
        (f"statistics of {ctx.catalog.relations[oid].label}", text)
        for oid in sorted(oids)
        for kind, text in ctx.catalog.expressions.get(oid, ())
        if kind == "statistics"
    ]
    draft.reaches(reach(ctx.catalog, reads=oids, bodies=texts))
    draft.changes_catalog = keeps
    if _keeps_others_out(raw):
        why = f"{draft.verb} keeps others from it until it is stored anew"
        subjects = dict.fromkeys(r for held in draft.operations.values() for r in held)
        effects = [calls.predicted(subject, ChangeKind.UPDATED, why) for subject in subjects]
        (draft.side_effects if keeps else draft.immediate).extend(effects)


def _keeps_others_out(raw: RawStatement) -> bool:
    """Whether nobody else can write to the table (or use it at all) for as long as its contents take (manual, section 13.3.1)."""
    given = [item["DefElem"] for item in (*raw.body.get("options", ()), *raw.body.get("params", ()))]
    on = {wish.get("defname") for wish in given if _on(wish)}
    match raw.tag:
        case "VacuumStmt":
            return "full" in on
        case "ReindexStmt":
            return "concurrently" not in on
        case _:
            return True


def _on(wish: Node) -> bool:
    """Whether an option is on: so it is when it is only named (`defGetBoolean`)."""
    if "arg" not in wish:
        return True
    ((_, value),) = wish["arg"].items()
    said = next(iter(value.values()), 0) if isinstance(value, dict) else value
    return str(said).lower() not in ("0", "false", "off")


def checkpoint(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """CHECKPOINT."""
    server = Resource("server", "*")
    draft.at_least(Way.IMMEDIATE, "writes out the server's buffers")
    draft.need(Action.ADMIN, (server,))
    draft.immediate.append(calls.predicted(server, ChangeKind.SETTING, "a checkpoint is not undone"))
