"""Delivering what is queued: one loop for each channel, so that a slow one keeps no other waiting.

A replica claims what is due (a lease of `LEASE`), joins what are too many, sends one after the other and records what became of
each. If it dies in between, the lease ends and another replica sends what was not recorded: at least once, never lost.
"""

import asyncio
import hashlib
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

import structlog

from interlock.control import outbox
from interlock.model.message import Event, Message
from interlock.runtime.drive import described
from interlock.runtime.notify.channels import Channel, NotTaken
from interlock.runtime.notify.channels.thread import Worker
from interlock.runtime.notify.words import Words
from interlock.sdk.ports import Store, Tx

_log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=2)
LONGEST = 25.0
"""Seconds that sending one message may take."""
ENOUGH = 80.0
"""Seconds after which no further message of a claim is begun: the last one must be recorded before the lease ends."""
AT_ONCE = 200


class Delivery:
    """Delivers to one channel. `clock` gives seconds since 1970, `ticks` seconds that never go back, `chance`
    a number from 0 to 1."""

    def __init__(
        self,
        name: str,
        channel: Channel,
        store: Store,
        words: Words,
        *,
        digest: bool,
        holder: str,
        chance: Callable[[], float],
        clock: Callable[[], float],
        ticks: Callable[[], float],
    ) -> None:
        self.name, self.channel = name, channel
        self._store, self._words, self._digest, self._holder = store, words, digest, holder
        self._chance, self._clock, self._ticks = chance, clock, ticks
        self._running: asyncio.Task[None] | None = None
        self._worker = Worker(f"interlock-notify-{name}")
        self.wake = asyncio.Event()
        """Set when something was queued."""
        self.counts: Counter[str] = Counter()
        """How many messages were `delivered`, how many tries `failed`, how many messages are `dead`: for metrics."""
        self.why = ""
        """Why the last message was not taken; empty when it was."""

    async def run(self) -> None:
        """Deliver what is due. It goes on to its end when the caller is cancelled: `finish` waits for that."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run(), name=f"notify/{self.name}")
        await asyncio.shield(self._running)

    async def finish(self, seconds: float) -> None:
        """Wait for the delivery at hand, and cut it off after that time: what is not recorded is tried again."""
        if self._running is not None and not self._running.done():
            _, left = await asyncio.wait({self._running}, timeout=seconds)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _run(self) -> None:
        if not await self._store.read(lambda tx: tx.messages_due(self.name)):
            return
        holder, end = f"{self._holder}/{secrets.token_hex(8)}", self._ticks() + ENOUGH
        # A crash from here on leaves the messages to whoever claims them when the lease has ended.
        left = await self._store.transact(partial(self._claim, holder))
        while left and self._ticks() < end:
            why = await self._send(left[0])
            if why is None:
                # A crash before this is durable sends the message a second time.
                await self._store.transact(partial(self._delivered, holder, left.pop(0)))
                self._took()
                continue
            lost, left = (left, []) if why.unreached else (left[:1], left[1:])
            await self._store.transact(partial(self._failed, holder, lost, str(why)))
            self._refused(lost, str(why))
        if left:
            await self._store.transact(partial(self._let_go, holder, left))
        if await self._store.read(lambda tx: tx.messages_due(self.name)):
            self.wake.set()

    async def _send(self, message: Message) -> NotTaken | None:
        try:
            await self._worker.run(partial(self.channel.send, message, self._clock()), LONGEST)
        except NotTaken as error:
            return error
        except Exception as error:  # noqa: BLE001  # a bug in one way of sending is a failed try, not one without end
            _log.error("notify.broke", channel=self.name, **described(error))
            return NotTaken(f"could not be sent ({type(error).__name__})", unreached=False)
        return None

    # -- in the store

    def _claim(self, holder: str, tx: Tx) -> list[Message]:
        """Claim what is due. What are too many are joined: the digest is due at once, and claimed the next time."""
        until, mine = tx.now() + LEASE, []
        for batch in outbox.batches(
            tx.claim_messages(self.name, holder, until, AT_ONCE), digest=self._digest
        ):
            if batch.one is not None:
                mine.append(batch.one)
                continue
            tx.add_message(self._digested(tx, batch.messages))
            for message in batch.messages:
                tx.settle_message(outbox.joined(message, tx.now()), holder)
        return mine

    def _digested(self, tx: Tx, messages: Sequence[Message]) -> Message:
        now = tx.now()
        text, data = self._words.digest(messages, outbox.LISTED)
        ids = hashlib.sha256("\0".join(m.id for m in messages).encode()).hexdigest()
        return Message(
            f"msg_{ids[:32]}", self.name, Event.DIGEST, text, now, now, data=data,
            parts=sum(m.parts for m in messages), attempts=max(m.attempts for m in messages),
        )  # fmt: skip

    def _delivered(self, holder: str, message: Message, tx: Tx) -> None:
        tx.settle_message(outbox.delivered(message, tx.now()), holder)
        if self.why or message.attempts:
            tx.hasten_messages(self.name)

    def _failed(self, holder: str, messages: Sequence[Message], why: str, tx: Tx) -> None:
        for message in messages:
            tx.settle_message(outbox.failed(message, why, tx.now(), self._chance()), holder)

    def _let_go(self, holder: str, messages: Sequence[Message], tx: Tx) -> None:
        for message in messages:
            tx.settle_message(message, holder)

    # -- what is known of it

    def _took(self) -> None:
        self.counts["delivered"] += 1
        if self.why:
            _log.info("notify.reached", channel=self.name)
        self.why = ""

    def _refused(self, messages: Sequence[Message], why: str) -> None:
        if why != self.why:
            _log.warning("notify.not_taken", channel=self.name, why=why)
        self.why = why
        self.counts["failed"] += len(messages)
        for message in messages:
            if message.attempts + 1 >= outbox.TRIES:
                self.counts["dead"] += 1
                _log.error(
                    "notify.given_up", channel=self.name, message=message.id, subject=message.event.value
                )
