"""Open changes that nobody used in time, and held ones whose time is nearly over."""

from collections.abc import Iterator
from datetime import timedelta

import msgspec

from interlock.control.change import OPEN
from interlock.model.change import Change, ChangeFilter, ChangeState
from interlock.pipeline.recorded.records import expire, expired
from interlock.sdk.ports import ReadTx, Tx

PAGE = 200

REMINDED = "reminded"
"""In the marker of a held change: people have been reminded of it."""


def _pages(tx: ReadTx, states: tuple[ChangeState, ...]) -> Iterator[Change]:
    """All changes in those states, newest first, a page at a time."""
    before = ""
    while page := tx.changes(ChangeFilter(states=states, before=before, limit=PAGE)):
        yield from page
        before = page[-1].id


def overdue(tx: ReadTx) -> bool:
    """Whether anything is to be expired: a read, so that the ticker writes only when there is something to write."""
    return any(expired(tx, change) for change in _pages(tx, OPEN))


def expire_all(tx: Tx) -> tuple[Change, ...]:
    """Let everything expire that is over by the store's clock."""
    return tuple(expire(tx, change) for change in list(_pages(tx, OPEN)) if expired(tx, change))


def _nearly_over(tx: ReadTx, change: Change, before: timedelta) -> bool:
    left = None if change.expires_at is None else change.expires_at - tx.now()
    return left is not None and timedelta(0) < left <= before and REMINDED not in change.marker


def to_remind(tx: ReadTx, before: timedelta) -> bool:
    """Whether people are to be reminded of anything: a read, as `overdue`."""
    return any(_nearly_over(tx, change, before) for change in _pages(tx, (ChangeState.HELD,)))


def remind_all(tx: Tx, before: timedelta) -> tuple[Change, ...]:
    """The held changes that expire so soon and of which nobody was reminded yet. They are marked: no replica finds them again."""
    due = [c for c in list(_pages(tx, (ChangeState.HELD,))) if _nearly_over(tx, c, before)]
    return tuple(
        tx.save_change(msgspec.structs.replace(change, marker={**change.marker, REMINDED: "1"}))
        for change in due
    )
