"""`budgets:` of the configuration (`control.budget`)."""

from collections.abc import Collection

import msgspec

from interlock.control import budget
from interlock.control.budget import Budgets
from interlock.model.budget import AMOUNTS, Amounts
from interlock.model.errors import Misconfigured
from interlock.policy.limits import Limits
from interlock.runtime.config import durations
from interlock.runtime.config.yaml_source import Key, Source

SCOPES = ("session", "agent", "owner", "table")
_AT: Key = ("budgets",)


def read(
    source: Source, value: object, limits: Limits, guardrails: str, quorums: Collection[str]
) -> Budgets | None:
    """The budgets in force; what is not given is as it is by default. None for `none`, and without the default guardrails unless
    some are given: they belong together. Raises Misconfigured."""
    if value == "none" or (value is None and guardrails == "none"):
        return None
    usual = budget.default(limits.rows_deleted, limits.rows_updated, limits.quorum)
    keys = source.mapping(value, _AT)
    source.known(keys, ("window", "quorum", *SCOPES), _AT)
    given: dict[str, object] = {name: _amounts(source, keys, name, usual) for name in SCOPES if name in keys}
    if "window" in keys:
        given["window"] = _window(source, keys["window"])
    if "quorum" in keys:
        given["quorum"] = _quorum(source, keys["quorum"])
    try:
        found = msgspec.structs.replace(usual, **given)
    except Misconfigured as error:
        raise source.wrong(_AT, str(error)) from None
    if value is not None and found.quorum not in quorums:
        # A missing quorum of the guardrails is said by the guardrails.
        raise source.wrong(
            _AT, f"there is no quorum {found.quorum!r} (known: {', '.join(quorums) or 'none'})"
        )
    return found


def _amounts(source: Source, keys: dict[str, object], scope: str, usual: Budgets) -> Amounts:
    at = (*_AT, scope)
    given = source.mapping(keys[scope], at)
    source.known(given, AMOUNTS, at)
    for name, number in given.items():
        if type(number) is not int or number < 0:
            raise source.wrong((*at, name), f"expected a whole number of 0 or more, not {number!r}")
    found: Amounts = getattr(usual, scope)
    return budget.replace(found, given)


def _window(source: Source, value: object) -> object:
    try:
        return durations.parse(str(value))
    except ValueError as error:
        raise source.wrong((*_AT, "window"), str(error)) from None


def _quorum(source: Source, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise source.wrong((*_AT, "quorum"), "expected the name of a quorum")
    return value
