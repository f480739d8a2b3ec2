"""What past changes spent of budgets: how much of each window was really used, which changes would have waited for people, and from
where on none that people were content with would have.

It counts as admission does (`control.budget`): in strict environments, what passed without anybody's approval, in slices of the
window. What a budget asked people about is tried again; what policy asked about never spends.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Final

import msgspec

from interlock.control import budget
from interlock.control.budget import Budgets
from interlock.control.signals.past import ENOUGH, objected
from interlock.control.usage import TOOK_EFFECT
from interlock.model.base import Value
from interlock.model.budget import AMOUNTS, Amounts, Spending, share
from interlock.model.change import Change, ChangeState
from interlock.model.decision import Permit
from interlock.sdk.connector import Principal

SCOPES: Final = ("session", "agent", "owner", "table")
HEADROOM: Final = 125
"""Percent of the highest use that is proposed: work grows."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST = 1 << 53


class Used(Value, frozen=True, omit_defaults=False):
    """What was used of one kind of budget on one target. `scope` is `session`, `agent`, `owner` or `table`, `who` the agent (for
    sessions and agents), owner or table; `windows` in how many windows there was anything, `highest` the most in one of them,
    `usual` what 99 in 100 of them stay within; `limit` what may be."""

    scope: str
    who: str
    environment: str
    target: str
    field: str
    windows: int
    highest: int
    usual: int
    limit: int

    @property
    def share(self) -> int:
        """How much of the limit the highest is, in whole percents."""
        return share(self.highest, self.limit)


class WouldWait(Value, frozen=True, omit_defaults=False):
    """A past change that a budget would have asked people about. `spent` includes it. `objected` tells that people denied it, or
    had it reverted; `was` that a budget did ask about it then."""

    at: datetime
    change: str
    agent: str
    environment: str
    target: str
    reason: str
    spent: int
    limit: int
    was: bool = False
    objected: bool = False


class BudgetProposal(Value, frozen=True, omit_defaults=False):
    """One number of `budgets:`, as it is and as it could be. `highest` is the most that work used which people were content with,
    `caught` how many changes that people objected to would have waited."""

    scope: str
    field: str
    now: int
    highest: int
    proposed: int
    caught: int


class Spent(Value, frozen=True, omit_defaults=False):
    """All of it, for windows of `seconds`. `waits_now` changes would have waited under the budgets in force, `waits_then` under the
    proposal; the newest of each are listed, oldest first; of tables the fullest."""

    seconds: int
    used: tuple[Used, ...] = ()
    waits_now: int = 0
    now: tuple[WouldWait, ...] = ()
    waits_then: int = 0
    then: tuple[WouldWait, ...] = ()
    proposals: tuple[BudgetProposal, ...] = ()


class _Event(Value, frozen=True):
    change: Change
    spendings: tuple[Spending, ...]
    asked: bool
    observed: bool

    @property
    def at(self) -> datetime:
        return self.change.requested_at


class Counters:
    """The counters of budgets, as the store keeps them."""

    def __init__(self, window: timedelta) -> None:
        self._window = window
        self._slices: dict[tuple[str, str], dict[datetime, Amounts]] = {}

    def reading(self, one: Spending, at: datetime) -> Amounts:
        """What a counter would show with this in it."""
        begin = budget.window_begin(at, self._window)
        kept = {t: a for t, a in self._slices.get((one.scope, one.target), {}).items() if t >= begin}
        self._slices[one.scope, one.target] = kept
        return sum(kept.values(), one.amounts)

    def add(self, one: Spending, at: datetime) -> None:
        """Count it."""
        mine, begin = (
            self._slices.setdefault((one.scope, one.target), {}),
            budget.slice_of(at, self._window),
        )
        mine[begin] = mine.get(begin, Amounts()) + one.amounts


def spent(
    changes: Iterable[Change], budgets: Budgets, relaxed: AbstractSet[str], *, shown: int = 100
) -> tuple[Spent, Budgets]:
    """What was spent, and the budgets that are proposed: those in force, but for what was used, when enough happened. `relaxed` are
    the environments that are not strict, `shown` how many changes are listed at most."""
    events = list(_events(changes, relaxed))
    content = [e for e in events if _content(e)]
    used = tuple(_used(content, budgets))
    proposed = _proposed(used, budgets) if len(content) >= ENOUGH else budgets
    now, then = list(waiting(events, budgets)), list(waiting(events, proposed))
    made = tuple(_differing(budgets, proposed, used, then))
    seconds = int(budgets.window.total_seconds())
    listed = tuple(_listed(used, shown))
    return Spent(
        seconds, listed, len(now), tuple(now[-shown:]), len(then), tuple(then[-shown:]), made
    ), proposed


def waiting(events: Iterable[_Event], budgets: Budgets) -> Iterator[WouldWait]:
    """The changes that would have waited for people, oldest first. What waits spends nothing; what is only observed does."""
    counters = Counters(budgets.window)
    for event in events:
        spent = [(one, counters.reading(one, event.at)) for one in event.spendings]
        over = budget.excess(spent, budgets)
        if over:
            worst = max(over, key=lambda e: e.spent - e.limit)
            c = event.change
            yield WouldWait(
                event.at, c.id, c.agent, c.environment, c.target, worst.reason, worst.spent, worst.limit,
                event.asked, objected(c),
            )  # fmt: skip
        if not over or event.observed:
            for one in event.spendings:
                counters.add(one, event.at)


def _events(changes: Iterable[Change], relaxed: AbstractSet[str]) -> Sequence[_Event]:
    found = (_event(change) for change in changes if change.environment not in relaxed)
    return sorted((e for e in found if e is not None), key=lambda e: (e.at, e.change.id))


def _event(change: Change) -> _Event | None:
    """None for what no budget looked at."""
    observed, asked = bool(change.marker.get("observed")), budget.is_of_budget(change.decision)
    ran = change.state in TOOK_EFFECT or change.state is ChangeState.FAILED
    passed = ran and (observed or isinstance(change.decision, Permit))
    if change.reverts or change.break_glass or not (passed or asked):
        return None
    who = Principal(change.agent, change.owner, change.session)
    spendings = budget.spendings(who, change.target, change.measurement.effects)
    return _Event(change, spendings, asked, observed) if spendings else None


def _content(event: _Event) -> bool:
    """Whether it happened, and people were content with it."""
    ran = event.change.state in TOOK_EFFECT or event.change.state is ChangeState.FAILED
    return ran and not objected(event.change)


def _used(events: Iterable[_Event], budgets: Budgets) -> Iterator[Used]:
    """By whom and where, the most that a counter showed in each window."""
    counters = Counters(budgets.window)
    tops: dict[tuple[str, str, str, str, str], dict[int, int]] = {}
    for event in events:
        window = (event.at - _EPOCH) // budgets.window
        for one in event.spendings:
            reading = counters.reading(one, event.at)
            counters.add(one, event.at)
            kind, _, name = one.scope.partition("/")
            who = event.change.agent if kind == "session" else name
            for field in AMOUNTS:
                if value := getattr(reading, field):
                    mine = tops.setdefault((kind, who, event.change.environment, one.target, field), {})
                    mine[window] = max(mine.get(window, 0), value)
    for key, mine in sorted(tops.items(), key=lambda item: _order(*item[0])):
        most = sorted(mine.values())
        limit = getattr(getattr(budgets, key[0]), key[4])
        yield Used(*key, len(most), most[-1], most[ceil(len(most) * 0.99) - 1], limit)


def _listed(used: Sequence[Used], shown: int) -> Iterator[Used]:
    """Of tables, which there may be many of, only the fullest."""
    tables = sorted((u for u in used if u.scope == "table"), key=lambda u: -u.share)
    kept = frozenset(tables[:shown])
    return (u for u in used if u.scope != "table" or u in kept)


def _order(kind: str, who: str, environment: str, target: str, field: str) -> tuple[int, str, str, str, int]:
    return SCOPES.index(kind), environment, who, target, AMOUNTS.index(field)


def _tops(used: Iterable[Used]) -> Mapping[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for one in used:
        found[one.scope, one.field] = max(found.get((one.scope, one.field), 0), one.highest)
    return found


def _proposed(used: Iterable[Used], budgets: Budgets) -> Budgets:
    scopes = {name: getattr(budgets, name) for name in SCOPES}
    for (scope, field), highest in _tops(used).items():
        scopes[scope] = budget.replace(scopes[scope], {field: roomy(highest)})
    return msgspec.structs.replace(budgets, **scopes)


def roomy(highest: int) -> int:
    """With head-room, and two digits that count: it is never less than what was used."""
    wanted = -(-highest * HEADROOM // 100)
    unit = int(f"1{'0' * (len(str(wanted)) - 2)}")
    return min(_MOST, -(-wanted // unit) * unit)


def _differing(
    now: Budgets, then: Budgets, used: Iterable[Used], waits: Sequence[WouldWait]
) -> Iterator[BudgetProposal]:
    tops = _tops(used)
    for scope in SCOPES:
        for field in AMOUNTS:
            before, after = getattr(getattr(now, scope), field), getattr(getattr(then, scope), field)
            if before != after:
                reason = budget.Excess(scope, field, 0, 0, 0).reason
                caught = sum(1 for w in waits if w.objected and w.reason == reason)
                yield BudgetProposal(scope, field, before, tops[scope, field], after, caught)
