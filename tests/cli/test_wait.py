"""`interlock wait`, as scripts use it: its exit status, both ways to the server, and a server that goes away meanwhile."""

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import CONFIG, Place, _clean, free_port

from interlock.cli.commands.work import waiting
from interlock.model.change import ChangeState

_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def token(running: Place) -> str:
    return str(running.ok("agents", "rotate", "fixer", "--json").json["token"])


@pytest.fixture
def place(furnished: Place, token: str) -> Iterator[Place]:
    """The running server, with the agent's token where scripts have it."""
    furnished.env = {"INTERLOCK_TOKEN": token}
    yield furnished
    furnished.env = {}


def held(place: Place, row: str = "row/01") -> str:
    # Another content each time: one that was denied is answered with the denial.
    change = place.send(["delete_like", row], ["put", "row/0299", f"held {next(_NUMBERS)}"])
    assert place.ok("show", change, "--json").json["change"]["state"] == "held"
    return change


def approve(place: Place, change: str) -> None:
    for name in ("ann", "bob"):
        place.ok("approve", change, "--yes", *place.signing(name))


def begun(place: Place, *words: str, **env: str) -> "subprocess.Popen[str]":
    """The command as a process of its own, which waits."""
    return subprocess.Popen(
        [sys.executable, "-m", "interlock", "wait", *words],
        cwd=place.folder,
        env={**_clean(), **place.env, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def ways(place: Place, change: str) -> list[list[str]]:
    """By the agent's token, by the address that the refusal named, and through the admin socket."""
    return [[change, "--url", place.url], [f"{place.url}/changes/{change}"], [change]]


WAYS = pytest.mark.parametrize("way", range(3), ids=["token", "address", "socket"])


@WAYS
def test_it_waits_until_people_have_approved(place: Place, way: int) -> None:
    change = held(place)
    process = begun(place, *ways(place, change)[way])
    approve(place, change)
    code, out, err = ended(process)
    assert (code, err) == (0, "")
    assert f"{change} is approved" in out
    assert "Send the same transaction again" in out
    assert place.ok("withdraw", change)


@WAYS
def test_what_was_applied_can_go_on(place: Place, way: int) -> None:
    change = place.send(["put", "row/0299", f"new {way}"])
    assert f"{change} is applied" in place.ok("wait", *ways(place, change)[way]).out


@WAYS
def test_a_denial_is_no(place: Place, way: int) -> None:
    change = held(place)
    place.ok("deny", change, "--yes", *place.signing("ann"))
    assert f"{change} is denied" in place.no("wait", *ways(place, change)[way], code=1).out


def test_what_was_withdrawn_or_reverted_is_no(place: Place) -> None:
    change = held(place)
    place.ok("withdraw", change)
    assert "withdrawn" in place.no("wait", change, "--url", place.url, code=1).out
    change = place.send(["put", "row/0298", "other"])
    place.ok("revert", change, "--yes", *place.signing("ann"))
    assert "undone" in place.no("wait", change, "--url", place.url, code=1).out


@WAYS
def test_the_time_is_over(place: Place, way: int) -> None:
    change = held(place)
    said = place.no("wait", *ways(place, change)[way], "--timeout", "1s", "--json", code=124)
    assert (said.json["id"], said.json["state"], said.json["code"]) == (change, "held", "held")
    assert f"{change} is held after 1s" in said.err
    assert waiting.TIMED_OUT == 124
    place.ok("withdraw", change)


def test_json_has_the_shape_of_the_api(place: Place) -> None:
    change = place.send(["put", "row/0297", "other"])
    shapes = [place.ok("wait", *way, "--json").json for way in ways(place, change)]
    assert shapes[0] == shapes[1] == shapes[2]
    assert (shapes[0]["state"], shapes[0]["retry"]) == ("applied", False)


@pytest.mark.parametrize(
    "words",
    [
        ["x"],
        ["CHG-00000000", "--timeout", "soon"],
        ["CHG-00000000", "--timeout", "0s"],
        ["http://127.0.0.1:1/api/v1/people"],
        ["http://127.0.0.1:1/changes/x"],
        ["http://127.0.0.1:1/changes/CHG-00000000", "--url", "http://127.0.0.1:2"],
        [],
    ],
)
def test_wrong_usage(place: Place, words: list[str]) -> None:
    place.no("wait", *words, code=2)


def test_what_is_not_its_own_is_not_there(place: Place) -> None:
    change = place.send(["delete_like", "row/02"], agent="other")
    for wanted in (change, "CHG-00000000"):
        said = place.no("wait", wanted, "--url", place.url, code=1)
        assert "There is no such thing" in said.err
    place.ok("withdraw", change)


def test_a_token_that_is_no_good_is_said_at_once(place: Place) -> None:
    change = "CHG-00000000"
    place.env = {"INTERLOCK_TOKEN": "ilk_wrong"}
    assert "no enabled agent has this token" in place.no("wait", change, "--url", place.url, code=1).err
    place.env = {}
    assert "$INTERLOCK_TOKEN" in place.no("wait", change, "--url", place.url, code=1).err
    said = place.no("wait", change, "--url", place.url, "--token-env", "OTHER_TOKEN", code=1)
    assert "$OTHER_TOKEN" in said.err


def test_the_token_may_be_elsewhere(place: Place, token: str) -> None:
    change = place.send(["put", "row/0296", "other"])
    place.env = {"OTHER_TOKEN": token}
    place.ok("wait", change, "--url", place.url, "--token-env", "OTHER_TOKEN")
    place.env = {}
    (place.folder / "token").write_text(token)
    place.ok("wait", change, "--url", place.url, "--token-file", "token")


def test_it_is_never_sent_where_others_could_read_it(place: Place) -> None:
    said = place.no("wait", "http://interlock.example/changes/CHG-00000000", code=1)
    assert "without https" in said.err


def test_the_guide_tells_of_every_state() -> None:
    text = (Path(__file__).parents[2] / "docs/agents.md").read_text("utf-8")
    rows = re.findall(r"(?m)^\| (`[^|]+`) \| ([^|]+) \|$", text.partition("go on? |")[2].partition("\n\n")[0])
    told = {name: then for names, then in rows for name in re.findall(r"`(\w+)`", names)}
    assert set(told) == {state.value for state in ChangeState}
    assert {s for s in told if "wait" in told[s]} == {state.value for state in waiting.UNDECIDED}


@pytest.fixture
def own(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """A server that a test may stop and start."""
    made = Place(tmp_path, free_port(), inside=True)
    (tmp_path / "interlock.yaml").write_text(CONFIG.format(port=made.port))
    made.start()
    try:
        _furnish(made)
        yield made
    finally:
        made.stop()


def _furnish(place: Place) -> None:
    for name in ("ann", "bob", "olga"):
        place.person(name)
    place.env = {
        "INTERLOCK_TOKEN": place.ok("agents", "add", "fixer", "--owner", "olga", "--json").json["token"]
    }
    actions = "read,create,update,delete"
    place.ok(
        *("grants", "add", "--target", "shop", "--actions", actions, "--expires", "8h", "--agent", "fixer")
    )


@WAYS
def test_it_survives_a_restart_of_the_gateway(own: Place, way: int) -> None:
    change = held(own)
    process = begun(own, *ways(own, change)[way])
    assert process.stderr is not None
    own.stop()
    # It has noticed: nothing else is written there.
    assert process.stderr.readline().endswith("asking again\n")
    own.start()
    approve(own, change)
    code, out, err = ended(process)
    assert (code, err) == (0, "")
    assert "approved" in out


def test_a_server_that_never_comes_is_a_timeout(own: Place) -> None:
    change = held(own)
    own.stop()
    said = own.no("wait", change, "--url", own.url, "--timeout", "1s", "--json", code=124)
    assert said.out == ""
    assert f"{change} is not known after 1s; no server answers" in said.err


def test_an_answer_that_never_comes_is_a_timeout(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something takes the connection and says nothing, as a gateway that was stopped in the middle of it."""
    import socket

    monkeypatch.setattr(waiting, "_ANSWERS_S", 0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        said = place.no("wait", "CHG-00000000", "--url", url, "--timeout", "1s", code=124)
    assert "no server answers" in said.err


def test_it_speaks_tls(tmp_path: Path, certificate: Path) -> None:
    made = Place(tmp_path, free_port(), inside=True)
    text = CONFIG.format(port=made.port).replace('"http:', '"https:')
    text = text.replace("api: {", f"api: {{tls: {{cert: {certificate}, key: {certificate}}}, ")
    (tmp_path / "interlock.yaml").write_text(text)
    made.start()
    try:
        _furnish(made)
        change = made.send(["put", "row/0000", "new"])
        url = f"https://127.0.0.1:{made.port}/changes/{change}"
        code, out, err = ended(begun(made, url, "--json", SSL_CERT_FILE=str(certificate)))
        assert (code, err) == (0, "")
        assert json.loads(out)["state"] == "applied"
        # A certificate that nobody vouches for is none.
        code, _, err = ended(begun(made, url, "--timeout", "1s", SSL_CERT_FILE=os.devnull))
        assert code == 124
        assert "no server answers" in err
    finally:
        made.stop()
