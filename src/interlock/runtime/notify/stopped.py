"""What messages say of freezes and of the kill switch. Why, somebody wrote: that is in the console."""

from collections.abc import Sequence
from datetime import datetime

from interlock.control.breaker import GLOBAL
from interlock.model.base import Json
from interlock.model.breaker import Breaker
from interlock.model.message import Event
from interlock.runtime.notify.plain import name
from interlock.runtime.notify.words import Note, Words, moment

MOST = 5
"""Replicas that a message names."""


def freeze(words: Words, row: Breaker, by: str, environment: str) -> Note:
    """An environment was frozen or thawed."""
    where = name(environment or row.scope)
    if row.frozen:
        text = f"FROZEN: no agent changes anything in {where} until people thaw it, by {name(by)}"
    else:
        text = f"{where} is thawed, by {name(by)}"
    return Note(Event.FREEZE, _key(row), text, words.console, _data(row, by), environment)


def still_frozen(words: Words, row: Breaker, now: datetime, environment: str) -> Note:
    """It is frozen still."""
    since = f" since {moment(row.moved_at)}" if row.moved_at else ""
    text = f"{name(environment or row.scope)} is still frozen{since}, by {name(row.moved_by)}: thaw it when it may go on"
    key = f"frozen/{row.scope}/{row.epoch}/{int(now.timestamp())}"
    return Note(Event.FREEZE, key, text, words.console, _data(row, row.moved_by), environment)


def halt(words: Words, row: Breaker, by: str) -> Note:
    """Everything was halted, or goes on."""
    text = (
        f"HALTED: everything is stopped and all agents are disconnected, by {name(by)}"
        if row.frozen
        else f"The halt is over: agents may work again, by {name(by)}"
    )
    return Note(Event.HALT, _key(row), text, words.console, _data(row, by), urgent=True)


def drill_failed(words: Words, row: Breaker, replicas: Sequence[str]) -> Note:
    """The kill switch did not do on these replicas what it should."""
    which = ", ".join(map(name, replicas[:MOST])) or "all of them: none answered"
    more = f" and {len(replicas) - MOST:,} more" if len(replicas) > MOST else ""
    text = (
        f"The drill of the kill switch failed on {which}{more}: a halt would come late there, or not at all"
    )
    data: dict[str, Json] = {"replicas": list(replicas[:100]), "epoch": row.epoch}
    return Note(Event.HALT, f"drill/{row.epoch}", text, words.console, data, urgent=True)


def standing(words: Words, row: Breaker, environment: str) -> Note:
    """What stands open: as it was told when it moved, or should have been."""
    if row.frozen and row.scope == GLOBAL:
        return halt(words, row, row.moved_by)
    if row.frozen:
        return freeze(words, row, row.moved_by, environment)
    return words.breaker(row, row.moved_by, environment)


def _key(row: Breaker) -> str:
    """As of any move of a breaker: one fact is told once, however it is found."""
    return f"breaker/{row.scope}/{row.epoch}"


def _data(row: Breaker, by: str) -> dict[str, Json]:
    return {"scope": row.scope, "frozen": row.frozen, "epoch": row.epoch, "by": by}
