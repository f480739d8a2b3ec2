"""Statements that differ in whole numbers only are looked through once.

Neither whether a statement is a pure read, nor what a simple INSERT, UPDATE or DELETE reaches, depends on the value of a number
that fits an integer: types, and with them operators and functions, are resolved alike.
"""

import dataclasses
import re

import msgspec

from interlock.connectors.postgres.classify import StatementInfo, Way

_LONGEST = 16_384
_PLAIN = re.compile(r"[A-Za-z0-9_ =,.()*<>;\s+\-/%]*")
_COMMENT = re.compile(r"--|/\*")
_NUMBER = re.compile(r"(?<![\w.])\d{1,9}(?![\w.])")
_ORDINAL = re.compile(r"\bBY\b", re.IGNORECASE)
"""A number behind it may mean a column."""
_WRITES = frozenset(("InsertStmt", "UpdateStmt", "DeleteStmt"))


def shape(sql: str) -> str | None:
    """A text that differs from others of its shape only in whole numbers, or None.

    Only texts without quotes, comments and anything else that could hide where a number begins have a shape.
    """
    if len(sql) > _LONGEST or not _PLAIN.fullmatch(sql) or _COMMENT.search(sql):
        return None
    return _NUMBER.sub("0", sql)


def parameters(sql: str) -> tuple[str, list[bytes]]:
    """A text that has a shape with a parameter of type integer in the place of each whole number, and their values."""
    values: list[bytes] = []

    def taken(number: re.Match[str]) -> str:
        values.append(number[0].encode())
        return f"${len(values)}"

    return _NUMBER.sub(taken, sql), values


@dataclasses.dataclass(frozen=True, slots=True)
class Example:
    """One statement that stands for all of its shape. `behind` is how much (a semicolon, say) came behind it; `where` tells between
    which of its parts (cut at numbers) the condition stands: for its begin and its end the part, and the place from the
    end of the number before it. None when it has none."""

    info: StatementInfo
    behind: int
    where: tuple[tuple[int, int], tuple[int, int]] | None = None

    def like(self, sql: str) -> StatementInfo:
        """The statement of the same shape that `sql` is."""
        info = self.info
        text = sql[info.offset : len(sql) - self.behind]
        if text == info.text:
            return info
        operations = tuple(
            msgspec.structs.replace(o, native=text) if o.native else o for o in info.operations
        )
        if self.where is None or info.target is None:
            return dataclasses.replace(info, text=text, operations=operations)
        begins = _parts(text)
        begin, end = (begins[part] + place for part, place in self.where)
        target = dataclasses.replace(info.target, where_sql=text[begin:end])
        return dataclasses.replace(info, text=text, operations=operations, target=target)


def example(sql: str, infos: tuple[StatementInfo, ...]) -> Example | None:
    """What stands for all messages of the shape of `sql`, or None when each must be looked at by itself."""
    if len(infos) != 1:
        return None
    (info,) = infos
    behind = len(sql) - info.offset - len(info.text)
    if info.way is Way.PASS:
        return Example(info, behind)
    if info.way is not Way.GATED or info.node not in _WRITES or info.unresolved or info.escapes:
        return None
    if _ORDINAL.search(info.text):
        return None
    condition = info.target.where_sql if info.target is not None else ""
    if not condition:
        return Example(info, behind)
    begin = info.text.find(condition)
    if begin < 0 or info.text.find(condition, begin + 1) >= 0:
        return None  # which of them is the condition would be a guess
    return Example(info, behind, (_place(info.text, begin), _place(info.text, begin + len(condition))))


def _parts(text: str) -> list[int]:
    """Where the parts of a text begin: at its begin, and at the end of each number."""
    return [0, *(found.end() for found in _NUMBER.finditer(text))]


def _place(text: str, place: int) -> tuple[int, int]:
    begins = [begin for begin in _parts(text) if begin <= place]
    return len(begins) - 1, place - begins[-1]
