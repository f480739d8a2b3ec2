"""Which past changes would have opened a breaker or waited because of a budget, and which thresholds and budgets would fit what
really happened. Nothing is applied: people paste what they agree with."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from interlock.control import budget
from interlock.control.budget import Budgets
from interlock.control.signals import past
from interlock.control.signals.past import NOT_REPLAYED, Proposal, WouldTrip
from interlock.control.signals.spent import SCOPES, Spent, spent
from interlock.control.signals.thresholds import Signals, Thresholds
from interlock.model.base import Value
from interlock.model.budget import AMOUNTS
from interlock.model.change import Change, ChangeFilter
from interlock.model.proposal import INTERLOCK
from interlock.model.signal import Signal, Track
from interlock.pipeline.recorded import trips
from interlock.pipeline.recorded.terms import Terms
from interlock.runtime.core import Core
from interlock.sdk.ports import ReadTx

PAGE = 500
MOST = 10_000
"""Most changes that are looked at, the newest."""
MOST_AGENTS = 200
"""Of so many agents it is read what they were used to before; the others begin anew."""
SHOWN = 500
"""Most trips in the answer, the newest."""


class Tuning(Value, frozen=True, omit_defaults=False):
    """From `since` to `until`: how many changes there were, and at which a breaker would have opened under the thresholds in force,
    oldest first (`trips` in all, of which the newest are here). `complete` is False when there were more changes than are looked
    at: then `since` is where the look began. `snippet` is YAML for the configuration, empty when nothing is proposed;
    `not_replayed` are signals of which past changes do not tell. `budgets` is what was spent of them (None: there are none)."""

    since: datetime
    until: datetime
    changes: int
    complete: bool
    trips: int
    would_trip: tuple[WouldTrip, ...]
    proposals: tuple[Proposal, ...]
    snippet: str
    not_replayed: tuple[Signal, ...] = NOT_REPLAYED
    budgets: Spent | None = None


async def tune(core: Core, window: timedelta) -> Tuning:
    """Look back over `window`. Raises Unavailable. Where signals are off, the shipped thresholds are tried."""
    until = await core.store.read(lambda tx: tx.now())
    since = until - window
    changes, complete = await _read(core, since)
    if not complete:
        since = changes[-1].requested_at
    agents = sorted({change.agent for change in changes})[:MOST_AGENTS]
    familiar = await core.store.read(lambda tx: {agent: _before(tx, agent, since) for agent in agents})
    # A second's work at most, and not on the loop that decides.
    return await asyncio.to_thread(_tuned, changes, core.terms, familiar, since, until, complete)


async def _read(core: Core, since: datetime) -> tuple[Sequence[Change], bool]:
    """The newest changes, newest first, page by page: no transaction is open for long."""
    found: list[Change] = []
    before = ""
    while len(found) < MOST:
        which = ChangeFilter(since=since, before=before, limit=PAGE)
        page = await core.store.read(lambda tx, which=which: tx.listing(which))  # type: ignore[misc]
        found += [change for change in page.changes if change.target != INTERLOCK]
        if not page.next:
            return found, True
        before = page.next
    return found[:MOST], False


def _before(tx: ReadTx, agent: str, since: datetime) -> Track:
    return trips.learnt(tx, agent, until=since)


def _tuned(
    changes: Sequence[Change],
    terms: Terms,
    familiar: Mapping[str, Track],
    since: datetime,
    until: datetime,
    complete: bool,
) -> Tuning:
    signals = terms.signals or Signals()
    would = past.replay(changes, signals.of, familiar)
    proposed, _ = past.proposals(changes, signals.of, familiar)
    used, fitting = (None, None) if terms.budgets is None else spent(changes, terms.budgets, terms.relaxed)
    text = snippet(proposed)
    if terms.budgets is not None and fitting is not None:
        text += budget_snippet(terms.budgets, fitting)
    return Tuning(
        since, until, len(changes), complete, len(would), would[-SHOWN:], proposed, text, budgets=used
    )


def budget_snippet(now: Budgets, then: Budgets) -> str:
    """Budgets as the configuration has them: the whole section, which replaces another. Empty when nothing differs."""
    if now == then:
        return ""
    lines = ["budgets:", f"  window: {budget.length(then.window)}", f"  quorum: {then.quorum}"]
    for scope in SCOPES:
        lines.append(f"  {scope}:")
        for field in AMOUNTS:
            was, is_ = getattr(getattr(now, scope), field), getattr(getattr(then, scope), field)
            lines.append(f"    {field}: {is_}" + (f"  # is {was}" if was != is_ else ""))
    return "\n".join([*lines, ""])


def snippet(proposed: Iterable[Proposal]) -> str:
    """The proposed thresholds as the configuration has them."""
    lines: list[str] = []
    for one in proposed:
        head = f"    {one.environment}:"
        if head not in lines:
            lines.append(head)
        was = "off" if one.now is None else str(one.now)
        lines.append(f"      {one.name}: {one.proposed}  # is {was}")
    return "\n".join(["breakers:", "  environments:", *lines, ""]) if lines else ""


__all__ = ["Proposal", "Thresholds", "Tuning", "WouldTrip", "snippet", "tune"]
