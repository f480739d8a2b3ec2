"""The way of one unit of work. Start reading here.

    decide → preview → decide with the effects → intent → execute → outcome

`admit` first finds a verdict, with the unit open on the target and nothing recorded; then it acts on it. Until the intent is
durable, a crash means that nothing happened: the target rolls the unit back with its lost connection. After it, a crash means
that recovery finds the intent and asks the target. Doubt means no: an error before the intent gives the unit up.
"""

from typing import TypeAlias, assert_never

import msgspec

from interlock.control import budget
from interlock.control.effects import exceeds
from interlock.model.base import Value
from interlock.model.change import Change, ChangeState, Measurement
from interlock.model.decision import Decision, EvidenceHeld, Forbid, Hold, Permit, Rehearse, Target
from interlock.model.errors import Forbidden
from interlock.model.signal import Facts
from interlock.pipeline import commands as c
from interlock.pipeline import questions
from interlock.pipeline.commands import Basis, Steps, ask
from interlock.pipeline.doubt import doubt, log_error
from interlock.pipeline.finish import Begun, Going, Stop, abandon, begin, execute
from interlock.pipeline.recorded.records import NEVER, refused_as_denied
from interlock.sdk.connector import Answer, Held, Permitted, Preview, Refused, Work


class Free(Value, frozen=True):
    """Nothing can take effect: let it end without a record."""


class Go(Value, frozen=True):
    """Permitted: `uses` is the approved change that is consumed, if one is needed."""

    decision: Decision
    preview: Preview
    basis: Basis
    evidence: EvidenceHeld = EvidenceHeld()
    uses: Change | None = None
    observed: bool = False
    break_glass: str = ""


class Wait(Value, frozen=True):
    """People are needed first."""

    decision: Decision
    measurement: Measurement
    replaces: Change | None = None
    grown: tuple[str, ...] = ()
    note: str = ""
    facts: Facts = Facts()


class No(Value, frozen=True):
    """Policy forbids it; `measurement` is None when that was known before the effects."""

    decision: Forbid
    measurement: Measurement | None = None
    facts: Facts = Facts()


Verdict: TypeAlias = Free | Go | Wait | No | Stop
Ready: TypeAlias = Going | Free | Wait | No | Stop


def admit(work: Work, target: Target, asked: Change | None = None) -> Steps[Answer]:
    """Take one unit through. It ends executed or abandoned, exactly once. `asked` is the approved change that is to be applied
    (`apply`): it is consumed even if policy would permit the unit without it by now."""
    verdict = yield from _judge(work, target, asked)
    ready: Ready
    ready = (yield from _intend(work, target, verdict)) if isinstance(verdict, Go) else verdict
    match ready:
        case Free():
            # Nothing can take effect, so a crash here loses an answer and nothing else.
            return (yield from _end_free())
        case Going(change):
            return (yield from execute(change))
        case Wait() | No() | Stop():
            # First give it up: waiting holds no locks, and a crash from here on only loses the record of a refusal.
            yield from abandon()
            return (yield from _record(work, target, ready))
        case _:
            assert_never(ready)


def _judge(work: Work, target: Target, asked: Change | None) -> Steps[Verdict]:
    """Find the verdict. Nothing here is durable; whatever goes wrong is a no."""
    try:
        return (yield from _decide(work, target, asked))
    except Forbidden as error:
        return No(Forbid(str(error), (NEVER,)))
    except Exception as error:  # noqa: BLE001  # any error is doubt, and doubt means no
        return Stop((yield from doubt("decide", error)))


def _decide(work: Work, target: Target, asked: Change | None) -> Steps[Verdict]:
    # 1. With what is known before any effect. A forbidden unit does not get as far as touching the target.
    first = yield from ask(c.Decide(work.principal, target, questions.before(work.operations, target)))
    if isinstance(first.decision, Forbid):
        return No(first.decision)
    # 2. Measure, within the agent's budget: a preview must not become the outage.
    if not (yield from ask(c.MayPreview(work.principal.agent))):
        why = "too many of this agent's units were measured and refused lately; wait before trying again"
        return Stop(Refused("unavailable", why, retry=True), note=True)
    preview = yield from ask(c.RunPreview())
    measurement = preview.measurement
    if isinstance(first.decision, Permit) and asked is None and questions.nothing_happens(work, measurement):
        return (yield from _unless_stopped(work, target, measurement))
    # 3. With the effects and all rules.
    second = yield from _decide_effects(work, target, measurement, EvidenceHeld())
    match second.decision:
        case Forbid():
            return No(second.decision, measurement, preview.facts)
        case Hold() | Rehearse() if target.observe and asked is None:
            return Go(second.decision, preview, second.basis, observed=True)
        case Permit() if asked is None:
            return Go(second.decision, preview, second.basis)
        case Permit() | Hold() | Rehearse():
            return (yield from _people(work, target, preview, second.decision))
        case _:
            assert_never(second.decision)


def _unless_stopped(work: Work, target: Target, measurement: Measurement) -> Steps[Verdict]:
    """Nothing to record, and nothing but reads needs no more. What asks for more may do what nobody measures: it passes breakers as
    anything else does."""
    if questions.only_reads(work, measurement):
        return Free()
    stop = yield from ask(c.Stopped(work.principal, target, work.operations))
    return Free() if stop is None else Stop(stop, note=True)


def _decide_effects(
    work: Work, target: Target, measurement: Measurement, evidence: EvidenceHeld
) -> Steps[c.Decided]:
    asks = questions.after(work, measurement, target)
    totals = questions.totals_of(work, measurement)
    return (yield from ask(c.Decide(work.principal, target, asks, totals, evidence)))


def _people(work: Work, target: Target, preview: Preview, decision: Decision) -> Steps[Verdict]:
    """People are needed: has this content been before them already? The unit stays open meanwhile, an approval may let it go on."""
    found = yield from ask(c.FindChange(work.principal.agent, target.name, work.content))
    if found is None:
        if isinstance(decision, Permit):
            return Stop(Refused("failed", "the approval of this change has ended"))
        return (yield from _unless_broken(work, target, preview, decision))
    match found.state:
        case ChangeState.HELD:
            passed = yield from _passed(work, target, found)
            if passed is not None:
                return (yield from _use(work, target, preview, passed, decision))
            return Stop(Held(found, again=True))
        case ChangeState.DENIED:
            return Stop(refused_as_denied(found))
        case ChangeState.APPROVED:
            return (yield from _use(work, target, preview, found, decision))
        case _:
            why = f"the same work is under way as {found.id}, and its outcome is not known yet"
            return Stop(Refused("in_doubt", why, retry=True, change=found))


def _unless_broken(work: Work, target: Target, preview: Preview, decision: Decision) -> Steps[Verdict]:
    """Not before people yet: it waits for them, unless somebody broke the glass for the target and policy lets it pass then."""
    wait = Wait(decision, preview.measurement, facts=preview.facts)
    if not isinstance(decision, Hold):
        return wait
    glass = yield from ask(c.FindBreakGlass(work, target, decision))
    if not glass:
        return wait
    assumed = EvidenceHeld(
        quorums=tuple(r.removeprefix("quorum:") for r in decision.remedies if r.startswith("quorum:"))
    )
    decided = yield from _decide_effects(work, target, preview.measurement, assumed)
    if not isinstance(decided.decision, Permit) or budget.lacks(decision, assumed):
        return wait
    return Go(decided.decision, preview, decided.basis, break_glass=glass)


def _passed(work: Work, target: Target, found: Change) -> Steps[Change | None]:
    """What waits already is approved while the glass is broken for the target."""
    if not (yield from ask(c.FindBreakGlass(work, target, found.decision))):
        return None
    return (yield from ask(c.PassHeld(found)))


def _use(work: Work, target: Target, preview: Preview, found: Change, decision: Decision) -> Steps[Verdict]:
    """Approved: verify every approval again, ask policy again, and compare the effect with the approved one (P4, P5). What is not
    covered is held anew, and needs all that `decision` (made without evidence) asks for."""
    needs = decision if isinstance(decision, Hold | Rehearse) else found.decision
    evidence = yield from ask(c.GatherEvidence(found.id))
    decided = yield from _decide_effects(work, target, preview.measurement, evidence)
    match decided.decision:
        case Forbid():
            return No(decided.decision, preview.measurement, preview.facts)
        case Hold() | Rehearse():
            grown: tuple[str, ...] = ("the approvals given do not suffice (any more) for this effect",)
            return Wait(needs, preview.measurement, found, grown, facts=preview.facts)
        case Permit() if budget.lacks(needs, evidence):
            ended = ("the approvals given have ended",)
            return Wait(needs, preview.measurement, found, ended, facts=preview.facts)
        case Permit():
            grown = grown_beyond(found, target, preview.measurement)
            if grown:
                return Wait(needs, preview.measurement, found, grown, facts=preview.facts)
            return Go(decided.decision, preview, decided.basis, evidence, found)
        case _:
            assert_never(decided.decision)


def grown_beyond(approved: Change, target: Target, now: Measurement) -> tuple[str, ...]:
    """How a unit goes beyond the change that was approved; empty when it is covered."""
    if approved.fingerprint != target.fingerprint:
        return ("the target is not the system it was when this was approved",)
    return exceeds(approved.measurement, now)


def _intend(work: Work, target: Target, go: Go) -> Steps[Ready]:
    """Record the intent. A crash before it is durable: nothing happened. After: recovery asks the target, which knows of no
    commit, and gives a consumed approval back."""
    begun = yield from _begin(work, target, go)
    if not isinstance(begun, c.OverBudget):
        return begun
    verdict = yield from _over_budget(work, target, go, begun)
    if not isinstance(verdict, Go):
        return verdict
    again = yield from _begin(work, target, verdict)
    # Nobody counts what was approved, or is only observed: to hear of a budget again is doubt.
    return Stop(Refused("unavailable", again.why, retry=True)) if isinstance(again, c.OverBudget) else again


def _begin(work: Work, target: Target, go: Go) -> Steps[Begun | c.OverBudget]:
    intent = c.Intend(
        work, target, go.decision, go.preview, go.basis, go.evidence, go.uses, go.observed, go.break_glass
    )
    return (yield from begin(intent))


def _over_budget(work: Work, target: Target, go: Go, over: c.OverBudget) -> Steps[Verdict]:
    """Permitted by itself, but small changes add up: people are needed, as for a large one. Nothing was recorded or counted."""
    if target.observe:
        return msgspec.structs.replace(go, decision=over.decision, observed=True)
    try:
        verdict = yield from _people(work, target, go.preview, over.decision)
    except Exception as error:  # noqa: BLE001  # any error is doubt, and doubt means no
        return Stop((yield from doubt("decide", error)))
    return msgspec.structs.replace(verdict, note=over.why) if isinstance(verdict, Wait) else verdict


def _end_free() -> Steps[Answer]:
    try:
        settled = yield from ask(c.Execute())
    except Exception as error:  # noqa: BLE001  # nothing could take effect; the client must still learn that it failed
        yield from log_error("execute", error)
        return Refused("failed", "the connection to the target was lost", retry=True)
    if settled.committed:
        return Permitted(None)
    return Refused("failed", settled.note or "the target did not commit it", retry=True)


def _record(work: Work, target: Target, verdict: Wait | No | Stop) -> Steps[Answer]:
    try:
        match verdict:
            case Wait():
                yield from ask(c.ChargePreview(work.principal.agent))
                return (yield from _hold(work, target, verdict))
            case No():
                return (yield from _refuse(work, target, verdict))
            case Stop(answer, note):
                if isinstance(answer, Held) or _is_denied(answer):
                    yield from ask(c.ChargePreview(work.principal.agent))
                if note and isinstance(answer, Refused):
                    yield from _note(work, target, answer.code, answer.why)
                return answer
            case _:
                assert_never(verdict)
    except Exception as error:  # noqa: BLE001  # nothing was done; without a record it must be a refusal
        return (yield from doubt("record", error))


def _is_denied(answer: Answer) -> bool:
    change = answer.change if isinstance(answer, Refused) else None
    return change is not None and change.state is ChangeState.DENIED


def _hold(work: Work, target: Target, wait: Wait) -> Steps[Answer]:
    command = c.RecordHold(
        work,
        target,
        wait.decision,
        wait.measurement,
        wait.replaces,
        wait.grown,
        note=wait.note,
        facts=wait.facts,
    )
    answer = yield from ask(command)
    if isinstance(answer, Held) and not answer.again:
        yield from ask(c.NotifyHeld(answer.change))
    elif isinstance(answer, Refused):
        yield from _note(work, target, answer.code, answer.why)
    return answer


def _refuse(work: Work, target: Target, no: No) -> Steps[Answer]:
    if no.measurement is None:
        yield from _note(work, target, "forbidden", no.decision.why, no.decision.reasons)
        return Refused("forbidden", no.decision.why)
    yield from ask(c.ChargePreview(work.principal.agent))
    change = yield from ask(c.RecordRefusal(work, target, no.decision, no.measurement, no.facts))
    return Refused("forbidden", no.decision.why, change=change)


def _note(work: Work, target: Target, code: str, why: str, reasons: tuple[str, ...] = ()) -> Steps[None]:
    yield from ask(c.NoteRefusal(work.principal, target, work.operations, code, why, reasons))
