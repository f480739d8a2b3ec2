"""What operators read in the log: a line for each change that people have to do with, and for each change of who may do what.

What passed by itself is at level debug: a busy gateway would otherwise write nothing else. Lines name objects and people, never
statements, row values or what somebody wrote as a reason.
"""

from collections.abc import Mapping

import structlog

from interlock.control.deciding.approval import remedies
from interlock.model.break_glass import BreakGlass
from interlock.model.breaker import Breaker
from interlock.model.change import Change, ChangeState, Statement
from interlock.model.people import Agent, Grant, Person
from interlock.model.signal import Trip
from interlock.model.words import effects_words

_log = structlog.get_logger("interlock.changes")

MOST = 5
"""Effects that a line names."""

_ENDS = (ChangeState.APPLIED, ChangeState.FAILED)
_SILENT = (ChangeState.RECEIVED, ChangeState.HELD, ChangeState.EXECUTING, ChangeState.EXPIRED)
"""Said by `held`, on the way to something that is said, or by what made it so."""


def held(change: Change) -> None:
    """A change waits for people."""
    _log.info("change.held", **_about(change), waits_for=list(remedies(change)), effects=_effects(change))


def refused(change: Change) -> None:
    """A change was measured, and refused."""
    _log.info(
        "change.refused", **_about(change), reasons=list(change.decision.reasons), effects=_effects(change)
    )


def spoken(words: Statement) -> None:
    """Somebody approved or denied."""
    _log.info("change.spoken", change=words.change, person=words.person, verdict=words.verdict.value)


def break_glass(glass: BreakGlass, change: Change | None) -> None:
    """Somebody broke the glass, or a change passed because of that."""
    about = {"change": change.id, "agent": change.agent} if change is not None else {}
    until = glass.until.isoformat()
    _log.warning(
        "break_glass.passed" if change is not None and not glass.change else "break_glass.used",
        break_glass=glass.id, person=glass.person, target=glass.target, until=until, **about,
    )  # fmt: skip


def reviewed(glass: BreakGlass) -> None:
    """Another person reviewed it."""
    _log.info("break_glass.reviewed", break_glass=glass.id, person=glass.person, by=glass.reviewed_by)


def taken_back(change: Change, person: str) -> None:
    """Somebody took their approval back."""
    _log.info("change.approval_taken_back", change=change.id, person=person, state=change.state.value)


def moved(change: Change) -> None:
    """A change came to another state in this process."""
    if change.state in _SILENT:
        return
    by_itself = change.state in _ENDS and not remedies(change) and not change.reverts
    log = _log.debug if by_itself else _log.info
    more = {"reverts": change.reverts} if change.reverts else {}
    log(f"change.{change.state.value}", **_about(change), **more)


def principal(what: str, who: Person | Agent | Grant, by: str) -> None:
    """Who may do what was changed."""
    match who:
        case Person():
            _log.info(f"person.{what}", person=who.name, groups=list(who.groups), by=by)
        case Agent():
            _log.info(f"agent.{what}", agent=who.name, owner=who.owner, by=by)
        case Grant():
            actions = [action.value for action in who.actions]
            about = {"agent": who.agent, "target": who.target, "actions": actions}
            _log.info(f"grant.{what}", grant=who.id, **about, until=who.expires_at.isoformat(), by=by)


def breaker(row: Breaker, by: str) -> None:
    """A breaker moved, or an environment was frozen or thawed."""
    _log.warning("breaker.moved", scope=row.scope, state=row.state.value, frozen=row.frozen, by=by)


def tripped(trip: Trip) -> None:
    """A breaker opened by itself."""
    _log.warning(
        "breaker.tripped", scope=trip.scope, signal=trip.signal.value, agent=trip.agent, target=trip.target,
        operations=len(trip.steps),
    )  # fmt: skip


def _about(change: Change) -> Mapping[str, str]:
    return {"change": change.id, "agent": change.agent, "target": change.target}


def _effects(change: Change) -> list[str]:
    return effects_words(change.measurement.effects, MOST)
