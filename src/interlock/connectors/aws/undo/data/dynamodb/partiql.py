"""Which item a PartiQL statement writes (DynamoDB developer guide, "PartiQL - a SQL-compatible query language").

UPDATE and DELETE write one item, whose whole key stands in WHERE by equalities joined with AND; INSERT names it in VALUE. Only
that much is understood: anything else is not, and then the call cannot be undone.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(
    r"""\s+|(?P<string>'(?:[^']|'')*')|(?P<name>"(?:[^"]|"")*"|[A-Za-z_][A-Za-z0-9_.-]*)"""
    r"""|(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<mark>\?)|(?P<sign><<|>>|<>|<=|>=|!=|[{}\[\],:()=<>+*/.-])"""
)


class NotUnderstood(Exception):
    """The statement may write anything."""


@dataclass(frozen=True, slots=True)
class Written:
    """The table (and index) that a statement writes, and the attributes that are certain of its item."""

    table: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str

    def word(self) -> str:
        """In upper case when it isn't quoted."""
        return self.text.upper() if self.kind == "name" and not self.text.startswith('"') else ""


def parse(statement: str, parameters: Sequence[Any]) -> Written | None:
    """What a statement writes; None when it only reads. Raises NotUnderstood."""
    return _Parser(_tokens(statement), list(parameters)).statement()


def _tokens(text: str) -> list[_Token]:
    found, place = [], 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or text.startswith(("--", "/*"), place):
            raise NotUnderstood
        place = match.end()
        if match.lastgroup:
            found.append(_Token(match.lastgroup, match[0]))
    return found


class _Parser:
    def __init__(self, tokens: list[_Token], parameters: list[Any]) -> None:
        self.tokens, self.parameters, self.place, self.marks = tokens, parameters, 0, 0

    def statement(self) -> Written | None:
        match self._next().word():
            case "SELECT":
                return None
            case "EXISTS":  # EXISTS(SELECT …) is a condition of a transaction
                return None
            case "INSERT":
                return self._insert()
            case "UPDATE":
                return self._where(self._name())
            case "DELETE":
                self._expect("FROM")
                return self._where(self._name())
        raise NotUnderstood

    def _insert(self) -> Written:
        self._expect("INTO")
        table = self._name()
        self._expect("VALUE")
        value = self._value()
        if self.place != len(self.tokens) or not isinstance(value, dict) or "M" not in value:
            raise NotUnderstood
        return Written(table, value["M"])

    def _where(self, table: str) -> Written:
        while self._next().word() != "WHERE":
            pass
        values: dict[str, Any] = {}
        while True:
            self._condition(values)
            if self.place == len(self.tokens) or self._peek().word() == "RETURNING":
                return Written(table, values)
            self._expect("AND")

    def _condition(self, values: dict[str, Any]) -> None:
        """One equality. Other comparisons only narrow what is written, so they are passed over; OR and NOT may not be there."""
        if self._peek().word() in ("NOT", "EXISTS"):
            raise NotUnderstood
        name, sign = self._name(), self._next().text
        if sign == "=":
            value = self._value()
            if values.setdefault(name, value) != value:
                raise NotUnderstood
        elif sign == "(":
            while self._next().text != ")":
                pass
        elif sign in ("<", ">", "<=", ">=", "<>", "!="):
            self._value()
        else:
            raise NotUnderstood

    def _value(self) -> Any:
        token = self._next()
        match token.kind:
            case "string":
                return {"S": token.text[1:-1].replace("''", "'")}
            case "number":
                return {"N": token.text}
            case "mark":
                return self.parameters[self.marks - 1]
        match token.word() or token.text:
            case "TRUE" | "FALSE":
                return {"BOOL": token.word() == "TRUE"}
            case "NULL":
                return {"NULL": True}
            case "{":
                return {"M": self._map()}
            case "[":
                return {"L": self._list("]")}
        raise NotUnderstood

    def _map(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self._peek().text != "}":
            name = self._next()
            if name.kind != "string" or self._next().text != ":":
                raise NotUnderstood
            found[name.text[1:-1].replace("''", "'")] = self._value()
            self._comma("}")
        self._next()
        return found

    def _list(self, end: str) -> list[Any]:
        found: list[Any] = []
        while self._peek().text != end:
            found.append(self._value())
            self._comma(end)
        self._next()
        return found

    def _comma(self, end: str) -> None:
        if self._peek().text == ",":
            self._next()
        elif self._peek().text != end:
            raise NotUnderstood

    def _name(self) -> str:
        token = self._next()
        if token.kind != "name":
            raise NotUnderstood
        return token.text[1:-1].replace('""', '"') if token.text.startswith('"') else token.text

    def _expect(self, word: str) -> None:
        if self._next().word() != word:
            raise NotUnderstood

    def _peek(self) -> _Token:
        if self.place >= len(self.tokens):
            raise NotUnderstood
        return self.tokens[self.place]

    def _next(self) -> _Token:
        token = self._peek()
        self.place += 1
        if token.kind == "mark":
            self.marks += 1
            if self.marks > len(self.parameters):
                raise NotUnderstood
        return token
