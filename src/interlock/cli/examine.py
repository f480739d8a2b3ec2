"""`interlock doctor`: asked of the running server, or found out without one."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from interlock.cli.client import Unreachable, by_socket
from interlock.model.errors import InterlockError
from interlock.sdk.connector import Finding

if TYPE_CHECKING:
    from interlock.runtime.config import Config


async def examine(file: Path, *, offline: bool) -> tuple[Finding, ...]:
    """All findings. Raises Misconfigured when the configuration itself is wrong."""
    from interlock.console.schemas import Findings
    from interlock.runtime.config import load

    config = load(file)
    if offline:
        return await _without_server(config)
    try:
        asked = await asyncio.to_thread(by_socket(config.admin_socket).get, "/api/v1/doctor", Findings)
    except Unreachable as error:
        what = f"looked at files, store and targets without a server: {error}"
        note = Finding("warning", "server", what, "interlock serve")
        return (note, *await _without_server(config))
    return asked.findings


async def _without_server(config: "Config") -> tuple[Finding, ...]:
    """Files first: what is wrong there is told even when the store cannot be opened."""
    from interlock.runtime import doctor, log
    from interlock.runtime.opening import open_configured

    log.set_up(level="critical")  # what a server would log is among the findings
    local = tuple(doctor.offline(config))
    try:
        store = await asyncio.to_thread(open_configured, config)
    except InterlockError as error:
        return (*local, Finding("error", "store", str(error)))
    try:
        return await _with_store(config, store)
    except InterlockError as error:
        return (*local, Finding("error", "configuration", str(error)))
    finally:
        await store.close()


async def _with_store(config: "Config", store: object) -> tuple[Finding, ...]:
    """Reach the targets without serving them."""
    from datetime import timedelta

    from interlock.runtime import doctor
    from interlock.runtime.runtime import Runtime
    from interlock.runtime.stores import SqlStore

    assert isinstance(store, SqlStore)
    runtime = Runtime(config, store, "doctor")
    await runtime.core.directory.refresh()
    await asyncio.gather(*(target.reach() for target in runtime.targets.values()))
    try:
        return tuple(await doctor.online(runtime))
    finally:
        await asyncio.gather(*(target.stop(timedelta(seconds=5)) for target in runtime.targets.values()))
