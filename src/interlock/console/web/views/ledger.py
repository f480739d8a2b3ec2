"""The ledger: its entries, its checkpoint and key, and what a browser verifies of it by itself."""

import json
import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from interlock.console.problems import Refusal
from interlock.console.web.visit import Answer, Html, Visit
from interlock.control.signals.said import signal_words
from interlock.ledger import note
from interlock.ledger.entry import KINDS, parse_at
from interlock.ledger.note import Checkpoint, NoteError
from interlock.model.base import Value
from interlock.model.errors import NotFound, Unavailable
from interlock.model.ids import PATTERN

PER_PAGE = 50
LOOKED_THROUGH = 20_000
"""Entries that a page looks through for one kind."""
_LONGEST, _MEMBERS = 60, 5


class About(Value, frozen=True):
    """A member of an entry's body, `cut` if it is longer."""

    name: str
    value: str
    cut: bool


class Line(Value, frozen=True):
    """An entry in the list. `about` are a few members of its body."""

    number: int
    at: datetime
    kind: str
    about: tuple[About, ...]
    red: bool = False
    """Whether it is about a use of break-glass that nobody has reviewed."""


async def listed(visit: Visit) -> Answer:
    """Entries, the newest first."""
    store, kind = visit.runtime.store, visit.query.get("kind", "")
    if kind and kind not in KINDS:
        raise Refusal("invalid", "there is no such kind of entry")
    size = await store.read(lambda tx: tx.ledger_size())
    below = _number(visit.query.get("before", "") or str(size))
    found = await store.newest_entries(below, kind=kind, limit=PER_PAGE + 1, within=LOOKED_THROUGH)
    page = found[:PER_PAGE]
    older = _older(page[-1][0] if len(found) > PER_PAGE else below - LOOKED_THROUGH if kind else 0, kind)
    signed, checkpoint = await _checkpoint(visit)
    unreviewed = {glass.id for glass in await visit.runtime.break_glass.list() if not glass.reviewed_by}
    return Html(
        "ledger/list.html",
        {
            "lines": [_line(number, data, unreviewed) for number, data in page],
            "older": older,
            "kind": kind,
            "kinds": KINDS,
            "size": size,
            "from": max(0, below - LOOKED_THROUGH),
            "signed": signed,
            "checkpoint": checkpoint,
            "key": str(store.verifier),
        },
    )


def _older(before: int, kind: str) -> str:
    if before <= 0:
        return ""
    return f"/console/ledger?{urlencode({**({'kind': kind} if kind else {}), 'before': before})}"


async def entry(visit: Visit) -> Answer:
    """One entry, decoded."""
    store, number = visit.runtime.store, _number(visit.path["number"])
    data = await store.entry(number)
    _, checkpoint = await _checkpoint(visit)
    decoded = json.loads(data)
    return Html(
        "ledger/entry.html",
        {
            "number": number,
            "kind": decoded["kind"],
            "meaning": KINDS.get(decoded["kind"], ""),
            "at": parse_at(decoded["at"]),
            "body": json.dumps(decoded["body"], indent=2, ensure_ascii=False),
            "raw": data.decode(),
            "size": checkpoint.size,
            "last": await store.read(lambda tx: tx.ledger_size()) - 1,
            "change": _change(decoded["body"]),
            "scope": _text(decoded["body"], "scope"),
            "signal": signal_words(_text(decoded["body"], "signal")),
            "changes": _changes(decoded["body"]),
            "key": str(store.verifier),
        },
    )


def _change(body: Mapping[str, Any]) -> str:
    found = body.get("change")
    return found if isinstance(found, str) and found.startswith("CHG-") else ""


def _text(body: Mapping[str, Any], name: str) -> str:
    found = body.get(name)
    return found if isinstance(found, str) else ""


def _changes(body: Mapping[str, Any]) -> list[str]:
    """Those that led to a trip."""
    found = body.get("changes")
    return (
        [c for c in found if isinstance(c, str) and PATTERN.fullmatch(c)] if isinstance(found, list) else []
    )


async def _checkpoint(visit: Visit) -> tuple[str, Checkpoint]:
    store = visit.runtime.store
    signed = await store.checkpoint()
    try:
        return signed.decode(), note.open_checkpoint(signed, store.verifier)
    except NoteError as error:
        raise Unavailable(f"the newest checkpoint cannot be trusted: {error}") from None


def _line(number: int, data: bytes, unreviewed: Collection[str]) -> Line:
    decoded = json.loads(data)
    told = [
        About(k, v[:_LONGEST], len(v) > _LONGEST) for k, x in decoded["body"].items() if (v := _told(k, x))
    ]
    told.sort(key=lambda about: _FIRST.get(about.name, len(_FIRST)))
    red = decoded["kind"] == "break_glass" and decoded["body"].get("break_glass") in unreviewed
    return Line(number, parse_at(decoded["at"]), decoded["kind"], tuple(told[:_MEMBERS]), red)


_TOLD = ("change", "what", "signal", "agent", "person", "target", "scope", "state", "reason", "why", "by")
_FIRST = {name: place for place, name in enumerate(_TOLD)}
_DIGESTS = re.compile(
    r"\w*digest|binding|bound|content|signature|public_key|passkeys?|session|gateway|nonce|vkey|marker"
)


def _told(name: str, value: object) -> str:
    """A member of an entry in a word or two: digests and what is nested are left to the entry's own page."""
    if _DIGESTS.fullmatch(name) or value in (None, "", [], {}):
        return ""
    match value:
        case str() if name == "signal":
            return signal_words(value)
        case bool():
            return "yes" if value else "no"
        case int() | str():
            return str(value)
        case list() if all(isinstance(each, str) for each in value):
            return ", ".join(value)
        case _:
            return ""


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise NotFound("there is no such entry")
    return int(text)
