"""Function calls that are more than reads: what they need, do, and which way they force."""

from interlock.connectors.postgres import settings
from interlock.connectors.postgres.catalog import Function
from interlock.connectors.postgres.classify.context import Context
from interlock.connectors.postgres.classify.draft import Draft
from interlock.connectors.postgres.classify.info import Setting, StatementInfo
from interlock.connectors.postgres.parse import Call, Facts, Name, parse
from interlock.connectors.postgres.parse.errors import SqlSyntax, SqlTooComplex, SqlTooLarge
from interlock.connectors.postgres.parse.walk import constant
from interlock.connectors.postgres.verbs.functions import EXTENSION_ROWS, rule_of
from interlock.connectors.postgres.verbs.rules import FunctionKind, FunctionRule, Way
from interlock.model.effect import ChangeKind, Effect, Evidence, Unit
from interlock.model.operation import Action, Resource

_RUNS_TEXT = frozenset(("query_to_xml", "query_to_xml_and_xmlschema", "query_to_xmlschema", "ts_stat"))
_DEEPEST = 5


def functions_of(ctx: Context, facts: Facts) -> set[int]:
    """The ids of all functions that are not built in and that a statement may call by name."""
    found = {f.oid for call in facts.calls for f in ctx.catalog.named_functions(_loose(call))}
    for name in facts.attributes & ctx.catalog.attributes:
        found |= {f.oid for f in ctx.catalog.functions_named[name] if f.attribute}
    return found


def types_of(ctx: Context, facts: Facts) -> set[int]:
    """The ids of all types and row types that are not built in and that a statement names."""
    found: set[int] = set()
    for name in (*facts.types, *(_loose(call) for call in facts.calls if len(call.args) == 1)):
        plain = Name(name.schema, name.name.lstrip("_"))
        for one in (name, plain):
            found |= {t.oid for t in ctx.catalog.named_types(one)}
            found |= {r.row_type for r in ctx.catalog.named_relations(one)}
    return found


def _loose(call: Call) -> Name:
    return Name("", call.name.name) if call.syntax else call.name


def apply(ctx: Context, draft: Draft, facts: Facts, *, runs: bool = True) -> None:
    """Add what a statement's calls mean. `runs` is False where they only stand in a definition, to run later or for each row."""
    strange = {n for n in facts.operators if n.schema.startswith("pg_temp")}
    strange |= {c.name for c in facts.calls if c.name.schema.startswith("pg_temp")}
    draft.hazards += [f"the temporary {name}" for name in sorted(strange)]
    for call in facts.calls:
        named = ctx.catalog.named_functions(_loose(call))
        user = [f for f in named if not f.trusted]
        if user:
            draft.need(Action.READ, ctx.function_resources(_loose(call)))
        elif not named and not call.syntax and rule_of(call.name.name) is None:
            _unknown(ctx, draft, call)
        for rule in _rules(call, user):
            if runs:
                _running(ctx, draft, call, rule)
            elif rule.kind not in (FunctionKind.UNDONE, FunctionKind.READ, FunctionKind.UNCALLABLE):
                draft.hazards.append(f"{call.name}() in a definition")


def _rules(call: Call, user: list[Function]) -> list[FunctionRule]:
    rules = []
    if call.name.schema in ("", "pg_catalog") and (rule := rule_of(call.name.name, len(call.args))):
        rules.append(rule)
    if any(f.language == "c" for f in user) and (other := EXTENSION_ROWS.get(call.name.name)):
        rules.append(other)
    return rules


def _unknown(ctx: Context, draft: Draft, call: Call) -> None:
    """No such function in the snapshot: the server will say so, unless it is one that the tables do not know."""
    if call.name.name in ctx.catalog.builtin_functions and call.name.schema in ("", "pg_catalog"):
        draft.need(Action.UNKNOWN, (Resource("function", f"pg_catalog.{call.name.name}", "pg_catalog"),))
        draft.refuse(f"the built-in function {call.name.name}() is not in the reviewed table")
    elif call.name.schema != "information_schema":
        ctx.unresolved.append(f"{call.name}()")


def _running(ctx: Context, draft: Draft, call: Call, rule: FunctionRule) -> None:
    what = f"{call.name.name}()"
    match rule.kind:
        case FunctionKind.READ:
            return
        case FunctionKind.UNCALLABLE:
            draft.at_least(Way.GATED, f"{what} {rule.reason}")
            return
        case FunctionKind.REFUSED:
            draft.need(Action.ADMIN, (_resource(ctx, call, rule),), what)
            draft.refuse(f"{what} {rule.reason}")
            return
        case FunctionKind.SETTING:
            _set_config(draft, call)
            return
        case FunctionKind.DYNAMIC:
            _dynamic(ctx, draft, call, rule)
            return
        case FunctionKind.UNDONE:
            draft.at_least(Way.GATED, f"{what} {rule.reason}")
        case FunctionKind.LASTING:
            draft.at_least(Way.IMMEDIATE, f"{what} {rule.reason}")
    if rule.at_once:
        draft.more["at_once"] = True
    resource = _resource(ctx, call, rule)
    draft.need(rule.action, (resource,), what)
    if rule.change is not None:
        effect = predicted(resource, rule.change, f"{what} {rule.reason}; a rollback does not undo it")
        (draft.immediate if rule.kind is FunctionKind.LASTING else draft.side_effects).append(effect)


def predicted(resource: Resource, change: ChangeKind, reason: str) -> Effect:
    """The effect of something that measuring does not show."""
    return Effect(resource, change, 1, Unit.OBJECTS, Evidence.PREDICTED, reason=reason)


def _resource(ctx: Context, call: Call, rule: FunctionRule) -> Resource:
    """What the first argument names, when it is a literal; else all of its kind."""
    first = constant(call.args[0]) if call.args and "boolval" not in call.args[0].get("A_Const", ()) else None
    kind = rule.resource or "server"
    if first is None or kind == "server":
        return Resource(kind, "*")
    if kind in ("sequence", "index"):
        return ctx.relation_resources(_name(first), kind)[0]
    return Resource(kind, first)


def _name(text: str) -> Name:
    """The name in a regclass literal; a strange one comes out as it is."""
    try:
        (statement,) = parse(f"TABLE {text}")
        node = statement.body["fromClause"][0]["RangeVar"]
        return Name(node.get("schemaname", ""), node.get("relname", ""))
    except (SqlSyntax, SqlTooComplex, SqlTooLarge, ValueError, KeyError):
        return Name("", text)


def _set_config(draft: Draft, call: Call) -> None:
    name = constant(call.args[0]) if call.args else None
    value = constant(call.args[1]) if len(call.args) > 1 else None
    if name is None:
        draft.refuse("set_config() takes a literal setting name only")
        return
    judged = settings.judge(name, value) if value is not None else settings.judge_unknown(name)
    local = constant(call.args[2]) if len(call.args) > 2 else None
    draft.settings.append(
        Setting("set", settings.canonical(name), value, local in ("on", "true", "t"), judged.verdict.value)
    )
    if judged.verdict is settings.Verdict.REFUSE:
        draft.refuse(judged.why)
    elif judged.verdict in (settings.Verdict.VIRTUAL, settings.Verdict.LIMITED):
        draft.refuse(f"{name} is kept by the gateway: use SET {name}, not set_config()")
    else:
        draft.at_least(Way.GATED, "set_config() sets a setting")


def _dynamic(ctx: Context, draft: Draft, call: Call, rule: FunctionRule) -> None:
    draft.at_least(Way.GATED, f"{call.name.name}() {rule.reason}")
    text = constant(call.args[0]) if call.args and call.name.name in _RUNS_TEXT else None
    inner = _inner(ctx, text) if text is not None else None
    if inner is None:
        draft.hazards.append(f"{call.name.name}() {rule.reason}")
        return
    for info in inner:
        draft.absorb(info)


def _inner(ctx: Context, text: str) -> tuple[StatementInfo, ...] | None:
    """The SQL in a literal, or None when it cannot be told."""
    depth = ctx.depth
    if depth >= _DEEPEST:
        return None
    ctx.depth = depth + 1
    try:
        return tuple(ctx.classify(statement) for statement in parse(text))
    except (SqlSyntax, SqlTooComplex, SqlTooLarge):
        return None
    finally:
        ctx.depth = depth
