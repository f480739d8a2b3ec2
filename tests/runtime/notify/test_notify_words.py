"""What messages say, and what they never say."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.runtime.notify.kit import QUORUMS, START, URL, change, deleted, orders

from interlock.control.signals.said import SIGNALS
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.change import ChangeState, Measurement
from interlock.model.decision import Hold
from interlock.model.effect import ChangeKind, Effect, Evidence, Unit
from interlock.model.health import Blame
from interlock.model.message import Event
from interlock.model.operation import Action, Operation, Resource
from interlock.model.signal import Mark, Signal
from interlock.runtime.notify.config import Wants
from interlock.runtime.notify.plain import LONGEST, name
from interlock.runtime.notify.words import Words, event_of

WORDS = Words(f"{URL}/", QUORUMS)


def measured(*effects: Effect) -> dict[str, Any]:
    return {"measurement": Measurement(effects)}


def effect(kind: ChangeKind, count: int = 1, unit: Unit = Unit.OBJECTS, **more: Any) -> Effect:
    return Effect(orders(), kind, count, unit, **{"reversible": True, **more})


@pytest.mark.parametrize(
    ("effects", "said"),
    [
        ([deleted(1)], "delete 1 row of public·orders"),
        ([deleted(1_204)], "delete 1,204 rows of public·orders"),
        ([effect(ChangeKind.DELETED)], "delete table public·orders"),
        ([effect(ChangeKind.HIDDEN)], "hide table public·orders"),
        ([effect(ChangeKind.WEAKENED)], "weaken table public·orders"),
        ([effect(ChangeKind.PERMISSION)], "change the rights of table public·orders"),
        ([effect(ChangeKind.UPDATED, 7, Unit.ROWS)], "change 7 rows of public·orders"),
        ([effect(ChangeKind.DELETED, 3, Unit.ITEMS)], "delete 3 items of public·orders"),
        (
            [effect(ChangeKind.CREATED), deleted(5), effect(ChangeKind.REPLACED)],
            "delete 5 rows of public·orders, replace table public·orders, create table public·orders",
        ),
        ([deleted(n, f"t{n}") for n in range(1, 9)], "delete 8 rows of t8, delete 7 rows of t7, delete 6 rows of t6 and 5 more"),
        (
            [effect(ChangeKind.DELETED, 0, Unit.ROWS, evidence=Evidence.UNKNOWN)],
            "delete 0 rows of public·orders (not measured)",
        ),
        ([], "delete table public·orders"),
    ],
)  # fmt: skip
def test_what_would_happen_in_one_line(effects: list[Effect], said: str) -> None:
    text = WORDS.held(change(**measured(*effects))).text
    assert text == f"fixer would {said} (shop, production) - waits for 2 of sre"


@pytest.mark.parametrize("kind", list(ChangeKind))
@pytest.mark.parametrize("unit", list(Unit))
def test_every_kind_of_effect_has_words(kind: ChangeKind, unit: Unit) -> None:
    for state in (ChangeState.APPROVED, ChangeState.APPLIED):
        note = WORDS.moved(change(state=state, **measured(effect(kind, 2, unit))))
        assert note is not None
        assert "public·orders (shop, production)" in note.text


@pytest.mark.parametrize("action", list(Action))
def test_without_a_known_effect_it_says_what_was_asked(action: Action) -> None:
    asked = (Operation(action, "VERB", (Resource("bucket", "assets"),)),)
    assert "bucket assets" in WORDS.held(change(operations=asked, **measured())).text
    nothing = WORDS.held(change(operations=(), **measured())).text
    assert nothing.startswith("fixer would do something whose effect is not known (shop, production)")


def test_what_cannot_be_undone_is_said() -> None:
    text = WORDS.held(change(**measured(deleted(3, reversible=False)))).text
    assert "(shop, production; cannot be undone)" in text


def test_each_state_in_its_words() -> None:
    said = {
        state: note.text for state in ChangeState if (note := WORDS.moved(change(state=state))) is not None
    }
    deed = "fixer would delete 1,204 rows of public·orders (shop, production)"
    assert said == {
        ChangeState.APPROVED: f"Approved: {deed}",
        ChangeState.DENIED: f"Denied: {deed}",
        ChangeState.WITHDRAWN: f"Withdrawn: {deed}",
        ChangeState.EXPIRED: f"Expired, nothing was done: {deed}",
        ChangeState.APPLIED: "Applied: fixer deleted 1,204 rows of public·orders (shop, production)",
        ChangeState.FAILED: f"Failed, nothing was done: {deed}",
        ChangeState.IN_DOUBT: f"In doubt whether it took effect: {deed}",
    }
    assert set(said) == {state for state in ChangeState if event_of(change(state=state)) is not None}


def test_a_revert_names_who_asked_and_what_is_reverted() -> None:
    revert = change(
        reverts="CHG-00000001", requested_by="ann", **measured(effect(ChangeKind.CREATED, 3, Unit.ROWS))
    )
    what = "CHG-00000001 of fixer, which means: create 3 rows of public·orders (shop, production)"
    assert WORDS.held(revert).text == f"ann would revert {what} - waits for 2 of sre"
    applied = WORDS.moved(
        change(state=ChangeState.APPLIED, reverts="CHG-00000001", requested_by="ann", **measured())
    )
    assert applied is not None
    assert applied.event.value == "reverted"
    assert applied.text.startswith("Applied: ann reverted CHG-00000001 of fixer, which means: ")


def test_reminder_and_break_glass() -> None:
    assert WORDS.reminder(change()).text == (
        "Nobody has answered, and it expires 2026-03-05 05:06 UTC: fixer would delete 1,204 rows of public·orders "
        "(shop, production) - waits for 2 of sre"
    )
    until = START + timedelta(minutes=30)
    alone = WORDS.break_glass("ann", change(), "shop", until)
    assert alone.urgent
    assert alone.line == (
        "BREAK-GLASS: ann lets it through without the others until 2026-03-04 05:36 UTC: fixer would delete 1,204 rows of "
        f"public·orders (shop, production): {URL}/console/changes/CHG-7K3F9Q2M"
    )
    target = WORDS.break_glass("ann", None, "shop", until)
    assert target.text == (
        "BREAK-GLASS: ann lets changes of shop through without the others until 2026-03-04 05:36 UTC"
    )
    assert target.urgent
    assert alone.key != target.key


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("state", list(BreakerState))
def test_breakers(state: BreakerState, frozen: bool) -> None:
    row = Breaker("agent/fixer", state, frozen, reason="somebody's words", epoch=4)
    text = WORDS.breaker(row, "person/ann", "").text
    assert text.startswith(
        f"The breaker agent/fixer is {state.value}{' and frozen' if frozen else ''} now, by person/ann"
    )
    assert "somebody's words" not in text
    assert ("pass again" in text) is (state is BreakerState.CLOSED and not frozen)


def steps(number: int, *changes: str) -> tuple[Mark, ...]:
    """What an agent did: named as it likes."""
    return tuple(
        Mark(START, "drop schema @here https://evil.example", "S-1", changes[n] if n < len(changes) else "")
        for n in range(number)
    )


@pytest.mark.parametrize("signal", list(Signal))
def test_a_trip_says_why_after_what_and_who_can_put_it_back(signal: Signal) -> None:
    note = WORDS.tripped(
        "agent/fixer", 3, signal, ("fixer",), "production", steps(5, "CHG-1", "CHG-2", "CHG-2")
    )
    assert note.text == (
        f"The breaker agent/fixer has opened by itself (agent fixer): {SIGNALS[signal]}, after 5 operations (CHG-1, CHG-2) - "
        "this agent changes nothing there until it is put back by a person who owns none of the agents that it is about"
    )
    assert (note.event, note.urgent, note.key) == (Event.BREAKER, True, "breaker/agent/fixer/3")
    assert note.link == f"{URL}/console/breakers/one?scope=agent%2Ffixer"
    assert note.data == {
        "scope": "agent/fixer", "state": "open", "frozen": False, "epoch": 3, "by": "interlock", "agents": ["fixer"],
        "signal": signal.value, "operations": 5, "changes": ["CHG-1", "CHG-2"],
    }  # fmt: skip


def test_who_may_put_back_a_session_is_anybody() -> None:
    note = WORDS.tripped("session/S-1", 1, Signal.ERRORS, ("fixer",), "production")
    assert note.text.endswith("until it is put back by a person who may use the console or the command line")
    assert ", after" not in note.text


@pytest.mark.parametrize(("scope", "wide"), [("environment/production", True), ("agent/fixer", False)])
def test_what_stops_others_as_well_is_for_admins_in_governed_mode(scope: str, wide: bool) -> None:
    note = WORDS.tripped(scope, 1, Signal.HEALTH, ("fixer",), "production")
    assert note.text.endswith("; in governed mode that is proposed to admins") is wide


def test_a_trip_names_nothing_that_an_agent_named() -> None:
    many = steps(40, *(f"CHG-{n}" for n in range(30)))
    note = WORDS.tripped(
        "group/shop/@here https://evil.example", 2, Signal.GROUP_SHARE, ("fixer",), "production", many
    )
    told = f"{note.text} {note.link} {msgspec.json.encode(note.data).decode()}"
    for word in ("evil", "0040", "drop", "schema"):
        assert word not in told
    assert note.text.startswith("The breaker of a group of shop has opened by itself (agent fixer): ")
    assert "after 40 operations (CHG-27, CHG-28, CHG-29 and 27 more)" in note.text, "the last"
    assert note.data["scope"] == "group/shop"
    assert note.data["changes"] == [f"CHG-{n}" for n in range(10, 30)]
    assert note.link == f"{URL}/console/breakers"
    other = WORDS.tripped("group/shop/another", 2, Signal.GROUP_SHARE, ("fixer",), "production", many)
    assert other.key != note.key, "they are two all the same"


def test_several_groups() -> None:
    both = change(decision=Hold(("quorum:two-sre", "quorum:one-dba")))
    note = WORDS.held(both)
    assert note.text.endswith("waits for 2 of sre and 1 of dba")
    assert note.groups == ("sre", "dba")
    assert WORDS.held(change(decision=Hold(("plan",)))).text.endswith(
        "waits for something that nobody can give now"
    )


def test_an_agents_words_statements_and_values_are_never_in_it() -> None:
    secret = "hunter2"
    asked = (Operation(Action.DELETE, secret, (orders(),), native=secret, evidence_unknown=secret),)
    planted = change(
        reason=secret,
        note=secret,
        session=secret,
        content=secret,
        nonce=secret,
        fingerprint=secret,
        marker={"undo": secret},
        operations=asked,
        measurement=Measurement(
            (effect(ChangeKind.DELETED, 3, Unit.ROWS, detail=secret, reason=secret, columns=(secret,), reversible=False),),
            affected=secret,
            definitions=secret,
        ),
    )  # fmt: skip
    notes = [WORDS.held(planted), WORDS.reminder(planted), WORDS.break_glass("ann", planted, "shop", START)]
    for state in ChangeState:
        note = WORDS.moved(
            change(**{**{f: getattr(planted, f) for f in planted.__struct_fields__}, "state": state})
        )
        notes += [note] if note is not None else []
    assert len(notes) == 10
    for note in notes:
        assert secret not in note.line
        assert secret not in repr(note.data)


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("public.orders", "public·orders"),
        ("order_items-2", "order_items-2"),
        ("arn:aws:s3:::assets/logs", "arn∶aws∶s3∶∶∶assets/logs"),
        ("two words", '"two words"'),
        ("evil.example", "evil·example"),
        ("a\u202eb", '"a⟨U+202E⟩b"'),
        ("a·b", '"a⟨U+00B7⟩b"'),
        ("<b>", '"⟨U+003C⟩b⟨U+003E⟩"'),
        ("p\u0430ypal", '"p⟨U+0430⟩ypal"'),
        ("größe", "größe"),
        ("", '""'),
    ],
)
def test_names(given_name: str, shown: str) -> None:
    assert name(given_name) == shown


def test_long_names_are_cut() -> None:
    assert name("a" * 500) == "a" * (LONGEST - 1) + "…"
    assert len(name("\u202e" * 500)) < LONGEST * 10


@given(st.text(st.characters(exclude_categories=()), max_size=120))
def test_no_name_has_a_sign_that_means_something_elsewhere(text: str) -> None:
    shown = name(text)
    inner = shown.removeprefix('"').removesuffix('"')
    assert not set(inner) & set(".:@<>&*~`[]()|#\\!\"'${}\n\r\t\u3002\uff0e\uff61")
    assert shown.startswith('"') or " " not in shown


@given(st.text("evil.exampl:/@\u3002\uff0e", max_size=40))
def test_no_name_is_an_address(text: str) -> None:
    assert "." not in name(text)
    assert "://" not in name(text)


BLAME = Blame(
    "shop", "production", "web", "fixer", ("CHG-1", "CHG-2"), START, ("environment/production/agent/fixer",)
)


def test_a_target_that_became_unwell() -> None:
    waiting = change(id="CHG-9", reverts="CHG-2")
    note = WORDS.health(BLAME, [waiting])
    assert note.text == (
        "shop is unwell (the check web) since CHG-1, CHG-2 of fixer - to revert them, approve CHG-9"
    )
    assert note.link == f"{URL}/console/changes/CHG-9"
    assert note.environment == "production"
    assert note.data["changes"] == ["CHG-1", "CHG-2"]
    none = WORDS.health(BLAME, [])
    assert none.text.endswith("of fixer - no revert is proposed yet")
    assert none.link == f"{URL}/console/changes/CHG-1"
    assert none.key == note.key, "told twice, it is the same message"
    observed = WORDS.health(msgspec.structs.replace(BLAME, opened=(), observed=True), [])
    assert observed.text.endswith("of fixer - the target only observes, so nobody is stopped")


def test_a_revert_that_nobody_asked_for_waits_for_anyone() -> None:
    held = change(reverts="CHG-2", requested_by="health", decision=Hold(("quorum:one person",), ("health",)))
    note = WORDS.held(held)
    assert note.text.startswith("health would revert CHG-2 of fixer")
    assert note.text.endswith("waits for 1 of any group")
    assert Wants(groups=("dba",)).takes(note), "of all groups"
    assert Wants(groups=("dba",)).takes(WORDS.health(BLAME, []))
    assert not Wants(events=(Event.HELD,)).takes(WORDS.health(BLAME, []))


def test_an_agents_breaker_stops_that_agent_alone() -> None:
    trip = WORDS.tripped("environment/production/agent/fixer", 1, Signal.HEALTH, ("fixer",), "production")
    assert "this agent changes nothing there until" in trip.text
    assert trip.link.endswith("/one?scope=environment%2Fproduction%2Fagent%2Ffixer")
    for scope in ("agent/fixer", "environment/production/agent/fixer"):
        text = WORDS.breaker(Breaker(scope, BreakerState.OPEN), "health", "production").text
        assert text.endswith("this agent changes nothing there")
