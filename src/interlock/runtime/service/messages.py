"""Messages that were given up or wait, for people: looking, trying again, dropping, and trying a channel out."""

from collections.abc import Sequence

import structlog

from interlock.control import outbox
from interlock.model.errors import Conflict, NotFound, Rejected
from interlock.model.message import Message, MessageFilter, MessageState
from interlock.runtime.notify.office import Office
from interlock.runtime.notify.states import ChannelState, Tried
from interlock.sdk.ports import ReadTx, Store, Tx

_log = structlog.get_logger(__name__)


class Messages:
    """The service."""

    def __init__(self, store: Store, office: Office) -> None:
        self._store, self._office = store, office

    async def list(self, states: Sequence[MessageState] = (MessageState.DEAD,)) -> Sequence[Message]:
        """Oldest first, 1,000 at most."""
        which = MessageFilter(tuple(states), limit=1000)
        return await self._store.read(lambda tx: tx.messages(which))

    async def channels(self) -> Sequence[ChannelState]:
        """All channels, as configured."""
        return await self._office.states()

    async def retry(self, message_id: str, *, by: str) -> Message:
        """Have a message that was given up tried again, as if it were new. Raises NotFound, Conflict."""

        def work(tx: Tx) -> Message:
            again = outbox.retried(_found(tx, message_id), tx.now())
            if not tx.settle_message(again, ""):
                raise Conflict(f"{message_id} is being delivered")
            return again

        message = await self._store.transact(work)
        _log.info("notify.retried", message=message_id, channel=message.channel, by=by)
        for delivery in self._office.all:
            delivery.wake.set()
        return message

    async def drop(self, message_id: str, *, by: str) -> Message:
        """Forget a message that was given up. Raises NotFound, Rejected."""

        def work(tx: Tx) -> Message:
            message = _found(tx, message_id)
            if message.state is not MessageState.DEAD:
                raise Rejected(f"{message_id} is {message.state.value}: only what was given up is dropped")
            tx.drop_message(message_id)
            return message

        message = await self._store.transact(work)
        _log.info("notify.dropped", message=message_id, channel=message.channel, by=by)
        return message

    async def try_out(self, channel: str, *, by: str) -> Tried:
        """Send a test to a channel now. Raises NotFound."""
        return await self._office.try_out(channel, by)


def _found(tx: ReadTx, message_id: str) -> Message:
    message = tx.message(message_id)
    if message is None:
        raise NotFound("there is no such message (see `interlock notify list`)")
    return message
