"""Which committed rows a transaction with a fixed snapshot cannot know."""

from collections.abc import Container
from dataclasses import dataclass

_HALF = 1 << 31


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`pg_current_snapshot()` (manual 9.27.11): xids below `xmin` are known; those from `xmax` on
    and those in `running` are not."""

    xmin: int
    xmax: int
    running: Container[int]

    @classmethod
    def parse(cls, text: str) -> "Snapshot":
        """Read `xmin:xmax:xip,…`."""
        low, high, running = text.split(":")
        return cls(int(low), int(high), frozenset(int(x) for x in running.split(",") if x))

    def knows(self, xmin: int) -> bool:
        """Whether a row with this xmin (32 bits, taken to be the one nearest to the snapshot) was committed before it."""
        xid = self.xmax + (xmin - self.xmax + _HALF) % (1 << 32) - _HALF
        return xid < self.xmin or (xid < self.xmax and xid not in self.running)
