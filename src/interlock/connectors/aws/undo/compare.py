"""Comparing what is with what was: by JSON builtins, or by their digest when they are long."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from interlock.connectors.aws.call import CallFailed, Calls
from interlock.connectors.aws.undo.names import fill, fill_known, search
from interlock.connectors.aws.undo.plan import Check
from interlock.connectors.aws.undo.store import mark

_SORTED = msgspec.json.Encoder(order="sorted")
_SHORT = 256


def builtins(value: Any) -> Any:
    """A value as a check compares it: with its marks, empty structures taken for nothing."""
    return _nothing(mark(value))


def _nothing(plain: Any) -> Any:
    return None if plain in ({}, [], "") else plain


def fingerprint(value: Any) -> Any:
    """The same, or its digest when it is long: before-images need not hold a value twice."""
    plain = builtins(value)
    encoded = _SORTED.encode(plain)
    return plain if len(encoded) <= _SHORT else {"$sha256": hashlib.sha256(encoded).hexdigest()}


def same(expected: Any, now: Any) -> bool:
    """Whether what is now (as it was answered) is what is expected: builtins, or a fingerprint."""
    wanted = _nothing(expected)
    return bool(wanted == builtins(now) or wanted == fingerprint(now))


def missing(error: CallFailed) -> bool:
    """Whether an error says that there is no such thing. Some services say so with 400 and a name of their own."""
    if error.code == "ValidationError":  # CloudFormation and Auto Scaling tell no more by the code
        return "does not exist" in error.message
    return error.missing or "DoesNotExist" in error.code or error.code == "InvalidResourceId"


def present(error: CallFailed) -> bool:
    """Whether an error says that it exists already; somebody else's bucket of that name doesn't count."""
    if error.code == "BucketAlreadyExists":
        return False
    if any(word in error.code for word in ("AlreadyExist", "AlreadyOwned", "Duplicate", "NameExists")):
        return True
    return "Conflict" in error.code and "exist" in error.message.lower()


async def look(check: Check, calls: Calls, saved: Mapping[str, Any]) -> Any:
    """What a check compares, as it is now; None when there is no such thing. Raises CallFailed, Rejected."""
    try:
        answer = await calls.ask(
            check.service, check.operation, fill(check.parameters, saved), region=check.region
        )
    except CallFailed as error:
        if missing(error):
            return None
        raise
    return search(fill_known(check.select, saved), answer)
