"""From the intent to the outcome: the part that every kind of unit shares."""

from typing import TypeAlias, TypeVar

from interlock.control.change import E, move
from interlock.model.base import Value
from interlock.model.change import Change
from interlock.pipeline import commands as c
from interlock.pipeline.commands import Command, Steps, ask
from interlock.pipeline.doubt import doubt, log_error
from interlock.sdk.connector import Answer, Permitted, Refused, Settled

R = TypeVar("R")


class Going(Value, frozen=True):
    """The intent is durable."""

    change: Change


class Stop(Value, frozen=True):
    """An answer that needs no change of its own: held already, in use, a breaker, doubt. A refusal to be noted has `note`."""

    answer: Answer
    note: bool = False


Begun: TypeAlias = Going | Stop


def begin(intent: c.Intend) -> Steps[Begun | c.OverBudget]:
    """Record an intent. An error leaves open whether it became durable: the unit is given up either way, and recovery resolves the
    record if there is one."""
    reply = yield from _recorded(intent)
    return reply if isinstance(reply, Stop | c.OverBudget) else _begun(reply)


def begin_revert(intent: c.IntendRevert) -> Steps[Begun]:
    """The same for a revert."""
    reply = yield from _recorded(intent)
    return reply if isinstance(reply, Stop) else _begun(reply)


def _recorded(intent: Command[R]) -> Steps[R | Stop]:
    try:
        return (yield from ask(intent))
    except Exception as error:  # noqa: BLE001  # any error is doubt, and doubt means no
        return Stop((yield from doubt("intend", error)))


def _begun(reply: Change | Refused) -> Begun:
    return Stop(reply, note=True) if isinstance(reply, Refused) else Going(reply)


def execute(change: Change) -> Steps[Answer]:
    """Make it happen and record what happened. The intent is durable: a crash anywhere here leaves the change to recovery."""
    settled: Settled
    try:
        settled = yield from ask(c.Execute())
    except Exception as error:  # noqa: BLE001  # the answer was lost, not necessarily the work
        yield from log_error("execute", error, change.id)
        settled = Settled(None, "the target's answer was lost")
    if settled.committed is None:
        settled = yield from settle(change, settled.note)
    return (yield from _outcome(change, settled))


def settle(change: Change, note: str) -> Steps[Settled]:
    """Ask the target; not to know stays not to know."""
    try:
        return (yield from ask(c.Settle(change)))
    except Exception as error:  # noqa: BLE001  # not knowing is an outcome of its own, and is recorded as one
        yield from log_error("settle", error, change.id)
        return Settled(None, note)


def _outcome(change: Change, settled: Settled) -> Steps[Answer]:
    if settled.committed:
        try:
            # What only the target's answer told is durable before the client hears of it; all else is so already.
            if settled.undo:
                yield from ask(c.Conclude(change, settled))
            else:
                yield from ask(c.ConcludeLater(change, settled))
        except Exception as error:  # noqa: BLE001  # it is done, whatever becomes of the record: recovery writes it
            yield from log_error("conclude", error, change.id)
        return Permitted(move(change, E.APPLY))
    try:
        change = yield from ask(c.Conclude(change, settled))
    except Exception as error:  # noqa: BLE001  # the change stays `executing`: recovery writes the outcome
        yield from log_error("conclude", error, change.id)
    if settled.committed is None:
        why = f"it is not known whether {change.id} took effect; it is being found out"
        return Refused("in_doubt", why, change=change)
    return Refused("failed", settled.note or "the target did not commit it", retry=True, change=change)


def abandon() -> Steps[None]:
    """Give the unit up. A target that cannot be told rolls it back when its connection ends."""
    try:
        yield from ask(c.Abandon())
    except Exception as error:  # noqa: BLE001  # the answer is a refusal already
        yield from log_error("abandon", error)
