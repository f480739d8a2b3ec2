"""Proposals of what is to decide (governed mode): those that wait, those that are over, and one with all that it would alter.

A proposal is a change: it is signed, commented on and withdrawn by the forms and addresses of changes."""

import re
from collections.abc import Iterator, Sequence

from interlock.console.problems import Refusal
from interlock.console.web import changes
from interlock.console.web.views import insight
from interlock.console.web.visit import Answer, GoTo, Html, Visit
from interlock.model.base import Value
from interlock.model.change import Change, ChangeFilter, Listing
from interlock.model.ids import parse_change_id
from interlock.model.proposal import INTERLOCK, Record, UseConfig, UsePolicies, words_of
from interlock.runtime.governing.service import OVER, SHOWN
from interlock.sdk.ports import ReadTx

_ABOUT = re.compile(r"(CHG-\w+) (.*)")


class DiffLine(Value, frozen=True):
    """A line of a diff: `removed`, `added`, `same` or a `gap` (what lies between was left out)."""

    sort: str
    text: str


class Diff(Value, frozen=True):
    """What is long, before and after."""

    name: str
    lines: tuple[DiffLine, ...]


class Altered(Value, frozen=True):
    """A past decision that would have been another one; without `change` a line about all of them."""

    change: str
    text: str


async def listed(visit: Visit) -> Answer:
    """What waits in full, and what is over by pages."""
    before = _before(visit.query.get("before", ""))

    def read(tx: ReadTx) -> tuple[Sequence[Change], Listing]:
        waiting = tx.changes(ChangeFilter(target=INTERLOCK, states=SHOWN, limit=200))
        over = ChangeFilter(target=INTERLOCK, states=OVER, before=before, limit=changes.PER_PAGE)
        return waiting, tx.listing(over)

    waiting, over = await visit.runtime.store.read(read)
    older = f"/console/proposals?before={over.next}" if over.next else ""
    return Html("proposals/list.html", {"waiting": waiting, "over": over, "older": older})


def _before(typed: str) -> str:
    try:
        return parse_change_id(typed) if typed else ""
    except ValueError:
        raise Refusal("invalid", "that is the id of no proposal") from None


async def shown(visit: Visit) -> Answer:
    """One proposal: each line before and after, the diffs, the past decisions, who has signed and who is missing."""
    view = await visit.runtime.changes.show(changes.id_of(visit))
    if view.change.target != INTERLOCK:
        return GoTo(f"/console/changes/{view.change.id}")
    record = await visit.runtime.governing.proposal(view.change.id)
    return Html(
        "proposals/one.html",
        {
            **await changes.deciding(visit, view),
            **await insight.history(visit, view.change),
            "record": record,
            "what": words_of(record.wanted) if record else view.change.operations[0].verb.lower(),
            "diffs": [_diff(text) for text in record.diffs] if record else [],
            "past": [_altered(line) for line in record.past] if record else [],
            "replays": record is not None and _replays(record),
        },
    )


def _replays(record: Record) -> bool:
    """Whether past decisions were looked at: only rules alter them."""
    return isinstance(record.wanted, UsePolicies | UseConfig)


def _altered(line: str) -> Altered:
    found = _ABOUT.fullmatch(line)
    return Altered(found[1], found[2]) if found else Altered("", line)


def _diff(text: str) -> Diff:
    """Of a unified diff as `runtime.governing.lines` makes it: two lines of names, then the hunks."""
    head, *rest = text.split("\n")
    return Diff(head.partition("/")[2], tuple(_lines(rest[1:])))


def _lines(rest: Sequence[str]) -> Iterator[DiffLine]:
    sorts = {"-": "removed", "+": "added", "@": "gap"}
    for line in rest:
        sort = sorts.get(line[:1], "same")
        yield DiffLine(sort, line if sort == "gap" else line[1:])
