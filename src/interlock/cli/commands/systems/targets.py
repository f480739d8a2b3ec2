"""Looking at targets."""

from typing import Annotated

import typer
from rich.text import Text

from interlock.cli import out
from interlock.cli.options import Asked, asks

targets = typer.Typer(no_args_is_help=True, help="Look at targets.")
_STYLES = {"well": "green", "failing": "yellow", "unwell": "bold red", "unknown": "dim"}


@targets.command("health")
@asks
def health(
    asked: Asked,
    target: Annotated[str, typer.Argument(metavar="[TARGET]", help="One target; else all.")] = "",
) -> None:
    """Show what the checks of targets' health found last. With a target, exit 1 when it is unwell."""
    from interlock.console.monitoring.health import Targets

    found = [
        check
        for check in asked.connect().get("/api/v1/targets", Targets).health
        if target in ("", check.target)
    ]
    if asked.json:
        out.json(found)
    elif not found:
        out.say("No check is configured (health: in the target's keys).")
    else:
        rows = [
            (
                check.target,
                check.check,
                Text(check.state, style=_STYLES[check.state]),
                f"{check.results:,}",
                check.since,
                check.last,
                (check.trouble and f"cannot be run: {check.trouble}") or check.why,
            )
            for check in found
        ]
        columns = ("target", "check", "state", "in a row", "since", "last", "why")
        out.print_table(out.table("", columns, rows, right=("in a row",)))
    if target and any(check.state == "unwell" for check in found):
        raise typer.Exit(1)
