"""Budgets: many small changes add up. What passes a guardrail piece by piece is counted by session, by agent, for all agents of an
owner, and by table, over a window of time; what would go beyond waits for people, like one large change.

A window is cut into slices; what is counted is all that began in the window, and the rest of the slice in which the window begins:
never less than the window. Only what passes without approval is counted. What people approve is its own measured effect.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from interlock.control.breaker import PROBATION_SHARE
from interlock.model.base import Value
from interlock.model.budget import AMOUNTS, Amounts, Spending, Use
from interlock.model.decision import Decision, EvidenceHeld, Hold, Rehearse
from interlock.model.effect import ChangeKind, Effect
from interlock.model.errors import InterlockError, Misconfigured
from interlock.sdk.connector import Principal

SLICES = 12
"""How many slices a window has."""

PREFIX = "budget-"
"""How the reasons of a hold begin that a budget asks for: `budget-agent-rows-deleted`."""

SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=31)
_MOST = 1 << 53


class Budgets(Value, frozen=True, omit_defaults=False):
    """The most that may pass in `window` without people: in a session, by an agent, by all agents of one owner, and in one table
    whoever it was; on one target each. `quorum` is whose approval is asked for beyond. Raises Misconfigured."""

    quorum: str
    session: Amounts
    agent: Amounts
    owner: Amounts
    table: Amounts
    window: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        if not SHORTEST <= self.window <= LONGEST:
            raise Misconfigured("budgets: the window must be between a minute and 31 days")
        for scope in (self.session, self.agent, self.owner, self.table):
            for field in AMOUNTS:
                number = getattr(scope, field)
                if type(number) is not int or not 0 <= number <= _MOST:
                    raise Misconfigured(
                        f"budgets: {field} must be a whole number of 0 or more, not {number!r}"
                    )

    @property
    def remedy(self) -> str:
        """What lifts a budget for one change."""
        return f"quorum:{self.quorum}"


class Excess(Value, frozen=True):
    """One budget that a unit would go beyond. `spent` includes the unit."""

    scope: str
    field: str
    spent: int
    limit: int
    adds: int

    @property
    def reason(self) -> str:
        """Stands where the id of a policy would."""
        return f"{PREFIX}{self.scope.partition('/')[0]}-{self.field.replace('_', '-')}"


class Exceeded(InterlockError):
    """Raised in the transaction that would record the intent, so that nothing of it is kept."""

    def __init__(self, excess: Sequence[Excess]) -> None:
        super().__init__("a budget is exceeded")
        self.excess = tuple(excess)


def spendings(principal: Principal, target: str, effects: Iterable[Effect]) -> tuple[Spending, ...]:
    """What a unit adds, by scope, in the fixed order in which counters are locked; empty when it changes nothing. Work that the
    server runs itself has no session."""
    tables: dict[str, Amounts] = {}
    total = Amounts()
    for effect in effects:
        amounts = _amounts(effect)
        total += amounts
        if effect.unit.data and amounts:
            key = f"table/{effect.resource.kind} {effect.resource.name}"
            tables[key] = tables.get(key, Amounts()) + amounts
    if not total:
        return ()
    scopes = {f"agent/{principal.agent}": total, f"owner/{principal.owner}": total, **tables}
    if principal.session:
        scopes[f"session/{principal.session}"] = total
    return tuple(Spending(scope, target, amounts) for scope, amounts in sorted(scopes.items()))


_ROWS: Mapping[ChangeKind, str] = {
    ChangeKind.CREATED: "rows_created",
    ChangeKind.UPDATED: "rows_updated",
    ChangeKind.MOVED: "rows_updated",
}


def _amounts(effect: Effect) -> Amounts:
    if not effect.unit.data:
        return Amounts(objects=effect.count)
    # What is neither created nor updated is lost to somebody: doubt counts as a deletion.
    return Amounts(**{_ROWS.get(effect.change, "rows_deleted"): effect.count})


def excess(spent: Iterable[tuple[Spending, Amounts]], budgets: Budgets) -> tuple[Excess, ...]:
    """Which budgets a unit goes beyond: `spent` are its spendings, each with what its counter shows with it."""
    return tuple(found for spending, now in spent for found in _beyond(spending, now, budgets))


def _beyond(spending: Spending, now: Amounts, budgets: Budgets) -> Iterator[Excess]:
    limits: Amounts = getattr(budgets, spending.scope.partition("/")[0])
    for field in AMOUNTS:
        adds, value, limit = getattr(spending.amounts, field), getattr(now, field), getattr(limits, field)
        # A unit that adds nothing of a kind is not held for what others did.
        if adds and value > limit:
            yield Excess(spending.scope, field, value, limit, adds)


def hold(found: Sequence[Excess], budgets: Budgets) -> Hold:
    """The decision on a unit that goes beyond budgets."""
    return Hold((budgets.remedy,), tuple(dict.fromkeys(e.reason for e in found)))


NOVEL = "first-"
"""How the reasons of a hold begin that is asked for because something is the first of its kind: `first-deleted-table`."""


def first_of_its_kind(subjects: Sequence[str], quorum: str) -> Hold:
    """The decision on a destruction that its agent never did before (`control.signals`)."""
    return Hold((f"quorum:{quorum}",), tuple(NOVEL + "-".join(s.split()) for s in subjects[:10]))


def first_words(agent: str, subjects: Sequence[str]) -> str:
    """One sentence for agents and people."""
    return f"{agent} never did this before: {', '.join(subjects[:3])}"


def is_of_budget(decision: Decision) -> bool:
    """Whether it is a budget that asks for people."""
    return any(reason.startswith(PREFIX) for reason in decision.reasons)


def lacks(decision: Decision, given: EvidenceHeld) -> bool:
    """Whether a hold beside policy (a budget's, or of the first of its kind) is not lifted by what was given."""
    beside = any(reason.startswith((PREFIX, NOVEL)) for reason in decision.reasons)
    if not beside or not isinstance(decision, Hold | Rehearse):
        return False
    have = {f"quorum:{name}" for name in given.quorums}
    return any(remedy not in have for remedy in decision.remedies)


def words(found: Sequence[Excess], budgets: Budgets) -> str:
    """One sentence for agents and people."""
    worst = max(
        found, key=lambda e: (e.field == "rows_deleted", e.field == "rows_updated", e.spent - e.limit)
    )
    kind, _, name = worst.scope.partition("/")
    who = {
        "session": "this session",
        "agent": f"agent {name}",
        "owner": f"the agents of {name}",
        "table": f"all agents in {name}",
    }[kind]
    unit, _, verb = worst.field.partition("_")
    what = f"{unit} {verb}" if verb else "objects changed"
    return (
        f"many small changes add up: with this one {who} would have {worst.spent:,} {what} in the last"
        f" {length(budgets.window)} without anybody's approval, and {worst.limit:,} may be"
    )


def length(window: timedelta) -> str:
    """As the configuration has it: `1h`."""
    seconds = int(window.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def slice_of(now: datetime, window: timedelta) -> datetime:
    """When the slice began that `now` lies in."""
    size = window / SLICES
    return now - (now - datetime(1970, 1, 1, tzinfo=UTC)) % size


def window_begin(now: datetime, window: timedelta) -> datetime:
    """From which slice on everything counts."""
    return slice_of(now - window, window)


def uses(spent: Iterable[Spending], budgets: Budgets, on_probation: Iterable[str] = ()) -> tuple[Use, ...]:
    """Counters beside their limits, the fullest first. `on_probation` are scopes of breakers that are: a part of the
    limit is theirs."""
    less, fewer = part(budgets, PROBATION_SHARE), frozenset(on_probation)

    def limit(scope: str) -> Amounts:
        found: Amounts = getattr(less if scope in fewer else budgets, scope.partition("/")[0])
        return found

    found = [Use(s.scope, s.target, s.amounts, limit(s.scope)) for s in spent]
    return tuple(sorted(found, key=lambda use: (-use.share, use.scope, use.target)))


DEFAULT_CREATED, DEFAULT_OBJECTS = 1_000_000, 1_000
_TOGETHER = 2
"""All agents of an owner together, and all agents in a table, may do so many times what one may."""


def default(rows_deleted: int, rows_updated: int, quorum: str) -> Budgets:
    """What holds unless configured otherwise: in an hour no more than the guardrails let pass in one change, and twice as much for
    the agents of an owner together, and in one table."""
    one = Amounts(DEFAULT_CREATED, rows_updated, rows_deleted, DEFAULT_OBJECTS)
    more = Amounts(*(getattr(one, f) * _TOGETHER for f in AMOUNTS))
    return Budgets(quorum, one, one, more, more)


def part(budgets: Budgets | None, share: int) -> Budgets | None:
    """Budgets of a so-manieth part."""
    if budgets is None:
        return None

    def smaller(amounts: Amounts) -> Amounts:
        return Amounts(*(getattr(amounts, field) // share for field in AMOUNTS))

    scopes = {name: smaller(getattr(budgets, name)) for name in ("session", "agent", "owner", "table")}
    return msgspec.structs.replace(budgets, **scopes)


def replace(amounts: Amounts, given: Mapping[str, int]) -> Amounts:
    """Amounts with some of them given."""
    return msgspec.structs.replace(amounts, **given)
