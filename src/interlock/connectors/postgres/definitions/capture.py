"""Asking what objects are like, in an open transaction, leaving no trace in it.

`pg_get_viewdef` and its like lock what they describe: asked on the transaction's own connection they never wait for it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from interlock.connectors.postgres.definitions import others, relations
from interlock.connectors.postgres.definitions.closure import CLOSURE, MOST, tokens
from interlock.connectors.postgres.definitions.facet import RELATION, Address, Facet, Values
from interlock.connectors.postgres.definitions.lookup import LOOKUPS, lookup_keys
from interlock.connectors.postgres.queries import (
    CANONICAL_SETTINGS,
    Ask,
    On,
    QueryFailed,
    Rows,
    Statement,
    Steps,
    array,
    ask,
)

_QUESTIONS = {**relations.QUESTIONS, **others.QUESTIONS}
_LARGEST_VIEW = 64 << 20
"""Bytes: the largest materialized view whose content is compared."""
_SAVEPOINT = '"interlock portrait"'
_SETTINGS = {**CANONICAL_SETTINGS, "search_path": "pg_catalog, pg_temp"}
_ENTER: tuple[Statement, ...] = (
    (f"SAVEPOINT {_SAVEPOINT}", ()),
    ("SELECT " + ", ".join(f"pg_catalog.set_config('{k}', '{v}', true)" for k, v in _SETTINGS.items()), ()),
)
_LEAVE: tuple[Statement, ...] = (
    (f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}", ()),
    (f"RELEASE SAVEPOINT {_SAVEPOINT}", ()),
)
# ADD COLUMN and the like say what is new by name; what is called otherwise afterwards makes later answers speak of other things.
_RENAMES = re.compile(r"\brename\b|\bset\s+schema\b|\bset\s+search_path\b", re.IGNORECASE)


@dataclass(slots=True)
class Captures:
    """What a transaction's statements were found to meet, as it was before the transaction. `asked`: some statement was; `tainted`:
    names may have changed since; `too_many`: beyond the limit nothing more is kept.
    """

    facets: dict[Address, Facet] = field(default_factory=dict)
    seen: set[Address] = field(default_factory=set)
    asked: bool = False
    tainted: bool = False
    too_many: bool = False


def capture(
    captures: Captures, text: str, functions: Sequence[int], *, deep: bool, opaque: bool
) -> Steps[None]:
    """Before a statement: what it may touch is asked, unless it was before. `deep`: all that depends on what it names too;
    `opaque`: the statement runs code, which may do more than it says. Raises QueryFailed when the transaction is lost."""
    captures.asked = True
    found = yield from closure("agent", text, functions, deep=deep)
    fresh = [address for address in found or () if address not in captures.seen]
    captures.too_many = captures.too_many or found is None
    captures.seen.update(fresh)
    if fresh:
        facets = yield from portraits("agent", fresh)
        # What is none of the first state is no news of it.
        clean = [msgspec.structs.replace(facet, late=captures.tainted) for facet in facets if not facet.dirty]
        captures.facets |= {facet.address: facet for facet in clean}
    captures.tainted = captures.tainted or opaque or bool(_RENAMES.search(text))


def closure(on: On, text: str, functions: Sequence[int], *, deep: bool) -> Steps[list[Address] | None]:
    """The objects with names that occur in a statement (or in the functions it may run), and their parts; None beyond the limit."""
    given = (
        array(tokens(text)),
        "true" if deep else "false",
        "{" + ",".join(map(str, functions)) + "}",
    )
    rows = yield from _framed(on, [(CLOSURE, given)])
    if rows is None or len(rows[0]) > MOST:
        return None
    return [(int(catalog or 0), int(oid or 0)) for catalog, oid in rows[0]]


def portraits(on: On, addresses: Iterable[Address]) -> Steps[list[Facet]]:
    """What objects are like now; one that is no more, or of a kind that is not described, is absent."""
    by_catalog: dict[int, list[str]] = {}
    for catalog, oid in addresses:
        by_catalog.setdefault(catalog, []).append(str(oid))
    asked = [(c, o) for c, o in sorted(by_catalog.items()) if c in _QUESTIONS]
    replies = yield from _framed(on, [(_statement(c), (array(o),)) for c, o in asked])
    if replies is None:
        # One of them failed (an object went away meanwhile, say): it must not take the others along.
        replies = []
        for c, o in asked:
            replies += (yield from _framed(on, [(_statement(c), (array(o),))])) or [[]]
    facets = [_facet(catalog, row) for (catalog, _), rows in zip(asked, replies, strict=True) for row in rows]
    return (yield from _with_values(on, facets))


def stands(on: On, facets: Sequence[Facet]) -> Steps[dict[Address, Address]]:
    """Where objects of these names are now, by the facets' own addresses; those that are not there are absent."""
    by_catalog: dict[int, list[Facet]] = {}
    for facet in facets:
        if facet.catalog in LOOKUPS:
            by_catalog.setdefault(facet.catalog, []).append(facet)
    statements: list[Statement] = []
    for catalog, group in by_catalog.items():
        keys = zip(*(lookup_keys(facet) for facet in group), strict=True)
        statements.append((LOOKUPS[catalog], tuple(array(list(column)) for column in keys)))
    replies = yield from _framed(on, statements)
    found: dict[Address, Address] = {}
    for (catalog, group), rows in zip(by_catalog.items(), replies or (), strict=False):
        for place, oid in rows:
            found[group[int(place or 1) - 1].address] = catalog, int(oid or 0)
    return found


def _framed(on: On, statements: Sequence[Statement]) -> Steps[list[Rows] | None]:
    """Reads inside a savepoint that is rolled back: settings and locks go with it. None when one of them fails."""
    (reply,) = yield (Ask(on, (*_ENTER, *statements, *_LEAVE)),)
    if isinstance(reply, QueryFailed):
        yield from ask(Ask(on, _LEAVE))
        return None
    return reply[len(_ENTER) : len(reply) - len(_LEAVE)]


def _statement(catalog: int) -> str:
    return (
        "SELECT x.oid::pg_catalog.text, n.type, pg_catalog.to_jsonb(n.object_names)::pg_catalog.text,"
        " pg_catalog.to_jsonb(n.object_args)::pg_catalog.text, i.identity, x.v::pg_catalog.text, x.dirty::pg_catalog.text"
        f" FROM ({_QUESTIONS[catalog]}) AS x"
        f" CROSS JOIN LATERAL pg_catalog.pg_identify_object_as_address({catalog}, x.oid, 0) AS n"
        f" CROSS JOIN LATERAL pg_catalog.pg_identify_object({catalog}, x.oid, 0) AS i ORDER BY x.oid"
    )


def _facet(catalog: int, row: tuple[str | None, ...]) -> Facet:
    oid, kind, names, args, identity, values, dirty = row
    return Facet(
        (catalog, int(oid or 0)),
        kind or "",
        tuple(msgspec.json.decode(names or "[]", type=list[str])),
        tuple(msgspec.json.decode(args or "[]", type=list[str])),
        identity or "",
        msgspec.json.decode(values or "{}", type=Values),
        dirty == "true",
    )


def _with_values(on: On, facets: list[Facet]) -> Steps[list[Facet]]:
    """Sequences with where they stand (manual, CREATE SEQUENCE, "Notes"), materialized views with what they hold."""
    asked: list[tuple[Facet, str, str]] = []
    for facet in facets:
        if facet.catalog == RELATION and facet.sort == "S":
            asked.append(
                (
                    facet,
                    "value",
                    f"SELECT s.last_value::pg_catalog.text, s.is_called::pg_catalog.text FROM {facet.sql} AS s",
                )
            )
        elif facet.catalog == RELATION and facet.sort == "m" and facet.values["filled"]:
            sums = "pg_catalog.sum(pg_catalog.hashtextextended(t::pg_catalog.text, 0))::pg_catalog.text"
            small = (facet.values["size"] or 0) <= _LARGEST_VIEW
            sql = f"SELECT pg_catalog.count(*)::pg_catalog.text, {sums} FROM {facet.sql} AS t"
            asked += [(facet, "content", sql)] if small else []
    if not asked:
        return facets
    replies = yield from _framed(on, [(sql, ()) for _, _, sql in asked])
    if replies is None:
        replies = []
        for _, _, sql in asked:
            replies += (yield from _framed(on, [(sql, ())])) or [[]]
    more = {
        facet.address: {name: list(rows[0])}
        for (facet, name, _), rows in zip(asked, replies, strict=True)
        if rows
    }
    return [
        msgspec.structs.replace(facet, values={**facet.values, **more.get(facet.address, {})})
        for facet in facets
    ]
