"""Reminders of freezes: again and again while an environment is frozen, until somebody thaws it. One replica sends each."""

from datetime import UTC, datetime, timedelta

from interlock.model.breaker import Breaker
from interlock.sdk.ports import ReadTx, Tx


def key(scope: str) -> str:
    """Key of the store's meta: of which epoch people were reminded last, and when (milliseconds since 1970)."""
    return f"reminded/{scope}"


def due(tx: ReadTx) -> tuple[Breaker, ...]:
    """What is frozen, and for so long that people are to be reminded (again): a read, as `expire.overdue`."""
    return tuple(row for row in tx.breakers() if row.frozen and row.remind_s and _is_due(tx, row))


def _is_due(tx: ReadTx, row: Breaker) -> bool:
    since = _reminded(tx, row) or row.moved_at
    return since is not None and tx.now() - since >= timedelta(seconds=row.remind_s)


def _reminded(tx: ReadTx, row: Breaker) -> datetime | None:
    epoch, _, at = (tx.meta(key(row.scope)) or "").partition("/")
    return datetime.fromtimestamp(int(at) / 1000, UTC) if epoch == str(row.epoch) else None


def remind(tx: Tx) -> tuple[Breaker, ...]:
    """Those of which people are reminded now. They are marked: no replica finds them again before the next time."""
    found = due(tx)
    for row in found:
        tx.put_meta(key(row.scope), f"{row.epoch}/{int(tx.now().timestamp() * 1000)}")
    return found
