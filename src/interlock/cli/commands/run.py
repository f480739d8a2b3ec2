"""Running an agent's program through the gateway."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from interlock.cli import child, out
from interlock.cli.client import Client, by_token
from interlock.cli.options import Config, connect, seconds
from interlock.console.health import Targets
from interlock.console.schemas import ChangePage, ChangeSummary, OwnChange, OwnChanges
from interlock.model.change import ChangeState
from interlock.model.errors import InterlockError, Misconfigured, Rejected
from interlock.runtime import connectors
from interlock.sdk.connector import Reach

TOKEN = "INTERLOCK_TOKEN"
EVERY = 1.0
"""Seconds between two looks at the agent's changes."""

_WAITS = (ChangeState.HELD, ChangeState.APPROVED)


def run(
    command: Annotated[
        list[str], typer.Argument(metavar="-- COMMAND", help="The program and its arguments.")
    ],
    agent: Annotated[str, typer.Option("--agent", metavar="A", help="As whom it runs.")],
    target: Annotated[str, typer.Option("--target", metavar="T", help="What it reaches.")],
    wait: Annotated[
        str,
        typer.Option(
            "--wait", metavar="15m", help="How long held work waits for people; `no` for an error at once."
        ),
    ] = "15m",
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="What it is for: people read it.")
    ] = "",
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", metavar="FILE", help=f"Where the agent's token is (else ${TOKEN})."),
    ] = None,
    address: Annotated[
        str,
        typer.Option(
            "--address", metavar="HOST:PORT", help="Where the target is reached (else the server is asked)."
        ),
    ] = "",
    connector: Annotated[
        str, typer.Option("--connector", metavar="NAME", help="With --address: what kind of target that is.")
    ] = "postgres",
    config: Config = None,
    url: Annotated[
        str,
        typer.Option(
            "--url",
            metavar="URL",
            help="Ask the API at this address, with the agent's token, not the socket.",
        ),
    ] = "",
) -> None:
    """Run a program as an agent on a target, with its connection and the waiting for people set up in its environment."""
    token = _token(token_file)
    server = by_token(url, token) if url else None if address else connect(config, "", "", None)
    if not address:
        address, connector = _reached(server, target, url)
    wait_s = 0 if wait == "no" else seconds(wait)
    environment = _environment(connector, Reach(address, target, agent, token, wait_s, reason))
    look: Callable[[], None] = (
        Watch(server, agent, target, wait_s, own=bool(url)).look if server else _nothing
    )
    try:
        status = child.run(command, environment, look, EVERY)
    except child.CannotStart as error:
        out.warn(f"interlock: {error}")
        raise typer.Exit(error.status) from None
    raise typer.Exit(status)


def _nothing() -> None:
    """Without a server that could be asked, the program's own output has to do."""


def _token(file: Path | None) -> str:
    """The agent's token. It is not issued here: whoever may use the admin socket could then work as any agent, and a new token
    ends the sessions that run with the old one."""
    try:
        token = file.read_text("ascii").strip() if file else os.environ.get(TOKEN, "").strip()
    except (OSError, ValueError) as error:
        raise Misconfigured(
            f"cannot read {file}: {getattr(error, 'strerror', 'it is not a token')}"
        ) from None
    if not token:
        raise Misconfigured(
            f"the agent's token is needed, in ${TOKEN} or a file named with --token-file "
            "(`interlock agents add` and `interlock agents rotate` print one)"
        )
    return token


def _reached(server: Client | None, target: str, url: str) -> tuple[str, str]:
    """Where the server has that target, and of which kind it is."""
    if server is None or url:
        raise typer.BadParameter("an agent cannot ask the server where the target is: --address HOST:PORT")
    for status in server.get("/api/v1/targets", Targets).targets:
        if status.name == target:
            if not status.address:
                raise Rejected(f"the target {target} is not served: {status.why}")
            return status.address, status.connector
    raise Rejected(f"there is no target {target}")


def _environment(connector: str, reach: Reach) -> dict[str, str | None]:
    made = getattr(connectors.load(connector), "environment", None)
    if made is None:
        raise Rejected(f"programs cannot be run on a target of the kind {connector}")
    # The name under which the token came here is of no use to the program.
    return {TOKEN: None, **made(reach)}


class Watch:
    """Tells on standard error what becomes of an agent's changes on a target. With `own` it is asked for with the agent's token."""

    def __init__(self, server: Client, agent: str, target: str, wait_s: int, *, own: bool) -> None:
        self._server, self._agent, self._target, self._own = server, agent, target, own
        self._wait_s, self._lost = wait_s, False
        self._known: dict[str, ChangeState] = {}
        self._look(begin=True)

    def look(self) -> None:
        """Tell what has changed since the last look."""
        self._look(begin=False)

    def _look(self, *, begin: bool) -> None:
        try:
            found = self._changes()
        except InterlockError as error:
            if not self._lost:
                out.warn(f"interlock: what becomes of this work cannot be shown: {error}")
            self._lost = True
            return
        self._lost = False
        for change in reversed(found):
            if self._known.get(change.id) is not change.state and (not begin or change.state in _WAITS):
                self._tell(change, already=begin)
            self._known[change.id] = change.state

    def _changes(self) -> tuple[ChangeSummary | OwnChange, ...]:
        if self._own:
            return self._server.get("/changes", OwnChanges, target=self._target).changes
        return self._server.get("/api/v1/changes", ChangePage, agent=self._agent, target=self._target).changes

    def _tell(self, change: ChangeSummary | OwnChange, *, already: bool) -> None:
        state = change.state.value.replace("_", " ")
        effect = f": {out.numbers(change.totals)}" if change.state in _WAITS else ""
        style = "bold yellow" if change.state is ChangeState.HELD else ""
        say(f"{change.id} is {state}{' already' if already else ''}{effect}.", style)
        if change.state is ChangeState.HELD:
            say(f"People see it with `interlock show {change.id}`, and say yes with")
            say(f"`interlock approve {change.id} --as NAME --key FILE`. {self._then(change.id)}")

    def _then(self, change: str) -> str:
        again = f"run this again, or `interlock apply {change}`."
        if self._wait_s:
            return f"The program waits up to {seconds_words(self._wait_s)}; later: {again}"
        return f"Then: {again}"


def seconds_words(length: int) -> str:
    """A length of time in seconds, in words for people."""
    from datetime import timedelta

    return out.span(timedelta(seconds=length))


def say(text: str, style: str = "") -> None:
    """One line beside the program's own output."""
    out.errors().print(Text(f"interlock: {text}", style=style))
