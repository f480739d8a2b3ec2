"""What targets in observe mode would have held: numbers for deciding whether to enforce."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from interlock.control.deciding.approval import remedies
from interlock.model.base import Value
from interlock.model.change import Change, ChangeFilter
from interlock.model.decision import Hold, Rehearse
from interlock.model.effect import Totals, totals
from interlock.model.proposal import INTERLOCK
from interlock.runtime.core import Core
from interlock.sdk.ports import ReadTx

PAGE = 500
MOST = 10_000
"""Most changes that a report looks at."""


class WouldHold(Value, frozen=True):
    """One change that went through because its target only observes."""

    change: str
    agent: str
    target: str
    at: datetime
    totals: Totals
    remedies: tuple[str, ...]
    reasons: tuple[str, ...]


class Report(Value, frozen=True, omit_defaults=False):
    """From `since` to `until`: how many changes there were, and which would have been held. `by_reason` counts the guardrails."""

    since: datetime
    until: datetime
    changes: int
    would_hold: tuple[WouldHold, ...]
    by_reason: dict[str, int]
    by_agent: dict[str, int]
    complete: bool = True


async def report(core: Core, window: timedelta) -> Report:
    """Look back over `window`."""
    return await core.store.read(lambda tx: _report(tx, window))


def _report(tx: ReadTx, window: timedelta) -> Report:
    until = tx.now()
    seen = list(_changes(tx, until - window))
    held = tuple(
        WouldHold(
            c.id,
            c.agent,
            c.target,
            c.requested_at,
            totals(c.measurement.effects),
            remedies(c),
            c.decision.reasons,
        )
        for c in seen
        if c.marker.get("observed") and isinstance(c.decision, Hold | Rehearse)
    )
    reasons = Counter(reason for item in held for reason in item.reasons)
    agents = Counter(item.agent for item in held)
    whole = len(seen) < MOST
    return Report(until - window, until, len(seen), held, dict(reasons.most_common()), dict(agents), whole)


def _changes(tx: ReadTx, since: datetime) -> Iterator[Change]:
    before = ""
    for _ in range(MOST // PAGE):
        page = tx.changes(ChangeFilter(since=since, before=before, limit=PAGE))
        yield from (change for change in page if change.target != INTERLOCK)
        if len(page) < PAGE:
            return
        before = page[-1].id
