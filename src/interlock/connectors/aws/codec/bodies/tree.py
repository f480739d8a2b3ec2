"""JSON and CBOR values to parameters, by the model ("AWS JSON 1.0 and 1.1", "AWS restJson1", "Smithy RPC v2 CBOR")."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from interlock.connectors.aws.codec.bodies import scalars
from interlock.connectors.aws.codec.model import Member, Model, Shape
from interlock.connectors.aws.codec.request import Unclear, shown

DEEPEST = 100


class Tree:
    """Reads values of one service. `binary` is CBOR's way: blobs are bytes and timestamps are tagged."""

    def __init__(self, model: Model, binary: bool = False) -> None:
        self._model, self._binary = model, binary

    def members(self, shape: Shape, members: Iterable[Member], value: Any) -> dict[str, Any]:
        """The members of a structure; those that are null count as absent."""
        if not isinstance(value, dict):
            raise Unclear("there is no object where the model has a structure")
        names = self._names(shape, members)
        found = {}
        for wire, each in value.items():
            if wire not in names:
                raise Unclear(f"the model knows no member {shown(wire)} there")
            if each is not None:
                found[names[wire].name] = self.value(names[wire], each)
        if shape.union and len(found) != 1:
            raise Unclear("a union has not exactly one member")
        return found

    def _names(self, shape: Shape, members: Iterable[Member]) -> Mapping[str, Member]:
        key = ("tree", id(shape), members is shape.members)
        names: Mapping[str, Member] | None = self._model.kept.get(key)
        if names is None:
            names = self._model.kept[key] = {each.label: each for each in members}
        return names

    def value(self, ref: Member, value: Any) -> Any:
        """One value of the type that `ref` refers to."""
        shape = self._model.shape(ref)
        if shape.document:
            return value
        match shape.type:
            case "structure":
                return self.members(shape, shape.members, value)
            case "list":
                return self._list(shape, value)
            case "map":
                return self._map(shape, value)
        return self._scalar(ref, shape.type, value)

    def _list(self, shape: Shape, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise Unclear("there is no array where the model has a list")
        assert shape.item is not None
        item = shape.item
        return [None if each is None else self.value(item, each) for each in value]

    def _map(self, shape: Shape, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Unclear("there is no object where the model has a map")
        assert shape.value is not None
        ref = shape.value
        return {
            scalars.text(key): None if each is None else self.value(ref, each) for key, each in value.items()
        }

    def _scalar(self, ref: Member, kind: str, value: Any) -> Any:
        match value:
            case bool():
                return _fitting(kind, ("boolean",), value)
            case int() | float():
                return self._number(ref, kind, value)
            case str():
                return self._text(ref, kind, value)
            case bytes():
                return _fitting(kind, ("blob",), value)
            case dt.datetime():
                return _fitting(kind, ("timestamp",), value)
        raise Unclear(f"a value does not fit its type ({kind})")

    def _number(self, ref: Member, kind: str, value: float) -> Any:
        if kind == "timestamp" and not self._binary and ref.timestamp in ("", "unixtimestamp"):
            return scalars.seconds(value)
        if kind in ("integer", "long") and isinstance(value, int):
            return scalars.whole(value, kind)
        return _as_float(_fitting(kind, ("float", "double"), value))

    def _text(self, ref: Member, kind: str, value: str) -> Any:
        if kind in ("string", "character"):
            return scalars.text(value)
        if self._binary:
            return _fitting(kind, (), value)
        if kind == "blob":
            return scalars.blob(value)
        if kind == "timestamp" and ref.timestamp in ("iso8601", "rfc822"):
            return scalars.timestamp(value, ref.timestamp)
        return scalars.special(_fitting(kind, ("float", "double"), value))


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        raise Unclear("a number does not fit its type (double)") from None


def _fitting(kind: str, kinds: tuple[str, ...], value: Any) -> Any:
    if kind not in kinds:
        raise Unclear(f"a value does not fit its type ({kind})")
    return value
