"""A few connections of one of the gateway's own roles, opened when needed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from interlock.connectors.postgres.client.config import UpstreamConfig
from interlock.connectors.postgres.client.errors import SqlError, UpstreamError
from interlock.connectors.postgres.client.result import Result
from interlock.connectors.postgres.client.sql import SqlConnection
from interlock.connectors.postgres.queries import QueryFailed, Rows, Statement


class Pool:
    """At most `most` connections with the same settings; each call has one for itself."""

    def __init__(self, config: UpstreamConfig, settings: dict[str, str], most: int = 4) -> None:
        self._config = config
        self._settings = settings
        self._free: list[SqlConnection] = []
        self._places = asyncio.Semaphore(most)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[SqlConnection]:
        """One connection, outside any transaction. Raises UpstreamError."""
        async with self._places:
            connection = await self._take()
            try:
                yield connection
            finally:
                # A call that was cut short leaves a session whose answers cannot be told apart: it is lost or not idle.
                if connection.is_lost or connection.status != "I":
                    connection.upstream.abort()
                else:
                    self._free.append(connection)

    async def _take(self) -> SqlConnection:
        while self._free:
            connection = self._free.pop()
            if not connection.is_lost:
                return connection
        return await SqlConnection.connect(self._config, self._settings)

    async def ask(self, statements: Sequence[Statement]) -> list[Rows]:
        """Run statements in one round trip, each a transaction of its own, so that each sees what is committed then. Raises
        QueryFailed."""
        try:
            async with self.connection() as connection:
                return [rows_of(result) for result in await connection.each(statements)]
        except SqlError as error:
            raise QueryFailed(error.sqlstate, error.message) from None
        except UpstreamError as error:
            raise QueryFailed(error.sqlstate, str(error)) from None

    async def close(self) -> None:
        free, self._free = self._free, []
        await asyncio.gather(*(connection.upstream.close() for connection in free))


def rows_of(result: Result) -> Rows:
    """Rows in text form; the connection's encoding is UTF-8."""
    return [tuple(None if v is None else v.decode() for v in row) for row in result.rows]
