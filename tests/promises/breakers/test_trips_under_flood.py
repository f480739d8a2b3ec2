"""P8 with several replicas, each a process of its own: however often a breaker trips under a flood, nothing is admitted after it.

The order is the store's: where entries stand in the ledger, never what a clock says.
"""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.promises.breakers.kit import (
    AGENTS,
    Fleet,
    admitted_while_open,
    all_ask,
    fleet_of,
    put_back,
    trip,
)

from interlock.testing.peers.pg import PgCluster

TRIPS = 100


@pytest.fixture(params=["postgres", "sqlite"])
def fleet(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fleet]:
    """Three replicas on PostgreSQL, two processes on one file of SQLite."""
    if request.param == "sqlite":
        with fleet_of(tmp_path / "fleet", f"sqlite:///{tmp_path}/store.db") as fleet:
            fleet.start("one")
            fleet.start("two")
            yield fleet
        return
    cluster: PgCluster = request.getfixturevalue("pg18")
    database = cluster.create_database(f"store_{secrets.token_hex(6)}")
    with fleet_of(tmp_path / "fleet", database.dsn()) as fleet:
        for name in ("one", "two", "three"):
            fleet.start(name)
        yield fleet
    database.drop()


@pytest.mark.timeout(900)  # on a machine that does much else
def test_a_hundred_trips_under_a_flood_let_nothing_pass(fleet: Fleet) -> None:
    replicas = fleet.replicas
    sessions = all_ask(replicas, "flood", agents=AGENTS[:2], each=1)
    everybody = ["target/shop", "global", "environment/production"]
    for number in range(TRIPS):
        # Whoever trips it and whoever puts it back are different replicas than last time.
        tripping, resetting = replicas[number % len(replicas)], replicas[(number + 1) % len(replicas)]
        some = [f"agent/{AGENTS[number % 2]}", f"session/{sessions[number % len(replicas)][0]}"]
        scope = (everybody + some)[number % 5]
        all_ask(replicas, "more", kind="permitted", number=1)
        trip(tripping, scope)
        if scope.startswith("session/"):
            replicas[number % len(replicas)].ask("more", kind="breaker", number=1)
        else:
            all_ask(replicas, "more", kind="breaker", number=1)
        put_back(fleet, resetting, scope)
    all_ask(replicas, "more", kind="permitted", number=2)
    entries = fleet.end()
    opened = [e["body"] for e in entries if e["kind"] == "breaker" and e["body"]["state"] == "open"]
    assert len(opened) == TRIPS
    assert len({body["scope"] for body in opened}) >= 5
    # There was a flood indeed: between each two trips things were admitted.
    order = [
        e["kind"]
        for e in entries
        if e["kind"] == "intent" or (e["kind"] == "breaker" and e["body"]["state"] == "open")
    ]
    assert "breaker breaker" not in " ".join(order)
    assert order.count("intent") >= len(replicas) * TRIPS


def test_two_replicas_that_trip_different_scopes_at_once(fleet: Fleet) -> None:
    """What stops is the union of both; putting one back lets nothing of the other pass."""
    one, two = fleet.replicas[:2]
    all_ask(fleet.replicas, "flood", agents=AGENTS[:2], each=2)
    for _ in range(3):
        all_ask(fleet.replicas, "more", kind="permitted", number=2)
        one.tell("open", scope="agent/bot-0")
        two.tell("open", scope="agent/bot-1")
        one.hear()
        two.hear()
        before = len(fleet.committed())
        all_ask(fleet.replicas, "round")
        settled = len(fleet.committed())
        all_ask(fleet.replicas, "round")
        assert len(fleet.committed()) == settled
        assert settled - before <= 4 * len(fleet.replicas), "no more than what was under way"
        put_back(fleet, two, "agent/bot-0")
        all_ask(fleet.replicas, "more", kind="permitted", number=1)
        assert fleet.breaker("agent/bot-1") == "open"
        put_back(fleet, one, "agent/bot-1")
    fleet.end()


def test_the_check_itself_finds_what_was_admitted_while_open() -> None:
    """A breaker that is reopened by a thaw of something else, or closed for another scope, hides nothing."""

    def moved(scope: str, state: str, kind: str = "breaker", *, frozen: bool = False) -> dict[str, Any]:
        return {"kind": kind, "body": {"scope": scope, "state": state, "frozen": frozen}}

    intent = {
        "kind": "intent",
        "body": {"environment": "production", "target": "shop", "agent": "bot-0", "session": "S1"},
    }
    for scope in ("global", "environment/production", "target/shop", "agent/bot-0", "session/S1"):
        assert admitted_while_open([intent, moved(scope, "open"), intent]) == [2]
        assert admitted_while_open([moved(scope, "open"), moved(scope, "probation"), intent]) == []
    others = [moved(scope, "open") for scope in ("agent/bot-1", "session/S2", "target/lab")]
    assert admitted_while_open([*others, intent]) == []
    frozen = moved("environment/production", "closed", "freeze", frozen=True)
    assert admitted_while_open([frozen, moved("global", "closed"), intent]) == [2]
    assert admitted_while_open([frozen, moved("environment/production", "closed", "thaw"), intent]) == []
    assert admitted_while_open([moved("agent/bot-0", "open"), moved("agent/bot-1", "closed"), intent]) == [2]
