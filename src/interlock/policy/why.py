"""Sentences for agents: what is missing, in plain words. They quote neither policy texts nor paths."""

from collections.abc import Sequence

from interlock.model.decision import Request
from interlock.model.operation import Action, Resource
from interlock.model.people import Grant

BROKEN = "the policies could not be evaluated, so the answer is no; an operator has to look at them"

_LONGEST = 120


def what(request: Request) -> str:
    """What is asked: "delete on table public.orders of shop"."""
    return f"{request.action.value} on {_resource(request.resource)} of {_shown(request.target.name)}"


def no_grant(request: Request, expired: Sequence[Grant]) -> str:
    """Nothing permits it (any more)."""
    if request.action is Action.UNKNOWN:
        return "Interlock does not know this kind of operation, so it is refused"
    if expired:
        return f"the grant for {what(request)} has expired; ask for a new one"
    return f"no grant covers {what(request)}"


def beyond_limit(request: Request, covering: Sequence[Grant]) -> str:
    """More rows than any covering grant allows."""
    most = max((g.max_rows for g in covering if g.max_rows is not None), default=0)
    rows = request.totals.rows if request.totals else 0
    grant = "the grant allows" if len(covering) == 1 else "the grants allow"
    return f"{grant} at most {_rows(most)} in one transaction, and this would touch {rows:,}"


def refused(request: Request, own: str) -> str:
    """A rule without remedy; `own` is its sentence for agents, if it has one."""
    return own or f"a rule for this environment refuses {what(request)}, and no approval lifts it"


def unliftable(request: Request) -> str:
    """The remedies that the rules name would not lift them."""
    return f"a rule for this environment refuses {what(request)}, and what it asks for would not lift it"


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def _resource(resource: Resource) -> str:
    return f"{_shown(resource.kind)} {_shown(resource.name)}"


def _shown(text: str) -> str:
    """Names come from agents: one line, printable, of bounded length."""
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return clean if len(clean) <= _LONGEST else clean[: _LONGEST - 1] + "…"
