"""A process for `test_outbox_replicas`: queues a message in the store, or begins to deliver it, says so, and waits to be killed."""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Executable, select
from tests.runtime.notify.kit import Kit, change, webhook
from tests.runtime.stores.conftest import MASTER

from interlock.runtime.notify import deliver
from interlock.runtime.stores import open_store
from interlock.runtime.stores.shape.schema import outbox


async def main(url: str, address: str, secret: str, how: str) -> None:
    # As if the lease had ended by the time that somebody looks.
    deliver.LEASE = timedelta(0)
    store = open_store(url, MASTER)
    kit = Kit(webhook(address, Path(secret)), store=store)
    kit.post.held(change())
    await kit.post.flush()
    if how == "delivering":
        task = asyncio.create_task(kit.deliveries["hook"].run())
        while not await store.read(lambda tx: tx.runner.execute(_claimed())):
            pass
        print(how, flush=True)
        await task
    print(how, flush=True)
    await asyncio.Event().wait()


def _claimed() -> Executable:
    return select(outbox.c.id).where(outbox.c.holder != "")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
