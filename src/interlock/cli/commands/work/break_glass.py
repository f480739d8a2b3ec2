"""Break-glass: one named person stands for a quorum; somebody else reviews it."""

import secrets
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.text import Text
from typer.core import TyperGroup

from interlock.cli import out, review
from interlock.cli.commands.work.changes import confirm
from interlock.cli.options import (
    Asked,
    Config,
    Json,
    NeedAs,
    NeedKey,
    PassphraseFile,
    Url,
    Yes,
    asks,
    change_id,
    connect_as,
    read_payload,
    signer,
)
from interlock.console.schemas import Signed
from interlock.console.schemas.deciding import BreakGlasses, BreakGlassToSign, SignedReview
from interlock.control.deciding import approval, break_glass
from interlock.model.break_glass import BreakGlass
from interlock.model.change import Statement, Verdict
from interlock.model.errors import Rejected


class _OrUse(TyperGroup):
    """`interlock break-glass CHG` is short for `interlock break-glass use CHG`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["use", *args]
        return super().parse_args(ctx, args)


glass = typer.Typer(
    cls=_OrUse,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Stand alone for a quorum in an emergency; everyone is told, and somebody else reviews it.",
)


@glass.command()
def use(
    as_: NeedAs,
    key: NeedKey,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it cannot wait.")],
    chg: Annotated[str, typer.Argument(metavar="CHG", help="For this one change.")] = "",
    target: Annotated[
        str, typer.Option("--target", metavar="TARGET", help="Or for all that would be held on this target.")
    ] = "",
    yes: Yes = False,
    passphrase_file: PassphraseFile = None,
    config: Config = None,
    url: Url = "",
    json: Json = False,
) -> None:
    """Break the glass: stand alone for every quorum, for one change (a freeze lets it pass too) or for a short time on one target.
    Everyone is told at once, and it stays unreviewed until somebody else has looked at it."""
    if bool(chg) == bool(target):
        raise typer.BadParameter("name one change, or else one --target")
    chg = change_id(chg) if chg else ""
    who, nonce = signer(as_, key, passphrase_file), secrets.token_hex(16)
    server = connect_as(config, url, who)
    asked = server.get(
        "/api/v1/break-glass/statement",
        BreakGlassToSign,
        person=who.person,
        reason=reason,
        nonce=nonce,
        **({"change": chg} if chg else {"target": target}),
    )
    words = asked.statement
    wish = review.Wish(chg, who.person, Verdict.APPROVE, reason.strip(), nonce=nonce, glass=True)
    if asked.shown is not None:
        if words != asked.shown.statement:
            raise Rejected("not signed: the server shows one statement and would have another signed")
        confirm(
            review.check(asked.shown, wish, read_payload, datetime.now(UTC)), full=False, yes=yes, quiet=json
        )
    else:
        _check_target(asked, target, wish)
        _confirm_target(asked, yes=yes, quiet=json)
    made = server.post(
        "/api/v1/break-glass", BreakGlass, Signed(words, who.sign(approval.signed_bytes(words)))
    )
    if json:
        out.json(made)
        return
    what = made.change or f"the target {made.target}"
    out.say(f"The glass is broken for {what} until {out.when(made.until)}: {made.id}.", style="bold red")
    out.say("Everyone is told. Somebody else must review it.")


def _check_target(asked: BreakGlassToSign, target: str, wish: review.Wish) -> None:
    """Recompute what is signed for a target. Raises Rejected when the server would have something else signed."""
    words = asked.statement
    ends = approval.expiry(words)
    expected = break_glass.for_target(
        target, asked.environment, words.fingerprint, wish.person,
        origin=words.origin, expires=ends or datetime.now(UTC), nonce=wish.nonce, reason=wish.reason,
    )  # fmt: skip
    if words != expected:
        raise Rejected(
            "not signed: the server's statement is not what this machine computes from what was asked"
        )


def _confirm_target(asked: BreakGlassToSign, *, yes: bool, quiet: bool) -> None:
    words = asked.statement
    rows = [
        ("purpose", words.purpose),
        ("log", words.origin),
        ("target", f"{words.target} = {words.fingerprint}"),
        ("environment", asked.environment),
        ("valid until", words.expires),
        ("your reason", words.reason),
    ]
    text = f"BREAK THE GLASS FOR ALL CHANGES ON {words.target}, as {words.person}"
    console = out.errors() if quiet else out.console()
    console.print(Group(Text(text, style="bold red"), out.table("What is signed", ("", " "), rows)))
    if not yes:
        typer.confirm("Sign this?", abort=True, err=True)


@glass.command("list")
@asks
def list_(asked: Asked) -> None:
    """List the uses of break-glass; those that nobody has reviewed come first."""
    found = asked.connect().get("/api/v1/break-glass", BreakGlasses)
    if asked.json:
        out.json(found)
        return
    rows = [
        (
            g.id,
            g.person,
            g.change or f"target {g.target}",
            g.at,
            g.until,
            g.reason,
            f"{g.reviewed_by}: {g.review}" if g.reviewed_by else Text("UNREVIEWED", style="bold red"),
        )
        for g in found.break_glasses
    ]
    columns = ("break-glass", "who", "for", "from", "until", "reason", "review")
    out.print_table(out.table("", columns, rows))


@glass.command("review")
def review_(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Which use.")],
    as_: NeedAs,
    key: NeedKey,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="What you think of it.")],
    yes: Yes = False,
    passphrase_file: PassphraseFile = None,
    config: Config = None,
    url: Url = "",
    json: Json = False,
) -> None:
    """Review somebody else's use of break-glass, signed with your key: not your own, and not of an agent that you own."""
    who = signer(as_, key, passphrase_file)
    server = connect_as(config, url, who)
    found = server.get(f"/api/v1/break-glass/{id_}", BreakGlass)
    until = datetime.now(UTC) + break_glass.SIGNED_FOR / 2
    words = break_glass.for_review(found, who.person, reason.strip(), expires=until)
    _confirm_review(found, words, yes=yes, quiet=json)
    body = SignedReview(who.person, reason.strip(), words, who.sign(approval.signed_bytes(words)))
    made = server.post(f"/api/v1/break-glass/{id_}/review", BreakGlass, body)
    if json:
        out.json(made)
    else:
        out.say(f"{made.id} is reviewed by {made.reviewed_by}.", style="bold")


def _confirm_review(found: BreakGlass, words: Statement, *, yes: bool, quiet: bool) -> None:
    rows = [
        ("break-glass", found.id),
        ("who", found.person),
        ("for", found.change or f"target {found.target}"),
        ("from", found.at),
        ("until", found.until),
        ("their reason", found.reason),
        ("your review", words.reason),
    ]
    console = out.errors() if quiet else out.console()
    console.print(out.table("What you review", ("", " "), rows))
    if not yes:
        typer.confirm("Sign this?", abort=True, err=True)
