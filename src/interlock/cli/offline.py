"""Working on a store without a server."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from interlock.model.errors import Misconfigured
from interlock.model.proposal import Founded, Founder

if TYPE_CHECKING:
    from interlock.runtime.stores import SqlStore


@asynccontextmanager
async def opened(config: Path, *, upgrade: bool = False) -> AsyncIterator["SqlStore"]:
    """The store of a configuration. Beside a running server this is one more reader and writer; it never signs checkpoints
    while the server does. Raises Misconfigured, Unavailable."""
    from interlock.runtime.config.document import load
    from interlock.runtime.opening import open_configured

    store = open_configured(load(config), upgrade=upgrade)
    try:
        yield store
    finally:
        await store.close()


async def govern(config: Path, founders: Sequence[Founder], by: str) -> Founded:
    """Begin governed mode in a store that no server of this machine uses; replicas elsewhere notice it by themselves. Raises
    Misconfigured, Rejected, Unavailable."""
    from interlock.runtime.config.document import load
    from interlock.runtime.governing import files, founding
    from interlock.runtime.opening import check_state_dir, only_server

    loaded = load(config)
    founding.check(loaded, founders)
    what = founding.contents(loaded)
    check_state_dir(loaded.state_dir)
    with only_server(loaded.state_dir):
        async with opened(config) as store:
            founded = await store.transact(lambda tx: founding.found(tx, founders, what, by))
            files.mark(loaded.state_dir, store)
    return founded


def setup_script(config: Path, target: str, connector: str, flavour: str) -> str:
    """What an administrator runs on a target to prepare it. Raises Misconfigured when there is no such target of that
    connector."""
    from interlock.model.decision import Target
    from interlock.runtime.config import secrets
    from interlock.runtime.config.document import load
    from interlock.runtime.targets import connectors

    loaded = load(config)
    keys = loaded.targets.get(target)
    if keys is None or keys.connector != connector:
        known = (
            ", ".join(sorted(t.name for t in loaded.targets.values() if t.connector == connector)) or "none"
        )
        raise Misconfigured(
            f"there is no {connector} target {target!r} in {loaded.file} (there are: {known})"
        )
    found = connectors.load(connector)
    live = found.configure(
        target, Target(target, connector, keys.environment), keys.own, secrets.reader(loaded.folder)
    )
    return found.setup_script(live, flavour)
