"""Every command that the pipeline gives, each with the type of its reply.

A generator yields a command and is sent the reply, or has the error thrown into it that the command met. `ask` gives the
reply its type. `PATIENT` commands must be seen to their end once begun; the others may be cut short when the client is gone.
"""

from collections.abc import Generator, Mapping
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

import msgspec

from interlock.model.base import Value
from interlock.model.change import Approval, Change, Measurement
from interlock.model.decision import Decision, EvidenceHeld, Hold, Target
from interlock.model.effect import Totals
from interlock.model.operation import Action, Operation, Resource
from interlock.model.signal import Facts
from interlock.sdk.connector import Held, Preview, Principal, Refused, Settled, Work

R = TypeVar("R")


class Command(msgspec.Struct, Generic[R], frozen=True):
    """One wish of the pipeline; `R` is the type of the reply."""

    PATIENT: ClassVar[bool] = True


Steps: TypeAlias = Generator[Command[Any], Any, R]
"""A pipeline: yields commands, returns an `R`."""


def ask(command: Command[R]) -> Steps[R]:
    """Give a command and return its reply, typed."""
    reply: R = yield command
    return reply


class Gone(Exception):
    """Thrown into a pipeline whose client went away before the intent: give the unit up."""


class Question(Value, frozen=True):
    """One action on one resource."""

    action: Action
    resource: Resource


class Basis(Value, frozen=True):
    """What a decision rested on: the store's revision, the agent's grants that were live on the target, and when the first of
    them ends. The intent checks that they still are live: a right that was revoked or ended in between must not pass."""

    revision: int
    grants: tuple[str, ...] = ()
    ends: datetime | None = None


class Decided(Value, frozen=True):
    """The reply to `Decide`."""

    decision: Decision
    basis: Basis


class Decide(Command[Decided], frozen=True):
    """Ask policy each of the questions; the worst answer holds. `totals` is None before the effects are known."""

    PATIENT: ClassVar[bool] = False
    principal: Principal
    target: Target
    questions: tuple[Question, ...]
    totals: Totals | None = None
    evidence: EvidenceHeld = EvidenceHeld()


class MayPreview(Command[bool], frozen=True):
    """Whether the agent's budget of previews that led to nothing is not used up."""

    PATIENT: ClassVar[bool] = False
    agent: str


class ChargePreview(Command[None], frozen=True):
    """Count a preview that led to nothing."""

    agent: str


class RunPreview(Command[Preview], frozen=True):
    """Let the unit find out its effects."""

    PATIENT: ClassVar[bool] = False


class FindChange(Command[Change | None], frozen=True):
    """The newest change of that content that is held, approved, executing or in doubt, and has not expired; else one denied
    lately."""

    PATIENT: ClassVar[bool] = False
    agent: str
    target: str
    content: str


class FindBreakGlass(Command[str], frozen=True):
    """The use of break-glass that is in force on the whole target and holds for this unit; empty when there is none."""

    PATIENT: ClassVar[bool] = False
    work: Work
    target: Target
    decision: Decision


class PassHeld(Command[Change | None], frozen=True):
    """Approve a held change because the glass is broken for its target; None when it is not, or not any more."""

    change: Change


class GatherEvidence(Command[EvidenceHeld], frozen=True):
    """Verify and count all approvals of a change again."""

    PATIENT: ClassVar[bool] = False
    change: str


class OverBudget(Value, frozen=True):
    """The reply to `Intend` when people are needed for what policy permits: small changes add up to too much, or it is the first of
    its kind. Nothing was recorded. `why` is a sentence for people."""

    decision: Hold
    why: str


class Intend(Command[Change | Refused | OverBudget], frozen=True):
    """Record the intent, all in one transaction: rights still live, breakers admit, budgets reserved, approval consumed (`uses`),
    undo and marker stored, ledger entry. `break_glass` lets it pass without approval, counted in no budget. A Refused or OverBudget
    means that nothing was recorded."""

    work: Work
    target: Target
    decision: Decision
    preview: Preview
    basis: Basis
    evidence: EvidenceHeld = EvidenceHeld()
    uses: Change | None = None
    observed: bool = False
    break_glass: str = ""


class Stopped(Command[Refused | None], frozen=True):
    """What refuses work that leaves nothing to record: each breaker on its way, the freeze, the halt, as of the store. What takes
    effect without an intent (a number from a sequence) passes none of them either."""

    PATIENT: ClassVar[bool] = False
    principal: Principal
    target: Target
    operations: tuple[Operation, ...]


class IntendRevert(Command[Change | Refused], frozen=True):
    """Record the intent of a revert: on a person's signed `wish`, or as the approved revert `uses`. Only the global breaker
    refuses it."""

    work: Work
    target: Target
    preview: Preview
    original: Change
    wish: Approval | None
    force: bool
    uses: Change | None = None


class Execute(Command[Settled], frozen=True):
    """Make the unit happen. Only after the intent, or when nothing can take effect."""


class Settle(Command[Settled], frozen=True):
    """Ask the target what became of a change."""

    change: Change


class Abandon(Command[None], frozen=True):
    """Give the unit up: nothing of it stays on the target."""


class Conclude(Command[Change], frozen=True):
    """Record the outcome of an intent. `recovered` marks what recovery found out."""

    change: Change
    settled: Settled
    recovered: bool = False


class ConcludeLater(Command[None], frozen=True):
    """Record the outcome in the background: the client need not wait, since intent, undo and marker are durable (ADR 0010)."""

    change: Change
    settled: Settled


class RecordHold(Command[Held | Refused], frozen=True):
    """Record that a unit waits for people; `replaces` is an approved change that it outgrew. Refused when too many wait.
    A revert is held on a person's signed `wish`, or `proposed` by a part of Interlock, which is named."""

    work: Work
    target: Target
    decision: Decision
    measurement: Measurement
    replaces: Change | None = None
    grown: tuple[str, ...] = ()
    wish: Approval | None = None
    force: bool = False
    note: str = ""
    facts: Facts = Facts()
    proposed: str = ""


class RecordRefusal(Command[Change], frozen=True):
    """Record a measured unit that policy forbids, as a refused change."""

    work: Work
    target: Target
    decision: Decision
    measurement: Measurement
    facts: Facts = Facts()


class NoteRefusal(Command[None], frozen=True):
    """Record soon, and counted together with its like, that something was refused before it was measured."""

    principal: Principal
    target: Target
    operations: tuple[Operation, ...]
    code: str
    why: str
    reasons: tuple[str, ...] = ()


class ListUnsettled(Command[tuple[Change, ...]], frozen=True):
    """The changes that recovery is to look at: without an outcome, and of no gateway that is alive."""


class NotifyHeld(Command[None], frozen=True):
    """Tell people that a change waits."""

    change: Change


class Log(Command[None], frozen=True):
    """Write a log line: never secrets, statement texts or row values."""

    event: str
    fields: Mapping[str, str | int | bool]
