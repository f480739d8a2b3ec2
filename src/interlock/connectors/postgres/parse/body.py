"""Look through the body of a function word by word.

A PL/pgSQL body cannot be parsed as SQL, and what it means depends on what its variables are. Its words do not: PL/pgSQL uses the
server's own scanner, and whatever a body calls, writes or sets, it must name in a word or build in dynamic SQL, and that needs the
word EXECUTE. So a body does at most what its words allow.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pglast import parser

from interlock.connectors.postgres import settings
from interlock.connectors.postgres.verbs.functions import ROWS
from interlock.connectors.postgres.verbs.rules import FunctionKind, words

MAX_BODY = 1 << 20
"""Characters that are looked through at most."""

_WRITES = words("insert update delete merge truncate copy execute refresh")
_DEFINES = words("create alter drop grant revoke comment security reassign import execute")
_NON_ASCII = re.compile(r"[^\x00-\x7f]")
_ENDS_LITERAL = words("; using into loop")
_KINDS = {
    FunctionKind.LASTING: "{}()",
    FunctionKind.DYNAMIC: "{}()",
    FunctionKind.REFUSED: "{}()",
}


@dataclass(frozen=True, slots=True)
class Body:
    """The words of a body (names as the server folds them, non-ASCII characters as `z`), those before a parenthesis, the operators;
    whether it may write rows, whether it may change definitions; and what in it escapes measuring or rollback."""

    words: frozenset[str] = frozenset()
    calls: frozenset[str] = frozenset()
    operators: frozenset[str] = frozenset()
    writes: bool = False
    defines: bool = False
    hazards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    word: str


def plain(name: str) -> str:
    """A name as :class:`Body` holds names."""
    return _NON_ASCII.sub("z", name)


def look_through(text: str) -> Body:
    """The words of a body in SQL or PL/pgSQL. What cannot be read is a hazard."""
    if len(text) > MAX_BODY:
        return Body(writes=True, defines=True, hazards=("a body too long to be read",))
    if _strange_tags(text) or "\0" in text:
        return Body(writes=True, defines=True, hazards=("quoting that cannot be read",))
    try:
        tokens = _tokens(_NON_ASCII.sub("z", text))
    except (parser.ParseError, UnicodeError):
        return Body(writes=True, defines=True, hazards=("text that cannot be read",))
    found = frozenset(token.word for token in tokens if token.word)
    calls = frozenset(a.word for a, b in pairwise(tokens) if a.word and b.text == "(")
    if any(a.word == "notify" and b.kind == "word" for a, b in pairwise(tokens)):
        calls |= {"pg_notify"}  # NOTIFY is the same thing
    operators = frozenset(token.text for token in tokens if token.kind == "operator")
    hazards, inner = [], []
    for place in range(len(tokens)):
        for hazard, literal in _at(tokens, place):
            hazards.append(hazard) if hazard else inner.append(look_through(literal))
    hazards += [_KINDS[ROWS[c].kind].format(c) for c in sorted(calls) if c in ROWS and ROWS[c].kind in _KINDS]
    body = Body(
        found, calls, operators, bool(found & _WRITES), bool(found & _DEFINES), tuple(dict.fromkeys(hazards))
    )
    for other in inner:
        body = _joined(body, other)
    return body


def _strange_tags(text: str) -> bool:
    """Whether a dollar quote may have a tag outside ASCII: two that differ would look alike after the replacement."""
    return not text.isascii() and any(
        not piece.isascii() and not any(c.isspace() for c in piece) for piece in text.split("$")[1:-1]
    )


def _joined(a: Body, b: Body) -> Body:
    return Body(
        a.words | b.words,
        a.calls | b.calls,
        a.operators | b.operators,
        a.writes or b.writes,
        a.defines or b.defines,
        tuple(dict.fromkeys((*a.hazards, *b.hazards))),
    )


def _tokens(text: str) -> list[_Token]:
    tokens = []
    for token in parser.scan(text):
        piece = text[token.start : token.end + 1]
        if token.name in ("SQL_COMMENT", "C_COMMENT"):
            continue
        if token.name == "UIDENT":
            raise UnicodeError("an identifier with escapes")
        if token.name == "IDENT" or token.kind != "NO_KEYWORD":
            word = piece[1:-1].replace('""', '"') if piece.startswith('"') else piece.lower()
            kind = "reserved" if token.kind == "RESERVED_KEYWORD" else "word"
            tokens.append(_Token(kind, piece.lower(), word))
        elif token.name.endswith("CONST"):
            tokens.append(_Token("literal", piece, ""))
        elif piece in ("(", ")", ";", ",", "."):
            tokens.append(_Token("mark", piece, ""))
        else:
            tokens.append(_Token("operator", piece, ""))
    return tokens


def _at(tokens: Sequence[_Token], place: int) -> Iterator[tuple[str, str]]:
    """(hazard, "") or ("", literal SQL that is run) for the token at a place."""
    after = tokens[place + 1 : place + 4]
    match tokens[place].word:
        case "execute":
            if _is_clause(tokens, place, after):
                return
            literal = _literal(after[0]) if after else None
            end = after[1].text if len(after) > 1 else ";"
            if literal is not None and end in _ENDS_LITERAL:
                yield "", literal
            else:
                yield "dynamic EXECUTE", ""
        case "do":
            yield from _do(tokens[place + 1 : place + 6])
        case "copy":
            yield "COPY", ""
        case "create" if {token.word for token in after} & {"function", "procedure"}:
            yield "CREATE FUNCTION", ""
        case "load" | "checkpoint" if after and (after[0].kind == "literal" or after[0].text == ";"):
            yield tokens[place].word.upper(), ""
        case "set" | "reset":
            yield from _set(after)
        case "set_config":
            yield from _set_config(after)


def _do(after: Sequence[_Token]) -> Iterator[tuple[str, str]]:
    """A DO inside of the body: what it runs is part of it. `DO UPDATE` of INSERT and `DO INSTEAD` of rules are no such thing."""
    words = [token.word for token in after]
    language, code, rest = "plpgsql", 0, 1
    if words[:1] == ["language"]:
        language, code, rest = words[1] if len(words) > 1 else "", 2, 3
    elif not after or after[0].kind != "literal":
        return
    elif words[1:2] == ["language"]:
        language, rest = words[2] if len(words) > 2 else "", 3
    literal = _literal(after[code]) if len(after) > code else None
    goes_on = len(after) > rest and after[rest].kind == "literal"  # adjacent literals are one
    if literal is None or goes_on:
        yield "DO that cannot be read", ""
    elif language != "plpgsql":
        yield f"language {language} in DO", ""
    else:
        yield "", literal


def _is_clause(tokens: Sequence[_Token], place: int, after: Sequence[_Token]) -> bool:
    """EXECUTE FUNCTION f(…) of CREATE TRIGGER, and GRANT EXECUTE; a variable may be called "function" as well."""
    if place and tokens[place - 1].text in ("grant", "revoke", ","):
        return True
    return (
        len(after) == 3
        and after[0].text in ("function", "procedure")
        and after[1].kind == "word"
        and after[1].text not in ("using", "into")
        and after[2].text in ("(", ".")
    )


def _set(after: Sequence[_Token]) -> Iterator[tuple[str, str]]:
    names = [token.word for token in after if token.word not in ("local", "session", "")]
    if not names:
        return
    name = names[0]
    # Other names after SET are columns of an UPDATE.
    kept = (settings.REFUSED, settings.FORCED, settings.VIRTUAL, settings.LIMITED, ("role",))
    if any(name in names for names in kept):
        yield f"SET {name}", ""
    elif name in ("session_authorization", "authorization"):
        yield "SET SESSION AUTHORIZATION", ""


def _set_config(after: Sequence[_Token]) -> Iterator[tuple[str, str]]:
    name = _literal(after[1]) if len(after) > 1 and after[0].text == "(" else None
    if name is None or settings.judge_unknown(name).verdict is not settings.Verdict.PASS:
        yield "set_config()", ""


def _literal(token: _Token) -> str | None:
    """The value of a plain string literal, or None."""
    text = token.text
    if token.kind != "literal":
        return None
    if text.startswith("'") and text.endswith("'") and len(text) > 1 and "\n" not in text:
        return text[1:-1].replace("''", "'")
    if text.startswith("$"):
        tag = text[: text.index("$", 1) + 1]
        return text[len(tag) : -len(tag)]
    return None
