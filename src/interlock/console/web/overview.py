"""The first page: what waits, what happened, what is stopped, who is active."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from interlock.console.web import chart
from interlock.console.web.visit import Answer, Html, Visit
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.change import Activity, Change, ChangeFilter, ChangeState
from interlock.sdk.ports import ReadTx

WINDOW, SLICES = timedelta(hours=24), 48
_WAITING = (ChangeState.HELD, ChangeState.APPROVED)
_SHOWN = 20


async def shown(visit: Visit) -> Answer:
    """One snapshot of the store for everything on the page."""

    def read(
        tx: ReadTx,
    ) -> tuple[datetime, Sequence[Change], Sequence[Activity], Sequence[Breaker], Sequence[Change]]:
        since = tx.now() - WINDOW
        waiting = tx.changes(ChangeFilter(states=_WAITING, limit=_SHOWN))
        lately = tx.changes(ChangeFilter(since=since, limit=_SHOWN))
        return since, waiting, tx.activity(since, WINDOW / SLICES), tx.breakers(), lately

    since, waiting, activity, breakers, lately = await visit.runtime.store.read(read)
    states: Counter[ChangeState] = Counter()
    for part in activity:
        states[part.state] += part.changes
    return Html(
        "overview.html",
        {
            "waiting": waiting,
            "lately": lately,
            "states": sorted(states.items(), key=lambda item: -item[1]),
            "total": states.total(),
            "open": [b for b in breakers if b.frozen or b.state is not BreakerState.CLOSED],
            "chart": chart.timeline(activity, since, WINDOW, SLICES),
            "targets": visit.runtime.statuses(),
        },
    )
