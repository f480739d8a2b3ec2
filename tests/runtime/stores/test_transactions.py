"""Transactions: all or nothing, isolated in their group, durable together, serial across replicas."""

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import msgspec
import pytest
from tests.runtime.stores.conftest import Backend
from tests.runtime.stores.store_values import AT, draft, read, transact, wait

from interlock.ledger import entry
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.change import ChangeFilter, ChangeState
from interlock.model.errors import Conflict, Rejected, Unavailable
from interlock.model.people import Agent, AgentCredential, Person
from interlock.runtime.stores import SqlStore
from interlock.runtime.stores.rows.reading import SqlReadTx
from interlock.runtime.stores.rows.writing import SqlTx


def appending(n: int) -> Callable[[SqlTx], int]:
    """A transaction of one entry."""
    return lambda tx: tx.append("decision", {"n": n})


class Failure(Exception):
    """What a closure raises."""


def entries(store: SqlStore) -> list[entry.Entry]:
    return [entry.decode(data) for data in wait(store.entries(0, 10_000))]


def test_what_raises_leaves_nothing_and_comes_out(store: SqlStore) -> None:
    def fail(tx: SqlTx) -> None:
        tx.append("decision", {"n": 1})
        tx.new_change(draft())
        tx.put_meta("k", "v")
        raise Failure("mine")

    size = read(store, lambda tx: tx.ledger_size())
    with pytest.raises(Failure, match="mine"):
        transact(store, fail)
    assert read(store, lambda tx: (tx.meta("k"), tx.changes(ChangeFilter()), tx.ledger_size())) == (
        None,
        [],
        size,
    )
    assert len(entries(store)) == size


def test_a_transaction_sees_its_own_writes(store: SqlStore) -> None:
    def work(tx: SqlTx) -> tuple[bool, int, int]:
        made = tx.new_change(draft())
        first = tx.append("decision", {"n": 1})
        return tx.change(made.id) == made, tx.append("decision", {"n": 2}) - first, tx.ledger_size() - first

    assert transact(store, work) == (True, 1, 2)


def test_entries_are_numbered_as_they_are_appended(store: SqlStore) -> None:
    numbers = [transact(store, appending(n)) for n in range(5)]
    assert numbers == [1, 2, 3, 4, 5]
    kept = entries(store)
    assert kept[0].kind == "log.started"
    assert kept[0].body == {"origin": store.origin, "vkey": str(store.verifier)}
    assert [e.body["n"] for e in kept[1:]] == [0, 1, 2, 3, 4]


def test_what_is_no_entry_is_refused(store: SqlStore) -> None:
    bodies: list[tuple[str, Any]] = [
        ("gossip", {}),
        ("decision", {"x": 0.5}),
        ("decision", {"x": "y" * 65_536}),
    ]
    for kind, body in bodies:
        with pytest.raises(Rejected, match="ledger cannot hold"):
            transact(store, partial(SqlTx.append, kind=kind, body=body))


class Blocker:
    """A transaction that keeps the writer busy until it is released."""

    def __init__(self, store: SqlStore) -> None:
        self.store, self._started, self._released = store, threading.Event(), threading.Event()

    async def __aenter__(self) -> None:
        self._task = asyncio.ensure_future(self.store.transact(self._work))
        await asyncio.to_thread(self._started.wait, 30)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(0)  # the tasks run up to their first wait: all are queued now
        self._released.set()
        await self._task

    def _work(self, _tx: SqlTx) -> None:
        self._started.set()
        self._released.wait(30)


def group(store: SqlStore, *works: Callable[[SqlTx], Any]) -> tuple[list[Any], int]:
    """Run closures in one group; their results or errors, and the number of durable commits."""

    async def run() -> list[Any]:
        async with Blocker(store):
            tasks = [asyncio.ensure_future(store.transact(work)) for work in works]
        return await asyncio.gather(*tasks, return_exceptions=True)

    before = store.statistics.commits
    return asyncio.run(run()), store.statistics.commits - before


def test_one_failing_transaction_does_not_fail_its_group(store: SqlStore) -> None:
    def good(n: int) -> Callable[[SqlTx], int]:
        def work(tx: SqlTx) -> int:
            tx.put_meta(f"k{n}", "v")
            return tx.append("decision", {"n": n})

        return work

    def raises(tx: SqlTx) -> None:
        tx.put_meta("bad", "v")
        tx.append("decision", {"n": 99})
        raise Failure

    def duplicate(tx: SqlTx) -> None:
        tx.append("decision", {"n": 98})
        tx.put_credential(AgentCredential("a", "s", "same"))
        tx.put_credential(AgentCredential("b", "s", "same"))

    results, commits = group(store, good(1), raises, good(2), duplicate, good(3))
    assert commits == 1
    assert (results[0], results[2], results[4]) == (1, 2, 3), "the log has no holes"
    assert isinstance(results[1], Failure)
    assert isinstance(results[3], Conflict)
    assert [e.body["n"] for e in entries(store)[1:]] == [1, 2, 3]
    assert read(store, lambda tx: [tx.meta(k) for k in ("k1", "k2", "k3", "bad")]) == ["v", "v", "v", None]
    assert read(store, lambda tx: tx.credential("a")) is None
    assert wait(store.verify()).ok


def test_a_swallowed_store_error_still_fails_the_transaction(store: SqlStore) -> None:
    def swallow(tx: SqlTx) -> str:
        tx.put_credential(AgentCredential("a", "s", "same"))
        for _ in range(2):
            with contextlib.suppress(Conflict):
                tx.put_credential(AgentCredential("b", "s", "same"))
        return "done"

    with pytest.raises(Conflict):
        transact(store, swallow)
    assert read(store, lambda tx: tx.credential("a")) is None


def test_a_transaction_is_of_no_use_after_its_end(store: SqlStore) -> None:
    kept = transact(store, lambda tx: tx)
    with pytest.raises(RuntimeError, match="after its end"):
        kept.put_meta("k", "v")


def test_64_concurrent_appends_make_few_durable_commits(store: SqlStore) -> None:
    async def run() -> list[int]:
        return await asyncio.gather(*(store.transact(appending(n)) for n in range(64)))

    numbers = asyncio.run(run())
    assert sorted(numbers) == list(range(1, 65))
    assert [entries(store)[i].body["n"] for i in numbers] == list(range(64))
    assert store.statistics.transactions == 64
    assert store.statistics.commits <= 64 / 10


def test_a_cancelled_transaction_that_still_waited_is_not_done(store: SqlStore) -> None:
    async def run() -> None:
        async with Blocker(store):
            waiting = asyncio.ensure_future(store.transact(lambda tx: tx.put_meta("k", "v")))
            await asyncio.sleep(0)
            waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(run())
    assert read(store, lambda tx: tx.meta("k")) is None


def test_closing_finishes_what_waits_and_then_refuses(backend: Backend) -> None:
    store = backend.open()

    async def run() -> int:
        async with Blocker(store):
            appending = asyncio.ensure_future(store.transact(lambda tx: tx.append("decision", {"n": 1})))
            await asyncio.sleep(0)
            closing = asyncio.ensure_future(store.close())
        await closing
        return await appending

    assert asyncio.run(run()) == 1
    with pytest.raises(Unavailable, match="closed"):
        transact(store, lambda tx: tx.ledger_size())
    with pytest.raises(Unavailable, match="closed"):
        read(store, lambda tx: tx.ledger_size())
    wait(store.close())
    assert read(backend.open(), lambda tx: tx.ledger_size()) == 2


def test_a_read_sees_one_moment(backend: Backend) -> None:
    store = backend.open()

    def look(tx: SqlReadTx) -> tuple[int, int]:
        before = tx.ledger_size()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(transact, store, appending(1)).result(30)
        return before, tx.ledger_size()

    assert read(store, look) == (1, 1)
    assert read(store, lambda tx: tx.ledger_size()) == 2


def test_two_replicas_consume_an_approved_change_once(backend: Backend) -> None:
    replicas = [backend.open(), backend.open()]
    made = transact(
        replicas[0], lambda tx: [tx.new_change(draft(state=ChangeState.APPROVED)).id for _ in range(20)]
    )

    def consume(change_id: str) -> Callable[[SqlTx], None]:
        def work(tx: SqlTx) -> None:
            change = tx.change(change_id)
            if change is None or change.state is not ChangeState.APPROVED:
                raise Conflict("used")
            tx.append("intent", {"change": change_id})
            tx.save_change(msgspec.structs.replace(change, state=ChangeState.EXECUTING))

        return work

    async def race() -> list[Any]:
        tries = [r.transact(consume(change_id)) for change_id in made for r in replicas]
        return await asyncio.gather(*tries, return_exceptions=True)

    results = asyncio.run(race())
    assert sum(r is None for r in results) == 20
    assert all(r is None or isinstance(r, Conflict) for r in results)
    intents = [e.body["change"] for e in entries(replicas[0]) if e.kind == "intent"]
    assert sorted(intents) == made, "each is recorded exactly once"
    assert wait(replicas[1].verify()).ok


def test_a_stale_copy_of_a_change_is_refused_across_replicas(backend: Backend) -> None:
    one, two = backend.open(), backend.open()
    made = transact(one, lambda tx: tx.new_change(draft()))
    stale = read(two, lambda tx: tx.change(made.id))
    assert stale == made
    transact(one, lambda tx: tx.save_change(msgspec.structs.replace(made, state=ChangeState.DENIED)))
    with pytest.raises(Conflict):
        transact(two, lambda tx: tx.save_change(msgspec.structs.replace(made, state=ChangeState.APPROVED)))


def test_replicas_append_to_one_log_without_holes(backend: Backend) -> None:
    replicas = [backend.open() for _ in range(3)]

    async def run() -> list[int]:
        appends = (replica.transact(appending(n)) for n in range(100) for replica in replicas)
        return await asyncio.gather(*appends)

    assert sorted(asyncio.run(run())) == list(range(1, 301))
    assert wait(replicas[0].sign())
    assert wait(replicas[2].verify()).ok


def test_after_a_trip_has_committed_no_replica_admits(backend: Backend) -> None:
    """P8, raced: what was admitted lies before the trip in the log, on every replica."""
    replicas = [backend.open(), backend.open()]
    transact(replicas[0], lambda tx: tx.put_breaker(Breaker("global")))

    def admit(tx: SqlTx) -> int:
        if (refused := tx.reserve(["global"]).stop) is not None:
            raise Rejected(refused.scope)
        return tx.append("intent", {})

    def trip(tx: SqlTx) -> int:
        tx.put_breaker(Breaker("global", BreakerState.OPEN))
        return tx.append("breaker", {})

    async def run() -> tuple[Any, list[Any]]:
        before = [replica.transact(admit) for _ in range(50) for replica in replicas]
        after = [replica.transact(admit) for _ in range(50) for replica in replicas]
        tasks = [asyncio.ensure_future(t) for t in (*before, replicas[1].transact(trip), *after)]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        return results.pop(len(before)), results

    tripped, results = asyncio.run(run())
    admitted = [r for r in results if isinstance(r, int)]
    assert all(number < tripped for number in admitted)
    assert all(isinstance(r, int | Rejected) for r in results)
    assert len(admitted) < len(results)


def test_an_open_reservation_keeps_a_trip_of_another_replica_waiting(backend: Backend) -> None:
    one, two = backend.open(), backend.open()
    transact(one, lambda tx: tx.put_breaker(Breaker("global")))
    order: list[int] = []
    reserved, tripping = threading.Event(), threading.Event()

    def admit(tx: SqlTx) -> None:
        assert tx.reserve(["global"]).stop is None
        reserved.set()
        tripping.wait(30)
        order.append(tx.append("intent", {}))

    def trip(tx: SqlTx) -> None:
        order.append(tx.append("breaker", {}))
        tx.put_breaker(Breaker("global", BreakerState.OPEN))

    with ThreadPoolExecutor(2) as pool:
        admitting = pool.submit(transact, one, admit)
        reserved.wait(30)
        moving = pool.submit(transact, two, trip)
        tripping.set()
        admitting.result(30)
        moving.result(30)
    assert order == [1, 2]
    refused = transact(two, lambda tx: tx.reserve(["global"]).stop)
    assert refused is not None
    assert refused.state is BreakerState.OPEN


def test_mixed_work_of_many_threads_stays_whole(store: SqlStore) -> None:
    def work(n: int) -> Callable[[SqlTx], None]:
        def run(tx: SqlTx) -> None:
            tx.put_person(Person(f"p{n}", (), "k", AT))
            tx.put_agent(Agent(f"a{n}", f"p{n}", AT))
            tx.append("person", {"n": n})
            if n % 7 == 0:
                raise Failure

        return run

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(transact, store, work(n)) for n in range(70)]
        failed = [n for n, future in enumerate(futures) if future.exception(30)]
    kept = [n for n in range(70) if n % 7]
    assert failed == [n for n in range(70) if n % 7 == 0]
    assert {p.name for p in read(store, lambda tx: tx.people())} == {f"p{n}" for n in kept}
    assert sorted(e.body["n"] for e in itertools.islice(entries(store), 1, None)) == kept
