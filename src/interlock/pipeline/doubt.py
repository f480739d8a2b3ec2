"""Doubt means no (P2): how an error becomes an answer, and a log line. Nothing is swallowed silently."""

from interlock.control.signals import said
from interlock.model.breaker import HALT
from interlock.model.change import Change
from interlock.model.conflict import Conflicting
from interlock.model.errors import Halted, InterlockError, Rejected
from interlock.pipeline import commands as c
from interlock.pipeline.commands import Steps, ask
from interlock.pipeline.recorded.terms import Terms
from interlock.sdk.connector import Answer, Refused


def doubt(step: str, error: Exception) -> Steps[Answer]:
    """The answer to any error before something was done. That a client left, or asked for what cannot be, is no trouble of ours."""
    if isinstance(error, c.Gone):
        return Refused("unavailable", "the client went away", retry=True)
    if isinstance(error, Halted):
        return halted(str(error))
    if isinstance(error, Conflicting):
        return Refused("failed", str(error), conflicts=error.conflicts)
    if isinstance(error, Rejected):
        return Refused("failed", str(error))
    yield from log_error(step, error)
    return Refused("unavailable", f"the gate could not decide or record this: {shown(error)}", retry=True)


def halted(why: str, change: Change | None = None, *, terms: Terms | None = None) -> Refused:
    """The answer while everything is halted; `why` as of `control.breaker.halted`. With `terms` it names the console."""
    see = f"{terms.console}/" if terms is not None and terms.console else ""
    told, people = said.advice(HALT, frozen=True), said.way_out(HALT, frozen=True)
    return Refused("breaker", why, change=change, next=told, see=see, people=people)


def shown(error: Exception) -> str:
    """The text of one of our own errors; of a foreign one only that it happened (it may quote anything)."""
    return str(error) if isinstance(error, InterlockError) else "an internal error"


def log_error(step: str, error: Exception, change: str = "") -> Steps[None]:
    """Log where it happened and the class of the error; its text may quote anything."""
    yield from ask(c.Log("pipeline.error", {"step": step, "error": type(error).__name__, "change": change}))
