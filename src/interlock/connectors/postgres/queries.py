"""How this connector's sans-io parts ask questions: generators that yield `Ask`s and are sent the replies.

    def part() -> Steps[int]:
        [rows] = yield from ask(Ask("observer", (("SELECT pg_catalog.count(*) FROM public.t", ()),)))
        return int(rows[0][0] or 0)

A step is a tuple of `Ask`s for different connections, to be run **at the same time**; the reply is a tuple in the same order. The
statements of one `Ask` are sent in one write and run in order on one connection. An error is a reply (`QueryFailed`), not an
exception: the other connections of the step may have answered.
"""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

T = TypeVar("T")
On: TypeAlias = Literal["agent", "observer", "maintainer"]
Statement: TypeAlias = tuple[str, tuple[str | None, ...]]
"""SQL for the extended protocol and its parameters, as text; parameter types are left to the server to infer."""
Rows: TypeAlias = list[tuple[str | None, ...]]
"""The rows of one statement, each value as the type's output function gives it (text format, UTF-8)."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Run `statements` in order, in one write, on one connection.

    `agent` is the upstream connection of the agent, inside its open transaction; `observer` is outside any transaction (each
    statement sees what is committed then); `maintainer` is inside a transaction that the session opened.
    """

    on: On
    statements: tuple[Statement, ...]


OUTDATED = "0A000"
"""What the server says (feature_not_supported) when the columns of a table have changed under a prepared statement that selects all
of them. Asked once more, it is prepared anew."""


class QueryFailed(Exception):
    """The target answered a statement of an `Ask` with an error; the statements after it did not run.

    `sqlstate` is the five characters of the error (PostgreSQL manual, appendix A). The message may quote row values: it must
    not leave the connector.
    """

    def __init__(self, sqlstate: str, message: str = "") -> None:
        super().__init__(sqlstate, message)
        self.sqlstate = sqlstate
        self.message = message


Reply: TypeAlias = "list[Rows] | QueryFailed"
Steps: TypeAlias = Generator[tuple[Ask, ...], tuple[Reply, ...], T]
"""A sans-io part: run each yielded `Ask` of a step concurrently, send the replies back in order; returns a T."""


def ask(question: Ask) -> Steps[list[Rows]]:
    """Ask one connection; an error is raised."""
    (reply,) = yield (question,)
    return answered(reply)


def answered(reply: Reply) -> list[Rows]:
    """The rows, or the error raised."""
    if isinstance(reply, QueryFailed):
        raise reply
    return reply


# ---- settings under which values become text without loss -------------------------------------------------------------

CANONICAL_SETTINGS: dict[str, str] = {
    "search_path": "",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "quote_all_identifiers": "off",
    "row_security": "off",
    "xmloption": "content",
}
"""Every output (and input) function that depends on a setting then does the same on every connection. `row_security=off` makes a
query that a policy would filter fail instead. Observer and maintainer connections have them for good (startup packet or SET)."""

OBSERVER_SETTINGS: dict[str, str] = {
    **CANONICAL_SETTINGS,
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "read committed",
    "lock_timeout": "500ms",
    "client_encoding": "UTF8",
}
"""What the session sets on an observer connection when it opens it."""

_SAVEPOINT = '"interlock image"'
_ENTER: tuple[Statement, ...] = (
    (f"SAVEPOINT {_SAVEPOINT}", ()),
    (
        "SELECT "
        + ", ".join(f"pg_catalog.set_config('{k}', '{v}', true)" for k, v in CANONICAL_SETTINGS.items()),
        (),
    ),
)
_LEAVE: tuple[Statement, ...] = (
    (f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}", ()),
    (f"RELEASE SAVEPOINT {_SAVEPOINT}", ()),
)


def inside(statements: Iterable[Statement]) -> Ask:
    """Reads in the agent's transaction under canonical settings, leaving no trace in it: a savepoint is rolled back, which also
    restores the agent's settings. Take the reply apart with `inside_rows`; after an error send `recovery()`."""
    return Ask("agent", (*_ENTER, *statements, *_LEAVE))


def inside_rows(rows: list[Rows]) -> list[Rows]:
    """The replies to the statements given to `inside`."""
    return rows[len(_ENTER) : len(rows) - len(_LEAVE)]


def recovery() -> Ask:
    """After an error within `inside`: makes the agent's transaction usable again. (If this fails too, it is lost.)"""
    return Ask("agent", _LEAVE)


# ---- several parts at once --------------------------------------------------------------------------------------------


def together(parts: Sequence[Steps[T]]) -> Steps[list[T]]:
    """Run parts side by side: what they ask in the same round goes out as one `Ask` per connection. `agent` questions of the
    parts are plain reads; they are put `inside` here.

    An error reaches only the part that caused it: when the joint question fails, each is asked alone. Returns the parts'
    results in order; raises what a part does not catch.
    """
    results: dict[int, T] = {}
    waiting: dict[int, tuple[Ask, ...]] = {}
    for place, part in enumerate(parts):
        _advance(place, part, None, waiting, results)
    while waiting:
        asked = waiting
        waiting = {}
        replies = yield from _round(asked)
        for place in asked:
            _advance(place, parts[place], replies[place], waiting, results)
    return [results[place] for place in range(len(parts))]


def _advance(
    place: int,
    part: Steps[T],
    replies: tuple[Reply, ...] | None,
    waiting: dict[int, tuple[Ask, ...]],
    results: dict[int, T],
) -> None:
    try:
        waiting[place] = next(part) if replies is None else part.send(replies)
    except StopIteration as done:
        results[place] = done.value


def _round(asked: dict[int, tuple[Ask, ...]]) -> Steps[dict[int, tuple[Reply, ...]]]:
    groups: dict[On, list[tuple[int, int, Ask]]] = {}
    for place, step in asked.items():
        for number, question in enumerate(step):
            groups.setdefault(question.on, []).append((place, number, question))
    joint = tuple(_joint([q for _, _, q in group]) for group in groups.values())
    answers = yield joint
    found: dict[tuple[int, int], Reply] = {}
    for group, answer in zip(groups.values(), answers, strict=True):
        questions = [q for _, _, q in group]
        split = (
            _split(questions, answer)
            if isinstance(answer, list)
            else (yield from _one_by_one(questions, answer))
        )
        found |= {(place, number): reply for (place, number, _), reply in zip(group, split, strict=True)}
    return {
        place: tuple(found[place, number] for number in range(len(step))) for place, step in asked.items()
    }


def _joint(questions: Sequence[Ask]) -> Ask:
    statements = tuple(statement for question in questions for statement in question.statements)
    return inside(statements) if questions[0].on == "agent" else Ask(questions[0].on, statements)


def _split(questions: Sequence[Ask], rows: list[Rows]) -> list[Reply]:
    left = iter(inside_rows(rows) if questions[0].on == "agent" else rows)
    return [[next(left) for _ in question.statements] for question in questions]


def _one_by_one(questions: Sequence[Ask], failed: QueryFailed) -> Steps[list[Reply]]:
    if questions[0].on == "agent":
        yield from ask(recovery())
    if len(questions) == 1 and failed.sqlstate != OUTDATED:
        return [failed]
    replies: list[Reply] = []
    for question in questions:
        (reply,) = yield (_joint([question]),)
        if isinstance(reply, QueryFailed) and question.on == "agent":
            yield from ask(recovery())
        replies.append(reply if isinstance(reply, QueryFailed) else _split([question], reply)[0])
    return replies


# ---- SQL text ---------------------------------------------------------------------------------------------------------


def ident(name: str) -> str:
    """A quoted identifier (manual 4.1.1)."""
    return '"' + name.replace('"', '""') + '"'


def qualified(schema: str, name: str) -> str:
    """A schema-qualified, quoted name."""
    return f"{ident(schema)}.{ident(name)}"


def literal(text: str) -> str:
    """A string constant, whatever `standard_conforming_strings` is (manual 4.1.2.2)."""
    quoted = text.replace("'", "''")
    return "E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in text else "'" + quoted + "'"


def array(items: Sequence[str]) -> str:
    """An array literal of texts (manual 8.15.2), to be used as a parameter."""
    return "{" + ",".join('"' + i.replace("\\", "\\\\").replace('"', '\\"') + '"' for i in items) + "}"
