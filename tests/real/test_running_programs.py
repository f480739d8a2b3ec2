"""`interlock run`: a program gets the connection, waits for people, and nothing of it is shown where others look."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.conftest import until
from tests.real.reachable import Reachable, ended

from interlock.connectors.postgres.setup.environment import client_environment
from interlock.model.change import ChangeState
from interlock.sdk.connector import Reach
from interlock.testing.gateway import prepare
from interlock.testing.peers.pg import PgDatabase

SETUP = "CREATE TABLE ten (a int PRIMARY KEY); INSERT INTO ten SELECT generate_series(1, 10)"
DELETE = "DELETE FROM ten"


@pytest.fixture
def gateway(fresh_db18: PgDatabase, tmp_path: Path) -> Iterator[Reachable]:
    prepare(fresh_db18, SETUP)
    with Reachable(fresh_db18, tmp_path / "g") as made:
        yield made


def psql(gateway: Reachable, *sql: str) -> list[str]:
    return [str(gateway.database.cluster.bin("psql")), "-XAtq", *(w for text in sql for w in ("-c", text))]


def test_held_work_waits_for_people_and_is_carried_out(gateway: Reachable) -> None:
    process = gateway.begin(
        "--reason", "tidy \\ up", "--", *psql(gateway, DELETE, "SELECT count(*) FROM ten")
    )
    (held,) = until(lambda: gateway.changes(ChangeState.HELD))
    assert held.reason == "tidy \\ up"
    said = [process.stderr.readline() for _ in range(3)] if process.stderr else []
    assert f"{held.id} is held: 10 rows deleted" in said[0]
    assert f"interlock approve {held.id} --as NAME" in "".join(said)
    assert gateway.database.psql("SELECT count(*) FROM ten") == [(10,)]
    gateway.approve(held.id)
    code, out, err = ended(process)
    assert (code, out) == (0, "0\n"), err
    assert gateway.database.psql("SELECT count(*) FROM ten") == [(0,)]
    assert gateway.change(held.id).state is ChangeState.APPLIED


def test_without_waiting_it_fails_at_once_and_runs_again_after_approval(gateway: Reachable) -> None:
    words = ("--wait", "no", *psql(gateway, DELETE))
    code, _, err = ended(gateway.begin(*words))
    held = gateway.held()
    assert code == 1
    assert f"ERROR:  held: {held.id}" in err
    assert f"interlock: {held.id} is held: 10 rows deleted" in err
    assert f"interlock apply {held.id}" in err
    gateway.approve(held.id)
    code, _, err = ended(gateway.begin(*words))
    assert code == 0, err
    assert f"{held.id} is approved already" in err
    assert gateway.change(held.id).state is ChangeState.APPLIED


def test_a_machine_without_the_admin_socket_asks_with_the_agents_token(gateway: Reachable) -> None:
    address = f"127.0.0.1:{gateway.port}"
    there = ("--url", gateway.url, "--address", address, "--wait", "no")
    code, _, err = ended(gateway.begin(*there, *psql(gateway, DELETE)))
    assert code == 1
    assert f"interlock: {gateway.held().id} is held" in err
    code, _, err = ended(gateway.begin("--url", gateway.url, "true"))
    assert code == 2
    assert "--address" in err


def test_the_program_finds_its_connection_and_no_other(gateway: Reachable) -> None:
    show = "import os; [print(k, v) for k, v in sorted(os.environ.items())]"
    code, out, err = ended(
        gateway.begin(sys.executable, "-c", show, PGHOSTADDR="192.0.2.1", PGSERVICE="other", PGHOST="other")
    )
    assert code == 0, err
    found = dict(line.split(" ", 1) for line in out.splitlines() if " " in line)
    token = gateway.tokens["bot"]
    assert found["DATABASE_URL"] == f"postgresql://bot:{token}@127.0.0.1:{gateway.port}/shop"
    assert found["PGHOST"] == "127.0.0.1"
    assert found["PGPORT"] == str(gateway.port)
    assert (found["PGUSER"], found["PGPASSWORD"], found["PGDATABASE"]) == ("bot", token, "shop")
    assert found["PGOPTIONS"] == "-c interlock.wait=900s"
    assert not {"PGHOSTADDR", "PGSERVICE", "INTERLOCK_TOKEN"} & found.keys()
    assert token not in err


def test_exit_status_and_signals_are_the_programs(gateway: Reachable) -> None:
    assert ended(gateway.begin("sh", "-c", "exit 7"))[0] == 7
    assert ended(gateway.begin("sh", "-c", "kill -9 $$"))[0] == 137
    process = gateway.begin(
        "sh", "-c", "trap 'echo got it; exit 3' TERM; echo up; while :; do sleep 1 & wait $!; done"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGTERM)
    code, out, _ = ended(process)
    assert (code, out) == (3, "got it\n")


def test_what_cannot_be_run_says_why(gateway: Reachable, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(gateway.tokens["bot"] + "\n")
    code, out, err = ended(gateway.begin("--token-file", str(tmp_path / "token"), "echo", "done", token=""))
    assert (code, out) == (0, "done\n"), err
    Case = tuple[int, tuple[str, ...], str]
    untold: list[Case] = [
        (1, ("true",), "INTERLOCK_TOKEN"),
        (1, ("--token-file", str(tmp_path / "none"), "true"), "cannot read"),
    ]
    told: list[Case] = [
        (127, ("no-such-program",), "no such program"),
        (126, ("/",), "cannot be run"),
        (2, ("--wait", "soon", "true"), "length of time"),
        (2, (), "Missing argument"),
    ]
    for token, cases in (("", untold), (None, told)):
        for code, words, why in cases:
            found = ended(gateway.begin(*words, token=token))
            assert found[0] == code
            assert why in found[2]
    elsewhere = gateway.begin("--agent", "bot", "--target", "nowhere", "true", who=False)
    assert "no target nowhere" in ended(elsewhere)[2]


def test_names_and_reasons_are_escaped() -> None:
    reach = Reach("[::1]:6543", "shop", "a@b", "t/k%", 90, "it's a\ttest\\")
    made = client_environment(reach)
    assert made["DATABASE_URL"] == "postgresql://a%40b:t%2Fk%25@[::1]:6543/shop"
    assert made["PGHOST"] == "::1"
    assert made["PGOPTIONS"] == "-c interlock.wait=90s -c interlock.reason=it's\\ a\\\ttest\\\\"
    assert "t/k%" not in repr(reach)
