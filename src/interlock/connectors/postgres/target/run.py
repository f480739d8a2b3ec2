"""Runs the connector's sans-io parts."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from interlock.connectors.postgres.queries import Ask, QueryFailed, Reply, Rows, Steps

T = TypeVar("T")
Asker = Callable[[Ask], Awaitable[list[Rows]]]


async def run(steps: Steps[T], asker: Asker) -> T:
    """Run a part to its end. `asker` runs one `Ask` and raises QueryFailed; those of one step go at the same time."""
    try:
        asked = next(steps)
        while True:
            replies = await asyncio.gather(*(_reply(asker, ask) for ask in asked))
            asked = steps.send(tuple(replies))
    except StopIteration as stop:
        result: T = stop.value
        return result


async def _reply(asker: Asker, ask: Ask) -> Reply:
    try:
        return await asker(ask)
    except QueryFailed as failed:
        return failed
