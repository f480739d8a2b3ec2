"""Changes that someone waits for: moves in this process wake at once, moves of other replicas at the next look."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from interlock.model.change import Change, ChangeState
from interlock.pipeline.records import found
from interlock.sdk.ports import ReadTx, Store

EVERY = 0.5
"""Seconds between two looks at the store."""


class Watch:
    """What waits, by change, and by content (so that the same content need not touch the target again)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._events: dict[str, set[asyncio.Event]] = {}
        self._waiting: dict[tuple[str, str, str], Change] = {}
        self.listeners: list[Callable[[Change], None]] = []

    def held(self, change: Change) -> None:
        """A change was held: remember its content."""
        self._waiting[_key(change)] = change

    def moved(self, change: Change) -> None:
        """A change moved, in this process."""
        if change.state is not ChangeState.HELD and self._is_waiting(change.id):
            self._waiting = {k: c for k, c in self._waiting.items() if c.id != change.id}
        for event in self._events.get(change.id, ()):
            event.set()
        for tell in self.listeners:
            tell(change)

    def _is_waiting(self, change_id: str) -> bool:
        return any(c.id == change_id for c in self._waiting.values())

    def waiting(self, agent: str, target: str, content: str) -> Change | None:
        """The held change of that content, as far as this process knows."""
        return self._waiting.get((agent, target, content))

    async def look(self) -> None:
        """Find out which remembered changes other replicas have moved. Raises Unavailable."""
        known = list(self._waiting.values())
        if not known:
            return

        def read(tx: ReadTx) -> list[Change | None]:
            now = tx.now()
            return [_still(tx.change(c.id), now) for c in known]

        for before, after in zip(known, await self._store.read(read), strict=True):
            if after is None:
                self._waiting.pop(_key(before), None)

    async def wait(self, change_id: str, longest: timedelta) -> Change:
        """Wait until the change is no longer held, or the time is over; returns it as it is then. Raises NotFound, Unavailable."""
        event = asyncio.Event()
        self._events.setdefault(change_id, set()).add(event)
        try:
            end = asyncio.get_running_loop().time() + longest.total_seconds()
            while True:
                change = await self._store.read(lambda tx: found(tx, change_id))
                left = end - asyncio.get_running_loop().time()
                if change.state is not ChangeState.HELD or left <= 0:
                    return change
                await _either(event, min(EVERY, left))
        finally:
            self._events[change_id].discard(event)
            if not self._events[change_id]:
                del self._events[change_id]


async def _either(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
    event.clear()


def _still(change: Change | None, now: datetime) -> Change | None:
    if change is None or change.state is not ChangeState.HELD:
        return None
    return None if change.expires_at is not None and change.expires_at <= now else change


def _key(change: Change) -> tuple[str, str, str]:
    return (change.agent, change.target, change.content)
