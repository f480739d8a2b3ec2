"""Secrets that stand in statements: passwords of roles, of user mappings and other foreign options, and in connection strings of
subscriptions. People who approve see a mask in their place.

Only what the server's own lexer calls a literal, in a place where the grammar takes nothing but such a value, is masked: a mask
never covers anything that would be run. Whatever cannot be read is shown as it is.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from pglast import parser

MASK = "***"
_MAY = re.compile(r"passw|secret|token|passphrase|credential|key|connection", re.IGNORECASE)
"""Without one of these words in it, a statement is not looked at any closer."""
_KINDS = frozenset({"ROLE", "USER", "GROUP_P", "SERVER", "FOREIGN", "SUBSCRIPTION"})
"""What is created or altered with such values (CREATE ROLE, CREATE USER MAPPING, CREATE SERVER, CREATE FOREIGN DATA WRAPPER and
TABLE, CREATE SUBSCRIPTION in the manual)."""
_SECRET = re.compile(r"passw|secret|token|passphrase|credential|(?:api|access|private)_?key", re.IGNORECASE)
"""Names of options."""
_CONNINFO = re.compile(
    r"(password\s*=\s*)(''(?:(?!'').)*''|[^\s']+)|(://[^:/@\s']*:)([^@\s']*)(?=@)", re.IGNORECASE
)
"""Passwords in a connection string, inside of a literal of SQL: keywords and values, or a URI ("Connection Strings", libpq)."""
_COMMENTS = ("C_COMMENT", "SQL_COMMENT")


def masked(sql: str) -> tuple[str, tuple[str, ...]]:
    """The text with masks, and what they stand for. What is masked already is found in the same places."""
    if not _MAY.search(sql):
        return sql, ()
    try:
        tokens = [t for t in parser.scan(sql) if t.name not in _COMMENTS]
    except (parser.ParseError, UnicodeError):
        return sql, ()
    parts: list[str] = []
    hidden: list[str] = []
    place = 0
    for start, end, text, secrets in _found(sql, tokens):
        parts += [sql[place:start], text]
        hidden += secrets
        place = end
    return "".join([*parts, sql[place:]]), tuple(hidden)


def _found(sql: str, tokens: Sequence[Any]) -> Iterator[tuple[int, int, str, list[str]]]:
    """Each literal that holds a secret: where it is, how it is shown, and what is hidden of it."""
    for statement in _statements(tokens):
        if (
            len(statement) < 2
            or statement[0].name not in ("CREATE", "ALTER")
            or statement[1].name not in _KINDS
        ):
            continue
        for before, token in pairwise(statement[1:]):
            if token.name != "SCONST":
                continue
            start, end = token.start, token.end + 1
            if before.name == "CONNECTION":
                yield start, end, *_in_conninfo(sql[start:end])
            elif _SECRET.search(sql[before.start : before.end + 1]) and before.name != "SCONST":
                yield start, end, f"'{MASK}'", [sql[start:end]]


def _statements(tokens: Sequence[Any]) -> Iterator[Sequence[Any]]:
    first = 0
    for place, token in enumerate(tokens):
        if token.name == "ASCII_59":
            yield tokens[first:place]
            first = place + 1
    yield tokens[first:]


def _in_conninfo(literal: str) -> tuple[str, list[str]]:
    hidden: list[str] = []

    def hide(found: re.Match[str]) -> str:
        hidden.append(found[2] or found[4] or "")
        return f"{found[1] or found[3]}{MASK}"

    return _CONNINFO.sub(hide, literal), hidden
