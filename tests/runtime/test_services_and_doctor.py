"""People, agents, grants, switches: what is recorded, refused, and found by doctor."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.control.machine import IllegalMove
from interlock.model.breaker import BreakerState
from interlock.model.errors import NotFound, Rejected
from interlock.model.operation import Action
from interlock.model.people import Agent, Grant, Part, Person, Quorum, Wider
from interlock.runtime import doctor
from interlock.runtime.config.document import load
from interlock.runtime.governing.office import Office
from interlock.runtime.rules.governance import Proposed, TryOut
from interlock.runtime.service.people.principals import Agents, Grants, People, new_token, scram_verifier
from interlock.runtime.service.stopping.switches import Switches
from interlock.testing import signing
from interlock.testing.installation import QUORUMS, Installation
from interlock.testing.stores.signals import behaved_well

NOW = datetime(2026, 3, 4, tzinfo=UTC)
KEY = signing.public_key_of("new")


class Services:
    """All services of an installation."""

    def __init__(self, made: Installation, mode: Any = None) -> None:
        mode = mode or TryOut()
        self.made = made
        self.people = People(made.core, mode)
        self.agents = Agents(made.core, mode)
        self.grants = Grants(made.core, mode, lambda target: {"shop": True, "box": False}.get(target))
        self.switches = Switches(made.core, mode)


async def services(mode: Any = None) -> Services:
    return Services(await Installation.make(), mode)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_tokens_are_shown_once_and_kept_nowhere() -> None:
    async def work() -> None:
        s = await services()
        made = await s.agents.add("helper", "olga", by="uid/7")
        everything = repr(s.made.store.tables)
        assert made.token not in everything
        assert made.token not in repr(made)
        credential = s.made.store.tables.credentials["helper"]
        assert credential.token_sha256 == hashlib.sha256(made.token.encode()).hexdigest()
        entry = s.made.store.entries("agent")[0].body
        assert entry == {"agent": "helper", "owner": "olga", "what": "added", "by": "uid/7"}
        rotated = await s.agents.rotate("helper", by="uid/7")
        assert rotated.token != made.token
        assert s.made.store.tables.credentials["helper"].epoch == 2
        await s.agents.disable("helper", by="uid/7")
        assert s.made.store.tables.credentials["helper"].epoch == 3
        assert [e.body["what"] for e in s.made.store.entries("agent")] == ["added", "rotated", "disabled"]

    run(work())


def test_tokens_have_256_bits_and_need_no_escaping() -> None:
    token = new_token()
    assert len(base64.urlsafe_b64decode(token.removeprefix("ilk_") + "=")) == 32
    assert token.replace("_", "").replace("-", "").isalnum()


@given(st.binary(min_size=16, max_size=16))
@settings(max_examples=5)
def test_verifiers_are_postgres_form(salt: bytes) -> None:
    """RFC 5802: StoredKey = H(HMAC(SaltedPassword, "Client Key"))."""
    text = scram_verifier("ilk_token", salt)
    kind, iterations, rest = text.split("$")[0], text.split("$")[1].split(":")[0], text.split("$")[2]
    assert (kind, iterations) == ("SCRAM-SHA-256", "4096")
    salted = hashlib.pbkdf2_hmac("sha256", b"ilk_token", salt, 4096)
    stored, server = (base64.b64decode(part) for part in rest.split(":"))
    assert stored == hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    assert server == hmac.digest(salted, b"Server Key", "sha256")


def test_past_owners_are_remembered() -> None:
    async def work() -> None:
        s = await services()
        await s.agents.give_to("fixer", "ann", by="uid/7")
        made = await s.agents.give_to("fixer", "bob", by="uid/7")
        assert (made.owner, made.past_owners) == ("bob", ("olga", "ann"))

    run(work())


@pytest.mark.parametrize("name", ["", "UPPER", "a/b", "a b", "ä", "-x", "x" * 64, "a\n"])
def test_names_that_would_confuse_are_refused(name: str) -> None:
    async def work() -> None:
        s = await services()
        with pytest.raises(Rejected, match="a name of"):
            await s.agents.add(name, "olga", by="uid/7")
        with pytest.raises(Rejected, match="a name of"):
            await s.people.add(name, ["sre"], KEY, by="uid/7")
        with pytest.raises(Rejected, match="a name of"):
            await s.people.add("new", [name], KEY, by="uid/7")

    run(work())


def test_what_cannot_be() -> None:
    async def work() -> None:
        s = await services()
        for wrong in (
            s.agents.add("fixer", "olga", by="uid/7"),
            s.agents.add("other", "nobody", by="uid/7"),
            s.people.add("ann", ["sre"], KEY, by="uid/7"),
            s.people.add("new", ["sre"], signing.public_key_of("ann"), by="uid/7"),
            s.people.add("new", ["sre"], "AAAA", by="uid/7"),
            s.people.add("new", ["sre"], "not base64", by="uid/7"),
            s.people.add("new", ["sre"], base64.b64encode(bytes([1]) + bytes(31)).decode(), by="uid/7"),
            s.grants.add("fixer", "nowhere", [Action.READ], NOW + timedelta(days=400), by="uid/7"),
            s.grants.add("fixer", "shop", [Action.READ], NOW, by="uid/7"),
            s.grants.add("fixer", "shop", [], NOW + timedelta(days=400), by="uid/7"),
            s.grants.add("fixer", "shop", [Action.UNKNOWN], NOW + timedelta(days=400), by="uid/7"),
        ):
            with pytest.raises(Rejected):
                await wrong
        for missing in (
            s.agents.rotate("nobody", by="uid/7"),
            s.agents.disable("nobody", by="uid/7"),
            s.people.disable("nobody", by="uid/7"),
            s.grants.revoke("G-NOTHING0", by="uid/7"),
            s.grants.add("nobody", "shop", [Action.READ], NOW + timedelta(days=400), by="uid/7"),
            s.switches.open("agent/nobody", "why", by="uid/7"),
        ):
            with pytest.raises(NotFound):
                await missing
        assert [e.kind for e in s.made.store.entries()] == []

    run(work())


def test_who_granted_is_a_person_that_quorums_know() -> None:
    async def work() -> None:
        s = await services()
        expires = s.made.store.time + timedelta(hours=8)
        grant = await s.grants.add("fixer", "shop", [Action.READ], expires, by="person/ann", max_rows=5)
        assert grant.granted_by == "ann"
        assert grant in s.made.core.directory.snapshot.grants
        assert s.made.store.entries("grant")[0].body["max_rows"] == 5
        revoked = await s.grants.revoke(grant.id, by="person/bob")
        assert revoked.revoked_at is not None
        assert (await s.grants.revoke(grant.id, by="person/bob")) == revoked
        assert len(s.made.store.entries("grant")) == 2

    run(work())


def test_governed_mode_stops_what_loosens_and_nothing_that_tightens() -> None:
    async def work() -> None:
        made = await Installation.make()
        made.store.now(lambda tx: tx.put_in_force("config", b"{}"))
        s = Services(
            made, Office(made.core, QUORUMS, timedelta(hours=24), lambda scope: scope != "target/box")
        )
        expires = s.made.store.time + timedelta(hours=8)
        await s.switches.open("global", "incident", by="uid/7")
        await s.switches.freeze("production", "incident", by="uid/7")
        for loosening in (
            s.people.add("new", ["sre"], KEY, by="uid/7"),
            s.people.set_groups("ann", ["admin"], by="uid/7"),
            s.agents.add("other", "olga", by="uid/7"),
            s.agents.give_to("fixer", "ann", by="uid/7"),
            s.grants.add("fixer", "shop", [Action.READ], expires, by="uid/7"),
            s.switches.thaw("production", by="uid/7"),
            s.switches.reset("global", "over", by="uid/7"),
        ):
            with pytest.raises(Proposed, match="admins"):
                await loosening
        assert len(s.made.store.entries("proposal")) == 7
        await s.grants.add("fixer", "box", [Action.READ], expires, by="person/ann")
        await s.switches.freeze("production", "incident", by="uid/7")
        await s.switches.open("global", "incident", by="uid/7")
        await s.grants.revoke("G1", by="uid/7")
        await s.agents.rotate("fixer", by="uid/7")
        await s.agents.disable("fixer", by="uid/7")
        await s.people.disable("ann", by="uid/7")

    run(work())


def test_switches() -> None:
    async def work() -> None:
        s = await services()
        with pytest.raises(Rejected, match="reason"):
            await s.switches.freeze("production", " ", by="uid/7")
        frozen = await s.switches.freeze("production", "incident", by="uid/7")
        assert (frozen.frozen, frozen.reason) == (True, "incident")
        assert not (await s.switches.thaw("production", by="uid/7")).frozen
        with pytest.raises(IllegalMove):
            await s.switches.reset("global", "over", by="uid/7")
        await s.switches.open("agent/fixer", "odd", by="uid/7")
        for reason in ("", "  ", "x" * 501):
            with pytest.raises(Rejected, match="a reset needs a reason"):
                await s.switches.reset("agent/fixer", reason, by="person/ann")
        with pytest.raises(Rejected, match="someone else"):
            await s.switches.reset("agent/fixer", "looked", by="person/olga")
        assert (
            await s.switches.reset("agent/fixer", "looked", by="person/ann")
        ).state is BreakerState.PROBATION
        with pytest.raises(Rejected, match="0 of 20"):
            await s.switches.reset("agent/fixer", "looked", by="person/ann")
        s.made.store.now(lambda tx: behaved_well(tx, "agent/fixer"))
        assert (await s.switches.reset("agent/fixer", "looked", by="person/ann")).state is BreakerState.CLOSED
        assert [e.kind for e in s.made.store.entries()] == [
            "freeze",
            "freeze",
            "breaker",
            "breaker",
            "breaker",
        ]

    run(work())


# ---- doctor


def person(name: str, *groups: str, disabled: bool = False) -> Person:
    return Person(name, groups, signing.public_key_of(name), NOW, disabled)


def grant(**more: Any) -> Grant:
    values: dict[str, Any] = {
        "id": "G1", "agent": "fixer", "target": "shop", "actions": (Action.READ,), "granted_by": "gus",
        "created_at": NOW, "expires_at": NOW + timedelta(days=1), "max_rows": 5, **more,
    }  # fmt: skip
    return Grant(**values)


def found(*people: Person, grants: tuple[Grant, ...] = ()) -> list[tuple[str, str]]:
    facts = doctor.Facts(NOW, (Agent("fixer", "olga", NOW, past_owners=("past",)),), people, grants)
    return [(f.level, f.what) for f in doctor.principals(facts, QUORUMS, {"quorum:two-sre"})]


def test_a_quorum_that_can_never_be_met() -> None:
    assert "has 1" in found(person("ann", "sre"), person("bob", "sre", disabled=True))[0][1]
    owners = found(person("olga", "sre"), person("past", "sre"))
    assert owners[0][0] == "error"
    assert "only owners of fixer" in owners[0][1]
    assert "only 1 of sre count" in found(person("olga", "sre"), person("ann", "sre"))[0][1]
    granted = found(person("gus", "sre"), person("ann", "sre"), grants=(grant(),))
    assert "only 1 of sre count" in granted[0][1]
    assert found(person("ann", "sre"), person("bob", "sre")) == []


def test_a_quorum_that_nobody_asks_for_is_no_error() -> None:
    facts = doctor.Facts(NOW, (), (), ())
    (finding,) = doctor.principals(facts, QUORUMS, set())
    assert (finding.level, finding.what.split(" (")[1]) == ("warning", "no policy asks for it now)")


def test_a_quorum_of_several_groups_needs_people_of_each() -> None:
    quorum = Quorum("two-sre", 1, "sre", also=(Part(1, "dba"),), wider=(Wider(2, rows=10),))

    def told(*people: Person) -> list[tuple[str, str]]:
        facts = doctor.Facts(NOW, (Agent("fixer", "olga", NOW),), people, ())
        return [(f.level, f.what) for f in doctor.principals(facts, {"two-sre": quorum}, {"quorum:two-sre"})]

    ((level, what),) = told(person("ann", "sre", "dba"))
    assert level == "error"
    assert "needs 1 of sre and 1 of dba, which has 1" in what
    ((level, what),) = told(person("olga", "dba"), person("ann", "sre"))
    assert (level, "only 1 of sre, dba count" in what) == ("error", True)
    ((level, what),) = told(person("ann", "sre"), person("dan", "dba"))
    assert (level, "wide changes need 2 of sre" in what) == ("warning", True)
    assert told(person("ann", "sre"), person("bob", "sre"), person("dan", "dba")) == []


def test_unlimited_and_endless_grants() -> None:
    two = (person("ann", "sre"), person("bob", "sre"))
    assert "has no limit" in found(*two, grants=(grant(max_rows=None),))[0][1]
    assert "90 days" in found(*two, grants=(grant(expires_at=NOW + timedelta(days=100)),))[0][1]
    assert found(*two, grants=(grant(max_rows=None, revoked_at=NOW),)) == []
    assert found(*two, grants=(grant(max_rows=None, expires_at=NOW),)) == []


def test_clocks_and_systems() -> None:
    assert [f.level for f in doctor.clock(NOW, NOW)] == ["ok"]
    assert [f.level for f in doctor.clock(NOW, NOW - timedelta(minutes=1))] == ["warning"]
    same = list(doctor.same_system({"a": "x", "b": "x", "c": "y", "d": "", "e": ""}))
    assert [f.what.split(" are")[0] for f in same] == ["a and b"]


def test_files_of_this_machine(tmp_path: Path) -> None:
    file = tmp_path / "interlock.yaml"
    file.write_text("store: sqlite:///x.db\ntargets: {}\nguardrails: none\nmaster_key: {file: key}\n")
    file.chmod(0o666)
    (tmp_path / "key").write_text("x")
    (tmp_path / "key").chmod(0o644)
    (tmp_path / "var").mkdir(mode=0o700)
    levels = {f.check: f.level for f in doctor.offline(load(file))}
    assert levels == {
        "state-dir": "ok",
        "master-key": "error",
        "config-file": "error",
        "guardrails": "warning",
    }
    (tmp_path / "var").chmod(0o750)
    (tmp_path / "var" / "halt").touch()
    levels = {f.check: f.level for f in doctor.offline(load(file))}
    assert levels["state-dir"] == "error"
    assert levels["halt"] == "warning"
