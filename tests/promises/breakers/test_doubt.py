"""P2 and P8 when replicas cannot know: nothing is admitted while in doubt, nobody is told of what did not happen, and what can go
on by itself does, without a person. Only people close breakers.

In each test replicas of three write all the time. `quiet` waits until whatever was under way has ended, and then shows over a whole
further round of refusals that nothing takes effect any more.
"""

import secrets
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.faults.wire import Mode, Wire
from tests.promises.breakers.kit import AGENTS, QUICK, Fleet, Replica, all_ask, fleet_of, once, put_back, trip

from interlock.testing.peers.pg import PgCluster, PgDatabase

BAD, GOOD = AGENTS[-1], AGENTS[:2]
"""An agent whose breaker is open from the beginning; those that write."""
DAY = 86_400.0
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'interlock-store' AND wait_event_type = 'Lock'"
"""How many of the replicas' transactions wait for somebody else's lock."""


class Shared(NamedTuple):
    """Three replicas, each with a wire of its own to the store, for a whole module: to start one takes long."""

    cluster: PgCluster
    database: PgDatabase
    fleet: Fleet
    wires: list[Wire]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with ExitStack() as stack:
        cluster = stack.enter_context(PgCluster.start("18"))  # with fsync: it is stopped as in a crash
        store = cluster.create_database("store")
        fleet = stack.enter_context(fleet_of(tmp_path_factory.mktemp("doubt") / "fleet", store.dsn()))
        wires = [stack.enter_context(Wire(cluster.port)) for _ in range(3)]
        for name, wire in zip(("one", "two", "three"), wires, strict=True):
            fleet.start(name, url=wire.url(store.dsn()), options=QUICK)
        trip(fleet.replicas[0], f"agent/{BAD}")
        yield Shared(cluster, store, fleet, wires)


@pytest.fixture
def shared(started: Shared) -> Iterator[Shared]:
    """While agents write at each of them. What must hold whatever has happened is checked in the end."""
    all_ask(started.fleet.replicas, "flood", agents=GOOD, each=2)
    all_ask(started.fleet.replicas, "more", kind="permitted", number=1)
    yield started
    started.fleet.end()


@pytest.fixture
def database(pg18: PgCluster) -> Iterator[PgDatabase]:
    made = pg18.create_database(f"store_{secrets.token_hex(6)}")
    yield made
    made.drop()


def begin(fleet: Fleet) -> None:
    """One agent is stopped by a person, the others write at every replica."""
    trip(fleet.replicas[0], f"agent/{BAD}")
    all_ask(fleet.replicas, "flood", agents=GOOD, each=2)
    all_ask(fleet.replicas, "more", kind="permitted", number=3)


def quiet(fleet: Fleet, *replicas: Replica) -> None:
    """Whatever these replicas are asked for by now, nothing of it takes effect."""

    def theirs() -> int:
        return sum(xid.partition("/")[0] in names for xid in fleet.committed())

    names = {replica.name for replica in replicas}
    all_ask(replicas, "round")
    settled, answers = theirs(), counted(replicas)
    all_ask(replicas, "round")
    assert theirs() == settled
    assert counted(replicas) == answers, "told that something took effect"


def counted(replicas: tuple[Replica, ...]) -> list[int]:
    """How many were told that their work took effect, at each."""
    return [r.ask("count")["answers"].get("permitted", 0) for r in replicas]


def goes_on(fleet: Fleet) -> None:
    """All replicas write again, and what people had stopped is stopped."""
    all_ask(fleet.replicas, "more", kind="permitted", number=3)
    assert fleet.breaker(f"agent/{BAD}") == "open"
    for replica in fleet.replicas:
        assert once(replica, BAD) == "breaker"


# -- the poller


def test_a_replica_whose_poller_is_dead_obeys_a_trip_and_then_admits_nothing(shared: Shared) -> None:
    fleet = shared.fleet
    one, two, other = fleet.replicas
    two.ask("kill", ticker="directory")
    trip(one, "target/shop")
    # It has not heard of it, and need not: the store decides.
    two.ask("more", kind="breaker", number=1)
    put_back(fleet, other, "target/shop")
    two.ask("fresh", fresh=False)
    quiet(fleet, two)
    all_ask([one, other], "more", kind="permitted", number=3)
    two.ask("revive", ticker="directory")
    goes_on(fleet)


def test_a_poller_that_is_killed_is_begun_again(shared: Shared) -> None:
    two = shared.fleet.replicas[1]
    for _ in range(3):
        two.ask("cancel", ticker="directory")
        two.ask("more", kind="permitted", number=1)
    two.ask("fresh", fresh=True)
    goes_on(shared.fleet)


# -- the store


@pytest.mark.parametrize("immediate", [True, False], ids=["as in a crash", "in order"])
def test_a_store_that_is_stopped_admits_nothing_and_writes_go_on_when_it_is_back(
    shared: Shared, immediate: bool
) -> None:
    shared.cluster.stop(immediate=immediate)
    quiet(shared.fleet, *shared.fleet.replicas)
    shared.cluster.resume()
    goes_on(shared.fleet)


LOCKS = {
    "a breaker": "SELECT doc FROM interlock.breakers WHERE scope = 'target/shop' FOR UPDATE",
    "the log": "SELECT size FROM interlock.ledger_head FOR UPDATE",
    "the budgets": "LOCK TABLE interlock.spent IN ACCESS EXCLUSIVE MODE",
}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_store_in_which_something_is_locked_refuses_and_goes_on(shared: Shared, lock: str) -> None:
    with shared.database.connect() as other:
        other.execute(LOCKS[lock].encode())
        quiet(shared.fleet, *shared.fleet.replicas)
    goes_on(shared.fleet)


def test_a_store_that_is_slow_admits_nothing_late(shared: Shared) -> None:
    """What was given up while the store was slow is not carried out when it answers at last."""
    for wire in shared.wires:
        wire.become(Mode.SLOW)
    quiet(shared.fleet, *shared.fleet.replicas)
    before = set(shared.fleet.committed())
    given_up = [r.ask("count")["answers"]["unavailable"] for r in shared.fleet.replicas]
    for wire in shared.wires:
        wire.become(Mode.PASS)
    goes_on(shared.fleet)
    told = {xid for r in shared.fleet.replicas for xid in r.ask("count")["applied"]}
    assert all(given_up)
    late = set(shared.fleet.committed()) - before
    all_ask(shared.fleet.replicas, "round")
    told |= {xid for r in shared.fleet.replicas for xid in r.ask("count")["applied"]}
    assert late <= told, "it took effect, and its agent had been told that it would not"


# -- the network


@contextmanager
def own_network(port: int) -> Iterator[tuple[str, Sequence[str], Callable[[bool], None]]]:
    """A network namespace: where the store is reached from it, what a command in it begins with, and what takes its only link
    down or up."""
    name = f"il{secrets.token_hex(3)}"
    here, there = f"{name}h", f"{name}t"
    net = f"10.{77 + secrets.randbelow(100)}.{secrets.randbelow(250)}"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    try:
        ip("netns", "add", name)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no network namespaces here: not root, or not allowed")
    try:
        ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", name)
        ip("addr", "add", f"{net}.1/30", "dev", here)
        ip("link", "set", here, "up")
        ip("-n", name, "addr", "add", f"{net}.2/30", "dev", there)
        ip("-n", name, "link", "set", there, "up")
        ip("-n", name, "link", "set", "lo", "up")
        with Wire(port, host=f"{net}.1") as relay:
            yield (
                f"{net}.1:{relay.port}",
                ["ip", "netns", "exec", name],
                lambda cut: ip("link", "set", here, "down" if cut else "up"),
            )
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)
        subprocess.run(["ip", "link", "del", here], check=False, capture_output=True)


def partitioned(fleet: Fleet, cut: Callable[[bool], None]) -> None:
    """The second replica goes and comes back. No packet comes back, so no error does. The others go on, and trip a breaker that it
    cannot know of."""
    one, two, other = fleet.replicas
    cut(True)
    quiet(fleet, two)
    # Whatever it held locked when it went is free again before long.
    all_ask([one, other], "more", kind="permitted", number=3)
    trip(one, "target/shop")
    quiet(fleet, *fleet.replicas)
    cut(False)
    two.ask("more", kind="breaker", number=1)  # it has heard: by itself, and first of all that
    quiet(fleet, *fleet.replicas)
    assert fleet.breaker("target/shop") == "open"
    put_back(fleet, other, "target/shop")
    goes_on(fleet)


def test_a_partitioned_replica_admits_nothing_and_comes_back_by_itself(shared: Shared) -> None:
    """Behind a proxy that drops everything; what was connected then never hears anything again."""
    wire = shared.wires[1]
    partitioned(shared.fleet, lambda cut: wire.become(Mode.SILENT if cut else Mode.PASS))


def test_a_replica_in_a_network_of_its_own_whose_link_goes_down(database: PgDatabase, tmp_path: Path) -> None:
    """The kernel's own way of losing packets; the connections live on when the link is up again, or do not."""
    port = database.cluster.port
    with own_network(port) as (address, prefix, cut), fleet_of(tmp_path / "fleet", database.dsn()) as fleet:
        fleet.start("one", options=QUICK)
        url = database.dsn().replace(f"127.0.0.1:{port}", address)
        fleet.start("two", url=url, prefix=prefix, options=QUICK)
        fleet.start("three", options=QUICK)
        begin(fleet)
        partitioned(fleet, cut)
        fleet.end()


def test_a_replica_that_goes_while_it_holds_the_log_stops_the_others_only_for_a_while(shared: Shared) -> None:
    """The worst moment: it is inside the transaction in which everybody takes turns."""
    fleet = shared.fleet
    one, two, other = fleet.replicas
    # Only the second one works, so that it is the one.
    for wire in (shared.wires[0], shared.wires[2]):
        wire.become(Mode.SLOW)
    two.ask("more", kind="permitted", number=1)
    with shared.database.connect() as blocking:
        # Its transaction holds the log's lock and waits for a breaker's row.
        blocking.execute("SELECT doc FROM interlock.breakers WHERE scope = 'target/shop' FOR UPDATE")
        while not shared.database.psql(WAITS)[0][0]:
            threading.Event().wait(0.01)
        shared.wires[1].become(Mode.SILENT)
    for wire in (shared.wires[0], shared.wires[2]):
        wire.become(Mode.PASS)
    quiet(fleet, two)
    all_ask([one, other], "more", kind="permitted", number=3)
    shared.wires[1].become(Mode.PASS)
    goes_on(fleet)


# -- the clock


@pytest.mark.parametrize("seconds", [DAY, -DAY], ids=["a day ahead", "a day behind"])
def test_a_replica_with_a_wrong_clock_goes_by_the_stores(shared: Shared, seconds: float) -> None:
    fleet = shared.fleet
    one, two, _ = fleet.replicas
    two.ask("skew", seconds=seconds)
    two.ask("compare")
    assert once(two, GOOD[0]) == "permitted", "rights that last eight hours"
    trip(one, "target/shop")
    two.ask("more", kind="breaker", number=1)
    quiet(fleet, *fleet.replicas)
    # Nor does a clock that jumps meanwhile bring anything about: nothing closes a breaker by itself.
    two.ask("skew", seconds=-seconds)
    quiet(fleet, *fleet.replicas)
    assert fleet.breaker("target/shop") == "open"
    put_back(fleet, two, "target/shop")
    goes_on(fleet)
    two.ask("skew", seconds=0.0)
    times = [entry["at"] for entry in fleet.entries()]
    assert times == sorted(times), "all times are the store's"


def test_rights_that_have_ended_do_not_live_on_where_the_clock_is_behind(shared: Shared) -> None:
    two = shared.fleet.replicas[1]
    two.ask("skew", seconds=-DAY)
    two.ask("compare")
    assert two.ask("known", agent=AGENTS[3]) is True
    two.ask("grant", agent=AGENTS[3], seconds=-1.0)
    assert two.ask("known", agent=AGENTS[3]) is False
    assert two.ask("known", agent=AGENTS[4]) is True
    two.ask("skew", seconds=0.0)
    goes_on(shared.fleet)
