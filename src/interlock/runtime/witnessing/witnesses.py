"""Witnesses are told each signed checkpoint, out of reach of whoever could cut or rewrite the store; then either shows.

Nothing waits for one: while it does not take a checkpoint it is asked again, with the newest that there is by then.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

import structlog

from interlock.ledger.log import SigningRefused
from interlock.model.errors import Unavailable
from interlock.runtime.config.document import FileWitness, HttpWitness
from interlock.runtime.witnessing.places import LONGEST, Place, place_of
from interlock.sdk.connector import Finding

_log = structlog.get_logger(__name__)

FIRST_PAUSE, MOST_PAUSE = 10.0, 300.0
"""Seconds until a witness that did not take a checkpoint is asked again: doubled each time."""
LATE = 3600.0
"""A witness that lacks a checkpoint for more seconds is an error: so much could be cut off unnoticed."""


class Witness:
    """One place, and how far it is. `name` tells which one it is in the configuration."""

    def __init__(self, name: str, place: Place, clock: Callable[[], float] = time.monotonic) -> None:
        self.name, self.where, self._place, self._clock = name, place.where, place, clock
        self._newest = self._taken = b""
        self._behind_since = self._again_at = 0.0
        self._pause, self._why = FIRST_PAUSE, ""
        self._pushing = asyncio.Lock()

    @property
    def behind(self) -> float:
        """For how many seconds a checkpoint has been waiting for it; 0 when it has the newest."""
        return 0.0 if self._taken == self._newest else self._clock() - self._behind_since

    @property
    def why(self) -> str:
        """What is wrong, in one sentence; empty when nothing is."""
        return self._why or ("does not answer" if self.behind > 2 * LONGEST else "")

    @property
    def told(self) -> bool:
        """Whether this process has brought it a checkpoint."""
        return self._taken != b""

    def newest(self) -> bytes | None:
        """The checkpoint that it has, if it can be asked. Blocks. Raises Unavailable."""
        return self._place.newest()

    def offer(self, note: bytes) -> None:
        """The newest checkpoint. Only noted: `push` brings it there."""
        if self._taken == self._newest:
            self._behind_since = self._clock()
        self._newest = note

    async def push(self) -> None:
        """Bring it the newest checkpoint, if it lacks it and it is not too soon after a failure."""
        async with self._pushing:
            note = self._newest
            if note == self._taken or self._clock() < self._again_at:
                return
            try:
                await asyncio.to_thread(self._place.take, note)
            except Unavailable as error:
                self._failed(str(error))
            else:
                self._took(note)

    def _failed(self, why: str) -> None:
        if why != self._why:
            _log.error("witness.unreached", witness=self.name, where=self.where, why=why)
        self._why, self._again_at = why, self._clock() + self._pause
        self._pause = min(self._pause * 2, MOST_PAUSE)

    def _took(self, note: bytes) -> None:
        if self._why:
            _log.info("witness.reached", witness=self.name, where=self.where)
        self._taken, self._behind_since = note, self._clock()
        self._why, self._again_at, self._pause = "", 0.0, FIRST_PAUSE


class Witnesses:
    """All configured witnesses, named by their place in the configuration, from 1."""

    def __init__(self, configured: Sequence[FileWitness | HttpWitness]) -> None:
        self.all = tuple(Witness(f"witness/{n}", place_of(w)) for n, w in enumerate(configured, 1))

    def offer(self, note: bytes) -> None:
        """A checkpoint was signed, and is durable."""
        for witness in self.all:
            witness.offer(note)

    async def push(self) -> None:
        """Bring it to all, side by side."""
        await asyncio.gather(*(w.push() for w in self.all))

    async def compare(self, check: Callable[[bytes], Awaitable[None]]) -> None:
        """Let `check` see what each has. Raises SigningRefused, as `check` does, with the witness's name: also when that cannot
        be read, for then nobody knows."""
        for witness in self.all:
            try:
                note = await asyncio.to_thread(witness.newest)
            except Unavailable as error:
                raise SigningRefused(f"{witness.name} {error}") from None
            try:
                if note is not None:
                    await check(note)
            except SigningRefused as error:
                raise SigningRefused(f"{error} ({witness.name})") from None

    def findings(self) -> Iterator[Finding]:
        """For `doctor`: an error when one lacks what was signed longer than `LATE` ago."""
        for w in self.all:
            if w.why:
                what = f"{w.where} lacks the newest checkpoint for {w.behind / 60:.0f} min: {w.why}"
                fix = "see docs/ledger.md, Witnesses"
                yield Finding("error" if w.behind > LATE else "warning", "witness", what, fix)
            elif w.told:
                yield Finding("ok", "witness", f"{w.where} is told the ledger's checkpoints")
