"""An address or secret that is read when it is first needed, and again when the channel did not take a message."""

from interlock.model.errors import Unavailable
from interlock.runtime.notify.channels.errors import NotTaken
from interlock.runtime.notify.config import Address


class Once:
    """Calling it gives the text. Blocks. Raises NotTaken when it cannot be read."""

    def __init__(self, source: Address) -> None:
        self._source, self._text = source, ""

    def __call__(self) -> str:
        if not self._text:
            try:
                self._text = self._source if isinstance(self._source, str) else self._source()
            except Unavailable as error:
                raise NotTaken(str(error)) from None
        return self._text

    def forget(self) -> None:
        """Read it again the next time."""
        self._text = ""
