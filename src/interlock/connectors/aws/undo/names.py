"""Names in steps: `${NAME}` stands for what was answered earlier, `$${` for `${` itself."""

import re
from collections.abc import Mapping
from typing import Any

import jmespath

from interlock.model.errors import Rejected

SECRET = "secret_"
"""What names of values begin with that are never stored."""

_NAME = re.compile(r"\$(\$\{|\{([A-Za-z][A-Za-z0-9_]*)\})")
"""`${aws:username}` of a policy document is none."""


def search(path: str, answer: Any) -> Any:
    """What a JMESPath expression finds in an answer."""
    return jmespath.search(path, answer)


def fill(value: Any, saved: Mapping[str, Any]) -> Any:
    """Put what was saved in the places of its names. Raises Rejected for a name that nothing was saved under."""
    if isinstance(value, str):
        return _fill_text(value, saved)
    if isinstance(value, Mapping):
        return {name: fill(item, saved) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [fill(item, saved) for item in value]
    return value


def mentioned(value: Any) -> set[str]:
    """The names in a value."""
    if isinstance(value, str):
        return {found[2] for found in _NAME.finditer(value) if found[2]}
    if isinstance(value, Mapping):
        return set().union(*(mentioned(item) for item in value.values()))
    if isinstance(value, list | tuple):
        return set().union(*(mentioned(item) for item in value))
    return set()


def _fill_text(text: str, saved: Mapping[str, Any]) -> Any:
    whole = _NAME.fullmatch(text)
    if whole and whole[2]:
        return _saved(whole[2], saved)
    return _NAME.sub(lambda found: str(_saved(found[2], saved)) if found[2] else "${", text)


def _saved(name: str, saved: Mapping[str, Any]) -> Any:
    if name not in saved:
        raise Rejected(f"the service's answer named no {name.removeprefix(SECRET)}, which the undo needs")
    return saved[name]


def fill_known(text: str, saved: Mapping[str, Any]) -> str:
    """An expression with the names that something was saved under; what else looks like one stays as it is."""
    return _NAME.sub(lambda found: str(saved[found[2]]) if found[2] in saved else found[0], text)


def named(expected: Any, saved: Mapping[str, Any]) -> Any:
    """What a check expects: what was saved, when it is such a name and nothing else."""
    found = _NAME.fullmatch(expected) if isinstance(expected, str) else None
    return saved.get(found[2], expected) if found and found[2] else expected


def pick(answer: Mapping[str, Any], saves: Mapping[str, str]) -> dict[str, Any]:
    """The members of an answer that are saved. What the answer doesn't have is not among them."""
    found = {name: search(path, answer) for name, path in saves.items()}
    return {name: value for name, value in found.items() if value is not None}


def stored(saved: Mapping[str, Any]) -> dict[str, Any]:
    """What may be kept of it."""
    return {name: value for name, value in saved.items() if not name.startswith(SECRET)}
