"""Parse SQL with libpg_query into plain dictionaries.

Nodes come as libpg_query's JSON (its `protobuf/pg_query.proto` lists them): `{"SelectStmt": {"targetList": [...]}}` where a field
may hold any node, and the bare fields where only one type is possible. This way is nine times faster than pglast's own
objects, it is not quadratic in non-ASCII characters, and a chain of 200,000 operators is an error instead of a crash: libpg_query
checks its stack when it writes JSON, msgspec when it reads it.
"""

import gc
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
from pglast import parser

from interlock.connectors.postgres.parse.errors import SqlSyntax, SqlTooComplex, SqlTooLarge

Node: TypeAlias = dict[str, Any]
"""The fields of one node; absent fields are zero, false or null."""

MAX_SQL = 16 << 20
"""Bytes of SQL that are read at most, unless the caller says otherwise."""

MAX_TREE = 64 << 20
"""Bytes of JSON that are decoded at most: about 1.5 seconds and a quarter of a gigabyte while it lasts."""

_BIG = 1 << 20
_decoder = msgspec.json.Decoder()
# In JSON a quote inside a string is always escaped, so neither pattern can match what a client wrote.
_PLACE = r'"[a-z_]*(?:location|list_start|list_end|stmt_len)":-?\d+'
_PLACES = re.compile(f",{_PLACE}|{_PLACE},?")
_CONSTANT = re.compile(
    r'"A_Const":\{(?:"isnull":true|"[a-z]+val":\{(?:"[a-z]+val":(?:"(?:[^"\\]|\\.)*"|true|-?\d+))?\})'
    r'(?:,"location":-?\d+)?\}'
)


@dataclass(frozen=True, slots=True)
class RawStatement:
    """One statement: node type, fields, its exact text without the semicolon, and where that starts (in characters)."""

    tag: str
    body: Node
    text: str
    offset: int


def outline(sql: str, limit: int = MAX_SQL) -> str:
    """Parse into JSON text. Raises SqlSyntax, SqlTooLarge, SqlTooComplex."""
    if len(sql) * 4 > limit and (size := len(sql.encode("utf-8", "surrogatepass"))) > limit:
        raise SqlTooLarge(size, limit)
    if "\0" in sql:
        # The C parser would stop there and show only what comes before.
        raise SqlSyntax("the text holds a NUL character", sql.index("\0") + 1)
    try:
        tree: str = parser.parse_sql_json(sql)
    except UnicodeEncodeError as error:
        raise SqlSyntax("the text is not valid UTF-8", error.start + 1) from None
    except parser.ParseError as error:
        message = str(error.args[0])
        if message.startswith("stack depth limit"):
            raise SqlTooComplex("the statement is nested too deeply") from None
        place = error.args[1] if len(error.args) > 1 else None
        if place is None and message.endswith("at end of input"):
            place = len(sql)
        raise SqlSyntax(message, None if place is None else place + 1) from None
    return tree


def shape(tree: str) -> str:
    """The JSON of :func:`outline` without constants and places: equal for statements that differ in nothing else."""
    return _PLACES.sub("", _CONSTANT.sub('"A_Const":0', tree))


def without_places(node: Node) -> str:
    """A node as JSON without the places where it stood, for comparing."""
    return _PLACES.sub("", msgspec.json.encode(node).decode())


def decode(tree: str, sql: str) -> tuple[RawStatement, ...]:
    """The statements of :func:`outline`'s JSON. Raises SqlTooComplex."""
    if len(tree) > MAX_TREE:
        tree = _CONSTANT.sub('"A_Const":{}', tree)
    if len(tree) > MAX_TREE:
        raise SqlTooComplex("the statement has too many parts; load rows with COPY, or in smaller statements")
    pause = len(tree) > _BIG and gc.isenabled()
    if pause:
        gc.disable()  # a million new dictionaries would be walked again and again
    try:
        found = _decoder.decode(tree).get("stmts", ())
    except RecursionError:
        raise SqlTooComplex("the statement is nested too deeply") from None
    finally:
        if pause:
            gc.enable()
    return tuple(_cut(found, sql))


def parse(sql: str, limit: int = MAX_SQL) -> tuple[RawStatement, ...]:
    """Split and parse. An empty query gives (). Raises SqlSyntax, SqlTooLarge, SqlTooComplex."""
    return decode(outline(sql, limit), sql)


def _cut(found: list[Node], sql: str) -> Iterator[RawStatement]:
    """Positions are byte offsets into UTF-8; a length of 0 (absent) means: to the end."""
    plain = sql.isascii()
    raw = b"" if plain else sql.encode()
    seen_bytes = seen_chars = 0
    for item in found:
        start, length = item.get("stmt_location", 0), item.get("stmt_len", 0)
        if plain:
            offset, text = start, sql[start : start + length] if length else sql[start:]
        else:
            seen_chars += len(raw[seen_bytes:start].decode())
            seen_bytes = start
            offset, text = seen_chars, (raw[start : start + length] if length else raw[start:]).decode()
        ((tag, body),) = item["stmt"].items()
        yield RawStatement(tag, body, text, offset)
