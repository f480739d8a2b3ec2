"""Statements of ours that come again and again are parsed and planned once for each connection."""

from collections.abc import Sequence

from interlock.connectors.postgres.client.result import Statement, as_text
from interlock.connectors.postgres.codec import build, encode
from interlock.connectors.postgres.codec import frontend as f

MOST = 256
"""Statements kept prepared on one connection; texts remembered as seen once."""
_EXECUTE = encode(f.Execute("")) + build.SYNC


class Kept:
    """What one connection keeps prepared: texts that were asked before. One that selects all columns of a table is refused by the
    server once the table has others (`OUTDATED`): then it is to be forgotten, and asked again."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._number = 0
        self._seen: set[str] = set()

    def execution(self, statement: Statement) -> tuple[bytes, bool]:
        """The messages that run one statement, with Sync; and whether they prepare it as well (see `forget`)."""
        sql, params = statement
        name = self._names.get(sql, "")
        fresh = not name and self._worth_keeping(sql)
        if fresh:
            self._number += 1
            name = self._names[sql] = f"interlock_{self._number}"
        parts: Sequence[bytes] = (
            encode(f.Parse(name, sql)) if fresh or not name else b"",
            build.bind("", name, [as_text(p) for p in params]),
            _EXECUTE,
        )
        return b"".join(parts), fresh

    def _worth_keeping(self, sql: str) -> bool:
        if sql in self._seen:
            return len(self._names) < MOST
        if len(self._seen) >= MOST:
            self._seen.clear()
        self._seen.add(sql)
        return False

    def forget(self, sql: str) -> None:
        """It failed when it was to be prepared, so perhaps it is not; or it is out of date."""
        # The name is not used again: the server may have it all the same.
        self._names.pop(sql, None)
        self._seen.discard(sql)
