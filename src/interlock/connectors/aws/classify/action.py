"""Which action a call is.

In this order, and each may only make it more severe than the one before, but for the first two: the access level; where there
is none, the verb; what is known to administer; the reviewed table. Read is said only of what the reference or the verb calls a
read, unless it is known to write, to hand out or to disclose, or its HTTP method writes.
"""

from interlock.connectors.aws.verbs import tables, words
from interlock.connectors.aws.verbs.levels import Levels
from interlock.model.operation import Action

_WRITING = frozenset(("PUT", "PATCH", "DELETE"))


def action_of(service: str, operation: str, levels: Levels) -> Action:
    """The action of an operation, whatever its parameters."""
    level = levels.level(service, operation)
    found = _by_level(f"{service}:{operation}", operation, level)
    if found is Action.READ and levels.method(service, operation) in _WRITING:
        found = Action.UPDATE
    if found is not Action.READ and tables.administers(f"{service}:{operation}"):
        return worse(found, Action.ADMIN)
    return found


def worse(one: Action, other: Action) -> Action:
    """The more severe of two actions."""
    return max(one, other, key=lambda action: action.severity)


def _by_level(call: str, operation: str, level: str) -> Action:
    verb = words.action_of(operation)
    if call in tables.writes():
        return worse(verb, Action.UPDATE)
    if level == "Permissions management":
        return _written(verb) if call in tables.by_parameter() else Action.ADMIN
    if level == "Tagging":
        return Action.UPDATE
    if level == "Write":
        return _written(verb)
    return _read(call, operation, verb, level)


def _written(verb: Action) -> Action:
    # A write whose verb says nothing may be the worst that isn't admin.
    return {Action.READ: Action.UPDATE, Action.UNKNOWN: Action.DELETE}.get(verb, verb)


def _read(call: str, operation: str, verb: Action, level: str) -> Action:
    """What the reference calls Read or List, or does not know."""
    if call in tables.reads() and level and not words.destroys(operation):
        return Action.READ
    if level or words.says_what(operation) or call in tables.quiet_rules():
        return verb
    return Action.UNKNOWN
