"""REST routes: which operations of a service a method, a path, a query and headers may ask for, the most specific first.

An operation fits when its path does, when the literal parts of its query are there, and when the members that it requires in the
query and in headers are there too: S3 tells `UploadPart` from `PutObject` and `CopyObject` by nothing else (S3 API Reference).
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from interlock.connectors.aws.codec.model import Model, Operation

_LABEL = re.compile(r"\{([^}+]+)(\+?)\}")


class Found(NamedTuple):
    """An operation that fits, with its labels as they stand in the path, still encoded."""

    operation: Operation
    labels: Mapping[str, str]


class Route(NamedTuple):
    """An operation's way of being asked for. `rank` sorts the more specific before the less."""

    operation: Operation
    pattern: re.Pattern[str]
    labels: tuple[str, ...]
    literal: Mapping[str, str]
    query: frozenset[str]
    headers: frozenset[str]
    rank: tuple[int, ...]

    def fits(self, path: str, query: Mapping[str, Sequence[str]], headers: Mapping[str, str]) -> Found | None:
        """The labels, when a request is asking for the operation."""
        if not (self.query <= query.keys() and self.headers <= headers.keys()):
            return None
        if any(list(query.get(name, ())) != [value] for name, value in self.literal.items()):
            return None
        match = self.pattern.fullmatch(path)
        return Found(self.operation, dict(zip(self.labels, match.groups(), strict=True))) if match else None


def fitting(
    model: Model, method: str, path: str, query: Mapping[str, Sequence[str]], headers: Mapping[str, str]
) -> list[Found]:
    """The most specific operations that fit, of equal rank: usually one or none."""
    best: list[Found] = []
    rank: tuple[int, ...] | None = None
    for route in _routes(model).get(method, ()):
        if rank is not None and route.rank != rank:
            break
        found = route.fits(path, query, headers)
        if found is not None:
            best.append(found)
            rank = route.rank
    return best


def rank_of(model: Model, operation: Operation) -> tuple[int, ...]:
    """How specific the path of an operation is, the lower the more: what decides between services."""
    return _rank(operation.uri.partition("?")[0], 0, 0, 0, False)


def literal_query(operation: Operation) -> dict[str, str]:
    """What an operation's own URI says in the query."""
    pairs = operation.uri.partition("?")[2]
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs.split("&") if pair)}


def _routes(model: Model) -> Mapping[str, list[Route]]:
    kept: dict[str, list[Route]] | None = model.kept.get("routes")
    if kept is None:
        kept = {}
        for operation in model.operations.values():
            kept.setdefault(operation.method, []).append(_route(model, operation))
        for routes in kept.values():
            routes.sort(key=lambda route: route.rank)
        model.kept["routes"] = kept
    return kept


def _route(model: Model, operation: Operation) -> Route:
    path = operation.uri.partition("?")[0]
    labels = tuple(name for name, _ in _LABEL.findall(path))
    literal = literal_query(operation)
    shape = model.shape(operation.input)
    required = [each for each in shape.members if each.name in shape.required]
    query = frozenset(each.label for each in required if each.location == "querystring")
    headers = frozenset(each.label.lower() for each in required if each.location == "header")
    pattern = re.compile(_pattern(model, path), re.DOTALL)
    rank = _rank(path, len(literal), len(query), len(headers), operation.deprecated)
    return Route(operation, pattern, labels, literal, query, headers - _ALWAYS, rank)


_ALWAYS = frozenset({"content-type", "content-length", "host"})
"""Headers that are there anyway, so that they tell nothing."""


def _pattern(model: Model, path: str) -> str:
    parts, at = [], 0
    for label in _LABEL.finditer(path):
        parts.append(re.escape(path[at : label.start()]))
        parts.append("(.+)" if label[2] else "([^/]+)")
        at = label.end()
    parts.append(re.escape(path[at:]))
    # Clients send `/bucket/` for `/bucket`; everywhere else a slash at the end makes another path.
    slash = "/?" if model.name == "s3" and not path.endswith(("/", "+}")) else ""
    return "".join(parts) + slash


def _rank(path: str, literal: int, query: int, headers: int, deprecated: bool) -> tuple[int, ...]:
    """Literal segments beat labels and labels beat greedy ones, from the left; then more literal query, more required members."""
    kinds = tuple(0 if "{" not in part else 2 if "+}" in part else 1 for part in path.strip("/").split("/"))
    return (*kinds, 9, -literal, -query, -headers, int(deprecated))
