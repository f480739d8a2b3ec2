"""What of a sample everybody may see who may see the change: what it is made of, and none of the values in it.

The result depends on types, on NULLs, on which cells differ, and on a rough class of each length; not on the values. Keys are
shown when they are numbers, times or UUIDs, so that people can find the row; texts never are.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from interlock.model.base import Value
from interlock.model.operation import Resource
from interlock.model.sample import Cell, Row, Rows, Text

MASK = "•••"
_CLASSES: Final = ((0, "empty"), (3, "1–3"), (15, "4–15"), (63, "16–63"), (255, "64–255"))
_MANY: Final = "256 or more"
_PLAIN_KEYS: Final = frozenset(
    {
        "bigint", "boolean", "date", "integer", "numeric", "oid", "smallint", "time without time zone", "time with time zone",
        "timestamp with time zone", "timestamp without time zone", "uuid",
    }
)  # fmt: skip
"""Types of keys that are shown, as `format_type` names them."""
CONTEXT = 3
"""Lines that stay the same and are shown around those that don't."""

_TOKEN = re.compile(
    r"(?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))|(?P<escaped>\b[eE]'(?:[^'\\]|\\.|'')*(?:'|\Z))|(?P<string>'(?:[^']|'')*(?:'|\Z))"
    r"|(?P<name>\"(?:[^\"]|\"\")*(?:\"|\Z))|(?P<dollar>\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z))",
    re.DOTALL,
)
_BODY = re.compile(r"\A(?P<open>\$\w*\$)(?P<body>.*)(?P<close>\$\w*\$)\Z", re.DOTALL)
_LANGUAGE = re.compile(r"^\s*LANGUAGE\s+(\w+)", re.MULTILINE | re.IGNORECASE)
_FUNCTION = re.compile(r"^CREATE (OR REPLACE )?(FUNCTION|PROCEDURE)\b", re.MULTILINE)
_LIKE_SQL = frozenset({"sql", "plpgsql"})


class Line(Value, frozen=True):
    """A line of a comparison. `sort` is `same`, `removed`, `added` or `gap` (lines that stay the same are left out here)."""

    sort: str
    text: str


class Diff(Value, frozen=True, tag="diff"):
    """A definition or settings before and after, line by line."""

    resource: Resource
    lines: tuple[Line, ...]


def length_class(length: int) -> str:
    """`4–15`: how long a value is, roughly."""
    return next((name for most, name in _CLASSES if length <= most), _MANY)


def mask(length: int) -> str:
    """What is shown in the place of a value of so many characters."""
    return f"{MASK} {length_class(length)}"


def masked(part: Rows) -> Rows:
    """Rows without their values."""
    open_ = [column.key and column.type in _PLAIN_KEYS for column in part.columns]
    return msgspec.structs.replace(part, rows=tuple(_masked(row, open_) for row in part.rows))


def _masked(row: Row, open_: Sequence[bool]) -> Row:
    return Row(tuple(_cells(row.before, open_)), tuple(_cells(row.after, open_)), row.changed)


def _cells(cells: Sequence[Cell | None], open_: Sequence[bool]) -> Iterator[Cell | None]:
    for one, shown in zip(cells, open_, strict=False):
        if one is None or shown:
            yield one
        else:
            yield Cell(mask(one.length), kept=one.kept, masked=True)


def compared(part: Text, *, reveal: bool) -> Diff:
    """A comparison line by line. Without `reveal` the literals and comments of SQL are masked: lines are compared as they are, so
    that one that differs in nothing else is still shown as changed."""
    before, after = (
        part.before.split("\n") if part.before else [],
        part.after.split("\n") if part.after else [],
    )
    hide = part.language == "sql" and not reveal
    shown = (
        (without_literals(part.before), without_literals(part.after)) if hide else (part.before, part.after)
    )
    return Diff(part.resource, tuple(_lines(before, after, shown[0].split("\n"), shown[1].split("\n"))))


def _lines(before: list[str], after: list[str], old: list[str], new: list[str]) -> Iterator[Line]:
    groups = difflib.SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(CONTEXT)
    last = 0
    for group in groups:
        if group[0][1] > last:
            yield Line("gap", f"{group[0][1] - last} lines stay the same")
        for sort, i1, i2, j1, j2 in group:
            if sort == "equal":
                yield from (Line("same", text) for text in old[i1:i2])
                continue
            yield from (Line("removed", text) for text in old[i1:i2])
            yield from (Line("added", text) for text in new[j1:j2])
        last = group[-1][2]
    if last and len(before) > last:
        yield Line("gap", f"{len(before) - last} lines stay the same")


def without_literals(text: str) -> str:
    """SQL without what stands in literals and comments; as many lines as before. The body of a function (as `pg_get_functiondef`
    writes it) is looked into when its language reads like SQL, else it is masked line by line."""
    if not _FUNCTION.search(text):
        return _TOKEN.sub(_inner, text)
    language = _LANGUAGE.search(text)
    if language is not None and language[1].lower() in _LIKE_SQL:
        return _TOKEN.sub(_looked_into, text)
    return _TOKEN.sub(_by_line, text)


def _looked_into(found: re.Match[str]) -> str:
    body = _BODY.match(found[0]) if found["dollar"] is not None else None
    if body is None:
        return _inner(found)
    return body["open"] + _TOKEN.sub(_inner, body["body"]) + body["close"]


def _by_line(found: re.Match[str]) -> str:
    body = _BODY.match(found[0]) if found["dollar"] is not None else None
    if body is None:
        return _inner(found)
    lines = (MASK if line else "" for line in body["body"].split("\n"))
    return body["open"] + "\n".join(lines) + body["close"]


def _inner(found: re.Match[str]) -> str:
    return found[0] if found["name"] is not None else _hidden(found)


def _hidden(found: re.Match[str]) -> str:
    rest = "\n" * found[0].count("\n")
    if found["comment"] is not None:
        return f"-- {MASK}{rest}" if found[0].startswith("--") else f"/* {MASK} */{rest}"
    return f"'{MASK}'{rest}"
