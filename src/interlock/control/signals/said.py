"""Signals and their thresholds in plain words, for people. Nothing here names what an agent could have named."""

from collections.abc import Callable, Mapping
from urllib.parse import quote

from interlock.control.signals.thresholds import Thresholds
from interlock.model.base import Value
from interlock.model.breaker import HALT
from interlock.model.signal import Signal

SIGNALS: Mapping[Signal, str] = {
    Signal.DESTRUCTIVE: "too many destructive operations",
    Signal.BEYOND_APPROVED: "more would have been done than was approved",
    Signal.GROUP_SHARE: "too large a part of a group would be gone",
    Signal.LAST_MEMBER: "the last member of a group would be gone",
    Signal.SWEEPING: "a selector reaches everything",
    Signal.GROUPS_DELETED: "deletions in too many groups",
    Signal.GROUPS_WRITTEN: "writes in too many groups",
    Signal.NOVEL: "several kinds of destruction that are new",
    Signal.SAME_FAILURE: "the same failed again and again",
    Signal.ERRORS: "most of the last changes failed",
    Signal.RECREATED: "something was deleted and made again",
    Signal.GUARD: "backup, audit, replication, rights or Interlock itself was touched",
    Signal.HEALTH: "the target's health fails after its changes",
    Signal.SESSIONS_TRIPPED: "several sessions were stopped within an hour",
    Signal.AGENTS_TRIPPED: "several agents were stopped within an hour",
    Signal.PROBATION: "a signal while it was on probation",
}


def signal_words(value: str) -> str:
    """What a signal means, by the value that records have of it; one that is not known (of a newer version) is shown as it is."""
    try:
        return SIGNALS[Signal(value)]
    except ValueError:
        return value.replace("_", " ")


class Rule(Value, frozen=True):
    """One threshold: what it is about, from where on it trips, and what happens then. `off` says that it never does."""

    field: str
    what: str
    then: str
    off: bool = False


_SESSION, _AGENT, _REFUSED = "the session stops", "the agent stops", "it is refused"
_MOST: Mapping[str, tuple[str, str]] = {
    "destructive_minute": ("more than {} destructive operations in a minute", _SESSION),
    "destructive_ten_minutes": ("more than {} destructive operations in ten minutes", _AGENT),
    "destructive_day": ("more than {} destructive operations in a day", _AGENT),
    "group_share": ("more than {} % of a group gone within a day", f"{_AGENT}; no approval lifts that"),
    "groups_deleted_hour": ("deletions in more than {} groups in an hour", _AGENT),
    "groups_written_ten_minutes": ("writes in more than {} groups in ten minutes", _AGENT),
    "novel": (
        "{} kinds of destruction in ten minutes that the agent never did before",
        "people are asked about the first of each; then the agent stops",
    ),
    "failures": ("the same failing {} times in a row", _SESSION),
    "errors": ("{} % of the last changes failing", _SESSION),
    "recreated": ("something deleted and made again {} within ten minutes", _SESSION),
    "recreated_stateful": ("the same with something that holds data, {}", _SESSION),
    "sessions_tripped": ("{} sessions of an agent stopped within an hour", _AGENT),
    "agents_tripped": ("{} agents stopped in an environment within an hour", "the environment stops"),
}
_SWITCHES: Mapping[str, tuple[str, str]] = {
    "last_member": ("the last member of a group", _REFUSED),
    "sweeping": ("a selector that is empty or matches everything", _REFUSED),
    "guard": ("touching backup, audit, replication, rights or Interlock's own records unapproved", _AGENT),
}


def rules(limits: Thresholds) -> tuple[Rule, ...]:
    """All thresholds, in the order of their table."""
    return tuple(_rule(limits, name) for name in limits.__struct_fields__ if name not in _PARTS)


_PARTS: Mapping[str, tuple[str, Callable[[Thresholds], str]]] = {
    "group_floor": ("group_share", lambda t: f", of a group of {t.group_floor} or more"),
    "errors_of": ("errors", lambda t: f" (of the last {t.errors_of})"),
}
"""Fields that only complete the sentence of another one."""


def _rule(limits: Thresholds, name: str) -> Rule:
    value = getattr(limits, name)
    if name in _SWITCHES:
        what, then = _SWITCHES[name]
        return Rule(name, what, then, off=value is False)
    what, then = _MOST[name]
    more = "".join(said(limits) for of, said in _PARTS.values() if of == name)
    # What is reached at 0 is never reached (`judge`); what is exceeded at 0 is by the first.
    never = value is None or (value == 0 and not what.startswith(("more", "deletions", "writes")))
    return Rule(name, f"{what.format(_number(name, value))}{more}", then, off=never)


def _number(name: str, value: object) -> str:
    if value is None:
        return "…"
    return f"{value}" if not name.startswith("recreated") else "once" if value == 1 else f"{value} times"


def differing(limits: Thresholds | None, usual: Thresholds | None) -> tuple[Rule, ...]:
    """What of the thresholds is said in another way than usual; nothing when none of them hold at all."""
    if limits is None:
        return ()
    known = () if usual is None else rules(usual)
    return tuple(rule for rule in rules(limits) if rule not in known)


def advice(scope: str, *, frozen: bool = False, admins: bool = False) -> str:
    """What an agent is told that a breaker, a freeze or the halt refuses: whether trying again helps, and what is to happen before
    that. `admins` as in `who_closes`."""
    if frozen:
        what = "halt" if scope == HALT else "freeze"
        return f"Stop writing: trying again does not help until people have ended the {what}. Tell them"
    who = who_closes(scope, admins=admins)
    return f"Stop writing: trying again does not help until it is put back by {who}. Tell your people"


def way_out(scope: str, *, frozen: bool = False, admins: bool = False) -> str:
    """What people are told that meet the same: who ends it, and by which command. `admins` as in `who_closes`."""
    if frozen:
        if scope == HALT:
            return "People end it: interlock resume --reason TEXT, and a halt file by removing it"
        by = _ADMINS if admins else "any person"
        return f"It is ended by {by}: interlock thaw {scope.removeprefix('environment/')} --reason TEXT"
    who = who_closes(scope, admins=admins)
    return f"It is put back by {who}: interlock breaker reset {scope} --reason TEXT"


def page(console: str, scope: str) -> str:
    """Where people put a breaker back; empty without the address of a console."""
    return f"{console}/breakers/one?scope={quote(scope, safe='')}" if console else ""


_ADMINS = "admins, to whom it is proposed"


def who_closes(scope: str, *, admins: bool = False) -> str:
    """Who may put a breaker back (`runtime.governing.acts`), to complete "it is put back by …". `admins` tells that one person
    does not suffice (`runtime.governing.office`)."""
    kind = scope.partition("/")[0]
    if kind == "session":
        return "a person who may use the console or the command line"
    who = f"{_ADMINS}, who own" if admins else "a person who owns"
    return f"{who} none of the agents that it is about"
