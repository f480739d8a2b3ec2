"""The exact text that a browser shows and hashes before a passkey signs: made from the change, the same on every machine.

The objects that are written come first, then the effects, what is lost for good, the statements in full (nothing is cut), the
agent's own words labelled as such, and what the signature is bound to. Whatever hides, reorders or imitates is spelled out.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from interlock.control.deciding import approval, break_glass
from interlock.model.change import Change, Statement
from interlock.model.effect import Effect
from interlock.model.visible import visible
from interlock.model.words import effect_words, remedy_words

_VERBS = {approval.REVERT_PURPOSE: "REVERT", break_glass.PURPOSE: "BREAK THE GLASS, ALONE, FOR"}
GONE = "The statements are no longer stored: only their digest is."
UNCHECKED = "THE AGENT'S OWN WORDS (nobody has checked them)"


def text_of(change: Change, statements: Sequence[str] | None, words: Statement) -> str:
    """The text, in lines. `words.shown` is not part of it."""
    lines = [
        *_head(change, words),
        "",
        f"WRITES TO {change.target} ({change.environment}), asked by agent {change.agent} of {change.owner}",
        *_indented(_names(change.measurement.effects)),
        "",
        f"WHAT WOULD HAPPEN ({len(change.measurement.effects)})",
        *_indented(effect_words(effect) for effect in change.measurement.effects),
        "",
        "LOST FOR GOOD",
        *_indented(_lost(change.measurement.effects)),
        "",
        *_statements(statements),
        *([UNCHECKED, *_indented(change.reason.split("\n")), ""] if change.reason else []),
        *_bound(change, words),
    ]
    return visible("\n".join(lines)) + "\n"


def text_of_target(words: Statement, environment: str) -> str:
    """The text for breaking the glass of a whole target: there is no change yet whose effect could be shown, and it says so.
    `words.shown` is not part of it."""
    lines = [
        f"BREAK THE GLASS, ALONE, FOR EVERY CHANGE ON {words.target}",
        *_who(words),
        "",
        "WHAT PASSES WITHOUT OTHERS, UNTIL THEN",
        *_indented(
            (
                f"every change of any agent on {words.target} ({environment}) that would wait for people",
                "nobody has seen yet what such a change would do; it spends no budget",
            )
        ),
        "",
        "LOST FOR GOOD",
        *_indented(("whatever such a change destroys",)),
        "",
        "WHAT STAYS STOPPED",
        *_indented(
            (
                f"changes in which {words.person} has an interest: of agents that they own, owned or gave a right",
                "what policy forbids, what people have denied, a freeze, an open breaker, the halt file",
            )
        ),
        "",
        *_signed_for(words),
    ]
    return visible("\n".join(lines)) + "\n"


def digest(text: str) -> str:
    """What a statement names the text by (`Statement.shown`): SHA-256 of its UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _head(change: Change, words: Statement) -> Iterator[str]:
    verb = _VERBS.get(words.purpose) or words.verdict.value.upper()
    yield f"{verb} {change.id}"
    yield from _who(words)


def _who(words: Statement) -> Iterator[str]:
    yield f"as {words.person}, until {words.expires}"
    if words.reason:
        yield f"because: {words.reason}"


def _names(effects: Sequence[Effect]) -> Sequence[str]:
    names = dict.fromkeys(f"{e.resource.kind} {e.resource.name}".strip() for e in effects)
    return [*names] or ["nothing that is known"]


def _lost(effects: Sequence[Effect]) -> Sequence[str]:
    lost = [effect_words(e) for e in effects if not e.reversible and e.count]
    return lost or ["nothing: all of it can be reverted"]


def _statements(statements: Sequence[str] | None) -> Iterator[str]:
    if statements is None:
        yield from (GONE, "")
        return
    for number, statement in enumerate(statements, 1):
        yield f"STATEMENT {number} OF {len(statements)}"
        yield from _indented(statement.split("\n"))
        yield ""


def _bound(change: Change, words: Statement) -> Iterator[str]:
    waits = f"waits for {remedy_words(approval.remedies(change))}"
    yield from _signed_for(words, f"content and effect {words.subject}", waits)


def _signed_for(words: Statement, *more: str) -> Iterator[str]:
    yield "SIGNED FOR"
    yield from _indented(
        (
            f"purpose {words.purpose}, version {words.version}",
            f"log {words.origin}",
            f"target {words.target} = {words.fingerprint}",
            *(more or (f"digest {words.subject}",)),
            f"nonce {words.nonce}",
        )
    )


def _indented(lines: Iterable[str]) -> Iterator[str]:
    """Two blanks before each line of somebody else's: none can look like a heading of ours."""
    for line in lines:
        for part in line.split("\n"):
            yield f"  {part}"
