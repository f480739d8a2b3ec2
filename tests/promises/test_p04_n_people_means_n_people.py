"""P4 N people means N people: an approval counts once for each distinct person without an interest, for exactly what was signed,
and is used once."""

import itertools
import json
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.promises.conftest import Serve, hang_commits, new_shop, open_transactions, store_held
from tests.real.conftest import FILL, SETUP, Shop, fails, until

from interlock.control.deciding import approval as approvals
from interlock.model.change import Change, ChangeState, Statement, Verdict
from interlock.model.errors import Conflict, InterlockError, Rejected
from interlock.model.operation import Action
from interlock.model.people import Person
from interlock.runtime.background.tickers import Chores
from interlock.sdk.connector import Held, Permitted
from interlock.testing import signing
from interlock.testing.gateway import BY, EVERYTHING, Gateway, address, prepare
from interlock.testing.peers.pg import PgCluster, PgDatabase
from interlock.testing.peers.process import GatewayProcess

HELD, UNAVAILABLE = "IL001", "IL005"
ALL = "DELETE FROM ten"
_NUMBERS = itertools.count(1)


@pytest.fixture
def shop(shop18: Shop) -> Shop:
    return shop18


def hold(shop: Shop, sql: str = ALL) -> Change:
    """A change of this test's agent that waits."""
    with shop.connect() as agent, fails(HELD):
        agent.execute(sql.encode())
    return shop.held()


def still_held(shop: Shop, sql: str = ALL) -> None:
    """Sent again it is still not done."""
    with shop.connect() as agent, fails(HELD):
        agent.execute(sql.encode())
    assert shop.count("ten") == 10


def enrol(shop: Shop, *groups: str, name: str = "") -> str:
    """A new person."""
    person = name or f"person-{next(_NUMBERS)}"
    shop.gateway.run(shop.gateway.runtime.people.add(person, groups, signing.public_key_of(person), by=BY))
    return person


# -- who does not count, whatever they sign


def owner(shop: Shop) -> str:
    return "olga"


def past_owner(shop: Shop) -> str:
    agents = shop.gateway.runtime.agents
    shop.gateway.run(agents.give_to(shop.agent, "cho", by=BY))
    return "olga"


def new_owner(shop: Shop) -> str:
    person = enrol(shop, "sre")
    shop.gateway.run(shop.gateway.runtime.agents.give_to(shop.agent, person, by=BY))
    return person


def grant(shop: Shop, person: str) -> Any:
    gateway = shop.gateway
    expires = gateway.runtime.core.directory.now() + timedelta(hours=1)
    given = gateway.runtime.grants.add(shop.agent, "shop", [Action.READ], expires, by=f"person/{person}")
    return gateway.run(given)


def granter(shop: Shop) -> str:
    person = enrol(shop, "sre")
    grant(shop, person)
    return person


def past_granter(shop: Shop) -> str:
    person = enrol(shop, "sre")
    given = grant(shop, person)
    shop.gateway.run(shop.gateway.runtime.grants.revoke(given.id, by=BY))
    return person


def disabled(shop: Shop) -> str:
    person = enrol(shop, "sre")
    shop.gateway.run(shop.gateway.runtime.people.disable(person, by=BY))
    return person


def other_group(shop: Shop) -> str:
    return enrol(shop, "dev", "admin")


def no_group_any_more(shop: Shop) -> str:
    person = enrol(shop, "sre")
    shop.gateway.run(shop.gateway.runtime.people.set_groups(person, ["dev"], by=BY))
    return person


def the_agent_itself(shop: Shop) -> str:
    return enrol(shop, "sre", name=shop.agent)


def nobody(shop: Shop) -> str:
    return f"stranger-{next(_NUMBERS)}"


EXCLUDED = [
    owner, past_owner, new_owner, granter, past_granter, disabled, other_group, no_group_any_more, the_agent_itself, nobody,
]  # fmt: skip


@pytest.mark.parametrize("who", EXCLUDED)
def test_who_has_an_interest_does_not_count(shop: Shop, who: Callable[[Shop], str]) -> None:
    change = hold(shop)
    person = who(shop)
    with pytest.raises(Rejected):
        shop.gateway.approve(change.id, person)
    shop.gateway.approve(change.id, "ann")
    assert shop.gateway.change(change.id).state is ChangeState.HELD
    still_held(shop)


@pytest.mark.parametrize("who", [past_owner, new_owner, granter, disabled, no_group_any_more])
def test_who_has_come_to_have_an_interest_counts_no_more(shop: Shop, who: Callable[[Shop], str]) -> None:
    """Everything was in order when they signed. It is counted again when the approval is used."""
    person = enrol(shop, "sre")
    agent = shop.agent
    if who is past_owner:
        shop.gateway.run(shop.gateway.runtime.agents.give_to(agent, "olga", by=BY))
    change = hold(shop)
    shop.gateway.approve(change.id, "ann", person)
    assert shop.gateway.change(change.id).state is ChangeState.APPROVED
    services = shop.gateway.runtime
    if who is past_owner:
        shop.gateway.run(services.agents.give_to(agent, person, by=BY))
        shop.gateway.run(services.agents.give_to(agent, "olga", by=BY))
    elif who is new_owner:
        shop.gateway.run(services.agents.give_to(agent, person, by=BY))
    elif who is granter:
        grant(shop, person)
    elif who is disabled:
        shop.gateway.run(services.people.disable(person, by=BY))
    else:
        shop.gateway.run(services.people.set_groups(person, ["dev"], by=BY))
    still_held(shop)
    assert shop.held().replaces == change.id
    with pytest.raises(Rejected):
        shop.gateway.apply(change.id)


def test_nobody_counts_twice(shop: Shop) -> None:
    change = hold(shop)
    shop.gateway.approve(change.id, "ann")
    for _ in range(3):
        with pytest.raises((Rejected, Conflict)):
            shop.gateway.approve(change.id, "ann")
    still_held(shop)


def test_one_key_is_one_person(shop: Shop) -> None:
    """Two names for one key are refused; slipped into the store all the same, they count as the one person that they are."""
    people = shop.gateway.runtime.people
    for taken in ("ann", "olga"):
        with pytest.raises(Rejected, match="each person has their own"):
            shop.gateway.run(people.add(f"{taken}-again", ["sre"], signing.public_key_of(taken), by=BY))
    change = hold(shop)
    now = shop.gateway.runtime.core.directory.now()
    aliases = {f"{name}-{next(_NUMBERS)}": name for name in ("ann", "olga")}
    for alias, name in aliases.items():
        person = Person(alias, ("sre",), signing.public_key_of(name), now)
        shop.gateway.run(shop.gateway.runtime.store.transact(lambda tx, p=person: tx.put_person(p)))  # type: ignore[misc]
    shop.gateway.approve(change.id, "ann")
    for alias, name in aliases.items():
        words = statement(shop, change, alias)
        speak(shop, words, signing.key_of(name))
    assert shop.gateway.change(change.id).state is ChangeState.HELD
    still_held(shop)


def test_whoever_asked_does_not_decide(shop: Shop) -> None:
    """To do again what was undone needs the people that it needed first; whoever asks for it is not one of them."""
    change = hold(shop)
    shop.gateway.approve(change.id)
    shop.gateway.apply(change.id)
    shop.gateway.revert(change.id, "ann")
    undone = shop.gateway.change(shop.gateway.change(change.id).reverted_by)
    answer = shop.gateway.revert(undone.id, "ben")
    assert isinstance(answer, Held), answer
    with pytest.raises(Rejected, match="asked for the change"):
        shop.gateway.approve(answer.change.id, "ben")
    shop.gateway.approve(answer.change.id, "ann")
    with pytest.raises(Rejected):
        shop.gateway.apply(answer.change.id)
    assert shop.count("ten") == 10
    shop.gateway.approve(answer.change.id, "cho")
    assert isinstance(shop.gateway.apply(answer.change.id), Permitted)
    assert shop.count("ten") == 0


# -- what is signed is exactly what counts


def statement(shop: Shop, change: Change, person: str = "ann", **altered: Any) -> Statement:
    core = shop.gateway.runtime.core
    expires = core.directory.now() + timedelta(hours=1)
    shop.gateway.run(shop.gateway.runtime.changes.opened(change.id, person))
    words = approvals.statement(change, person, Verdict.APPROVE, origin=core.terms.origin, expires=expires)
    return msgspec.structs.replace(words, **altered)


def speak(shop: Shop, words: Statement, key: Ed25519PrivateKey | None = None) -> Change:
    signed = signing.signed(words, shop.gateway.runtime.core.directory.now(), key)
    return shop.gateway.run(shop.gateway.runtime.changes.speak(words, signed.signature)).change


def at(**ahead: int) -> Callable[[Shop, Change], str]:
    return lambda shop, _: approvals.rfc3339(shop.gateway.runtime.core.directory.now() + timedelta(**ahead))


def of_another(field: str) -> Callable[[Shop, Change], Any]:
    """What another change of the same agent has there."""

    def found(shop: Shop, change: Change) -> Any:
        with shop.connect() as agent, fails(HELD):
            agent.execute("DELETE FROM tempting")
        other = next(c for c in shop.changes(ChangeState.HELD) if c.id != change.id)
        return approvals.binding(other) if field == "subject" else getattr(other, field)

    return found


FORGERIES: dict[str, tuple[str, Any]] = {
    "another purpose": ("purpose", approvals.REVERT_PURPOSE),
    "no purpose": ("purpose", ""),
    "another log": ("origin", "elsewhere.example/log"),
    "another version": ("version", "2"),
    "another change": ("change", of_another("id")),
    "another target": ("target", "copy"),
    "another system": ("fingerprint", "7000000000000000001/shop"),
    "another content or effect": ("subject", of_another("subject")),
    "another nonce": ("nonce", of_another("nonce")),
    "no nonce": ("nonce", ""),
    "expired": ("expires", at(seconds=-1)),
    "without an end": ("expires", at(days=4000)),
    "without a time": ("expires", "never"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_what_was_signed_otherwise_does_not_count(shop: Shop, name: str) -> None:
    """Signed with the right key both times: for something else; and altered afterwards."""
    change = hold(shop)
    field, value = FORGERIES[name]
    value = value(shop, change) if callable(value) else value
    good = statement(shop, change)
    bad = msgspec.structs.replace(good, **{field: value})
    assert bad != good
    if field != "change":
        # What is a word about another change could well count there.
        with pytest.raises(InterlockError):
            speak(shop, bad)
    signature = signing.signed(good, change.requested_at).signature
    with pytest.raises(InterlockError):
        shop.gateway.run(shop.gateway.runtime.changes.speak(bad, signature))
    assert shop.gateway.change(change.id).state is ChangeState.HELD
    assert shop.gateway.run(shop.gateway.runtime.changes.show(change.id)).approvals == ()
    shop.gateway.approve(change.id)
    assert shop.gateway.change(change.id).state is ChangeState.APPROVED


@pytest.mark.parametrize("person", ["ann", "ben"])
def test_another_key_does_not_sign_for_a_person(shop: Shop, person: str) -> None:
    change = hold(shop)
    for key in (signing.key_of("olga"), Ed25519PrivateKey.generate()):
        with pytest.raises(Rejected, match="signature"):
            speak(shop, statement(shop, change, person), key)
    still_held(shop)


def test_a_word_about_one_holding_is_none_about_the_next(shop: Shop) -> None:
    """The same work, held anew after it was withdrawn: the signatures of before are of no use."""
    first = hold(shop)
    words = [statement(shop, first, person) for person in ("ann", "ben")]
    shop.gateway.run(shop.gateway.runtime.changes.withdraw(first.id, "another way", by="uid/0"))
    second = hold(shop)
    assert second.content == first.content
    for old in words:
        for tried in (old, msgspec.structs.replace(old, change=second.id)):
            signature = signing.signed(old, first.requested_at).signature
            with pytest.raises(InterlockError):
                shop.gateway.run(shop.gateway.runtime.changes.speak(tried, signature))
    still_held(shop)


def test_an_approval_is_for_one_target(pg18: PgCluster, serve18: Serve) -> None:
    """The same agent, the same text, the same tables: approved for one database, it is not for another."""
    twin = pg18.create_database(f"t_{secrets.token_hex(6)}")
    prepare(twin, SETUP)
    twin.psql(FILL)
    with serve18() as shop:
        gateway = shop.gateway
        gateway.stop()
        config = yaml.safe_load(gateway.file.read_text())
        text = yaml.safe_dump(config["targets"]["shop"]).replace(shop.database.name, twin.name)
        config["targets"]["twin"] = yaml.safe_load(text)
        gateway.file.write_text(yaml.safe_dump(config))
        gateway.start()
        expires = gateway.runtime.core.directory.now() + timedelta(hours=1)
        gateway.run(gateway.runtime.grants.add(shop.agent, "twin", EVERYTHING, expires, by=BY))
        change = hold(shop)
        gateway.approve(change.id)
        (other,) = [s for s in gateway.runtime.statuses() if s.name == "twin"]
        port = int(other.address.rpartition(":")[2])
        dsn = address(port, shop.agent, gateway.tokens[shop.agent]).replace("/shop?", "/twin?")
        with psycopg.connect(dsn, autocommit=True) as agent, fails(HELD):
            agent.execute(ALL)
        assert twin.psql("SELECT count(*) FROM ten") == [(10,)]
        assert gateway.change(change.id).state is ChangeState.APPROVED
        (waiting,) = gateway.changes(ChangeState.HELD)
        assert (waiting.target, waiting.content == change.content) == ("twin", False)
    twin.drop()


@pytest.mark.parametrize("what", ["content", "effects", "owner", "nonce"])
def test_a_record_altered_behind_the_signatures_is_approved_by_nobody(serve18: Serve, what: str) -> None:
    """Whoever can write to the store can alter what was approved, but not what was signed."""
    other = "UPDATE ten SET b = 'other'"
    with serve18() as shop:
        change = hold(shop)
        with shop.connect() as agent, fails(HELD):
            agent.execute(other)
        wanted = next(c for c in shop.changes(ChangeState.HELD) if c.id != change.id)
        shop.gateway.run(shop.gateway.runtime.changes.withdraw(wanted.id, "not now", by="uid/0"))
        shop.gateway.approve(change.id)
        file = shop.gateway.folder / "var/interlock.db"
        with closing(sqlite3.connect(file, isolation_level=None)) as store:
            ((text,),) = store.execute("SELECT doc FROM changes WHERE id = ?", (change.id,))
            doc = json.loads(text)
            if what == "content":
                doc["content"] = wanted.content
            elif what == "effects":
                doc["measurement"]["effects"] = []
            else:
                doc[what] = "x" * 32
            store.execute(
                "UPDATE changes SET doc = ?, content = ? WHERE id = ?",
                (json.dumps(doc), doc["content"], change.id),
            )
        sql = other if what == "content" else ALL
        with shop.connect() as agent, fails(HELD):
            agent.execute(sql.encode())
        assert shop.database.psql("SELECT count(*) FROM ten WHERE b LIKE 'row %'") == [(10,)]


# -- once, and given back only when it is proven that nothing was done


def test_a_commit_that_provably_did_not_happen_gives_the_approval_back(
    pg18: PgCluster, store18: PgDatabase, tmp_path: Path
) -> None:
    with new_shop(pg18, tmp_path / "gateway", store=store18.dsn()) as shop:
        change = hold(shop)
        shop.gateway.approve(change.id)
        with shop.connect() as agent, ThreadPoolExecutor(1) as pool:
            with store_held(store18) as recorded:
                lost = pool.submit(agent.execute, ALL)
                until(lambda: open_transactions(shop.database))
                recorded()
                shop.database.psql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE usename = 'il_agent' AND datname = current_database() AND state = 'idle in transaction'"
                )
                until(lambda: not open_transactions(shop.database))
            with pytest.raises(psycopg.Error):
                lost.result(60)
        assert shop.count("ten") == 10
        assert shop.gateway.change(change.id).state is ChangeState.APPROVED
        (outcome,) = shop.gateway.entries("outcome")
        assert outcome["body"]["committed"] is False
        with shop.connect() as agent:
            assert agent.execute(ALL).rowcount == 10
        assert shop.gateway.change(change.id).state is ChangeState.APPLIED


@pytest.fixture
def doubtful(stamped: PgCluster, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway in front of a server that a test may let hang."""
    database = stamped.create_database(f"t_{secrets.token_hex(6)}")
    prepare(database, SETUP)
    database.psql(FILL)
    gateway = Gateway(database, tmp_path / "gateway").start()
    yield gateway
    gateway.stop()
    database.drop()


def test_what_may_have_happened_gives_nothing_back(doubtful: Gateway, stamped: PgCluster) -> None:
    """The gateway dies during the commit, and the server cannot tell yet. The approval is not used a second time."""
    database = doubtful.database
    with doubtful.connect() as agent, fails(HELD):
        agent.execute(ALL)
    change = doubtful.approve(doubtful.held().id)
    doubtful.stop()
    committing = "SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = current_database()"
    with GatewayProcess(doubtful) as process, process.connect() as agent, ThreadPoolExecutor(1) as pool:
        with hang_commits(stamped):
            lost = pool.submit(agent.execute, ALL)
            until(lambda: database.psql(committing))
            process.kill()
            with pytest.raises(psycopg.OperationalError):
                lost.result(60)
            doubtful.start()
            assert doubtful.change(change.id).state is ChangeState.IN_DOUBT
            with pytest.raises(Rejected):
                doubtful.apply(change.id)
            with pytest.raises(Rejected):
                doubtful.approve(change.id, "cho")
        until(lambda: not database.psql(committing))
    doubtful.run(Chores(doubtful.runtime.core).recover(starting=True))
    assert doubtful.change(change.id).state is ChangeState.APPLIED
    database.psql("INSERT INTO ten SELECT i, 'again' FROM generate_series(1, 10) i")
    with doubtful.connect() as agent, fails(HELD):
        agent.execute(ALL)
    assert doubtful.held().id != change.id
