"""Languages that connectors read for each other: statements inside the calls of one are those of another.

Nobody names a connector: each declares the word of its language. The installed ones are looked through when a language is first
asked for; those that cannot be loaded (their libraries aren't installed) have none.
"""

import threading
from collections.abc import Callable, Iterator, Mapping

import structlog

from interlock.model.errors import Misconfigured
from interlock.runtime.targets import connectors
from interlock.sdk.connector import Connector, ReadsText

_log = structlog.get_logger(__name__)


class Languages(Mapping[str, ReadsText]):
    """By the languages' words. Found once; safe to ask from any thread."""

    def __init__(
        self,
        names: Callable[[], list[str]] = connectors.installed,
        find: Callable[[str], Connector | None] = connectors.find,
    ) -> None:
        self._names, self._find = names, find
        self._found: dict[str, ReadsText] | None = None
        self._lock = threading.Lock()

    def __getitem__(self, word: str) -> ReadsText:
        return self._all()[word]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> dict[str, ReadsText]:
        with self._lock:
            if self._found is None:
                self._found = self._load()
            return self._found

    def _load(self) -> dict[str, ReadsText]:
        found: dict[str, ReadsText] = {}
        for name in self._names():
            connector = self._loaded(name)
            word, reads = getattr(connector, "language", ""), getattr(connector, "reads_text", None)
            if word and reads is not None:
                found.setdefault(word, reads)
        return found

    def _loaded(self, name: str) -> Connector | None:
        try:
            return self._find(name)
        except Misconfigured as error:
            # Without its libraries it reads nothing, and text in its language stays unknown: that is the safe side.
            _log.info("language.not_loaded", connector=name, why=str(error))
            return None
