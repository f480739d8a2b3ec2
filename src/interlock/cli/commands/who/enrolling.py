"""Enrolling people by links, for passkeys and logins at a provider."""

from typing import Annotated
from urllib.parse import quote

import typer

from interlock.cli import out
from interlock.cli.commands.who.principals import Name, passkeys
from interlock.cli.options import Asked, asks
from interlock.console.schemas.people import Confirmation, Enrolments, Invited, NewInvitation, Unlink
from interlock.model.people import Person


@asks
def invite_person(
    asked: Asked,
    name: Name,
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group", metavar="G", help="For somebody new: a group they belong to (may be repeated)."
        ),
    ] = None,
) -> None:
    """Print a link, good once and for 15 minutes, with which somebody makes a passkey."""
    server = asked.connect()
    new = server.post(address(name, "invitation"), Invited, NewInvitation(tuple(group or ())))
    if asked.json:
        out.json(new)
        return
    out.say(f"For {new.person} alone, good once within 15 minutes:")
    out.say(f"  {new.url}", style="bold")
    out.say(f"They tell you a code; then: interlock people confirm {new.person} CODE", style="dim")


@asks
def confirm_person(
    asked: Asked,
    name: Name,
    code: Annotated[str, typer.Argument(metavar="CODE", help="The code that they saw, told by themselves.")],
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group",
            metavar="G",
            help="For a login that nobody invited: a group of theirs (may be repeated).",
        ),
    ] = None,
) -> None:
    """Let the passkey that somebody made by a link count, or their login at the provider."""
    told = Confirmation(code, tuple(group or ()))
    person = asked.connect().post(address(name, "confirm"), Person, told)
    if asked.json:
        out.json(person)
    else:
        out.say(
            f"{person.name} is enrolled, in {', '.join(person.groups) or 'no group'}; passkeys: {passkeys(person)}."
        )


@asks
def revoke_passkey(
    asked: Asked,
    name: Name,
    passkey: Annotated[str, typer.Argument(metavar="ID", help="As `interlock people list --json` shows it.")],
) -> None:
    """A passkey counts no more, at once; their sessions in the console end."""
    server = asked.connect()
    person = server.delete(address(name, f"passkeys/{quote(passkey, safe='')}"), Person)
    if asked.json:
        out.json(person)
    else:
        out.say(f"{person.name} has {passkeys(person)} passkeys left.")


@asks
def unlink_login(
    asked: Asked,
    name: Name,
    sub: Annotated[str, typer.Argument(metavar="SUB", help="As `interlock people list --json` shows it.")],
) -> None:
    """A login at the provider lets nobody in any more, at once; their sessions in the console end."""
    person = asked.connect().post(address(name, "unlink"), Person, Unlink(sub))
    if asked.json:
        out.json(person)
    else:
        left = sum(each.revoked_at is None for each in person.subjects)
        out.say(f"{person.name} has {left} logins left.")


@asks
def list_waiting(asked: Asked) -> None:
    """List passkeys and logins that wait to be confirmed, without their codes."""
    found = asked.connect().get("/api/v1/enrolments", Enrolments)
    if asked.json:
        out.json(found)
        return
    rows = [
        (e.person, "login" if e.login else "passkey", e.label, ", ".join(e.groups or e.named), e.at)
        for e in found.enrolments
    ]
    out.print_table(out.table("", ("person", "what", "is called", "groups", "since"), rows))


def address(name: str, what: str) -> str:
    """Of something of a person's."""
    return f"/api/v1/people/{quote(name, safe='')}/{what}"
