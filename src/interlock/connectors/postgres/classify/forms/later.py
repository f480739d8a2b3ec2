"""What a definition brings in: code that may run from now on, looked through when it is made.

The snapshot does not show what the open transaction has made, nor temporary objects. So hazards are found in the definitions
themselves: those of the open transaction count for what follows in it, those of temporary objects at once.
"""

from collections.abc import Iterator

from msgspec import structs

from interlock.connectors.postgres.catalog import reach
from interlock.connectors.postgres.classify.context import Context
from interlock.connectors.postgres.classify.draft import Draft
from interlock.connectors.postgres.classify.forms import calls
from interlock.connectors.postgres.parse import Facts, Name, Node, RawStatement, collect
from interlock.connectors.postgres.parse.facts import relation
from interlock.connectors.postgres.parse.walk import constant, strings
from interlock.connectors.postgres.verbs.functions import rule_of
from interlock.connectors.postgres.verbs.rules import FunctionKind, words
from interlock.model.effect import ChangeKind
from interlock.model.operation import Resource

LATER = words(
    """CompositeTypeStmt CreateCastStmt CreateDomainStmt CreateEventTrigStmt CreateForeignTableStmt CreateFunctionStmt
    CreatePolicyStmt AlterPolicyStmt CreateRangeStmt CreateStmt CreateTrigStmt DefineStmt RuleStmt ViewStmt"""
)
"""Definitions that run nothing of what they name when they are made."""

_HARMLESS = (FunctionKind.READ, FunctionKind.UNDONE, FunctionKind.UNCALLABLE)


_EXPRESSIONS = words("AlterTableStmt AlterDomainStmt IndexStmt")
"""Definitions of what is there already, with expressions that are evaluated when others write to it."""


def runs_with_writes(ctx: Context, raw: RawStatement, facts: Facts, draft: Draft) -> None:
    """A default, check or index expression whose code writes runs in others' transactions from now on, as a trigger does; what it
    does then is not measured now."""
    if raw.tag not in _EXPRESSIONS:
        return
    found = reach(ctx.catalog, functions=calls.functions_of(ctx, facts), operators=facts.operators)
    names = [
        ctx.catalog.relations[oid].label for oid in sorted(found.written) if oid in ctx.catalog.relations
    ]
    if names:
        node = raw.body.get("relation")
        subject = ctx.relation_resources(relation(node))[0] if node else Resource("database", "*")
        weakened = calls.predicted(subject, ChangeKind.WEAKENED, "what it does meanwhile is not undone")
        detail = f"code that may change {', '.join(names[:3])} runs with what others write"
        draft.side_effects.append(structs.replace(weakened, detail=detail))


def brings(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """Look through what a definition names."""
    facts = collect(raw.tag, raw.body)
    named = list(_functions_named(raw))
    functions = calls.functions_of(ctx, facts)
    functions |= {f.oid for name in named for f in ctx.catalog.named_functions(name)}
    hazards = [f"{name}() in a definition" for name in named if _lasting(name)]
    hazards += [
        f"{call.name}() in a definition" for call in facts.calls if _lasting(call.name, len(call.args))
    ]
    read = {r.oid for name in facts.reads for r in ctx.catalog.named_relations(name)}
    written = {r.oid for write in facts.writes for r in ctx.catalog.named_relations(write.relation)}
    found = reach(
        ctx.catalog,
        functions=functions,
        reads=read,
        # LIKE … INCLUDING copies defaults and checks.
        writes=written | (read if raw.tag == "CreateStmt" else set()),
        types=calls.types_of(ctx, facts),
        operators=facts.operators,
        bodies=_bodies(raw, hazards),
    )
    hazards += found.hazards
    # Within this transaction nothing else would tell: the snapshot does not show what it has made.
    draft.sends(found.calls)
    draft.introduces += [hazard for hazard in hazards if hazard not in draft.introduces]
    if _temporary(ctx, raw, facts, named):
        draft.hazards += [hazard for hazard in hazards if hazard not in draft.hazards]
        if raw.tag in ("CreateFunctionStmt", "DefineStmt") and _own_schema(raw).startswith("pg_temp"):
            draft.refuse(
                "temporary functions and operators cannot be looked through when they are used; make it in a schema"
            )


def _lasting(name: Name, arity: int = -1) -> bool:
    rule = rule_of(name.name, arity) if name.schema in ("", "pg_catalog") else None
    return rule is not None and rule.kind not in _HARMLESS


def _own_schema(raw: RawStatement) -> str:
    return Name.of(strings(raw.body.get("funcname") or raw.body.get("defnames"))).schema


def _functions_named(raw: RawStatement) -> Iterator[Name]:
    """Functions that are named outside of calls."""
    body = raw.body
    if raw.tag in ("CreateTrigStmt", "CreateEventTrigStmt"):
        yield Name.of(strings(body.get("funcname")))
    elif raw.tag == "CreateCastStmt":
        yield Name.of(strings(body.get("func", {}).get("objname")))
    elif raw.tag in ("DefineStmt", "CreateRangeStmt"):
        for item in body.get("definition") or body.get("params") or ():
            argument = item.get("DefElem", {}).get("arg", {})
            if "TypeName" in argument:
                yield Name.of(strings(argument["TypeName"].get("names")))


def _bodies(raw: RawStatement, hazards: list[str]) -> list[tuple[str, str]]:
    """The text of a function being made. A language that cannot be looked through is added to the hazards."""
    if raw.tag != "CreateFunctionStmt":
        return []
    options: dict[str, Node] = {
        item["DefElem"]["defname"]: item["DefElem"].get("arg", {}) for item in raw.body.get("options", ())
    }
    label = f"{Name.of(strings(raw.body.get('funcname')))}()"
    language = (constant(options.get("language")) or "sql").lower()
    if language not in ("sql", "plpgsql"):
        hazards.append(f"language {language} in {label}")
    texts = options.get("as", {}).get("List", {}).get("items", ())
    return [(label, constant(text) or "") for text in texts]


def _temporary(ctx: Context, raw: RawStatement, facts: Facts, named: list[Name]) -> bool:
    """Whether the definition may be of, or on, a temporary object."""
    if ctx.temp or _own_schema(raw).startswith("pg_temp"):
        return True
    if any(name.schema.startswith("pg_temp") for name in (*facts.reads, *facts.types, *named)):
        return True
    node = raw.body.get("relation") or raw.body.get("view") or {}
    return node.get("relpersistence") == "t" or node.get("schemaname", "").startswith("pg_temp")
