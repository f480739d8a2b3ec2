"""Who may change what decides (P9): people, groups, owners, grants, breakers, policies, configuration.

Tightening (disable, revoke, rotate, freeze, open a breaker) needs one person and works at once, always. Everything else is
`model.proposal.Wanted`, and goes through this port: in try-out mode it is done at once, in governed mode (`runtime.governing`) it
is held for admins."""

from collections.abc import Callable
from typing import Protocol

from interlock.model.change import Change
from interlock.model.errors import Rejected
from interlock.model.proposal import Wanted, words_of
from interlock.runtime.core import Core
from interlock.runtime.governing import acts
from interlock.runtime.governing.acts import Enacted
from interlock.sdk.ports import ReadTx, Tx

TRY_OUT = "try-out"
GOVERNED = "governed"

WARNING = (
    "try-out mode: whoever may use the admin socket adds people, agents and grants at once, alone. "
    "Let nobody use it who shall not decide alone, or enrol two founding admins: interlock govern"
)


class Proposed(Rejected):
    """It was not done: it is held, as a change that admins approve. An error, so that nobody goes on as if it were done."""

    def __init__(self, change: Change, wanted: Wanted) -> None:
        super().__init__(
            f"{words_of(wanted)} needs the approval of admins (governed mode): it is held as {change.id}"
        )
        self.change, self.wanted = change, wanted


class Governance(Protocol):
    """The mode of an installation."""

    @property
    def mode(self) -> str:
        """`try-out` or `governed`."""

    def needs_admins(self, tx: ReadTx, wanted: Wanted, by: str) -> bool:
        """Whether it would be held for admins rather than done at once."""

    async def want(
        self, core: Core, wanted: Wanted, by: str, also: Callable[[Tx], None] | None = None
    ) -> Enacted:
        """Do it at once, with what is to be done in the same transaction, and refresh the directory; returns what was made. Raises
        Proposed when admins are needed, Rejected and NotFound when it cannot be done."""

    async def clear(self, core: Core, wanted: Wanted, by: str) -> None:
        """The same for what is not done in the store: return when it may be done now."""


class TryOut:
    """No admins are enrolled: the admin socket is trusted. Said loudly by server, console and doctor."""

    mode = TRY_OUT

    def needs_admins(self, tx: ReadTx, wanted: Wanted, by: str) -> bool:
        return False

    async def want(
        self, core: Core, wanted: Wanted, by: str, also: Callable[[Tx], None] | None = None
    ) -> Enacted:
        made = await core.store.transact(lambda tx: do_at_once(tx, wanted, by, also))
        await core.directory.refresh()
        return made

    async def clear(self, core: Core, wanted: Wanted, by: str) -> None:
        return


def do_at_once(tx: Tx, wanted: Wanted, by: str, also: Callable[[Tx], None] | None) -> Enacted:
    """Do it, and what belongs to it."""
    made = acts.enact(tx, wanted, by, acts.Terms())
    if also is not None:
        also(tx)
    return made
