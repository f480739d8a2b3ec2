"""As long as the moment is the same, remembered answers hold."""

import asyncio
import time
from typing import Any

import msgspec
import pytest

from interlock.runtime.rules import directory
from interlock.testing.installation import Installation


def test_it_stays_the_same_while_nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        made = await Installation.make()
        clock = time.monotonic()
        monkeypatch.setattr("time.monotonic", lambda: clock)
        moment = made.gate.moment
        assert made.gate.moment is moment

    asyncio.run(run())


def test_it_is_another_each_second(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        made = await Installation.make()
        begun = time.monotonic()
        monkeypatch.setattr("time.monotonic", lambda: begun)
        moment = made.gate.moment
        monkeypatch.setattr("time.monotonic", lambda: begun + 1.01)
        assert made.gate.moment is not moment

    asyncio.run(run())


def test_it_is_another_when_rights_move(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        made = await Installation.make()
        moment = made.gate.moment

        def revoke(tx: Any) -> None:
            for grant in tx.grants():
                tx.put_grant(msgspec.structs.replace(grant, revoked_at=tx.now()))

        made.store.now(revoke)
        await made.core.directory.refresh()
        assert made.gate.moment is not moment

    asyncio.run(run())


def test_it_never_stays_while_the_store_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        made = await Installation.make()
        monkeypatch.setattr(directory, "STALE", -1.0)
        moments = [made.gate.moment for _ in range(3)]
        assert len({id(moment) for moment in moments}) == 3

    asyncio.run(run())
