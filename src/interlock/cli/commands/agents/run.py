"""Running an agent's program through the gateway."""

import os
from pathlib import Path
from typing import Annotated

import typer

from interlock.cli import child, out
from interlock.cli.client import Client, by_token
from interlock.cli.options import Config, connect, seconds
from interlock.cli.watch import Watch
from interlock.console.monitoring.health import Targets
from interlock.model.errors import Misconfigured, Rejected
from interlock.runtime.targets import connectors
from interlock.sdk.connector import Reach

TOKEN = "INTERLOCK_TOKEN"
EVERY = 1.0
"""Seconds between two looks at the agent's changes."""


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
    token = read_token(token_file)
    server = by_token(url, token) if url else None if address else connect(config, "", "", None)
    secure = False
    if not address:
        address, connector, secure = reached(server, target, url)
    wait_s = 0 if wait == "no" else seconds(wait)
    environment = _environment(connector, Reach(address, target, agent, token, wait_s, reason, secure))
    # Without a server that could be asked, the program's own output has to do.
    watch = Watch(server, agent, target, wait_s, own=bool(url)) if server else None
    try:
        status = child.run(command, environment, watch.look if watch else _nothing, EVERY)
    except child.CannotStart as error:
        out.warn(f"interlock: {error}")
        raise typer.Exit(error.status) from None
    if watch:
        watch.end()
    raise typer.Exit(status)


def _nothing() -> None:
    pass


def read_token(file: Path | None, variable: str = TOKEN) -> str:
    """The agent's token, from the file or the variable.

    It is not issued here: whoever may use the admin socket could then work as any agent, and a new token
    ends the sessions that run with the old one."""
    try:
        token = file.read_text("ascii").strip() if file else os.environ.get(variable, "").strip()
    except (OSError, ValueError) as error:
        raise Misconfigured(
            f"cannot read {file}: {getattr(error, 'strerror', 'it is not a token')}"
        ) from None
    if not token:
        raise Misconfigured(
            f"the agent's token is needed, in ${variable} or a file named with --token-file "
            "(`interlock agents add` and `interlock agents rotate` print one)"
        )
    return token


def reached(server: Client | None, target: str, url: str) -> tuple[str, str, bool]:
    """Where the server has that target, of which kind it is, and whether it speaks TLS. Raises Rejected."""
    if server is None or url:
        raise typer.BadParameter("an agent cannot ask the server where the target is: --address HOST:PORT")
    for status in server.get("/api/v1/targets", Targets).targets:
        if status.name == target:
            if not status.address:
                raise Rejected(f"the target {target} is not served: {status.why}")
            return status.address, status.connector, status.secure
    raise Rejected(f"there is no target {target}")


def _environment(connector: str, reach: Reach) -> dict[str, str | None]:
    made = getattr(connectors.load(connector), "environment", None)
    if made is None:
        raise Rejected(f"programs cannot be run on a target of the kind {connector}")
    # The name under which the token came here is of no use to the program.
    return {TOKEN: None, **made(reach)}
