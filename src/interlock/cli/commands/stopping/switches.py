"""Freezes and breakers."""

from typing import Annotated, assert_never
from urllib.parse import quote

import typer
from rich.text import Text

from interlock.cli import out
from interlock.cli.commands.stopping import tripped, tuning
from interlock.cli.options import Asked, ReasonText, asks, seconds
from interlock.console.schemas import Reason
from interlock.console.schemas.breakers import BreakerMove, Freeze, Move
from interlock.control.breaker import CLEAN
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.visible import visible

breaker = typer.Typer(no_args_is_help=True, help="Breakers: what may write, by scope.")

Environment = Annotated[str, typer.Argument(metavar="ENV")]
NeedReason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")]
Scope = Annotated[
    str,
    typer.Argument(metavar="SCOPE", help=tripped.SCOPES),
]


@asks
def freeze(
    asked: Asked,
    env: Environment,
    reason: NeedReason,
    remind: Annotated[
        str,
        typer.Option("--remind", metavar="4h", help="Remind people of it that often, until it is thawed."),
    ] = "",
) -> None:
    """Let no agent write to an environment until it is thawed."""
    path = f"/api/v1/environments/{quote(env, safe='')}/freeze"
    body = Freeze(reason, seconds(remind) if remind else 0)
    _told(asked.connect().post(path, Breaker, body), asked.json)


@asks
def thaw(
    asked: Asked,
    env: Environment,
    reason: ReasonText = "",
) -> None:
    """End a freeze. A breaker that tripped meanwhile stays open."""
    path = f"/api/v1/environments/{quote(env, safe='')}/thaw"
    _told(asked.connect().post(path, Breaker, Reason(reason)), asked.json)


breaker.command("list")(tripped.list_breakers)
breaker.command("show")(tripped.show_breaker)
breaker.command("trips")(tripped.list_trips)


@breaker.command("open")
@asks
def open_breaker(
    asked: Asked,
    scope: Scope,
    reason: NeedReason,
) -> None:
    """Open a breaker: no further write in its scope, on any replica."""
    _told(
        asked.connect().post("/api/v1/breakers", Breaker, Move(scope, BreakerMove.OPEN, reason)),
        asked.json,
    )


@breaker.command("reset")
@asks
def reset_breaker(
    asked: Asked,
    scope: Scope,
    reason: NeedReason,
) -> None:
    """Move an open breaker to probation, and one on probation to closed."""
    _told(
        asked.connect().post("/api/v1/breakers", Breaker, Move(scope, BreakerMove.RESET, reason)),
        asked.json,
    )


breaker.command("tune")(tuning.tune_breakers)


def _told(moved: Breaker, json: bool) -> None:
    """How it stands now, and what comes next."""
    if json:
        out.json(moved)
        return
    out.console().print(
        Text.assemble((visible(moved.scope), "bold"), " is ", tripped.state(moved), "."), soft_wrap=True
    )
    # Not folded: there is a command in it.
    out.console().print(out.shown(_next(moved)), style="dim", soft_wrap=True)


def _next(moved: Breaker) -> str:
    reset = f"interlock breaker reset {moved.scope} --reason TEXT"
    if moved.frozen:
        return f"No change passes there, reads do. It goes on with: interlock {tripped.ends(moved)}"
    match moved.state:
        case BreakerState.OPEN:
            return f"No change passes there, reads do. A person who has looked puts it back with: {reset}"
        case BreakerState.PROBATION:
            return f"One small change at a time passes, nothing destructive. When {CLEAN} have ended well, close it with: {reset}"
        case BreakerState.CLOSED:
            return "Changes pass there, as far as nothing else stops them."
        case _:
            assert_never(moved.state)
