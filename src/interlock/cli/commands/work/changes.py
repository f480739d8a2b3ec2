"""Changes: list, show, approve, deny, apply, revert."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from interlock.cli import out, review
from interlock.cli.options import (
    Asked,
    ChangeId,
    Config,
    Json,
    NeedAs,
    NeedKey,
    PassphraseFile,
    ReasonText,
    Url,
    Yes,
    asks,
    connect_as,
    read_payload,
    signer,
)
from interlock.cli.said import print_said
from interlock.console.schemas import (
    ChangeDetail,
    ChangePage,
    ChangeSummary,
    Empty,
    Outcome,
    Reason,
    Signed,
    SignedRevert,
    ToSign,
)
from interlock.console.schemas.governed import Proposals
from interlock.control.deciding import approval
from interlock.model.beside import Beside, beside_words
from interlock.model.change import Change, ChangeState, Verdict
from interlock.model.proposal import INTERLOCK
from interlock.model.words import verb_of

Full = Annotated[bool, typer.Option("--full", help="Show every line of long statements.")]
Force = Annotated[bool, typer.Option("--force", help="Put back rows that someone modified since as well.")]


@asks
def changes(
    asked: Asked,
    state: Annotated[
        list[ChangeState] | None,
        typer.Option("--state", metavar="STATE", help="Only changes in this state (may be repeated)."),
    ] = None,
    agent: Annotated[str, typer.Option("--agent", metavar="AGENT", help="Only changes of this agent.")] = "",
    target: Annotated[
        str, typer.Option("--target", metavar="TARGET", help="Only changes to this target.")
    ] = "",
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=200, help="How many, newest first.")
    ] = 50,
    before: Annotated[str, typer.Option("--before", metavar="CHG", help="Continue after this change.")] = "",
) -> None:
    """List changes, newest first."""
    server = asked.connect()
    states = [s.value for s in state or ()]
    page = server.get(
        "/api/v1/changes", ChangePage, state=states, agent=agent, target=target, limit=limit, before=before
    )
    if asked.json:
        out.json(page)
        return
    out.print_table(_list(page.changes))
    for line in _alike(page.changes):
        out.say(line, style="dim")
    if page.next:
        out.say(f"More: --before {page.next}", style="dim")


def _alike(found: tuple[ChangeSummary, ...]) -> Iterator[str]:
    """Which waiting changes look alike: the same agent does the same to the same things."""
    groups: dict[str, list[str]] = {}
    for change in found:
        if change.state is ChangeState.HELD:
            groups.setdefault(change.group, []).append(change.id)
    for ids in groups.values():
        if len(ids) > 1:
            yield f"{len(ids)} that wait look alike, each is decided by itself: {', '.join(ids)}"


def _list(found: tuple[ChangeSummary, ...]) -> Table:
    rows = [
        (c.id, state_text(c.state), c.agent, c.target, out.numbers(c.totals), c.requested_at) for c in found
    ]
    return out.table("", ("change", "state", "agent", "target", "effect", "asked"), rows)


_STYLES = {
    ChangeState.HELD: "bold yellow",
    ChangeState.APPROVED: "bold cyan",
    ChangeState.APPLIED: "green",
    ChangeState.IN_DOUBT: "bold red",
    ChangeState.FAILED: "red",
    ChangeState.REFUSED: "red",
    ChangeState.DENIED: "red",
}


def state_text(state: ChangeState) -> Text:
    """A state in its colour."""
    return Text(state.value.replace("_", " "), style=_STYLES.get(state, ""))


@asks
def show(
    asked: Asked,
    chg: ChangeId,
    full: Full = False,
) -> None:
    """Show a change: what was asked, its effect, who said what, and what became of it."""
    detail = asked.connect().get(f"/api/v1/changes/{chg}", ChangeDetail)
    if asked.json:
        out.json(detail)
        return
    print_detail(detail, full=full)


def print_detail(detail: ChangeDetail, *, full: bool) -> None:
    """A change for people."""
    change = detail.change
    console = out.console()
    console.print(Text.assemble((change.id, "bold"), "  ", state_text(change.state)))
    console.print(out.table("", ("", " "), _facts(change)))
    console.print()
    out.print_table(out.effects(change.measurement.effects))
    console.print(Text(f"In all: {out.numbers(detail.totals)}.", style="bold"))
    _print_beside(detail.beside)
    for part in review.statements_of(detail.statements, full=full):
        console.print(part)
    print_said(detail)


def _print_beside(beside: tuple[Beside, ...]) -> None:
    """What people approved and what it would be now, when it was held again because they differ."""
    if beside:
        rows = [
            (f"{b.kind} {b.name}", verb_of(b.change), f"{b.approved:,}", f"{b.now:,}", b.unit.value)
            for b in beside
        ]
        columns = ("what", "change", "approved", "now", "of")
        out.print_table(
            out.table(
                "Held again: the approved effect and the present one",
                columns,
                rows,
                right=("approved", "now"),
            )
        )


def _facts(change: Change) -> list[tuple[str, object]]:
    facts: list[tuple[str, object]] = [
        ("proposed by", change.agent)
        if change.target == INTERLOCK
        else ("agent", f"{change.agent} (owner {change.owner})"),
        ("target", f"{change.target} in {change.environment}"),
        ("asked", change.requested_at),
        ("moved", change.updated_at),
        ("expires", change.expires_at),
        ("waits for", ", ".join(approval.remedies(change))),
        ("policies", ", ".join(change.decision.reasons)),
        ("note", change.note),
        ("agent's own words", change.reason),
        ("reverts", change.reverts),
        ("reverted by", change.reverted_by),
        ("replaces", change.replaces),
        ("asked by", change.requested_by),
        ("break-glass", change.break_glass),
    ]
    return [(name, value) for name, value in facts if value]


def approve(
    chg: ChangeId,
    as_: NeedAs,
    key: NeedKey,
    reason: ReasonText = "",
    full: Full = False,
    yes: Yes = False,
    passphrase_file: PassphraseFile = None,
    config: Config = None,
    url: Url = "",
    json: Json = False,
) -> None:
    """Approve a held change: see what it does, then sign it with your key."""
    _speak(chg, Verdict.APPROVE, as_, key, reason, full, yes, passphrase_file, config, url, json)


def deny(
    chg: ChangeId,
    as_: NeedAs,
    key: NeedKey,
    reason: ReasonText = "",
    full: Full = False,
    yes: Yes = False,
    passphrase_file: PassphraseFile = None,
    config: Config = None,
    url: Url = "",
    json: Json = False,
) -> None:
    """Deny a held change, signed with your key. One denial ends it."""
    _speak(chg, Verdict.DENY, as_, key, reason, full, yes, passphrase_file, config, url, json)


def _speak(
    chg: str,
    verdict: Verdict,
    person: str,
    key: Path,
    reason: str,
    full: bool,
    yes: bool,
    passphrase_file: PassphraseFile,
    config: Config,
    url: str,
    json: bool,
) -> None:
    who = signer(person, key, passphrase_file)
    server = connect_as(config, url, who)
    asked = server.get(
        f"/api/v1/changes/{chg}/statement", ToSign, person=who.person, verdict=verdict.value, reason=reason
    )
    wish = review.Wish(chg, who.person, verdict, reason)
    seen = review.check(asked, wish, read_payload, datetime.now(UTC))
    confirm(seen, full=full, yes=yes, quiet=json)
    signed = Signed(asked.statement, who.sign(approval.signed_bytes(asked.statement)))
    detail = server.post(f"/api/v1/changes/{chg}/approvals", ChangeDetail, signed)
    _told(detail, json)


@asks
def withdraw(
    asked: Asked,
    chg: ChangeId,
    reason: ReasonText = "",
) -> None:
    """Take back a change that waits or is approved: nobody can approve or use it any more."""
    server = asked.connect()
    detail = server.post(f"/api/v1/changes/{chg}/withdraw", ChangeDetail, Reason(reason))
    if asked.json:
        out.json(detail)
    else:
        out.say(f"{detail.change.id} is {detail.change.state.value}.", style="bold")


@asks
def apply(
    asked: Asked,
    chg: ChangeId,
) -> None:
    """Let the server apply an approved change itself, as if its agent had sent it again."""
    server = asked.connect()
    _ended(server.post(f"/api/v1/changes/{chg}/apply", Outcome, Empty()), asked.json)


def revert(
    chg: ChangeId,
    as_: NeedAs,
    key: NeedKey,
    reason: ReasonText = "",
    force: Force = False,
    full: Full = False,
    yes: Yes = False,
    passphrase_file: PassphraseFile = None,
    config: Config = None,
    url: Url = "",
    json: Json = False,
) -> None:
    """Undo an applied change from its stored before-image, signed with your key. Shows first what that does now, and which rows
    others changed since."""
    from interlock.cli import reverting
    from interlock.runtime.service.deciding.reverting import RevertPlan

    who = signer(as_, key, passphrase_file)
    server = connect_as(config, url, who)
    plan = server.get(f"/api/v1/changes/{chg}/revert", RevertPlan, force="true" if force else "false")
    reverting.show(plan, force=force, quiet=json)
    if not plan.possible:
        _ended(Outcome(False, "failed", plan.why, conflicts=plan.conflicts), json)
    nonce = secrets.token_urlsafe(24)
    asked = server.get(
        f"/api/v1/changes/{chg}/statement",
        ToSign,
        person=who.person,
        reason=reason,
        revert="true",
        force="true" if force else "false",
        nonce=nonce,
    )
    wish = review.Wish(chg, who.person, Verdict.APPROVE, reason, force, nonce)
    seen = review.check(asked, wish, read_payload, datetime.now(UTC))
    confirm(seen, full=full, yes=yes, quiet=json)
    signed = SignedRevert(asked.statement, who.sign(approval.signed_bytes(asked.statement)), force)
    _ended(server.post(f"/api/v1/changes/{chg}/revert", Outcome, signed), json)


def confirm(seen: review.Checked, *, full: bool, yes: bool, quiet: bool) -> None:
    """Show what will be signed and ask. On standard error when standard output is for a program."""
    console = out.errors() if quiet else out.console()
    console.print(review.render(seen, full=full), soft_wrap=False)
    if not yes:
        typer.confirm("Sign this?", abort=True, err=True)


def _told(detail: ChangeDetail, json: bool) -> None:
    if json:
        out.json(detail)
        return
    out.say(f"Signed. {detail.change.id} is {detail.change.state.value}.", style="bold")
    print_said(detail)


def _ended(outcome: Outcome, json: bool) -> None:
    """Tell the end of an apply or revert; exit status 1 when it was not done."""
    if json:
        out.json(outcome)
    else:
        _print_outcome(outcome)
    if not outcome.done:
        raise typer.Exit(1)


def _print_outcome(outcome: Outcome) -> None:
    change, why = outcome.change, outcome.why
    if change is None or outcome.code in ("forbidden", "failed"):
        said, why = why or outcome.code.replace("_", " "), ""
    elif outcome.done and change.reverts:
        partly = "partly " if "partly" in change.marker else ""
        said = f"{change.reverts} is {partly}reverted, by {change.id}"
    else:
        said = f"{change.id} is {change.state.value.replace('_', ' ')}"
    out.say(
        f"{'Done' if outcome.done else 'Not done'}: {said.rstrip('.')}.",
        style="bold green" if outcome.done else "bold red",
    )
    for line in (
        why,
        *outcome.grown,
        *beside_words(outcome.beside),
        outcome.next and f"{outcome.next.rstrip('.')}.",
        outcome.see and f"What led there: {outcome.see}",
        "Trying again may help." if outcome.retry else "",
    ):
        if line:
            out.console().print(out.shown(line))


@asks
def proposals(asked: Asked) -> None:
    """List what was proposed to be decided in another way, and waits for admins (governed mode). `interlock show CHG` shows one."""
    found = asked.connect().get("/api/v1/proposals", Proposals)
    if asked.json:
        out.json(found)
        return
    rows = [(c.id, state_text(c.state), c.note, c.agent, c.requested_at) for c in found.proposals]
    out.print_table(out.table("", ("proposal", "state", "what", "by", "asked"), rows))
