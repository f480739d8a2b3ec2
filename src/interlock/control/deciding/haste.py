"""Against the rubber stamp: who approves too many, or too quickly to have read them, is slowed, and a second person is asked.

A hasty approval is refused until its review has been open for a while. Then it counts, and its quorum needs one more person.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median

from interlock.model.base import Value
from interlock.model.change import Review

HOUR = timedelta(hours=1)

LOOKED_AT = timedelta(hours=24)
"""How far back approvals are looked at: who was hasty once is not so for ever."""

ENOUGH = 5
"""Of fewer approvals than that, how quickly they came says nothing."""


class Reviews(Value, frozen=True, omit_defaults=False):
    """The numbers (`reviews:` in the configuration). `remind` is how long before a held change expires people are reminded."""

    per_hour: int = 10
    median_s: int = 5
    slowed_s: int = 60
    remind: timedelta = HOUR


def hasty(last: Sequence[Review], now: datetime, numbers: Reviews) -> str:
    """Why an approval given now is hasty; empty when it is not. `last` are the person's approvals of `LOOKED_AT`: this one counts
    among those of an hour, and the median is of those before it."""
    times = [(r.opened_at, r.approved_at) for r in last if r.approved_at is not None]
    lately = sum(1 for _, approved in times if now - approved < HOUR) + 1
    if lately > numbers.per_hour:
        return f"approves the {_th(lately)} change within an hour"
    if len(times) >= ENOUGH:
        took = median((approved - opened).total_seconds() for opened, approved in times)
        if took < numbers.median_s:
            return f"approved the last {len(times)} changes within {took:.1f} s of looking at them (median)"
    return ""


def left(opened_at: datetime, now: datetime, numbers: Reviews) -> timedelta:
    """How long a hasty approval still has to wait; nothing or less when its review has been open for long enough."""
    return opened_at + timedelta(seconds=numbers.slowed_s) - now


def _th(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
