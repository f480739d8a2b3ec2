"""`breaker tune`: what past changes say of thresholds and budgets."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated

import typer

from interlock.cli import out
from interlock.cli.options import Asked, asks, seconds
from interlock.control.signals.spent import Spent, WouldWait
from interlock.runtime.service.stopping.tuning import Tuning


@asks
def tune_breakers(
    asked: Asked,
    since: Annotated[str, typer.Option("--since", metavar="30d", help="How far back: 8h, 7d, 4w.")] = "30d",
) -> None:
    """Tell which past changes would have opened a breaker or gone beyond a budget, and which numbers would fit. Applies nothing."""
    found = asked.connect().get("/api/v1/breakers/tune", Tuning, seconds=seconds(since))
    if asked.json:
        out.json(found)
        return
    out.say(
        f"{out.when(found.since)} to {out.when(found.until)}: {out.count(found.changes, 'change')}, at "
        f"{found.trips:,} of which a breaker would have opened.",
        style="bold",
    )
    if not found.complete:
        out.warn("There were more changes than are looked at: these are the newest.")
    _trips(found)
    if found.budgets is not None:
        _spent(found.budgets)
    if not found.snippet:
        out.say("Nothing else is proposed than what is in force, or too little happened to learn from.")
        return
    _thresholds(found)
    if found.budgets is not None:
        _budgets(found.budgets)
    out.say("\nNothing is applied. What you agree with, paste into the configuration:\n")
    out.say(found.snippet)


def _trips(found: Tuning) -> None:
    rows = [
        (t.change, out.moment(t.at), t.agent, t.signal.value, t.scope, t.words, "objected" * t.objected)
        for t in found.would_trip
    ]
    if rows:
        columns = ("change", "when", "agent", "signal", "opens", "why", "people")
        out.print_table(out.table("", columns, rows))


def _thresholds(found: Tuning) -> None:
    rows = [
        (p.environment, p.name, "off" if p.now is None else p.now, p.proposed, p.caught)
        for p in found.proposals
    ]
    if rows:
        out.say("")
        heads = ("environment", "threshold", "is", "proposed", "would have caught")
        out.print_table(out.table("", heads, rows, right=heads[2:]))


def _spent(found: Spent) -> None:
    """What was used of budgets, and what would have waited."""
    window = out.span(timedelta(seconds=found.seconds))
    rows = [
        (
            u.scope,
            u.who,
            f"{u.environment}/{u.target}",
            u.field,
            f"{u.windows:,}",
            f"{u.usual:,}",
            f"{u.highest:,}",
            f"{u.limit:,}",
        )
        for u in found.used
    ]
    if rows:
        out.say(f"\nWhat was used of budgets without anybody's approval, in windows of {window}:")
        heads = ("of each", "who", "where", "what", "windows", "99 % of them", "highest", "may be")
        out.print_table(out.table("", heads, rows, right=heads[4:]))
    _waits("Under the budgets in force", found.waits_now, found.now)
    if found.proposals:
        _waits("Under what is proposed", found.waits_then, found.then)


def _waits(which: str, number: int, listed: Iterable[WouldWait]) -> None:
    out.say(f"\n{which} {out.count(number, 'change')} would have waited for people.")
    rows = [
        (
            w.change,
            out.moment(w.at),
            w.agent,
            w.reason,
            f"{w.spent:,} of {w.limit:,}",
            ", ".join([*["did" for _ in range(w.was)], *["objected" for _ in range(w.objected)]]),
        )
        for w in listed
    ]
    if rows:
        out.print_table(
            out.table("", ("change", "when", "agent", "budget", "would have been", "people"), rows)
        )


def _budgets(found: Spent) -> None:
    rows = [
        (p.scope, p.field, f"{p.now:,}", f"{p.highest:,}", f"{p.proposed:,}", p.caught)
        for p in found.proposals
    ]
    if rows:
        out.say("")
        heads = ("budget of each", "what", "is", "highest", "proposed", "would have caught")
        out.print_table(out.table("", heads, rows, right=heads[2:]))
