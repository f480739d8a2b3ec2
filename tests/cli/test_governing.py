"""Governed mode as people use it: founded, proposed, read, approved."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import CONFIG, Place, free_port

POLICY = '@id("mine") forbid (principal, action == Action::"delete", resource) when { context.effects.objects_deleted > 0 };\n'
FOUNDERS = ["--admin", "ann=ann.pub", "--admin", "ben=ben.pub"]


def furnish(place: Place) -> None:
    place.port = free_port()
    (place.folder / "policies").mkdir()
    (place.folder / "policies" / "mine.cedar").write_text(POLICY)
    (place.folder / "interlock.yaml").write_text(CONFIG.format(port=place.port) + "policies: policies\n")
    for name in ("ann", "ben", "new"):
        place.ok("keys", "new", name)


@pytest.fixture
def running(place: Place) -> Iterator[Place]:
    """A server in try-out mode with `sam` (sre), and keys for `ann`, `ben` and `new`."""
    furnish(place)
    place.start()
    try:
        place.person("sam")
        yield place
    finally:
        place.stop()


@pytest.fixture
def governed(running: Place) -> Place:
    running.ok("govern", *FOUNDERS)
    return running


def agree(place: Place, proposal: str) -> str:
    """Both admins approve; what the last one is told."""
    place.ok("approve", proposal, "--yes", *place.signing("ann"))
    return place.ok("approve", proposal, "--yes", *place.signing("ben")).out


def test_a_store_is_governed_before_its_server_runs(place: Place) -> None:
    place.ok("init")
    for name in ("ann", "ben"):
        place.ok("keys", "new", name)
    said = place.no("govern", "--admin", "ann=ann.pub")
    assert "2 founding admins" in said.err
    founded = place.ok("govern", *FOUNDERS, "--json").json
    assert founded["admins"] == ["ann", "ben"]
    assert (place.folder / "var" / "governed").exists()
    assert "already" in place.no("govern", *FOUNDERS).err
    checks = {f["check"]: f for f in place.run("doctor", "--json").json["findings"]}
    assert "mode" not in checks


@pytest.mark.parametrize("wrong", ["ann", "ann=", "=ann.pub", ""])
def test_a_founder_is_a_name_and_a_key(place: Place, wrong: str) -> None:
    furnish(place)
    place.no("govern", "--admin", wrong, "--admin", "ben=ben.pub", code=2)


def test_a_running_server_is_governed_by_its_socket(running: Place) -> None:
    said = running.ok("govern", *FOUNDERS).out
    assert "Governed, by ann and ben" in said
    assert "These people stay as they are; disable whom you do not know: sam." in said.replace("\n", " ")
    health = {f["check"] for f in running.run("doctor", "--json").json["findings"]}
    assert "mode" not in health


def test_what_loosens_prints_a_proposal_and_is_done_when_two_agree(governed: Place) -> None:
    new = ["people", "add", "new", "--group", "sre", "--pubkey", "new.pub"]
    said = governed.ok(*new)
    assert "add person new waits for admins; nothing has changed yet." in said.out
    assert "try-out" not in said.err
    held = governed.ok(*new, "--json").json
    assert held["what"] == "add person new"
    assert held["waits_for"] == ["quorum:two-admins"]
    (listed,) = governed.ok("proposals", "--json").json["proposals"]
    assert listed["id"] == held["proposal"]
    assert "add person new" in governed.ok("proposals").out
    shown = governed.ok("show", held["proposal"]).out
    assert "person new: (nothing) → in sre, with the key" in " ".join(shown.split())
    review = governed.ok("approve", held["proposal"], "--yes", *governed.signing("ann")).out
    assert "cannot read the statements itself" not in review
    names = [p["name"] for p in governed.ok("people", "list", "--json").json["people"]]
    assert "new" not in names
    last = governed.ok("approve", held["proposal"], "--yes", *governed.signing("ben")).out
    assert f"{held['proposal']} is applied" in last
    names = [p["name"] for p in governed.ok("people", "list", "--json").json["people"]]
    assert "new" in names
    assert governed.ok("proposals", "--json").json == {}


def test_an_admin_who_asks_with_their_key_needs_one_other(governed: Place) -> None:
    words = ["people", "groups", "sam", "--group", "dba", "--json"]
    held = governed.ok(*words, "--url", governed.url, *governed.signing("ann")).json
    assert held["waits_for"] == ["quorum:two-admins/1"]
    assert (
        "asked for the change"
        in governed.no("approve", held["proposal"], "--yes", *governed.signing("ann")).err
    )
    governed.ok("approve", held["proposal"], "--yes", *governed.signing("ben"))
    (sam,) = [p for p in governed.ok("people", "list", "--json").json["people"] if p["name"] == "sam"]
    assert sam["groups"] == ["dba"]


@pytest.mark.parametrize(
    "words",
    [
        ["people", "groups", "sam", "--group", "dba"],
        ["people", "recover", "sam", "--pubkey", "new.pub"],
        ["agents", "add", "fixer", "--owner", "sam"],
        ["breaker", "reset", "global", "--reason", "over"],
        ["thaw", "production"],
        ["postgres", "unprotect", "shop", "orders"],
        ["propose", "end", "--reason", "over"],
        ["propose", "policies", "other"],
        ["propose", "config", "other.yaml"],
    ],
    ids=" ".join,
)
def test_every_command_that_loosens_proposes(governed: Place, words: list[str]) -> None:
    governed.ok("freeze", "production", "--reason", "fire")
    governed.ok("breaker", "open", "global", "--reason", "fire")
    (governed.folder / "other").mkdir()
    config = (governed.folder / "interlock.yaml").read_text()
    (governed.folder / "other.yaml").write_text(config.replace("count: 2", "count: 3"))
    assert "waits for admins" in governed.ok(*words).out
    (listed,) = governed.ok("proposals", "--json").json["proposals"]
    assert "is applied" in agree(governed, listed["id"])


def test_agents_and_grants(governed: Place) -> None:
    agree(governed, governed.ok("agents", "add", "fixer", "--owner", "sam", "--json").json["proposal"])
    grant = [
        "grants",
        "add",
        "--agent",
        "fixer",
        "--target",
        "shop",
        "--actions",
        "read,update",
        "--expires",
        "8h",
    ]
    agree(governed, governed.ok(*grant, "--json").json["proposal"])
    assert governed.ok("agents", "rotate", "fixer", "--json").json["token"].startswith("ilk_")
    assert (
        governed.ask({"agent": "fixer", "statements": [["put", "row/0000", "new"]]})["answer"] == "permitted"
    )
    give = [
        "agents",
        "give",
        "fixer",
        "--owner",
        "ann",
        "--json",
        "--url",
        governed.url,
        *governed.signing("ann"),
    ]
    governed.ok("approve", governed.ok(*give).json["proposal"], "--yes", *governed.signing("ben"))
    (agent,) = governed.ok("agents", "list", "--json").json["agents"]
    assert (agent["owner"], agent["past_owners"]) == ("ann", ["sam"])


def test_policies_are_proposed_as_a_diff(governed: Place) -> None:
    own = governed.folder / "policies" / "mine.cedar"
    own.write_text(POLICY.replace('"mine"', '"other"'))
    held = governed.ok("propose", "policies", "--json").json
    said = governed.ok("show", held["proposal"]).out
    assert '-@id("mine")' in said
    assert '+@id("other")' in said
    assert "Past decisions it would alter" in said
    agree(governed, held["proposal"])
    assert "nothing would change" in governed.no("propose", "policies").err


def test_in_try_out_mode_there_is_nothing_to_propose(running: Place) -> None:
    for words in (["propose", "policies"], ["propose", "config"], ["propose", "end"]):
        assert "try-out mode" in running.no(*words).err
    assert running.ok("people", "groups", "sam", "--group", "dba").out.startswith("sam is in dba")
    assert running.ok("people", "recover", "sam", "--pubkey", "new.pub").out.startswith("sam is in dba")


def test_signatures_of_proposals_are_checked_from_the_log(governed: Place, tmp_path: Path) -> None:
    proposal = governed.ok("propose", "end", "--json").json["proposal"]
    agree(governed, proposal)
    governed.ask("sign")
    verified = governed.ok("ledger", "verify", "--json").json
    assert verified["ok"]
    assert verified["signatures"] == 2
