"""What loosens is held for two admins and then done at once; what tightens is not held."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.runtime.governing.conftest import ANN, SOCKET, House

from interlock.control.machine import IllegalMove
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.change import ChangeState, Verdict
from interlock.model.errors import NotFound, Rejected, Unavailable
from interlock.model.people import Subject
from interlock.model.proposal import INTERLOCK
from interlock.pipeline.expire import expire_all
from interlock.runtime.config.document import load
from interlock.runtime.governing import deciding, record
from interlock.runtime.oidc import links
from interlock.runtime.rules.governance import Proposed
from interlock.sdk.connector import Permitted, TrashItem
from interlock.sdk.ports import Tx
from interlock.testing import signing
from interlock.testing.signing import public_key_of

pytestmark = pytest.mark.anyio
NEW = public_key_of("new")
Ask = Callable[[House, str], Any]


async def _frozen(house: House) -> None:
    await house.runtime.switches.freeze("production", "incident", by=SOCKET)


async def _opened(house: House) -> None:
    await house.runtime.switches.open("global", "incident", by=SOCKET)


async def _halted(house: House) -> None:
    await house.runtime.switches.halts.halt("incident", by=SOCKET)


async def _logged_in_at_the_provider(house: House) -> None:
    """By an invitation of sam."""

    def work(tx: Tx) -> None:
        subject = Subject("https://login.example", "248289761001", tx.now())
        links.wait(tx, links.Link(subject, "AAAA-AAAA", "sam"))

    await house.runtime.store.transact(work)


async def _nothing(house: House) -> None:
    return


LOOSENING: dict[str, tuple[Callable[[House], Any], Ask]] = {
    "add person": (_nothing, lambda h, by: h.runtime.people.add("new", ["sre"], NEW, by=by)),
    "change groups": (_nothing, lambda h, by: h.runtime.people.set_groups("sam", ["sre", "dba"], by=by)),
    "recover": (_nothing, lambda h, by: h.runtime.people.recover("sam", NEW, by=by)),
    "confirm login": (
        _logged_in_at_the_provider,
        lambda h, by: h.runtime.enrolments.confirm("sam", "AAAA-AAAA", by=by),
    ),
    "add agent": (_nothing, lambda h, by: h.runtime.agents.add("helper", "olga", by=by)),
    "change owner": (_nothing, lambda h, by: h.runtime.agents.give_to("fixer", "sam", by=by)),
    "add grant": (_nothing, lambda h, by: h.grant("fixer", "shop", by=by)),
    "thaw": (_frozen, lambda h, by: h.runtime.switches.thaw("production", "over", by=by)),
    "resume": (_halted, lambda h, by: h.runtime.switches.halts.resume("over", by=by)),
    "reset": (_opened, lambda h, by: h.runtime.switches.reset("global", "over", by=by)),
    "unprotect": (_nothing, lambda h, by: h.runtime.protection.protect("shop", ["orders"], on=False, by=by)),
    "policies": (_nothing, lambda h, by: h.runtime.governing.propose_policies({}, by=by)),
    "end": (_nothing, lambda h, by: h.runtime.governing.end("enough", by=by)),
}
"""What must be so before, and what is asked for."""


async def decides(house: House) -> object:
    """Everything that decides, as it is stored."""

    def read(tx: Any) -> object:
        names = ("agents", "grants", "people", "breakers", "in_force")
        return [getattr(tx, name)() for name in names]

    return await house.runtime.store.read(read)


@pytest.mark.parametrize("what", LOOSENING)
async def test_one_person_changes_nothing_and_two_admins_do(governed: House, what: str) -> None:
    before, ask = LOOSENING[what]
    await before(governed)
    was = await decides(governed)
    change = await governed.held(ask(governed, SOCKET))
    assert (change.state, change.target, change.environment) == (ChangeState.HELD, INTERLOCK, INTERLOCK)
    assert await decides(governed) == was
    assert (await governed.speak(change, "ann")).state is ChangeState.HELD
    assert await decides(governed) == was
    done = await governed.speak(change, "ben")
    assert done.state is ChangeState.APPLIED, done.note
    kinds = [e["what"] for e in await governed.entries("proposal")]
    assert len(kinds) == 1
    assert [e["committed"] for e in await governed.entries("outcome")] == [True]
    if what != "unprotect":  # that is done on the target
        assert await decides(governed) != was


@pytest.mark.parametrize("what", LOOSENING)
async def test_an_admin_who_proposes_is_one_of_the_two(governed: House, what: str) -> None:
    """Two founding admins are enough, and the one who asked cannot be both of them."""
    before, ask = LOOSENING[what]
    await before(governed)
    change = await governed.held(ask(governed, ANN))
    with pytest.raises(Rejected, match="asked for the change"):
        await governed.speak(change, "ann")
    assert (await governed.speak(change, "ben")).state is ChangeState.APPLIED


async def test_who_is_no_admin_proposes_as_the_socket_does(governed: House) -> None:
    change = await governed.held(governed.runtime.people.add("new", ["sre"], NEW, by="person/sam"))
    for nobody in ("sam", "sue"):
        with pytest.raises(Rejected, match="cannot approve"):
            await governed.speak(change, nobody)
    assert (await governed.speak(change, "ann")).state is ChangeState.HELD
    assert (await governed.speak(change, "ben")).state is ChangeState.APPLIED


async def test_whom_it_is_about_does_not_count(governed: House) -> None:
    change = await governed.held(governed.runtime.people.set_groups("ben", ["admin", "sre"], by=SOCKET))
    with pytest.raises(Rejected, match="whom it is about"):
        await governed.speak(change, "ben")
    owned = await governed.held(governed.runtime.agents.add("helper", "ann", by=SOCKET))
    with pytest.raises(Rejected, match="owns the agent"):
        await governed.speak(owned, "ann")


async def test_a_denial_ends_it_and_so_do_withdrawal_and_time(governed: House) -> None:
    ask = LOOSENING["add person"][1]
    denied = await governed.speak(await governed.held(ask(governed, SOCKET)), "sue", Verdict.DENY)
    assert denied.state is ChangeState.DENIED
    second = await governed.held(ask(governed, SOCKET))
    assert second.id != denied.id
    await governed.runtime.changes.withdraw(second.id, "no", by=SOCKET)
    with pytest.raises(Rejected):
        await governed.speak(second, "ann")
    third = await governed.held(ask(governed, SOCKET))

    def late(tx: Tx) -> Any:
        tx.save_change(msgspec.structs.replace(third, expires_at=tx.now() - timedelta(seconds=1)))
        return expire_all(tx)

    assert [c.id for c in await governed.runtime.store.transact(late)] == [third.id]
    assert await governed.person("new") is None


async def test_the_same_asked_again_is_the_same_proposal(governed: House) -> None:
    ask = LOOSENING["add person"][1]
    first, again = await governed.held(ask(governed, SOCKET)), await governed.held(ask(governed, SOCKET))
    assert first.id == again.id
    other = await governed.held(ask(governed, ANN))
    assert other.id != first.id
    assert [c.id for c in await governed.runtime.governing.proposals()] == [other.id, first.id]


async def test_nobody_floods_admins(governed: House) -> None:
    for number in range(20):
        await governed.held(governed.runtime.agents.add(f"helper{number}", "olga", by=SOCKET))
    with pytest.raises(Rejected, match="20 proposals"):
        await governed.runtime.agents.add("one-more", "olga", by=SOCKET)


SITE = '"api": {"public_url": "http://127.0.0.1:8470"}'


def with_key(house: House) -> str:
    """What the configuration decides, with a key of the target that its connector does not know."""
    decides = json.loads(deciding.deciding(load(house.file).source))
    decides["targets"]["shop"]["pasword"] = "x"
    return json.dumps(decides)


@pytest.mark.parametrize(
    ("ask", "why"),
    [
        (lambda h: h.runtime.people.add("ann", ["sre"], NEW, by=SOCKET), "already"),
        (lambda h: h.runtime.people.add("NO!", ["sre"], NEW, by=SOCKET), "a name of"),
        (lambda h: h.runtime.people.add("new", ["sre"], public_key_of("sam"), by=SOCKET), "sam's already"),
        (lambda h: h.runtime.people.set_groups("nobody", ["sre"], by=SOCKET), "no person"),
        (lambda h: h.runtime.people.set_groups("sam", ["sre"], by=SOCKET), "nothing would change"),
        (lambda h: h.runtime.agents.add("fixer", "olga", by=SOCKET), "already"),
        (lambda h: h.runtime.agents.give_to("fixer", "nobody", by=SOCKET), "not an enrolled person"),
        (lambda h: h.grant("nobody", "shop", by=SOCKET), "no agent"),
        (lambda h: h.runtime.switches.thaw("nowhere", by=SOCKET), "no breaker"),
        (lambda h: h.runtime.switches.halts.resume(by=SOCKET), "in force already"),
        (lambda h: h.runtime.switches.reset("global", "looked", by=SOCKET), "closed"),
        (
            lambda h: h.runtime.governing.propose_policies({"x.cedar": "permit (principal"}, by=SOCKET),
            "x.cedar",
        ),
        (lambda h: h.runtime.governing.propose_config("[]", by=SOCKET), "JSON object"),
        (
            lambda h: h.runtime.governing.propose_config(f'{{{SITE}, "environment": {{}}}}', by=SOCKET),
            "unknown key",
        ),
        (
            lambda h: h.runtime.governing.propose_config(f"{{{SITE}}}", by=SOCKET),
            "two-sre' is not configured",
        ),
        (lambda h: h.runtime.governing.propose_config("{}", by=SOCKET), "api.public_url"),
        (
            lambda h: h.runtime.governing.propose_config('{"api": {"public_url": 7}}', by=SOCKET),
            "api.public_url",
        ),
        (
            lambda h: h.runtime.governing.propose_config('{"api": {"listen": "0.0.0.0:1"}}', by=SOCKET),
            "api.public_url",
        ),
        (lambda h: h.runtime.governing.propose_config(with_key(h), by=SOCKET), "unknown key 'pasword'"),
    ],
)
async def test_what_could_not_be_done_is_not_held(governed: House, ask: Any, why: str) -> None:
    with pytest.raises((Rejected, NotFound, IllegalMove), match=why) as found:
        await ask(governed)
    assert not isinstance(found.value, Proposed)
    assert await governed.runtime.governing.proposals() == []


async def test_what_has_changed_since_is_not_done(governed: House) -> None:
    """Admins agreed to what they were shown, from that state to this one."""
    change = await governed.held(governed.runtime.people.set_groups("sam", ["sre", "dba"], by=SOCKET))
    await governed.agree(governed.runtime.people.set_groups("sam", ["dev"], by=ANN), "ben")
    await governed.speak(change, "ann")
    after = await governed.speak(change, "ben")
    assert after.state is ChangeState.FAILED
    assert "changed since" in after.note
    sam = await governed.person("sam")
    assert sam is not None
    assert sam.groups == ("dev",)


async def test_what_cannot_be_done_any_more_fails_and_changes_nothing(governed: House) -> None:
    change = await governed.held(governed.runtime.people.add("new", ["sre"], NEW, by=SOCKET))
    await governed.agree(governed.runtime.people.add("other", ["sre"], NEW, by=ANN), "ben")
    await governed.speak(change, "ann")
    after = await governed.speak(change, "ben")
    assert (after.state, after.note) == (
        ChangeState.FAILED,
        "this key is other's already: each person has their own",
    )
    assert await governed.person("new") is None
    assert [e["committed"] for e in await governed.entries("outcome")] == [True, False]


async def test_what_is_stored_must_be_what_was_shown(governed: House) -> None:
    change = await governed.held(governed.runtime.people.add("new", ["sre"], NEW, by=SOCKET))
    known = await governed.runtime.store.read(lambda tx: record.read(tx, change))
    wanted = msgspec.structs.replace(known.wanted, groups=("admin",))
    forged = record.encode(msgspec.structs.replace(known, wanted=wanted))
    await governed.runtime.store.transact(lambda tx: tx.put_payload(change.id, "content", forged))
    await governed.speak(change, "ann")
    with pytest.raises(Rejected, match="not what was proposed"):
        await governed.speak(change, "ben")
    assert await governed.person("new") is None
    assert (await governed.change(change)).state is ChangeState.HELD


async def test_a_signature_for_one_proposal_is_none_for_another(governed: House) -> None:
    one = await governed.held(governed.runtime.people.add("new", ["sre"], NEW, by=SOCKET))
    two = await governed.held(governed.runtime.people.set_groups("sam", ["admin"], by=SOCKET))
    words = await governed.runtime.changes.statement(one.id, "ann")
    signed = signing.signed(words, governed.runtime.core.directory.now())
    moved = msgspec.structs.replace(words, change=two.id)
    with pytest.raises(Rejected, match="does not hold"):
        await governed.runtime.changes.speak(moved, signed.signature)


async def test_people_are_shown_before_and_after(governed: House) -> None:
    change = await governed.held(governed.runtime.people.set_groups("sam", ["sre", "dba"], by=ANN))
    view = await governed.runtime.changes.show(change.id)
    assert view.statements == (
        "change groups of person sam, proposed by person/ann\n  person sam: in sre → in sre, dba",
    )
    (effect,) = change.measurement.effects
    assert (effect.resource.kind, effect.resource.name, effect.detail) == (
        "person",
        "sam",
        "in sre → in sre, dba",
    )
    (tally,) = view.tallies
    assert (tally.needed, tally.given) == (1, ())
    grant = await governed.held(governed.grant("fixer", "shop", by=SOCKET))
    (shown,) = (await governed.runtime.changes.show(grant.id)).statements or ()
    assert "fixer (owner olga) on shop: read, create, update, delete; 1000 rows; until 20" in shown
    assert view.payload is not None
    assert record.recorded(view.payload).content == change.content


# ---- tightening, and what is not strict


async def test_tightening_is_not_held(governed: House) -> None:
    r = governed.runtime
    await r.switches.freeze("production", "incident", by=SOCKET)
    await r.switches.open("global", "incident", by=SOCKET)
    (grant,) = await r.grants.list()
    await r.grants.revoke(grant.id, by=SOCKET)
    await r.agents.rotate("fixer", by=SOCKET)
    await r.agents.disable("fixer", by=SOCKET)
    await r.people.disable("sam", by=SOCKET)
    await r.protection.protect("shop", ["orders"], on=True, by=SOCKET)
    assert await r.governing.proposals() == []
    assert r.core.directory.snapshot.breakers["environment/production"].frozen
    assert r.core.directory.snapshot.people["sam"].disabled


async def test_beyond_strict_environments_a_person_decides_and_the_socket_proposes(governed: House) -> None:
    r = governed.runtime
    await governed.grant("fixer", "box", by="person/sam")
    assert (await governed.held(governed.grant("fixer", "box", by=SOCKET))).target == INTERLOCK
    await r.switches.freeze("staging", "incident", by=SOCKET)
    await r.switches.thaw("staging", by="person/sam")
    await r.switches.open("target/box", "odd", by=SOCKET)
    await r.switches.reset("target/box", "looked", by="person/sam")
    await r.protection.protect("box", ["orders"], on=False, by="person/sam")


@pytest.mark.parametrize("by", ["person/sam", "session/sam"])
@pytest.mark.parametrize(
    "scope", ["agent/fixer", "environment/production/agent/fixer", "change/CHG-00000001"]
)
async def test_one_agents_breaker_is_reset_by_a_person_who_is_not_its_owner(
    governed: House, scope: str, by: str
) -> None:
    """By a signed request, or at a browser with a passkey: the same."""
    r = governed.runtime
    row = Breaker(scope, BreakerState.OPEN, agents=("fixer",))
    await r.store.transact(lambda tx: tx.put_breaker(row))
    assert not (await r.switches.about(scope)).admins
    for owner in ("person/olga", "session/olga"):
        with pytest.raises(Rejected, match="someone else"):
            await r.switches.reset(scope, "looked", by=owner)
    assert (await governed.held(r.switches.reset(scope, "looked", by=SOCKET))).target == INTERLOCK
    assert (await r.switches.reset(scope, "looked", by=by)).state is BreakerState.PROBATION


@pytest.mark.parametrize("by", ["person/olga", "session/olga"])
async def test_its_owner_may_put_back_a_sessions_breaker(governed: House, by: str) -> None:
    r = governed.runtime
    row = Breaker("session/S-1", BreakerState.OPEN, agents=("fixer",))
    await r.store.transact(lambda tx: tx.put_breaker(row))
    assert (await r.switches.reset("session/S-1", "it was me", by=by)).state is BreakerState.PROBATION


@pytest.mark.parametrize("by", ["person/sam", "session/sam", "session/ann", SOCKET])
@pytest.mark.parametrize("scope", ["environment/production", "target/shop", "group/shop/public", "global"])
async def test_a_wide_breaker_where_something_is_strict_is_for_admins(
    governed: House, scope: str, by: str
) -> None:
    r = governed.runtime
    await r.store.transact(lambda tx: tx.put_breaker(Breaker(scope, BreakerState.OPEN)))
    assert (await r.switches.about(scope)).admins
    change = await governed.agree(r.switches.reset(scope, "looked", by=by))
    assert change.state is ChangeState.APPLIED
    row = await r.store.read(lambda tx: tx.breaker(scope))
    assert row is not None
    assert row.state is BreakerState.PROBATION


async def test_an_admin_who_owns_the_agent_does_not_help_to_close_what_it_opened(house: House) -> None:
    """Never the owner, nor a past one, for what is wider than a session: not as one of two admins either."""
    r, scope = house.runtime, "environment/production"
    await r.agents.give_to("fixer", "ben", by=SOCKET)
    await house.govern("ann", "ben", "cleo")
    await r.store.transact(lambda tx: tx.put_breaker(Breaker(scope, BreakerState.OPEN, agents=("fixer",))))
    assert (await r.switches.about(scope)).owners == ("ben", "olga")
    with pytest.raises(Rejected, match="someone else"):
        await r.switches.reset(scope, "mine", by="person/ben")
    change = await house.held(r.switches.reset(scope, "looked", by=ANN))
    with pytest.raises(Rejected, match="owns the agent"):
        await house.speak(change, "ben")
    assert (await house.change(change)).state is ChangeState.HELD
    assert (await house.speak(change, "cleo")).state is ChangeState.APPLIED


@pytest.mark.parametrize("scope", ["environment/production/agent/nobody", "environment/nowhere/agent/fixer"])
async def test_no_switch_is_made_for_what_is_not_there(governed: House, scope: str) -> None:
    with pytest.raises(NotFound, match="no breaker"):
        await governed.runtime.switches.open(scope, "odd", by=SOCKET)


# ---- what is done on a target


async def test_trash_is_emptied_of_what_was_shown_and_no_more(governed: House) -> None:
    live: Any = governed.runtime.core.lives["shop"]
    now = governed.runtime.core.directory.now()
    live.trash = [
        TrashItem("one", "public.a", 5, 10, now, "1"),
        TrashItem("two", "public.b", 6, 10, now, "2"),
    ]
    change = await governed.held(governed.runtime.trash.empty("shop", by=SOCKET))
    live.trash.append(TrashItem("three", "public.c", 1, 10, now, "3"))
    assert [e.resource.name for e in change.measurement.effects] == ["shop/one", "shop/two", "shop"]
    await governed.speak(change, "ann")
    assert len(live.trash) == 3
    assert (await governed.speak(change, "ben")).id == change.id
    assert [item.name for item in live.trash] == ["three"]
    assert (await governed.change(change)).state is ChangeState.APPLIED
    # Time empties it as before: the retention is part of what was approved.
    await governed.runtime.trash.expire(timedelta(seconds=-1))
    assert live.trash == []


async def test_a_target_that_cannot_be_reached_is_tried_again(governed: House) -> None:
    live: Any = governed.runtime.core.lives["shop"]
    protect, live.protect = live.protect, _unreachable
    change = await governed.agree(
        governed.runtime.protection.protect("shop", ["orders"], on=False, by=SOCKET)
    )
    waits = await governed.change(change)
    assert (waits.state, waits.note) == (ChangeState.APPROVED, "no way to it")
    live.protect = protect
    answer = await governed.runtime.changes.apply(change.id, by=SOCKET)
    assert isinstance(answer, Permitted)
    assert (await governed.change(change)).state is ChangeState.APPLIED


async def _unreachable(*_: Any, **__: Any) -> Any:
    raise Unavailable("no way to it")


async def test_a_crash_between_intent_and_outcome_is_recovered(governed: House) -> None:
    live: Any = governed.runtime.core.lives["shop"]
    protect, live.protect = live.protect, _broken
    change = await governed.held(governed.runtime.protection.protect("shop", ["orders"], on=False, by=SOCKET))
    await governed.speak(change, "ann")
    with pytest.raises(RuntimeError):
        await governed.speak(change, "ben")
    assert (await governed.change(change)).state is ChangeState.EXECUTING
    live.protect = protect
    await governed.restart()
    assert (await governed.change(change)).state is ChangeState.APPLIED
    assert [e["committed"] for e in await governed.entries("recovery")] == [True]


async def _broken(*_: Any, **__: Any) -> Any:
    raise RuntimeError("the process ended here")


# ---- agents of governed installations


async def test_a_new_agent_has_no_token_until_it_is_rotated(governed: House) -> None:
    await governed.agree(governed.runtime.agents.add("helper", "olga", by=SOCKET))
    await governed.agree(governed.grant("helper", "shop", by=SOCKET))
    gate = governed.runtime.targets["shop"].gate
    assert gate.credential("helper") is None
    new = await governed.runtime.agents.rotate("helper", by=SOCKET)
    assert new.token.startswith("ilk_")
    assert gate.credential("helper") is not None
    assert isinstance(await governed.send(["put", "row/0000", "new"], agent="helper"), Permitted)


async def test_the_proposer_is_who_granted(governed: House) -> None:
    await governed.agree(governed.grant("fixer", "shop", by=ANN), "ben")
    assert sorted(g.granted_by for g in await governed.runtime.grants.list()) == ["ann", "uid/0"]
