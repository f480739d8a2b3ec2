"""The SQL that prepares a database: the three roles of a target, with no more rights than they need.

Run it as an administrator, in the database itself, again whenever schemas or owners of tables are added. It sets no passwords:
give each role one (`\\password NAME` in psql).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from interlock.connectors.postgres import history
from interlock.connectors.postgres.queries import ident, literal
from interlock.connectors.postgres.setup.trash import trash_sql

FLAVOURS = ("plain", "rds")


@dataclass(frozen=True, slots=True)
class RoleNames:
    """The roles of a target. `maintainer` may be empty: then nothing that needs DDL can be undone. `agents` are further roles that
    agents run as, besides `upstream`: they get their rights from elsewhere, but must reach the trash's gate."""

    upstream: str
    observer: str
    maintainer: str = ""
    agents: tuple[str, ...] = field(default=(), kw_only=True)


def grants_sql(flavour: str, names: RoleNames, schemas: Sequence[str]) -> str:
    """The script; `flavour` is `plain`, or `rds` for services without a superuser. `schemas` are those that agents may work in.
    ValueError for an unknown flavour."""
    if flavour not in FLAVOURS:
        raise ValueError(f"the flavour is one of {', '.join(FLAVOURS)}")
    plain = flavour == "plain"
    roles = [names.upstream, names.observer, *filter(None, [names.maintainer])]
    lines = [
        "-- Roles for Interlock. Run as an administrator in the target database; set passwords yourself."
    ]
    lines += [_role(role) for role in roles]
    lines += _attributes(names, plain=plain)
    for schema in schemas:
        lines += _schema(names, schema)
    lines += _observer(names, plain=plain)
    if names.maintainer:
        lines += _maintainer(names)
        lines += history.schema_sql(names.maintainer)
        lines += trash_sql(names.maintainer, (names.upstream, *names.agents), plain=plain)
    return "\n".join(lines) + "\n"


def _role(role: str) -> str:
    return (
        f"DO $do$ BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {literal(role)}) THEN"
        f" CREATE ROLE {ident(role)} LOGIN; END IF; END $do$;"
    )


def _attributes(names: RoleNames, *, plain: bool) -> list[str]:
    if not plain:
        return [
            "-- Without a superuser BYPASSRLS cannot be given: changes of tables with row security will be not reversible.",
        ]
    least = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION"
    lines = [
        f"ALTER ROLE {ident(names.upstream)} {least} NOBYPASSRLS;",
        f"ALTER ROLE {ident(names.observer)} {least} BYPASSRLS;",
    ]
    if names.maintainer:
        lines.append(f"ALTER ROLE {ident(names.maintainer)} {least} BYPASSRLS;")
    return lines


def _schema(names: RoleNames, schema: str) -> list[str]:
    where = f"IN SCHEMA {ident(schema)}"
    writers = ", ".join(ident(role) for role in (names.upstream, names.maintainer) if role)
    everyone = ", ".join(ident(role) for role in (names.upstream, names.observer, names.maintainer) if role)
    lines = [
        f"GRANT USAGE ON SCHEMA {ident(schema)} TO {everyone};",
        f"GRANT SELECT ON ALL TABLES {where} TO {everyone};",
        f"GRANT INSERT, UPDATE, DELETE ON ALL TABLES {where} TO {writers};",
        f"GRANT USAGE, SELECT ON ALL SEQUENCES {where} TO {writers};",
    ]
    later = [
        f"GRANT SELECT ON TABLES TO {everyone}",
        f"GRANT INSERT, UPDATE, DELETE ON TABLES TO {writers}",
        f"GRANT USAGE, SELECT ON SEQUENCES TO {writers}",
    ]
    return [
        *lines,
        "-- Tables that their owners add later.",
        *(_by_default(schema, grant) for grant in later),
    ]


def _by_default(schema: str, grant: str) -> str:
    statement = (
        f"ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA {_formatted(ident(schema))} {_formatted(grant)}"
    )
    return (
        "DO $do$ DECLARE owner name; BEGIN FOR owner IN SELECT DISTINCT r.rolname FROM pg_catalog.pg_class c"
        " JOIN pg_catalog.pg_roles r ON r.oid = c.relowner JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        f" WHERE n.nspname = {literal(schema)} AND c.relkind IN ('r', 'p')"
        f" LOOP EXECUTE pg_catalog.format({literal(statement)}, owner); END LOOP; END $do$;"
    )


def _formatted(text: str) -> str:
    return text.replace("%", "%%")


def _observer(names: RoleNames, *, plain: bool) -> list[str]:
    observer = ident(names.observer)
    lines = [
        "-- The observer reads and nothing else. pg_read_all_data covers tables that agents add.",
        f"GRANT pg_read_all_data TO {observer};",
        f"ALTER ROLE {observer} SET default_transaction_read_only = on;",
        f"ALTER ROLE {observer} SET row_security = off;",
    ]
    if plain:
        lines += [
            "-- Lets `interlock doctor` see whether clients could pass the gateway by.",
            f"GRANT SELECT ON pg_catalog.pg_hba_file_rules TO {observer};",
            f"GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() TO {observer};",
        ]
    return lines


def _maintainer(names: RoleNames) -> list[str]:
    maintainer, upstream = ident(names.maintainer), ident(names.upstream)
    return [
        "-- The maintainer undoes what agents did, so it must own what they own. Never the other way round.",
        f"GRANT {upstream} TO {maintainer};",
        f"GRANT pg_read_all_data, pg_write_all_data TO {maintainer};",
        f"ALTER ROLE {maintainer} SET row_security = off;",
    ]
