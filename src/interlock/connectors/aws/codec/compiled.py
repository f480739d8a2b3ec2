"""From a botocore service model to our own: the shapes that inputs reach, and the traits that matter to requests."""

from collections.abc import Mapping
from typing import Any

from interlock.connectors.aws.codec import legacy
from interlock.connectors.aws.codec.model import PROTOCOLS, Head, Member, Operation, Service, Shape

Json = Mapping[str, Any]


def head_of(name: str, model: Json) -> Head:
    """What of a service is needed to find it."""
    about = model["metadata"]
    protocols = tuple(about.get("protocols") or (about["protocol"],))
    protocols += (legacy.PROTOCOL,) if name == legacy.SERVICE else ()
    return Head(
        name,
        about.get("signingName") or about["endpointPrefix"],
        tuple(each for each in protocols if each in PROTOCOLS),
        about["apiVersion"],
        about.get("targetPrefix", ""),
        about["endpointPrefix"],
    )


def compiled(name: str, model: Json) -> Service:
    """A service's operations, with the shapes of their inputs."""
    shapes = _Shapes(model["shapes"], name == legacy.SERVICE)
    operations = tuple(_operation(shapes, *each) for each in model["operations"].items())
    return Service(name, operations, tuple(shapes.done()))


def _operation(shapes: "_Shapes", name: str, told: Json) -> Operation:
    http = told.get("http", {})
    return Operation(
        name,
        http.get("method", "POST"),
        http.get("requestUri", "/"),
        shapes.ref("", told["input"]) if "input" in told else None,
        bool(told.get("deprecated")),
    )


class _Shapes:
    """Numbers shapes as they are reached; shapes may refer to themselves."""

    def __init__(self, told: Json, with_legacy: bool) -> None:
        self._told, self._with_legacy = told, with_legacy
        self._numbers: dict[str, int] = {}
        self._made: list[Shape | None] = []

    def done(self) -> list[Shape]:
        return [shape for shape in self._made if shape is not None]

    def ref(self, name: str, told: Json) -> Member:
        traits = {**self._told[told["shape"]], **told}
        return Member(
            name,
            self._number(told["shape"]),
            traits.get("locationName", ""),
            traits.get("location", ""),
            traits.get("queryName") or self._legacy(name, told["shape"]),
            traits.get("timestampFormat", "").lower(),
            bool(traits.get("flattened")),
            bool(traits.get("xmlAttribute")),
            bool(traits.get("jsonvalue")),
        )

    def _legacy(self, name: str, shape: str) -> str:
        return legacy.member_name(name, shape) if self._with_legacy else ""

    def _number(self, name: str) -> int:
        if name not in self._numbers:
            self._numbers[name] = number = len(self._made)
            self._made.append(None)
            self._made[number] = self._shape(name, self._told[name])
        return self._numbers[name]

    def _shape(self, name: str, told: Json) -> Shape:
        key, value = (legacy.key_name(name), legacy.VALUE_NAME) if self._with_legacy else ("", "")
        return Shape(
            told["type"],
            tuple(self.ref(name, each) for name, each in told.get("members", {}).items()),
            tuple(told.get("required", ())),
            self.ref("member", told["member"]) if "member" in told else None,
            self.ref("key", {"queryName": key, **told["key"]}) if "key" in told else None,
            self.ref("value", {"queryName": value, **told["value"]}) if "value" in told else None,
            told.get("payload", ""),
            streaming_of(told, self._told),
            bool(told.get("eventstream")),
            bool(told.get("document")),
            bool(told.get("union")),
        )


def streaming_of(told: Json, shapes: Json) -> bool:
    """Whether a shape streams, or is a structure whose payload does."""
    if told.get("payload"):
        member = told["members"][told["payload"]]
        return bool(member.get("streaming") or shapes[member["shape"]].get("streaming"))
    return bool(told.get("streaming"))
