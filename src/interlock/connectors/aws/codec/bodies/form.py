"""Form bodies to parameters, by the model ("AWS Query protocol", "AWS EC2 query protocol").

Parameters are names with dots (`Filter.1.Value.2=x`). They are first put into a tree, where a name that is both a value
and a prefix, or that stands twice, is refused; numbers must run from 1 without gaps and without leading zeros, since services
differ in what they make of others (`InstanceId.1` beside `InstanceId.01`).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from interlock.connectors.aws.codec.bodies import scalars
from interlock.connectors.aws.codec.model import Member, Model, Shape
from interlock.connectors.aws.codec.percent import decoded
from interlock.connectors.aws.codec.request import Unclear, shown

Tree: TypeAlias = "dict[str, str | Tree]"
DEEPEST = 50
_EMPTY: Mapping[str, Callable[[], Any]] = {"structure": dict, "map": dict, "list": list}
MOST = 100_000


def read_form(data: str) -> dict[str, str]:
    """The pairs of an `application/x-www-form-urlencoded` text, each name once."""
    found: dict[str, str] = {}
    pairs = data.split("&", MOST) if data else []
    if len(pairs) > MOST:
        raise Unclear("there are too many parameters")
    for pair in pairs:
        name, equals, value = pair.partition("=")
        name = decoded(name, plus=True)
        if not equals or not name:
            raise Unclear("a parameter has no name or no value")
        if name in found:
            raise Unclear(f"a parameter stands twice: {shown(name)}")
        found[name] = decoded(value, plus=True)
    return found


def tree_of(pairs: Mapping[str, str]) -> Tree:
    """The parameters as a tree by the dots in their names."""
    root: Tree = {}
    for name, value in pairs.items():
        *path, last = name.split(".")
        if len(path) > DEEPEST:
            raise Unclear("the parameters are nested too deeply")
        node = root
        for step in path:
            below = node.setdefault(step, {})
            if isinstance(below, str):
                raise Unclear("a parameter is both a value and a structure")
            node = below
        if last in node:
            raise Unclear("a parameter is both a value and a structure")
        node[last] = value
    return root


class Form:
    """Reads trees of one service. `ec2` tells the second protocol from the first."""

    def __init__(self, model: Model, ec2: bool) -> None:
        self._model, self._ec2 = model, ec2

    def members(self, shape: Shape, node: "str | Tree") -> dict[str, Any]:
        """The members of a structure."""
        names = self._names(shape)
        found: dict[str, Any] = {}
        for wire, each in _branches(node).items():
            if wire not in names:
                raise Unclear(f"the model knows no parameter {shown(wire)} there")
            if names[wire].name in found:
                raise Unclear(f"a list is written in two ways: {shown(wire)}")
            found[names[wire].name] = self._value(names[wire], each)
        if shape.union and len(found) != 1:
            raise Unclear("a union has not exactly one member")
        return found

    def parameters(self, shape: Shape, pairs: Mapping[str, str]) -> dict[str, Any]:
        """The members of an input. Empty structures and lists leave no trace in a form: required ones are there all the same."""
        found = self.members(shape, tree_of(pairs))
        for each in shape.members:
            if each.name in shape.required and each.name not in found:
                kind = self._model.shape(each).type
                if kind in _EMPTY:
                    found[each.name] = _EMPTY[kind]()
        return found

    def _names(self, shape: Shape) -> Mapping[str, Member]:
        key = ("form", id(shape), self._ec2)
        names: Mapping[str, Member] | None = self._model.kept.get(key)
        if names is None:
            names = self._model.kept[key] = dict(self._named(shape.members))
        return names

    def _named(self, members: Iterable[Member]) -> Iterable[tuple[str, Member]]:
        for each in members:
            yield (_ec2_name(each) if self._ec2 else _name(each)), each
            item = self._model.shape(each).item
            # A flattened list may take its items' name in the place of its own; an empty one keeps its own.
            if not self._ec2 and each.flattened and item is not None and item.wire:
                yield item.wire, each

    def _value(self, ref: Member, node: "str | Tree") -> Any:
        shape = self._model.shape(ref)
        match shape.type:
            case "structure":
                return self.members(shape, node)
            case "list":
                return self._list(ref, shape, node)
            case "map":
                return self._map(ref, shape, node)
        if not isinstance(node, str):
            raise Unclear("a parameter is a structure where the model has a simple value")
        return scalars.scalar(shape.type, node, ref.timestamp or "iso8601")

    def _list(self, ref: Member, shape: Shape, node: "str | Tree") -> list[Any]:
        assert shape.item is not None
        item = shape.item
        if node == "" and not self._ec2:
            return []  # how botocore writes an empty list
        if not (ref.flattened or self._ec2):
            node = _only(node, item.wire or "member")
        return [self._value(item, each) for each in _numbered(node)]

    def _map(self, ref: Member, shape: Shape, node: "str | Tree") -> dict[str, Any]:
        assert shape.key is not None
        assert shape.value is not None
        if not ref.flattened:
            node = _only(node, "entry")
        found: dict[str, Any] = {}
        for entry in _numbered(node):
            parts = _branches(entry)
            key_name, value_name = _name(shape.key), _name(shape.value)
            if set(parts) != {key_name, value_name}:
                raise Unclear("an entry of a map has not one key and one value")
            key = self._value(shape.key, parts[key_name])
            if key in found:
                raise Unclear("a key stands twice in a map")
            found[key] = self._value(shape.value, parts[value_name])
        return found


def _name(ref: Member) -> str:
    return ref.query_name or ref.label


def _ec2_name(ref: Member) -> str:
    if ref.query_name:
        return ref.query_name
    return ref.wire[:1].upper() + ref.wire[1:] if ref.wire else ref.name


def _branches(node: "str | Tree") -> Tree:
    if isinstance(node, str):
        raise Unclear("a parameter is a simple value where the model has a structure")
    return node


def _only(node: "str | Tree", name: str) -> "str | Tree":
    """What is below the one name that may be there."""
    branches = _branches(node)
    if set(branches) != {name}:
        raise Unclear(f"a list or map is not written with {shown(name)}")
    return branches[name]


def _numbered(node: "str | Tree") -> "list[str | Tree]":
    branches = _branches(node)
    wanted = [str(number) for number in range(1, len(branches) + 1)]
    if not branches.keys() >= set(wanted):
        raise Unclear("the numbers of a list do not run from 1 without gaps")
    return [branches[number] for number in wanted]
