"""Queries about all agents at once, and the newest ledger entries: the same on every store and on the fake."""

import asyncio
from datetime import timedelta

import msgspec
from tests.runtime.stores.store_values import AT, HOUR, draft, read, transact, wait

from interlock.model.change import Change, ChangeState
from interlock.model.people import Agent
from interlock.runtime.stores import SqlStore
from interlock.runtime.stores.rows.writing import SqlTx
from interlock.sdk.ports import ReadTx, Tx
from interlock.testing.stores.enforcing import FakeStore


def fill(tx: Tx) -> list[Change]:
    """`a` has a change that waits, one whose time is over and one denied; `b` has one that passed; `c` has none."""
    for name in "abc":
        tx.put_agent(Agent(name, "olga", AT))
    now = tx.now()
    made = [
        tx.new_change(draft(agent="a", state=ChangeState.HELD, expires_at=now + HOUR)),
        tx.new_change(draft(agent="a", state=ChangeState.APPROVED, expires_at=now - HOUR)),
        tx.new_change(draft(agent="a", state=ChangeState.HELD, expires_at=None)),
        tx.new_change(draft(agent="a", state=ChangeState.DENIED)),
        tx.new_change(draft(agent="b", state=ChangeState.APPLIED)),
    ]
    return [*made, tx.save_change(msgspec.structs.replace(made[0], note="moved later"))]


def seen(tx: ReadTx) -> list[tuple[str, bool, int]]:
    return [(use.agent, use.last_at is not None, use.waiting) for use in tx.agent_uses()]


EXPECTED = [("a", True, 2), ("b", True, 0), ("c", False, 0)]


def test_each_agent_has_its_last_use_and_what_waits(store: SqlStore) -> None:
    made = transact(store, fill)
    assert read(store, seen) == EXPECTED
    last = {use.agent: use.last_at for use in read(store, lambda tx: tx.agent_uses())}
    assert last["a"] == made[3].requested_at
    waiting = {use.agent: use.waiting for use in read(store, lambda tx: tx.agent_uses())}
    assert waiting["a"] == read(store, lambda tx: tx.open_changes("a"))


def test_who_asked_since_is_counted_the_busiest_first(store: SqlStore) -> None:
    made = transact(store, fill)
    found = read(store, lambda tx: tx.asking(made[0].requested_at))
    assert [(a.agent, a.changes) for a in found] == [("a", 4), ("b", 1)]
    assert found[0].last_at == made[3].requested_at
    assert read(store, lambda tx: tx.asking(tx.now() + timedelta(days=1))) == []


def test_the_fake_says_the_same() -> None:
    fake = FakeStore()

    async def run() -> tuple[list[tuple[str, bool, int]], list[tuple[str, int]]]:
        made = await fake.transact(fill)
        asking = await fake.read(lambda tx: tx.asking(made[0].requested_at))
        return await fake.read(seen), [(a.agent, a.changes) for a in asking]

    assert asyncio.run(run()) == (EXPECTED, [("a", 4), ("b", 1)])


def entries(tx: SqlTx) -> None:
    for n in range(30):
        tx.append("login" if n % 10 == 0 else "decision", {"n": n, "kind": 'a,"kind":"login","v":1}'})


def numbers(store: SqlStore, below: int, **options: int | str) -> list[int]:
    return [number for number, _ in wait(store.newest_entries(below, **options))]  # type: ignore[arg-type]


def test_entries_come_newest_first(store: SqlStore) -> None:
    transact(store, entries)
    size = read(store, lambda tx: tx.ledger_size())
    assert numbers(store, size, limit=5) == list(range(size - 1, size - 6, -1))
    assert numbers(store, 3) == [2, 1, 0]
    found = wait(store.newest_entries(size, limit=1))
    assert found[0][1] == wait(store.entry(size - 1))


def test_entries_of_a_kind_are_those_of_the_kind_alone(store: SqlStore) -> None:
    """Not those that have its spelling inside."""
    transact(store, entries)
    size = read(store, lambda tx: tx.ledger_size())
    logins = [size - 10, size - 20, size - 30]
    assert numbers(store, size, kind="login") == logins
    assert numbers(store, size, kind="login", limit=2) == logins[:2]
    assert numbers(store, logins[0], kind="login", within=15) == logins[1:2]
    assert numbers(store, size, kind="log") == []
