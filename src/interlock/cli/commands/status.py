"""Looking at a running server."""

from typing import Annotated

import typer

from interlock.cli import out
from interlock.cli.options import Asked, asks, seconds


@asks
def report(
    asked: Asked,
    since: Annotated[str, typer.Option("--since", metavar="7d", help="How far back: 8h, 7d, 4w.")] = "7d",
) -> None:
    """Tell what targets that only observe would have held, and by which guardrails."""
    from interlock.runtime.service.deciding.report import Report

    found = asked.connect().get("/api/v1/report", Report, seconds=seconds(since))
    if asked.json:
        out.json(found)
        return
    out.say(
        f"{out.when(found.since)} to {out.when(found.until)}: {found.changes:,} changes, "
        f"{len(found.would_hold):,} would have been held.",
        style="bold",
    )
    if not found.complete:
        out.warn("There were more changes than a report looks at; ask for a shorter time.")
    if not found.would_hold:
        return
    out.say("")
    rows = [
        (w.change, out.moment(w.at), f"{w.agent} on {w.target}", out.numbers(w.totals), ", ".join(w.reasons))
        for w in found.would_hold
    ]
    out.print_table(out.table("", ("change", "when", "who, where", "effect", "guardrails"), rows))
    for title, counted in (("guardrail", found.by_reason), ("agent", found.by_agent)):
        out.say("")
        lines = sorted(counted.items(), key=lambda line: (-line[1], line[0]))
        out.print_table(out.table("", (title, "would have held"), lines, right=("would have held",)))
