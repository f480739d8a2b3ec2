"""What a request is cut into, and what is said of one that cannot be understood."""

from typing import TypeAlias

from interlock.model.base import Value
from interlock.wire import ProtocolViolation


class Head(Value, frozen=True):
    """The request line and the headers.

    `target` is as it was sent (ASCII, percent-encoding untouched), `path` and `query` are its parts before and after the first
    `?`. Names of headers are in lower case; values are decoded as Latin-1, so that encoding them so again gives the bytes that
    were sent. `length` is None when there is no Content-Length. `keep_alive` tells whether the connection may be used again
    after the answer.
    """

    method: str
    target: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    version: str
    keep_alive: bool
    length: int | None
    chunked: bool
    expects_continue: bool

    def __repr__(self) -> str:
        # Headers and query may hold a signature or a token that still counts.
        return f"Head({self.method}, {len(self.headers)} headers)"


class Data(Value, frozen=True):
    """A piece of the body, without any framing."""

    data: bytes

    def __repr__(self) -> str:
        return f"Data({len(self.data)} bytes)"


class End(Value, frozen=True):
    """The request is complete. `trailers` came after a chunked body: only names that the head's `x-amz-trailer` announces."""

    trailers: tuple[tuple[str, str], ...] = ()


Event: TypeAlias = Head | Data | End


class Malformed(ProtocolViolation):
    """The request is refused with `status`; the connection ends after the answer. `sentence` names the rule, never the
    content."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence
