"""What the API takes and gives about messages to people. The command line imports it, so it imports nothing heavy."""

from interlock.model.base import Value
from interlock.model.message import Message, MessageState
from interlock.runtime.notify.states import ChannelState


class MessageQuery(Value, frozen=True):
    """Which messages: those that were given up, unless states are named."""

    state: tuple[MessageState, ...] = ()


class MessageList(Value, frozen=True):
    """The channels as configured, and messages, oldest first."""

    channels: tuple[ChannelState, ...]
    messages: tuple[Message, ...]
