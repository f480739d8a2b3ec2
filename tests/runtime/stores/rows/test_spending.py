"""Counters of what small changes add up to: exact over a window, and over replicas that take the last of a budget at once."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import event
from tests.runtime.stores.conftest import Backend
from tests.runtime.stores.store_values import AT, read, transact

from interlock.control import budget
from interlock.control.budget import Exceeded
from interlock.model.breaker import Breaker
from interlock.model.budget import Amounts, Spending
from interlock.runtime.stores import SqlStore
from interlock.runtime.stores.rows.writing import SqlTx
from interlock.sdk.ports import ReadTx, Tx
from interlock.testing.stores.enforcing import FakeStore

HOUR, SLICE = timedelta(hours=1), timedelta(minutes=5)
ONE = Amounts(1, 2, 3, 4)


def one(scope: str = "agent/fixer", amounts: Amounts = ONE, target: str = "shop") -> Spending:
    return Spending(scope, target, amounts)


def spending(at: datetime, *spendings: Spending) -> Callable[[Tx], list[Amounts]]:
    """A transaction that counts, over an hour."""
    return lambda tx: list(tx.spend(spendings, at, at - HOUR))


def test_what_is_spent_adds_up_over_the_window(store: SqlStore) -> None:
    shown = []
    for n in range(14):
        at = AT + n * SLICE
        shown += transact(store, spending(at, one()))
    assert [amounts.rows_created for amounts in shown] == [*range(1, 14), 13]
    assert shown[-1] == Amounts(13, 26, 39, 52)


def test_scopes_and_targets_are_counted_apart(store: SqlStore) -> None:
    spendings = [one("agent/fixer"), one("owner/olga"), one("table/table public.t", Amounts(rows_deleted=1))]
    for _ in range(2):
        shown = transact(store, lambda tx: tx.spend(spendings, AT, AT - HOUR))
    assert list(shown) == [Amounts(2, 4, 6, 8), Amounts(2, 4, 6, 8), Amounts(rows_deleted=2)]
    (other,) = transact(store, lambda tx: tx.spend([one(target="lab")], AT, AT - HOUR))
    assert other == ONE


def test_a_unit_may_touch_many_tables(store: SqlStore) -> None:
    many = [one(f"table/table public.t{n:03d}", Amounts(rows_created=n)) for n in range(50)]
    assert [a.rows_created for a in transact(store, lambda tx: tx.spend(many, AT, AT))] == list(range(50))


def test_what_goes_beyond_is_not_counted(store: SqlStore) -> None:
    def work(tx: SqlTx) -> None:
        tx.spend([one()], AT, AT - HOUR)
        raise Exceeded([])

    with pytest.raises(Exceeded):
        transact(store, work)
    assert list(transact(store, lambda tx: tx.spend([one()], AT, AT - HOUR))) == [ONE]


def test_what_is_too_old_is_forgotten(backend: Backend) -> None:
    store = backend.open()
    for at in (AT - HOUR, AT):
        transact(store, spending(at, one()))
    transact(store, lambda tx: tx.forget_spent(AT))
    assert backend.raw("SELECT count(*) FROM spent") == [(1,)]
    assert read(store, lambda tx: tx.now()) is not None


def test_replicas_cannot_both_take_the_last_of_a_budget(backend: Backend) -> None:
    """As `pipeline.recorded.intents` does it: what goes beyond the limit is undone."""
    stores = [backend.open() for _ in range(1 if backend.is_sqlite else 3)]
    limit = 20
    budgets = budget.default(limit, 1, "q")

    def work(tx: SqlTx) -> None:
        mine = one(amounts=Amounts(rows_deleted=1))
        spent = tx.spend([mine], AT, AT - HOUR)
        excess = budget.excess(zip([mine], spent, strict=True), budgets)
        if excess:
            raise Exceeded(excess)

    def attempt(store: SqlStore) -> bool:
        try:
            transact(store, work)
        except Exceeded:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        passed = [
            f.result() for f in [pool.submit(partial(attempt, stores[n % len(stores)])) for n in range(60)]
        ]
    assert passed.count(True) == limit
    ((total,),) = backend.raw("SELECT sum(rows_deleted) FROM spent")
    assert total == limit


def test_the_fake_counts_the_same(store: SqlStore) -> None:
    fake = FakeStore()
    for n in (0, 3, 11, 12, 13, 30):
        at = AT + n * SLICE
        work = spending(at, one(), one("owner/olga"))
        # The fake runs each transaction twice, and keeps one.
        assert transact(store, work) == fake.now(work)


def put_closed(scope: str, tx: Tx) -> None:
    tx.put_breaker(Breaker(scope))


def test_admission_costs_one_statement_more(pg18_backend: Backend) -> None:
    """Breakers are reserved with the revision, which every intent reads, and all counters are one statement."""
    store = pg18_backend.open()
    for scope in "abcde":
        transact(store, partial(put_closed, scope))
    heard: list[str] = []
    event.listen(store._engines.writer, "before_cursor_execute", lambda *given: heard.append(given[2]))

    def counted(work: Callable[[SqlTx], object]) -> int:
        heard.clear()
        transact(store, work)
        return len(heard)

    def admitted(tx: SqlTx) -> None:
        assert tx.reserve("abcde").stop is None
        tx.spend([one(f"table/table t{n}") for n in range(10)], AT, AT - HOUR)
        assert tx.revision() == 5

    assert counted(admitted) == counted(lambda tx: tx.revision()) + 1


def spent_lately(tx: ReadTx) -> list[list[tuple[str, str, int]]]:
    """What pages read: of all, of some, no more than so many, and from a later slice on."""
    asked = (
        tx.spending(AT),
        tx.spending(AT, ("agent/fixer", "agent/none")),
        tx.spending(AT, limit=1),
        tx.spending(AT + SLICE),
        tx.spending(AT + 2 * SLICE),
    )
    return [[(s.scope, s.target, s.amounts.rows_deleted) for s in found] for found in asked]


def spend_here_and_there(tx: Tx) -> None:
    few, more = Amounts(9, 9, 1), Amounts(rows_deleted=2)
    tx.spend([one("agent/fixer", few), one("owner/olga", more)], AT, AT)
    tx.spend([one("agent/fixer", few), one("agent/fixer", few, "lab")], AT + SLICE, AT)
    tx.spend([one("agent/fixer", more)], AT - SLICE, AT - SLICE)


SPENT = [
    [("agent/fixer", "shop", 2), ("owner/olga", "shop", 2), ("agent/fixer", "lab", 1)],
    [("agent/fixer", "shop", 2), ("agent/fixer", "lab", 1)],
    [("agent/fixer", "shop", 2)],
    [("agent/fixer", "lab", 1), ("agent/fixer", "shop", 1)],
    [],
]
"""Those first that lost most; what was updated and made decides between equals."""


def test_what_was_spent_is_read_in_one_statement(store: SqlStore) -> None:
    transact(store, spend_here_and_there)
    assert read(store, spent_lately) == SPENT


def test_the_fake_says_the_same_of_what_was_spent() -> None:
    async def run() -> list[list[tuple[str, str, int]]]:
        fake = FakeStore()
        await fake.transact(spend_here_and_there)
        return await fake.read(spent_lately)

    assert asyncio.run(run()) == SPENT


def test_a_page_never_reads_more_than_so_many(store: SqlStore) -> None:
    many = [one(f"table/table public.t{n:04d}", Amounts(rows_created=n + 1)) for n in range(1_100)]
    transact(store, lambda tx: tx.spend(many, AT, AT))
    found = read(store, lambda tx: tx.spending(AT, limit=10_000))
    assert len(found) == 1_000
    assert found[0].amounts.rows_created == 1_100
