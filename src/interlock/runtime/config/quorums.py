"""`quorums:` of the configuration (`control.deciding.quorum`)."""

from collections.abc import Iterator
from typing import Any, TypeVar

from interlock.model.people import Part, Quorum, Wider
from interlock.runtime.config.yaml_source import Key, Source

P = TypeVar("P", Part, Wider)
MOST = 100
"""Most people of one part."""


def read(source: Source, name: str, value: object) -> Quorum:
    """One quorum. Raises Misconfigured; fewer people for a wider effect than for a narrow one are an error too."""
    at: Key = ("quorums", name)
    keys = source.mapping(value, at)
    source.known(keys, ("count", "group", "also", "wider"), at)
    part = _part(source, {k: v for k, v in keys.items() if k in ("count", "group")}, at)
    also = tuple(_part(source, item, place) for item, place in _items(source, keys, "also", at))
    wider = tuple(_wider(source, item, place, part) for item, place in _items(source, keys, "wider", at))
    return Quorum(name, part.count, part.group, also, wider)


def _items(source: Source, keys: dict[str, Any], key: str, at: Key) -> Iterator[tuple[object, Key]]:
    value = keys.get(key, [])
    if not isinstance(value, list):
        raise source.wrong((*at, key), "expected a list")
    yield from ((item, (*at, key, str(place))) for place, item in enumerate(value))


def _part(source: Source, value: object, at: Key) -> Part:
    keys = source.mapping(value, at)
    source.known(keys, ("count", "group"), at)
    group = keys.get("group")
    if not isinstance(group, str) or not group:
        raise source.wrong((*at, "group"), "a quorum needs a group")
    return Part(_people(source, keys, at), group)


def _wider(source: Source, value: object, at: Key, usual: Part) -> Wider:
    keys = source.mapping(value, at)
    source.known(keys, ("objects", "rows", "count"), at)
    if keys.keys() <= {"count"}:
        raise source.wrong(at, "expected objects or rows: from how many on more people are needed")
    from_on = {name: _number(source, keys[name], (*at, name)) for name in ("objects", "rows") if name in keys}
    count = _people(source, keys, at)
    if count < usual.count:
        what = f"{count} people would be fewer than for a narrow effect ({usual.count})"
        raise source.wrong((*at, "count"), what)
    return Wider(count, **from_on)


def _people(source: Source, keys: dict[str, Any], at: Key) -> int:
    count = keys.get("count")
    if type(count) is not int or not 1 <= count <= MOST:
        raise source.wrong((*at, "count"), f"a quorum needs from 1 to {MOST} people")
    return count


def _number(source: Source, value: object, at: Key) -> int:
    if type(value) is not int or value < 1:
        raise source.wrong(at, f"expected a whole number of 1 or more, not {value!r}")
    return value
