"""All of it for one gateway: the post and the deliveries, their loops, and what is shown of them."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial

from interlock.model.errors import NotFound
from interlock.model.message import Event, Message, MessageFilter, MessageState
from interlock.runtime.config.yaml_source import Source
from interlock.runtime.notify.channels import Channel, NotTaken, channel_of
from interlock.runtime.notify.channels.errors import Unfit
from interlock.runtime.notify.channels.thread import Worker
from interlock.runtime.notify.config import ChannelConfig
from interlock.runtime.notify.deliver import LONGEST, Delivery
from interlock.runtime.notify.post import Post, message_id
from interlock.runtime.notify.states import ChannelState, Tried
from interlock.runtime.notify.words import Words
from interlock.sdk.connector import Finding
from interlock.sdk.ports import ReadTx, Store

EVERY, CATCH_UP = 1.0, 60.0
"""Seconds between two looks at what is due, and at what was missed."""
PATIENCE = 5.0
"""Seconds that a shutdown waits for a delivery at hand."""

Job = tuple[float, str, Callable[[], Awaitable[object]], asyncio.Event | None]
"""How often, the name, the work, and what wakes it earlier."""


class Office:
    """See the module. Raises Misconfigured when an address that stands in the configuration is none."""

    def __init__(
        self,
        store: Store,
        configured: Sequence[ChannelConfig],
        words: Words,
        environment_of: Callable[[str], str],
        holder: str,
        source: Source,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store, self._configured = store, configured
        self.post = Post(store, configured, words, environment_of)
        made = {c.name: _made(c, place, source) for place, c in enumerate(configured)}
        self.deliveries = {
            c.name: Delivery(
                c.name,
                made[c.name],
                store,
                words,
                digest=c.wants.digest is not None,
                holder=holder,
                chance=chance,
                clock=time.time,
                ticks=time.monotonic,
            )
            for c in configured
        }
        self.post.on_queued += [d.wake.set for d in self.deliveries.values()]

    @property
    def all(self) -> Sequence[Delivery]:
        """The deliveries, in the order of the configuration."""
        return tuple(self.deliveries.values())

    def jobs(self) -> Iterator[Job]:
        """What is to be done again and again; none without a channel."""
        if self.deliveries:
            yield EVERY, "notify", self.post.flush, self.post.wake
            yield CATCH_UP, "notify.catch_up", self.post.catch_up, None
        for delivery in self.deliveries.values():
            yield EVERY, f"notify/{delivery.name}", delivery.run, delivery.wake

    async def finish(self) -> None:
        """Queue what was said last, and wait a little for what is being delivered."""
        try:
            await self.post.flush()
        finally:
            await asyncio.gather(*(d.finish(PATIENCE) for d in self.deliveries.values()))

    # -- for people

    async def try_out(self, name: str, by: str) -> Tried:
        """Send a test now, past the queue. Raises NotFound."""
        delivery = self._delivery(name)
        note = self.post.words.test(by, name, str(time.time_ns()))
        now = datetime.now(UTC)
        message = Message(message_id(name, note.key), name, Event.TEST, note.line, now, now, data=note.data)
        try:
            await Worker(f"interlock-notify-test-{name}").run(
                partial(delivery.channel.send, message, time.time()), LONGEST
            )
        except NotTaken as error:
            return Tried(name, False, str(error))
        return Tried(name, True)

    def _delivery(self, name: str) -> Delivery:
        if name not in self.deliveries:
            known = ", ".join(self.deliveries) or "none"
            raise NotFound(f"there is no channel of that name (known: {known})")
        return self.deliveries[name]

    async def states(self) -> Sequence[ChannelState]:
        """All channels, as configured."""

        def read(tx: ReadTx) -> list[ChannelState]:
            return [self._state(tx, channel) for channel in self._configured]

        return await self._store.read(read)

    def _state(self, tx: ReadTx, channel: ChannelConfig) -> ChannelState:
        def number(state: MessageState) -> int:
            return len(tx.messages(MessageFilter((state,), channel.name, limit=1000)))

        wants, why = channel.wants, self.deliveries[channel.name].why
        events = tuple(e.value for e in wants.events)
        waiting, dead = number(MessageState.WAITING), number(MessageState.DEAD)
        return ChannelState(channel.name, wants.groups, wants.environments, events, waiting, dead, why)

    async def findings(self) -> Sequence[Finding]:
        """For `doctor`: channels that cannot be used, that fail, or that others can read; messages that were given up."""
        found = [f for state in await self.states() for f in _said(state)]
        for name, delivery in self.deliveries.items():
            found.append(await asyncio.to_thread(_examined, name, delivery.channel))
        return found


def _made(config: ChannelConfig, place: int, source: Source) -> Channel:
    try:
        return channel_of(config)
    except Unfit as error:
        raise source.wrong(("notify", str(place)), str(error)) from None


def _said(state: ChannelState) -> Iterator[Finding]:
    if state.why:
        what = f"the channel {state.name} took no message lately: {state.why}"
        yield Finding("warning", "notify", what, f"interlock notify test {state.name}")
    if state.dead:
        what = f"{state.dead} messages to the channel {state.name} were given up"
        yield Finding("warning", "notify", what, "interlock notify list")


def _examined(name: str, channel: Channel) -> Finding:
    fix = f"mend the channel in notify:, then interlock notify test {name}"
    try:
        why = channel.doubt()
    except NotTaken as error:
        return Finding("error", "notify", f"the channel {name} cannot be used: {error}", fix)
    if why:
        return Finding("warning", "notify", f"the channel {name}: {why}", fix)
    return Finding("ok", "notify", f"the channel {name} has what it needs")
