"""What becomes of wishes about settings."""

import pytest

from interlock.connectors.postgres import settings
from interlock.connectors.postgres.catalog import Catalog
from interlock.connectors.postgres.classify import Control, Setting, StatementInfo, classify

NOTHING = Catalog.empty()
PASS, VIRTUAL, REFUSE = settings.Verdict.PASS, settings.Verdict.VIRTUAL, settings.Verdict.REFUSE


def one(sql: str) -> StatementInfo:
    (info,) = classify(sql, NOTHING)
    return info


WISHES = {
    'SET search_path TO a, "B"': Setting("set", "search_path", "a, B"),
    "SET LOCAL work_mem = 64": Setting("set", "work_mem", "64", True),
    "SET TIMEZONE TO DEFAULT": Setting("set", "timezone", None),
    "SET TIME ZONE 'Europe/Berlin'": Setting("set", "timezone", "Europe/Berlin"),
    "SET SCHEMA 'archive'": Setting("set", "search_path", "archive"),
    "SET enable_seqscan = off": Setting("set", "enable_seqscan", "off"),
    "SET seed = 0.5": Setting("set", "seed", "0.5"),
    "SET DateStyle = 'ISO, MDY'": Setting("set", "datestyle", "ISO, MDY"),
    "SET Interlock.Reason = 'a b'": Setting("set", "interlock.reason", "a b", verdict="virtual"),
    "SET interlock.wait = '90s'": Setting("set", "interlock.wait", "90s", verdict="virtual"),
    "SET transaction_read_only = on": Setting("set", "transaction_read_only", "on", verdict="virtual"),
    "SET synchronous_commit = off": Setting("set", "synchronous_commit", "off", verdict="virtual"),
    "SET client_encoding = 'utf-8'": Setting("set", "client_encoding", "utf-8", verdict="virtual"),
    "SET session_replication_role = replica": Setting(
        "set", "session_replication_role", "replica", verdict="refuse"
    ),
    "RESET search_path": Setting("reset", "search_path"),
    "RESET transaction_read_only": Setting("reset", "transaction_read_only", verdict="virtual"),
    "RESET ALL": Setting("reset", "all"),
    "RESET SESSION AUTHORIZATION": Setting("reset", "session_authorization"),
    "SHOW search_path": Setting("show", "search_path"),
    "SHOW DEFAULT_TRANSACTION_READ_ONLY": Setting("show", "default_transaction_read_only", verdict="virtual"),
    "SHOW ALL": Setting("show", "all"),
    "DISCARD ALL": Setting("discard", "all"),
    "DISCARD TEMP": Setting("discard", "temp"),
    "DISCARD PLANS": Setting("discard", "plans"),
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE": Setting(
        "characteristics", "default_transaction_isolation", "serializable"
    ),
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE": Setting(
        "characteristics", "default_transaction_read_only", "off", verdict="virtual"
    ),
}


@pytest.mark.parametrize("sql", WISHES)
def test_wishes(sql: str) -> None:
    assert one(sql).setting == WISHES[sql]


CONTROLS = {
    "BEGIN": Control("begin"),
    "START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY, DEFERRABLE": Control(
        "begin", isolation="repeatable read", read_only=True, deferrable=True
    ),
    "BEGIN READ WRITE NOT DEFERRABLE": Control("begin", read_only=False, deferrable=False),
    "COMMIT": Control("commit"),
    "COMMIT AND CHAIN": Control("commit", chain=True),
    "END AND NO CHAIN": Control("commit"),
    "ROLLBACK AND CHAIN": Control("rollback", chain=True),
    "ABORT": Control("rollback"),
    'SAVEPOINT "A b"': Control("savepoint", name="A b"),
    "RELEASE a": Control("release", name="a"),
    "ROLLBACK TO a": Control("rollback_to", name="a"),
    "PREPARE TRANSACTION 'x'": Control("prepare", gid="x"),
    "COMMIT PREPARED 'x'": Control("commit_prepared", gid="x"),
    "ROLLBACK PREPARED 'x'": Control("rollback_prepared", gid="x"),
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE": Control("set_transaction", isolation="serializable"),
    "SET LOCAL TRANSACTION READ ONLY": Control("set_transaction", read_only=True),
    "SET TRANSACTION SNAPSHOT '0-1'": Control("set_transaction", snapshot="0-1"),
}


@pytest.mark.parametrize("sql", CONTROLS)
def test_transaction_control(sql: str) -> None:
    assert one(sql).control == CONTROLS[sql]


def test_several_characteristics_at_once_are_refused() -> None:
    info = one("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY, ISOLATION LEVEL SERIALIZABLE")
    assert info.way.value == "refused"


@pytest.mark.parametrize("value", ["off", "false", "0", "no", "OFF", ""])
def test_parsing_settings_stay_as_they_are(value: str) -> None:
    assert settings.judge("Standard_Conforming_Strings", value).verdict is REFUSE


@pytest.mark.parametrize(
    "name", ["", "no_such", "interlock.x", "PLPERL.on_init", "plv8.start_proc", "pgaudit.log"]
)
def test_unknown_and_dangerous_names_are_refused(name: str) -> None:
    assert settings.judge(name, "x").verdict is REFUSE
    assert settings.judge_unknown(name).verdict is REFUSE


def test_values_not_known_beforehand() -> None:
    assert settings.judge_unknown("search_path").verdict is PASS
    assert settings.judge_unknown("myapp.user").verdict is PASS
    for name in ("standard_conforming_strings", "transaction_read_only", "role", "track_counts"):
        assert settings.judge_unknown(name).verdict is REFUSE


def test_settings_that_must_not_last() -> None:
    assert settings.lasting("search_path") == ""
    assert settings.lasting("myapp.user") == ""
    for name in (
        "track_counts",
        "default_transaction_read_only",
        "client_encoding",
        "role",
        "session_replication_role",
    ):
        assert settings.lasting(name)


def test_tables_do_not_contradict_each_other() -> None:
    groups = [settings.VIRTUAL, frozenset(settings.FORCED), frozenset(settings.REFUSED), settings.PASSED]
    assert sum(len(group) for group in groups) == len(frozenset().union(*groups))
    assert VIRTUAL.value == "virtual"
    assert all(settings.judge(name, None).verdict is not REFUSE for name in settings.MEANING)
