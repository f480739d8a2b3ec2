"""Statements that read and write rows, and those that run such statements."""

from collections.abc import Iterable

from interlock.connectors.postgres.catalog import impurity, reach
from interlock.connectors.postgres.classify import own
from interlock.connectors.postgres.classify.context import Context
from interlock.connectors.postgres.classify.draft import Draft
from interlock.connectors.postgres.classify.forms import calls
from interlock.connectors.postgres.classify.forms.pinned import pin
from interlock.connectors.postgres.classify.info import StatementInfo
from interlock.connectors.postgres.classify.target import copy_target, dml_target
from interlock.connectors.postgres.parse import Facts, Name, Node, RawStatement, Write, collect
from interlock.connectors.postgres.parse.facts import relation
from interlock.connectors.postgres.parse.walk import constant
from interlock.connectors.postgres.verbs.functions import ROWS
from interlock.connectors.postgres.verbs.relations import SECRET
from interlock.connectors.postgres.verbs.rules import Way
from interlock.model.effect import ChangeKind
from interlock.model.operation import Action, Resource

_ACCESS_SHARE = 1  # lockdefs.h


def rows(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """SELECT, INSERT, UPDATE, DELETE, MERGE."""
    facts = collect(raw.tag, raw.body)
    if raw.tag == "SelectStmt":
        pin(ctx, raw.body, facts)
    whole(ctx, draft, facts)
    draft.more["returns_rows"] = returns_rows(raw.tag, raw.body)
    if raw.tag != "SelectStmt":
        draft.more["target"] = dml_target(ctx, raw)


def returns_rows(tag: str, body: Node) -> bool:
    if tag == "SelectStmt":
        return "intoClause" not in _leftmost(body)
    return "returningClause" in body or "returningList" in body


def _leftmost(body: Node) -> Node:
    while "larg" in body and "intoClause" not in body:
        body = body["larg"]
    return body


def whole(ctx: Context, draft: Draft, facts: Facts, *, reads: Iterable[Name] = ()) -> None:
    """Everything that a statement's facts mean when it runs."""
    why = impurity(ctx.catalog, facts, temp=ctx.temp)
    if why:
        draft.at_least(Way.GATED, why)
    if facts.unknown:
        draft.need(Action.UNKNOWN, ())
        draft.refuse(f"{facts.unknown[0]} is not in the reviewed table")
    _relations(ctx, draft, facts, reads)
    own.told(ctx, draft, facts)
    if not why:
        return
    calls.apply(ctx, draft, facts)
    follow(ctx, draft, facts)
    # What extensions that are known to compute only have under a common name (citext's max) is no other call.
    others = [f for f in draft.functions if not (found := ctx.catalog.functions.get(f)) or not found.trusted]
    if draft.way is Way.IMMEDIATE and (facts.writes or others or draft.hazards):
        draft.refuse(f"{draft.why}; send it alone, apart from other changes and calls")


def _relations(ctx: Context, draft: Draft, facts: Facts, reads: Iterable[Name]) -> None:
    read = [
        n
        for n in (*facts.reads, *reads)
        if n.schema or n.name not in facts.ctes or ctx.catalog.named_relations(n)
    ]
    secret = [n for n in read if (s := ctx.catalog.system_relation(n)) is not None and s.name in SECRET]
    plain = [n for n in read if n not in secret]
    if plain or not (secret or facts.writes):
        draft.need(Action.READ, [r for n in plain for r in ctx.relation_resources(n)])
    if secret:
        draft.need(Action.ADMIN, [r for n in secret for r in ctx.relation_resources(n)])
    for write in facts.writes:
        if write.verb == "SELECT INTO":
            made = ctx.new(
                "table", Name("pg_temp", write.relation.name) if write.temporary else write.relation
            )
            draft.need(Action.CREATE, (made,), write.verb)
            draft.declare(ChangeKind.CREATED, (made,))
            draft.changes_catalog = True
        else:
            draft.need(write.action, ctx.relation_resources(write.relation), write.verb)
    if "locks rows" in facts.impure:
        locked = facts.locks or list(facts.reads)
        known = [n for n in locked if ctx.catalog.named_relations(n)] or list(facts.reads)
        draft.need(Action.UPDATE, [r for n in known for r in ctx.relation_resources(n)], "SELECT FOR UPDATE")


def follow(ctx: Context, draft: Draft, facts: Facts, bodies: Iterable[tuple[str, str]] = ()) -> None:
    """Find what may run besides, and its hazards."""
    found = reach(
        ctx.catalog,
        functions=calls.functions_of(ctx, facts),
        reads={r.oid for name in facts.reads for r in ctx.catalog.named_relations(name)},
        writes={r.oid for write in facts.writes for r in ctx.catalog.named_relations(write.relation)},
        types=calls.types_of(ctx, facts),
        operators=facts.operators,
        bodies=bodies,
    )
    draft.reaches(found)
    if found.hazards and found.types and reach(ctx.catalog, types=found.types).hazards:
        draft.more["early"] = True
    messages(draft, found.calls)
    if not facts.writes and any(ROWS[name].at_once for name in found.calls):
        # What writes rows besides has an intent.
        draft.more["at_once"] = True


def messages(draft: Draft, names: frozenset[str]) -> None:
    """Built-in functions that bodies call and whose rights policy should see."""
    for name in sorted(names):
        rule = ROWS[name]
        if rule.resource in ("channel", "advisory_lock"):
            draft.need(rule.action, (Resource(rule.resource, "*"),), f"{name}()")


def copy(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """COPY."""
    body = raw.body
    incoming = bool(body.get("is_from"))
    if body.get("is_program") or "filename" in body:
        what = "runs a program on" if body.get("is_program") else "reads and writes files of"
        draft.need(Action.ADMIN, ())
        draft.refuse(f"COPY {what} the server; use COPY … FROM STDIN or TO STDOUT")
        return
    draft.more["copy"] = "in" if incoming else "out"
    facts = Facts()
    for option in body.get("options", ()):
        collect("DefElem", option.get("DefElem", {}), facts)
    facts.definitions = False
    if "query" in body:
        ((tag, query),) = body["query"].items()
        collect(tag, query, facts)
    if "whereClause" in body:
        ((tag, node),) = body["whereClause"].items()
        collect(tag, node, facts)
    if "relation" in body:
        name = relation(body["relation"])
        if incoming:
            facts.writes.append(Write(Action.CREATE, "COPY", name))
            draft.more["target"] = copy_target(ctx, body)
        else:
            facts.reads[name] = None
    whole(ctx, draft, facts)


def call(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """CALL."""
    facts = collect("FuncCall", raw.body.get("funccall", {}))
    draft.at_least(Way.GATED, "runs a procedure")
    whole(ctx, draft, facts)
    draft.more["returns_rows"] = True


def do(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """DO."""
    options = {
        item["DefElem"]["defname"]: constant(item["DefElem"].get("arg")) for item in raw.body.get("args", ())
    }
    language = options.get("language") or "plpgsql"
    draft.at_least(Way.GATED, "runs code")
    draft.need(Action.READ, ())
    if language != "plpgsql":
        draft.hazards.append(f"language {language} in DO")
        return
    follow(ctx, draft, Facts(), bodies=(("DO", options.get("as") or ""),))
    labels = [ctx.catalog.relations[oid] for oid in sorted(draft.relations) if oid in ctx.catalog.relations]
    draft.need(Action.READ, [r for one in labels for r in ctx.relation_resources(Name(one.schema, one.name))])
    for oid in sorted(draft.functions):
        function = ctx.catalog.functions.get(oid)
        if function is not None:
            draft.need(Action.READ, ctx.function_resources(Name(function.schema, function.name)))


def explain(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """EXPLAIN: plans the statement, and with ANALYZE runs it."""
    ((tag, body),) = raw.body["query"].items()
    inner = ctx.classify(RawStatement(tag, body, raw.text, raw.offset))
    runs = any(
        item["DefElem"]["defname"] == "analyze"
        and (constant(item["DefElem"].get("arg")) or "on").lower()
        not in ("off", "false", "0", "no", "f", "n")
        for item in raw.body.get("options", ())
    )
    draft.more["returns_rows"] = True
    draft.more["executes"] = inner.executes
    if runs:
        draft.verb = "EXPLAIN ANALYZE"
        draft.absorb(inner)
        return
    draft.need(Action.READ, [r for o in inner.operations for r in o.resources])
    if inner.way is Way.PASS:
        return
    if inner.way is Way.REFUSED and inner.executes is not None:
        draft.refuse(inner.why)
    draft.at_least(Way.GATED, inner.why)
    if inner.early:
        draft.more["early"] = True
        draft.hazards += [h for h in inner.escapes if h not in draft.hazards]
    # Planning runs immutable and stable functions of constants.
    folded = [
        oid for oid in inner.functions if (f := ctx.catalog.functions.get(oid)) and f.volatility in "is"
    ]
    draft.reaches(reach(ctx.catalog, functions=folded))
    draft.changes_catalog = False


def declare(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """DECLARE CURSOR."""
    ((tag, body),) = raw.body["query"].items()
    draft.absorb(ctx.classify(RawStatement(tag, body, raw.text, raw.offset)))
    draft.at_least(Way.GATED, "a cursor's query runs piece by piece")
    draft.more["returns_rows"] = False


def fetch(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """FETCH and MOVE."""
    if raw.body.get("ismove"):
        draft.verb = "MOVE"
    draft.at_least(Way.GATED, "runs a cursor's query on")
    draft.more["returns_rows"] = not raw.body.get("ismove")


def truncate(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """TRUNCATE: CASCADE is measured; what it reaches by foreign keys is followed here as well."""
    names = [relation(item["RangeVar"]) for item in raw.body.get("relations", ())]
    draft.at_least(Way.GATED, "removes all rows")
    draft.need(Action.DELETE, [r for name in names for r in ctx.relation_resources(name)])
    found = {r.oid for name in names for r in ctx.catalog.named_relations(name)}
    draft.reaches(reach(ctx.catalog, writes=found))
    draft.changes_catalog = False


def lock(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """LOCK TABLE: as the server, UPDATE rights for all but the weakest mode."""
    names = [relation(item["RangeVar"]) for item in raw.body.get("relations", ())]
    action = Action.READ if raw.body.get("mode") == _ACCESS_SHARE else Action.UPDATE
    draft.at_least(Way.GATED, "locks tables")
    draft.need(action, [r for name in names for r in ctx.relation_resources(name)])


def refresh(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """REFRESH MATERIALIZED VIEW: runs its query."""
    name = relation(raw.body["relation"])
    draft.at_least(Way.GATED, "runs the view's query")
    draft.need(Action.UPDATE, ctx.relation_resources(name, "materialized_view"))
    draft.reaches(reach(ctx.catalog, writes={r.oid for r in ctx.catalog.named_relations(name)}))
    draft.changes_catalog = True


def create_as(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """CREATE TABLE AS and CREATE MATERIALIZED VIEW."""
    into = raw.body["into"]["rel"]
    kind = "materialized_view" if raw.body.get("objtype") == "OBJECT_MATVIEW" else "table"
    if kind != "table":
        draft.verb = "CREATE MATERIALIZED VIEW"
    name = relation(into)
    made = ctx.new(kind, Name("pg_temp", name.name) if into.get("relpersistence") == "t" else name)
    ((tag, body),) = raw.body["query"].items()
    inner = ctx.classify(RawStatement(tag, body, raw.text, raw.offset))
    draft.need(Action.CREATE, (made,))
    draft.absorb(inner)
    draft.at_least(Way.GATED, "makes a table")
    draft.declare(ChangeKind.CREATED, (made,))
    draft.more["executes"] = inner.executes
    draft.changes_catalog = True


def execute(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """EXECUTE of a prepared statement, whose classification the session has."""
    name = raw.body.get("name", "")
    draft.more["executes"] = name
    known = ctx.prepared.get(name)
    if known is None:
        draft.need(Action.UNKNOWN, ())
        draft.refuse(f'no prepared statement "{name}" is known in this session')
        return
    inner: StatementInfo = known.inner if known.prepares is not None and known.inner is not None else known
    facts = Facts()
    for item in raw.body.get("params", ()):
        ((tag, node),) = item.items()
        collect(tag, node, facts)
    draft.absorb(inner)
    if facts.calls or facts.types or facts.operators or facts.reads or facts.unknown:
        whole(ctx, draft, facts)
    draft.more["returns_rows"] = inner.returns_rows
