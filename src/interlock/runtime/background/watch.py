"""Changes that someone waits for: moves in this process wake at once, moves of other replicas at the next look."""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from typing import TypeAlias

from interlock.model.change import Change, ChangeState
from interlock.model.errors import InterlockError
from interlock.pipeline.recorded.records import found as stored
from interlock.sdk.ports import ReadTx, Store

EVERY = 0.5
"""Seconds between two looks at the store."""

States: TypeAlias = Collection[ChangeState]
WAITING: States = (ChangeState.HELD,)

MOST_DENIED = 1000
"""Most denied changes that are remembered; of the others the store tells, once they are measured again."""


class Watch:
    """What waits, by change, and by content (so that the same content need not touch the target again)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._events: dict[str, dict[asyncio.Event, States]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._waiting: dict[tuple[str, str, str], Change] = {}
        self._denied: dict[tuple[str, str, str], Change] = {}
        self.listeners: list[Callable[[Change], None]] = []

    def held(self, change: Change) -> None:
        """A change was held: remember its content."""
        self._waiting[_key(change)] = change

    def moved(self, change: Change) -> None:
        """A change moved, in this process."""
        if change.state is not ChangeState.HELD and self._is_waiting(change.id):
            self._waiting = {k: c for k, c in self._waiting.items() if c.id != change.id}
        if change.state is ChangeState.DENIED:
            self.denied(change)
        for event in self._events.get(change.id, ()):
            event.set()
        for tell in self.listeners:
            tell(change)

    def denied(self, change: Change) -> None:
        """A change was denied: remember its content, so that it is answered without touching the target."""
        self._denied.pop(_key(change), None)
        self._denied[_key(change)] = change
        if len(self._denied) > MOST_DENIED:
            del self._denied[next(iter(self._denied))]

    def _is_waiting(self, change_id: str) -> bool:
        return any(c.id == change_id for c in self._waiting.values())

    def waiting(self, agent: str, target: str, content: str) -> Change | None:
        """The change of that content that is held, or was denied, as far as this process knows. It may have expired."""
        key = (agent, target, content)
        return self._waiting.get(key) or self._denied.get(key)

    async def look(self) -> None:
        """Find out which remembered changes other replicas have moved. Raises Unavailable."""
        known = list(self._waiting.values())
        if not known:
            return

        def read(tx: ReadTx) -> tuple[datetime, list[Change | None]]:
            return tx.now(), [tx.change(c.id) for c in known]

        now, found = await self._store.read(read)
        for before, after in zip(known, found, strict=True):
            if _still(after, now) is None:
                self._waiting.pop(_key(before), None)
            if after is not None and after.state is ChangeState.DENIED:
                self.denied(after)

    async def wait(
        self, change_id: str, longest: timedelta, states: States = WAITING, *until: asyncio.Event
    ) -> Change:
        """Wait until the change is in none of these states, the time is over, or one of `until` is set; returns it as it is then.
        Raises NotFound, Unavailable."""
        end = asyncio.get_running_loop().time() + longest.total_seconds()
        with self._awaited(change_id, states) as event:
            while True:
                event.clear()
                change = await self._store.read(lambda tx: stored(tx, change_id))
                left = end - asyncio.get_running_loop().time()
                if change.state not in states or left <= 0 or any(each.is_set() for each in until):
                    return change
                await _either((event, *until), left)

    @contextlib.contextmanager
    def _awaited(self, change_id: str, states: States) -> Iterator[asyncio.Event]:
        """An event that is set when the change may have left the states."""
        event = asyncio.Event()
        self._events.setdefault(change_id, {})[event] = states
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_while_awaited(), name="watch")
        try:
            yield event
        finally:
            del self._events[change_id][event]
            if not self._events[change_id]:
                del self._events[change_id]

    async def _look_while_awaited(self) -> None:
        """Wake who waits for what another replica has moved. One look serves all, however many they are."""
        while self._events:
            await asyncio.sleep(EVERY)
            for change_id, state in (await self._states(tuple(self._events))).items():
                for event, states in self._events.get(change_id, {}).items():
                    if state not in states:
                        event.set()

    async def _states(self, ids: tuple[str, ...]) -> dict[str, ChangeState | None]:
        """How these changes stand. While the store does not answer it is None: each who waits looks, and raises what is wrong."""
        try:
            changes = await self._store.read(lambda tx: [tx.change(each) for each in ids])
        except InterlockError:
            return dict.fromkeys(ids)
        found = zip(ids, changes, strict=True)
        return {each: None if change is None else change.state for each, change in found}


async def _either(events: tuple[asyncio.Event, ...], seconds: float) -> None:
    """Wait for one of them, or until the time is over."""
    waits = [asyncio.ensure_future(each.wait()) for each in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()


def _still(change: Change | None, now: datetime) -> Change | None:
    if change is None or change.state is not ChangeState.HELD:
        return None
    return None if change.expires_at is not None and change.expires_at <= now else change


def _key(change: Change) -> tuple[str, str, str]:
    return (change.agent, change.target, change.content)
