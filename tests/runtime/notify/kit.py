"""The post and the deliveries on the enforcing store, with a clock and chance of the test's own."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from tests.runtime.notify.receiver import SECRET

from interlock.control import limits
from interlock.model.change import Change, ChangeState, Measurement
from interlock.model.decision import Hold
from interlock.model.effect import ChangeKind, Effect, Unit
from interlock.model.message import Event, Message, MessageFilter
from interlock.model.operation import Action, Operation, Resource
from interlock.model.people import Quorum
from interlock.runtime.config.yaml_source import Source
from interlock.runtime.notify.channels import channel_of
from interlock.runtime.notify.config import ChannelConfig, Wants, WebhookConfig, read
from interlock.runtime.notify.deliver import Delivery
from interlock.runtime.notify.post import Post
from interlock.runtime.notify.words import Words
from interlock.testing.stores.enforcing import FakeStore

URL = "https://interlock.example"
QUORUMS = {
    "two-sre": Quorum("two-sre", 2, "sre"),
    "one-dba": Quorum("one-dba", 1, "dba"),
}
START = FakeStore().time


def change(**values: Any) -> Change:
    """A held change; `values` replace its fields."""
    fields: dict[str, Any] = {
        "id": "CHG-7K3F9Q2M",
        "agent": "fixer",
        "owner": "olga",
        "target": "shop",
        "environment": "production",
        "fingerprint": "7/shop",
        "state": ChangeState.HELD,
        "version": 1,
        "content": "c" * 64,
        "operations": (Operation(Action.DELETE, "DELETE", (orders(),)),),
        "measurement": Measurement((deleted(1204),)),
        "decision": Hold(("quorum:two-sre",), ("rows-need-two",)),
        "requested_at": START,
        "updated_at": START,
        "expires_at": START + limits.HELD_FOR,
        "nonce": "n" * 32,
    }
    return Change(**{**fields, **values})


def orders(name: str = "public.orders") -> Resource:
    return Resource("table", name, "public")


def deleted(count: int, name: str = "public.orders", *, reversible: bool = True) -> Effect:
    return Effect(orders(name), ChangeKind.DELETED, count, Unit.ROWS, reversible=reversible)


def numbered(number: int, **values: Any) -> Change:
    """One of many held changes."""
    return change(id=f"CHG-{number:08d}", **values)


def configured(text: str, folder: Path = Path("/etc/interlock")) -> tuple[ChannelConfig, ...]:
    """Channels as a configuration writes them."""
    source = Source("interlock.yaml", text)
    return read(source, source.data, folder, ["production", "staging"], QUORUMS)


def webhook(url: str, secret: Path, name: str = "hook", **wants: Any) -> WebhookConfig:
    """A webhook whose secret lies in a file (which is made)."""
    secret.write_text(SECRET)
    (found,) = configured(f'[{{webhook: "{url}", name: "{name}", secret: {{file: "{secret}"}}}}]')
    assert isinstance(found, WebhookConfig)
    return msgspec.structs.replace(found, wants=Wants(**wants))


class Kit:
    """Post and deliveries over one store; `again` makes another replica on the same store."""

    def __init__(self, *channels: ChannelConfig, store: Any = None, holder: str = "gw-1") -> None:
        self.channels = channels
        self.store = store or FakeStore()
        self.words = Words(URL, QUORUMS)
        self.post = Post(self.store, channels, self.words)
        self.chance = 0.5
        self.deliveries = {c.name: self._delivery(c, holder) for c in channels}

    def _delivery(self, config: ChannelConfig, holder: str) -> Delivery:
        return Delivery(
            config.name,
            channel_of(config),
            self.store,
            self.words,
            digest=config.wants.digest is not None,
            holder=holder,
            chance=lambda: self.chance,
            clock=lambda: self.store.time.timestamp() if isinstance(self.store, FakeStore) else 0.0,
            ticks=lambda: 0.0,
        )

    def again(self, holder: str = "gw-2") -> "Kit":
        return Kit(*self.channels, store=self.store, holder=holder)

    async def deliver(self) -> None:
        """What a loop does in a second: queue, and deliver until nothing is due."""
        await self.post.flush()
        for delivery in self.deliveries.values():
            delivery.wake.set()
            while delivery.wake.is_set():
                delivery.wake.clear()
                await delivery.run()

    async def later(self, by: timedelta) -> None:
        """The same after some time."""
        self.store.advance(by)
        await self.deliver()

    async def messages(self, event: Event | None = None) -> list[Message]:
        found = await self.store.read(lambda tx: tx.messages(MessageFilter(event=event, limit=1000)))
        return list(found)
