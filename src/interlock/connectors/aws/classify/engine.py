"""Says what a call is: which action on which resources, and whether it is quietly dangerous."""

from typing import NamedTuple

from interlock.connectors.aws.call import Call, Classified, Quiet
from interlock.connectors.aws.classify.action import action_of, worse
from interlock.connectors.aws.classify.native import native
from interlock.connectors.aws.classify.resources import resources_of
from interlock.connectors.aws.classify.scope import Scope
from interlock.connectors.aws.verbs import credentials, tables, words
from interlock.connectors.aws.verbs.conditions import holds
from interlock.connectors.aws.verbs.levels import Levels
from interlock.connectors.aws.verbs.rules import STATE, QuietRule
from interlock.model.operation import Action, Operation

__all__ = ["Scope", "classify", "rules_for"]

_NOBODY_KNOWS = "no source says what this operation does"
_RUNS = "runs something that the gateway does not see"


def classify(call: Call, scope: Scope, levels: Levels) -> Classified:
    """What a call is. Pure; costs some microseconds, a write's native form some more."""
    rules = [rule for rule in rules_for(call, scope) if rule.needs != STATE]
    always = _always(call, levels)
    secret = credentials.discloses(call.name, call.parameters)
    action = always.action
    for rule in rules:
        action = worse(action, rule.action)
    if always.hands_out or secret:
        action = worse(action, Action.ADMIN)
    return Classified(
        call,
        _operation(call, scope, levels, action, rules),
        level=always.level,
        quiet=tuple(dict.fromkeys(Quiet(rule.kind, rule.why) for rule in rules)),
        hands_out=always.hands_out,
        discloses=secret or always.may_disclose,
    )


class _Always(NamedTuple):
    """What is true of an operation whatever its parameters."""

    action: Action
    level: str
    hands_out: bool
    may_disclose: bool


def _always(call: Call, levels: Levels) -> _Always:
    key = "always", call.service, call.operation
    found: _Always | None = levels.memo.get(key)
    if found is None:
        found = levels.memo[key] = _Always(
            action_of(call.service, call.operation, levels),
            levels.level(call.service, call.operation),
            credentials.hands_out(call.name),
            credentials.may_disclose(call.name),
        )
    return found


def rules_for(call: Call, scope: Scope) -> tuple[QuietRule, ...]:
    """The rows of the reviewed table that fit a call. Those that need the account's state (`needs`) only may: the preview
    decides."""
    rules = tables.quiet_rules().get(call.name)
    if not rules:
        return ()
    known = scope.known
    return tuple(rule for rule in rules if holds(rule.when, call.parameters, known))


def _operation(call: Call, scope: Scope, levels: Levels, action: Action, rules: list[QuietRule]) -> Operation:
    return Operation(
        action=action,
        verb=call.name,
        resources=resources_of(call, scope, levels),
        native="" if action is Action.READ else native(call),  # nothing is recorded of what only reads
        evidence_unknown=_blind(call, action, rules),
    )


def _blind(call: Call, action: Action, rules: list[QuietRule]) -> str:
    """Why nobody can know beforehand what a call does; empty when one can."""
    if action is Action.UNKNOWN:
        return _NOBODY_KNOWS
    if action is not Action.READ and call.name not in tables.quiet_rules() and words.runs(call.operation):
        return _RUNS
    return "; ".join(dict.fromkeys(rule.why for rule in rules if rule.blind))
