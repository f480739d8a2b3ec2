"""Times as they are stored: milliseconds since 1970, UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def milliseconds(at: datetime | None) -> int | None:
    """A time as it is stored."""
    return None if at is None else (at - _EPOCH) // timedelta(milliseconds=1)


def from_milliseconds(value: int) -> datetime:
    """Inverse of :func:`milliseconds`."""
    return _EPOCH + timedelta(milliseconds=value)
