"""What people are shown of channels."""

from interlock.model.base import Value


class Tried(Value, frozen=True, omit_defaults=False):
    """What became of a test. `why` is empty when the channel took it."""

    channel: str
    taken: bool
    why: str = ""


class ChannelState(Value, frozen=True, omit_defaults=False):
    """A channel: what it is told, what waits for it, what was given up. `why` tells why this replica's last try failed."""

    name: str
    groups: tuple[str, ...]
    environments: tuple[str, ...]
    events: tuple[str, ...]
    waiting: int = 0
    dead: int = 0
    why: str = ""
