"""P4: N people means N people."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from interlock.control.deciding import approval as approvals
from interlock.control.deciding.quorum import Tally, count
from interlock.model.change import Approval, Change, ChangeState, Measurement, Verdict
from interlock.model.decision import Hold
from interlock.model.effect import ChangeKind, Effect, Unit
from interlock.model.operation import Action, Operation, Resource
from interlock.model.people import Agent, Grant, Person, Quorum
from interlock.testing import signing

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
ORIGIN = "test.example/log"
TABLE = Resource("table", "public.orders", "public")
CHANGE = Change(
    id="CHG-00000001",
    agent="fixer",
    owner="olga",
    target="shop",
    environment="production",
    fingerprint="sys/shop",
    state=ChangeState.HELD,
    version=1,
    content="c" * 64,
    operations=(Operation(Action.DELETE, "DELETE", (TABLE,)),),
    measurement=Measurement((Effect(TABLE, ChangeKind.DELETED, 500, Unit.ROWS),), "rows:", "d", "xmax"),
    decision=Hold(("quorum:two-sre",)),
    requested_at=NOW,
    updated_at=NOW,
    nonce="f" * 32,
    requested_by="",
)
PEOPLE = {
    p.name: p
    for p in (
        *(
            signing.person(name, "sre", at=NOW)
            for name in ("ann", "bob", "cho", "olga", "gus", "past", "rex")
        ),
        signing.person("dev", "dev", at=NOW),
    )
}
AGENT = Agent("fixer", "olga", NOW, past_owners=("past",))
GRANT = Grant("G1", "fixer", "shop", (Action.DELETE,), "gus", NOW, NOW, revoked_at=NOW)
QUORUM = Quorum("two-sre", 2, "sre")


def said(name: str, word: Verdict = Verdict.APPROVE, about: Change = CHANGE, **changed: Any) -> Approval:
    given = signing.speak(about, name, NOW, origin=ORIGIN, verdict=word)
    if not changed:
        return given
    return signing.signed(msgspec.structs.replace(given.statement, **changed), NOW)


def tally(
    *given: Approval, people: dict[str, Person] = PEOPLE, change: Change = CHANGE, **more: Any
) -> Tally:
    values: dict[str, Any] = {"agent": AGENT, "grants": [GRANT], "now": NOW, **more}
    return count(
        given, people, values["agent"], values["grants"], change, QUORUM, values["now"], origin=ORIGIN
    )


def test_two_people_meet_it() -> None:
    found = tally(said("ann"), said("bob"))
    assert (found.given, found.missing, found.met, found.excluded) == (("ann", "bob"), 0, True, ())


def test_one_person_counts_once_however_often_they_sign() -> None:
    found = tally(said("ann"), said("ann", reason="again"))
    assert (found.given, found.missing, found.met) == (("ann",), 1, False)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("olga", "owns the agent"),
        ("past", "owned the agent before"),
        ("gus", "granted the agent a right"),
        ("dev", "is not in the group sre"),
    ],
)
def test_people_with_an_interest_never_count(name: str, why: str) -> None:
    found = tally(said("ann"), said(name))
    assert found.given == ("ann",)
    assert found.excluded == ((name, why),)


def test_a_new_owner_does_not_count_though_the_change_names_the_old_one() -> None:
    agent = Agent("fixer", "ann", NOW, past_owners=("olga",))
    assert tally(said("ann"), said("olga"), agent=agent).given == ()


def test_whoever_asked_does_not_count() -> None:
    change = msgspec.structs.replace(CHANGE, requested_by="rex")
    assert tally(said("rex", about=change), said("ann", about=change), change=change).given == ("ann",)


def test_disabled_people_do_not_count() -> None:
    people = {**PEOPLE, "ann": msgspec.structs.replace(PEOPLE["ann"], disabled=True)}
    assert tally(said("ann"), said("bob"), people=people).given == ("bob",)


def test_one_key_under_two_names_counts_once() -> None:
    twin = Person("ann2", ("sre",), PEOPLE["ann"].public_key, NOW)
    words = msgspec.structs.replace(said("ann").statement, person="ann2")
    forged = signing.signed(words, NOW, signing.key_of("ann"))
    found = tally(said("ann"), forged, people={**PEOPLE, "ann2": twin})
    assert (found.given, found.met) == (("ann",), False)


def test_an_alias_with_the_owners_key_does_not_count() -> None:
    alias = Person("helper", ("sre",), PEOPLE["olga"].public_key, NOW)
    words = msgspec.structs.replace(said("ann").statement, person="helper")
    forged = signing.signed(words, NOW, signing.key_of("olga"))
    found = tally(said("ann"), forged, people={**PEOPLE, "helper": alias})
    assert found.given == ("ann",)


def test_a_denial_ends_it() -> None:
    found = tally(said("ann"), said("bob"), said("cho", Verdict.DENY))
    assert (found.given, found.denied_by, found.met) == (("ann", "bob"), "cho", False)


def test_a_forged_denial_ends_nothing() -> None:
    forged = msgspec.structs.replace(said("cho", Verdict.DENY), signature=said("cho").signature)
    assert tally(said("ann"), said("bob"), forged).met


@pytest.mark.parametrize(
    "changed",
    [
        {"purpose": approvals.REVERT_PURPOSE},
        {"origin": "other.example/log"},
        {"version": "2"},
        {"change": "CHG-00000002"},
        {"target": "other"},
        {"fingerprint": "sys/other"},
        {"subject": "0" * 64},
        {"nonce": "0" * 32},
        {"nonce": ""},
        {"expires": approvals.rfc3339(NOW)},
        {"expires": approvals.rfc3339(NOW + timedelta(days=8))},
        {"expires": "never"},
        {"expires": "2026-03-05T00:00:00Z"},
    ],
)
def test_a_signature_holds_for_nothing_else(changed: dict[str, Any]) -> None:
    assert tally(said("ann"), said("bob", **changed)).given == ("ann",)


@pytest.mark.parametrize(
    "changed",
    [
        {"content": "d" * 64},
        {"agent": "other"},
        {"owner": "other"},
        {"environment": "other"},
        {"operations": ()},
        {"decision": Hold(("quorum:one",))},
        {"reverts": "CHG-00000009"},
        {"measurement": msgspec.structs.replace(CHANGE.measurement, affected="rows:AA==")},
        {"measurement": msgspec.structs.replace(CHANGE.measurement, definitions="e")},
        {"measurement": msgspec.structs.replace(CHANGE.measurement, undo_how="none")},
        {"measurement": msgspec.structs.replace(CHANGE.measurement, effects=())},
    ],
)
def test_the_binding_covers_everything_that_was_shown(changed: dict[str, Any]) -> None:
    other = msgspec.structs.replace(CHANGE, **changed)
    assert approvals.binding(other) != approvals.binding(CHANGE)
    agent = AGENT if other.agent == AGENT.name else Agent(other.agent, "olga", NOW)
    assert tally(said("ann"), said("bob"), change=other, agent=agent).given == ()


def test_the_binding_outlives_storage_and_moves() -> None:
    stored = msgspec.json.decode(msgspec.json.encode(CHANGE), type=Change)
    moved = msgspec.structs.replace(
        stored, state=ChangeState.EXECUTING, version=7, note="x", marker={"xid": "1"}
    )
    assert approvals.binding(moved) == approvals.binding(CHANGE)


def test_signatures_are_checked() -> None:
    good = said("ann")
    raw = base64.b64decode(good.signature)
    for bad in (
        "",
        "%%",
        good.signature[:-4],
        base64.b64encode(raw[:-1] + b"\0").decode(),
        good.signature + "\n",
    ):
        assert not approvals.signature_holds(good.statement, bad, good.public_key)
    assert not approvals.signature_holds(good.statement, good.signature, PEOPLE["bob"].public_key)
    assert approvals.signature_holds(good.statement, good.signature, good.public_key)


def test_someone_elses_key_does_not_make_it_theirs() -> None:
    forged = signing.signed(said("ann").statement, NOW, signing.key_of("bob"))
    assert tally(forged).excluded == (("ann", "it was signed with a key that is not the person's"),)


def test_an_unknown_person_does_not_count() -> None:
    assert tally(said("nobody")).excluded == (("nobody", "nobody of that name is enrolled"),)


def test_a_wish_to_revert_is_not_an_approval_and_says_whether_by_force() -> None:
    wish = signing.wish(CHANGE, "ann", NOW, origin=ORIGIN, force=True)

    def why(force: bool, given: Approval = wish) -> str:
        return approvals.verify_revert(given, CHANGE, PEOPLE["ann"], NOW, origin=ORIGIN, force=force)

    assert why(True) == ""
    assert "another content" in why(False)
    assert "another purpose" in why(True, said("ann"))
    assert "another purpose" in approvals.verify(wish, CHANGE, PEOPLE["ann"], NOW, origin=ORIGIN)
    short = signing.wish(CHANGE, "ann", NOW, origin=ORIGIN, nonce="short")
    assert "nonce" in why(False, short)
