"""States and statements, for pages."""

import re
from collections.abc import Sequence
from typing import assert_never

from markupsafe import Markup

from interlock.model.change import ChangeState
from interlock.model.decision import Decision, Forbid, Hold, Permit, Rehearse
from interlock.model.operation import Action
from interlock.model.visible import visible

S = ChangeState
_STATES: dict[ChangeState, tuple[str, str]] = {
    S.RECEIVED: ("being measured", "busy"),
    S.HELD: ("waits for people", "wait"),
    S.APPROVED: ("approved", "good"),
    S.EXECUTING: ("taking effect", "busy"),
    S.APPLIED: ("applied", "good"),
    S.REVERTED: ("reverted", "calm"),
    S.PARTLY_REVERTED: ("partly reverted", "wait"),
    S.REFUSED: ("refused", "bad"),
    S.DENIED: ("denied", "bad"),
    S.WITHDRAWN: ("withdrawn", "calm"),
    S.EXPIRED: ("expired", "calm"),
    S.FAILED: ("failed", "bad"),
    S.IN_DOUBT: ("in doubt", "bad"),
}


def state_words(state: ChangeState) -> str:
    """A state in words."""
    return _STATES[state][0]


def colour(state: ChangeState) -> str:
    """The class that a state is coloured by."""
    return _STATES[state][1]


def action_words(actions: Sequence[Action]) -> str:
    """`read, update and administer`."""
    said = ["administer" if action is Action.ADMIN else action.value for action in actions]
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)


_LEGEND = ("good", "calm", "busy", "wait", "bad")


def legend() -> list[tuple[str, str]]:
    """What each colour stands for: the class, and its states in words."""
    return [(kind, ", ".join(said for said, own in _STATES.values() if own == kind)) for kind in _LEGEND]


def decision_words(made: Decision) -> str:
    """What was decided, in a sentence."""
    match made:
        case Permit():
            return "Policy lets it pass."
        case Hold():
            return "Policy holds it for people."
        case Rehearse():
            return "Policy wants it rehearsed first."
        case Forbid(why):
            return f"Policy forbids it: {why}"
        case _:
            assert_never(made)


_TOKEN = re.compile(
    r"(?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))|(?P<string>'(?:[^']|'')*'?|\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z))"
    r"|(?P<name>\"(?:[^\"]|\"\")*\"?)|(?P<number>\b\d[\d_.eE]*\b)|(?P<mark>⟨U\+[0-9A-F]{4,6}⟩)|(?P<word>\b[A-Za-z_]\w*\b)",
    re.DOTALL,
)
_DESTROYS = frozenset(
    {"DELETE", "DROP", "TRUNCATE", "ALTER", "REVOKE", "GRANT", "UPDATE", "REPLACE", "CASCADE"}
)
_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    ADD ALL AND AS ASC BEGIN BETWEEN BY CASE CHECK COLUMN COMMIT CONFLICT CONSTRAINT CREATE CROSS DEFAULT DESC DISTINCT DO ELSE END
    EXISTS FOREIGN FROM FULL FUNCTION GROUP HAVING IF IN INDEX INNER INSERT INTO IS JOIN KEY LEFT LIKE LIMIT NOT NULL OFFSET ON OR
    ORDER OUTER PRIMARY REFERENCES RENAME RETURNING RIGHT ROLLBACK SCHEMA SELECT SET TABLE THEN TO TRIGGER TYPE UNION UNIQUE USING
    VALUES VIEW WHEN WHERE WITH
""",
    )
)


_CEDAR = re.compile(
    r"(?P<comment>//[^\n]*)|(?P<string>\"(?:[^\"\\]|\\.)*\"?)|(?P<note>@\w+)|(?P<number>\b\d+\b)|(?P<word>\b[A-Za-z_]\w*\b)"
)
_CEDAR_WORDS = frozenset(
    re.findall(
        r"\w+",
        "permit when unless principal action resource context in has like is if then else true false",
    )
)


def cedar_highlighted(text: str) -> Markup:
    """A policy with colours, every character visible."""
    spelled = visible(text)
    parts, place = Markup(""), 0
    for found in _CEDAR.finditer(spelled):
        parts += Markup.escape(spelled[place : found.start()])
        kind, place = _cedar_class(found), found.end()
        parts += (
            Markup('<span class="{}">{}</span>').format(kind, found[0]) if kind else Markup.escape(found[0])
        )
    return parts + Markup.escape(spelled[place:])


def _cedar_class(found: re.Match[str]) -> str:
    kind = found.lastgroup or ""
    if kind == "word":
        return "sql-destroys" if found[0] == "forbid" else "sql-word" if found[0] in _CEDAR_WORDS else ""
    return {"string": "string", "note": "sql-number"}.get(kind, f"sql-{kind}")


def highlighted(text: str) -> Markup:
    """A statement with colours, every character visible. The colours say nothing that decides: it is the text that counts."""
    spelled = visible(text)
    parts, place = Markup(""), 0
    for found in _TOKEN.finditer(spelled):
        parts += Markup.escape(spelled[place : found.start()])
        kind, place = _class(found), found.end()
        parts += (
            Markup('<span class="{}">{}</span>').format(kind, found[0]) if kind else Markup.escape(found[0])
        )
    return parts + Markup.escape(spelled[place:])


def _class(found: re.Match[str]) -> str:
    kind = found.lastgroup or ""
    if found["string"]:
        kind = "string"
    if kind != "word":
        return {"mark": "odd"}.get(kind, f"sql-{kind}")
    word = found[0].upper()
    return "sql-destroys" if word in _DESTROYS else "sql-word" if word in _WORDS else ""
