"""Loops of chores: woken early, ended by a cancellation whatever happens at the same moment."""

import asyncio

import pytest
from structlog.testing import capture_logs

from interlock.model.errors import Unavailable
from interlock.runtime import core
from interlock.runtime.background.tickers import Tickers, every
from interlock.runtime.stores import store


def test_it_is_woken_before_its_time_and_not_twice() -> None:
    async def work() -> None:
        done: asyncio.Queue[int] = asyncio.Queue()
        wake = asyncio.Event()

        async def chore() -> None:
            done.put_nowait(1)

        task = asyncio.create_task(every(3600, "chore", chore, wake))
        wake.set()
        await done.get()
        assert not wake.is_set()
        assert done.empty()
        task.cancel()

    asyncio.run(work())


@pytest.mark.parametrize("turns", range(6))
def test_a_cancellation_at_the_moment_of_waking_is_not_lost(turns: int) -> None:
    async def work() -> None:
        wake = asyncio.Event()

        async def chore() -> None:
            """Nothing."""

        task = asyncio.create_task(every(3600, "chore", chore, wake))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        wake.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        async with asyncio.timeout(30):
            await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()

    asyncio.run(work())


def test_a_chore_that_fails_is_logged_and_comes_back() -> None:
    """It wakes itself each time, and waits for nothing: the others get their turn all the same."""

    async def work() -> None:
        wake, done = asyncio.Event(), asyncio.Event()
        calls = 0

        async def chore() -> None:
            nonlocal calls
            calls += 1
            wake.set()
            if calls == 1:
                raise Unavailable("not now")
            if calls == 2:
                raise ZeroDivisionError("hunter2")
            done.set()

        wake.set()
        task = asyncio.create_task(every(3600, "chore", chore, wake))
        await done.wait()
        task.cancel()

    with capture_logs() as logs:
        asyncio.run(work())
    said = [entry for entry in logs if entry.get("ticker") == "chore"]  # other tests' gateways log too
    assert [entry["event"] for entry in said] == ["ticker.failed", "ticker.broke"]
    assert "hunter2" not in repr(said)


@pytest.mark.parametrize("how", ["cancelled", "broken"])
def test_one_that_ends_is_begun_again_until_all_are_to_end(how: str) -> None:
    """Whoever killed it: without the ticker that confirms rights, everything would be refused until a person came."""

    async def work() -> None:
        begun: asyncio.Queue[asyncio.Task[None] | None] = asyncio.Queue()
        go = asyncio.Event()

        async def forever() -> None:
            begun.put_nowait(asyncio.current_task())
            await go.wait()
            raise KeyError("a bug")

        kept = Tickers()
        kept.start("one", forever)
        first = await begun.get()
        assert first is not None
        with capture_logs() as logs:
            if how == "cancelled":
                first.cancel()
            else:
                go.set()
            again = await begun.get()
        go.clear()
        assert again is not first
        assert [line["event"] for line in logs] == ["ticker.ended"]
        await kept.stop()
        assert begun.empty()

    asyncio.run(work())


def test_recovery_waits_until_a_pipeline_has_heard_of_its_intent() -> None:
    """Otherwise it could write that a change failed, and the pipeline execute it afterwards."""
    assert core.YOUNG.total_seconds() > store.PATIENCE
