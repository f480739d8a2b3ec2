"""Something read from afar and kept for a while. Whoever comes while it is read waits for the same reading."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from interlock.model.errors import InterlockError, Unavailable

T = TypeVar("T")


class Kept(Generic[T]):
    """`clock` counts seconds, `lasts` says for how many of them a reading is used, `pause` for how many nothing is asked after a
    reading that failed."""

    def __init__(
        self, clock: Callable[[], float], read: Callable[[], Awaitable[T]], lasts: float, pause: float
    ) -> None:
        self._clock, self._read, self._lasts, self._pause = clock, read, lasts, pause
        self._lock = asyncio.Lock()
        self._found: T | None = None
        self._at = self._failed_at = float("-inf")
        self._why = ""

    async def get(self) -> T:
        """The value. Raises Unavailable."""
        async with self._lock:
            if self._found is not None and self._clock() - self._at < self._lasts:
                return self._found
            return await self._again()

    async def newer_than(self, seen: T, pause: float) -> T | None:
        """A value read after `seen` was; None when it was read less than `pause` seconds ago, and is so not read again. Raises
        Unavailable."""
        async with self._lock:
            if self._found is not seen and self._found is not None:
                return self._found
            if self._clock() - self._at < pause:
                return None
            return await self._again()

    async def _again(self) -> T:
        if self._clock() - self._failed_at < self._pause:
            raise Unavailable(self._why)
        try:
            found = await self._read()
        except InterlockError as error:
            self._failed_at, self._why = self._clock(), str(error)
            raise
        self._found, self._at = found, self._clock()
        return found
