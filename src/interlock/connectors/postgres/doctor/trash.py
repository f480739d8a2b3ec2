"""What `doctor` wants to know of the trash: whether it is there, whose it is, and who may reach it."""

from interlock.connectors.postgres import trash
from interlock.connectors.postgres.queries import Ask, QueryFailed, Steps, ident
from interlock.sdk.connector import Finding

CHECK = "trash"

# Of the roles that agents run as, asked by themselves: what they may do in the trash beyond calling the gate.
_REACH = f"""
SELECT c.relname::pg_catalog.text
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
 WHERE n.nspname OPERATOR(pg_catalog.=) '{trash.SCHEMA}' AND c.relkind OPERATOR(pg_catalog.=) 'r'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname OPERATOR(pg_catalog.=) session_user AND r.rolsuper)
   AND (pg_catalog.pg_has_role(session_user, c.relowner, 'MEMBER')
        OR pg_catalog.has_table_privilege(session_user, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE'))
 ORDER BY 1 LIMIT 20
"""

_GATE = f"""
SELECT p.oid::pg_catalog.text, pg_catalog.pg_get_userbyid(p.proowner)::pg_catalog.text, p.prosecdef::pg_catalog.text,
       pg_catalog.has_function_privilege(session_user, p.oid, 'EXECUTE')::pg_catalog.text,
       (p.proacl IS NULL OR EXISTS (SELECT FROM pg_catalog.aclexplode(p.proacl) AS a
                                     WHERE a.grantee OPERATOR(pg_catalog.=) 0::pg_catalog.oid))::pg_catalog.text,
       pg_catalog.has_schema_privilege(session_user, n.oid, 'USAGE')::pg_catalog.text,
       (pg_catalog.pg_has_role(session_user, p.proowner, 'MEMBER')
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r
                         WHERE r.rolname OPERATOR(pg_catalog.=) session_user AND r.rolsuper))::pg_catalog.text
  FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
 WHERE n.nspname OPERATOR(pg_catalog.=) '{trash.GATE}' AND p.proname OPERATOR(pg_catalog.=) 'keep'
"""
_AGAIN = "run what `interlock postgres grants-sql` prints"


def check(upstream: str, maintainer: str) -> Steps[list[Finding]]:
    """Findings about the trash of a target with a maintainer. What an agent could reach defeats the promise of undo: an error."""
    if not maintainer or maintainer == upstream:
        return []  # said elsewhere
    (reply,) = yield (Ask("agent", ((_REACH, ()), (_GATE, ()))),)
    if isinstance(reply, QueryFailed):
        return [
            Finding("error", CHECK, f"whether agents reach it cannot be found out ({reply.sqlstate})", _AGAIN)
        ]
    reached, gate = reply
    found: list[Finding] = []
    who = ident(upstream)
    if reached:
        names = ", ".join(row[0] or "" for row in reached[:5])
        what = f"the upstream role may reach what is kept there ({names})"
        found.append(
            Finding("error", CHECK, what, f"REVOKE ALL ON ALL TABLES IN SCHEMA {trash.SCHEMA} FROM {who};")
        )
    (key,) = yield (Ask("maintainer", (trash.KEY,)),)
    if not gate or isinstance(key, QueryFailed) or not key[0]:
        what = "it is not set up: large tables that are dropped, emptied or altered are not reversible"
        return [*found, Finding("warning", CHECK, what, _AGAIN)]
    _, owner, definer, may_call, anyone, may_enter, is_owner = gate[0]
    if is_owner == "true":
        what = f"the upstream role is a member of {owner}, which owns the gate, and could replace it"
        found.append(Finding("error", CHECK, what, f"REVOKE {ident(owner or '')} FROM {who};"))
    if owner != maintainer or definer != "true":
        what = f"the gate is not the maintainer's: it belongs to {owner}"
        found.append(Finding("error", CHECK, what, _AGAIN))
    if anyone == "true":
        what = "everybody may call the gate"
        fix = f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {trash.GATE} FROM PUBLIC;"
        found.append(Finding("warning", CHECK, what, fix))
    if may_call != "true" or may_enter != "true":
        what = "the upstream role may not call the gate: large tables that are dropped, emptied or altered are not reversible"
        found.append(Finding("warning", CHECK, what, _AGAIN))
    if found:
        return found
    return [Finding("ok", CHECK, "what changes take away is kept out of the reach of agents")]
