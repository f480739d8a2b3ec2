"""Open changes that nobody used in time."""

from collections.abc import Iterator

from interlock.control.change import OPEN
from interlock.model.change import Change, ChangeFilter, ChangeState
from interlock.pipeline.records import expire, expired
from interlock.sdk.ports import ReadTx, Tx

PAGE = 200


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
