"""Long polls: agents that ask for a change and wait for the answer until it moves.

They are few: each agent has a bounded number at a replica, and so has the replica. Who waits holds nothing else, neither a
connection to the store nor a lock on the target (P10). Moves that another replica makes are seen within half a second.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator
from datetime import timedelta
from typing import TypeAlias

from interlock.console.problems import Refusal
from interlock.control.change import MACHINE
from interlock.model.change import Change, ChangeState
from interlock.runtime.runtime import Runtime
from interlock.sdk.ports import ReadTx

LONGEST = 60
"""Seconds that a poll waits at most."""
EACH, ALL = 8, 256
"""Most polls of one agent, and of all, at one replica."""

Gone: TypeAlias = Callable[[], Awaitable[None]]
"""Returns when the client has gone away."""


class Waiting:
    """The polls of one replica."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._polls: Counter[str] = Counter()

    @property
    def polls(self) -> int:
        """How many there are now."""
        return self._polls.total()

    async def moved(
        self, change: Change, states: Collection[ChangeState], longest: timedelta, gone: Gone
    ) -> Change:
        """An agent's change once it is in none of these states; or as it is when the time is over, the gateway closes or the client
        has gone. What cannot move any more is not waited for. Raises Refusal (`too_many`; `unauthenticated` when the agent was
        disabled or its token rotated meanwhile), Unavailable."""
        if change.state not in states or MACHINE.terminal(change.state):
            return change
        with self._place(change.agent):
            before = await self._runtime.store.read(lambda tx: _epoch(tx, change.agent))
            after = await self._until(change.id, states, longest, gone)
            if (
                before is None
                or await self._runtime.store.read(lambda tx: _epoch(tx, change.agent)) != before
            ):
                raise Refusal("unauthenticated", "the agent was disabled, or its token rotated, meanwhile")
            return after

    async def _until(
        self, change_id: str, states: Collection[ChangeState], longest: timedelta, gone: Gone
    ) -> Change:
        left = asyncio.Event()

        async def leaves() -> None:
            await gone()
            left.set()

        leaving = asyncio.create_task(leaves(), name="poll")
        try:
            return await self._runtime.core.watch.wait(
                change_id, longest, states, left, self._runtime.closing
            )
        finally:
            leaving.cancel()

    @contextlib.contextmanager
    def _place(self, agent: str) -> Iterator[None]:
        if self._polls[agent] >= EACH or self.polls >= ALL:
            raise Refusal(
                "too_many", f"an agent waits in at most {EACH} requests at once", {"Retry-After": "1"}
            )
        self._polls[agent] += 1
        try:
            yield
        finally:
            self._polls[agent] -= 1
            self._polls += Counter()  # forgets who has none


def _epoch(tx: ReadTx, name: str) -> int | None:
    """The agent's credential; None when it may not ask at all."""
    agent, credential = tx.agent(name), tx.credential(name)
    return None if agent is None or agent.disabled or credential is None else credential.epoch
