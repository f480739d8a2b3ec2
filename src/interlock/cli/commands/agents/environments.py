"""What an agent's program needs in its environment, printed for whoever starts it."""

import shlex
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from interlock.cli import out
from interlock.cli.commands.agents.run import TOKEN, reached, read_token
from interlock.cli.options import Config, Json, connect
from interlock.model.errors import Rejected
from interlock.runtime.targets import connectors
from interlock.sdk.connector import Reach


class Form(StrEnum):
    """How it is written."""

    SHELL = "shell"
    DOTENV = "dotenv"
    PROFILE = "profile"


def aws_env(
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="As whom the program works.")],
    target: Annotated[str, typer.Option("--target", metavar="T", help="What it reaches.")],
    form: Annotated[
        Form, typer.Option("--format", help="For a shell, as a .env file, or as a profile for ~/.aws/config.")
    ] = Form.SHELL,
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", metavar="FILE", help=f"Where the agent's token is (else ${TOKEN})."),
    ] = None,
    address: Annotated[
        str,
        typer.Option(
            "--address", metavar="URL", help="Where the target is reached (else the server is asked)."
        ),
    ] = "",
    connector: Annotated[
        str, typer.Option("--connector", metavar="NAME", help="With --address: what kind of target that is.")
    ] = "aws",
    config: Config = None,
    json: Json = False,
) -> None:
    """Print the key pair and the endpoints by which AWS clients find the gateway, made from the agent's token."""
    token = read_token(token_file)
    secure = False
    if not address:
        address, connector, secure = reached(connect(config, "", "", None), target, "")
    reach = Reach(address, target, agent, token, secure=secure)
    if json:
        out.json(dict(_variables(connector, reach)))
    elif form is Form.PROFILE:
        typer.echo(_profile(connector, reach), nl=False)
    else:
        for line in _lines(_variables(connector, reach), form):
            typer.echo(line)


def _variables(connector: str, reach: Reach) -> Mapping[str, str | None]:
    made = getattr(connectors.load(connector), "environment", None)
    if made is None:
        raise Rejected(f"programs cannot be run on a target of the kind {connector}")
    found: Mapping[str, str | None] = made(reach)
    return found


def _profile(connector: str, reach: Reach) -> str:
    made = getattr(connectors.load(connector), "profile", None)
    if made is None:
        raise Rejected(f"clients of targets of the kind {connector} have no profiles")
    return str(made(reach))


def _lines(variables: Mapping[str, str | None], form: Form) -> list[str]:
    found = []
    for name, value in variables.items():
        if value is not None:
            found.append(f"export {name}={shlex.quote(value)}" if form is Form.SHELL else f'{name}="{value}"')
        elif form is Form.SHELL:
            found.append(f"unset {name}")
    return found
