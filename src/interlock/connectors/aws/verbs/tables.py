"""The reviewed tables of this folder, read from their files (once)."""

import fnmatch
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from importlib.resources import files
from itertools import product
from typing import Any

from interlock.connectors.aws.verbs.rules import BLIND, KINDS, STATE, QuietRule
from interlock.model.effect import ChangeKind
from interlock.model.operation import Action

_FOLDER = files("interlock.connectors.aws.verbs")


@cache
def quiet_rules() -> Mapping[str, tuple[QuietRule, ...]]:
    """The quietly dangerous calls, by `service:Operation`. Raises ValueError when a row is not well formed."""
    found = defaultdict(list)
    for file in sorted(_FOLDER.joinpath("quiet").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            for rule in _rules(tomllib.loads(file.read_text("utf-8"))):
                found[rule.call].append(rule)
    return {call: tuple(rules) for call, rules in found.items()}


def calls_of(cell: str) -> Iterator[str]:
    """The calls that a row is about: `rds|docdb:ModifyDBInstance|ModifyDBCluster` is four."""
    services, _, operations = cell.partition(":")
    for service, operation in product(services.split("|"), operations.split("|")):
        yield f"{service}:{operation}"


@lru_cache(maxsize=32_768)
def administers(call: str) -> str:
    """Why a write administers, or an empty text."""
    table = _table("admin.toml")
    if _fitting(call, table["except"]) is not None:
        return ""
    service = call.partition(":")[0]
    return str(table["services"].get(service) or _fitting(call, table["operations"]) or "")


@cache
def by_parameter() -> frozenset[str]:
    """Operations that the reference calls permissions management for the sake of one parameter, which the quiet tables look at."""
    return frozenset(_table("admin.toml")["by_parameter"])


@cache
def reads() -> frozenset[str]:
    """Operations that read under another verb."""
    return frozenset(_table("readers.toml")["reads"].split())


@cache
def writes() -> Mapping[str, str]:
    """Operations with a reading verb that write, take or run something, and what."""
    return dict(_table("readers.toml")["writes"])


@cache
def answers() -> Mapping[str, Any]:
    """What answers hold: `hands_out`, `discloses` and `may_disclose` (sets), `discloses_when` (conditions by call)."""
    table = _table("answers.toml")
    return {name: frozenset(v.split()) if isinstance(v, str) else v for name, v in table.items()}


@cache
def sweeping() -> Mapping[str, tuple[tuple[str, str], ...]]:
    """Selections that reach everything, by `service:Operation`: when, and what."""
    found = defaultdict(list)
    for calls, when, why in _table("sweeping.toml")["rows"]:
        for call in calls_of(calls):
            found[call].append((when, why))
    return {call: tuple(rows) for call, rows in found.items()}


def _rules(groups: Mapping[str, Any]) -> Iterator[QuietRule]:
    for rows in groups.values():
        for calls, when, words, why in rows:
            kind, action, change, *more = words.split()
            if kind not in KINDS or more not in ([], [STATE], [BLIND]):
                raise ValueError(f"{calls}: {words}")
            rest = Action(action), ChangeKind(change), why, STATE if STATE in more else "", BLIND in more
            yield from (QuietRule(call, when, kind, *rest) for call in calls_of(calls))


def _fitting(call: str, patterns: Mapping[str, str]) -> str | None:
    for pattern, why in patterns.items():
        if fnmatch.fnmatchcase(call, pattern):
            return why
    return None


@cache
def _table(name: str) -> dict[str, Any]:
    return tomllib.loads(_FOLDER.joinpath("reviewed", name).read_text("utf-8"))
