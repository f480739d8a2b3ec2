"""Records: what is written is read back, moves are fenced, lists are complete and in order."""

import hashlib
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import pytest
from tests.runtime.stores.conftest import Backend
from tests.runtime.stores.store_values import AT, HOUR, approval, draft, each, read, transact

from interlock.model import ids
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.change import Change, ChangeFilter, ChangeState
from interlock.model.errors import Conflict, NotFound, Rejected, Unavailable
from interlock.model.operation import Action
from interlock.model.people import Agent, AgentCredential, Grant, Person
from interlock.runtime.stores import SqlStore
from interlock.runtime.stores.rows.writing import SqlTx
from interlock.testing.stores.enforcing import FakeStore


def test_a_change_is_read_back_as_written(store: SqlStore) -> None:
    made = transact(store, lambda tx: tx.new_change(draft(reason="é\0\u2028'", marker={"xid": "7"})))
    assert ids.parse_change_id(made.id) == made.id
    assert made.version == 1
    assert made.requested_at == made.updated_at
    assert abs(made.requested_at - datetime.now(UTC)) < HOUR
    assert made.requested_at.microsecond % 1000 == 0
    assert read(store, lambda tx: tx.change(made.id)) == made
    assert read(store, lambda tx: tx.change("CHG-00000000")) is None


def test_ids_are_distinct_and_in_the_order_of_coming(store: SqlStore) -> None:
    groups = [transact(store, lambda tx: [tx.new_change(draft()).id for _ in range(300)]) for _ in range(2)]
    made = [change_id for group in groups for change_id in group]
    assert len(set(made)) == 600
    assert made == sorted(made)


def test_a_move_is_fenced_by_the_version(store: SqlStore) -> None:
    made = transact(store, lambda tx: tx.new_change(draft()))
    approved = msgspec.structs.replace(made, state=ChangeState.APPROVED)
    saved = transact(store, lambda tx: tx.save_change(approved))
    assert (saved.version, saved.state) == (2, ChangeState.APPROVED)
    with pytest.raises(Conflict, match=made.id):
        transact(store, lambda tx: tx.save_change(approved))
    assert read(store, lambda tx: tx.change(made.id)) == saved
    with pytest.raises(NotFound):
        transact(store, lambda tx: tx.save_change(msgspec.structs.replace(saved, id="CHG-00000000")))


def test_changes_are_listed_newest_first_and_filtered(store: SqlStore) -> None:
    def fill(tx: SqlTx) -> list[Change]:
        made = [tx.new_change(draft(agent=f"a{i % 2}", target=f"t{i % 3}")) for i in range(6)]
        return [tx.save_change(msgspec.structs.replace(made[0], state=ChangeState.DENIED)), *made[1:]]

    made = transact(store, fill)

    def listed(**which: Any) -> list[str]:
        return [c.id for c in read(store, lambda tx: tx.changes(ChangeFilter(**which)))]

    newest = [c.id for c in reversed(made)]
    assert listed() == newest
    assert listed(limit=2) == newest[:2]
    assert listed(limit=2, before=newest[1]) == newest[2:4]
    assert listed(agent="a1") == [c.id for c in reversed(made) if c.agent == "a1"]
    assert listed(target="t2", agent="a0") == [made[2].id]
    assert listed(states=(ChangeState.DENIED, ChangeState.APPLIED)) == [made[0].id]
    assert listed(environment="staging") == []
    assert listed(since=made[0].requested_at) == newest
    assert listed(since=made[0].requested_at + HOUR) == []


def test_open_changes_are_those_that_wait_and_have_not_expired(store: SqlStore) -> None:
    def fill(tx: SqlTx) -> None:
        for state in ChangeState:
            tx.new_change(draft(state=state))
        tx.new_change(draft(expires_at=tx.now() - timedelta(milliseconds=1)))
        tx.new_change(draft(expires_at=tx.now() + HOUR))
        tx.new_change(draft(agent="other"))

    transact(store, fill)
    assert read(store, lambda tx: tx.open_changes("fixer")) == 3
    assert read(store, lambda tx: tx.open_changes("nobody")) == 0


@pytest.mark.parametrize("state", list(ChangeState))
def test_a_change_is_found_by_content_while_it_matters(store: SqlStore, state: ChangeState) -> None:
    found_in = {ChangeState.HELD, ChangeState.APPROVED, ChangeState.EXECUTING, ChangeState.IN_DOUBT}

    def fill(tx: SqlTx) -> Change:
        tx.new_change(draft(content="older", state=state))
        newest = tx.new_change(draft(content="older", state=state))
        tx.new_change(draft(content="older", agent="other"))
        return newest

    newest = transact(store, fill)
    found = read(store, lambda tx: tx.change_by_content("fixer", "shop", "older"))
    assert found == (newest if state in found_in else None)
    assert read(store, lambda tx: tx.change_by_content("fixer", "other", "older")) is None


def test_the_newest_denied_change_of_a_content_is_found(store: SqlStore) -> None:
    def fill(tx: SqlTx) -> Change:
        tx.new_change(draft(content="x", state=ChangeState.DENIED))
        newest = tx.new_change(draft(content="x", state=ChangeState.DENIED))
        tx.new_change(draft(content="x", state=ChangeState.HELD))
        return newest

    newest = transact(store, fill)
    assert read(store, lambda tx: tx.denied_change("fixer", "shop", "x")) == newest
    assert read(store, lambda tx: tx.denied_change("fixer", "shop", "y")) is None
    assert read(store, lambda tx: tx.denied_change("other", "shop", "x")) is None


def test_recovery_finds_what_is_unresolved_oldest_first(store: SqlStore) -> None:
    states = [ChangeState.IN_DOUBT, ChangeState.APPLIED, ChangeState.EXECUTING, ChangeState.HELD]
    made = transact(store, lambda tx: [tx.new_change(draft(state=state)) for state in states])
    assert read(store, lambda tx: tx.changes_in_doubt()) == [made[0], made[2]]


def test_approvals_are_kept_in_order_and_once_for_each_person_and_nonce(store: SqlStore) -> None:
    given = [approval("zoe"), approval("adam"), approval("zoe", "n2")]
    transact(store, each(*(partial(SqlTx.add_approval, change_id="CHG-1", approval=a) for a in given)))
    for person in ("zoe", "adam"):
        with pytest.raises(Conflict, match=person):
            transact(store, partial(SqlTx.add_approval, change_id="CHG-1", approval=approval(person)))
    transact(store, lambda tx: tx.add_approval("CHG-2", approval("zoe")))
    assert read(store, lambda tx: tx.approvals("CHG-1")) == given


def test_principals_are_put_replaced_and_listed(store: SqlStore) -> None:
    bob, eve = (Person(n, ("sre",), "cHVibGlj", AT) for n in ("bob", "eve"))
    agent, credential = Agent("fixer", "bob", AT), AgentCredential("fixer", "SCRAM-SHA-256$…", "t" * 64)
    grant = Grant("G1", "fixer", "shop", (Action.READ,), "bob", AT, AT + HOUR)

    def fill(tx: SqlTx) -> None:
        for person in (eve, bob, msgspec.structs.replace(eve, disabled=True)):
            tx.put_person(person)
        tx.put_agent(agent)
        tx.put_credential(credential)
        tx.put_grant(grant)

    transact(store, fill)
    assert read(store, lambda tx: tx.people()) == [bob, msgspec.structs.replace(eve, disabled=True)]
    assert read(store, lambda tx: tx.person("bob")) == bob
    assert read(store, lambda tx: tx.person("Bob")) is None
    assert read(store, lambda tx: (tx.agent("fixer"), tx.agents())) == (agent, [agent])
    assert read(store, lambda tx: tx.credential("fixer")) == credential
    assert list(read(store, lambda tx: tx.credentials())) == [credential]
    assert read(store, lambda tx: tx.agent_by_token("t" * 64)) == agent
    assert read(store, lambda tx: tx.agent_by_token("u" * 64)) is None
    assert read(store, lambda tx: (tx.grant("G1"), tx.grants())) == (grant, [grant])
    revoked = msgspec.structs.replace(grant, revoked_at=AT)
    transact(store, lambda tx: tx.put_grant(revoked))
    assert read(store, lambda tx: tx.grants()) == [revoked]


def test_a_rotated_token_no_longer_finds_its_agent(store: SqlStore) -> None:
    def fill(tx: SqlTx) -> None:
        tx.put_agent(Agent("fixer", "bob", AT))
        tx.put_credential(AgentCredential("fixer", "s", "old"))
        tx.put_credential(AgentCredential("fixer", "s", "new", epoch=2))

    transact(store, fill)
    assert read(store, lambda tx: tx.agent_by_token("old")) is None
    assert read(store, lambda tx: tx.agent_by_token("new")) == Agent("fixer", "bob", AT)


def test_two_agents_never_share_a_token(store: SqlStore) -> None:
    transact(store, lambda tx: tx.put_credential(AgentCredential("a", "s", "same")))
    with pytest.raises(Conflict):
        transact(store, lambda tx: tx.put_credential(AgentCredential("b", "s", "same")))


def test_the_revision_grows_with_what_caches_hold_and_only_then(store: SqlStore) -> None:
    moves: list[Callable[[SqlTx], None]] = [
        lambda tx: tx.put_agent(Agent("fixer", "bob", AT)),
        lambda tx: tx.put_credential(AgentCredential("fixer", "s", "t")),
        lambda tx: tx.put_person(Person("bob", (), "k", AT)),
        lambda tx: tx.put_grant(Grant("G1", "fixer", "shop", (), "bob", AT, AT)),
        lambda tx: tx.put_breaker(Breaker("global")),
        lambda tx: tx.drop_breaker("global"),
    ]
    seen = [read(store, lambda tx: tx.revision())]
    for move in moves:
        transact(store, move)
        seen.append(read(store, lambda tx: tx.revision()))
    assert all(a < b for a, b in itertools.pairwise(seen))
    transact(store, lambda tx: tx.new_change(draft()))
    transact(store, lambda tx: tx.put_meta("k", "v"))
    transact(store, lambda tx: tx.append("login", {}))
    assert read(store, lambda tx: tx.revision()) == seen[-1]


def test_meta_is_put_and_replaced(store: SqlStore) -> None:
    transact(store, each(lambda tx: tx.put_meta("k", "1"), lambda tx: tx.put_meta("k", "2")))
    assert read(store, lambda tx: (tx.meta("k"), tx.meta("absent"))) == ("2", None)


OPEN, CLOSED, PROBATION = BreakerState.OPEN, BreakerState.CLOSED, BreakerState.PROBATION


@pytest.mark.parametrize(
    ("rows", "scopes", "refusing"),
    [
        ([Breaker("global"), Breaker("agent/a")], ["global", "agent/a"], None),
        ([Breaker("global", PROBATION)], ["global", "global"], None),
        ([Breaker("global"), Breaker("agent/a", OPEN, reason="r")], ["global", "agent/a"], "agent/a"),
        ([Breaker("global", CLOSED, frozen=True)], ["global"], "global"),
        ([Breaker("global", PROBATION, frozen=True)], ["global"], "global"),
        ([Breaker("z", OPEN), Breaker("a", OPEN)], ["z", "a"], "a"),
    ],
)
def test_admission_refuses_at_the_first_open_or_frozen_breaker(
    store: SqlStore, rows: list[Breaker], scopes: list[str], refusing: str | None
) -> None:
    transact(store, each(*(partial(SqlTx.put_breaker, breaker=row) for row in rows)))
    refused = transact(store, lambda tx: tx.reserve(scopes).stop)
    assert (refused and refused.scope) == refusing
    assert refused is None or refused in rows
    assert read(store, lambda tx: tx.breakers()) == sorted(rows, key=lambda b: b.scope)


@pytest.mark.parametrize("scopes", [["global", "agent/a"], ["agent/a"], []])
def test_a_missing_breaker_refuses(store: SqlStore, scopes: list[str]) -> None:
    transact(store, lambda tx: tx.put_breaker(Breaker("global")))
    refused = transact(store, lambda tx: tx.reserve(scopes).stop)
    assert refused is not None
    assert (refused.state, refused.reason) == (OPEN, "missing")


@pytest.mark.parametrize("key", ["\ud800", "a\0b"])
def test_a_value_that_the_database_cannot_hold_is_refused_and_the_store_goes_on(
    backend: Backend, key: str
) -> None:
    store = backend.open()
    if backend.is_sqlite and "\0" in key:
        pytest.skip("SQLite holds it")
    with pytest.raises(Rejected, match="cannot hold"):
        transact(store, lambda tx: tx.put_meta(key, "v"))
    with pytest.raises(Rejected, match="cannot hold"):
        read(store, lambda tx: tx.meta(key))
    transact(store, lambda tx: tx.put_meta("k", "v"))


def test_a_damaged_record_is_an_error_and_not_skipped(backend: Backend) -> None:
    store = backend.open()
    transact(store, lambda tx: tx.put_person(Person("bob", (), "k", AT)))
    backend.raw("UPDATE people SET doc = '{\"name\":7}'")
    with pytest.raises(Unavailable, match="Person"):
        read(store, lambda tx: tx.people())


def test_what_is_in_force_is_kept_with_its_digest_and_forgotten_as_a_whole(store: SqlStore) -> None:
    assert read(store, lambda tx: tx.in_force()) == {}
    before = read(store, lambda tx: tx.revision())
    content = "policies\0é".encode() * 100_000
    digest = transact(store, lambda tx: tx.put_in_force("policies", content))
    assert digest == hashlib.sha256(content).hexdigest()
    assert read(store, lambda tx: tx.revision()) > before, "replicas must notice"
    transact(store, lambda tx: tx.put_in_force("config", b"{}"))
    assert list(read(store, lambda tx: tx.in_force())) == ["config", "policies"]
    assert read(store, lambda tx: tx.in_force_content("policies")) == content
    assert read(store, lambda tx: tx.in_force_content("nothing")) is None
    transact(store, lambda tx: tx.put_in_force("policies", b"other"))
    assert read(store, lambda tx: tx.in_force_content("policies")) == b"other"
    before = read(store, lambda tx: tx.revision())
    transact(store, lambda tx: tx.drop_in_force())
    assert read(store, lambda tx: tx.in_force()) == {}
    assert read(store, lambda tx: tx.revision()) > before


def test_the_fake_keeps_what_is_in_force_alike() -> None:
    fake = FakeStore()
    digest = fake.now(lambda tx: tx.put_in_force("config", b"{}"))
    assert fake.now(lambda tx: (tx.in_force(), tx.in_force_content("config"))) == ({"config": digest}, b"{}")
    assert digest == hashlib.sha256(b"{}").hexdigest()
    fake.now(lambda tx: tx.drop_in_force())
    assert fake.now(lambda tx: (tx.in_force(), tx.in_force_content("config"))) == ({}, None)


def test_thousands_of_scopes_are_reserved_like_one(store: SqlStore) -> None:
    """A migration of a schema for each tenant is on the way of as many breakers."""
    scopes = [f"group/shop/tenant{n:04d}" for n in range(2_500)]

    def put(tx: Any) -> None:
        for scope in scopes:
            tx.note_breaker(
                Breaker(scope, state=BreakerState.OPEN if scope.endswith("2400") else BreakerState.CLOSED)
            )

    transact(store, put)
    found = transact(store, lambda tx: tx.reserve(scopes))
    assert [row.scope for row in found.rows] == scopes
    assert found.stop is not None
    assert found.stop.scope == "group/shop/tenant2400"
