"""Limits that keep the guard itself from becoming the outage."""

from datetime import datetime, timedelta

from interlock.model.base import Value

OPEN_CHANGES = 5
"""Most changes of one agent that may wait at a time."""

HELD_FOR = timedelta(hours=24)
"""How long a held change waits for people before it expires."""

APPROVED_FOR = timedelta(hours=1)
"""How long an approved change may be used."""

REASON = 300
"""Most characters of a person's reason that an agent is shown."""

SIGNED_FOR = timedelta(hours=24)
"""How long a person's signature holds unless they say otherwise."""

SIGNED_FOR_AT_MOST = timedelta(days=7)

PREVIEW_BURST = 30
PREVIEW_EVERY = timedelta(seconds=1)
"""A preview that leads to nothing costs the target work: each agent has a bucket of `PREVIEW_BURST` such previews, refilled by one
each `PREVIEW_EVERY`. Work that goes through costs nothing."""


class Bucket(Value, frozen=True):
    """A token bucket. `level` is in milliseconds of refill, so that no fraction is lost."""

    level: int
    at: datetime


_FULL = PREVIEW_BURST * int(PREVIEW_EVERY / timedelta(milliseconds=1))
_PRICE = int(PREVIEW_EVERY / timedelta(milliseconds=1))


def full(now: datetime) -> Bucket:
    return Bucket(_FULL, now)


def refill(bucket: Bucket, now: datetime) -> Bucket:
    """The bucket at `now`; a clock that went back adds nothing."""
    if now <= bucket.at:
        return bucket
    return Bucket(min(_FULL, bucket.level + int((now - bucket.at) / timedelta(milliseconds=1))), now)


def may_preview(bucket: Bucket, now: datetime) -> bool:
    """Whether there is a token; it is taken by `charge` only when the preview led to nothing."""
    return refill(bucket, now).level >= _PRICE


def charge(bucket: Bucket, now: datetime) -> Bucket:
    """Take a token. The level may become negative when previews ran at the same time: they are paid back first."""
    filled = refill(bucket, now)
    return Bucket(filled.level - _PRICE, filled.at)
