"""The post office: what is said is put into words and queued for the channels that want it.

`Post` is the `Notifier` of the core. Its methods only note what happened, so that nothing on the way of a decision waits or fails;
`flush` queues it in the store, in the same second. A crash in between loses nothing that people have to act on: `catch_up`
looks for what stands open and was never queued. From then on delivery is at least once (`deliver`).
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import structlog

from interlock.control import outbox
from interlock.control.breaker import DRILL
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.change import Change, ChangeFilter, ChangeState
from interlock.model.errors import InterlockError
from interlock.model.health import Blame
from interlock.model.message import Message, MessageFilter, MessageState
from interlock.model.signal import Signal, Trip, TripFilter
from interlock.runtime.drive import described
from interlock.runtime.notify import stopped
from interlock.runtime.notify.config import ChannelConfig
from interlock.runtime.notify.words import Note, Words, event_of
from interlock.sdk.ports import ReadTx, Store, Tx

_log = structlog.get_logger(__name__)

KEPT = timedelta(days=7)
"""How long what was delivered is remembered. What still stands open then is told again."""
ORPHANED = timedelta(days=1)
"""A message that has been due for that long, and that no server claims, is given up: its channel is not configured any more."""
_STANDING = (ChangeState.HELD, ChangeState.APPROVED, ChangeState.IN_DOUBT)
_MOST = 1000

Saying = Callable[[], Note | None]


def message_id(channel: str, key: str) -> str:
    """The id of the message about a fact on a channel."""
    return f"msg_{hashlib.sha256(chr(0).join((channel, key)).encode()).hexdigest()[:32]}"


class Post:
    """See the module. `environment_of` tells in which environment a breaker's scope lies, empty for all of them."""

    def __init__(
        self,
        store: Store,
        channels: Sequence[ChannelConfig],
        words: Words,
        environment_of: Callable[[str], str] = lambda scope: "",
    ) -> None:
        self._store, self._channels, self.words = store, channels, words
        self._environment_of = environment_of
        self._said: deque[Saying] = deque()
        self._flushing = asyncio.Lock()
        self.wake = asyncio.Event()
        """Set when there is something to flush."""
        self.on_queued: list[Callable[[], None]] = []

    # -- the Notifier

    def held(self, change: Change) -> None:
        self._say(lambda: self.words.held(change))

    def moved(self, change: Change) -> None:
        if event_of(change) is not None:
            self._say(lambda: self.words.moved(change))

    def reminder(self, change: Change) -> None:
        self._say(lambda: self.words.reminder(change))

    def break_glass(self, person: str, change: Change | None, target: str, until: datetime) -> None:
        self._say(lambda: self.words.break_glass(person, change, target, until))

    def breaker(self, row: Breaker, by: str) -> None:
        self._say(lambda: self.words.breaker(row, by, self._environment_of(row.scope)))

    def tripped(self, trip: Trip) -> None:
        agents = (trip.agent,) if trip.agent else ()
        about = trip.scope, trip.epoch, trip.signal, agents, trip.environment, trip.steps
        self._say(lambda: self.words.tripped(*about))

    def freeze(self, row: Breaker, by: str) -> None:
        self._say(lambda: stopped.freeze(self.words, row, by, self._environment_of(row.scope)))

    def still_frozen(self, row: Breaker, now: datetime) -> None:
        self._say(lambda: stopped.still_frozen(self.words, row, now, self._environment_of(row.scope)))

    def halt(self, row: Breaker, by: str) -> None:
        self._say(lambda: stopped.halt(self.words, row, by))

    def drill_failed(self, row: Breaker, replicas: Sequence[str]) -> None:
        self._say(lambda: stopped.drill_failed(self.words, row, replicas))

    def health(self, blame: Blame, reverts: Sequence[Change]) -> None:
        self._say(lambda: self.words.health(blame, reverts))

    def _say(self, saying: Saying) -> None:
        if self._channels:
            self._said.append(saying)
            self.wake.set()

    # -- queueing

    async def flush(self) -> None:
        """Queue what was said. Raises Unavailable; it is kept then, and queued the next time."""
        async with self._flushing:
            said = list(self._said)
            notes = [note for saying in said if (note := _worded(saying)) is not None]
            if notes:
                await self._queue(notes)
            for _ in said:
                self._said.popleft()

    async def _queue(self, notes: Sequence[Note]) -> None:
        if await self._store.transact(lambda tx: self._add_all(tx, notes)):
            for tell in self.on_queued:
                tell()

    def _add_all(self, tx: Tx, notes: Sequence[Note]) -> int:
        return sum(self._add(tx, note, channel) for note, channel in self._pairs(notes))

    def _pairs(self, notes: Sequence[Note]) -> Iterator[tuple[Note, ChannelConfig]]:
        return ((note, channel) for note in notes for channel in self._channels if channel.wants.takes(note))

    def _add(self, tx: Tx, note: Note, channel: ChannelConfig) -> bool:
        key = message_id(channel.name, note.key)
        if tx.message(key) is not None:
            return False
        now = tx.now()
        data = {**note.data, "url": note.link}
        message = Message(key, channel.name, note.event, note.line, now, now, data=data, urgent=note.urgent)
        return tx.add_message(_timed(tx, message, channel.wants.digest))

    async def catch_up(self) -> None:
        """Queue what stands open and was never queued, on whatever replica it happened."""
        if not self._channels:
            return
        notes = await self._store.read(self._missing)
        if notes:
            await self._queue(notes)

    def _missing(self, tx: ReadTx) -> list[Note]:
        notes = list(self._standing(tx))
        ids = {(n.key, c.name): message_id(c.name, n.key) for n, c in self._pairs(notes)}
        new = {key for (key, _), found in ids.items() if tx.message(found) is None}
        return [note for note in notes if note.key in new]

    def _standing(self, tx: ReadTx) -> Iterator[Note]:
        now = tx.now()
        for change in reversed(tx.changes(ChangeFilter(states=_STANDING, limit=_MOST))):
            if change.state is ChangeState.HELD:
                over = change.expires_at is not None and change.expires_at <= now
                note = None if over else self.words.held(change)
            else:
                note = self.words.moved(change)
            if note is not None:
                yield note
        for row in tx.breakers():
            environment = self._environment_of(row.scope)
            if row.signal and row.state is BreakerState.OPEN and not row.frozen:
                told = tx.trips(TripFilter(scope=row.scope, limit=1))
                # A person may have opened it once more since: that is another fact, and the way to it the same.
                steps = told[0].steps if told else ()
                signal = Signal(row.signal)
                yield self.words.tripped(row.scope, row.epoch, signal, row.agents, environment, steps)
            elif (row.frozen or row.state is not BreakerState.CLOSED) and row.scope != DRILL:
                yield stopped.standing(self.words, row, environment)

    async def tidy(self) -> None:
        """Forget what was delivered long ago, and give up what nobody delivers."""

        def work(tx: Tx) -> int:
            now = tx.now()
            tx.forget_messages(now - KEPT)
            waiting = tx.messages(MessageFilter((MessageState.WAITING,), limit=_MOST))
            orphans = [m for m in waiting if m.due_at < now - ORPHANED]
            why = "no server delivers to this channel any more"
            return sum(tx.settle_message(outbox.given_up(m, why, now), "") for m in orphans)

        if given_up := await self._store.transact(work):
            _log.error("notify.orphaned", messages=given_up)


def _timed(tx: Tx, message: Message, digest: timedelta | None) -> Message:
    """With the time at which it is due: at once, or with others."""
    if message.urgent:
        return message
    from_then = message.queued_at - (digest or outbox.FLOOD_IN)
    kind = None if digest else message.event
    lately = MessageFilter((), message.channel, kind, from_then, outbox.FLOOD)
    waiting = MessageFilter((MessageState.WAITING,), message.channel, kind, from_then, outbox.FLOOD * 4)
    before = {m.id: m for m in (*tx.messages(lately), *tx.messages(waiting))}
    return outbox.timed(message, tuple(before.values()), digest)


def _worded(saying: Saying) -> Note | None:
    try:
        return saying()
    except InterlockError as error:
        _log.error("notify.unsaid", why=str(error))
    except Exception as error:  # noqa: BLE001  # one message that cannot be worded must not keep the others back
        _log.error("notify.unsaid", **described(error))
    return None
