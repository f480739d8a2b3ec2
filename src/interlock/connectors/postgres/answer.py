"""Interlock's answers in PostgreSQL's own form: ErrorResponse with a SQLSTATE of class IL (DESIGN section 9, Hold)."""

from typing import assert_never

from interlock.connectors.postgres.codec import build
from interlock.model.decision import Hold, Rehearse
from interlock.model.words import effects_words, remedy_words
from interlock.sdk.connector import Held, Permitted, Refused

HELD = "IL001"
FORBIDDEN = "IL002"
BREAKER = "IL003"
REHEARSAL = "IL004"
UNAVAILABLE = "IL005"

_CODES = {
    "forbidden": FORBIDDEN,
    "breaker": BREAKER,
    "unavailable": UNAVAILABLE,
    "failed": "40000",
    "in_doubt": "08007",
}


def held(answer: Held) -> bytes:
    """The error for a held change: what it would do, what it waits for, what to do next."""
    change = answer.change
    decision = change.decision
    remedies = decision.remedies if isinstance(decision, Hold | Rehearse) else ()
    code = REHEARSAL if isinstance(decision, Rehearse) else HELD
    what = "held again" if answer.grown else "held already" if answer.again else "held"
    lines = list(answer.grown) + effects_words(change.measurement.effects)
    return build.error_response(
        "ERROR",
        code,
        f"{what}: {change.id} waits for {remedy_words(remedies)}; nothing was changed",
        detail="\n".join(lines) or "the effect is not known",
        hint=f"Tell your people about {change.id}. When it is approved, send exactly the same transaction again, or have it "
        f"applied with: interlock apply {change.id}. Trying again before that does not help.",
    )


def refused(answer: Refused) -> bytes:
    """The error for what will not happen."""
    lines = effects_words(answer.change.measurement.effects) if answer.change is not None else []
    about = f" ({answer.change.id})" if answer.change is not None else ""
    again = "It can be tried again later." if answer.retry else "Trying the same again does not help."
    return build.error_response(
        "ERROR",
        _CODES.get(answer.code, UNAVAILABLE),
        f"refused{about}: {answer.why}",
        detail="\n".join(lines) or None,
        hint=again,
    )


def error(answer: Held | Refused | Permitted) -> bytes:
    """The error for an answer of the core's; empty when it is no error."""
    match answer:
        case Held():
            return held(answer)
        case Refused():
            return refused(answer)
        case Permitted():
            return b""
    assert_never(answer)


def unavailable(why: str) -> bytes:
    """The error when the gate cannot decide now."""
    return build.error_response("ERROR", UNAVAILABLE, f"refused: {why}", hint="It can be tried again later.")


def forbidden(why: str, hint: str = "Trying the same again does not help.") -> bytes:
    """The error for a statement that is refused before it reaches the server."""
    return build.error_response("ERROR", FORBIDDEN, f"refused: {why}", hint=hint)
