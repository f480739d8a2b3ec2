"""What the pipeline's records need to know of the installation."""

from collections.abc import Mapping

from interlock.control.budget import Budgets
from interlock.control.deciding import quorum
from interlock.control.deciding.break_glass import Rules
from interlock.control.deciding.haste import Reviews
from interlock.control.deciding.passkey import Site
from interlock.control.signals.thresholds import Signals
from interlock.model.base import Value
from interlock.model.change import Change
from interlock.model.people import Quorum
from interlock.model.proposal import INTERLOCK


class Terms(Value, frozen=True):
    """What records need to know of the installation: its quorums, the log's origin, this gateway's own name, its budgets, where
    passkeys sign, how quickly people may approve, and who may break the glass."""

    quorums: Mapping[str, Quorum]
    origin: str
    gateway: str = ""
    budgets: Budgets | None = None
    site: Site | None = None
    reviews: Reviews = Reviews()
    break_glass: Rules = Rules()
    relaxed: frozenset[str] = frozenset()
    """Environments that are not strict."""
    admins: Mapping[str, Quorum] = {}  # msgspec copies mutable defaults
    """The quorums of proposals."""
    signals: Signals | None = None
    """From where on breakers open by themselves; None: they never do."""
    watched: frozenset[str] = frozenset()
    """Targets whose health is checked: their applied changes are watched."""
    console: str = ""
    """The address of the console as it is known outside; empty when there is none."""

    def of(self, change: Change) -> Mapping[str, Quorum]:
        """The quorums that a change may wait for, by name."""
        if change.reverts:
            return {**self.quorums, quorum.ANYBODY.name: quorum.ANYBODY}
        return self.admins if change.target == INTERLOCK else self.quorums
