"""What breakers tell: all of them, one with what opened it, and what opened by itself."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.text import Text

from interlock.cli import out
from interlock.cli.options import As, Config, Json, Key, Url, connect, seconds
from interlock.console.schemas_breakers import BreakerDetail, Breakers, Trips
from interlock.control.breaker import CLEAN
from interlock.control.signals.said import signal_words
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.budget import AMOUNTS, Use
from interlock.model.signal import Trip

SCOPES = "global, environment/NAME[/agent/NAME], target/NAME, group/TARGET/NAME, agent/NAME, session/ID or change/ID."


def list_breakers(
    config: Config = None, url: Url = "", as_: As = "", key: Key = None, json: Json = False
) -> None:
    """List all breakers; those that refuse come first."""
    found = connect(config, url, as_, key).get("/api/v1/breakers", Breakers)
    if json:
        out.json(found)
        return
    rows = [
        (b.scope, _state_and_progress(b), _why(b), ", ".join(b.agents), b.moved_by, b.moved_at)
        for b in sorted(found.breakers, key=_gravity)
    ]
    out.print_table(out.table("", ("scope", "state", "why", "agents", "by", "when"), rows))


def _why(row: Breaker) -> str:
    return f"{row.signal}: {row.reason}" if row.signal else row.reason


def _state_and_progress(row: Breaker) -> Text:
    progress = f" {row.clean}/{CLEAN}" if row.state is BreakerState.PROBATION else ""
    return Text.assemble(state(row), progress)


def _gravity(row: Breaker) -> tuple[bool, bool, str]:
    refuses = row.frozen or row.state is BreakerState.OPEN
    return not refuses, row.state is BreakerState.CLOSED, row.scope


def show_breaker(
    scope: Annotated[str, typer.Argument(metavar="SCOPE", help=SCOPES)],
    config: Config = None,
    url: Url = "",
    as_: As = "",
    key: Key = None,
    json: Json = False,
) -> None:
    """Show a breaker: why it opened, the operations that led there, what its agent spent, who can put it back."""
    found = connect(config, url, as_, key).get("/api/v1/breaker", BreakerDetail, scope=scope)
    if json:
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
        yield "why", row.reason
    if row.signal:
        yield "signal", f"{signal_words(row.signal)} ({row.signal})"
    if row.agents:
        yield "work of", ", ".join(row.agents)
    if row.state is BreakerState.PROBATION:
        yield "clean", f"{_clean(row)}{f', under way: {row.trial}' if row.trial else ''}"
    if row.state is not BreakerState.CLOSED:
        yield "put back by", found.closed_by + (f" (not {', '.join(found.owners)})" if found.owners else "")


def _print_trip(trip: Trip) -> None:
    out.say("")
    title = f"{out.when(trip.at)} {signal_words(trip.signal.value)}"
    rows = [(step.at, step.what, step.change, step.session) for step in trip.steps]
    out.console().print(out.shown(title), style="bold")
    agent = f" ({trip.agent} on {trip.target}, {trip.environment})" if trip.agent else ""
    out.console().print(out.shown(f"{trip.words}{agent}"))
    if rows:
        out.print_table(out.table("", ("when", "operation", "change", "session"), rows))


def _spent(use: Use) -> Iterable[tuple[str, str, str, str, str, str]]:
    for field in AMOUNTS:
        spent, limit = getattr(use.spent, field), getattr(use.limit, field)
        if spent:
            full = " full" if spent >= limit else ""
            yield use.scope, use.target, field.replace("_", " "), f"{spent:,}", f"{limit:,}", full.strip()


def list_trips(
    scope: Annotated[str, typer.Option("--scope", metavar="SCOPE", help="Of one breaker.")] = "",
    environment: Annotated[
        str, typer.Option("--env", metavar="ENV", help="Of work in one environment.")
    ] = "",
    since: Annotated[str, typer.Option("--since", metavar="7d", help="How far back: 8h, 7d, 4w.")] = "",
    config: Config = None,
    url: Url = "",
    as_: As = "",
    key: Key = None,
    json: Json = False,
) -> None:
    """List what opened by itself, newest first."""
    after = (datetime.now(UTC) - timedelta(seconds=seconds(since))).isoformat() if since else ""
    query = {"scope": scope, "environment": environment, "since": after}
    found = connect(config, url, as_, key).get("/api/v1/breakers/trips", Trips, **query)
    if json:
        out.json(found)
        return
    columns = ("when", "breaker", "signal", "agent", "why", "operations")
    rows = [(t.at, t.scope, t.signal.value, t.agent, t.words, len(t.steps)) for t in found.trips]
    out.print_table(out.table("", columns, rows, right=("operations",)))


def _clean(row: Breaker) -> str:
    return f"{row.clean} of {CLEAN} clean" if row.state is BreakerState.PROBATION else ""


def state(switch: Breaker) -> Text:
    """A state with its colour."""
    style = {BreakerState.CLOSED: "green", BreakerState.OPEN: "bold red", BreakerState.PROBATION: "yellow"}[
        switch.state
    ]
    text = Text(switch.state.value, style=style)
    return Text.assemble(text, (", frozen", "bold cyan")) if switch.frozen else text
