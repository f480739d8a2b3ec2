"""Plans and outcomes as they are stored: JSON behind a line that says what it is, cut into parts.

Bytes and times, which JSON lacks, are objects with one member, `$bytes` (base64) or `$time` (RFC 3339); an object that might be
taken for one of these is written as `$map`, a list of pairs. Decoding is strict: what isn't exactly such a value is refused.
"""

import base64
import binascii
import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from interlock.model.base import Value
from interlock.model.errors import Rejected

PART_BYTES = 4 << 20
"""The size of a part (the sdk's limit)."""
_VERSION = 1
_HEAD_BYTES = 4096

T = TypeVar("T", bound=Value)


class _Head(Value, frozen=True, omit_defaults=False):
    version: int
    what: str
    size: int
    sha256: str


def pack(value: Value) -> tuple[bytes, ...]:
    """Encode a value into parts of at most 4 MiB."""
    body = msgspec.json.encode(mark(value))
    head = _Head(_VERSION, type(value).__name__, len(body), hashlib.sha256(body).hexdigest())
    data = msgspec.json.encode(head) + b"\n" + body
    return tuple(data[place : place + PART_BYTES] for place in range(0, len(data), PART_BYTES))


def unpack(parts: Sequence[bytes], kind: type[T]) -> T:
    """Decode what `pack` made. Raises Rejected when it is anything else."""
    line, _, body = b"".join(parts).partition(b"\n")
    try:
        head = msgspec.json.decode(line[:_HEAD_BYTES], type=_Head)
        if head != _Head(_VERSION, kind.__name__, len(body), hashlib.sha256(body).hexdigest()):
            raise Rejected("the stored undo is of another version, or not whole")
        return msgspec.convert(unmark(msgspec.json.decode(body)), kind)
    except (msgspec.MsgspecError, binascii.Error, ValueError, TypeError, RecursionError):
        raise Rejected("the stored undo cannot be read") from None  # the cause may quote values


def mark(value: Any) -> Any:
    """JSON builtins of a value, marked where JSON lacks a type. Raises TypeError for what has no form."""
    match value:
        case None | bool() | str():
            return value
        case int() | float():
            return _number(value)
        case bytes() | bytearray():
            return {"$bytes": base64.b64encode(value).decode("ascii")}
        case datetime():
            return {"$time": value.isoformat()}
        case msgspec.Struct():
            return {name: mark(item) for name, item in _members(value)}
        case Mapping():
            return _mark_mapping(value)
        case list() | tuple():
            return [mark(item) for item in value]
        case _:
            raise TypeError(f"{type(value).__name__} cannot be stored")


def _number(value: int | float) -> int | float:
    if isinstance(value, float) and not math.isfinite(value):
        raise TypeError("a number that isn't finite cannot be stored")
    return value


def _members(value: msgspec.Struct) -> list[tuple[str, Any]]:
    """Those that aren't as they are by default."""
    members = ((item.name, getattr(value, item.name), item) for item in msgspec.structs.fields(value))
    return [(name, member) for name, member, item in members if not _default(item, member)]


def _default(item: msgspec.structs.FieldInfo, member: Any) -> bool:
    if item.default_factory is not msgspec.NODEFAULT:
        return bool(member == item.default_factory())
    return type(member) is type(item.default) and bool(member == item.default)


def _mark_mapping(value: Mapping[Any, Any]) -> Any:
    if not all(isinstance(name, str) for name in value):
        raise TypeError("a map with names other than text cannot be stored")
    if any(name.startswith("$") for name in value):
        return {"$map": [[name, mark(item)] for name, item in value.items()]}
    return {name: mark(item) for name, item in value.items()}


def unmark(value: Any) -> Any:
    """The value of marked builtins. Raises ValueError (or a kind of it) for a mark that isn't one."""
    if isinstance(value, list):
        return [unmark(item) for item in value]
    if not isinstance(value, dict):
        return value
    if not any(name.startswith("$") for name in value):
        return {name: unmark(item) for name, item in value.items()}
    match value:
        case {"$bytes": str(text), **rest} if not rest:
            return base64.b64decode(text, validate=True)
        case {"$time": str(text), **rest} if not rest:
            return datetime.fromisoformat(text)
        case {"$map": list(pairs), **rest} if not rest:
            return _unmark_pairs(pairs)
    raise ValueError("an unknown mark")


def _unmark_pairs(pairs: list[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in pairs:
        match pair:
            case [str(name), item] if name not in found:
                found[name] = unmark(item)
            case _:
                raise ValueError("not a pair")
    return found
