"""What a person reads before they sign: recomputed here from what will be signed, never taken on the server's word.

Order: what would be written (the objects, first), the effects, the statements in full, the agent's own words marked as such,
and what exactly is signed. A long statement never hides its tail: what is left out is counted, and the end is shown.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.text import Text

from interlock.cli import out
from interlock.console.schemas import ToSign
from interlock.control import limits
from interlock.control.deciding import approval, break_glass
from interlock.model.base import Value
from interlock.model.change import Change, Statement, Verdict
from interlock.model.effect import totals
from interlock.model.errors import Rejected
from interlock.model.proposal import INTERLOCK
from interlock.model.visible import Oddity, oddities
from interlock.sdk.connector import Recorded

HEAD, TAIL = 120, 40
"""How many lines of a statement's beginning and end are shown when it has more than both and the full text was not asked for."""

Reader = Callable[[str, bytes], Recorded | None]
"""Reads a payload in a connector's encoding; None when this machine has no connector that can."""


class Checked:
    """What was asked to be signed, after every part of it was checked against every other."""

    def __init__(self, asked: ToSign, statements: Sequence[str] | None, own_reading: bool) -> None:
        self.change, self.words = asked.change, asked.statement
        self.statements, self.own_reading = statements, own_reading


class Wish(Value, frozen=True):
    """What this person wants to say. `force` is None for an approval or denial, else that of the revert; `glass`
    breaks the glass for the change. In both of these the `nonce` is the signer's own."""

    change: str
    person: str
    verdict: Verdict
    reason: str = ""
    force: bool | None = None
    nonce: str = ""
    glass: bool = False


def check(asked: ToSign, wish: Wish, reader: Reader, now: datetime) -> Checked:
    """Recompute what binds the signature from what will be shown. Raises Rejected naming the part that does not fit: the server or
    something on the way shows one thing and would have another signed."""
    change, words = asked.change, asked.statement
    purpose, own, nonce = _bound(change, wish)
    expected = {
        "purpose": (words.purpose, purpose),
        "version": (words.version, approval.VERSION),
        "change": (words.change, wish.change),
        "change shown": (change.id, wish.change),
        "target": (words.target, change.target),
        "fingerprint": (words.fingerprint, change.fingerprint),
        "person": (words.person, wish.person),
        "verdict": (words.verdict, wish.verdict),
        "reason": (words.reason, wish.reason),
        "nonce": (words.nonce, nonce),
        "subject": (words.subject, own),
    }
    for part, (said, computed) in expected.items():
        if said != computed:
            raise Rejected(
                f"not signed: the server's {part} is not what this machine computes from the content shown"
            )
    ends = approval.expiry(words)
    if ends is None or not now < ends <= now + limits.SIGNED_FOR_AT_MOST:
        raise Rejected("not signed: the server's expiry is past or too far off (or the clocks differ)")
    return _read(asked, reader)


def _bound(change: Change, wish: Wish) -> tuple[str, str, str]:
    """Purpose, subject and nonce that the statement must have."""
    if wish.glass:
        return break_glass.PURPOSE, break_glass.subject_of(change), wish.nonce
    if wish.force is not None:
        return approval.REVERT_PURPOSE, approval.revert_subject(change, wish.force), wish.nonce
    return approval.APPROVAL_PURPOSE, approval.binding(change), change.nonce


def _read(asked: ToSign, reader: Reader) -> Checked:
    if asked.payload is None:
        return Checked(asked, None, own_reading=True)
    own = reader(asked.connector, asked.payload)
    if own is None:
        return Checked(asked, asked.statements, own_reading=False)
    if own.content != asked.change.content:
        raise Rejected("not signed: the statements shown are not the ones whose digest would be signed")
    if asked.statements is not None and own.statements != asked.statements:
        raise Rejected(
            "not signed: the server words the statements in another way than this machine reads them"
        )
    return Checked(asked, own.statements, own_reading=True)


def render(checked: Checked, *, full: bool) -> RenderableType:
    """Everything a person has to read, for a terminal of any width."""
    change, words = checked.change, checked.words
    parts: list[RenderableType] = [
        _heading(words, change),
        _targets(change),
        out.effects(change.measurement.effects),
    ]
    parts += [Text(f"In all: {out.numbers(totals(change.measurement.effects))}.", style="bold"), Text("")]
    parts += statements_of(checked.statements, full=full)
    if change.reason:
        parts.append(
            Panel(
                out.shown(change.reason),
                title="the agent's own words, which nobody has checked",
                title_align="left",
            )
        )
    parts += [_signed(words, change), *_warnings(checked)]
    return Group(*parts)


def _heading(words: Statement, change: Change) -> RenderableType:
    purposes = {approval.REVERT_PURPOSE: "REVERT", break_glass.PURPOSE: "BREAK THE GLASS FOR"}
    what = purposes.get(words.purpose, words.verdict.value.upper())
    text = Text.assemble((f"{what} {change.id}", "bold"), f", as {words.person}\n", style="")
    return Padding(text, (1, 0, 0, 0))


def _targets(change: Change) -> RenderableType:
    """Every object that is written, on its own line."""
    lines = Text.assemble(
        ("Writes to ", "bold"),
        (change.target, "bold"),
        f" ({change.environment}), {_asked_by(change)}:\n",
    )
    for name in dict.fromkeys(f"{e.resource.kind} {e.resource.name}" for e in change.measurement.effects):
        lines.append("  ")
        lines.append(out.shown(name))
        lines.append("\n")
    if not change.measurement.effects:
        lines.append("  nothing that is known\n")
    return lines


def _asked_by(change: Change) -> str:
    return f"as {change.agent} proposes" if change.target == INTERLOCK else f"by agent {change.agent}"


def statements_of(statements: Sequence[str] | None, *, full: bool) -> Iterator[RenderableType]:
    """Statements with every character visible; a long one without its middle, which is counted."""
    if statements is None:
        yield Text("The statements are no longer stored, only their digest is.", style="bold yellow")
        return
    many = len(statements)
    for number, statement in enumerate(statements, 1):
        yield Rule(f"statement {number} of {many}", align="left", style="dim")
        yield from _lines(statement, full)
    yield Rule(style="dim")


def _lines(statement: str, full: bool) -> Iterator[RenderableType]:
    lines = statement.split("\n")
    if full or len(lines) <= HEAD + TAIL:
        yield out.shown(statement)
        return
    left = len(lines) - HEAD - TAIL
    yield out.shown("\n".join(lines[:HEAD]))
    yield Text(
        f"… {left:,} lines are not shown here (--full shows them); the last {TAIL} follow …",
        style="bold yellow",
    )
    yield out.shown("\n".join(lines[-TAIL:]))


def _signed(words: Statement, change: Change) -> RenderableType:
    rows = [
        ("purpose", words.purpose),
        ("log", words.origin),
        ("target", f"{words.target} = {words.fingerprint}"),
        ("digest", words.subject),
        ("waits for", ", ".join(approval.remedies(change)) or "-"),
        ("valid until", words.expires),
        ("your reason", words.reason or "-"),
    ]
    return out.table("What is signed", ("", " "), rows)


def _warnings(checked: Checked) -> Iterator[RenderableType]:
    found = [o for text in (*(checked.statements or ()), checked.change.reason) for o in oddities(text)]
    if found:
        yield Text(f"Look closely: {_odd(found)} characters, shown as ⟨U+XXXX⟩.", style="bold red")
    if not checked.own_reading:
        yield Text(
            "This machine cannot read the statements itself: their wording is the server's.",
            style="bold yellow",
        )
    if any(not effect.reversible for effect in checked.change.measurement.effects):
        yield Text("Not all of this can be undone.", style="bold red")


def _odd(found: Sequence[Oddity]) -> str:
    counts: dict[str, int] = {}
    for oddity in found:
        counts[oddity.sort] = counts.get(oddity.sort, 0) + oddity.count
    return ", ".join(f"{count} {sort}" for sort, count in counts.items())
