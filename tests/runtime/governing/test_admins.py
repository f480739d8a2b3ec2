"""New people wait, lost admins are recovered by the remaining ones, and nobody can be all admins alone."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.runtime.governing.conftest import SOCKET, House, Make

from interlock.control.deciding.approval import rfc3339
from interlock.model.change import ChangeState
from interlock.model.errors import Rejected
from interlock.model.people import Person
from interlock.pipeline.recorded import records
from interlock.runtime import doctor
from interlock.runtime.rules.governance import Proposed
from interlock.sdk.connector import Held
from interlock.sdk.ports import Tx
from interlock.testing.signing import public_key_of

pytestmark = pytest.mark.anyio
NEW = public_key_of("ann's other")


async def alter(house: House, name: str, **what: Any) -> None:
    """Set members of a person behind everyone's back."""

    def work(tx: Tx) -> None:
        person = tx.person(name)
        assert person is not None
        tx.put_person(msgspec.structs.replace(person, **what))

    await house.runtime.store.transact(work)
    await house.runtime.core.directory.refresh()


async def third(house: House) -> None:
    """`cleo`, an admin whose word counts."""
    await house.agree(house.runtime.people.add("cleo", ["admin"], public_key_of("cleo"), by=SOCKET))
    await alter(house, "cleo", counts_from=None)


async def person(house: House, name: str) -> Person:
    found = await house.person(name)
    assert found is not None
    return found


# ---- new people


async def test_a_new_person_counts_after_a_day(governed: House) -> None:
    change = await governed.agree(
        governed.runtime.people.add("new", ["sre"], public_key_of("new"), by=SOCKET)
    )
    new = await person(governed, "new")
    assert new.counts_from is not None
    assert timedelta(hours=24) - (new.counts_from - change.updated_at) < timedelta(seconds=5)
    answer = await governed.send(["delete_like", "row/01"])
    assert isinstance(answer, Held)
    with pytest.raises(Rejected, match="new is new: their approvals count from 20"):
        await governed.speak(answer.change, "new")
    await alter(governed, "new", counts_from=governed.runtime.core.directory.now() - timedelta(seconds=1))
    await governed.speak(answer.change, "new")
    assert (await governed.speak(answer.change, "sam")).state is ChangeState.APPROVED


async def test_a_voice_given_too_early_is_left_out_with_the_reason(governed: House) -> None:
    """Whatever way it got there: counting is what decides."""
    answer = await governed.send(["delete_like", "row/01"])
    assert isinstance(answer, Held)
    await governed.speak(answer.change, "sam")
    until = governed.runtime.core.directory.now() + timedelta(hours=1)
    await alter(governed, "sam", counts_from=until)
    (tally,) = (await governed.runtime.changes.show(answer.change.id)).tallies
    assert (tally.given, dict(tally.excluded)) == (
        (),
        {"sam": f"is new: their approvals count from {rfc3339(until)} on"},
    )


async def test_waiting_is_for_strict_environments_and_can_be_set(make: Make) -> None:
    other = make(alter=lambda text: text + "people: {counts_after: 3h}\n")
    await other.start()
    await other.furnish()
    assert (await person(other, "sam")).counts_from is None, "not in try-out mode"
    await other.govern()
    assert [(await person(other, name)).counts_from for name in ("ann", "ben")] == [None, None]
    await other.agree(other.runtime.people.add("new", ["sre"], public_key_of("new"), by=SOCKET))
    new = await person(other, "new")
    assert new.counts_from is not None
    assert new.counts_from - new.created_at == timedelta(hours=3)
    await other.stop()


async def test_relaxed_environments_do_not_wait(governed: House) -> None:
    answer = await governed.send(["delete_like", "row/01"])
    assert isinstance(answer, Held)
    await governed.speak(answer.change, "sam")
    await alter(governed, "sam", counts_from=governed.runtime.core.directory.now() + timedelta(hours=1))
    terms = governed.runtime.terms
    relaxed = msgspec.structs.replace(terms, relaxed=terms.relaxed | {"production"})
    given = [
        await governed.runtime.store.read(lambda tx, t=t: records.tallies(tx, answer.change, t)[0].given)  # type: ignore[misc]
        for t in (terms, relaxed)
    ]
    assert given == [(), ("sam",)]
    assert terms.relaxed == {"staging"}


async def test_a_new_admin_does_not_decide_on_the_first_day(governed: House) -> None:
    await governed.agree(governed.runtime.people.add("cleo", ["admin"], public_key_of("cleo"), by=SOCKET))
    change = await governed.held(governed.runtime.agents.add("helper", "olga", by="person/cleo"))
    assert change.decision.remedies == ("quorum:two-admins",), "who is new is not one of the two"  # type: ignore[union-attr]
    other = await governed.held(governed.runtime.agents.add("other", "olga", by=SOCKET))
    with pytest.raises(Rejected, match="is new"):
        await governed.speak(other, "cleo")


# ---- lost admins


async def test_the_remaining_admin_recovers_the_other_and_it_takes_a_day(governed: House) -> None:
    change = await governed.held(governed.runtime.people.recover("ann", NEW, by=SOCKET))
    with pytest.raises(Rejected, match="whom it is about"):
        await governed.speak(change, "ann")
    assert (await governed.speak(change, "ben")).state is ChangeState.APPLIED
    ann = await person(governed, "ann")
    assert (ann.public_key, ann.disabled) == (NEW, False)
    assert ann.counts_from is not None
    # For a day, that key decides nothing: everyone can object by disabling it.
    other = await governed.held(governed.runtime.agents.add("x", "olga", by=SOCKET))
    with pytest.raises(Rejected, match="is new"):
        await governed.speak(other, "ann")
    await alter(governed, "ann", counts_from=None)
    with pytest.raises(Rejected, match="is not valid"):
        await governed.speak(other, "ann")


async def test_the_last_admin_signs_even_what_they_asked_for_themself(governed: House) -> None:
    change = await governed.held(governed.runtime.people.recover("ann", NEW, by="person/ben"))
    assert change.state is ChangeState.HELD
    assert (await governed.speak(change, "ben")).state is ChangeState.APPLIED


async def test_with_three_admins_two_recover_the_third(governed: House) -> None:
    await third(governed)
    change = await governed.held(governed.runtime.people.recover("ann", NEW, by=SOCKET))
    assert (await governed.speak(change, "ben")).state is ChangeState.HELD
    assert (await governed.speak(change, "cleo")).state is ChangeState.APPLIED


async def test_nobody_disables_the_others_and_becomes_all_of_them(governed: House) -> None:
    await third(governed)
    await governed.runtime.people.disable("ann", by="person/ben")
    await governed.runtime.people.disable("cleo", by="person/ben")
    with pytest.raises(Rejected, match="cleo was disabled within the last 7 days") as refused:
        await governed.runtime.people.recover("ann", NEW, by="person/ben")
    assert not isinstance(refused.value, Proposed)
    long_ago = governed.runtime.core.directory.now() - timedelta(days=8)
    await alter(governed, "cleo", disabled_at=long_ago)
    await governed.agree(governed.runtime.people.recover("ann", NEW, by=SOCKET), "ben")
    assert not (await person(governed, "ann")).disabled


async def test_one_admin_always_stays(governed: House) -> None:
    await governed.runtime.people.disable("ann", by=SOCKET)
    with pytest.raises(Rejected, match="one admin must be left"):
        await governed.runtime.people.disable("ben", by=SOCKET)
    assert not (await person(governed, "ben")).disabled
    held = await governed.held(governed.runtime.agents.add("helper", "olga", by=SOCKET))
    assert (await governed.speak(held, "ben")).state is ChangeState.HELD, "one alone decides nothing"


async def test_groups_leave_two_admins(governed: House) -> None:
    with pytest.raises(Rejected, match="2 admins must be left"):
        await governed.runtime.people.set_groups("ann", ["sre"], by="person/ann")
    await third(governed)
    done = await governed.agree(governed.runtime.people.set_groups("ann", ["sre"], by=SOCKET), "ben", "cleo")
    assert done.state is ChangeState.APPLIED


async def test_a_recovered_key_is_nobody_elses(governed: House) -> None:
    with pytest.raises(Rejected, match="sam's already"):
        await governed.runtime.people.recover("ann", public_key_of("sam"), by=SOCKET)
    with pytest.raises(Rejected, match="nothing would change"):
        await governed.runtime.people.recover("ann", public_key_of("ann"), by=SOCKET)


async def test_disabling_twice_does_not_renew_the_date(governed: House) -> None:
    await governed.runtime.people.disable("sam", by=SOCKET)
    first = (await person(governed, "sam")).disabled_at
    assert first is not None
    await governed.runtime.people.disable("sam", by=SOCKET)
    assert (await person(governed, "sam")).disabled_at == first


async def test_doctor_counts_the_admins(governed: House) -> None:
    async def found() -> list[tuple[str, str]]:
        return [
            (f.level, f.what.split(":")[0])
            for f in await doctor.online(governed.runtime)
            if f.check == "admins"
        ]

    assert await found() == [("warning", "there are no more than 2 admins")]
    await third(governed)
    assert await found() == []
    await governed.runtime.people.disable("ann", by=SOCKET)
    await governed.runtime.people.disable("cleo", by=SOCKET)
    assert await found() == [("error", "only 1 of 2 admins are left")]
