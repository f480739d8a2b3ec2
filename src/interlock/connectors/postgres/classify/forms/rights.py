"""Rights, roles, and what sessions of roles and databases begin with."""

from interlock.connectors.postgres import settings
from interlock.connectors.postgres.classify import objects
from interlock.connectors.postgres.classify.context import OWN_ROLE, Context, own_role
from interlock.connectors.postgres.classify.draft import Draft
from interlock.connectors.postgres.classify.forms.definitions import RESETS, made
from interlock.connectors.postgres.parse import RawStatement
from interlock.connectors.postgres.parse.walk import strings
from interlock.model.operation import Action, Resource


def grant(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """GRANT and REVOKE on objects, and default privileges."""
    body = raw.body.get("action", raw.body) if raw.tag == "AlterDefaultPrivilegesStmt" else raw.body
    if raw.tag == "GrantStmt" and not body.get("is_grant"):
        draft.verb = "REVOKE"
    rule = objects.rule_for(body.get("objtype", ""))
    found = _schemas(raw)
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


def _schemas(raw: RawStatement) -> list[Resource]:
    """The schemas of ALTER DEFAULT PRIVILEGES … IN SCHEMA."""
    options = [item.get("DefElem", {}) for item in raw.body.get("options", ())]
    lists = [
        option.get("arg", {}).get("List", {}) for option in options if option.get("defname") == "schemas"
    ]
    names = [name for found in lists for name in strings(found.get("items"))]
    return [Resource("schema", name, name) for name in names]


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
    if raw.tag in ("AlterRoleStmt", "DropRoleStmt") and any(own_role(ctx, n) for n in names):
        draft.refuse(OWN_ROLE)
    if raw.tag == "DropOwnedStmt":
        draft.need(Action.DELETE, tuple(Resource("role", name) for name in names))


def role_setting(ctx: Context, raw: RawStatement, draft: Draft) -> None:
    """ALTER ROLE … SET, ALTER DATABASE … SET: what sessions begin with."""
    wish = raw.body.get("setstmt", {})
    if raw.tag == "AlterRoleSetStmt":
        name = objects.role(raw.body["role"]) if "role" in raw.body else "*"
        made(ctx, raw, draft, (Resource("role", name),))
        if name == "*" or own_role(ctx, name):
            draft.refuse(OWN_ROLE)
    else:
        made(ctx, raw, draft, (Resource("database", raw.body.get("dbname", "")),))
    if wish.get("kind") in RESETS:
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
