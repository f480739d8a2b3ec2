"""Puts parameters, mappings and conditions into a template's resources, as far as that is possible without the service."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from interlock.connectors.aws.preview.stacks.template import Declared, Template

_VARIABLE = re.compile(r"\$\{([^!}][^}]*)\}")
_NOTHING = object()
"""What `AWS::NoValue` is: the property isn't there."""


class Resolver:
    """`parameters` are values by name; a value that isn't known (NoEcho) is a mapping that stands for it."""

    def __init__(self, template: Template, parameters: Mapping[str, Any]) -> None:
        self.template, self.parameters = template, parameters
        self._asking: list[str] = []

    def properties(self, declared: Declared) -> dict[str, Any]:
        found = self._walk(dict(declared.properties))
        return found if isinstance(found, dict) else {}

    def exists(self, declared: Declared) -> bool | None:
        """Whether the resource's condition holds; None when that can't be said."""
        return self._condition(declared.condition) if declared.condition else True

    def _walk(self, node: Any) -> Any:
        if isinstance(node, Mapping):
            if len(node) == 1:
                name, value = next(iter(node.items()))
                if name in _FUNCTIONS:
                    return _FUNCTIONS[name](self, value)
            pairs = ((str(key), self._walk(value)) for key, value in node.items())
            return {key: value for key, value in pairs if value is not _NOTHING}
        if isinstance(node, list | tuple):
            return [value for value in map(self._walk, node) if value is not _NOTHING]
        return node

    def _ref(self, name: Any) -> Any:
        if name == "AWS::NoValue":
            return _NOTHING
        return self.parameters.get(name, {"Ref": name}) if isinstance(name, str) else {"Ref": name}

    def _sub(self, value: Any) -> Any:
        if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2:
            text, extra = value[0], self._walk(value[1])
        else:
            text, extra = value, {}
        if not isinstance(text, str) or not isinstance(extra, Mapping):
            return {"Fn::Sub": self._walk(value)}
        known = {**self.parameters, **extra}
        filled = _VARIABLE.sub(lambda found: _literal(known.get(found[1]), found[0]), text)
        left = set(_VARIABLE.findall(filled))
        rest = {name: known[name] for name in sorted(left) if name in known}
        return filled if not left else {"Fn::Sub": [filled, rest]}

    def _if(self, value: Any) -> Any:
        if not isinstance(value, Sequence) or len(value) != 3:
            return {"Fn::If": value}
        holds = self._condition(value[0])
        if holds is None:
            return {"Fn::If": [self._tree(value[0]), *(_there(self._walk(part)) for part in value[1:])]}
        return self._walk(value[1] if holds else value[2])

    def _tree(self, name: Any) -> Any:
        return _there(self._walk(self.template.conditions.get(name, name)))

    def _in_map(self, value: Any) -> Any:
        path = self._walk(value)
        if isinstance(path, list) and len(path) == 3 and all(isinstance(part, str) for part in path):
            found: Any = self.template.mappings
            for part in path:
                found = found.get(part) if isinstance(found, Mapping) else None
            if found is not None:
                return found
        return {"Fn::FindInMap": path}

    def _join(self, value: Any) -> Any:
        parts = self._walk(value)
        texts = parts[1] if isinstance(parts, list) and len(parts) == 2 else None
        if isinstance(texts, list) and all(isinstance(part, str | int) for part in texts):
            return str(parts[0]).join(map(str, texts))
        return {"Fn::Join": parts}

    def _condition(self, name: Any) -> bool | None:
        if not isinstance(name, str) or name in self._asking or name not in self.template.conditions:
            return None
        self._asking.append(name)
        try:
            return self._holds(self.template.conditions[name])
        finally:
            self._asking.pop()

    def _holds(self, tree: Any) -> bool | None:
        if not isinstance(tree, Mapping) or len(tree) != 1:
            return None
        function, value = next(iter(tree.items()))
        if function == "Condition":
            return self._condition(value)
        if not isinstance(value, Sequence) or isinstance(value, str):
            return None
        if function == "Fn::Equals" and len(value) == 2:
            one, other = (self._walk(part) for part in value)
            return str(one) == str(other) if _plain(one) and _plain(other) else None
        return _logic(function, [self._holds(part) for part in value])


def _logic(function: str, parts: Sequence[bool | None]) -> bool | None:
    if function == "Fn::Not" and len(parts) == 1:
        return None if parts[0] is None else not parts[0]
    if function == "Fn::And":
        return False if False in parts else None if None in parts else True
    if function == "Fn::Or":
        return True if True in parts else None if None in parts else False
    return None


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool)


def _there(value: Any) -> Any:
    return None if value is _NOTHING else value


def _literal(value: Any, otherwise: str) -> str:
    return str(value) if _plain(value) else otherwise


_FUNCTIONS = {
    "Ref": Resolver._ref,
    "Fn::Sub": Resolver._sub,
    "Fn::If": Resolver._if,
    "Fn::FindInMap": Resolver._in_map,
    "Fn::Join": Resolver._join,
}


def leans_on(node: Any) -> Iterator[str]:
    """The logical names (and parameters that aren't known) that a value refers to."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name == "Ref" and isinstance(value, str):
                yield value
            elif name == "Fn::GetAtt":
                yield str(value[0]) if isinstance(value, list | tuple) and value else str(value).split(".")[0]
            elif name == "Fn::Sub":
                text = value[0] if isinstance(value, list | tuple) and value else value
                yield from (found.split(".")[0] for found in _VARIABLE.findall(str(text)))
            yield from leans_on(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from leans_on(value)
