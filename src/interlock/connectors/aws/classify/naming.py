"""Which values of a call's parameters stand for a variable of an ARN's form."""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import jmespath

from interlock.connectors.aws.classify.forms import is_arn

_ENDS = ("", "s", "name", "names", "id", "ids", "identifier", "identifiers", "arn", "arns", "friendlyname")
_TAILS = re.compile(r"(?:friendlyname|namewithpath|name|identifier|id|arn)\Z")
_ALONE = frozenset(("name", "names", "id", "ids", "identifier", "arn", "arns"))
"""Members that name what the operation is about, whatever that is."""


def values_of(
    prefix: str, kind: str, variable: str, operation: str, parameters: Mapping[str, Any], *, alone: bool
) -> list[str]:
    """The values for a variable of a resource type's form (`bucket`, `BucketName`), in the order in which the call has them.
    `alone` tells that the form has no other variable, so that what is named like the type fills it."""
    paths = _reviewed(prefix, kind, variable)
    if paths is not None:
        values = [_search(path, parameters) for path in paths]
    else:
        names = _all_names(kind, variable, operation, alone)
        values = [value for name, value in parameters.items() if plain(name) in names]
    found = [text for value in values if value is not None for text in _texts(value)]
    change = _CHANGES.get((prefix, variable), _as_it_is)
    return [changed for value in dict.fromkeys(found) if (changed := change(value))]


@lru_cache(maxsize=16_384)
def _all_names(kind: str, variable: str, operation: str, alone: bool) -> frozenset[str]:
    """The parameters, as `plain` names, that stand for a variable where nobody has reviewed which do."""
    about = (_ALONE if alone else {plain(variable)}) if plain(kind) in plain(operation) else frozenset()
    return _names(kind if alone else "", variable) | about


@lru_cache(maxsize=65_536)
def plain(name: str) -> str:
    """A name in lower case, without separators."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _names(kind: str, variable: str) -> frozenset[str]:
    stems = {plain(kind), plain(variable), _TAILS.sub("", plain(variable))} - {""}
    return frozenset(stem + end for stem in stems for end in _ENDS) - _ALONE


@lru_cache(maxsize=16_384)
def _reviewed(prefix: str, kind: str, variable: str) -> list[str] | None:
    rows = _table().get(prefix, {})
    found: list[str] | None = rows.get(f"{kind}.{variable}", rows.get(variable))
    return found


def _search(path: str, parameters: Mapping[str, Any]) -> Any:
    if path.isidentifier():
        return parameters.get(path)
    return None if _begins(path).isdisjoint(parameters) else _compiled(path).search(parameters)


@lru_cache(maxsize=256)
def _begins(path: str) -> frozenset[str]:
    """The parameters at which an expression begins: without any of them it finds nothing."""
    return frozenset(_first_names(_compiled(path).parsed))


_INTO = frozenset(
    (
        "subexpression",
        "index_expression",
        "pipe",
        "projection",
        "value_projection",
        "filter_projection",
        "flatten",
    )
)
"""Nodes whose later parts look into what the first one found."""


def _first_names(node: Mapping[str, Any]) -> Iterator[str]:
    if node["type"] == "field":
        yield node["value"]
    parts = node["children"]
    for part in parts[:1] if node["type"] in _INTO else parts:
        if isinstance(part, Mapping):
            yield from _first_names(part)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, int) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        for item in value:
            yield from _texts(item)


# -- values that are more than a name


def _as_it_is(value: str) -> str:
    return value


def _queue(value: str) -> str:
    """A queue's URL ends in /ACCOUNT/NAME (SQS developer guide, "Queue and message identifiers")."""
    return value.rstrip("/").rpartition("/")[2] if "://" in value else value


_FUNCTION = re.compile(r"(?:(?:[^:]*:)*function:|\d{12}:)?([^:]+)(?::.*)?\Z", re.DOTALL)


def _function(value: str) -> str:
    """A function's name, partial ARN or ARN, maybe with a version (Lambda API reference, "Invoke")."""
    if is_arn(value):
        return ":".join(value.split(":")[:7])
    found = _FUNCTION.match(value)
    return found.group(1) if found else value


def whole(service: str, arn: str) -> str:
    """The ARN of the thing itself, where a service takes that of its version."""
    return _function(arn) if service == "lambda" and ":function:" in arn else arn


def _key(value: str) -> str:
    return "" if value.startswith("alias/") or ":alias/" in value else value


def _alias(value: str) -> str:
    if value.startswith("alias/"):
        return value.removeprefix("alias/")
    return value if ":alias/" in value else ""


def _last(value: str) -> str:
    return value if is_arn(value) else value.rpartition("/")[2]


def _no_slash(value: str) -> str:
    return value if is_arn(value) else value.lstrip("/")


def _family(value: str) -> str:
    return value if is_arn(value) else value.partition(":")[0]


_CHANGES: Mapping[tuple[str, str], Callable[[str], str]] = {
    ("sqs", "QueueName"): _queue,
    ("lambda", "FunctionName"): _function,
    ("kms", "KeyId"): _key,
    ("kms", "Alias"): _alias,
    ("route53", "Id"): _last,
    ("ssm", "ParameterNameWithoutLeadingSlash"): _no_slash,
    ("ecs", "TaskDefinitionFamilyName"): _family,
}


@lru_cache(maxsize=256)
def _compiled(path: str) -> Any:
    return jmespath.compile(path)


@cache
def _table() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads(
        files("interlock.connectors.aws.classify").joinpath("members.toml").read_text("utf-8")
    )
