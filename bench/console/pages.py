"""How long each page takes on the server, beside the obvious query for the same, by the driver alone."""

import asyncio
import re
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import psutil

from bench.console.filling import FORMER, RARE_TABLE
from bench.console.served import Site
from bench.measure import DIRECT, GATEWAY, Goal, Row, Table, percentile
from interlock.model.change import ChangeFilter

GOAL_MS = 100.0
Query = Callable[[str, Sequence[Any]], object]
"""Runs SQL by the driver, `?` for each parameter, and fetches everything."""


@dataclass(frozen=True, slots=True)
class Case:
    """A page, and the query that somebody would write for it."""

    name: str
    path: str
    sql: str = ""
    values: tuple[Any, ...] = ()


def listing(name: str, where: str = "", values: tuple[Any, ...] = (), **query: str) -> Case:
    """A page of the list of changes."""
    sql = f"SELECT doc FROM changes {'WHERE ' + where if where else ''} ORDER BY id DESC LIMIT 50"
    return Case(name, f"/console/changes?{urlencode(query)}", sql, values)


def cases(newest: datetime, middle: str, oldest: str) -> list[Case]:
    """What people look at, and the worst that they can ask for."""
    hour, day = newest - timedelta(hours=6), newest - timedelta(hours=24)
    milliseconds = int(hour.timestamp() * 1000), int((hour + timedelta(hours=1)).timestamp() * 1000)
    counts = (
        "SELECT requested_at / 1800000, state, count(*) FROM changes WHERE requested_at >= ? GROUP BY 1, 2"
    )
    like = "lower(doc) LIKE ?"
    both = "agent = ? AND state = ?"
    return [
        Case("the overview", "/console/", counts, (int(day.timestamp() * 1000),)),
        listing("changes"),
        listing("changes, after half of them", "id < ?", (middle,), before=middle),
        listing("changes, at the end", "id < ?", (oldest,), before=oldest),
        listing("one state: applied", "state = ?", ("applied",), state="applied"),
        listing("one state: held", "state = ?", ("held",), state="held"),
        listing("one agent", "agent = ?", ("agent-01",), agent="agent-01"),
        listing("an agent that has gone", "agent = ?", (FORMER,), agent=FORMER),
        listing("an agent that never was", "agent = ?", ("nobody",), agent="nobody"),
        listing("one target", "target = ?", ("billing",), target="billing"),
        listing("one environment", "environment = ?", ("staging",), environment="staging"),
        listing("one action", "action = ?", ("admin",), action="admin"),
        listing(
            "an hour, six hours ago",
            "requested_at >= ? AND requested_at < ?",
            milliseconds,
            since=hour.isoformat(),
            until=(hour + timedelta(hours=1)).isoformat(),
        ),
        listing(
            "agent and state", both, ("agent-01", "refused"), agent="agent-01", state="refused"
        ),
        listing("agent and state, nothing fits", both, (FORMER, "held"), agent=FORMER, state="held"),
        listing(
            "two large ones that never meet",
            "agent = ? AND action = ?",
            (FORMER, "admin"),
            agent=FORMER,
            action="admin",
        ),
        listing(
            "five at once",
            f"{both} AND target = ? AND environment = ? AND action = ?",
            ("agent-02", "failed", "billing", "production", "delete"),
            agent="agent-02",
            state="failed",
            target="billing",
            environment="production",
            action="delete",
        ),
        listing("a word that many have", like, ("%orders_7%",), q="orders_7"),
        listing("a word that one has, long ago", like, (f"%{RARE_TABLE}%",), q=RARE_TABLE),
        listing("a word that none has", like, ("%xylophone%",), q="xylophone"),
        listing(
            "a word that none has, of an agent", f"agent = ? AND {like}", ("agent-01", "%xylophone%"),
            agent="agent-01", q="xylophone",
        ),
        listing(
            "three words and a state", f"state = ? AND {like}", ("applied", "%ops-4711%"),
            state="applied", q="fix ticket ops-4711",
        ),
        Case("one change", f"/console/changes/{middle}", "SELECT doc FROM changes WHERE id = ?", (middle,)),
    ]  # fmt: skip


async def pages(site: Site, query: Query, title: str, repeats: int) -> Table:
    """Each page so often; the obvious query three times."""
    found = await site.runtime.changes.list(ChangeFilter(limit=1))
    newest = found[0].requested_at
    middle = await _id_before(site, newest - timedelta(hours=12))
    oldest = await _id_before(site, newest - timedelta(hours=23, minutes=55))
    process, table = psutil.Process(), Table(title)
    before = process.memory_info().rss
    for case in cases(newest, middle, oldest):
        table.rows.append(await _measured(site, query, case, repeats))
    grown = (process.memory_info().rss - before) / 2**20
    table.remarks += [
        "Direct: the query that one would write for the same, by the driver, with the same indexes; without session and page.",
        f"The process, with all of this in it: {process.memory_info().rss / 2**20:.0f} MiB, {grown:+.0f} MiB by the pages.",
    ]
    return table


async def _id_before(site: Site, at: datetime) -> str:
    (change,) = await site.runtime.changes.list(ChangeFilter(until=at, limit=1))
    return change.id


async def _measured(site: Site, query: Query, case: Case, repeats: int) -> Row:
    took: list[float] = []
    used: list[float] = []
    await site.get(case.path)  # templates are compiled once in the life of a process
    for _ in range(repeats):
        begun = time.process_time()
        milliseconds, status, body = await site.get(case.path)
        used.append((time.process_time() - begun) * 1000)
        assert status == 200, (case, status, body[:300])
        took.append(milliseconds)
    direct = [await asyncio.to_thread(_timed, query, case) for _ in range(3)]
    worst = percentile(took, 0.99)
    note = f"99 % under {worst:.0f} ms; processor {statistics.median(used):.0f} ms; {_said(body)}"
    medians = {DIRECT: statistics.median(direct), GATEWAY: statistics.median(took)}
    goal = Goal("99 % under 100 ms", worst < GOAL_MS)
    return Row(case.name, "ms", medians, more_is_better=False, goal=goal, note=note)


def _timed(query: Query, case: Case) -> float:
    begun = time.perf_counter()
    query(case.sql, case.values)
    return (time.perf_counter() - begun) * 1000


def _said(body: bytes) -> str:
    rows = len(re.findall(rb'class="id"', body))
    return f"{rows} changes{', and searched on' if b'Searched back to' in body else ''}"
