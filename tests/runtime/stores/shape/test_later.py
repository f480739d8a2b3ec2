"""Transactions that nobody waits for share a commit with what comes next; and how results reach who waits."""

import asyncio
import threading
from collections.abc import Callable

import pytest
from tests.runtime.stores.store_values import read, transact, wait

from interlock.runtime.stores import SqlStore
from interlock.runtime.stores.commits import writer
from interlock.runtime.stores.rows.writing import SqlTx


def put(key: str) -> Callable[[SqlTx], str]:
    def work(tx: SqlTx) -> str:
        tx.put_meta(key, "there")
        return key

    return work


def test_it_waits_for_company(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "LATER", 3600.0)
    before = store.statistics.commits

    async def work() -> list[str]:
        return list(await asyncio.gather(store.transact(put("a"), later=True), store.transact(put("b"))))

    assert wait(work()) == ["a", "b"]
    assert store.statistics.commits == before + 1


def test_it_does_not_wait_for_ever(store: SqlStore) -> None:
    assert wait(store.transact(put("a"), later=True)) == "a"
    assert read(store, lambda tx: tx.meta("a")) == "there"


def test_closing_does_it(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "LATER", 3600.0)

    async def work() -> str:
        waiting = asyncio.create_task(store.transact(put("a"), later=True))
        await asyncio.sleep(0)
        await store.close()
        return await waiting

    assert wait(work()) == "a"


def test_an_exception_that_no_future_can_hold(store: SqlStore) -> None:
    def work(tx: SqlTx) -> None:
        raise StopIteration("mine")

    with pytest.raises(RuntimeError, match="mine"):
        transact(store, work)


def test_who_has_gone_does_not_hinder_others(store: SqlStore) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(tx: SqlTx) -> None:
        begun.set()
        assert go_on.wait(60)

    async def leave() -> None:
        # The loop is closed while its transaction runs.
        task = asyncio.create_task(store.transact(slow))
        await asyncio.to_thread(begun.wait, 60)
        task.cancel()

    wait(leave())
    go_on.set()
    assert transact(store, put("a")) == "a"
