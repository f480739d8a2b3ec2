"""A service's model, cut down to what is needed to read its requests.

The source are botocore's `service-2.json` files; the traits are those of the "AWS protocols" of Smithy. A reference to a shape
carries the traits of the shape and of the reference, the latter first, as botocore merges them.
"""

from collections.abc import Mapping
from typing import Any

from interlock.model.base import Value

PROTOCOLS = ("query", "ec2", "json", "rest-json", "rest-xml", "smithy-rpc-v2-cbor")
BODY = ""
"""The location of a member that is in the body."""


class Member(Value, frozen=True, array_like=True):
    """A reference to a shape: a member of a structure, the items of a list, the keys and values of a map, an input."""

    name: str
    shape: int
    wire: str = ""
    location: str = BODY
    query_name: str = ""
    timestamp: str = ""
    flattened: bool = False
    attribute: bool = False
    jsonvalue: bool = False

    @property
    def label(self) -> str:
        """Its name on the wire, where the protocol has no other rule."""
        return self.wire or self.name


class Shape(Value, frozen=True, array_like=True):
    """A type. `members` are a structure's, `item` a list's, `key` and `value` a map's; `payload` names the one that is the body."""

    type: str
    members: tuple[Member, ...] = ()
    required: tuple[str, ...] = ()
    item: Member | None = None
    key: Member | None = None
    value: Member | None = None
    payload: str = ""
    streaming: bool = False
    eventstream: bool = False
    document: bool = False
    union: bool = False


class Operation(Value, frozen=True, array_like=True):
    """An operation and how it is asked for. `uri` holds labels in braces and perhaps a literal query."""

    name: str
    method: str = "POST"
    uri: str = "/"
    input: Member | None = None
    deprecated: bool = False


class Service(Value, frozen=True, array_like=True):
    """A service: its operations and the shapes of their inputs."""

    name: str
    operations: tuple[Operation, ...]
    shapes: tuple[Shape, ...]


class Head(Value, frozen=True, array_like=True):
    """What of a service is needed to find it. `signing` is its name in credential scopes, `target` its prefix in X-Amz-Target,
    `host` the first part of its host's name, which several may have in common."""

    name: str
    signing: str
    protocols: tuple[str, ...]
    version: str
    target: str = ""
    host: str = ""


EMPTY = Shape("structure")
"""The input of operations that have none."""


class Model:
    """A service with look-ups. What they find is kept; it depends on the service alone."""

    def __init__(self, head: Head, service: Service) -> None:
        self.head = head
        self.name = service.name
        self.shapes = service.shapes
        self.operations: Mapping[str, Operation] = {each.name: each for each in service.operations}
        self.kept: dict[Any, Any] = {}

    def shape(self, ref: Member | None) -> Shape:
        """The shape that is referred to."""
        return EMPTY if ref is None else self.shapes[ref.shape]

    def member(self, shape: Shape, name: str) -> Member:
        """A member by the model's own name."""
        return next(each for each in shape.members if each.name == name)
