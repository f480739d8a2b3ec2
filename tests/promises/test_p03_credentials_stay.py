"""P3 Credentials stay: none is in the store, the ledger, a log line or an error text; and neither are statements or row values,
but for what is encrypted.

One life of a server as a process, in which every secret is a text that cannot be anywhere by chance. Afterwards everything that it
left behind, and all that it said, is searched.
"""

import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.promises.planted import (
    CREDENTIALS,
    TEXTS,
    Life,
    Server,
    configuration,
    furnish,
    go_wrong,
    shapes,
    spoiled,
    work,
)
from tests.real.conftest import FILL, SETUP

from interlock.cli.main import main
from interlock.console.operations import Access
from interlock.console.routes import OPERATIONS
from interlock.testing.gateway import ROLES, prepare
from interlock.testing.peers.pg import PgCluster

STATEMENTS_SHOWN = ("GET /api/v1/changes/{id}", "GET /api/v1/changes/{id}/statement")
"""What people are shown of a change, decrypted for them."""


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    with PgCluster.start("18", fsync=False, password=CREDENTIALS["wrong"][::-1]) as cluster:
        database = cluster.create_database("shop")
        prepare(database, SETUP)
        database.psql(FILL)
        database.psql(f"UPDATE customers SET name = '{TEXTS['row']}' WHERE id IN (3, 70, 99)")
        for role, name in (
            (ROLES.upstream, "upstream"),
            (ROLES.observer, "observer"),
            (ROLES.maintainer, "maintainer"),
        ):
            database.psql(f"ALTER ROLE {role} PASSWORD '{CREDENTIALS[name]}'")
        folder = tmp_path_factory.mktemp("planted")
        folder.chmod(0o700)
        lived = Life(folder, database)
        live(lived)
        yield lived


def live(life: Life) -> None:
    (life.folder / "interlock.yaml").write_text(configuration(life))
    code, said = life.interlock("init", ".")
    assert code == 0, said
    life.tell("interlock init", said)
    server = Server(life)
    try:
        furnish(life, server)
        work(life, server)
        go_wrong(life, server)
        ask_everything(life, server)
        for words in (("doctor",), ("doctor", "--offline"), ("ledger", "export", "export"), ("changes",)):
            life.tell(f"interlock {' '.join(words[:2])}", life.interlock(*words)[1])
    finally:
        server.stop()
    life.tell("the server's log", (life.folder / "server.log").read_bytes())


def ask_everything(life: Life, server: Server) -> None:
    """Every answer of the API, to people at the admin socket and to an agent; and what the processes show of themselves."""
    change = server.admin.get("/api/v1/changes", params={"limit": 200}).json()["changes"]
    life.states = {c["state"] for c in change}
    for operation in OPERATIONS:
        if operation.method != "GET" or operation.access is Access.AGENT:
            continue
        for one in change if "{id}" in operation.path else change[:1]:
            path = operation.path.replace("{id}", one["id"]).replace("{path:path}", "0/000.p/1")
            query = {"statement": "?person=ann&verdict=approve", "proof": "?index=0", "consistency": "?old=1"}
            answer = server.admin.get(path + query.get(operation.path.rpartition("/")[2], ""))
            life.tell(f"GET {operation.path}", answer.content)
    with httpx.Client(base_url=f"http://{server.api}") as tcp:
        for token in life.tokens.values():
            for one in change:
                own = tcp.get(f"/changes/{one['id']}", headers={"authorization": f"Bearer {token}"})
                life.tell("GET /changes/{id}", own.content)
        life.tell("GET /metrics", tcp.get("/metrics").content)
        life.tell("GET /healthz", tcp.get("/healthz").content)
    life.tell("the command line of the process", Path(f"/proc/{server.process.pid}/cmdline").read_bytes())
    entries = server.admin.get("/api/v1/ledger/entries", params={"start": 0, "limit": 1000})
    life.tell("GET /api/v1/ledger/entries", entries.content)


def places(life: Life) -> dict[str, bytes]:
    return {**life.files(), **life.said}


def found(secret: str, where: dict[str, bytes]) -> list[str]:
    return [
        f"{place}, {shape}"
        for shape, text in shapes(secret).items()
        for place, data in where.items()
        if text in data
    ]


def test_the_life_was_a_full_one(life: Life) -> None:
    """Otherwise nothing is shown by what was not found."""
    assert {"applied", "denied", "reverted"} <= life.states
    assert {"interlock.db", "server.log", "export/checkpoint"} <= life.files().keys()
    log = [json.loads(line) for line in life.said["the server's log"].decode().splitlines()]
    events = {line["event"] for line in log}
    assert {"target.served", "target.unreachable", "postgres.upstream_failed", "shutdown.done"} <= events
    assert {line["target"] for line in log if line["event"] == "target.unreachable"} == {
        "wrong",
        "gone",
        "silent",
    }
    for name in ("the gateway's errors", "the server's errors", "a refused login", "interlock doctor"):
        assert life.said[name].strip(), name
    assert life.said["a login behind which the upstream's fails"].strip()
    assert len(life.said["GET /api/v1/ledger/entries"]) > 10_000


@pytest.mark.parametrize("name", CREDENTIALS)
def test_no_credential_is_anywhere(life: Life, name: str) -> None:
    assert found(CREDENTIALS[name], places(life)) == []


def test_no_token_is_anywhere(life: Life) -> None:
    for token in life.tokens.values():
        assert found(token, places(life)) == []


def test_no_private_key_is_anywhere(life: Life) -> None:
    pem = (life.folder / "ben.key").read_text()
    body = "".join(pem.splitlines()[1:-1])
    assert found(body[10:60], places(life)) == []


@pytest.mark.parametrize("name", TEXTS)
def test_no_statement_or_row_is_anywhere_in_the_clear(life: Life, name: str) -> None:
    """What the server itself answers the agent about its own statements and data is the agent's."""
    shown = {*STATEMENTS_SHOWN, "the server's errors"}
    where = {place: data for place, data in places(life).items() if place not in shown}
    assert found(TEXTS[name], where) == []


def test_people_are_shown_statements_and_no_rows(life: Life) -> None:
    shown = life.said["GET /api/v1/changes/{id}"]
    assert TEXTS["parameter"].encode() in shown
    assert TEXTS["row"].encode() in shown, "it is in a statement, too"
    assert TEXTS["copied"].encode() not in shown


def inside(folder: Path, environment: dict[str, str], *words: str) -> str:
    """A command in this process: what it printed."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", environment)
        patch.setattr(sys, "argv", ["interlock", *words])
        patch.setattr(sys, "stdout", said)
        patch.setattr(sys, "stderr", said)
        patch.chdir(folder)
        with pytest.raises(SystemExit) as end:
            main()
    assert end.value.code == 1, said.getvalue()
    return said.getvalue()


@pytest.mark.parametrize("how", list(spoiled("password:\n        env: UPSTREAM", 0)))
def test_a_configuration_with_a_secret_in_it_is_refused_without_repeating_it(life: Life, how: str) -> None:
    good = (life.folder / "interlock.yaml").read_text()
    text = spoiled(good, life.database.cluster.port)[how]
    assert text != good
    (life.folder / "spoiled.secret").write_text(text)
    said = {
        words: inside(life.folder, life.environment, *words, "-c", "spoiled.secret")
        for words in (("serve",), ("doctor", "--offline"))
    }
    for secret in CREDENTIALS.values():
        for words, printed in said.items():
            assert printed.strip()
            assert secret not in printed, words
