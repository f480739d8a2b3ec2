"""What could defeat the gate on a target: its roles, how else it can be reached, what stands in between.

Each finding names the right or setting, why it matters, and the statement that mends it.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from interlock.connectors.postgres.doctor import queries
from interlock.connectors.postgres.doctor import trash as doctor_trash
from interlock.connectors.postgres.preview.first import identity, read_identity
from interlock.connectors.postgres.queries import Ask, On, QueryFailed, Rows, Statement, Steps, array, ident
from interlock.sdk.connector import Finding

_OLDEST = 150_000
_CLOCK_S = 5.0
_SHOWN = 5

_DANGEROUS_ROLES = {
    "pg_execute_server_program": "run programs on the server",
    "pg_read_server_files": "read any file of the server",
    "pg_write_server_files": "write any file of the server",
    "pg_signal_backend": "end the sessions of others",
    "pg_create_subscription": "copy data from elsewhere past the gate",
    "rds_superuser": "do almost everything",
    "rds_replication": "read everything by replication",
    "cloudsqlsuperuser": "do almost everything",
    "azure_pg_admin": "do almost everything",
}
_DANGEROUS_SETTINGS = (
    "session_replication_role",
    "track_counts",
    "session_preload_libraries",
    "local_preload_libraries",
)
_DANGEROUS_FUNCTIONS = (
    "pg_read_file", "pg_read_binary_file", "pg_ls_dir", "lo_import", "lo_export", "pg_reload_conf", "pg_rotate_logfile",
    "pg_file_write", "pg_switch_wal", "pg_promote",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Subject:
    """What is examined, and what only its connections know.

    `agent` questions go to a connection of the upstream role (outside any transaction). `observer_role` and `maintainer_role` are
    empty when there is none. `now` is this machine's clock (seconds since 1970) at about the time of the first question;
    `key_pid` the process id of BackendKeyData; `passwordless` whether the upstream role gets in without a password from here (None
    when that was not tried); `others` are the fingerprints of the other targets, by name.
    """

    target: str
    strict: bool
    upstream_role: str
    observer_role: str = ""
    maintainer_role: str = ""
    now: float = 0.0
    key_pid: int = 0
    passwordless: bool | None = None
    others: Mapping[str, str] = field(default_factory=dict)


def checks(subject: Subject) -> Steps[list[Finding]]:
    """All findings, good ones included. An unreachable connection is a finding, not an exception."""
    basics = yield from _asked("agent", ((queries.BASICS, ()), *identity().statements))
    if isinstance(basics, QueryFailed):
        return [
            _error(
                "connection", f"the upstream role cannot ask the server ({basics.sqlstate})", "check the dsn"
            )
        ]
    findings = _server(subject, basics[0][0])
    fingerprint = read_identity(basics[1:]).fingerprint
    findings += _same_database(subject, fingerprint)
    for part in (_pooler, _upstream, _observer, _maintainer, _other_ways):
        findings += yield from part(subject, fingerprint)
    return findings + (yield from doctor_trash.check(subject.upstream_role, subject.maintainer_role))


def _error(check: str, what: str, fix: str) -> Finding:
    return Finding("error", check, what, fix)


def _warning(check: str, what: str, fix: str) -> Finding:
    return Finding("warning", check, what, fix)


def _ok(check: str, what: str) -> Finding:
    return Finding("ok", check, what)


def _unless(findings: list[Finding], check: str, what: str) -> list[Finding]:
    """The findings, or that all is well."""
    return findings or [_ok(check, what)]


def _asked(on: On, statements: Sequence[Statement]) -> Steps[list[Rows] | QueryFailed]:
    (reply,) = yield (Ask(on, tuple(statements)),)
    return reply


def _names(rows: Rows) -> list[str]:
    return [row[0] or "" for row in rows]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


# ---- the server -------------------------------------------------------------------------------------------------------


def _server(subject: Subject, basics: tuple[str | None, ...]) -> list[Finding]:
    version, encoding, recovering, counts, replication, fsync, now, _, user = basics
    found: list[Finding] = []
    if int(version or 0) < _OLDEST:
        found.append(_error("version", f"PostgreSQL {version} is older than 15", "upgrade the server"))
    if encoding == "SQL_ASCII":
        what = "the database has no encoding (SQL_ASCII): texts cannot be read safely"
        found.append(_error("encoding", what, "convert the database to UTF8"))
    if recovering == "true":
        found.append(
            _error(
                "standby", "the server is a standby and cannot be written to", "name the primary in the dsn"
            )
        )
    if counts != "on" or replication != "origin":
        what = f"track_counts is {counts} and session_replication_role is {replication} for {user}: nothing would be measured"
        fix = (
            f"ALTER ROLE {ident(subject.upstream_role)} RESET track_counts; … RESET session_replication_role;"
        )
        found.append(_error("settings", what, fix))
    if fsync != "on":
        what = "fsync is off: a crash loses changes that the ledger says were committed"
        found.append(_warning("durability", what, "set fsync = on"))
    offset = abs(float(now or 0) - subject.now) if subject.now else 0.0
    if offset > _CLOCK_S:
        what = f"the clocks of the server and this machine are {offset:.0f} s apart"
        found.append(_warning("clock", what, "synchronise both (NTP)"))
    return _unless(found, "server", "version, encoding, settings and clock are as they should be")


def _same_database(subject: Subject, fingerprint: str) -> list[Finding]:
    twins = sorted(
        name for name, other in subject.others.items() if other == fingerprint and name != subject.target
    )
    if not twins:
        return []
    what = f"it is the same database as target {_listed(twins)}: the stricter rules of the two apply to both"
    return [_warning("twins", what, "remove one of the targets, or give both the same environment")]


def _pooler(subject: Subject, fingerprint: str) -> Steps[list[Finding]]:
    """Session state set in one round must be there in the next, on the same server process; a process id that is not the one
    BackendKeyData told betrays a pooler even when it has only one client."""
    first = yield from _asked("agent", ((queries.PROBE, (fingerprint,)),))
    second = yield from _asked("agent", ((queries.PROBED, ()),))
    fix = "name the server itself in the dsn, or use session pooling"
    if isinstance(first, QueryFailed) or isinstance(second, QueryFailed):
        return [
            _error(
                "pooler",
                "session settings cannot be set: something between here and the server forbids it",
                fix,
            )
        ]
    if first[0][0] != second[0][0]:
        return [
            _error("pooler", "a pooler gives each transaction to another server process: sessions break", fix)
        ]
    if subject.key_pid and str(subject.key_pid) != first[0][0][1]:
        return [
            _error(
                "pooler", "a pooler stands between here and the server: sessions may break at any time", fix
            )
        ]
    return [_ok("pooler", "the connection goes to the server itself")]


# ---- the upstream role ------------------------------------------------------------------------------------------------


def _upstream(subject: Subject, fingerprint: str) -> Steps[list[Finding]]:
    reply = yield from _asked(
        "agent",
        (
            (queries.ROLE, ()),
            (queries.MEMBERSHIPS, ()),
            (queries.SETTINGS_RIGHTS, (array(_DANGEROUS_SETTINGS),)),
            (queries.FUNCTION_RIGHTS, (array(_DANGEROUS_FUNCTIONS),)),
            (queries.DEFINERS, ()),
            (queries.GUARDED_SCHEMAS, ()),
        ),
    )
    if isinstance(reply, QueryFailed):
        return [
            _error(
                "upstream role", f"its rights cannot be read ({reply.sqlstate})", "let it read the catalogs"
            )
        ]
    role, members, settings, functions, definers, guarded = reply
    found = _attributes(subject, role[0])
    if role[0][0] == "true":
        return found  # a superuser has every other right as well
    found += _memberships(subject, members)
    who = ident(subject.upstream_role)
    for name in _names(settings):
        what = f"the upstream role may set {name}, with which a change can hide from being measured"
        found.append(_error("upstream role", what, f"REVOKE SET ON PARAMETER {name} FROM {who};"))
    if functions:
        what = f"the upstream role may call {_listed(_names(functions))}, which act outside the database"
        found.append(_error("upstream role", what, f"REVOKE EXECUTE ON FUNCTION … FROM {who};"))
    for name in _names(guarded):
        what = f"the upstream role has rights in schema {name}, where Interlock keeps what was dropped"
        found.append(
            _error(
                "upstream role", what, f"REVOKE ALL ON SCHEMA {ident(name)} FROM {who}; and change its owner"
            )
        )
    if definers:
        what = f"the upstream role may call SECURITY DEFINER functions of a superuser: {_listed(_names(definers))}"
        found.append(
            _warning("upstream role", what, "give them another owner, or REVOKE EXECUTE … FROM PUBLIC")
        )
    return _unless(found, "upstream role", f"{subject.upstream_role} has no rights that pass the gate by")


def _attributes(subject: Subject, role: tuple[str | None, ...]) -> list[Finding]:
    superuser, replication, bypass, create_role, create_db, owns_database = (
        value == "true" for value in role
    )
    who = ident(subject.upstream_role)
    found: list[Finding] = []
    if superuser:
        what = "the upstream role is a superuser: no measure holds against it"
        found.append(_error("upstream role", what, f"ALTER ROLE {who} NOSUPERUSER;"))
    if replication:
        what = "the upstream role may replicate: it can read everything past the gate"
        found.append(_error("upstream role", what, f"ALTER ROLE {who} NOREPLICATION;"))
    if bypass:
        what = "the upstream role bypasses row security"
        found.append(_error("upstream role", what, f"ALTER ROLE {who} NOBYPASSRLS;"))
    if create_role:
        what = "the upstream role may create roles, and so give itself a way past the gate"
        found.append(_error("upstream role", what, f"ALTER ROLE {who} NOCREATEROLE;"))
    if create_db:
        what = "the upstream role may create databases, which Interlock does not watch"
        found.append(_warning("upstream role", what, f"ALTER ROLE {who} NOCREATEDB;"))
    if owns_database and not superuser:
        what = "the upstream role owns the database: it may change settings of every session"
        found.append(_warning("upstream role", what, "ALTER DATABASE … OWNER TO somebody else;"))
    return found


def _memberships(subject: Subject, members: Rows) -> list[Finding]:
    found: list[Finding] = []
    who = ident(subject.upstream_role)
    for name, superuser in ((row[0] or "", row[1] == "true") for row in members):
        may = _DANGEROUS_ROLES.get(name)
        if superuser:
            may = "do everything"
        elif name in (subject.observer_role, subject.maintainer_role) and name:
            may = "act as Interlock itself"
        if may is not None:
            what = f"the upstream role is a member of {name}, and so may {may}"
            found.append(_error("upstream role", what, f"REVOKE {ident(name)} FROM {who};"))
    return found


# ---- observer and maintainer ------------------------------------------------------------------------------------------


def _observer(subject: Subject, fingerprint: str) -> Steps[list[Finding]]:
    who = subject.observer_role
    if not who:
        what = "there is no observer: nothing can be undone, so every change waits for people"
        return [_warning("observer", what, "configure `observer` and run `interlock postgres grants-sql`")]
    if who == subject.upstream_role:
        what = "the observer is the role that agents run as"
        return [_error("observer", what, "give the observer a role of its own")]
    statements = (
        (queries.ROLE, ()),
        (queries.UNREAD_TABLES, ()),
        (queries.ROW_SECURITY, ()),
        *identity().statements,
    )
    reply = yield from _asked("observer", statements)
    if isinstance(reply, QueryFailed):
        return [
            _error("observer", f"it cannot ask the server ({reply.sqlstate})", "check its dsn and password")
        ]
    role, unread, secured, *rest = reply
    found: list[Finding] = []
    if read_identity(rest).fingerprint != fingerprint:
        found.append(_error("observer", "it is connected to another database", "correct its dsn"))
    if role[0][0] == "true":
        found.append(_warning("observer", "it is a superuser", f"ALTER ROLE {ident(who)} NOSUPERUSER;"))
    if unread:
        what = f"it cannot read {_listed(_names(unread))}: changes there are not reversible"
        found.append(_warning("observer", what, f"GRANT pg_read_all_data TO {ident(who)};"))
    if secured and role[0][2] != "true" and role[0][0] != "true":
        what = (
            f"row security hides rows of {_listed(_names(secured))} from it: changes there are not reversible"
        )
        found.append(_warning("observer", what, f"ALTER ROLE {ident(who)} BYPASSRLS;"))
    return _unless(found, "observer", f"{who} sees every table")


def _maintainer(subject: Subject, fingerprint: str) -> Steps[list[Finding]]:
    who = subject.maintainer_role
    if not who:
        what = "there is no maintainer: reverts run with the rights of the upstream role"
        return [
            _warning("maintainer", what, "configure `maintainer` and run `interlock postgres grants-sql`")
        ]
    if who == subject.upstream_role:
        what = "the maintainer is the role that agents run as"
        return [_error("maintainer", what, "give the maintainer a role of its own")]
    statements = (
        (queries.ROLE, ()),
        (queries.UNREAD_TABLES, ()),
        (queries.MEMBERSHIP_OF, (subject.upstream_role,)),
        (queries.OWNERS, ()),
        *identity().statements,
    )
    reply = yield from _asked("maintainer", statements)
    if isinstance(reply, QueryFailed):
        return [
            _error("maintainer", f"it cannot ask the server ({reply.sqlstate})", "check its dsn and password")
        ]
    role, unread, member, owners, *rest = reply
    found: list[Finding] = []
    if read_identity(rest).fingerprint != fingerprint:
        found.append(_error("maintainer", "it is connected to another database", "correct its dsn"))
    if role[0][0] == "true":
        found.append(_warning("maintainer", "it is a superuser", f"ALTER ROLE {ident(who)} NOSUPERUSER;"))
    if unread:
        what = f"it cannot read {_listed(_names(unread))}, so it cannot undo changes there"
        found.append(
            _warning("maintainer", what, f"GRANT pg_read_all_data, pg_write_all_data TO {ident(who)};")
        )
    if not member:
        what = "it is no member of the upstream role, so it cannot drop what agents created"
        fix = f"GRANT {ident(subject.upstream_role)} TO {ident(who)};"
        found.append(_warning("maintainer", what, fix))
    text = f"{who} can undo what agents do"
    if owners:
        text += f" (but not the DDL of tables owned by {_listed(_names(owners))})"
    return _unless(found, "maintainer", text)


# ---- other ways to the target -----------------------------------------------------------------------------------------


def _other_ways(subject: Subject, fingerprint: str) -> Steps[list[Finding]]:
    """Whether somebody could log in as the upstream role without the password that only Interlock has."""
    check = "direct access"
    reply = yield from _asked("observer" if subject.observer_role else "agent", ((queries.HBA, ()),))
    if subject.passwordless:
        what = f"{subject.upstream_role} gets in without a password: agents can pass the gate by"
        return [_error(check, what, "replace `trust` in pg_hba.conf by scram-sha-256")]
    if isinstance(reply, QueryFailed):
        if subject.passwordless is False:
            return [_ok(check, "the upstream role does not get in without a password (from here)")]
        what = "whether pg_hba.conf trusts anyone could not be found out"
        fix = "GRANT SELECT ON pg_hba_file_rules and EXECUTE ON FUNCTION pg_hba_file_rules() to the observer"
        return [_warning(check, what, fix)]
    database = fingerprint.split("/", 1)[1]
    found = [finding for rule in reply[0] if (finding := _rule(subject, database, rule)) is not None]
    return _unless(found, check, "pg_hba.conf lets nobody in as the upstream role without a password")


def _rule(subject: Subject, database: str, rule: tuple[str | None, ...]) -> Finding | None:
    kind, databases, users, address, netmask, method, line = rule
    if method != "trust" or not _names_it(users, subject.upstream_role, "all"):
        return None
    if not _names_it(databases, database, "all"):
        return None
    what = f"line {line} of pg_hba.conf trusts {kind} connections as {subject.upstream_role}"
    fix = "replace `trust` by scram-sha-256 and reload"
    if kind == "local" or _loopback(address, netmask):
        return _warning("direct access", what + " from the server's own machine", fix)
    return _error("direct access", what + f" from {address}: agents can pass the gate by", fix)


def _names_it(listed: str | None, name: str, everything: str) -> bool:
    """Groups (`+role`), patterns (`/…`) and `sameuser` count as naming it: better one warning too many."""
    names = (listed or "").split(",")
    return everything in names or name in names or any(n.startswith(("+", "/", "same")) for n in names)


def _loopback(address: str | None, netmask: str | None) -> bool:
    try:
        network = ipaddress.ip_network(f"{address}/{netmask}" if netmask else str(address))
    except ValueError:
        return False
    return network.is_loopback
