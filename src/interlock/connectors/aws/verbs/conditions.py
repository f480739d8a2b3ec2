"""The condition language of the reviewed tables: JMESPath over a call's parameters, with a few functions of our own.

`!` binds tighter than `.`: write `!(A.B)`. By JMESPath's rules, absent members are null, and null, false, and empty texts,
lists and maps do not hold. Zero does. An error means that the condition holds: doubt means no.

| function | holds when |
|---|---|
| `public(document)` | the policy document allows something to everyone |
| `foreign(document)` | it allows something to another account than our own |
| `denies(document)` | it denies something to everyone (or to all but some) |
| `rootless(document)` | it does not let the account itself in |
| `almighty(document)` | it allows all actions |
| `outside(value)` | an account id or ARN (or one in a list) is of another account than our own |
| `like(value, pattern, …)` | a text (or one in a list) matches a pattern with `*`, whatever its case |
| `open(cidr)` | an address range (or one in a list) is the whole internet, or half of it |
| `writes(text)` | a SQL text is more than one plain reading statement |
| `guarded(tags)` | tag keys, or a map or list of tags, have one that guards rely on |
"""

import fnmatch
import ipaddress
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any

import jmespath
from jmespath import functions
from jmespath.exceptions import JMESPathError

from interlock.connectors.aws.verbs import documents, sql
from interlock.model.base import Value

_ANY: dict[str, list[str]] = {"types": []}


class Known(Value, frozen=True):
    """What conditions may ask besides the parameters: our own accounts, and the tag keys (lower case) that guards rely on."""

    accounts: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()


class _Functions(functions.Functions):  # type: ignore[misc]
    """The functions of the table above, besides JMESPath's own."""

    def __init__(self, known: Known) -> None:
        self.known = known

    @functions.signature(_ANY)  # type: ignore[untyped-decorator]
    def _func_public(self, document: object) -> bool:
        return document is not None and documents.is_public(document)

    @functions.signature(_ANY)  # type: ignore[untyped-decorator]
    def _func_foreign(self, document: object) -> bool:
        return document is not None and documents.is_foreign(document, self.known.accounts)

    @functions.signature(_ANY)  # type: ignore[untyped-decorator]
    def _func_denies(self, document: object) -> bool:
        return document is not None and documents.denies_widely(document)

    @functions.signature(_ANY)  # type: ignore[untyped-decorator]
    def _func_rootless(self, document: object) -> bool:
        return document is not None and documents.is_without_root(document, self.known.accounts)

    @functions.signature(_ANY)  # type: ignore[untyped-decorator]
    def _func_almighty(self, document: object) -> bool:
        return document is not None and documents.allows_everything(document)

    @functions.signature(_ANY)  # type: ignore[untyped-decorator]
    def _func_outside(self, value: object) -> bool:
        return documents.is_foreign_name(value, self.known.accounts)

    @functions.signature(_ANY, {"types": ["string"], "variadic": True})  # type: ignore[untyped-decorator]
    def _func_like(self, value: object, *patterns: str) -> bool:
        return any(_like(text, pattern) for text in _texts(value) for pattern in patterns)

    @functions.signature(_ANY)  # type: ignore[untyped-decorator]
    def _func_open(self, value: object) -> bool:
        return any(_is_open(text) for text in _texts(value))

    @functions.signature(_ANY)  # type: ignore[untyped-decorator]
    def _func_writes(self, value: object) -> bool:
        return any(sql.writes(text) for text in _texts(value))

    @functions.signature(_ANY)  # type: ignore[untyped-decorator]
    def _func_guarded(self, value: object) -> bool:
        return any(key.lower() in self.known.tags or "*" in self.known.tags for key in _keys(value))


@lru_cache(maxsize=4096)
def _compiled(when: str) -> Any:
    return jmespath.compile(when)


@lru_cache(maxsize=64)
def _options(known: Known) -> Any:
    return jmespath.Options(custom_functions=_Functions(known))


def holds(when: str, parameters: Mapping[str, Any], known: Known) -> bool:
    """Whether a condition holds of a call's parameters; the empty one always does."""
    if not when:
        return True
    try:
        found = _compiled(when).search(parameters, options=_options(known))
    except (JMESPathError, TypeError, ValueError, RecursionError):
        return True
    return found is True or (found is not False and found not in ("", None, [], {}))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _like(text: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(text.lower(), pattern.lower())


def _is_open(text: str) -> bool:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return True
    return network.prefixlen <= 1


def _keys(value: object) -> Iterator[str]:
    """The tag keys in a list of keys, a map, or a list of `{Key, Value}` (in whatever spelling of `Key`)."""
    if isinstance(value, Mapping):
        yield from (key for key in value if isinstance(key, str))
        return
    for item in value if isinstance(value, Collection) and not isinstance(value, str | bytes) else ():
        if isinstance(item, str):
            yield item
        elif isinstance(item, Mapping):
            yield from (v for k, v in item.items() if k.lower() in ("key", "tagkey") and isinstance(v, str))
