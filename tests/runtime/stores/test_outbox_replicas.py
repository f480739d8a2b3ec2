"""Deliveries on the real stores: replicas that race send each message once, and one that is killed loses nothing."""

import asyncio
import subprocess
import sys
from pathlib import Path

from tests.runtime.notify.kit import Kit, numbered, webhook
from tests.runtime.notify.receiver import SECRET, Receiver, verified
from tests.runtime.stores.conftest import Backend

from interlock.model.message import MessageState

DYING = "tests.runtime.stores.dying_post"


def test_replicas_that_race_send_each_message_once(backend: Backend, tmp_path: Path) -> None:
    async def work(receiver: Receiver) -> None:
        channel = webhook(receiver.url, tmp_path / "secret")
        stores = [backend.open() for _ in range(1 if backend.is_sqlite else 3)]
        replicas = [Kit(channel, store=store, holder=f"gw-{n}") for n, store in enumerate(stores * 2)]
        for number in range(5):
            for replica in replicas:
                replica.post.held(numbered(number))  # all of them say it
        await asyncio.gather(*(r.post.flush() for r in replicas))
        for _ in range(3):
            await asyncio.gather(*(r.deliveries["hook"].run() for r in replicas))
        assert {m.state for m in await replicas[0].messages()} == {MessageState.DELIVERED}

    with Receiver() as receiver:
        asyncio.run(work(receiver))
    assert len(receiver.ids) == len(set(receiver.ids)) == 5


def killed(url: str, receiver: Receiver, folder: Path, how: str) -> None:
    """A process that queues a message, and is killed (`kill -9`) when it has said that it is where it should be."""
    process = subprocess.Popen(
        [sys.executable, "-m", DYING, url, receiver.url, str(folder / "secret"), how],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == f"{how}\n"
    process.kill()
    process.wait(30)
    process.stdout.close()


def test_killed_between_the_queue_and_the_delivery(backend: Backend, tmp_path: Path) -> None:
    async def after(receiver: Receiver) -> None:
        await Kit(webhook(receiver.url, tmp_path / "secret"), store=backend.open()).deliver()

    with Receiver() as receiver:
        backend.open()
        killed(backend.url, receiver, tmp_path, "queued")
        assert receiver.taken == []
        asyncio.run(after(receiver))
        ((_, headers, body),) = receiver.taken
        verified({**headers}, body, SECRET, float(headers["webhook-timestamp"]))


def test_killed_while_delivering(backend: Backend, tmp_path: Path) -> None:
    async def after(receiver: Receiver) -> None:
        kit = Kit(webhook(receiver.url, tmp_path / "secret"), store=backend.open())
        await kit.deliver()
        assert [m.state for m in await kit.messages()] == [MessageState.DELIVERED]

    with Receiver() as receiver:
        backend.open()
        receiver.go.clear()
        killed(backend.url, receiver, tmp_path, "delivering")
        receiver.go.set()
        asyncio.run(after(receiver))
    assert set(receiver.ids) == {receiver.ids[0]}, "perhaps twice, with one id; never not at all"
