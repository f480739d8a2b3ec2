"""One statement that tells whether the database is well: read only, within a time, on a connection of its own."""

import asyncio
import contextlib
from datetime import timedelta

from interlock.connectors.postgres.client.config import UpstreamConfig
from interlock.connectors.postgres.client.errors import SqlError, UpstreamError
from interlock.connectors.postgres.client.sql import SqlConnection
from interlock.connectors.postgres.queries import OBSERVER_SETTINGS
from interlock.model.errors import Rejected, Unavailable

LONGEST = 1000
"""Most characters of a value that are looked at."""


async def probe(role: UpstreamConfig, statement: str, within: timedelta) -> str | None:
    """See `sdk.probes.Probes`."""
    seconds = within.total_seconds()
    settings = {
        "client_encoding": "UTF8",
        "default_transaction_read_only": "on",
        "lock_timeout": OBSERVER_SETTINGS["lock_timeout"],
        # The server ends it by itself, should this end of the connection be gone.
        "statement_timeout": str(int(seconds * 1000)),
    }
    try:
        async with asyncio.timeout(seconds), await SqlConnection.connect(role, settings) as connection:
            return await _first_value(connection, statement)
    except TimeoutError:
        raise Unavailable(f"no answer within {seconds:g} s") from None
    except SqlError as error:
        # Not its message, which may quote rows.
        raise Rejected(f"the server refuses the statement (SQLSTATE {error.sqlstate})") from None
    except UpstreamError as error:
        raise Unavailable(f"the server is not reached ({error.sqlstate or error.stage.value})") from None


async def _first_value(connection: SqlConnection, statement: str) -> str | None:
    # In a transaction whose mode the statement cannot change; it has no say in how that ends.
    await connection.query("BEGIN READ ONLY")
    async with contextlib.aclosing(connection.stream(statement, batch=1)) as batches:
        first = await anext(batches)
    if not first.rows:
        raise Rejected("the statement gives no row")
    value = first.rows[0][0] if first.rows[0] else None
    return None if value is None else value[: LONGEST * 4].decode("utf-8", "replace")[:LONGEST]
