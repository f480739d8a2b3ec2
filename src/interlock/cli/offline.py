"""Working on a store without a server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interlock.runtime.stores import SqlStore


@asynccontextmanager
async def opened(config: Path, *, upgrade: bool = False) -> AsyncIterator["SqlStore"]:
    """The store of a configuration. Beside a running server this is one more reader and writer; it never signs checkpoints
    while the server does. Raises Misconfigured, Unavailable."""
    from interlock.runtime.config import load
    from interlock.runtime.opening import open_configured

    store = open_configured(load(config), upgrade=upgrade)
    try:
        yield store
    finally:
        await store.close()
