"""Who may change what decides (P9): people, groups, owners, grants, breakers.

Tightening (disable, revoke, rotate, freeze, open a breaker) needs one person and works at once, always. Everything else is a
`Proposal`, and this port says whether it may be applied at once. In try-out mode it may; governed mode (founding admins, proposals
that admins approve as any change) plugs in here.
"""

from typing import Protocol

from interlock.model.base import Value
from interlock.model.errors import Rejected

TRY_OUT = "try-out"
GOVERNED = "governed"

WARNING = (
    "try-out mode: whoever may use the admin socket adds people, agents and grants at once, alone. "
    "Let nobody use it who shall not decide alone; governed mode is not in this version"
)


class Proposal(Value, frozen=True):
    """One change of what decides. `what` is a verb and a noun (`add agent`), `subject` the name concerned, `strict` whether it
    touches a strict environment (or all of them), `by` who asks."""

    what: str
    subject: str
    by: str
    strict: bool = True


class Governance(Protocol):
    """The mode of an installation."""

    @property
    def mode(self) -> str:
        """`try-out` or `governed`."""

    def may_apply_at_once(self, proposal: Proposal) -> bool: ...


class TryOut:
    """No admins are enrolled: the admin socket is trusted. Said loudly by server, console and doctor."""

    mode = TRY_OUT

    def may_apply_at_once(self, proposal: Proposal) -> bool:
        return True


def require(governance: Governance, proposal: Proposal) -> None:
    """Raise Rejected when the proposal needs admins first."""
    if not governance.may_apply_at_once(proposal):
        raise Rejected(
            f"{proposal.what} {proposal.subject}: this needs the approval of admins (governed mode)"
        )
