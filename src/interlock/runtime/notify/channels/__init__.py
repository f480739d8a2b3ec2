"""Channels: how a message gets to one. Each blocks (it is called in a thread), ends within `LONGEST` or so, and says only whether
the message was taken.

No error tells an address, what was sent, or what was answered.
"""

from typing import Protocol, assert_never

from interlock.model.message import Message
from interlock.runtime.notify.channels.by_apprise import Apprised
from interlock.runtime.notify.channels.by_webhook import Webhook
from interlock.runtime.notify.channels.errors import NotTaken, Unfit
from interlock.runtime.notify.config import AppriseConfig, ChannelConfig, WebhookConfig

__all__ = ["Channel", "NotTaken", "Unfit", "channel_of"]


class Channel(Protocol):
    """One way to people."""

    def send(self, message: Message, now: float) -> None:
        """Have the message taken; `now` is in seconds since 1970. Blocks. Raises NotTaken."""

    def doubt(self) -> str:
        """What speaks against it, without sending anything: it does not answer, or others could read what is sent there. Empty
        when nothing is known. Blocks. Raises NotTaken when its address or secret cannot be had, or is none."""


def channel_of(config: ChannelConfig) -> Channel:
    """The channel that the configuration means."""
    match config:
        case AppriseConfig():
            return Apprised(config.url)
        case WebhookConfig():
            return Webhook(config.url, config.secret)
        case _:
            assert_never(config)
