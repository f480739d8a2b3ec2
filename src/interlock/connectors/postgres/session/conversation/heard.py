"""What a client has been told of each statement of a transaction.

A client that waits for people has its transaction run again after the approval: whatever it heard the first time must come out
the same, or it acts on something that is not so.
"""

import hashlib
from dataclasses import dataclass, field

_ROWS = frozenset(b"\0Dd")
"""DataRow, CopyData, and pieces of either."""
_COMPLETE = frozenset(b"CI")
_PARTS = frozenset(b"sV")
"""A portal that stopped half-way; the answer to a function call: neither can be asked for again as it was."""


@dataclass(slots=True)
class Heard:
    """`told` has an entry for each statement that ended: its completion with a digest of all its rows, or the SQLSTATE of its
    error. `blind` tells that the client has heard something that can't be compared."""

    told: list[bytes] = field(default_factory=list)
    blind: bool = False
    _rows: "hashlib.blake2b | None" = None

    def take(self, kind: int, raw: bytes, *, listening: bool) -> None:
        """A message to the client, or (kind 0) a piece of one. Rows are digested only while it is `listening`: a client that does
        not wait for people is never compared with, and need not pay for it."""
        if kind in _ROWS:
            if not listening:
                self.blind = True
                return
            if self._rows is None:
                self._rows = hashlib.blake2b(digest_size=16)
            self._rows.update(raw)
        elif kind in _COMPLETE:
            self.told.append(raw + (b"" if self._rows is None else self._rows.digest()))
            self._rows = None
        elif kind == 69:  # E
            self.told.append(b"E" + sqlstate(raw))
            self._rows = None
        elif kind in _PARTS:
            self.blind = True

    def agrees_with(self, first: "Heard") -> bool:
        """Whether all that was heard up to here is what was heard the first time."""
        return self.told == first.told[: len(self.told)]


def sqlstate(error: bytes) -> bytes:
    """The five characters of an ErrorResponse's field C; empty when it has none."""
    place = error.find(b"\0C")
    return error[place + 2 : place + 7] if place >= 0 else b""
