"""Enrolling people by links, for passkeys."""

from typing import Annotated
from urllib.parse import quote

import typer

from interlock.cli import out
from interlock.cli.commands.principals import Name, passkeys
from interlock.cli.options import As, Config, Json, Key, Url, connect
from interlock.console.schemas_people import Confirmation, Invited, NewInvitation
from interlock.model.people import Person


def invite_person(
    name: Name,
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group", metavar="G", help="For somebody new: a group they belong to (may be repeated)."
        ),
    ] = None,
    config: Config = None,
    url: Url = "",
    as_: As = "",
    key: Key = None,
    json: Json = False,
) -> None:
    """Print a link, good once and for 15 minutes, with which somebody makes a passkey."""
    server = connect(config, url, as_, key)
    new = server.post(address(name, "invitation"), Invited, NewInvitation(tuple(group or ())))
    if json:
        out.json(new)
        return
    out.say(f"For {new.person} alone, good once within 15 minutes:")
    out.say(f"  {new.url}", style="bold")
    out.say(f"They tell you a code; then: interlock people confirm {new.person} CODE", style="dim")


def confirm_person(
    name: Name,
    code: Annotated[str, typer.Argument(metavar="CODE", help="The code that they saw, told by themselves.")],
    config: Config = None,
    url: Url = "",
    as_: As = "",
    key: Key = None,
    json: Json = False,
) -> None:
    """Let the passkey that somebody made by a link count."""
    person = connect(config, url, as_, key).post(address(name, "confirm"), Person, Confirmation(code))
    if json:
        out.json(person)
    else:
        out.say(
            f"{person.name} is enrolled, in {', '.join(person.groups) or 'no group'}; passkeys: {passkeys(person)}."
        )


def revoke_passkey(
    name: Name,
    passkey: Annotated[str, typer.Argument(metavar="ID", help="As `interlock people list --json` shows it.")],
    config: Config = None,
    url: Url = "",
    as_: As = "",
    key: Key = None,
    json: Json = False,
) -> None:
    """A passkey counts no more, at once; their sessions in the console end."""
    server = connect(config, url, as_, key)
    person = server.delete(address(name, f"passkeys/{quote(passkey, safe='')}"), Person)
    if json:
        out.json(person)
    else:
        out.say(f"{person.name} has {passkeys(person)} passkeys left.")


def address(name: str, what: str) -> str:
    """Of something of a person's."""
    return f"/api/v1/people/{quote(name, safe='')}/{what}"
