"""Interlock's answers in PostgreSQL's own form: ErrorResponse with a SQLSTATE of class IL (DESIGN section 9, Hold)."""

from collections.abc import Callable
from typing import TypeAlias, assert_never

from interlock.connectors.postgres.codec import build
from interlock.model.beside import beside_words
from interlock.model.change import Change, ChangeState
from interlock.model.decision import HALTED, UNDECIDED, Forbid, Hold, Rehearse
from interlock.model.words import denial_words, effects_words, remedy_words
from interlock.sdk.connector import Held, Permitted, Refused

Link: TypeAlias = Callable[[str], str]
"""`Gate.link`: the address at which an agent reads what becomes of its change; empty when there is none."""

HELD = "IL001"
FORBIDDEN = "IL002"
BREAKER = "IL003"
REHEARSAL = "IL004"
UNAVAILABLE = "IL005"

_LATER = "It can be tried again later."
_NEVER = "Trying the same again does not help."
_BREAKER_HINT = (
    "People stopped changes here, or a breaker did. Trying again helps only after people have ended that."
)
_CODES = {
    "forbidden": FORBIDDEN,
    "breaker": BREAKER,
    "unavailable": UNAVAILABLE,
    "failed": "40000",
    "in_doubt": "08007",
}


_NOT_ASKED_FOR = (
    "no change of a row or an object was measured; it is held for the kind of statement that it is"
)
_OVER = {
    ChangeState.DENIED: (
        FORBIDDEN,
        "denied: people said no to {}; nothing was changed",
        "Ask your people what to do instead.",
    ),
    ChangeState.EXPIRED: (
        HELD,
        "expired: nobody decided about {} in time; nothing was changed",
        "Send the same transaction again to ask anew.",
    ),
    ChangeState.WITHDRAWN: (
        HELD,
        "withdrawn: {} was replaced or given up; nothing was changed",
        "Send the same transaction again to ask anew.",
    ),
}
"""What a client hears of a change for which it waited in vain."""


def _nowhere(change: str) -> str:
    return ""


def held(answer: Held, link: Link = _nowhere) -> bytes:
    """The error for a held change: what it would do, what it waits for, what to do next, and where that can be read."""
    change = answer.change
    if change.state is not ChangeState.HELD:
        return _over(change, link)
    decision = change.decision
    remedies = decision.remedies if isinstance(decision, Hold | Rehearse) else ()
    code = REHEARSAL if isinstance(decision, Rehearse) else HELD
    what = "held again" if answer.grown else "held already" if answer.again else "held"
    effects = beside_words(answer.beside) if answer.beside else effects_words(change.measurement.effects)
    lines = [*answer.grown, *filter(None, (change.note,)), *effects]
    return build.error_response(
        "ERROR",
        code,
        f"{what}: {change.id} waits for {remedy_words(remedies)}; nothing was changed",
        detail="\n".join(lines) or _NOT_ASKED_FOR,
        hint=f"Tell your people about {change.id}. When it is approved, send exactly the same transaction again, or have it "
        f"applied with: interlock apply {change.id}. Trying again before that does not help.{_read_at(link(change.id))}",
    )


def _read_at(url: str) -> str:
    """The last sentence of a hint. It ends in the address, so that nothing sticks to it."""
    return f" What becomes of it: {url}" if url else ""


def _over(change: Change, link: Link) -> bytes:
    """The error for a change that does not wait any more: the client must not take it for one that does."""
    carried_out = (
        HELD,
        f"{{}} is {change.state.value.replace('_', ' ')}: people had it applied meanwhile",
        "Do not send it again; look first what became of it.",
    )
    code, what, hint = _OVER.get(change.state, carried_out)
    lines = effects_words(change.measurement.effects)
    if change.state is ChangeState.DENIED:
        reason, again = denial_words(change)
        lines = [*filter(None, (reason,)), *lines]
        hint = f"{hint} {again}." if again else hint
    return build.error_response(
        "ERROR",
        code,
        what.format(change.id),
        detail="\n".join(lines) or None,
        hint=hint + _read_at(link(change.id)),
    )


def refused(answer: Refused, link: Link = _nowhere) -> bytes:
    """The error for what will not happen."""
    if answer.change is not None and answer.change.state is ChangeState.DENIED:
        return _over(answer.change, link)
    lines = effects_words(answer.change.measurement.effects) if answer.change is not None else []
    about = f" ({answer.change.id})" if answer.change is not None else ""
    where = link(answer.change.id) if answer.change is not None else ""
    again = _next(answer)
    return build.error_response(
        "ERROR",
        _CODES.get(answer.code, UNAVAILABLE),
        f"refused{about}: {answer.why}",
        detail="\n".join(lines) or None,
        hint=again + _read_at(where),
    )


def _next(answer: Refused) -> str:
    """Whether trying again helps, and what is to happen before."""
    if answer.next:
        # The address is the end, so that nothing sticks to it.
        return f"{answer.next}. They do it at {answer.see}" if answer.see else f"{answer.next}."
    if answer.retry:
        return _LATER
    return _BREAKER_HINT if answer.code == "breaker" else _NEVER


def error(answer: Held | Refused | Permitted, link: Link = _nowhere) -> bytes:
    """The error for an answer of the core's; empty when it is no error."""
    match answer:
        case Held():
            return held(answer, link)
        case Refused():
            return refused(answer, link)
        case Permitted():
            return b""
    assert_never(answer)


def unavailable(why: str) -> bytes:
    """The error when the gate cannot decide now."""
    return build.error_response("ERROR", UNAVAILABLE, f"refused: {why}", hint=_LATER)


def refusal(decision: Forbid) -> bytes:
    """The error for what may not be, or cannot be decided now."""
    if HALTED in decision.reasons:
        return error(Refused("breaker", decision.why))
    return unavailable(decision.why) if UNDECIDED in decision.reasons else forbidden(decision.why)


def forbidden(why: str, hint: str = _NEVER) -> bytes:
    """The error for a statement that is refused before it reaches the server."""
    return build.error_response("ERROR", FORBIDDEN, f"refused: {why}", hint=hint)
