"""What became of a plan: names and states that were known only after the call, what others changed since, what a revert did."""

from collections.abc import Mapping
from typing import Any

from interlock.connectors.aws.undo.plan import Check
from interlock.connectors.aws.undo.store import pack
from interlock.model.base import Value


class Completed(Value, frozen=True):
    """What is stored with the outcome, beside the plan. `saved` are names and what they stand for, `checks` those of the plan
    with what the call left; one that couldn't be read then still has `after` `ANY`."""

    saved: Mapping[str, Any] = {}
    checks: tuple[Check, ...] = ()

    @property
    def parts(self) -> tuple[bytes, ...]:
        """Encoded, in parts of at most 4 MiB."""
        return pack(self)


class Since(Value, frozen=True):
    """Something that isn't as the call left it. `what` is the check's phrase; `now` is `changed`, `gone`, `made` (there was
    nothing) or `unreadable`. No values."""

    what: str
    now: str

    def __str__(self) -> str:
        return f"{self.what}: {_WORDS[self.now]}"


_WORDS = {
    "changed": "changed since",
    "gone": "gone",
    "made": "made since",
    "unreadable": "cannot be compared with what the call left",
}


class Reverted(Value, frozen=True):
    """What a revert did. `steps` is how many calls were made; 0 with `already` when all was as before the call. `failed` says
    why the rest was not done: then it is reverted in part, and running it again goes on. `conflicts` are what was overridden
    by force. `saved` are the names that the inverse saved."""

    steps: int = 0
    already: bool = False
    failed: str = ""
    conflicts: tuple[Since, ...] = ()
    caveats: tuple[str, ...] = ()
    saved: Mapping[str, Any] = {}
