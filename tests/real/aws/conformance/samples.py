"""Sample parameters for any operation, made from its model: those that are required, or all."""

import datetime as dt
import itertools
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StringShape, StructureShape

_WHEN = dt.datetime(2024, 2, 29, 12, 34, 56, tzinfo=dt.UTC)
_DEEPEST = 6
_SPECIAL = {"KvsARN": "arn:aws:cloudfront::123456789012:key-value-store/example"}
"""What botocore itself checks. It also wants another library for global endpoints (`EndpointId`)."""


class Samples:
    """Makes values; each simple one differs from the one before, so that a value in the wrong place is noticed."""

    def __init__(self, everything: bool) -> None:
        self._everything = everything
        self._numbers = itertools.count(1)

    def of(self, operation: OperationModel) -> dict[str, Any]:
        """Parameters of an operation."""
        shape = operation.input_shape
        return self._structure(shape, ()) if shape is not None else {}

    def _structure(self, shape: StructureShape, above: tuple[str, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if getattr(shape, "is_tagged_union", False):
            name = min(shape.members, key=lambda each: self._depth(shape.members[each], (*above, shape.name)))
            return {name: self._value(shape.members[name], (*above, shape.name))}
        for name, member in shape.members.items():
            if name in shape.required_members or (self._everything and self._fits(member, above)):
                found[name] = _SPECIAL.get(name) or self._value(member, (*above, shape.name))
        return found

    def _depth(self, shape: Shape, above: tuple[str, ...]) -> int:
        if shape.name in above:
            return 9
        if isinstance(shape, ListShape):
            return 1 + self._depth(shape.member, (*above, shape.name))
        return 1 if isinstance(shape, StructureShape | MapShape) else 0

    def _fits(self, shape: Shape, above: tuple[str, ...]) -> bool:
        if isinstance(shape, ListShape) and shape.member.name in above:
            return False  # an empty list may be one that is too short
        return shape.name not in above and len(above) < _DEEPEST and shape.name != "EndpointId"

    def _value(self, shape: Shape, above: tuple[str, ...]) -> Any:
        match shape:
            case StructureShape():
                return {} if getattr(shape, "is_document_type", False) else self._structure(shape, above)
            case ListShape():
                return self._list(shape, (*above, shape.name))
            case MapShape():
                return self._map(shape, (*above, shape.name))
            case StringShape():
                return self._string(shape)
        return self._simple(shape)

    def _list(self, shape: ListShape, above: tuple[str, ...]) -> list[Any]:
        count = max(int(shape.metadata.get("min", 0)), 2 if self._everything else 1)
        if shape.member.name in above and not shape.metadata.get("min"):
            return []
        return [self._value(shape.member, above) for _ in range(min(count, 200))]

    def _map(self, shape: MapShape, above: tuple[str, ...]) -> dict[str, Any]:
        if shape.value.name in above:
            return {}
        keys = shape.key.enum[:2] if shape.key.enum else [self._string(shape.key) for _ in range(2)]
        return {key: self._value(shape.value, above) for key in keys}

    def _string(self, shape: StringShape) -> str:
        if shape.enum:
            return str(shape.enum[0])
        least = int(shape.metadata.get("min", 0))
        return f"v{next(self._numbers)}".ljust(least, "x")

    def _simple(self, shape: Shape) -> Any:
        number = next(self._numbers)
        least = shape.metadata.get("min", 0)
        match shape.type_name:
            case "boolean":
                return number % 2 == 0
            case "integer" | "long":
                return max(number, int(least))
            case "float" | "double":
                return max(number + 0.5, float(least))
            case "timestamp":
                return _WHEN + dt.timedelta(seconds=number)
            case "blob":
                return f"blob{number}".encode().ljust(int(least), b"x")
        return f"v{number}"
