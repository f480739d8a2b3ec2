"""A revert is a change like any other: previewed, recorded first, executed, and revertible itself.

It differs in who decides: a person's signature stands for the grant, and the way stays open while breakers are (but the global
one). Undoing what an agent did needs one person. Undoing a *revert* does again what the agent did: if that needed people
then, it needs them now.
"""

from typing import assert_never

from interlock.control.deciding.quorum import ANYBODY
from interlock.control.effects import exceeds
from interlock.model.base import Value
from interlock.model.change import Approval, Change
from interlock.model.decision import Decision, Hold, Permit, Rehearse, Target
from interlock.pipeline import commands as c
from interlock.pipeline.commands import Steps, ask
from interlock.pipeline.doubt import doubt
from interlock.pipeline.finish import Begun, Going, Stop, abandon, begin_revert, execute
from interlock.sdk.connector import Answer, Held, Preview, Refused, Work


def decide(original: Change, root: Change | None) -> Decision:
    """Whether one person's signature is enough. `root` is the change that `original` reverted, if it is a revert itself."""
    if original.reverts and (root is None or isinstance(root.decision, Hold | Rehearse)):
        remedies = (
            root.decision.remedies if root and isinstance(root.decision, Hold | Rehearse) else ("plan",)
        )
        return Hold(remedies, ("revert-of-revert",))
    return Permit(("revert",))


class Revert(Value, frozen=True):
    """What is to be reverted: on a person's signed `wish`, or as `uses`, a held revert that people have approved (`apply`).
    `root` is the change that `original` reverted, if it is a revert itself. One that a part of Interlock proposes (`proposed` names
    it, `note` says why) is held, whoever could let it pass."""

    work: Work
    target: Target
    original: Change
    root: Change | None = None
    wish: Approval | None = None
    force: bool = False
    uses: Change | None = None
    proposed: str = ""
    note: str = ""


def revert(r: Revert) -> Steps[Answer]:
    """Undo `original` with the unit at hand. It ends executed or abandoned, exactly once."""
    begun = yield from _begin(r)
    match begun:
        case Going(change):
            # The intent is durable: a crash from here on leaves the revert to recovery.
            return (yield from execute(change))
        case Stop(answer):
            yield from abandon()
            return answer
        case Preview():
            # People are needed: first give it up, waiting holds no locks.
            yield from abandon()
            return (yield from _hold(r, begun))
        case _:
            assert_never(begun)


def _decision(r: Revert) -> Decision:
    decision = decide(r.original, r.root)
    if r.proposed and isinstance(decision, Permit):
        return Hold((f"quorum:{ANYBODY.name}",), (r.proposed,))
    return decision


def _begin(r: Revert) -> Steps[Begun | Preview]:
    """Measure and record the intent; the preview itself comes back when people are needed first."""
    try:
        # Rows that someone modified since are found out here, at the latest: Rejected unless `force`.
        preview = yield from ask(c.RunPreview())
    except Exception as error:  # noqa: BLE001  # any error is doubt, and doubt means no
        return Stop((yield from doubt("preview", error)))
    if r.original.fingerprint != r.target.fingerprint:
        return Stop(Refused("failed", f"{r.target.name} is not the system that {r.original.id} changed"))
    if r.uses is None and not isinstance(_decision(r), Permit):
        return preview
    if r.uses is not None and (grown := exceeds(r.uses.measurement, preview.measurement)):
        why = f"the revert would do more than was approved, ask for it again: {'; '.join(grown)}"
        return Stop(Refused("failed", why, change=r.uses))
    return (
        yield from begin_revert(
            c.IntendRevert(r.work, r.target, preview, r.original, r.wish, r.force, r.uses)
        )
    )


def _hold(r: Revert, preview: Preview) -> Steps[Answer]:
    command = c.RecordHold(
        r.work,
        r.target,
        _decision(r),
        preview.measurement,
        wish=r.wish,
        force=r.force,
        note=r.note,
        proposed=r.proposed,
    )
    try:
        answer = yield from ask(command)
        if isinstance(answer, Held) and not answer.again:
            yield from ask(c.NotifyHeld(answer.change))
    except Exception as error:  # noqa: BLE001  # nothing was done; without a record it must be a refusal
        return (yield from doubt("record", error))
    return answer
