"""`breakers:` of the configuration (`control.signals.thresholds`)."""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from interlock.control.signals.thresholds import SHIPPED, Signals, Thresholds
from interlock.model.errors import Misconfigured
from interlock.runtime.config.yaml_source import Key, Source

_AT: Key = ("breakers",)
_FIELDS = Thresholds.__struct_fields__


def read(
    source: Source,
    value: object,
    environments: Mapping[str, bool],
    quorums: Collection[str],
    usual_quorum: str,
) -> Signals | None:
    """The signals in force. `environments` says which are strict: in the others nothing trips unless it is configured there. None
    for `off`. Raises Misconfigured."""
    if value is False or value == "off":
        return None
    keys = source.mapping(value, _AT)
    source.known(keys, ("quorum", "environments", "agents", *_FIELDS), _AT)
    quorum = keys.get("quorum", usual_quorum if usual_quorum in quorums else "")
    if quorum and quorum not in quorums:
        known = ", ".join(quorums) or "none"
        raise source.wrong((*_AT, "quorum"), f"there is no quorum {quorum!r} (known: {known})")
    usual = _thresholds(source, {k: v for k, v in keys.items() if k in _FIELDS}, SHIPPED, _AT)
    given = source.mapping(keys.get("environments"), (*_AT, "environments"))
    for name in given:
        if name not in environments:
            raise source.wrong((*_AT, "environments", name), f"there is no environment {name!r}")
    each = {
        name: _one(source, given[name], usual, (*_AT, "environments", name)) if name in given else usual if strict else None
        for name, strict in environments.items()
    }  # fmt: skip
    agents: dict[str, Thresholds | None] = {}
    for agent, own in source.mapping(keys.get("agents"), (*_AT, "agents")).items():
        for name, limits in each.items():
            if limits is not None:
                agents[f"{name}/{agent}"] = _one(source, own, limits, (*_AT, "agents", agent))
    return Signals(quorum, each, agents, usual)


def _one(source: Source, value: object, usual: Thresholds, at: Key) -> Thresholds | None:
    if value is False or value == "off":
        return None
    keys = source.mapping(value, at)
    source.known(keys, _FIELDS, at)
    return _thresholds(source, keys, usual, at)


def _thresholds(source: Source, keys: Mapping[str, Any], usual: Thresholds, at: Key) -> Thresholds:
    given = {name: _value(source, name, value, (*at, name)) for name, value in keys.items()}
    try:
        return msgspec.structs.replace(usual, **given)
    except Misconfigured as error:
        raise source.wrong(at, str(error)) from None


def _value(source: Source, name: str, value: object, at: Key) -> int | bool | None:
    whether = isinstance(getattr(SHIPPED, name), bool)
    if value is False or value == "off":
        return False if whether else None
    if whether and value is True:
        return True
    if whether or type(value) is not int or value < 0:
        raise source.wrong(
            at, "expected on or off" if whether else f"expected a whole number or off, not {value!r}"
        )
    return value
