"""`interlock doctor`: asked of the running server, or found out without one."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from interlock.cli.client import Unreachable, by_socket
from interlock.model.errors import InterlockError
from interlock.sdk.connector import Finding

if TYPE_CHECKING:
    from interlock.runtime.config.document import Config


async def examine(file: Path, *, offline: bool) -> tuple[Finding, ...]:
    """All findings. Raises Misconfigured when the configuration itself is wrong."""
    from interlock.console.schemas import Findings
    from interlock.runtime.config.document import load

    config = load(file)
    if offline:
        with _quiet():
            return await _without_server(config)
    try:
        asked = await asyncio.to_thread(by_socket(config.admin_socket).get, "/api/v1/doctor", Findings)
    except Unreachable as error:
        what = f"looked at files, store and targets without a server: {error}"
        note = Finding("warning", "server", what, "interlock serve")
        with _quiet():
            return (note, *await _without_server(config))
    return asked.findings


@contextmanager
def _quiet() -> Iterator[None]:
    """What a server would log is among the findings."""
    import structlog

    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


async def _without_server(config: "Config") -> tuple[Finding, ...]:
    """Files first: what is wrong there is told even when the store cannot be opened."""
    from interlock.runtime import doctor
    from interlock.runtime.opening import open_configured

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
    from interlock.runtime.governing.files import approved_config
    from interlock.runtime.runtime import Runtime
    from interlock.runtime.stores import SqlStore

    assert isinstance(store, SqlStore)
    runtime = Runtime(await approved_config(config, store), store, "doctor")
    await runtime.core.directory.refresh()
    await runtime.governing.files.adopt()
    await asyncio.gather(*(target.reach() for target in runtime.targets.values()))
    try:
        return tuple(await doctor.online(runtime))
    finally:
        await asyncio.gather(*(target.stop(timedelta(seconds=5)) for target in runtime.targets.values()))
