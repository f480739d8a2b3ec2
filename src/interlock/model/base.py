"""What every value of the vocabulary is made of."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec
import rfc8785

Json: TypeAlias = "bool | int | str | Sequence[Json] | Mapping[str, Json] | None"
"""JSON without floats: they have no canonical form that survives every reader (and Cedar knows none)."""


_SORTED = msgspec.json.Encoder(order="sorted")
_DOUBTFUL = re.compile(rb"[:\[,]-?\d+(?:[.eE]|\d{15})|null", re.ASCII)
"""What might be a float, an integer that readers disagree about, or NaN; or only looks so, inside a text."""


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of all values: immutable, comparable, convertible to and from JSON builtins by msgspec."""


def to_json(value: object) -> Json:
    """Turn a value into JSON builtins (`datetime` as RFC 3339, enum members as their value)."""
    result: Json = msgspec.to_builtins(value)
    return result


def canonical(value: object) -> bytes:
    """Canonical JSON of a value (RFC 8785)."""
    builtins = to_json(value)
    # Twenty times as fast, and the same for ASCII: RFC 8785 sorts names by their UTF-16 units.
    try:
        data = _SORTED.encode(builtins)
    except UnicodeEncodeError:  # a lone surrogate: the next says so
        data = b""
    plain = data[:1] in (b"{", b"[") and data.isascii() and not _DOUBTFUL.search(data)
    return data if plain else rfc8785.dumps(builtins)


def digest_of(value: object) -> str:
    """SHA-256 of the canonical JSON, as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(canonical(value)).hexdigest()
