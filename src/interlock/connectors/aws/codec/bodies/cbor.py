"""CBOR as Smithy's RPC v2 sends it (RFC 8949), read strictly: no name twice, no tag but points in time, nothing left over."""

import struct
from typing import Any

from interlock.connectors.aws.codec.bodies.scalars import seconds
from interlock.connectors.aws.codec.request import Unclear

DEEPEST = 100
_BREAK = object()
_WIDTHS = {24: 1, 25: 2, 26: 4, 27: 8}
_FLOATS = {25: ">e", 26: ">f", 27: ">d"}
_SIMPLE = {20: False, 21: True, 22: None, 23: None}
_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _LIST, _MAP, _TAG, _OTHER = range(8)
_INDEFINITE = 31


def read_cbor(data: bytes) -> Any:
    """The value in `data`; Unclear when it isn't exactly one."""
    reader = _Reader(data)
    value = reader.value(0)
    if reader.at != len(data):
        raise Unclear("something follows the CBOR value")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def _take(self, size: int) -> bytes:
        taken = self._data[self.at : self.at + size]
        if len(taken) != size:
            raise Unclear("the CBOR value is cut short")
        self.at += size
        return taken

    def _argument(self, info: int) -> int:
        if info < 24:
            return info
        if info not in _WIDTHS:
            raise Unclear("a CBOR length is malformed")
        return int.from_bytes(self._take(_WIDTHS[info]), "big")

    def value(self, depth: int) -> Any:
        found = self._item(depth)
        if found is _BREAK:
            raise Unclear("a CBOR break stands alone")
        return found

    def _item(self, depth: int) -> Any:
        if depth > DEEPEST:
            raise Unclear("the body is nested too deeply")
        first = self._take(1)[0]
        major, info = first >> 5, first & 31
        if major == _OTHER:
            return self._other(info)
        if major in (_LIST, _MAP):
            return self._list(info, depth) if major == _LIST else self._map(info, depth)
        if major in (_BYTES, _TEXT):
            return self._string(major, info)
        return self._numeric(major, self._argument(info), depth)

    def _numeric(self, major: int, argument: int, depth: int) -> Any:
        if major == _UNSIGNED:
            return argument
        if major == _NEGATIVE:
            return -1 - argument
        return self._tagged(argument, depth)

    def _tagged(self, tag: int, depth: int) -> Any:
        value = self.value(depth + 1)
        if tag != 1 or isinstance(value, bool) or not isinstance(value, int | float):
            raise Unclear("a CBOR tag is not a point in time")
        return seconds(value)

    def _other(self, info: int) -> Any:
        if info in _SIMPLE:
            return _SIMPLE[info]
        if info in _FLOATS:
            return struct.unpack(_FLOATS[info], self._take(_WIDTHS[info]))[0]
        if info == _INDEFINITE:
            return _BREAK
        raise Unclear("a CBOR value has no meaning in this protocol")

    def _string(self, major: int, info: int) -> Any:
        data = self._pieces(major) if info == _INDEFINITE else self._take(self._argument(info))
        if major == _BYTES:
            return data
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise Unclear("a text is not UTF-8") from None

    def _pieces(self, major: int) -> bytes:
        pieces = []
        while (first := self._take(1)[0]) != 0xFF:
            if first >> 5 != major or first & 31 == _INDEFINITE:
                raise Unclear("a CBOR string has pieces of another kind")
            pieces.append(self._take(self._argument(first & 31)))
        return b"".join(pieces)

    def _list(self, info: int, depth: int) -> list[Any]:
        items: list[Any] = []
        if info != _INDEFINITE:
            for _ in range(self._argument(info)):
                items.append(self.value(depth + 1))
            return items
        while (item := self._item(depth + 1)) is not _BREAK:
            items.append(item)
        return items

    def _map(self, info: int, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        left = -1 if info == _INDEFINITE else self._argument(info)
        while left != 0:
            left -= 1
            name = self._item(depth + 1)
            if name is _BREAK and info == _INDEFINITE:
                break
            self._put(found, name, depth)
        return found

    def _put(self, found: dict[str, Any], name: Any, depth: int) -> None:
        if not isinstance(name, str):
            raise Unclear("a name in a CBOR map is not a text")
        if name in found:
            raise Unclear("a name stands twice in a CBOR map")
        found[name] = self.value(depth + 1)
