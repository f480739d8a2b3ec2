"""DDL: what it makes, changes and drops. Its effect is measured as catalog rows; what they stand for is declared here."""

from interlock.connectors.postgres import settings
from interlock.connectors.postgres.catalog import reach
from interlock.connectors.postgres.classify import objects, own
from interlock.connectors.postgres.classify.context import OWN_ROLE, Context, own_role
from interlock.connectors.postgres.classify.draft import Draft
from interlock.connectors.postgres.classify.forms import calls, later
from interlock.connectors.postgres.parse import Name, Node, RawStatement, collect
from interlock.connectors.postgres.parse.facts import relation
from interlock.connectors.postgres.parse.walk import strings
from interlock.connectors.postgres.verbs import alter_table
from interlock.connectors.postgres.verbs.rules import StatementRule
from interlock.connectors.postgres.verbs.statements import ROWS
from interlock.model.effect import ChangeKind
from interlock.model.operation import Action, Resource

CONCURRENT = (
    "{} CONCURRENTLY cannot run in a transaction, so it cannot be measured or undone; leave CONCURRENTLY out"
)
RESETS = frozenset(("VAR_RESET", "VAR_RESET_ALL", "VAR_SET_DEFAULT"))
"""Kinds of `VariableSetStmt` that take a setting back."""


def any_ddl(ctx: Context, raw: RawStatement, draft: Draft, rule: StatementRule) -> None:
    """What holds for each change of definitions: event triggers fire, and expressions may be evaluated."""
    draft.at_least(rule.way, "changes definitions")
    draft.changes_catalog = draft.changes_catalog or rule.ddl
    later.brings(ctx, raw, draft)
    functions = {oid for _, oid in ctx.catalog.event_triggers}
    facts = collect(raw.tag, raw.body)
    own.told(ctx, draft, facts)
    if raw.tag in later.LATER:
        draft.reaches(reach(ctx.catalog, functions=functions))
        return
    calls.apply(ctx, draft, facts, runs=False)
    later.runs_with_writes(ctx, raw, facts, draft)
    draft.reaches(
        reach(
            ctx.catalog,
            functions=functions | calls.functions_of(ctx, facts),
            reads={r.oid for name in facts.reads for r in ctx.catalog.named_relations(name)},
            types=calls.types_of(ctx, facts),
            operators=facts.operators,
        )
    )


def made(ctx: Context, raw: RawStatement, draft: Draft, resources: tuple[Resource, ...]) -> None:
    """An operation with the row's action on some resources, declared as the row says."""
    rule = ROWS[raw.tag]
    draft.need(rule.action, resources)
    if rule.change is not None:
        draft.declare(rule.change, resources)


# -- tables


def create_relation(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """CREATE TABLE, VIEW, SEQUENCE, FOREIGN TABLE, composite TYPE."""
    body = raw.body
    field = {"ViewStmt": "view", "CreateSeqStmt": "sequence", "CompositeTypeStmt": "typevar"}.get(
        raw.tag, "relation"
    )
    node = body.get("base", body).get(field) or body.get(field) or {}
    name = relation(node)
    kind = ROWS[raw.tag].kind
    temporary = node.get("relpersistence") == "t"
    new = ctx.new(kind, Name("pg_temp", name.name) if temporary else name)
    if body.get("replace") and ctx.catalog.named_relations(name):
        found = ctx.relation_resources(name, kind)
        draft.need(Action.DELETE, found, f"CREATE OR REPLACE {kind.upper()}")
        draft.declare(ChangeKind.REPLACED, found)
    else:
        made(ctx, raw, draft, (new,))


def create_index(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """CREATE INDEX."""
    if raw.body.get("concurrent"):
        draft.refuse(CONCURRENT.format("CREATE INDEX"))
    table = relation(raw.body["relation"])
    owners = ctx.relation_resources(table)
    name = raw.body.get("idxname") or f"{table.name}_*_idx"
    made(ctx, raw, draft, tuple(Resource("index", f"{o.group}.{name}", o.group) for o in owners))
    draft.need(Action.CREATE, owners)


def alter(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """ALTER TABLE and its like, part by part."""
    kind = objects.rule_for(raw.body.get("objtype", "OBJECT_TABLE")).kind
    name = relation(raw.body["relation"])
    owners = (ctx.new("index", name),) if kind == "index" else ctx.relation_resources(name, kind)
    for item in raw.body.get("cmds", ()):
        _part(draft, owners, item.get("AlterTableCmd", {}))


def _part(draft: Draft, owners: tuple[Resource, ...], command: Node) -> None:
    subtype = command.get("subtype", "")
    rule = alter_table.ROWS.get(subtype)
    if rule is None:
        draft.need(Action.UNKNOWN, owners, subtype)
        draft.refuse(f"{subtype} is not in the reviewed table")
        return
    verb = f"ALTER TABLE {rule.verb}"
    if command.get("def", {}).get("PartitionCmd", {}).get("concurrent"):
        draft.refuse(CONCURRENT.format("DETACH PARTITION"))
    if rule.action is Action.DELETE and rule.part:
        parts = tuple(Resource(rule.part, f"{o.name}.{_own_name(command)}", o.group) for o in owners)
        draft.need(rule.action, owners, verb)
        draft.declare(rule.change, parts)
        return
    draft.need(rule.action, owners, verb)
    if rule.part:
        draft.declare(
            rule.change, tuple(Resource(rule.part, f"{o.name}.{_own_name(command)}", o.group) for o in owners)
        )
    else:
        draft.declare(rule.change, owners)


def _own_name(command: Node) -> str:
    definition: Node = next(iter(command.get("def", {}).values()), {})
    return str(command.get("name") or definition.get("colname") or definition.get("conname") or "*")


def move_all(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """ALTER TABLE ALL IN TABLESPACE."""
    made(ctx, raw, draft, (Resource("tablespace", raw.body.get("orig_tablespacename", "")),))


# -- any object


def drop(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """DROP."""
    rule = objects.rule_for(raw.body.get("removeType", ""))
    draft.verb = f"DROP {rule.kind.upper().replace('_', ' ')}"
    if raw.body.get("concurrent"):
        draft.refuse(CONCURRENT.format("DROP INDEX"))
    for node in raw.body.get("objects", ()):
        resources = objects.named(ctx, rule, node)
        draft.need(rule.drop, resources)
        draft.declare(ChangeKind.DELETED, resources)


def _about(ctx: Context, body: Node, type_field: str) -> tuple[Resource, ...]:
    rule = objects.rule_for(body.get(type_field, ""))
    part = body.get("subname")
    if "object" in body:
        return objects.named(ctx, rule, body["object"], part or "")
    if "relation" not in body:
        return (objects.unqualified(rule, part or "*"),)
    if rule.naming == "inner" and part:
        return ctx.inner_resource(rule.kind, relation(body["relation"]), part)
    return objects.range_var(ctx, rule.kind, body["relation"])


def rename(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """ALTER … RENAME TO."""
    rule = objects.rule_for(raw.body.get("renameType", ""))
    if rule.kind == "role" and own_role(ctx, raw.body.get("subname", "")):
        draft.refuse(OWN_ROLE)
    draft.verb = f"ALTER {rule.kind.upper().replace('_', ' ')} RENAME"
    resources = _about(ctx, raw.body, "renameType")
    draft.need(rule.alter, resources)
    draft.declare(ChangeKind.MOVED, resources)


def about(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """SET SCHEMA, OWNER TO, COMMENT, SECURITY LABEL, DEPENDS ON EXTENSION."""
    field = {"CommentStmt": "objtype", "SecLabelStmt": "objtype"}.get(raw.tag, "objectType")
    made(ctx, raw, draft, _about(ctx, raw.body, field))
    if schema := raw.body.get("newschema"):
        draft.need(Action.CREATE, (Resource("schema", schema, schema),))


# -- functions and types


def create_function(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """CREATE [OR REPLACE] FUNCTION and PROCEDURE."""
    name = Name.of(strings(raw.body.get("funcname")))
    kind = "PROCEDURE" if raw.body.get("is_procedure") else "FUNCTION"
    draft.verb = f"CREATE {kind}"
    _function_settings(draft, raw.body.get("options", ()))
    if raw.body.get("replace") and ctx.catalog.named_functions(name):
        found = ctx.function_resources(name)
        draft.need(Action.DELETE, found, f"CREATE OR REPLACE {kind}")
        draft.declare(ChangeKind.REPLACED, found)
    else:
        made(ctx, raw, draft, (ctx.new("function", name),))


def alter_function(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """ALTER FUNCTION."""
    _function_settings(draft, raw.body.get("actions", ()))
    made(ctx, raw, draft, objects.named(ctx, objects.rule_for("OBJECT_FUNCTION"), raw.body.get("func", {})))


def _function_settings(draft: Draft, options: list[Node] | tuple[()]) -> None:
    for item in options:
        wish = item.get("DefElem", {})
        if wish.get("defname") == "set":
            node = wish.get("arg", {}).get("VariableSetStmt", {})
            if node.get("kind") not in RESETS and (why := settings.lasting(node.get("name", ""))):
                draft.refuse(f"a function must not set it: {why}")


def create_type(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """CREATE TYPE (enum, range), CREATE DOMAIN, ALTER TYPE, ALTER DOMAIN."""
    names = raw.body.get("domainname") or raw.body.get("typeName")
    name = Name.of(strings(names))
    existing = raw.tag.startswith("Alter")
    made(ctx, raw, draft, ctx.type_resources(name) if existing else (ctx.new("type", name),))


def define(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """CREATE AGGREGATE, OPERATOR, TYPE, COLLATION, TEXT SEARCH …."""
    rule = objects.rule_for(raw.body.get("kind", ""))
    draft.verb = f"CREATE {rule.kind.upper().replace('_', ' ')}"
    new = ctx.new(rule.kind, Name.of(strings(raw.body.get("defnames"))))
    draft.need(Action.CREATE if rule.alter is not Action.ADMIN else Action.ADMIN, (new,))
    draft.declare(ChangeKind.CREATED, (new,))


def create_schema(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """CREATE SCHEMA, with what it makes inside."""
    name = raw.body.get("schemaname") or objects.role(raw.body.get("authrole"))
    made(ctx, raw, draft, (Resource("schema", name, name),))
    outside, ctx.search_path = ctx.search_path, (name, *(ctx.search_path or ()))
    for node in raw.body.get("schemaElts", ()):
        ((tag, body),) = node.items()
        draft.absorb(ctx.classify(RawStatement(tag, body, raw.text, raw.offset)))
    ctx.search_path = outside


def extension(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """CREATE EXTENSION and ALTER EXTENSION: a script from the server's disk runs, which nobody has looked through; none does when
    the extension is there already and IF NOT EXISTS says that this is well."""
    made(ctx, raw, draft, (Resource("extension", raw.body.get("extname", "")),))
    if raw.body.get("if_not_exists") and ctx.catalog.has_extension(raw.body.get("extname", "")):
        return
    if raw.tag != "AlterExtensionContentsStmt":
        draft.hazards.append(f"the script of extension {raw.body.get('extname', '')}")


def import_schema(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """IMPORT FOREIGN SCHEMA."""
    schema = raw.body.get("local_schema", "")
    made(ctx, raw, draft, (Resource("schema", schema, schema),))
    draft.hazards.append(f"asks the foreign server {raw.body.get('server_name', '')}")


def by_name(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """Everything else: whatever field holds its name."""
    rule = ROWS[raw.tag]
    body = raw.body
    if "relation" in body or "table" in body:
        owner = relation(body.get("relation") or body["table"])
        name = body.get("trigname") or body.get("policy_name") or body.get("rulename") or "*"
        made(ctx, raw, draft, ctx.inner_resource(rule.kind, owner, name))
    elif rule.kind == "sequence":
        made(ctx, raw, draft, ctx.relation_resources(relation(body["sequence"]), "sequence"))
    else:
        made(ctx, raw, draft, (_named(ctx, rule.kind, body),))


_LISTS = ("defnames", "opclassname", "opfamilyname", "conversion_name", "cfgname", "dictname", "collname")
_TEXTS = ("pubname", "servername", "fdwname", "trigname", "plname", "amname", "tablespacename", "dbname")


def _named(ctx: Context, kind: str, body: Node) -> Resource:
    if "user" in body:
        return Resource(kind, f"{objects.role(body['user'])}@{body.get('servername', '')}")
    if "sourcetype" in body:
        ends = (Name.of(strings(body[end].get("names"))) for end in ("sourcetype", "targettype"))
        return Resource(kind, "/".join(str(end) for end in ends))
    if "type_name" in body:
        return Resource(kind, f"{Name.of(strings(body['type_name'].get('names')))}/{body.get('lang', '')}")
    if "opername" in body:
        return ctx.new(kind, Name.of(strings(body["opername"].get("objname"))))
    for field in _LISTS:
        if field in body:
            return ctx.new(kind, Name.of(strings(body[field])))
    for field in _TEXTS:
        if field in body:
            return Resource(kind, str(body[field]))
    return Resource(kind, "*")


def refused(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """What a row refuses altogether."""
    rule = ROWS[raw.tag]
    draft.need(rule.action, ())
    draft.refuse(f"{rule.verb} {rule.reason}")
