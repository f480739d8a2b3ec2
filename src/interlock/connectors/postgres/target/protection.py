"""`interlock postgres protect` and `unprotect`: history triggers come and go on the maintainer's connection."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from interlock.connectors.postgres import history
from interlock.connectors.postgres.client.errors import SqlError, UpstreamError
from interlock.connectors.postgres.client.sql import SqlConnection
from interlock.connectors.postgres.config import Roles
from interlock.connectors.postgres.queries import CANONICAL_SETTINGS, Ask, QueryFailed, Rows, Steps
from interlock.connectors.postgres.target.pool import rows_of
from interlock.connectors.postgres.target.run import Asker, run
from interlock.model.errors import Rejected, Unavailable

T = TypeVar("T")

_SETTINGS = {**CANONICAL_SETTINGS, "lock_timeout": "2s"}
"""Adding a trigger waits for writers, and makes others wait meanwhile: not for long."""
SWEEP_S = 60.0


def recorded_roles(roles: Roles) -> tuple[str, ...]:
    """Whose changes are written down: every role that agents run as, and the one that reverts."""
    users = [roles.upstream.user, *(role.user for role in roles.agents.values())]
    return tuple(dict.fromkeys([*users, *([roles.maintainer.user] if roles.maintainer else [])]))


async def change(
    target: str, roles: Roles, schemas: Sequence[str], tables: Sequence[str], *, on: bool
) -> list[str]:
    """Install or remove the triggers of tables in one transaction; returns the tables. Raises Rejected, Unavailable."""
    steps = (
        history.protect(tables, recorded_roles(roles), schemas) if on else history.unprotect(tables, schemas)
    )
    return await _as_maintainer(target, roles, steps)


async def sweep(roles: Roles, failed: Callable[[Exception], None]) -> None:
    """For ever: forget what finished transactions touched. A failure is reported; it costs room on the server, nothing else."""
    assert roles.maintainer is not None
    while True:
        await asyncio.sleep(SWEEP_S)
        try:
            await sweep_once(roles)
        except (SqlError, UpstreamError) as error:
            failed(error)


async def sweep_once(roles: Roles) -> None:
    """Empty the history table, if there is one, of what finished transactions left. Raises SqlError, UpstreamError."""
    assert roles.maintainer is not None
    connection = await SqlConnection.connect(roles.maintainer, _SETTINGS)
    try:
        (there,) = rows_of(await connection.query(*history.there()))
        if there[0] is not None:
            await connection.query("BEGIN READ WRITE")
            await connection.query(*history.sweep())
            await connection.query("COMMIT")
    finally:
        connection.upstream.abort()


async def _as_maintainer(target: str, roles: Roles, steps: Steps[T]) -> T:
    if roles.maintainer is None:
        raise Rejected(f"target {target} has no maintainer: name the role in its configuration first")
    connection: SqlConnection | None = None
    try:
        connection = await SqlConnection.connect(roles.maintainer, _SETTINGS)
        await connection.query("BEGIN READ WRITE")
        result = await run(steps, _asker(connection))
        await connection.query("COMMIT")
    except UpstreamError as error:
        raise Unavailable(f"the server of {target} cannot be reached ({error.sqlstate})") from None
    except (SqlError, QueryFailed) as error:
        raise Rejected(f"the server refused it with SQLSTATE {error.sqlstate}") from None
    finally:
        if connection is not None:
            # What was not committed is rolled back with the connection.
            connection.upstream.abort()
    return result


def _asker(connection: SqlConnection) -> Asker:
    async def asker(ask: Ask) -> list[Rows]:
        try:
            return [rows_of(result) for result in await connection.pipeline(list(ask.statements))]
        except SqlError as error:
            raise QueryFailed(error.sqlstate, error.message) from None

    return asker
