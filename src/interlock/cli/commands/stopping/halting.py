"""The kill switch."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from interlock.cli import out
from interlock.cli.client import Answered, Unreachable
from interlock.cli.options import Asked, ReasonText, asks, config_path, connect
from interlock.console.schemas import Empty, Reason
from interlock.model.breaker import Breaker
from interlock.model.errors import InterlockError, Rejected


@asks
def halt(
    asked: Asked,
    reason: ReasonText = "",
    drill: Annotated[
        bool, typer.Option("--drill", help="Try it on every replica, without stopping an agent.")
    ] = False,
    file: Annotated[
        bool,
        typer.Option(
            "--file", help="Make the halt file on this machine: needs no server, and stops its gateway alone."
        ),
    ] = False,
) -> None:
    """Stop everything on every replica, and disconnect all agents; `interlock resume` ends it."""
    if drill and (file or reason):
        raise typer.BadParameter("a drill stops nothing: it has neither a reason nor a file")
    if drill:
        _drill(asked.config, asked.url, asked.as_, asked.key, asked.json)
        return
    if not reason.strip():
        raise typer.BadParameter("say why: --reason TEXT")
    if file:
        _make_file(asked.config, reason, asked.json)
        return
    try:
        moved = asked.connect().post("/api/v1/halt", Breaker, Reason(reason))
    except (Unreachable, Answered) as error:
        if isinstance(error, Answered) and error.problem.code != "unavailable":
            raise
        raise Rejected(f"{error}; on each machine with a gateway: interlock halt --file --reason …") from None
    if asked.json:
        out.json(moved)
        return
    out.say("Everything is halted: nothing takes effect, and all agents are disconnected.", style="bold red")
    out.say("It goes on with: interlock resume --reason …", style="dim")


@asks
def resume(
    asked: Asked,
    reason: ReasonText = "",
) -> None:
    """End a halt. Breakers that are open and environments that are frozen stay so."""
    from interlock.runtime.service.stopping.halts import HaltState

    client = asked.connect()
    moved = client.post("/api/v1/resume", Breaker, Reason(reason))
    if asked.json:
        out.json(moved)
        return
    out.say("The halt is over: agents may connect again.", style="bold green")
    if client.get("/api/v1/halt", HaltState).by_file:
        out.warn("A halt file still stops this gateway: remove it from the state directory.")


def _make_file(config: Path | None, reason: str, json: bool) -> None:
    from interlock.runtime.config.document import load

    path = load(config_path(config)).halt_file
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as opened:
            opened.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {reason.strip()}\n")
    except OSError as error:
        raise Rejected(f"the halt file {path} cannot be made: {error.strerror}") from None
    if json:
        out.json({"file": str(path)})
        return
    out.say(f"There is a halt file now: the gateway with that state directory stops ({path}).", style="bold")
    out.say("It goes on when the file is removed, by hand.", style="dim")


def _drill(config: Path | None, url: str, as_: str, key: Path | None, json: bool) -> None:
    from interlock.runtime.service.stopping.halts import Drilled

    try:
        found = connect(config, url, as_, key).post("/api/v1/halt/drill", Drilled, Empty())
    except InterlockError as error:
        raise Rejected(f"the drill failed: {error}") from None
    if json:
        out.json(found)
    else:
        rows = [
            (
                r.replica,
                "silent" if r.ms is None else f"{r.ms / 1000:.2f} s",
                r.refused,
                Text("ok", style="green") if r.ok else Text("failed", style="bold red"),
            )
            for r in found.replicas
        ]
        out.print_table(out.table("", ("replica", "all had ended after", "refused new work", ""), rows))
        said = "The kill switch works." if found.ok else "The kill switch does not work everywhere."
        out.say(said, style="bold green" if found.ok else "bold red")
    if not found.ok:
        raise typer.Exit(1)
