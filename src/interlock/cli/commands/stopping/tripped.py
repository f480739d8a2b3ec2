"""What breakers tell: all of them, one with what opened it, and what opened by itself."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.padding import Padding
from rich.text import Text

from interlock.cli import out
from interlock.cli.options import Asked, asks, seconds
from interlock.console.schemas.breakers import BreakerDetail, Breakers, Trips
from interlock.control.breaker import CLEAN, DRILL, GLOBAL
from interlock.control.signals.said import signal_words
from interlock.model.breaker import KINDS, Breaker, BreakerState, kind_of
from interlock.model.budget import AMOUNTS, Use
from interlock.model.signal import Mark, Trip
from interlock.model.visible import visible

SCOPES = "global, environment/NAME[/agent/NAME], target/NAME, group/TARGET/NAME, agent/NAME, session/ID or change/ID."


@asks
def list_breakers(asked: Asked) -> None:
    """List what is stopped, and how many breakers are closed."""
    found = asked.connect().get("/api/v1/breakers", Breakers)
    if asked.json:
        out.json(found)
        return
    rows = sorted((b for b in found.breakers if b.scope != DRILL), key=_gravity)
    stopped = [b for b in rows if b.frozen or b.state is not BreakerState.CLOSED]
    for row in stopped:
        _print_stopped(row)
    if not stopped:
        out.say("Nothing is stopped.", style="bold green")
    _print_closed([b.scope for b in rows if b not in stopped])
    if stopped:
        out.say("What led there, and who puts it back: interlock breaker show SCOPE", style="dim")


def _print_stopped(row: Breaker) -> None:
    """A line of what and since when, and lines of why."""
    since = f"  {out.when(row.moved_at)} by {row.moved_by}" if row.moved_at else ""
    out.console().print(
        Text.assemble((row.scope, "bold"), "  ", state(row), (f"{_progress(row)}{since}", "dim")),
        soft_wrap=True,
    )
    for why in _whys(row):
        out.console().print(Padding(out.shown(why), (0, 0, 0, 4)))


def _whys(row: Breaker) -> Iterable[str]:
    if row.frozen and row.reason:
        yield row.reason
    if row.state is not BreakerState.CLOSED and (row.kept or not row.frozen):
        why = row.why_stopped
        yield f"{signal_words(row.signal)}: {why}" if row.signal else why
    if row.agents:
        yield f"work of {', '.join(row.agents)}"


def _progress(row: Breaker) -> str:
    return f" ({row.clean} of {CLEAN} clean)" if row.state is BreakerState.PROBATION else ""


NAMED = 20
"""Most closed breakers that are named; of more only how many there are."""


def _print_closed(scopes: Sequence[str]) -> None:
    if not scopes:
        return
    kinds = Counter(map(kind_of, scopes))
    many = [
        out.count(number, kind) for kind, number in sorted(kinds.items(), key=lambda k: KINDS.index(k[0]))
    ]
    named = ", ".join(scopes if len(scopes) <= NAMED else many)
    out.console().print(out.shown(f"closed: {named}"), style="dim")


def _gravity(row: Breaker) -> tuple[bool, int, str]:
    """What refuses before what is on probation, the widest first."""
    refuses = row.frozen or row.state is BreakerState.OPEN
    kind = kind_of(row.scope)
    return not refuses, KINDS.index(kind) if kind in KINDS else len(KINDS), row.scope


@asks
def show_breaker(
    asked: Asked,
    scope: Annotated[str, typer.Argument(metavar="SCOPE", help=SCOPES)],
) -> None:
    """Show a breaker: why it opened, the operations that led there, what its agent spent, who can put it back."""
    found = asked.connect().get("/api/v1/breaker", BreakerDetail, scope=scope)
    if asked.json:
        out.json(found)
        return
    out.print_table(out.table("", ("", " "), _facts(found)))
    for trip in found.trips:
        _print_trip(trip)
    if found.budgets and found.window:
        out.say("")
        title = f"Spent in the last {out.span(timedelta(seconds=found.window))}"
        rows = [row for use in found.budgets for row in _spent(use)]
        columns = ("who", "target", "", "spent", "of", "")
        out.print_table(out.table(title, columns, rows, right=("spent", "of")))


def _facts(found: BreakerDetail) -> Iterable[tuple[str, object]]:
    row = found.breaker
    yield "breaker", found.scope
    if row is None:
        yield "state", "gone: its session has ended"
        return
    yield "state", state(row)
    yield "since", row.moved_at
    yield "by", row.moved_by
    if row.reason:
        yield "why frozen" if row.kept else "why", row.reason
    if row.kept:
        yield "why stopped", row.kept
    if row.signal:
        yield "signal", f"{signal_words(row.signal)} ({row.signal})"
    if row.agents:
        yield "work of", ", ".join(row.agents)
    if row.state is BreakerState.PROBATION:
        yield "clean", f"{_clean(row)}{f', under way: {row.trial}' if row.trial else ''}"
    if row.frozen:
        yield "goes on with", f"interlock {ends(row)} --reason TEXT"
    if row.state is not BreakerState.CLOSED:
        yield "put back by", found.closed_by + (f" (not {', '.join(found.owners)})" if found.owners else "")
        yield "put back with", f"interlock breaker reset {row.scope} --reason TEXT"


def ends(row: Breaker) -> str:
    """The command that ends a freeze, or the halt."""
    return "resume" if row.scope == GLOBAL else f"thaw {row.scope.partition('/')[2]}"


def _print_trip(trip: Trip) -> None:
    out.say("")
    title = f"{out.when(trip.at)} {signal_words(trip.signal.value)}"
    out.console().print(out.shown(title), style="bold")
    agent = f" ({trip.agent} on {trip.target}, {trip.environment})" if trip.agent else ""
    out.console().print(out.shown(f"{trip.words}{agent}"))
    steps = sorted(trip.steps, key=lambda step: step.at)
    if steps:
        # Short, so that what was done has room at 80 columns: times are told from the trip, sessions where there are several.
        sessions = list(dict.fromkeys(step.session for step in steps if step.session))
        rows = [
            (out.span(trip.at - step.at), step.change, step.what, _ordinal(step, sessions)) for step in steps
        ]
        columns = ("before", "change", "operation", "session" if len(sessions) > 1 else "")
        out.print_table(out.table("", columns, rows))
        for place, session in enumerate(sessions, 1):
            out.say(f"session {place if len(sessions) > 1 else ''}".rstrip() + f": {session}", style="dim")


def _ordinal(step: Mark, sessions: list[str]) -> str:
    return str(sessions.index(step.session) + 1) if len(sessions) > 1 and step.session else ""


def _spent(use: Use) -> Iterable[tuple[str, str, str, str, str, str]]:
    for field in AMOUNTS:
        spent, limit = getattr(use.spent, field), getattr(use.limit, field)
        if spent:
            full = " full" if spent >= limit else ""
            yield use.scope, use.target, field.replace("_", " "), f"{spent:,}", f"{limit:,}", full.strip()


@asks
def list_trips(
    asked: Asked,
    scope: Annotated[str, typer.Option("--scope", metavar="SCOPE", help="Of one breaker.")] = "",
    environment: Annotated[
        str, typer.Option("--env", metavar="ENV", help="Of work in one environment.")
    ] = "",
    since: Annotated[str, typer.Option("--since", metavar="7d", help="How far back: 8h, 7d, 4w.")] = "",
) -> None:
    """List what opened by itself, newest first."""
    after = (datetime.now(UTC) - timedelta(seconds=seconds(since))).isoformat() if since else ""
    query = {"scope": scope, "environment": environment, "since": after}
    found = asked.connect().get("/api/v1/breakers/trips", Trips, **query)
    if asked.json:
        out.json(found)
        return
    for t in found.trips:
        agent = f"  {t.agent} on {t.target} ({t.environment})" if t.agent else ""
        out.console().print(
            Text.assemble(out.when(t.at), "  ", (visible(t.scope), "bold"), (agent, "dim")), soft_wrap=True
        )
        after = f" (after {out.count(len(t.steps), 'operation')})" if t.steps else ""
        out.console().print(
            Padding(out.shown(f"{signal_words(t.signal.value)}: {t.words}{after}"), (0, 0, 0, 4))
        )
    if not found.trips:
        out.say("No breaker opened by itself.", style="dim")


def _clean(row: Breaker) -> str:
    return f"{row.clean} of {CLEAN} clean" if row.state is BreakerState.PROBATION else ""


def state(switch: Breaker) -> Text:
    """A state with its colour."""
    style = {BreakerState.CLOSED: "green", BreakerState.OPEN: "bold red", BreakerState.PROBATION: "yellow"}[
        switch.state
    ]
    if not switch.frozen:
        return Text(
            "on probation" if switch.state is BreakerState.PROBATION else switch.state.value, style=style
        )
    frozen = Text("halted" if switch.scope == GLOBAL else "frozen", style="bold cyan")
    # A freeze of what is closed says all there is to say.
    return (
        frozen
        if switch.state is BreakerState.CLOSED
        else Text.assemble((switch.state.value, style), ", ", frozen)
    )
