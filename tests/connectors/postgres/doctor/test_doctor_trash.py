"""What `doctor` finds of the trash on real servers."""

import time
from collections.abc import Iterator

import pytest
from tests.connectors.postgres.rig import Rig, rig

from interlock.connectors.postgres.doctor.checks import Subject, checks
from interlock.sdk.connector import Finding
from interlock.testing.peers.pg import PgDatabase


@pytest.fixture
def shop(fresh_db18: PgDatabase) -> Iterator[Rig]:
    with rig(fresh_db18, "CREATE TABLE t (id int PRIMARY KEY)") as made:
        yield made


def found(made: Rig, maintainer: str = "") -> list[Finding]:
    name = made.database.name
    roles = (f"{name}_agent", f"{name}_observer", maintainer or f"{name}_maintainer")
    return [
        f for f in made.drive(checks(Subject("shop", True, *roles, now=time.time()))) if f.check == "trash"
    ]


def test_what_grants_sql_sets_up_is_out_of_reach(shop: Rig) -> None:
    assert [f.level for f in found(shop)] == ["ok"]


@pytest.mark.parametrize(
    ("sql", "level", "what"),
    [
        ("GRANT SELECT ON interlock_trash.key TO {agent}", "error", "may reach what is kept"),
        ("REVOKE {agent} FROM {maintainer}; GRANT {maintainer} TO {agent}", "error", "is a member of"),
        ("ALTER FUNCTION interlock_gate.keep OWNER TO postgres", "error", "not the maintainer's"),
        ("ALTER FUNCTION interlock_gate.keep SECURITY INVOKER", "error", "not the maintainer's"),
        ("GRANT EXECUTE ON FUNCTION interlock_gate.keep TO PUBLIC", "warning", "everybody may call"),
        ("REVOKE EXECUTE ON FUNCTION interlock_gate.keep FROM {agent}", "warning", "may not call the gate"),
        ("REVOKE USAGE ON SCHEMA interlock_gate FROM {agent}", "warning", "may not call the gate"),
        ("DELETE FROM interlock_trash.key", "warning", "not set up"),
        ("DROP SCHEMA interlock_gate CASCADE", "warning", "not set up"),
        ("DROP SCHEMA interlock_trash CASCADE", "warning", "not set up"),
    ],
)
def test_what_is_wrong_with_it_is_said(shop: Rig, sql: str, level: str, what: str) -> None:
    name = shop.database.name
    roles = {part: f'"{name}_{part}"' for part in ("agent", "maintainer")}
    shop.database.psql(sql.format(**roles))
    assert any(f.level == level and what in f.what and f.fix for f in found(shop)), found(shop)


def test_without_a_maintainer_there_is_none(shop: Rig) -> None:
    assert found(shop, maintainer=f"{shop.database.name}_agent") == []
