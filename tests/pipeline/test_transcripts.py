"""The pipeline as transcripts: each command in order, and the reply it is given. No I/O, no runtime."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from interlock.model.change import Change, ChangeState, Measurement
from interlock.model.decision import Decision, EvidenceHeld, Forbid, Hold, Permit, Rehearse, Target
from interlock.model.effect import ChangeKind, Effect, Evidence, Unit
from interlock.model.errors import Conflict, Rejected, Unavailable
from interlock.model.operation import Action, Operation, Resource
from interlock.pipeline import commands as c
from interlock.pipeline.admit import admit
from interlock.pipeline.recover import Recovered, recover
from interlock.pipeline.revert import Revert, decide, revert
from interlock.sdk.connector import Answer, Held, Permitted, Preview, Principal, Refused, Settled, Work

NOW = datetime(2026, 3, 4, tzinfo=UTC)
TABLE = Resource("table", "public.orders", "public")
AGENT = Principal("fixer", "olga", "s1", 3)
TARGET = Target("shop", "toy", "production", fingerprint="sys/shop")
WORK = Work(AGENT, (Operation(Action.DELETE, "DELETE", (TABLE,), "DELETE …"),), "c" * 64, b"payload")
LOSS = Measurement(
    (Effect(TABLE, ChangeKind.DELETED, 500, Unit.ROWS, reversible=True),), "rows:", "d1", "xmax"
)
PREVIEW = Preview(LOSS, (b"undo",), {"xid": "7"})
NOTHING = Preview(Measurement(()))
NONE_YET = Preview(
    Measurement((Effect(Resource("bucket", "b"), ChangeKind.DELETED, 0, Unit.ITEMS, Evidence.PLANNED),))
)
HOLD = Hold(("quorum:two-sre",), ("rows",))
EVIDENCE = EvidenceHeld(quorums=("two-sre",))
BASIS = c.Basis(4, ("G1",))
CHANGE = Change(
    "CHG-00000001", "fixer", "olga", "shop", "production", "sys/shop", ChangeState.HELD, 1, "c" * 64, (), LOSS, HOLD,
    NOW, NOW, nonce="n",
)  # fmt: skip


def now(state: ChangeState, **more: Any) -> Change:
    return msgspec.structs.replace(CHANGE, state=state, **more)


GOING = now(ChangeState.EXECUTING)

Line = tuple[Any, Any]
"""A type of command, and the reply (or the error) it gets."""


def decided(decision: Decision) -> c.Decided:
    return c.Decided(decision, BASIS)


def play(steps: c.Steps[Any], lines: Sequence[Line]) -> tuple[Any, list[c.Command[Any]]]:
    """Feed the replies; an exception is thrown in. Returns the answer and the commands seen (log lines left out)."""
    seen: list[c.Command[Any]] = []
    reply: Any = None
    script = iter(lines)
    try:
        while True:
            command = steps.throw(reply) if isinstance(reply, Exception) else steps.send(reply)
            if isinstance(command, c.Log):
                reply = None
                continue
            seen.append(command)
            expected, reply = next(script, (None, None))
            assert type(command) is expected, f"got {command}"
    except StopIteration as end:
        assert next(script, None) is None, "the transcript goes on"
        return end.value, seen


FIRST: list[Line] = [(c.Decide, decided(Permit())), (c.MayPreview, True), (c.RunPreview, PREVIEW)]
ASK_PEOPLE: list[Line] = [*FIRST, (c.Decide, decided(HOLD))]
END: Line = (c.Abandon, None)
CHARGE: Line = (c.ChargePreview, None)
NOTE: Line = (c.NoteRefusal, None)
USE: list[Line] = [
    *ASK_PEOPLE,
    (c.FindChange, now(ChangeState.APPROVED)),
    (c.GatherEvidence, EVIDENCE),
    (c.Decide, decided(Permit())),
]
LATER: Line = (c.ConcludeLater, None)
GLASS: Line = (c.FindBreakGlass, "")
BROKEN: Line = (c.FindBreakGlass, "BRK-1")

TRANSCRIPTS: dict[str, tuple[list[Line], Answer]] = {
    "permitted at once": (
        [*FIRST, (c.Decide, decided(Permit())), (c.Intend, GOING), (c.Execute, Settled(True)), LATER],
        Permitted(now(ChangeState.APPLIED)),
    ),
    "nothing happens": (
        [*FIRST[:2], (c.RunPreview, NOTHING), (c.Stopped, None), (c.Execute, Settled(True))],
        Permitted(None),
    ),
    "nothing happens, and it fails": (
        [*FIRST[:2], (c.RunPreview, NOTHING), (c.Stopped, None), (c.Execute, Settled(False, "deadlock"))],
        Refused("failed", "deadlock", retry=True),
    ),
    "nothing would happen as it is planned, which proves nothing": (
        [
            *FIRST[:2], (c.RunPreview, NONE_YET), (c.Decide, decided(Permit())), (c.Intend, GOING), (c.Execute, Settled(True)),
            LATER,
        ],
        Permitted(now(ChangeState.APPLIED)),
    ),
    "nothing happens, but changes are stopped": (
        [*FIRST[:2], (c.RunPreview, NOTHING), (c.Stopped, Refused("breaker", "frozen")), END, NOTE],
        Refused("breaker", "frozen"),
    ),
    "nothing happens, but the store is lost": (
        [*FIRST[:2], (c.RunPreview, NOTHING), (c.Stopped, Unavailable("lost")), END],
        Refused("unavailable", "the gate could not decide or record this: lost", retry=True),
    ),
    "nothing happens, but it needs people even so": (
        [
            (c.Decide, decided(HOLD)), (c.MayPreview, True), (c.RunPreview, NOTHING), (c.Decide, decided(HOLD)),
            (c.FindChange, None), GLASS, END, CHARGE, (c.RecordHold, Held(CHANGE)), (c.NotifyHeld, None),
        ],
        Held(CHANGE),
    ),
    "forbidden before": (
        [(c.Decide, decided(Forbid("no right", ("r",)))), END, NOTE],
        Refused("forbidden", "no right"),
    ),
    "forbidden by its effects": (
        [*FIRST, (c.Decide, decided(Forbid("too many rows"))), END, CHARGE, (c.RecordRefusal, CHANGE)],
        Refused("forbidden", "too many rows", change=CHANGE),
    ),
    "held": (
        [*ASK_PEOPLE, (c.FindChange, None), GLASS, END, CHARGE, (c.RecordHold, Held(CHANGE)), (c.NotifyHeld, None)],
        Held(CHANGE),
    ),
    "held by someone else in the same moment": (
        [*ASK_PEOPLE, (c.FindChange, None), GLASS, END, CHARGE, (c.RecordHold, Held(CHANGE, again=True))],
        Held(CHANGE, again=True),
    ),
    "held again": ([*ASK_PEOPLE, (c.FindChange, CHANGE), GLASS, END, CHARGE], Held(CHANGE, again=True)),
    "denied lately": (
        [*ASK_PEOPLE, (c.FindChange, now(ChangeState.DENIED)), END, CHARGE],
        Refused("forbidden", "people said no to CHG-00000001", change=now(ChangeState.DENIED)),
    ),
    "the glass is broken for the target": (
        [
            *ASK_PEOPLE, (c.FindChange, None), BROKEN, (c.Decide, decided(Permit())), (c.Intend, GOING),
            (c.Execute, Settled(True)), LATER,
        ],
        Permitted(now(ChangeState.APPLIED)),
    ),
    "the glass is broken, and more than people is needed": (
        [
            *ASK_PEOPLE, (c.FindChange, None), BROKEN, (c.Decide, decided(HOLD)), END, CHARGE,
            (c.RecordHold, Held(CHANGE)), (c.NotifyHeld, None),
        ],
        Held(CHANGE),
    ),
    "the glass is broken for what waits already": (
        [
            *ASK_PEOPLE, (c.FindChange, CHANGE), BROKEN, (c.PassHeld, now(ChangeState.APPROVED)), (c.GatherEvidence, EVIDENCE),
            (c.Decide, decided(Permit())), (c.Intend, GOING), (c.Execute, Settled(True)), LATER,
        ],
        Permitted(now(ChangeState.APPLIED)),
    ),
    "the glass is broken no more for what waits already": (
        [*ASK_PEOPLE, (c.FindChange, CHANGE), BROKEN, (c.PassHeld, None), END, CHARGE],
        Held(CHANGE, again=True),
    ),
    "whether the glass is broken cannot be found out": (
        [*ASK_PEOPLE, (c.FindChange, None), (c.FindBreakGlass, Unavailable("lost")), END],
        Refused("unavailable", "the gate could not decide or record this: lost", True),
    ),
    "needs a rehearsal": (
        [
            *FIRST, (c.Decide, decided(Rehearse(("rehearsal",)))), (c.FindChange, None), END, CHARGE,
            (c.RecordHold, Held(CHANGE)), (c.NotifyHeld, None),
        ],
        Held(CHANGE),
    ),
    "too many wait": (
        [*ASK_PEOPLE, (c.FindChange, None), GLASS, END, CHARGE, (c.RecordHold, Refused("forbidden", "five", True)), NOTE],
        Refused("forbidden", "five", True),
    ),
    "approved": (
        [*USE, (c.Intend, GOING), (c.Execute, Settled(True)), LATER],
        Permitted(now(ChangeState.APPLIED)),
    ),
    "approved, used by another in between": (
        [*USE, (c.Intend, Refused("unavailable", "was used", True)), END, NOTE],
        Refused("unavailable", "was used", True),
    ),
    "the same work is under way": (
        [*ASK_PEOPLE, (c.FindChange, GOING), END],
        Refused(
            "in_doubt", "the same work is under way as CHG-00000001, and its outcome is not known yet", True, GOING
        ),
    ),
    "a breaker is open": (
        [*FIRST, (c.Decide, decided(Permit())), (c.Intend, Refused("breaker", "stopped")), END, NOTE],
        Refused("breaker", "stopped"),
    ),
    "proven not committed": (
        [
            *USE, (c.Intend, GOING), (c.Execute, Settled(False, "constraint")),
            (c.Conclude, now(ChangeState.APPROVED)),
        ],
        Refused("failed", "constraint", True, now(ChangeState.APPROVED)),
    ),
    "not known, then found out": (
        [
            *FIRST, (c.Decide, decided(Permit())), (c.Intend, GOING), (c.Execute, Settled(None)),
            (c.Settle, Settled(True)), LATER,
        ],
        Permitted(now(ChangeState.APPLIED)),
    ),
    "not known": (
        [
            *FIRST, (c.Decide, decided(Permit())), (c.Intend, GOING), (c.Execute, ConnectionError()),
            (c.Settle, Unavailable("lost")), (c.Conclude, now(ChangeState.IN_DOUBT)),
        ],
        Refused(
            "in_doubt", "it is not known whether CHG-00000001 took effect; it is being found out",
            change=now(ChangeState.IN_DOUBT),
        ),
    ),
    "the preview's own refusal is told": (
        [*FIRST[:2], (c.RunPreview, Rejected("a constraint is violated")), END],
        Refused("failed", "a constraint is violated"),
    ),
    "the intent is a conflict": (
        [*USE, (c.Intend, Conflict("moved")), END],
        Refused("unavailable", "the gate could not decide or record this: moved", True),
    ),
    "the client is gone": (
        [(c.Decide, decided(Permit())), (c.MayPreview, True), (c.RunPreview, c.Gone()), END],
        Refused("unavailable", "the client went away", True),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_transcript(name: str) -> None:
    lines, expected = TRANSCRIPTS[name]
    answer, _ = play(admit(WORK, TARGET), lines)
    assert answer == expected


def test_over_budget_does_not_touch_the_target() -> None:
    answer, _ = play(admit(WORK, TARGET), [(c.Decide, decided(Permit())), (c.MayPreview, False), END, NOTE])
    assert isinstance(answer, Refused)
    assert (answer.code, answer.retry) == ("unavailable", True)


def test_what_is_asked_and_recorded() -> None:
    lines, _ = TRANSCRIPTS["approved"]
    _, seen = play(admit(WORK, TARGET), lines)
    asks = [s for s in seen if isinstance(s, c.Decide)]
    assert [a.totals is None for a in asks] == [True, False, False]
    assert asks[1].totals is not None
    assert asks[1].totals.rows_deleted == 500
    assert [a.evidence for a in asks] == [EvidenceHeld(), EvidenceHeld(), EVIDENCE]
    intent = next(s for s in seen if isinstance(s, c.Intend))
    assert (intent.uses, intent.evidence, intent.basis) == (now(ChangeState.APPROVED), EVIDENCE, BASIS)


def test_what_outgrew_its_approval_is_held_again_with_the_difference() -> None:
    grown = msgspec.structs.replace(LOSS, effects=(msgspec.structs.replace(LOSS.effects[0], count=501),))
    lines = [(line, Preview(grown) if line is c.RunPreview else reply) for line, reply in USE]
    held = Held(now(ChangeState.HELD, replaces="CHG-00000001"))
    rest = [END, CHARGE, (c.RecordHold, held), (c.NotifyHeld, None)]
    answer, seen = play(admit(WORK, TARGET), [*lines, *rest])
    assert answer == held
    record = next(s for s in seen if isinstance(s, c.RecordHold))
    assert record.replaces == now(ChangeState.APPROVED)
    assert record.grown == ("table public.orders: 501 rows deleted, approved were 500",)


def test_an_approval_is_not_carried_to_another_system() -> None:
    elsewhere = msgspec.structs.replace(TARGET, fingerprint="sys/other")
    lines = [*USE, END, CHARGE, (c.RecordHold, Held(CHANGE)), (c.NotifyHeld, None)]
    _, seen = play(admit(WORK, elsewhere), lines)
    assert "not the system" in next(s for s in seen if isinstance(s, c.RecordHold)).grown[0]


def test_approvals_that_no_longer_suffice_hold_it_again() -> None:
    lines = [
        *USE[:-1],
        (c.Decide, decided(HOLD)),
        END,
        CHARGE,
        (c.RecordHold, Held(CHANGE)),
        (c.NotifyHeld, None),
    ]
    answer, _ = play(admit(WORK, TARGET), lines)
    assert answer == Held(CHANGE)


def test_policy_that_forbids_by_now_beats_an_approval() -> None:
    lines = [*USE[:-1], (c.Decide, decided(Forbid("no"))), END, CHARGE, (c.RecordRefusal, CHANGE)]
    answer, _ = play(admit(WORK, TARGET), lines)
    assert answer == Refused("forbidden", "no", change=CHANGE)


@pytest.mark.parametrize("decision", [HOLD, Rehearse(("rehearsal",))])
def test_observing_records_what_would_have_been_held_and_goes_on(decision: Decision) -> None:
    target = msgspec.structs.replace(TARGET, observe=True)
    lines = [*FIRST, (c.Decide, decided(decision)), (c.Intend, GOING), (c.Execute, Settled(True)), LATER]
    answer, seen = play(admit(WORK, target), lines)
    assert isinstance(answer, Permitted)
    intent = next(s for s in seen if isinstance(s, c.Intend))
    assert (intent.observed, intent.decision) == (True, decision)


def test_observing_still_forbids() -> None:
    target = msgspec.structs.replace(TARGET, observe=True)
    answer, _ = play(admit(WORK, target), [(c.Decide, decided(Forbid("no right"))), END, NOTE])
    assert isinstance(answer, Refused)


def test_apply_uses_the_approval_even_if_policy_would_permit_without() -> None:
    approved = now(ChangeState.APPROVED)
    lines = [
        *FIRST,
        (c.Decide, decided(Permit())),
        *USE[4:],
        (c.Intend, GOING),
        (c.Execute, Settled(True)),
        LATER,
    ]
    _, seen = play(admit(WORK, TARGET, approved), lines)
    assert next(s for s in seen if isinstance(s, c.Intend)).uses == approved


def test_apply_of_what_is_approved_no_more() -> None:
    lines = [*FIRST, (c.Decide, decided(Permit())), (c.FindChange, None), END]
    answer, _ = play(admit(WORK, TARGET, now(ChangeState.APPROVED)), lines)
    assert answer == Refused("failed", "the approval of this change has ended")


def test_an_effect_that_cannot_be_known_is_never_nothing() -> None:
    blind = msgspec.structs.replace(
        WORK, operations=(Operation(Action.UPDATE, "CALL", (), evidence_unknown="dynamic EXECUTE"),)
    )
    lines = [
        *FIRST[:2], (c.RunPreview, NOTHING), (c.Decide, decided(HOLD)), (c.FindChange, None), GLASS, END, CHARGE,
        (c.RecordHold, Held(CHANGE)), (c.NotifyHeld, None),
    ]  # fmt: skip
    _, seen = play(admit(blind, TARGET), lines)
    second = [s for s in seen if isinstance(s, c.Decide)][1]
    assert second.totals is not None
    assert second.totals.unknown == 1


# ---- revert, recover

ORIGINAL = now(ChangeState.APPLIED)
WISHED = Revert(WORK, TARGET, ORIGINAL)


def test_one_person_reverts_what_an_agent_did() -> None:
    lines = [(c.RunPreview, PREVIEW), (c.IntendRevert, GOING), (c.Execute, Settled(True)), LATER]
    answer, _ = play(revert(WISHED), lines)
    assert answer == Permitted(now(ChangeState.APPLIED))


def test_rows_modified_since_are_refused() -> None:
    lines = [(c.RunPreview, Rejected("public.orders: 3 rows were modified since")), END]
    answer, _ = play(revert(WISHED), lines)
    assert answer == Refused("failed", "public.orders: 3 rows were modified since")


def test_undoing_a_revert_of_what_people_approved_needs_people() -> None:
    done = now(ChangeState.APPLIED, reverts="CHG-00000000")
    lines = [(c.RunPreview, PREVIEW), END, (c.RecordHold, Held(CHANGE)), (c.NotifyHeld, None)]
    answer, _ = play(revert(Revert(WORK, TARGET, done, root=CHANGE)), lines)
    assert answer == Held(CHANGE)


def test_undoing_a_revert_of_what_passed_needs_one_person() -> None:
    small = msgspec.structs.replace(CHANGE, decision=Permit())
    done = now(ChangeState.APPLIED, reverts="CHG-00000000")
    assert isinstance(decide(done, small), Permit)
    assert isinstance(decide(done, None), Hold)


def test_a_revert_is_not_carried_to_another_system() -> None:
    elsewhere = msgspec.structs.replace(TARGET, fingerprint="sys/other")
    answer, _ = play(revert(Revert(WORK, elsewhere, ORIGINAL)), [(c.RunPreview, PREVIEW), END])
    assert isinstance(answer, Refused)
    assert answer.code == "failed"


def test_an_approved_revert_that_grew_is_not_done() -> None:
    grown = Preview(msgspec.structs.replace(LOSS, definitions="d2"))
    answer, _ = play(revert(Revert(WORK, TARGET, ORIGINAL, uses=CHANGE)), [(c.RunPreview, grown), END])
    assert isinstance(answer, Refused)
    assert "definition" in answer.why


def test_recovery_goes_on_after_one_that_cannot_be_recorded() -> None:
    a, b, d = (now(ChangeState.EXECUTING, id=f"CHG-0000000{n}") for n in range(3))
    done = now(ChangeState.APPLIED, id=a.id)
    doubt = now(ChangeState.IN_DOUBT, id=d.id)
    lines = [
        (c.ListUnsettled, (a, b, d)),
        (c.Settle, Settled(True)), (c.Conclude, done),
        (c.Settle, Settled(False)), (c.Conclude, Unavailable("lost")),
        (c.Settle, ConnectionError()), (c.Conclude, doubt),
    ]  # fmt: skip
    found, _ = play(recover(), lines)
    assert found == Recovered((done,), (b, doubt))
