"""Governed mode: its beginning, and proposals of what is to decide from then on."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from interlock.cli import keyfile, out
from interlock.cli.client import Unreachable
from interlock.cli.options import Asked, Config, Json, ReasonText, asks, config_path, connect
from interlock.console.schemas import Reason
from interlock.console.schemas.governed import DecidingConfig, FoundingAdmins, Held, PolicyTexts
from interlock.model.errors import Misconfigured
from interlock.model.proposal import Founded, Founder

propose = typer.Typer(
    no_args_is_help=True, help="Proposals of what is to decide (governed mode); admins approve them."
)

BY = "offline"
"""Who began governed mode where no server ran: whoever may write the store."""


def govern(
    admin: Annotated[
        list[str], typer.Option("--admin", metavar="NAME=FILE.pub", help="A founding admin (twice or more).")
    ],
    config: Config = None,
    json: Json = False,
) -> None:
    """Enrol the founding admins and begin governed mode, once and for all: from then on what decides changes only by proposals that
    admins approve."""
    founders = tuple(_founder(text) for text in admin)
    founded = _govern(config_path(config), founders)
    if json:
        out.json(founded)
        return
    out.say(f"Governed, by {' and '.join(founded.admins)}.", style="bold green")
    out.say(f"In force: policies {founded.policies[:16]}…, configuration {founded.config[:16]}….")
    for what, names in (("people", founded.people), ("agents", founded.agents)):
        if names:
            out.say(f"These {what} stay as they are; disable whom you do not know: {', '.join(names)}.")
    out.say(
        "What loosens is a proposal from now on: interlock proposals, interlock approve CHG --as ADMIN --key FILE"
    )


def _founder(text: str) -> Founder:
    name, equals, file = text.partition("=")
    if not name or not equals or not file:
        raise typer.BadParameter(f"{text!r} is not NAME=FILE.pub", param_hint="--admin")
    return Founder(name, keyfile.read_public(Path(file)))


def _govern(config: Path, founders: tuple[Founder, ...]) -> Founded:
    """By a running server, or in the store itself when none runs here."""
    try:
        return connect(config, "", "", None).post("/api/v1/govern", Founded, FoundingAdmins(founders))
    except Unreachable:
        from interlock.cli.offline import govern as offline

        return asyncio.run(offline(config, founders, BY))


@propose.command("policies")
@asks
def propose_policies(
    asked: Asked,
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="With *.cedar files (else the configuration's policies)."),
    ] = None,
) -> None:
    """Propose the files of a policy directory: shown to admins as a diff, and as the past decisions they would alter."""
    from interlock.runtime.config.document import load
    from interlock.runtime.rules.policies import read_texts

    wanted = folder or load(config_path(asked.config)).policies
    if wanted is None:
        raise Misconfigured("the configuration names no policies: name a folder")
    server = asked.connect()
    print_held(
        server.post("/api/v1/proposals/policies", Held, PolicyTexts(read_texts(wanted))), json=asked.json
    )


@propose.command("config")
@asks
def propose_config(
    asked: Asked,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Another configuration (else the one in use).")
    ] = None,
) -> None:
    """Propose what a configuration decides: environments, targets, quorums, guardrails, limits. Secrets and addresses are left
    out."""
    from interlock.runtime.config.document import load
    from interlock.runtime.governing.deciding import deciding

    decides = deciding(load(file or config_path(asked.config)).source).decode()
    server = asked.connect()
    print_held(server.post("/api/v1/proposals/config", Held, DecidingConfig(decides)), json=asked.json)


@propose.command("end")
@asks
def propose_end(
    asked: Asked,
    reason: ReasonText = "",
) -> None:
    """Propose to end governed mode: whoever may use the admin socket then decides alone again."""
    print_held(asked.connect().post("/api/v1/proposals/end", Held, Reason(reason)), json=asked.json)


def print_held(held: Held, *, json: bool) -> None:
    """That what was asked for waits for admins now."""
    if json:
        out.json(held)
        return
    out.say(f"{held.proposal}: {held.what} waits for admins; nothing has changed yet.", style="bold yellow")
    out.say(f"Two decide together: interlock approve {held.proposal} --as ADMIN --key FILE", style="dim")
