"""Breakers: what is stopped and why, what agents have spent of their budgets, what led to a trip, and the way back."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from interlock.console.web import chart
from interlock.console.web.visit import Answer, GoTo, Html, Visit
from interlock.control import breaker
from interlock.control.signals import said
from interlock.control.signals.said import Rule
from interlock.control.signals.thresholds import Signals, Thresholds
from interlock.model.base import Value
from interlock.model.breaker import Breaker, BreakerState, kind_of
from interlock.model.budget import Use
from interlock.model.signal import Mark, Trip
from interlock.runtime.service.stopping.switches import Board, Spent

C = "/console/breakers"
KINDS = {
    "global": "Everything",
    "environment": "Environments",
    "target": "Targets",
    "group": "Groups",
    "agent": "Agents",
    "session": "Sessions that are not closed",
    "change": "Approved changes that went beyond",
}
"""Kinds of scopes in the order of their width, and the heads under which they stand."""
_PASSING = frozenset({"session", "change"})
"""Made for a single piece of work: closed ones tell nothing."""
_LASTING = frozenset({"global", "environment", "target", "agent"})
SHOWN, SHOWN_USES, SHOWN_TRIPS = 100, 50, 10
_ORDER = {BreakerState.OPEN: 0, BreakerState.PROBATION: 2, BreakerState.CLOSED: 3}


class Section(Value, frozen=True):
    """Switches of one kind, those that refuse first; `more` closed ones are not shown."""

    kind: str
    head: str
    rows: tuple[Breaker, ...]
    more: int


class Limit(Value, frozen=True):
    """One limit of a counter, with its bar."""

    field: str
    spent: int
    limit: int
    bar: Any


class Counter(Value, frozen=True):
    """What one scope spent on one target."""

    kind: str
    name: str
    target: str
    limits: tuple[Limit, ...]


class Other(Value, frozen=True):
    """An agent that other thresholds hold for: `off` says that none do."""

    agent: str
    rules: tuple[Rule, ...]
    off: bool


class Part(Value, frozen=True):
    """Environments with the same thresholds; without `rules` nothing opens by itself there."""

    environments: tuple[str, ...]
    rules: tuple[Rule, ...]
    agents: tuple[tuple[str, Other], ...]


class Step(Value, frozen=True):
    """An operation that led to a trip."""

    mark: Mark
    before: str


class Told(Value, frozen=True):
    """A trip, drawn."""

    trip: Trip
    signal: str
    way: Any
    steps: tuple[Step, ...]


async def listed(visit: Visit) -> Answer:
    """All breakers."""
    board = await visit.runtime.switches.board()
    signals = visit.runtime.terms.signals
    return Html(
        "breakers/list.html",
        {
            **_words(board.spent),
            "stopped": sorted(filter(_matters, board.rows), key=_gravity),
            "sections": _sections(board.rows),
            "counters": _counters(board.spent.uses[:SHOWN_USES]),
            "more_counters": board.limited or len(board.spent.uses) > SHOWN_USES,
            "trips": board.trips[:SHOWN_TRIPS],
            "parts": _parts(signals, sorted(visit.runtime.config.environments)),
            "quorum": signals.quorum if signals is not None else "",
            "to_open": _to_open(board),
        },
    )


async def shown(visit: Visit) -> Answer:
    """One breaker."""
    scope = visit.query.get("scope", "")
    if not scope:
        return GoTo(C)
    about = await visit.runtime.switches.about(scope)
    kind, _, name = scope.partition("/")
    return Html(
        "breakers/one.html",
        {
            **_words(about.spent),
            "scope": scope,
            "kind": kind,
            "name": name,
            "agent": breaker.agent_of(scope),
            "row": about.row,
            "told": [_told(trip) for trip in about.trips],
            "counters": _counters(about.spent.uses),
            "closed_by": said.who_closes(scope, admins=about.admins),
            "owners": about.owners,
            "own": visit.person in about.owners,
            "proposes": about.admins,
        },
    )


async def opened(visit: Visit) -> Answer:
    """Refuse all further changes in a scope."""
    scope = visit.form.get("scope", "")
    await visit.runtime.switches.open(scope, visit.form.get("reason", ""), by=visit.by)
    return GoTo(address(scope))


async def reset(visit: Visit) -> Answer:
    """One step back. Raises Proposed where that is for admins."""
    scope = visit.form.get("scope", "")
    await visit.runtime.switches.reset(scope, visit.form.get("reason", ""), by=visit.by)
    return GoTo(address(scope))


def address(scope: str) -> str:
    """The page of a breaker. A scope may hold anything that the name of a schema may."""
    return f"{C}/one?scope={quote(scope, safe='')}"


def _words(spent: Spent) -> Mapping[str, Any]:
    """What both templates say with."""
    return {
        "signal_words": said.signal_words,
        "clean": breaker.CLEAN,
        "meter": chart.meter,
        "page": address,
        "window": None if spent.window is None else _window(spent.window),
    }


def _window(length: timedelta) -> str:
    return "hour" if length == timedelta(hours=1) else chart.lasting(length)


def _matters(row: Breaker) -> bool:
    return row.frozen or row.state is not BreakerState.CLOSED


def _gravity(row: Breaker) -> tuple[int, int, str]:
    """Those that refuse, then those on probation; the widest first."""
    order = 1 if row.frozen and row.state is not BreakerState.OPEN else _ORDER[row.state]
    kind = kind_of(row.scope)
    return order, list(KINDS).index(kind) if kind in KINDS else len(KINDS), row.scope


def _sections(rows: Iterable[Breaker]) -> list[Section]:
    of: dict[str, list[Breaker]] = {}
    for row in sorted(rows, key=_gravity):
        kind = kind_of(row.scope)
        if _matters(row) or not (kind in _PASSING or _in_environment(row.scope)):
            of.setdefault(kind, []).append(row)
    return [
        Section(kind, head, tuple(of[kind][:SHOWN]), max(0, len(of[kind]) - SHOWN))
        for kind, head in KINDS.items()
        if kind in of
    ]


def _in_environment(scope: str) -> bool:
    """Whether it is of one agent in one environment: there are as many as agents times environments, nearly all of them closed."""
    return bool(breaker.environment_of(scope) and breaker.agent_of(scope))


def _to_open(board: Board) -> list[str]:
    """What the form offers: the others are opened on their own page."""
    wide = [
        row.scope for row in board.rows if kind_of(row.scope) in _LASTING and not _in_environment(row.scope)
    ]
    closed = {row.scope for row in board.rows if row.state is not BreakerState.OPEN}
    return sorted((scope for scope in wide if scope in closed), key=lambda s: _gravity(Breaker(s)))[:500]


def _counters(uses: Sequence[Use]) -> list[Counter]:
    return [_counter(use) for use in uses]


def _counter(use: Use) -> Counter:
    kind, _, name = use.scope.partition("/")
    return Counter(
        kind, name, use.target, tuple(_limit(use, field) for field in _FIELDS if getattr(use.spent, field))
    )


_FIELDS = ("rows_deleted", "rows_updated", "rows_created", "objects")


def _limit(use: Use, field: str) -> Limit:
    spent, limit = getattr(use.spent, field), getattr(use.limit, field)
    return Limit(field.replace("_", " "), spent, limit, chart.meter(spent, limit))


def _parts(signals: Signals | None, environments: Sequence[str]) -> list[Part]:
    """The thresholds in force, once for all environments that have the same."""
    if signals is None:
        return []
    of: dict[Thresholds | None, list[str]] = {}
    for name in environments:
        of.setdefault(signals.environments.get(name, signals.usual), []).append(name)
    return [
        Part(
            tuple(names),
            () if limits is None else said.rules(limits),
            tuple((name, other) for name in names for other in _others(signals, name, limits)),
        )
        for limits, names in sorted(of.items(), key=lambda item: (item[0] is None, item[1]))
    ]


def _others(signals: Signals, environment: str, usual: Thresholds | None) -> list[Other]:
    mine = {
        key: own for key, own in signals.agents.items() if key.startswith(f"{environment}/") and own != usual
    }
    return [
        Other(key.partition("/")[2], said.differing(own, usual), own is None)
        for key, own in sorted(mine.items())
    ]


def _told(trip: Trip) -> Told:
    steps = sorted(trip.steps, key=lambda mark: mark.at)
    return Told(
        trip,
        said.signal_words(trip.signal.value),
        chart.way_to(trip),
        tuple(Step(mark, chart.lasting(trip.at - mark.at)) for mark in steps),
    )
