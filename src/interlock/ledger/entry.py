"""Log entries: ``{"v": 1, "kind": …, "at": …, "body": {…}}`` as canonical JSON (RFC 8785).

Numbers are integers only: a float has several spellings, and a verifier in another language must find the
same bytes. Whoever needs a share records a numerator and a denominator.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NoReturn

import msgspec
import rfc8785

VERSION: Final = 1
MAX_BYTES: Final = 0xFFFF
"""Under 64 KiB; larger content goes, encrypted, to the payload store and is referenced by its digest."""

MAX_INT: Final = 2**53 - 1
"""Largest integer that every JSON reader keeps exact (RFC 7493 section 2.2)."""

MAX_DEPTH: Final = 32

_SORTED = msgspec.json.Encoder(order="sorted")
_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)

KINDS: Final[Mapping[str, str]] = {
    "log.started": "the log began: its origin and the verifier key",
    "key.rotated": "the log's signing key or the master key changed",
    "session.opened": "an agent connected to a target",
    "session.closed": "an agent's session ended, and why",
    "decision": "what policy decided on an operation, with the reasons",
    "change.received": "an agent asked for a change",
    "change.held": "a change waits for people: effects, quorum, digests",
    "change.moved": "a change moved to another state",
    "approval": "a person signed a change",
    "denial": "a person refused a change",
    "approval.refused": "a signature about a change did not hold, or could not count",
    "approval.withdrawn": "a person took their approval back before it was used",
    "break_glass": "a person stood for a quorum (used), a change passed because of that (passed), another reviewed it (reviewed)",
    "comment": "somebody commented on a change: who, and the digest of what",
    "intent": "a change is about to take effect (recorded first)",
    "outcome": "what happened to an intent: applied, failed or in doubt",
    "recovery": "an intent without an outcome was resolved",
    "revert": "a change was undone, wholly or partly",
    "person": "a person was added, altered or disabled",
    "agent": "an agent was added, rotated or disabled",
    "grant": "a grant was added or revoked",
    "policy": "the digest of the policies in force changed",
    "config": "the digest of the configuration in force changed",
    "breaker": "a breaker moved",
    "freeze": "an environment was frozen or thawed",
    "halt": "everything was halted, or goes on",
    "halt.drill": "the kill switch was tried: on which replicas, and how long each took (milliseconds)",
    "health": "a check found a target unwell or well again, blamed changes, or had their revert proposed",
    "proposal": "a change of what decides was proposed",
    "governed": "governed mode began, with which admins and digests, or ended",
    "unapproved": "policy files or a configuration that are not the approved ones were found, and refused",
    "login": "a person logged in to the console",
    "payload.destroyed": "a payload's key was destroyed",
    "sample.viewed": "a person was shown values of a change's before-image",
    "trash": "trash was emptied",
    "protection": "history triggers were asked for or removed on tables of a target, and what came of it",
}
"""Every kind of entry. A kind that is not here is not written."""


class EntryError(ValueError):
    """Content that cannot be a log entry: too large, not canonical, a float, an unknown kind."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One log entry. ``at`` is UTC; what is below a millisecond is dropped when encoded."""

    kind: str
    at: datetime
    body: Mapping[str, Any]


def encode(entry: Entry) -> bytes:
    """Canonical bytes of an entry.

    Raises EntryError for an unknown kind, a value JSON or RFC 8785 cannot keep exact, or 64 KiB and over.
    """
    if entry.kind not in KINDS:
        raise EntryError(f"no such kind of entry: {entry.kind!r}")
    return _dump({"v": VERSION, "kind": entry.kind, "at": format_at(entry.at), "body": dict(entry.body)})


def decode(data: bytes) -> Entry:
    """Read an entry. Raises EntryError unless it is exactly what :func:`encode` would write.

    A kind that this version does not know is read: an old verifier can check a newer log.
    """
    value = parse_canonical(data)
    if not isinstance(value, dict) or value.keys() != {"v", "kind", "at", "body"}:
        raise EntryError("an entry has exactly the members v, kind, at and body")
    if type(value["v"]) is not int or value["v"] != VERSION:
        raise EntryError("an entry of another version")
    if not isinstance(value["kind"], str) or not isinstance(value["body"], dict):
        raise EntryError("an entry of another shape")
    return Entry(value["kind"], parse_at(value["at"]), value["body"])


def canonical(value: object) -> bytes:
    """RFC 8785 bytes of any value without floats. Raises EntryError when it has none."""
    _check(value, 0)
    try:
        # Sixteen times as fast, and the same as long as everything is ASCII: RFC 8785 sorts names by their UTF-16 units.
        data = _SORTED.encode(value)
        if data.isascii():
            return data
    except (UnicodeEncodeError, TypeError):
        pass  # a subclass of a type that it knows, or what the next finds fault with as well
    try:
        return rfc8785.dumps(value)  # type: ignore[arg-type]  # checked above
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        raise EntryError("a value without canonical JSON (a lone surrogate)") from None


def parse_canonical(data: bytes) -> Any:
    """The value of canonical JSON. Raises EntryError unless the bytes are the canonical ones."""
    try:
        value = json.loads(data.decode(), parse_float=_no_float, parse_constant=_no_float)
    except EntryError:
        raise
    except (ValueError, RecursionError):
        raise EntryError("not JSON") from None
    if canonical(value) != data:
        raise EntryError("not canonical JSON")
    return value


@lru_cache(64)  # entries of one commit have one time
def format_at(at: datetime) -> str:
    """UTC with milliseconds, ``2026-03-04T05:06:07.089Z``. Raises EntryError for a time without a zone."""
    if at.tzinfo is None:
        raise EntryError("a time needs a zone")
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_at(text: object) -> datetime:
    """Inverse of :func:`format_at`. Raises EntryError for any other spelling."""
    if not isinstance(text, str) or not _AT.fullmatch(text):
        raise EntryError("a time is written as 2026-03-04T05:06:07.089Z")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise EntryError(f"no such time: {text}") from None


def _dump(value: object) -> bytes:
    data = canonical(value)
    if len(data) > MAX_BYTES:
        raise EntryError(f"an entry of {len(data)} bytes; the limit is {MAX_BYTES}")
    return data


def _check(value: object, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise EntryError(f"an entry nested deeper than {MAX_DEPTH}")
    match value:
        case None | bool() | str():
            return
        case int():
            if abs(value) > MAX_INT:
                raise EntryError("an integer beyond 2**53 - 1: write it as text")
        case dict():
            for key in value:
                if type(key) is not str and not isinstance(key, str):
                    raise EntryError("a member name must be text")
            _check_all(value.values(), depth + 1)
        case list() | tuple():
            _check_all(value, depth + 1)
        case _:
            raise EntryError(f"an entry holds no {type(value).__name__}")


def _check_all(values: Any, depth: int) -> None:
    deepest = depth > MAX_DEPTH
    for value in values:
        kind = type(value)
        # Most are these, and a call for each is most of what an entry costs.
        if deepest or not (
            kind is str or (kind is int and -MAX_INT <= value <= MAX_INT) or kind is bool or value is None
        ):
            _check(value, depth)


def _no_float(text: str) -> NoReturn:
    raise EntryError("an entry holds no floats")
