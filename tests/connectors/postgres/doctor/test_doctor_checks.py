"""What `doctor` finds on real servers, and that what `grants-sql` sets up is clean."""

import dataclasses
import time
from collections.abc import Callable, Iterator

import pytest
from tests.connectors.postgres.rig import Connection, Rig, rig

from interlock.connectors.postgres.doctor.checks import Subject, checks
from interlock.connectors.postgres.setup.roles import RoleNames, grants_sql
from interlock.sdk.connector import Finding
from interlock.testing.peers.pg import PgCluster, PgDatabase

SETUP = """
CREATE TABLE t (id int PRIMARY KEY);
CREATE TABLE "odd name" (id int);
CREATE SEQUENCE s;
"""


@pytest.fixture
def shop(fresh_db: PgDatabase) -> Iterator[Rig]:
    with rig(fresh_db, SETUP) as made:
        yield made


def subject(made: Rig) -> Subject:
    name = made.database.name
    return Subject("shop", True, f"{name}_agent", f"{name}_observer", f"{name}_maintainer", now=time.time())


def findings(made: Rig, about: Subject | None = None) -> list[Finding]:
    return made.drive(checks(about or subject(made)))


def problems(made: Rig, about: Subject | None = None) -> list[str]:
    # The test clusters trust their own machine, and run without fsync.
    found = [
        f for f in findings(made, about) if f.level != "ok" and f.check not in ("direct access", "durability")
    ]
    return [f"{f.level}: {f.what}" for f in found]


def test_what_grants_sql_sets_up_is_clean(shop: Rig) -> None:
    assert problems(shop) == []
    assert {f.check for f in findings(shop) if f.level == "ok"} >= {
        "pooler",
        "upstream role",
        "observer",
        "maintainer",
    }


def test_trust_in_pg_hba_is_found(shop: Rig) -> None:
    found = [f for f in findings(shop) if f.check == "direct access"]
    assert {f.level for f in found} == {"warning"}
    assert all("trusts" in f.what for f in found)


CASES: list[tuple[str, str]] = [
    ("ALTER ROLE {agent} SUPERUSER", "is a superuser"),
    ("ALTER ROLE {agent} REPLICATION", "may replicate"),
    ("ALTER ROLE {agent} BYPASSRLS", "bypasses row security"),
    ("ALTER ROLE {agent} CREATEROLE", "may create roles"),
    ("ALTER ROLE {agent} CREATEDB", "may create databases"),
    ("GRANT pg_execute_server_program TO {agent}", "run programs"),
    ("GRANT pg_read_server_files TO {agent}", "read any file"),
    ("GRANT pg_write_server_files TO {agent}", "write any file"),
    ("GRANT pg_signal_backend TO {agent}", "end the sessions"),
    ("GRANT {observer} TO {agent}", "act as Interlock itself"),
    ("GRANT SET ON PARAMETER session_replication_role TO {agent}", "may set session_replication_role"),
    ("GRANT EXECUTE ON FUNCTION pg_read_file(text) TO {agent}", "may call pg_read_file"),
    ("CREATE FUNCTION root() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'", "SECURITY DEFINER functions"),
    ("CREATE SCHEMA interlock_trash_1; GRANT USAGE ON SCHEMA interlock_trash_1 TO {agent}", "rights in schema interlock_trash_1"),
    ("ALTER DATABASE {db} OWNER TO {agent}", "owns the database"),
    ("REVOKE pg_read_all_data FROM {observer}; REVOKE SELECT ON t FROM {observer}", "it cannot read public.t"),
    ("ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER ROLE {observer} NOBYPASSRLS", "row security hides rows of public.t"),
    ("ALTER ROLE {observer} SUPERUSER", "it is a superuser"),
    ("REVOKE {agent} FROM {maintainer}", "no member of the upstream role"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "told"), CASES)
def test_each_dangerous_right_is_found(shop: Rig, sql: str, told: str) -> None:
    name = shop.database.name
    roles = {part: f"{name}_{part}" for part in ("agent", "observer", "maintainer")}
    try:
        shop.database.psql(sql.format(db=name, **roles))
        found = problems(shop)
        assert any(told in what for what in found), found
        assert all(f.fix for f in findings(shop) if f.level != "ok")
    finally:
        shop.database.psql(
            "REVOKE ALL ON FUNCTION pg_read_file(text) FROM {agent};"
            "REVOKE ALL ON PARAMETER session_replication_role FROM {agent};"
            "ALTER DATABASE {db} OWNER TO postgres".format(db=name, **roles)
        )


CHANGED: list[tuple[Callable[[Subject], Subject], str]] = [
    (lambda s: dataclasses.replace(s, observer_role=""), "there is no observer"),
    (lambda s: dataclasses.replace(s, maintainer_role=""), "there is no maintainer"),
    (
        lambda s: dataclasses.replace(s, observer_role=s.upstream_role),
        "the observer is the role that agents run as",
    ),
    (lambda s: dataclasses.replace(s, now=s.now - 600), "600 s apart"),
    (lambda s: dataclasses.replace(s, key_pid=1), "a pooler stands between"),
    (lambda s: dataclasses.replace(s, passwordless=True), "gets in without a password"),
]


@pytest.mark.parametrize(("change", "told"), CHANGED, ids=[told for _, told in CHANGED])
def test_what_the_connections_know_is_judged(
    shop: Rig, change: Callable[[Subject], Subject], told: str
) -> None:
    assert any(told in f.what for f in findings(shop, change(subject(shop))))


def test_two_targets_on_one_database(shop: Rig) -> None:
    about = dataclasses.replace(
        subject(shop), others={"copy": shop.identity.fingerprint, "shop": "x", "far": "1/x"}
    )
    assert any("same database as target copy" in what for what in problems(shop, about))


def test_measuring_that_is_switched_off_for_the_role(shop: Rig) -> None:
    shop.database.psql(f"ALTER ROLE {shop.agent_role} SET track_counts = off")
    shop.agent.close()
    shop.agent = Connection(shop.database, shop.agent_role)
    assert any("nothing would be measured" in what for what in problems(shop))


def test_a_pooler_between_transactions_is_found(shop: Rig) -> None:
    """Two sessions that take turns, as behind a pooler in transaction mode."""
    other = Connection(shop.database, shop.agent_role)
    turns = [shop.agent, other]

    class Taking:
        def ask(self, statements: object) -> object:
            turns.reverse()
            return turns[0].ask(statements)  # type: ignore[arg-type]

    found = shop.drive(checks(subject(shop)), agent=Taking())  # type: ignore[arg-type]
    assert any("a pooler gives each transaction" in f.what for f in found)
    other.close()


def test_observer_on_another_database(shop: Rig, pg: PgCluster) -> None:
    shop.observer.close()
    elsewhere = PgDatabase(pg, "postgres")
    shop.observer = Connection(elsewhere, f"{shop.database.name}_observer")
    assert any("connected to another database" in what for what in problems(shop))


@pytest.mark.parametrize("flavour", ["plain", "rds"])
def test_grants_run_twice_and_odd_names_are_quoted(fresh_db: PgDatabase, flavour: str) -> None:
    fresh_db.psql('CREATE SCHEMA "we""ird %s"; CREATE TABLE "we""ird %s".t (id int)')
    roles = [f'{fresh_db.name} {part}\'s "%"' for part in "abc"]
    script = grants_sql(flavour, RoleNames(*roles), ("public", 'we"ird %s'))
    try:
        fresh_db.psql(script)
        fresh_db.psql(script)
        fresh_db.psql('CREATE TABLE "we""ird %s".later (id int)')
        with fresh_db.connect(roles[1]) as observer:
            observer.execute('SELECT FROM "we""ird %s".later')
        with fresh_db.connect(roles[0]) as upstream:
            upstream.execute('INSERT INTO "we""ird %s".later VALUES (1)')
    finally:
        for role in reversed(roles):
            quoted = '"' + role.replace('"', '""') + '"'
            fresh_db.psql(f"DROP OWNED BY {quoted} CASCADE; DROP ROLE {quoted}")


def test_flavour_is_one_of_two() -> None:
    with pytest.raises(ValueError, match="plain, rds"):
        grants_sql("oracle", RoleNames("a", "b"), ())
