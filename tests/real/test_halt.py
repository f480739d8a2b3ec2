"""The kill switch, broken on purpose: three replicas on one PostgreSQL store, in front of one database."""

import base64
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

import psycopg
import pytest
from tests.promises.conftest import open_transactions, store_held
from tests.real.conftest import FILL, SETUP, fails, until

from interlock.control.breaker import DRILL
from interlock.model.change import ChangeState
from interlock.model.errors import Rejected, Unavailable
from interlock.pipeline import reminding
from interlock.runtime import doctor
from interlock.runtime.halting import replicas as living
from interlock.runtime.service.stopping import halts
from interlock.sdk.connector import Refused
from interlock.testing.gateway import BY, Gateway, prepare
from interlock.testing.peers.pg import PgCluster, PgDatabase

OVER = "57P01"
BREAKER = "IL003"
CLIENTS = 6
SOON_S = 1.0
PATIENT_S = 100


class Replicas(NamedTuple):
    """Three gateways on one store."""

    all: tuple[Gateway, ...]
    target: PgDatabase
    store: PgDatabase

    @property
    def one(self) -> Gateway:
        return self.all[0]

    def halt(self, reason: str = "fire", at: int = 2) -> float:
        """Halt at one replica; when it was committed (`time.monotonic`)."""
        gateway = self.all[at]
        gateway.run(gateway.runtime.switches.halts.halt(reason, by=BY))
        return time.monotonic()

    def resume(self) -> None:
        self.one.run(self.one.runtime.switches.halts.resume("over", by=BY))
        until(lambda: not any(g.runtime.core.halt.why for g in self.all))

    @property
    def sessions(self) -> int:
        return sum(len(g.runtime.targets["shop"].gate.sessions) for g in self.all)


def make_key(folder: Path) -> Path:
    key = folder / "master.key"
    key.touch(mode=0o600)
    key.write_text(base64.b64encode(secrets.token_bytes(32)).decode())
    return key


@pytest.fixture(scope="module")
def three(pg18: PgCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    target, store = (pg18.create_database(f"t_{secrets.token_hex(6)}") for _ in range(2))
    prepare(target, SETUP)
    folder = tmp_path_factory.mktemp("halt")
    # Whoever waits for a lock waits until the halt comes, however slow the machine is.
    patient = {"limits": {"lock_timeout_ms": PATIENT_S * 1000, "strong_lock_s": PATIENT_S}}
    shared: dict[str, Any] = {"store": store.dsn(), "master_key": make_key(folder), "keys": patient}
    agents = [f"bot-{n}" for n in range(CLIENTS)]
    with (
        Gateway(target, folder / "one", agents=agents, **shared) as one,
        Gateway(target, folder / "two", furnish=False, **shared) as two,
        Gateway(target, folder / "three", furnish=False, **shared) as last,
    ):
        two.tokens = last.tokens = one.tokens
        yield Replicas((one, two, last), target, store)
    target.drop()
    store.drop()


@pytest.fixture
def replicas(three: Replicas) -> Iterator[Replicas]:
    """With the target's first content, nothing halted and nothing open: whatever a test that failed has left."""
    three.target.psql(FILL)
    yield three
    halted = three.one.run(three.one.runtime.switches.halts.state()).row.frozen
    if halted:
        three.resume()
    for change in three.one.changes(ChangeState.HELD, ChangeState.APPROVED):
        three.one.withdraw(change.id)


def told(work: Callable[[], object]) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as caught:
        work()
    return caught.value


def busy_in(database: PgDatabase) -> int:
    """Connections of agents that have something open on the target, or do something there."""
    ((number,),) = database.psql(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'il_agent'"
        " AND state <> 'idle'"
    )
    return int(number)


# ---- all at once


def test_all_ends_within_a_second_on_every_replica(replicas: Replicas) -> None:
    """Of three tries the best counts: a machine that does other work as well may be slow, but not always."""
    taken = [_all_ends(replicas) for _ in range(3)]
    assert min(taken) < SOON_S, taken


def _all_ends(replicas: Replicas) -> float:
    """On each replica a client that is idle, one that has a transaction open, one that waits for people and one that waits for a
    lock. How long it takes until none of them is there any more, and nothing is open on the target."""
    replicas.target.psql(FILL)
    with ExitStack() as connected:
        connect = [partial(gateway.connect, f"bot-{n}") for n, gateway in enumerate(replicas.all * 2)]
        return _all_of(replicas, [connected.enter_context(each()) for each in connect])


def _all_of(replicas: Replicas, clients: list[psycopg.Connection[Any]]) -> float:
    idle, openers = clients[:3], clients[3:]
    for n, agent in enumerate(openers, 1):
        agent.execute("BEGIN")
        agent.execute("UPDATE ten SET b = 'mine' WHERE a = %s", (n,))
    with ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(told, partial(_waits, g, f"bot-{n}")) for n, g in enumerate(replicas.all)]
        locked: list[Future[psycopg.Error]] = []

        def none_ended() -> bool:
            ended = [work.result() for work in (*waiting, *locked) if work.done()]
            assert not ended, ended  # what ended too soon is told, and not waited for
            return True

        until(lambda: none_ended() and len(replicas.one.changes(ChangeState.HELD)) == 3)
        locked += [
            pool.submit(told, partial(_blocked, g, f"bot-{n}", n + 1)) for n, g in enumerate(replicas.all)
        ]
        until(lambda: none_ended() and busy_in(replicas.target) == 6)
        begun = replicas.halt()
        until(lambda: not replicas.sessions and not busy_in(replicas.target))
        taken = time.monotonic() - begun
        ends = [work.result(30) for work in (*waiting, *locked)]
    ends += [told(partial(a.execute, "SELECT 1")) for a in (*idle, *openers)]
    for error in ends:
        assert "everything is halted: fire" in str(error) or error.sqlstate == OVER, error
    assert replicas.target.psql("SELECT count(*) FROM ten WHERE b = 'mine'") == [(0,)]
    assert replicas.target.psql("SELECT count(*) FROM ten") == [(10,)]
    for change in replicas.one.changes(ChangeState.HELD):
        replicas.one.withdraw(change.id)
    for agent in clients:
        agent.close()
    replicas.resume()
    return taken


def _waits(gateway: Gateway, agent: str) -> None:
    with gateway.connect(agent) as client:
        client.execute(f"SET interlock.wait = '{PATIENT_S}s'")
        client.execute(f"DELETE FROM customers WHERE '{agent}' <> ''")


def _blocked(gateway: Gateway, agent: str, row: int) -> None:
    with gateway.connect(agent) as client:
        client.execute("UPDATE ten SET b = 'theirs' WHERE a = %s", (row,))


def test_no_new_session_is_let_in_and_the_reason_is_told(replicas: Replicas) -> None:
    replicas.halt("a runaway")
    for gateway in replicas.all:
        error = told(partial(gateway.connect, "bot-0"))
        assert "everything is halted: a runaway" in str(error)
    replicas.resume()
    for gateway in replicas.all:
        with gateway.connect("bot-0") as agent:
            agent.execute("UPDATE ten SET b = 'again' WHERE a = 1")


def test_reverts_and_applying_stop_and_people_go_on(replicas: Replicas) -> None:
    one, two, _ = replicas.all
    with one.connect("bot-1") as agent:
        agent.execute("UPDATE ten SET b = 'done' WHERE a = 1")
        done = one.changes(ChangeState.APPLIED)[0]
        with fails("IL001"):
            agent.execute("DELETE FROM ten")
    held = one.held()
    replicas.halt()
    assert one.approve(held.id).state is ChangeState.APPROVED, "it touches no target"
    for answer in (two.apply(held.id), one.revert(done.id)):
        assert isinstance(answer, Refused)
        assert (answer.code, answer.why) == ("breaker", "everything is halted: fire")
    assert replicas.target.psql("SELECT count(*) FROM ten WHERE b = 'done'") == [(1,)]
    replicas.resume()
    one.withdraw(held.id)


def test_after_its_commit_nothing_is_admitted_under_a_flood(replicas: Replicas) -> None:
    """Agents that write and come back as fast as they can, through all replicas; ten times."""
    begun, ends = len(replicas.one.entries()), Event()
    with ThreadPoolExecutor(CLIENTS) as pool:
        flood = [pool.submit(_flood, replicas.all[n % 3], f"bot-{n}", ends) for n in range(CLIENTS)]
        for turn in range(10):
            until(partial(_more, replicas, notes(replicas) + 5))
            replicas.halt(at=turn % 3)
            until(lambda: not replicas.sessions)
            replicas.resume()
        replicas.halt()
        ends.set()
        written = {body for work in flood for body in work.result(60)}
    found = {body for (body,) in replicas.target.psql("SELECT body FROM notes")}
    assert written <= found, "what was acknowledged is there"
    halted, intents = False, 0
    for entry in replicas.one.entries()[begun:]:
        if entry["kind"] == "halt":
            halted = entry["body"]["frozen"]
        elif entry["kind"] == "intent":
            intents += 1
            assert not halted
        assert not (halted and entry["kind"] == "session.opened")
    outcomes = [e["body"]["committed"] for e in replicas.one.entries("outcome")[-intents:]]
    assert len(found) == outcomes.count(True)
    assert not replicas.one.changes(ChangeState.IN_DOUBT, ChangeState.EXECUTING)
    assert replicas.one.ledger_ok()


def notes(replicas: Replicas) -> int:
    return int(replicas.target.psql("SELECT count(*) FROM notes")[0][0])


def _more(replicas: Replicas, than: int) -> bool:
    return notes(replicas) >= than


def _flood(gateway: Gateway, agent: str, ends: Event) -> list[str]:
    written = []
    while not ends.is_set():
        try:
            with gateway.connect(agent) as client:
                while not ends.is_set():
                    body = secrets.token_hex(8)
                    client.execute("INSERT INTO notes (body) VALUES (%s)", (body,))
                    written.append(body)
        except psycopg.Error as error:
            if "halted" not in str(error) and error.sqlstate not in (OVER, "40000", None):
                raise
    return written


# ---- clients that are not nice


def test_a_client_that_does_not_read_does_not_hold_its_connection(replicas: Replicas) -> None:
    one = replicas.one
    client = psycopg.connect(one.dsn("bot-0"), autocommit=True)
    client.pgconn.send_query(b"SELECT repeat('x', 100000) FROM generate_series(1, 2000)")
    connections = one.runtime.targets["shop"]._connections
    until(lambda: any(c.buffered() for c in connections))
    begun = replicas.halt()
    until(lambda: not replicas.sessions and not busy_in(replicas.target))
    until(lambda: not connections)
    assert time.monotonic() - begun < 10 * SOON_S
    client.close()


def test_a_client_that_has_sent_much_in_advance_gets_nothing_more_of_it_done(replicas: Replicas) -> None:
    """Thousands of transactions lie in the gateway's inbox: what was not admitted before is not run after."""
    one, ends = replicas.one, Event()

    def pipelined() -> None:
        with one.connect("bot-0") as client, client.pipeline():
            for _ in range(3000):
                client.execute("BEGIN")
                client.execute("INSERT INTO notes (body) VALUES ('x')")
                client.execute("COMMIT")
            ends.set()

    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(told, pipelined)
        until(lambda: replicas.target.psql("SELECT count(*) FROM notes")[0][0] > 20)
        replicas.halt()
        until(lambda: not replicas.sessions and not open_transactions(replicas.target))
        rows = replicas.target.psql("SELECT count(*) FROM notes")[0][0]
        error = work.result(60)
    assert rows < 3000
    assert "halted" in str(error) or error.sqlstate in (OVER, None)
    entries = one.entries()
    place = max(n for n, e in enumerate(entries) if e["kind"] == "halt")
    assert "intent" not in [e["kind"] for e in entries[place:]]
    assert replicas.target.psql("SELECT count(*) FROM notes") == [(rows,)]


# ---- between intent and execution


def test_an_intent_that_is_durable_is_not_executed(replicas: Replicas) -> None:
    """The halt comes in the very moment after the intent: by the file, which this replica sees at once."""
    one = replicas.one
    file = one.runtime.config.halt_file

    def moved(change: Any) -> None:
        if change.state is ChangeState.EXECUTING:
            file.touch()

    listeners = one.runtime.core.watch.listeners
    with one.connect("bot-2") as agent:
        agent.execute("SELECT 1")
        listeners.append(moved)
        try:
            error = told(lambda: agent.execute("UPDATE ten SET b = 'no' WHERE a = 1"))
        finally:
            listeners.remove(moved)
            until(lambda: not replicas.sessions)
            file.unlink(missing_ok=True)
    assert error.sqlstate in ("40000", OVER)
    change = one.changes()[0]
    assert (change.state, change.agent) == (ChangeState.FAILED, "bot-2")
    assert replicas.target.psql("SELECT count(*) FROM ten WHERE b = 'no'") == [(0,)]
    assert not open_transactions(replicas.target)
    until(lambda: not one.runtime.core.halt.why)


# ---- the store in trouble


def test_a_client_that_waits_for_the_store_is_let_go_and_its_late_intent_has_failed(
    replicas: Replicas,
) -> None:
    one = replicas.one
    file = one.runtime.config.halt_file
    with ThreadPoolExecutor(1) as pool, one.connect("bot-3") as agent:
        agent.execute("SELECT 1")
        with store_held(replicas.store) as someone_waits:
            work = pool.submit(told, lambda: agent.execute("UPDATE ten SET b = 'late' WHERE a = 1"))
            someone_waits()
            begun = time.monotonic()
            file.touch()
            try:
                error = work.result(30)
                until(lambda: not open_transactions(replicas.target))
                assert time.monotonic() - begun < 4 * SOON_S, "while the store was held"
            finally:
                file.unlink()
        assert "halted" in str(error) or error.sqlstate == OVER
    until(lambda: one.changes() and one.changes()[0].agent == "bot-3")
    until(lambda: one.changes()[0].state is not ChangeState.EXECUTING)
    assert one.changes()[0].state is ChangeState.FAILED
    assert replicas.target.psql("SELECT count(*) FROM ten WHERE b = 'late'") == [(0,)]
    until(lambda: not one.runtime.core.halt.why)


def test_the_file_alone_when_the_store_is_gone(
    own_cluster: Callable[..., PgCluster], pg18: PgCluster, tmp_path: Path
) -> None:
    cluster = own_cluster("18")
    store = cluster.create_database("store")
    target = pg18.create_database(f"t_{secrets.token_hex(6)}")
    prepare(target, SETUP)
    target.psql(FILL)
    with Gateway(target, tmp_path / "gateway", store=store.dsn(), master_key=make_key(tmp_path)) as gateway:
        file = gateway.runtime.config.halt_file
        agent = gateway.connect("bot")
        agent.execute("BEGIN")
        agent.execute("UPDATE ten SET b = 'x' WHERE a = 1")
        cluster.stop(immediate=True)
        with pytest.raises(Unavailable):
            gateway.run(gateway.runtime.switches.halts.halt("fire", by=BY))
        assert len(open_transactions(target)) == 1
        begun = time.monotonic()
        file.touch()
        until(lambda: not gateway.runtime.targets["shop"].gate.sessions and not open_transactions(target))
        assert time.monotonic() - begun < 4 * SOON_S
        assert told(lambda: agent.execute("COMMIT")).sqlstate == OVER
        assert "halted" in str(told(lambda: gateway.connect("bot")))
        file.unlink()
        with pytest.raises(psycopg.OperationalError):
            gateway.connect("bot")  # and without the store nobody is let in either
        cluster.resume()
        until(lambda: gateway.runtime.core.directory.fresh and not gateway.runtime.core.halt.why)

        def back() -> bool:
            try:
                with gateway.connect("bot") as again:
                    again.execute("UPDATE ten SET b = 'y' WHERE a = 1")
            except psycopg.Error:
                return False
            return True

        until(back)
        agent.close()
    target.drop()


# ---- the drill


def drill(replicas: Replicas) -> halts.Drilled:
    """Of three the best: see above."""
    for _ in range(3):
        found = replicas.one.run(replicas.one.runtime.switches.halts.drill(by="person/ann"))
        if found.ok:
            break
    return found


def test_a_drill_tries_every_replica_and_no_agent_notices(replicas: Replicas) -> None:
    with replicas.all[1].connect("bot-0") as agent:
        agent.execute("BEGIN")
        agent.execute("UPDATE ten SET b = 'mine' WHERE a = 1")
        found = drill(replicas)
        agent.execute("COMMIT")
    assert found.ok, found
    assert [r.refused for r in found.replicas] == [True] * 3
    assert {r.replica for r in found.replicas} == {g.runtime.terms.gateway for g in replicas.all}
    for replica in found.replicas:
        assert replica.ms is not None
        assert 0 < replica.ms <= 1000
    entry = replicas.one.entries("halt.drill")[-1]["body"]
    assert (entry["ok"], entry["by"]) == (True, "person/ann")
    assert {r["replica"]: r["ms"] for r in entry["replicas"]} == {r.replica: r.ms for r in found.replicas}
    one = replicas.one
    (finding,) = one.run(one.runtime.store.read(doctor.stopped))
    assert (finding.level, finding.check) == ("ok", "drill")
    assert not one.runtime.core.halt.why
    row = one.run(one.runtime.store.read(lambda tx: tx.breaker(DRILL)))
    assert row is not None
    assert not row.frozen


def test_a_replica_that_ends_nothing_fails_the_drill(
    replicas: Replicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, _ = replicas.all
    monkeypatch.setattr(halts, "PATIENCE_S", 1.5)
    cutters = two.runtime.core.halt.cutters
    kept, cutters[DRILL] = cutters[DRILL], []
    try:
        found = one.run(one.runtime.switches.halts.drill(by=BY))
    finally:
        cutters[DRILL] = kept
    by_name = {r.replica: r for r in found.replicas}
    broken = by_name[two.runtime.terms.gateway]
    assert (found.ok, broken.ms, broken.ok) == (False, None, False)
    assert by_name[one.runtime.terms.gateway].ms is not None
    assert one.entries("halt.drill")[-1]["body"]["ok"] is False
    # It is armed again, and the next one tells of it.
    two.runtime.core.halt.cutters[DRILL][0]("cleared")
    until(lambda: not len(two.runtime.core.tasks))
    assert drill(replicas).ok


def test_a_replica_that_is_gone_without_a_word_is_silent(
    replicas: Replicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = replicas.one
    monkeypatch.setattr(halts, "PATIENCE_S", 1.5)
    one.run(one.runtime.store.transact(lambda tx: living.beat(tx, "ghost")))
    try:
        found = one.run(one.runtime.switches.halts.drill(by=BY))
    finally:
        one.run(one.runtime.store.transact(lambda tx: living.leave(tx, "ghost")))
    assert not found.ok
    assert [(r.replica, r.ms, r.ok) for r in found.replicas if r.replica == "ghost"] == [
        ("ghost", None, False)
    ]
    assert drill(replicas).ok


def test_one_that_is_late_fails_it(replicas: Replicas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halts, "SOON_MS", 0)
    found = replicas.one.run(replicas.one.runtime.switches.halts.drill(by=BY))
    assert not found.ok
    assert all(r.ms and r.refused and not r.ok for r in found.replicas)


def test_no_drill_in_a_halt_nor_in_another(replicas: Replicas) -> None:
    one, two, _ = replicas.all
    two.run(two.runtime.store.transact(lambda tx: halts._begun(tx, BY)))
    try:
        with pytest.raises(Rejected, match="under way"):
            one.run(one.runtime.switches.halts.drill(by=BY))
    finally:
        two.run(two.runtime.store.transact(lambda tx: halts._ended(tx, BY)))
    replicas.halt()
    with pytest.raises(Rejected, match="halted"):
        one.run(one.runtime.switches.halts.drill(by=BY))


def test_a_replica_that_begins_while_all_is_halted_lets_nobody_in(replicas: Replicas) -> None:
    replicas.halt("before it began")
    last = replicas.all[2]
    last.stop()
    last.start()
    assert last.runtime.core.halt.why == "everything is halted: before it began"
    assert "before it began" in str(told(lambda: last.connect("bot-0")))
    replicas.resume()


# ---- a freeze


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO notes (body) VALUES ('x')",
        "UPDATE ten SET b = 'x' WHERE a = 1",
        "DELETE FROM ten WHERE a = 1",
        "CREATE TABLE fresh (a int)",
        "ALTER TABLE ten ADD COLUMN c int",
        "DROP TABLE tempting",
        "TRUNCATE ten",
    ],
)
def test_a_freeze_stops_rows_and_definitions_alike(replicas: Replicas, sql: str) -> None:
    """Whatever would have been held for people is held or stopped; nothing of it takes effect."""
    one = replicas.one
    one.freeze("release")
    try:
        with one.connect("bot-4") as agent:
            error = told(lambda: agent.execute(sql))
            assert error.sqlstate in (BREAKER, "IL001"), error
            if error.sqlstate == "IL001":
                change = one.approve(one.held().id)
                answer = one.apply(change.id)
                assert isinstance(answer, Refused)
                assert "frozen" in answer.why
                assert told(lambda: agent.execute(sql)).sqlstate == BREAKER
                one.withdraw(change.id)
            assert agent.execute("SELECT count(*) FROM ten").fetchone() == (10,), "reading goes on"
    finally:
        one.thaw()


def test_people_are_reminded_of_it_by_one_replica(replicas: Replicas) -> None:
    """Over PostgreSQL, all replicas at once: one of them has it."""
    one = replicas.one
    one.run(one.runtime.switches.freeze("production", "release", by=BY, remind_s=60))
    try:

        def back(tx: Any) -> None:
            row = tx.breaker("environment/production")
            before = int((tx.now() - timedelta(hours=1)).timestamp() * 1000)
            tx.put_meta(reminding.key(row.scope), f"{row.epoch}/{before}")

        one.run(one.runtime.store.transact(back))
        with ThreadPoolExecutor(3) as pool:
            found = list(pool.map(lambda g: g.run(g.runtime.store.transact(reminding.remind)), replicas.all))
        assert sorted(map(len, found)) == [0, 0, 1]
    finally:
        one.thaw()
