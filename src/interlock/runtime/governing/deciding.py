"""The part of a configuration that decides, and a configuration made of the approved part and a file's rest.

What does not decide is listed; all else does, so that a key that comes later is not forgotten. A reference to a secret does not
decide (and never leaves the file): in its place stands a word, and the file's own reference is put back there. Only where a secret
is read can there be one: elsewhere what looks like a reference decides, as the name `env` of a tag, an agent or an environment."""

import copy
import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from interlock.model.base import canonical
from interlock.model.errors import Misconfigured, Rejected
from interlock.runtime.config import document as configuration
from interlock.runtime.config import secrets
from interlock.runtime.config.document import Approved, Config
from interlock.runtime.config.yaml_source import Key, Source

OPERATIONAL: Final = frozenset(
    {"store", "state_dir", "api", "policies", "notify", "witness", "origin", "master_key"}
)
"""Where things are and who is told. The policies themselves are approved, not the folder they are read from."""

SITE: Final = "public_url"
"""Of the operational `api`, the key that decides all the same: passkeys belong to its host, and sign for its origin."""

OPERATIONAL_OF_TARGET: Final = frozenset({"listen", "tls"})
"""Where agents reach a target."""

SECRETS: Final = frozenset({("oidc", "client_secret")})
"""Where the configuration has a secret, of what decides."""

SECRETS_OF_TARGET: Final = frozenset({"password", "secret_access_key", "session_token"})
"""What connectors call their secrets, at any depth of a target's own keys. What a connector calls otherwise decides: it has to be
approved, and the same for each replica."""

HEADERS: Final = ("health", "headers")
"""Below a target, all that a check sends as headers (`health.PLACE.headers.NAME`)."""

SECRET: Final = "(secret)"
"""Stands for a reference to a secret."""


def deciding(source: Source) -> bytes:
    """The part that decides, as canonical JSON. Raises Misconfigured for what JSON cannot hold."""
    top = source.mapping(source.data, ())
    decides = {
        name: _without(value, (name,))
        for name, value in top.items()
        if name not in OPERATIONAL and name != "targets"
    }
    decides["api"] = {SITE: _site(source)}
    decides["targets"] = {
        name: {
            k: _without(v, ("targets", name, k))
            for k, v in source.mapping(keys, ("targets", name)).items()
            if k not in OPERATIONAL_OF_TARGET
        }
        for name, keys in source.mapping(top.get("targets"), ("targets",)).items()
    }
    try:
        return canonical(decides)
    except (ValueError, TypeError):
        raise Misconfigured(f"{source.name}: a value is neither text, number, list nor mapping") from None


def _site(source: Source) -> Any:
    """The console's address, also when it is the usual one: what is left out could come in later without being noticed."""
    top = source.mapping(source.data, ())
    return source.mapping(top.get("api"), ("api",)).get(SITE, configuration.Api().public_url)


def normal(text: str) -> bytes:
    """A deciding part that came from outside, in its canonical form. Raises Rejected."""
    try:
        value = msgspec.json.decode(text)
        if not isinstance(value, dict):
            raise Rejected("the deciding part of a configuration is a JSON object")
        api = value.get("api")
        if not isinstance(api, dict) or api.keys() != {SITE} or not isinstance(api[SITE], str):
            raise Rejected(f"the deciding part of a configuration says the console's address: api.{SITE}")
        return canonical(value)
    except (msgspec.MsgspecError, ValueError):
        raise Rejected("the deciding part of a configuration is a JSON object") from None


def digest(content: bytes) -> str:
    """The name of a content: its SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _without(value: Any, at: Key) -> Any:
    """The value without references to secrets."""
    if _is_secret(value, at):
        return SECRET
    if isinstance(value, Mapping):
        return {key: _without(inner, (*at, str(key))) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without(inner, (*at, str(n))) for n, inner in enumerate(value)]
    if isinstance(value, float):
        return repr(value)  # canonical JSON has none; whoever reads the key takes the text as well
    return value


def _is_secret(value: Any, at: Key) -> bool:
    """Whether a reference to a secret stands in a place of one."""
    return _holds_secret(at) and secrets.is_reference(value)


def _holds_secret(at: Key) -> bool:
    if at[0] != "targets" or len(at) < 3:
        return at in SECRETS
    return at[-1] in SECRETS_OF_TARGET or (at[2], *at[4:-1]) == HEADERS


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
    mixed = ("targets", "api")
    made |= {name: _with(v, top.get(name), (name,)) for name, v in decides.items() if name not in mixed}
    made["api"] = {**source.mapping(top.get("api"), ("api",)), **decides.get("api", {})}
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


def _with(approved: Any, mine: Any, at: Key) -> Any:
    """The approved value with the file's references to secrets put back."""
    if approved == SECRET and _holds_secret(at):
        if not _is_secret(mine, at):
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


def section(content: bytes, name: str) -> Any:
    """A top-level key of a deciding part; None without one."""
    return msgspec.json.decode(content, type=dict[str, Any]).get(name)


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
