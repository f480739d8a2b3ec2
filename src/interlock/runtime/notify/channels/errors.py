"""Why a message was not taken."""

from interlock.model.errors import Misconfigured, Unavailable


class NotTaken(Unavailable):
    """The channel did not take the message; the text says why without an address or secret. With `unreached`, the channel took
    nothing at all: there is no use in trying others now."""

    def __init__(self, why: str, *, unreached: bool = True) -> None:
        super().__init__(why)
        self.unreached = unreached


class Unfit(Misconfigured):
    """The address is none that anything can be sent to."""
