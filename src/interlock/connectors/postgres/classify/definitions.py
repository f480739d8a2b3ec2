"""DDL: what it makes, changes and drops. Its effect is measured as catalog rows; what they stand for is declared here."""

from interlock.connectors.postgres import settings
from interlock.connectors.postgres.catalog import reach
from interlock.connectors.postgres.classify import calls, objects
from interlock.connectors.postgres.classify.context import Context
from interlock.connectors.postgres.classify.draft import Draft
from interlock.connectors.postgres.parse import Facts, Name, Node, RawStatement, collect
from interlock.connectors.postgres.parse.facts import relation
from interlock.connectors.postgres.parse.walk import strings
from interlock.connectors.postgres.verbs import alter_table
from interlock.connectors.postgres.verbs.rules import StatementRule, Way
from interlock.connectors.postgres.verbs.statements import ROWS
from interlock.model.effect import ChangeKind
from interlock.model.operation import Action, Resource

CONCURRENT = (
    "{} CONCURRENTLY cannot run in a transaction, so it cannot be measured or undone; leave CONCURRENTLY out"
)
_LATER = frozenset(
    ("CreateFunctionStmt", "ViewStmt", "RuleStmt", "CreateTrigStmt", "CreatePolicyStmt", "AlterPolicyStmt")
)
"""What they name runs later only."""


def any_ddl(ctx: Context, raw: RawStatement, draft: Draft, rule: StatementRule) -> None:
    """What holds for each change of definitions: event triggers fire, and expressions may be evaluated."""
    draft.at_least(rule.way, "changes definitions")
    draft.changes_catalog = draft.changes_catalog or rule.ddl
    facts = collect(raw.tag, raw.body)
    if raw.tag not in _LATER:
        calls.apply(ctx, draft, facts, runs=False)
    else:
        facts = Facts()
    reads = {r.oid for name in facts.reads for r in ctx.catalog.named_relations(name)}
    functions = calls.functions_of(ctx, facts) | {oid for _, oid in ctx.catalog.event_triggers}
    draft.reaches(reach(ctx.catalog, functions=functions, reads=reads, types=calls.types_of(ctx, facts)))


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
    if "relation" in body and "object" not in body:
        part = body.get("subname")
        if rule.naming == "inner" and part:
            return ctx.inner_resource(rule.kind, relation(body["relation"]), part)
        return objects.range_var(ctx, rule.kind, body["relation"])
    return (
        objects.named(ctx, rule, body["object"])
        if "object" in body
        else (Resource(rule.kind, body.get("subname", "*")),)
    )


def rename(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """ALTER … RENAME TO."""
    rule = objects.rule_for(raw.body.get("renameType", ""))
    if rule.kind == "role" and _own_role(ctx, raw.body.get("subname", "")):
        draft.refuse(_OWN_ROLE)
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


def grant(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """GRANT and REVOKE on objects, and default privileges."""
    body = raw.body.get("action", raw.body) if raw.tag == "AlterDefaultPrivilegesStmt" else raw.body
    if raw.tag == "GrantStmt" and not body.get("is_grant"):
        draft.verb = "REVOKE"
    rule = objects.rule_for(body.get("objtype", ""))
    found: list[Resource] = []
    for node in body.get("objects", ()):
        if body.get("targtype") == "ACL_TARGET_ALL_IN_SCHEMA":
            schema = objects.plain(node)
            found.append(Resource("schema", schema, schema))
        elif "RangeVar" in node:
            found += objects.range_var(ctx, rule.kind, node["RangeVar"])
        elif "ObjectWithArgs" in node:
            found += objects.named(ctx, objects.rule_for("OBJECT_FUNCTION"), node)
        else:
            found += objects.named(ctx, rule, node)
    made(ctx, raw, draft, tuple(found) or (Resource("default_privileges", "*"),))


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
            if why := settings.lasting(node.get("name", "")):
                draft.refuse(f"a function must not set it: {why}")


def create_type(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """CREATE TYPE (enum, range), CREATE DOMAIN, ALTER TYPE, ALTER DOMAIN."""
    names = raw.body.get("typeName") or raw.body.get("domainname")
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
    """CREATE EXTENSION and ALTER EXTENSION: a script from the server's disk runs, which nobody has looked through."""
    made(ctx, raw, draft, (Resource("extension", raw.body.get("extname", "")),))
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
        resources = ctx.inner_resource(rule.kind, owner, name)
    elif rule.kind == "sequence":
        resources = ctx.relation_resources(relation(body["sequence"]), "sequence")
    else:
        resources = (_named(ctx, rule.kind, body),)
    made(ctx, raw, draft, resources)


_LISTS = ("defnames", "opclassname", "opfamilyname", "conversion_name", "cfgname", "dictname", "collname")
_TEXTS = (
    "pubname",
    "subname",
    "servername",
    "fdwname",
    "trigname",
    "plname",
    "amname",
    "tablespacename",
    "dbname",
)


def _named(ctx: Context, kind: str, body: Node) -> Resource:
    for field in _LISTS:
        if field in body:
            return ctx.new(kind, Name.of(strings(body[field])))
    for field in _TEXTS:
        if field in body:
            return Resource(kind, str(body[field]))
    return Resource(kind, "*")


# -- roles and databases

_OWN_ROLE = "an agent must not change the role it runs as; ask an administrator"


def _own_role(ctx: Context, name: str) -> bool:
    return name in ("CURRENT_USER", "SESSION_USER", "CURRENT_ROLE") or (bool(ctx.user) and name == ctx.user)


def roles(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """CREATE, ALTER, DROP, GRANT of roles; DROP OWNED, REASSIGN OWNED."""
    body = raw.body
    if isinstance(body.get("role"), dict):
        names = [objects.role(body["role"])]
    elif "role" in body:
        names = [str(body["role"])]
    else:
        names = [
            objects.role(n["RoleSpec"]) if "RoleSpec" in n else n.get("AccessPriv", {}).get("priv_name", "*")
            for n in body.get("roles") or body.get("granted_roles") or ()
        ]
    made(ctx, raw, draft, tuple(Resource("role", name) for name in names or ["*"]))
    if raw.tag in ("AlterRoleStmt", "DropRoleStmt") and any(_own_role(ctx, n) for n in names):
        draft.refuse(_OWN_ROLE)
    if raw.tag == "DropOwnedStmt":
        draft.need(Action.DELETE, tuple(Resource("role", name) for name in names))


def role_setting(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """ALTER ROLE … SET, ALTER DATABASE … SET: what sessions begin with."""
    wish = raw.body.get("setstmt", {})
    if raw.tag == "AlterRoleSetStmt":
        name = objects.role(raw.body["role"]) if "role" in raw.body else "*"
        made(ctx, raw, draft, (Resource("role", name),))
        if name == "*" or _own_role(ctx, name):
            draft.refuse(_OWN_ROLE)
    else:
        made(ctx, raw, draft, (Resource("database", raw.body.get("dbname", "")),))
    if wish.get("kind") == "VAR_RESET_ALL":
        return
    if why := settings.lasting(wish.get("name", "")):
        draft.refuse(f"sessions must not begin with it: {why}")


def database(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """ALTER DATABASE."""
    made(ctx, raw, draft, (Resource("database", raw.body.get("dbname", "")),))
    if any(item["DefElem"].get("defname") == "tablespace" for item in raw.body.get("options", ())):
        draft.refuse(
            "ALTER DATABASE SET TABLESPACE cannot run in a transaction; let a person run it outside the gate"
        )


def refused(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """What a row refuses altogether."""
    rule = ROWS[raw.tag]
    draft.need(rule.action, ())
    draft.refuse(f"{rule.verb} {rule.reason}")


def maintenance(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """VACUUM, ANALYZE, REINDEX, CLUSTER: run read-only, but the code in index expressions and statistics runs."""
    body = raw.body
    if raw.tag == "VacuumStmt" and not body.get("is_vacuumcmd"):
        draft.verb = "ANALYZE"
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
    draft.changes_catalog = False


def checkpoint(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """CHECKPOINT."""
    server = Resource("server", "*")
    draft.at_least(Way.IMMEDIATE, "writes out the server's buffers")
    draft.need(Action.ADMIN, (server,))
    draft.immediate.append(calls.predicted(server, ChangeKind.SETTING, "a checkpoint is not undone"))
