"""The trash of one database, as the maintainer reaches it: its key, what is in it, and taking something out for good."""

from collections.abc import Sequence

from interlock.connectors.postgres import trash
from interlock.connectors.postgres.client.config import UpstreamConfig
from interlock.connectors.postgres.queries import OBSERVER_SETTINGS, QueryFailed
from interlock.connectors.postgres.target.pool import Pool
from interlock.model.errors import Rejected, Unavailable

_SETTINGS = {**OBSERVER_SETTINGS, "default_transaction_read_only": "off"}
_MISSING = ("3F000", "42P01", "42501")
"""No such schema, no such table, no right: the trash is not set up for this role."""


class Keeper:
    """Without a maintainer there is no trash."""

    def __init__(self, maintainer: UpstreamConfig | None) -> None:
        self._pool = None if maintainer is None else Pool(maintainer, _SETTINGS, most=1)
        self._key: bytes | None = None

    async def key(self) -> bytes | None:
        """The key; None when there is no trash or it cannot be reached: then nothing can be kept there either."""
        if self._key is None and self._pool is not None:
            try:
                [rows] = await self._pool.ask((trash.KEY,))
            except QueryFailed:
                return None
            self._key = bytes.fromhex(rows[0][0] or "") if rows else None
        return self._key

    async def copies(self) -> list[trash.Copy]:
        """What is in the trash, oldest first. Raises Rejected when there is none, Unavailable."""
        if self._pool is None:
            raise Rejected("the target has no maintainer, so it has no trash")
        try:
            [rows] = await self._pool.ask((trash.LIST,))
        except QueryFailed as failed:
            raise _wrapped(failed) from None
        return trash.copies(rows)

    async def remove(self, names: Sequence[str]) -> None:
        """Remove copies for good. Raises Rejected, Unavailable; those removed before an error stay removed."""
        if self._pool is None:
            raise Rejected("the target has no maintainer, so it has no trash")
        for name in names:
            try:
                await self._pool.ask((trash.drop(name),))
            except QueryFailed as failed:
                raise _wrapped(failed) from None

    async def close(self) -> None:
        """End its connections."""
        if self._pool is not None:
            await self._pool.close()


def _wrapped(failed: QueryFailed) -> Rejected | Unavailable:
    if failed.sqlstate in _MISSING:
        return Rejected("the trash is not set up: run what `interlock postgres grants-sql` prints")
    return Unavailable(f"the trash cannot be reached ({failed.sqlstate})")
