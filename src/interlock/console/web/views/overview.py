"""The first page: what waits, what happened, what is stopped, who is active."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from interlock.console.web import chart, words
from interlock.console.web.views import agents
from interlock.console.web.views import breakers as breakers_page
from interlock.console.web.visit import Answer, GoTo, Html, Visit
from interlock.control.breaker import DRILL, GLOBAL
from interlock.model.base import Value
from interlock.model.break_glass import BreakGlass
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.change import ACTIVITY_SLICE, Activity, Change, ChangeFilter, ChangeState, Listing
from interlock.model.errors import Rejected
from interlock.model.usage import Asking
from interlock.runtime.rules.governance import TRY_OUT
from interlock.sdk.ports import ReadTx

WINDOW, SLICES = timedelta(hours=24), 48
_WAITING = (ChangeState.HELD, ChangeState.APPROVED)
_SHOWN = 20


class Active(Value, frozen=True):
    """An agent that asked for changes lately, or is connected to this gateway."""

    name: str
    changes: int
    last_at: datetime | None
    sessions: int


async def shown(visit: Visit) -> Answer:
    """One snapshot of the store for everything on the page."""

    def read(
        tx: ReadTx,
    ) -> tuple[
        datetime,
        Listing,
        Sequence[Activity],
        Sequence[Breaker],
        Sequence[Change],
        Sequence[Asking],
        Sequence[BreakGlass],
    ]:
        since = _next_slice(tx.now() - WINDOW)
        waiting = tx.listing(ChangeFilter(states=_WAITING, limit=_SHOWN))
        lately = tx.listing(ChangeFilter(since=since, limit=_SHOWN)).changes
        return (
            since,
            waiting,
            tx.activity(since, WINDOW / SLICES),
            tx.breakers(),
            lately,
            tx.asking(since),
            tx.break_glasses(),
        )

    since, waiting, activity, breakers, lately, asking, glasses = await visit.runtime.store.read(read)
    states: Counter[ChangeState] = Counter()
    for part in activity:
        states[part.state] += part.changes
    return Html(
        "overview.html",
        {
            "waiting": waiting.changes,
            "more_wait": bool(waiting.next),
            "lately": lately,
            "states": sorted(states.items(), key=lambda item: -item[1]),
            "total": states.total(),
            "open": [b for b in breakers if _stops(b)],
            "halt": next((b for b in breakers if b.scope == GLOBAL and b.frozen), None),
            "page": breakers_page.address,
            "proposes": visit.runtime.mode != TRY_OUT,
            "by_file": bool(visit.runtime.core.halted and visit.runtime.core.halt.by_file),
            "glasses": [glass for glass in glasses if not glass.reviewed_by],
            "me": visit.person,
            "chart": chart.timeline(activity, since, WINDOW, SLICES),
            "legend": words.legend(),
            "active": _active(asking, agents.connected(visit)),
            "targets": visit.runtime.statuses(),
        },
    )


def _stops(row: Breaker) -> bool:
    """Whether a switch stops something of an agent's. A halt has a panel of its own."""
    frozen = row.frozen and row.scope not in (GLOBAL, DRILL)
    return frozen or row.state is not BreakerState.CLOSED


CONFIRMED = "halt"
"""What a person must say besides, so that no slip of the hand stops everything."""


async def halted(visit: Visit) -> Answer:
    """Stop everything. Raises Rejected without the confirmation."""
    if visit.form.get("confirm") != CONFIRMED:
        raise Rejected("to stop everything, tick that you mean it")
    await visit.runtime.switches.halts.halt(visit.form.get("reason", ""), by=visit.by)
    return GoTo("/console/")


async def resumed(visit: Visit) -> Answer:
    """Go on."""
    await visit.runtime.switches.halts.resume(visit.form.get("reason", ""), by=visit.by)
    return GoTo("/console/")


def _active(asking: Sequence[Asking], sessions: Mapping[str, int]) -> list[Active]:
    """Who asked for changes lately, and who is connected without having done so."""
    agents = [
        a for a in asking if "/" not in a.agent
    ]  # who proposed is written `person/ann`, as no agent is called
    asked = [Active(a.agent, a.changes, a.last_at, sessions.get(a.agent, 0)) for a in agents]
    silent = sorted(set(sessions) - {a.agent for a in agents})
    return asked + [Active(name, 0, None, sessions[name]) for name in silent]


def _next_slice(at: datetime) -> datetime:
    """The beginning of the next slice of activity: from there on it is counted exactly."""
    return at - (at - datetime.min.replace(tzinfo=UTC)) % ACTIVITY_SLICE + ACTIVITY_SLICE
