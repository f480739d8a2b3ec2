"""Whether everything is halted, as far as this replica knows, and what ends here when it is.

Admission does not rest on what is remembered here: the row is read in the transaction of each intent (P8), so that nothing is
admitted once the halt is committed. This is what ends sessions, waiting transactions and work under way, what keeps an intent
that is durable already from being executed, and what refuses when the store cannot be asked and only the file tells.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import structlog

from interlock.control import breaker
from interlock.model.breaker import Breaker
from interlock.model.errors import Halted
from interlock.runtime.drive import Drive, described

T = TypeVar("T")
BY_FILE = breaker.halted("there is a halt file in the state directory")

_log = structlog.get_logger(__name__)


class KillSwitch:
    """See the module. All of it on the event loop's thread. `file` is the halt file: the switch that needs no store, no login and
    no network. `cutters` end what they know of; each is told why."""

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self.by_file = False
        self.cutters: defaultdict[str, list[Callable[[str], None]]] = defaultdict(list)
        self._rows: dict[str, Breaker] = {}
        self._drives: dict[Drive[Any], str] = {}
        self._waits: set[asyncio.Future[Any]] = set()

    # -- what is known

    @property
    def why(self) -> str:
        """Why nothing may take effect, as of the last look (a moment ago); empty when it may."""
        if self.by_file:
            return BY_FILE
        row = self._rows.get(breaker.GLOBAL)
        return breaker.halted(row.reason) if row is not None and row.frozen else ""

    @property
    def row(self) -> Breaker | None:
        """The halt in the store, as of the last look."""
        return self._rows.get(breaker.GLOBAL)

    def look(self) -> str:
        """Look for the file now; returns `why`. What is to end is ended."""
        self.by_file = self.file is not None and _is_there(self.file)
        if why := self.why:
            self._end(breaker.GLOBAL, why)
        return why

    def check(self) -> None:
        """Raises Halted when everything is halted."""
        if why := self.look():
            raise Halted(why)

    def seen(self, row: Breaker) -> None:
        """A row of the store, `global` or the drill's. An older one than is known changes nothing. While it is halted each look
        ends what came in meanwhile; a drill ends once what it ends."""
        known = self._rows.get(row.scope)
        newer = known is None or known.epoch < row.epoch
        if newer:
            self._rows[row.scope] = row
        if row.scope == breaker.GLOBAL:
            self.look()
        elif newer and row.frozen:
            self._end(row.scope, breaker.halted(row.reason))

    # -- what ends

    @contextmanager
    def driving(self, drive: Drive[T], scope: str = breaker.GLOBAL) -> Iterator[Drive[T]]:
        """In the block a pipeline is cut short when its scope is halted, unless its intent is durable."""
        self._drives[drive] = scope
        try:
            yield drive
        finally:
            del self._drives[drive]

    async def unless_halted(self, writing: "asyncio.Future[T]") -> T:
        """Wait for a write of the store, but not while everything is halted: Halted then, and the write goes on by itself. Whoever
        asks must see to what becomes of it."""
        answer = asyncio.shield(writing)
        self._waits.add(answer)
        try:
            return await answer
        except asyncio.CancelledError:
            if writing.cancelled() or not self.why:
                raise
            raise Halted(self.why) from None
        finally:
            self._waits.discard(answer)

    def _end(self, scope: str, why: str) -> None:
        for drive, of in list(self._drives.items()):
            if of == scope:
                drive.cut(Halted(why))
        if scope == breaker.GLOBAL:
            for waiting in list(self._waits):
                waiting.cancel()
        for cut in self.cutters[scope]:
            try:
                cut(why)
            except Exception as error:  # noqa: BLE001  # one that cannot be ended must not keep the others
                _log.error("halt.not_ended", scope=scope, **described(error))


def _is_there(file: Path) -> bool:
    """Whether there is anything of that name, a dangling link too. Not to know is a yes: doubt means no."""
    try:
        os.lstat(file)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
