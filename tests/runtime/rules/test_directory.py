"""The copy goes by the store's clock, and finds what one agent has among what all have."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from interlock.model.people import Grant
from interlock.runtime.rules import directory
from interlock.runtime.rules.directory import Snapshot
from interlock.sdk.connector import Permitted, Refused
from interlock.testing.installation import Installation


@pytest.mark.parametrize("days", [-2, 2])
def test_a_clock_that_is_set_meanwhile_changes_nothing(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    class Set(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + timedelta(days=days)

    async def run() -> None:
        made = await Installation.make()
        kept = made.core.directory
        await kept.refresh()
        monkeypatch.setattr(directory, "datetime", Set)
        assert abs(kept.now() - made.store.time) < timedelta(minutes=5)
        assert abs(kept.skew) > timedelta(days=1), "and the doctor can tell"

    asyncio.run(run())


def test_time_goes_on_between_two_looks_at_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        made = await Installation.make()
        kept = made.core.directory
        begun = time.monotonic()
        monkeypatch.setattr("time.monotonic", lambda: begun)
        await kept.refresh()
        assert kept.now() == made.store.time
        monkeypatch.setattr("time.monotonic", lambda: begun + 90)
        assert kept.now() == made.store.time + timedelta(seconds=90)

    asyncio.run(run())


def test_rights_are_those_of_the_agent_on_the_target_that_have_not_ended() -> None:
    made = asyncio.run(Installation.make())
    one: Grant = made.store.now(lambda tx: next(iter(tx.grants())))
    now = one.expires_at - timedelta(seconds=1)
    others = (
        msgspec.structs.replace(one, id="G-agent", agent="somebody"),
        msgspec.structs.replace(one, id="G-target", target="elsewhere"),
        msgspec.structs.replace(one, id="G-revoked", revoked_at=now),
        msgspec.structs.replace(one, id="G-over", expires_at=now),
    )
    found = Snapshot(grants=(*others, one)).live_grants(one.agent, one.target, now)
    assert found == (one,)
    assert Snapshot().live_grants(one.agent, one.target, now) == ()


def test_a_right_that_has_ended_by_the_stores_clock_is_none() -> None:
    """Though the copy in memory, and the decision that was made from it, have not heard of it."""

    async def run() -> None:
        made = await Installation.make()
        agent = await made.principal()
        assert isinstance(await made.send(agent, [("put", "row/1", "a")]), Permitted)
        grant: Grant = made.store.now(lambda tx: next(iter(tx.grants())))
        await made.core.directory.refresh()  # nothing else has moved since
        made.store.advance(grant.expires_at - made.store.time + timedelta(seconds=1))
        answer = await made.send(agent, [("put", "row/1", "b")])
        assert isinstance(answer, Refused)
        assert (answer.code, answer.why) == (
            "forbidden",
            "a right of the agent on this target has just ended",
        )
        assert made.toy.rows is not None
        assert made.toy.rows["row/1"] == "a"

    asyncio.run(run())
