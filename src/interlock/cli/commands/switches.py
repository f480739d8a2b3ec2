"""Freezes and breakers."""

from typing import Annotated
from urllib.parse import quote

import typer
from rich.text import Text

from interlock.cli import out
from interlock.cli.commands import tripped, tuning
from interlock.cli.options import As, Config, Json, Key, ReasonText, Url, connect, seconds
from interlock.console.schemas import Reason
from interlock.console.schemas_breakers import BreakerMove, Freeze, Move
from interlock.model.breaker import Breaker

breaker = typer.Typer(no_args_is_help=True, help="Breakers: what may write, by scope.")

Environment = Annotated[str, typer.Argument(metavar="ENV")]
NeedReason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")]
Scope = Annotated[
    str,
    typer.Argument(metavar="SCOPE", help=tripped.SCOPES),
]


def freeze(
    env: Environment,
    reason: NeedReason,
    remind: Annotated[
        str,
        typer.Option("--remind", metavar="4h", help="Remind people of it that often, until it is thawed."),
    ] = "",
    config: Config = None,
    url: Url = "",
    as_: As = "",
    key: Key = None,
    json: Json = False,
) -> None:
    """Let no agent write to an environment until it is thawed."""
    path = f"/api/v1/environments/{quote(env, safe='')}/freeze"
    asked = Freeze(reason, seconds(remind) if remind else 0)
    _told(connect(config, url, as_, key).post(path, Breaker, asked), json)


def thaw(
    env: Environment,
    reason: ReasonText = "",
    config: Config = None,
    url: Url = "",
    as_: As = "",
    key: Key = None,
    json: Json = False,
) -> None:
    """End a freeze. A breaker that tripped meanwhile stays open."""
    path = f"/api/v1/environments/{quote(env, safe='')}/thaw"
    _told(connect(config, url, as_, key).post(path, Breaker, Reason(reason)), json)


breaker.command("list")(tripped.list_breakers)
breaker.command("show")(tripped.show_breaker)
breaker.command("trips")(tripped.list_trips)


@breaker.command("open")
def open_breaker(
    scope: Scope,
    reason: NeedReason,
    config: Config = None,
    url: Url = "",
    as_: As = "",
    key: Key = None,
    json: Json = False,
) -> None:
    """Open a breaker: no further write in its scope, on any replica."""
    _told(
        connect(config, url, as_, key).post(
            "/api/v1/breakers", Breaker, Move(scope, BreakerMove.OPEN, reason)
        ),
        json,
    )


@breaker.command("reset")
def reset_breaker(
    scope: Scope,
    reason: NeedReason,
    config: Config = None,
    url: Url = "",
    as_: As = "",
    key: Key = None,
    json: Json = False,
) -> None:
    """Move an open breaker to probation, and one on probation to closed."""
    _told(
        connect(config, url, as_, key).post(
            "/api/v1/breakers", Breaker, Move(scope, BreakerMove.RESET, reason)
        ),
        json,
    )


breaker.command("tune")(tuning.tune_breakers)


def _told(moved: Breaker, json: bool) -> None:
    if json:
        out.json(moved)
    else:
        out.console().print(Text.assemble((moved.scope, "bold"), " is ", tripped.state(moved), "."))
