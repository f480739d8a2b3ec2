"""The reviewed table of resource types: `types.toml`."""

import tomllib
from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from interlock.connectors.aws.preview.survey import Survey, kind_of, plain
from interlock.model.base import Value
from interlock.model.operation import Resource

_ANY = "*"


class Type(Value, frozen=True, rename={"worldwide": "global"}):
    """See the head of `types.toml`. `snapshot_by_default`: a deletion leaves a snapshot if the template doesn't say otherwise."""

    kind: str
    name: str
    holds: str = ""
    in_place: frozenset[str] = frozenset()
    replacing: frozenset[str] = frozenset()
    grows: frozenset[str] = frozenset()
    weakens: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
    disposable: bool = False
    snapshot_by_default: bool = False
    worldwide: bool = False

    def weakened(self, changed: Collection[str]) -> list[str]:
        return _of(changed, self.weakens)

    def permitted(self, changed: Collection[str]) -> list[str]:
        return _of(changed, self.permissions)


def _of(changed: Collection[str], these: frozenset[str]) -> list[str]:
    return sorted(name for name in changed if not is_tags(name) and (name in these or _ANY in these))


@cache
def _table() -> Mapping[str, Type]:
    text = files(__package__ or "").joinpath("types.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Type])


def type_of(name: str) -> Type | None:
    return _table().get(name)


def is_tags(name: str) -> bool:
    return name.endswith("Tags")


def is_code(name: str) -> bool:
    """Custom resources run somebody's code for each change."""
    return name.startswith("Custom::") or name == "AWS::CloudFormation::CustomResource"


def replaced_by(name: str, changed: Mapping[str, tuple[Any, Any]]) -> list[str]:
    """Which of these changed properties (old and new value each) make the service replace a resource of that type."""
    rule = type_of(name)
    return sorted(key for key, pair in changed.items() if not is_tags(key) and _replaces(rule, key, pair))


def _replaces(rule: Type | None, key: str, pair: tuple[Any, Any]) -> bool:
    if rule is None:
        return True
    if rule.holds:
        return key not in rule.in_place and not (key in rule.grows and _grown(*pair))
    return key in rule.replacing or _ANY in rule.replacing


def _grown(old: Any, new: Any) -> bool:
    """Whether a list has all that it had."""
    return (
        isinstance(old, list)
        and isinstance(new, list)
        and all(plain(one) in [plain(other) for other in new] for one in old)
    )


def resource_of(survey: Survey, type_name: str, physical: str, stack: str) -> Resource:
    """A stack's resource by its physical id; of a type that isn't known, by CloudFormation's own word."""
    rule = type_of(type_name)
    kind = rule.kind if rule else "cloudformation:resource"
    if physical.startswith("arn:"):
        return Resource(kind_of(kind, physical), physical, stack)
    if rule is None:
        return Resource(kind, f"{type_name}/{physical}", stack)
    last = physical.rsplit("/", 1)[-1] if rule.kind == "sqs:queue" else physical
    region, account = not rule.worldwide, True
    if rule.kind in ("s3:bucket", "route53:hostedzone"):
        region = account = False
    service = rule.kind.partition(":")[0]
    name = survey.arn(service, rule.name.replace("{}", last), region=region, account=account)
    return Resource(kind, name, stack)
