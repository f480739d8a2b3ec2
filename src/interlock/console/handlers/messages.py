"""Messages to people, and the channels that they go to."""

from interlock.console.callers import name_of
from interlock.console.operations import Call, Nothing
from interlock.console.schemas import Empty
from interlock.console.schemas.messages import MessageList, MessageQuery
from interlock.model.message import Message, MessageState
from interlock.runtime.notify.states import Tried


async def listed(call: Call[MessageQuery, None]) -> MessageList:
    """The channels, and messages by state."""
    service = call.runtime.messages
    found = await service.list(call.query.state or (MessageState.DEAD,))
    return MessageList(tuple(await service.channels()), tuple(found))


async def retried(call: Call[Nothing, Empty]) -> Message:
    """Have one tried again."""
    return await call.runtime.messages.retry(call.path["id"], by=name_of(call.caller))


async def dropped(call: Call[Nothing, None]) -> Message:
    """Forget one."""
    return await call.runtime.messages.drop(call.path["id"], by=name_of(call.caller))


async def tried(call: Call[Nothing, Empty]) -> Tried:
    """Try a channel out."""
    return await call.runtime.messages.try_out(call.path["name"], by=name_of(call.caller))
