"""The part of a configuration that decides, and a configuration made of the approved part and a file's rest.

What does not decide is listed; all else does, so that a key that comes later is not forgotten. A reference to a secret does not
decide (and never leaves the file): in its place stands a word, and the file's own reference is put back there."""

import copy
import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from interlock.model.base import canonical
from interlock.model.errors import Misconfigured, Rejected
from interlock.runtime import config as configuration
from interlock.runtime import secrets
from interlock.runtime.config import Approved, Config
from interlock.runtime.yaml_source import Source

OPERATIONAL: Final = frozenset(
    {"store", "state_dir", "api", "policies", "notify", "witness", "origin", "master_key"}
)
"""Where things are and who is told. The policies themselves are approved, not the folder they are read from."""

OPERATIONAL_OF_TARGET: Final = frozenset({"listen", "tls"})
"""Where agents reach a target."""

SECRET: Final = "(secret)"
"""Stands for a reference to a secret."""


def deciding(source: Source) -> bytes:
    """The part that decides, as canonical JSON. Raises Misconfigured for what JSON cannot hold."""
    top = source.mapping(source.data, ())
    decides = {name: _without(value) for name, value in top.items() if name not in OPERATIONAL}
    for name, keys in source.mapping(top.get("targets"), ("targets",)).items():
        own = source.mapping(keys, ("targets", name))
        decides["targets"][name] = {k: _without(v) for k, v in own.items() if k not in OPERATIONAL_OF_TARGET}
    try:
        return canonical(decides)
    except (ValueError, TypeError):
        raise Misconfigured(f"{source.name}: a value is neither text, number, list nor mapping") from None


def normal(text: str) -> bytes:
    """A deciding part that came from outside, in its canonical form. Raises Rejected."""
    try:
        value = msgspec.json.decode(text)
        if not isinstance(value, dict):
            raise Rejected("the deciding part of a configuration is a JSON object")
        return canonical(value)
    except (msgspec.MsgspecError, ValueError):
        raise Rejected("the deciding part of a configuration is a JSON object") from None


def digest(content: bytes) -> str:
    """The name of a content: its SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _without(value: Any) -> Any:
    """The value without references to secrets."""
    if _is_secret(value):
        return SECRET
    if isinstance(value, Mapping):
        return {key: _without(inner) for key, inner in value.items()}
    return [_without(inner) for inner in value] if isinstance(value, list) else value


def _is_secret(value: Any) -> bool:
    return isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in secrets.KINDS


def in_force(config: Config, approved: bytes, policies: Mapping[str, str]) -> Config:
    """The configuration that holds: the file's when it decides what admins have approved, else the approved part with the file's
    secrets and addresses. Raises Misconfigured when the file lacks one of those."""
    known = Approved(policies, approved)
    if deciding(config.source) == approved:
        return msgspec.structs.replace(config, approved=known)
    # The file as it was read stays at hand: it is compared again when it changes.
    return msgspec.structs.replace(candidate(config, approved), source=config.source, approved=known)


def candidate(config: Config, decides: bytes) -> Config:
    """The configuration that a deciding part would make, with this file's secrets and addresses. Raises Misconfigured."""
    source = copy.copy(config.source)
    source.data = merged(config.source, decides)
    return configuration.build(source, config.file)


def merged(source: Source, approved: bytes) -> dict[str, Any]:
    """The data of a file with the approved part in the place of its own. An approved target that the file does not name is not
    served: that is no more than the file could do by naming no reachable address."""
    top = source.mapping(source.data, ())
    decides: dict[str, Any] = msgspec.json.decode(approved)
    made = {name: value for name, value in top.items() if name in OPERATIONAL}
    made |= {name: _with(v, top.get(name), (name,)) for name, v in decides.items() if name != "targets"}
    mine = source.mapping(top.get("targets"), ("targets",))
    made["targets"] = {
        name: _target(keys, source.mapping(mine[name], ("targets", name)), name)
        for name, keys in decides.get("targets", {}).items()
        if name in mine
    }
    return made


def _target(approved: Mapping[str, Any], mine: Mapping[str, Any], name: str) -> dict[str, Any]:
    kept = {key: value for key, value in mine.items() if key in OPERATIONAL_OF_TARGET}
    return kept | {
        key: _with(value, mine.get(key), ("targets", name, key)) for key, value in approved.items()
    }


def _with(approved: Any, mine: Any, at: tuple[str, ...]) -> Any:
    """The approved value with the file's references to secrets put back."""
    if approved == SECRET:
        if not _is_secret(mine):
            what = "the approved configuration has a secret here, and the file no reference to it"
            raise Misconfigured(f"{'.'.join(at)}: {what}")
        return mine
    if isinstance(approved, dict):
        own = mine if isinstance(mine, Mapping) else {}
        return {key: _with(value, own.get(key), (*at, key)) for key, value in approved.items()}
    if isinstance(approved, list):
        items = mine if isinstance(mine, list) else []
        padded = [*items, *([None] * len(approved))]
        return [
            _with(v, own, (*at, str(n))) for n, (v, own) in enumerate(zip(approved, padded, strict=False))
        ]
    return approved


def changed_keys(before: bytes, after: bytes) -> list[tuple[str, str, str]]:
    """Each key that differs with its value before and after, as JSON; empty where there is none."""
    old, new = _flat(msgspec.json.decode(before)), _flat(msgspec.json.decode(after))
    return [
        (at, old.get(at, ""), new.get(at, ""))
        for at in sorted({*old, *new})
        if old.get(at, "") != new.get(at, "")
    ]


def _flat(value: Any, at: str = "") -> dict[str, str]:
    if isinstance(value, dict) and value:
        found: dict[str, str] = {}
        for key, inner in value.items():
            found |= _flat(inner, f"{at}.{key}" if at else key)
        return found
    return {at: canonical(value).decode() if isinstance(value, dict | list) else _scalar(value)}


def _scalar(value: Any) -> str:
    return msgspec.json.encode(value).decode()
