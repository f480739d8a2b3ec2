"""YAML with the line of each key, so that every complaint about a configuration says where."""

import difflib
import re
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from interlock.model.errors import Misconfigured

Key: TypeAlias = tuple[str, ...]
"""The way to a value: `("targets", "shop", "listen")`."""

LARGEST = 1 << 20


class Source:
    """A parsed file: plain data, and lines by key."""

    def __init__(self, name: str, text: str) -> None:
        """Raises Misconfigured for text that is not YAML, or names a key twice."""
        self.name = name
        self._lines: dict[Key, int] = {}
        self._seen: set[int] = set()
        try:
            self.data: Any = self._parse(text)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 1
            raise Misconfigured(f"{name}:{line}: not valid YAML: {_unquoted(error.problem)}") from None
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise Misconfigured(f"{name}:1: not valid YAML ({type(error).__name__})") from None

    def _parse(self, text: str) -> Any:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return {}
            self._walk(node, ())
            return loader.construct_document(node)
        finally:
            loader.dispose()

    @classmethod
    def read(cls, path: Path) -> "Source":
        """A file. Raises Misconfigured."""
        try:
            data = path.read_bytes()
            if len(data) > LARGEST:
                raise Misconfigured(f"{path} is larger than {LARGEST} bytes")
            return cls(str(path), data.decode())
        except FileNotFoundError:
            raise Misconfigured(f"there is no configuration {path}; `interlock init` writes one") from None
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured(f"{path} cannot be read ({type(error).__name__})") from None

    def _walk(self, node: Any, at: Key) -> None:
        if id(node) in self._seen:
            raise self.wrong(at, "no aliases, please: a reader must see what is in force")
        self._seen.add(id(node))
        self._lines.setdefault(at, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            self._mapping(node, at)
        elif isinstance(node, yaml.SequenceNode):
            for place, item in enumerate(node.value):
                self._walk(item, (*at, str(place)))

    def _mapping(self, node: yaml.MappingNode, at: Key) -> None:
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge" or not isinstance(key, yaml.ScalarNode):
                raise Misconfigured(
                    f"{self.name}:{key.start_mark.line + 1}: keys are plain words (no merges)"
                )
            here = (*at, str(key.value))
            if here in self._lines:
                raise self.wrong(here, "is given twice", key.start_mark.line + 1)
            self._lines[here] = key.start_mark.line + 1
            self._walk(value, here)

    def line(self, at: Key) -> int:
        """The line of a key, or of the nearest one around it."""
        while at and at not in self._lines:
            at = at[:-1]
        return self._lines.get(at, 1)

    def wrong(self, at: Key, what: str, line: int = 0) -> Misconfigured:
        """The error about a key."""
        return Misconfigured(f"{self.name}:{line or self.line(at)}: {'.'.join(at) or 'the file'}: {what}")

    def within(self, at: Key, what: str) -> Misconfigured:
        """The error of a connector about its own keys below `at`: with the line of the key that its text names, as
        `targets.shop.upstream: unknown key 'dns'`."""
        path, _, rest = what.removeprefix(".".join(at)).partition(":")
        inner = tuple(part for part in path.split(".") if part) if what.startswith(".".join(at)) else ()
        quoted = rest.split("'")[1] if rest.count("'") >= 2 else ""
        return Misconfigured(f"{self.name}:{self.line((*at, *inner, quoted))}: {what}")

    def mapping(self, value: object, at: Key) -> dict[str, Any]:
        """The value as a mapping with text keys; None (an empty section) is an empty one. Raises Misconfigured."""
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise self.wrong(at, "expected keys and values")
        return value

    def known(self, given: Iterable[Hashable], known: Iterable[str], at: Key) -> None:
        """Raise Misconfigured for a key that is not known, naming the nearest that is."""
        words = sorted(known)
        for key in given:
            if key not in words:
                near = difflib.get_close_matches(str(key), words, 1)
                hint = f"; did you mean {near[0]!r}?" if near else f" (known: {', '.join(words)})"
                raise self.wrong((*at, str(key)), f"unknown key{hint}")


def _unquoted(problem: str | None) -> str:
    """A problem without what it quotes of the file (names of aliases, anchors and tags): it may be a secret in a wrong place."""
    return re.sub(r"'[^'<]{2,}'", "'…'", problem or "")
