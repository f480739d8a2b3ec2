"""What the API takes and gives in governed mode. As `schemas`: nothing heavy is imported."""

from datetime import datetime

from interlock.console.schemas import ChangeSummary
from interlock.model.base import Value
from interlock.model.change import ChangeState
from interlock.model.proposal import Founder


class ProposalQuery(Value, frozen=True):
    """Which proposals: those that wait, unless states are named."""

    state: tuple[ChangeState, ...] = ()


class Proposals(Value, frozen=True):
    """Changes of what decides, newest first; each is approved, denied and withdrawn as any change."""

    proposals: tuple[ChangeSummary, ...] = ()


class Held(Value, frozen=True):
    """The answer (202) in place of what was asked for, when admins are needed first: nothing was done, it is held as `proposal`.
    `says` is a sentence for people."""

    proposal: str
    says: str
    what: str
    waits_for: tuple[str, ...]
    expires_at: datetime | None = None


class NewGroups(Value, frozen=True):
    """The groups that a person is to be in."""

    groups: tuple[str, ...]


class NewKey(Value, frozen=True):
    """Another key for a person; the line of their `.pub` file."""

    public_key: str


class NewOwner(Value, frozen=True):
    """Another owner of an agent."""

    owner: str


class PolicyTexts(Value, frozen=True):
    """Policy files by name, as they are to be in force."""

    texts: dict[str, str]


class DecidingConfig(Value, frozen=True):
    """The part of a configuration that decides, as JSON."""

    deciding: str


class FoundingAdmins(Value, frozen=True):
    """Who begins governed mode."""

    admins: tuple[Founder, ...]
