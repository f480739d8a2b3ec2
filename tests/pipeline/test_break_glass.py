"""Break-glass: one named person stands for a quorum, and nobody else, for nothing else, and not longer (P4, P5)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from interlock.cli.signatures import SignatureCheck
from interlock.control import breaker, limits
from interlock.control.deciding import break_glass as words_of
from interlock.control.deciding.approval import rfc3339
from interlock.control.deciding.break_glass import Rules
from interlock.ledger import entry
from interlock.model.break_glass import BreakGlass
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.change import Change, ChangeState, Statement, Verdict
from interlock.model.errors import InterlockError, NotFound, Rejected
from interlock.model.health import Blame
from interlock.model.operation import Action
from interlock.model.people import Agent, Grant, Person
from interlock.model.signal import Trip
from interlock.runtime.core import Notifiers
from interlock.runtime.service.deciding.break_glass import BreakGlasses
from interlock.runtime.service.deciding.changes import Changes
from interlock.sdk.connector import Answer, Held, Permitted, Refused
from interlock.testing import signing
from interlock.testing.installation import FEW, MANY, Installation

S = ChangeState
RULES = Rules(("ana", "olga", "gus"), 15)
REASON = "the shop is down"


class Told:
    """A notifier that remembers."""

    def __init__(self) -> None:
        self.broken: list[tuple[str, Change | None, str]] = []

    def held(self, change: Change) -> None:
        pass

    def moved(self, change: Change) -> None:
        pass

    def reminder(self, change: Change) -> None:
        pass

    def break_glass(self, person: str, change: Change | None, target: str, until: datetime) -> None:
        self.broken.append((person, change, target))

    def breaker(self, row: Breaker, by: str) -> None:
        pass

    def tripped(self, trip: Trip) -> None:
        pass

    freeze = halt = breaker

    def still_frozen(self, row: Breaker, now: datetime) -> None:
        pass

    def drill_failed(self, row: Breaker, replicas: Sequence[str]) -> None:
        pass

    def health(self, blame: Blame, reverts: Sequence[Change]) -> None:
        pass


class Scene:
    """An installation in which ana may break the glass."""

    def __init__(self, made: Installation) -> None:
        self.made, self.told = made, Told()
        made.core.notifiers = Notifiers((self.told,))
        self.rules(RULES)
        gates = {"shop": made.gate}
        self.changes = Changes(made.core, gates)
        self.glasses = BreakGlasses(made.core, gates, self.changes)

    @classmethod
    async def make(cls) -> "Scene":
        made = await Installation.make()

        def people(tx: Any) -> None:
            tx.put_person(signing.person("ana", "oncall", at=tx.now()))
            tx.put_person(signing.person("rex", "dev", at=tx.now()))

        await made.store.transact(people)
        await made.core.directory.refresh()
        return cls(made)

    def rules(self, rules: Rules) -> None:
        self.made.terms = self.made.core.terms = msgspec.structs.replace(self.made.terms, break_glass=rules)

    async def send(self, statements: Any = MANY) -> Answer:
        return await self.made.send(await self.made.principal(), statements)

    async def held(self, statements: Any = MANY) -> Change:
        answer = await self.send(statements)
        assert isinstance(answer, Held)
        return answer.change

    async def words(self, person: str = "ana", **about: str) -> Statement:
        return await self.glasses.statement(person, REASON, **about)

    async def use(self, words: Statement, key: Any = None) -> BreakGlass:
        signed = signing.signed(words, self.made.store.time, key)
        return (await self.glasses.use(words, signed.signature))[0]

    async def later(self, by: timedelta) -> None:
        self.made.store.advance(by)
        await self.made.core.directory.refresh()

    async def freeze(self) -> None:
        await self._set(Breaker(breaker.environment("production"), frozen=True, reason="night"))

    async def open(self, scope: str) -> None:
        await self._set(Breaker(scope, BreakerState.OPEN, reason="tripped"))

    async def _set(self, row: Breaker) -> None:
        await self.made.store.transact(lambda tx: tx.put_breaker(row))
        await self.made.core.directory.refresh()

    def entries(self, kind: str = "break_glass") -> list[Any]:
        return [e.body for e in self.made.store.entries(kind)]


def story(tell: Callable[[Scene], Awaitable[None]]) -> Callable[[], None]:
    """A test about a scene."""

    def run() -> None:
        async def told() -> None:
            await tell(await Scene.make())

        asyncio.run(told())

    run.__name__, run.__doc__ = tell.__name__, tell.__doc__
    return run


# ---- one change


@story
async def test_one_named_person_stands_for_every_quorum_of_one_change(s: Scene) -> None:
    change = await s.held()
    with capture_logs() as logs:
        glass = await s.use(await s.words(change=change.id))
    after = await s.made.change(change.id)
    assert (after.state, after.break_glass, after.expires_at) == (S.APPROVED, glass.id, glass.until)
    assert glass.until == s.made.store.time + timedelta(minutes=15)
    assert (glass.person, glass.reason, glass.reviewed_by) == ("ana", REASON, "")
    # Everyone is told at once, loudly.
    assert s.told.broken == [("ana", after, "shop")]
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("break_glass.used", "warning"),
        ("change.approved", "info"),
    ]
    [used] = s.entries()
    assert (used["event"], used["person"], used["change"], used["target"]) == (
        "used",
        "ana",
        change.id,
        "shop",
    )
    # The agent's retry commits, once.
    answer = await s.send()
    assert isinstance(answer, Permitted)
    assert (await s.made.change(change.id)).state is S.APPLIED
    assert s.entries("intent")[-1]["break_glass"] == glass.id
    assert [g.id for g in await s.glasses.list()] == [glass.id]


@story
async def test_other_changes_wait_as_before(s: Scene) -> None:
    await s.use(await s.words(change=(await s.held()).id))
    other = await s.held([["delete_like", "row/02"]])
    assert (other.state, other.break_glass) == (S.HELD, "")


@story
async def test_what_grew_is_not_covered(s: Scene) -> None:
    change = await s.held()
    await s.use(await s.words(change=change.id))
    s.made.toy.rows = dict(s.made.toy.rows or {}) | {"row/01xx": "more"}
    answer = await s.send()
    assert isinstance(answer, Held)
    assert answer.grown
    assert (answer.change.id != change.id, answer.change.break_glass) == (True, "")
    assert isinstance(await s.send(), Held)


@story
async def test_it_ends_with_the_words(s: Scene) -> None:
    change = await s.held()
    await s.use(await s.words(change=change.id))
    await s.later(timedelta(minutes=15))
    answer = await s.send()
    assert isinstance(answer, Held)
    assert len(s.made.toy.rows or ()) == 300


@story
async def test_it_does_not_hold_any_more_when_its_person_is_disabled_or_named_no_more(s: Scene) -> None:
    change = await s.held()
    await s.use(await s.words(change=change.id))
    s.rules(Rules())
    assert isinstance(await s.send(), Held)
    second = await s.held()
    s.rules(RULES)
    await s.use(await s.words(change=second.id))
    person = signing.person("ana", "oncall", at=s.made.store.time)
    await s.made.store.transact(lambda tx: tx.put_person(msgspec.structs.replace(person, disabled=True)))
    await s.made.core.directory.refresh()
    assert isinstance(await s.send(), Held)


@story
async def test_a_denial_still_ends_it(s: Scene) -> None:
    change = await s.held()
    await s.use(await s.words(change=change.id))
    await s.made.speak(change, "bob", Verdict.DENY)
    assert isinstance(await s.send(), Refused)
    with pytest.raises(Rejected, match="denied"):
        await s.use(await s.words(change=change.id))


@story
async def test_who_takes_an_approval_back_does_not_end_it(s: Scene) -> None:
    change = await s.held()
    await s.made.approve(change, "ann")
    await s.use(await s.words(change=change.id))
    assert (await s.changes.take_back(change.id, "ann", "", by="person/ann")).change.state is S.APPROVED


# ---- freezes and breakers


@story
async def test_a_freeze_lets_pass_the_one_change_and_no_other(s: Scene) -> None:
    change, other = await s.held(), await s.held([["delete_like", "row/02"]])
    await s.made.approve(change)
    await s.made.approve(other)
    await s.freeze()
    assert isinstance(await s.send(), Refused)
    await s.use(await s.words(change=change.id))
    refused = await s.send([["delete_like", "row/02"]])
    assert isinstance(refused, Refused)
    assert refused.code == "breaker"
    assert isinstance(await s.send(FEW), Refused)
    assert isinstance(await s.send(), Permitted)


@pytest.mark.parametrize(
    "scope", ["global", "environment/production", "target/shop", "agent/fixer", "session"]
)
@pytest.mark.parametrize("frozen", [False, True])
def test_an_open_breaker_does_not_let_it_pass(scope: str, frozen: bool) -> None:
    async def tell() -> None:
        s = await Scene.make()
        agent = await s.made.principal()
        change = await s.held()
        await s.use(await s.words(change=change.id))
        name = f"session/{agent.session}" if scope == "session" else scope
        await s.freeze()
        if frozen and scope == "environment/production":
            await s._set(Breaker(name, BreakerState.OPEN, frozen=True, reason="both"))
        else:
            await s.open(name)
        answer = await s.made.send(agent, MANY)
        assert isinstance(answer, Refused)
        assert answer.code == "breaker"
        assert len(s.made.toy.rows or ()) == 300

    asyncio.run(tell())


def test_the_halt_file_does_not_let_it_pass(tmp_path: Path) -> None:
    async def tell() -> None:
        s = await Scene.make()
        await s.use(await s.words(change=(await s.held()).id))
        agent = await s.made.principal()
        s.made.core.halt.file = tmp_path / "halt"
        s.made.core.halt.file.touch()
        assert isinstance(await s.made.send(agent, MANY), Refused)


def test_nor_does_the_halt_in_the_store_which_is_a_freeze_of_everything() -> None:
    async def tell() -> None:
        s = await Scene.make()
        await s.use(await s.words(change=(await s.held()).id))
        agent = await s.made.principal()
        s.made.store.now(lambda tx: tx.put_breaker(Breaker("global", frozen=True, reason="stop", epoch=1)))
        answer = await s.made.send(agent, MANY)
        assert isinstance(answer, Refused)
        assert (answer.code, answer.why) == ("breaker", "everything is halted: stop")
        assert not s.made.toy.committed

    asyncio.run(tell())


def test_a_freeze_beside_it_changes_nothing_of_that() -> None:
    async def tell() -> None:
        s = await Scene.make()
        await s.use(await s.words(change=(await s.held()).id))
        agent = await s.made.principal()
        for scope in ("global", "environment/production"):
            row = Breaker(scope, frozen=True, epoch=1)
            s.made.store.now(lambda tx, row=row: tx.put_breaker(row))
        assert isinstance(await s.made.send(agent, MANY), Refused)

    asyncio.run(tell())


# ---- forgeries


FORGERIES: dict[str, dict[str, Any]] = {
    "other-purpose": {"purpose": "interlock/approval/v1"},
    "review-purpose": {"purpose": words_of.REVIEW_PURPOSE},
    "other-log": {"origin": "other.example/log"},
    "other-version": {"version": "2"},
    "other-target": {"target": "other"},
    "other-system": {"fingerprint": "sys/other"},
    "other-content": {"subject": "0" * 64},
    "a-denial": {"verdict": Verdict.DENY},
    "other-person": {"person": "gus"},
    "not-named": {"person": "ann"},
    "no-reason": {"reason": "  "},
    "long-reason": {"reason": "x" * 501},
    "short-nonce": {"nonce": "n" * 15},
    "no-end": {"expires": "never"},
}


@pytest.mark.parametrize("which", ["change", "target"])
@pytest.mark.parametrize("name", [*FORGERIES, "expired", "too-long", "other-change", "the-other-kind"])
def test_words_hold_for_nothing_else(name: str, which: str) -> None:
    async def tell() -> None:
        s = await Scene.make()
        change, other = await s.held(), await s.held([["delete_like", "row/02"]])
        good = await s.words(**({"change": change.id} if which == "change" else {"target": "shop"}))
        now = s.made.store.time
        altered = (
            FORGERIES.get(name)
            or {
                "expired": {"expires": rfc3339(now)},
                "too-long": {"expires": rfc3339(now + timedelta(minutes=15, milliseconds=1))},
                "other-change": {"change": other.id},
                "the-other-kind": {"change": "" if which == "change" else change.id},
            }[name]
        )
        bad = msgspec.structs.replace(good, **altered)
        signer = "ann" if name == "not-named" else "ana"
        # Signed by its person for something else; and signed right, and altered then.
        for signed in (bad, good):
            signature = signing.signed(signed, now, signing.key_of(signer)).signature
            with pytest.raises(InterlockError):
                await s.glasses.use(bad, signature)
        assert (await s.made.change(change.id)).state is S.HELD
        assert (await s.made.change(other.id)).state is S.HELD
        assert s.entries() == []
        assert isinstance(await s.send(), Held)

    asyncio.run(tell())


@story
async def test_anothers_key_does_not_sign_for_its_person(s: Scene) -> None:
    change = await s.held()
    for which in ({"change": change.id}, {"target": "shop"}):
        with pytest.raises(Rejected, match="signature is not valid"):
            await s.use(await s.words(**which), signing.key_of("bob"))


@story
async def test_an_approval_is_no_break_glass_and_a_break_glass_no_approval(s: Scene) -> None:
    change = await s.held()
    s.rules(Rules(("ana", "ann")))
    approval = signing.speak(change, "ann", s.made.store.time, origin=s.made.terms.origin)
    with pytest.raises(Rejected):
        await s.glasses.use(approval.statement, approval.signature)
    glass = await s.words("ann", change=change.id)
    await s.changes.opened(change.id, "ann")
    with pytest.raises(Rejected, match="another purpose"):
        await s.changes.speak(glass, signing.signed(glass, s.made.store.time).signature)


@story
async def test_the_same_words_are_used_once(s: Scene) -> None:
    change = await s.held()
    words = await s.words(change=change.id)
    await s.use(words)
    with pytest.raises(Rejected, match="have broken the glass already"):
        await s.use(words)
    s.made.toy.rows = dict(s.made.toy.rows or {}) | {"row/01xx": "more"}
    again = await s.send()
    assert isinstance(again, Held)
    for tried in (words, msgspec.structs.replace(words, change=again.change.id)):
        with pytest.raises(Rejected):
            await s.use(tried)
    whole = await s.words(target="shop")
    await s.use(whole)
    with pytest.raises(Rejected, match="have broken the glass already"):
        await s.use(whole)


@pytest.mark.parametrize(
    ("person", "why"), [("olga", "owns the agent"), ("gus", "granted the agent a right")]
)
def test_who_has_an_interest_cannot_break_it(person: str, why: str) -> None:
    async def tell() -> None:
        s = await Scene.make()
        change = await s.held()
        with pytest.raises(Rejected, match=why):
            await s.use(await s.words(person, change=change.id))
        # For a target they may, and it does not hold for what they have an interest in.
        await s.use(await s.words(person, target="shop"))
        assert isinstance(await s.send([["delete_like", "row/02"]]), Held)
        assert isinstance(await s.send(), Held)

    asyncio.run(tell())


@story
async def test_an_alias_with_the_owners_key_cannot_break_it(s: Scene) -> None:
    now = s.made.store.time
    alias = Person("alias", ("oncall",), signing.public_key_of("olga"), now)
    await s.made.store.transact(lambda tx: tx.put_person(alias))
    s.rules(Rules(("alias",)))
    change = await s.held()
    with pytest.raises(Rejected, match="owns the agent"):
        await s.use(await s.words("alias", change=change.id), signing.key_of("olga"))


@story
async def test_nobody_may_unless_they_are_named(s: Scene) -> None:
    change = await s.held()
    s.rules(Rules())
    with pytest.raises(Rejected, match="is not named for break-glass"):
        await s.words(change=change.id)
    with pytest.raises(Rejected, match="a reason"):
        await s.glasses.statement("ana", " ", change=change.id)


# ---- a whole target


@story
async def test_what_would_be_held_passes_while_it_lasts_and_each_is_recorded(s: Scene) -> None:
    waited = await s.held([["delete_like", "row/02"]])
    with capture_logs() as logs:
        glass = await s.use(await s.words(target="shop"))
        answer = await s.send()
        assert isinstance(answer, Permitted)
        assert answer.change is not None
        # What waits already passes as well, when it is sent again.
        later = await s.send([["delete_like", "row/02"]])
        assert isinstance(later, Permitted)
    passed = [await s.made.change(id_) for id_ in (answer.change.id, waited.id)]
    assert [(c.state, c.break_glass) for c in passed] == [(S.APPLIED, glass.id)] * 2
    assert [(e["event"], e["change"]) for e in s.entries()] == [
        ("used", ""),
        ("passed", answer.change.id),
        ("passed", waited.id),
    ]
    assert [change and change.id for _, change, _ in s.told.broken] == [None, answer.change.id, waited.id]
    warned = [line["event"] for line in logs if line["log_level"] == "warning"]
    assert warned == ["break_glass.used", "break_glass.passed", "break_glass.passed"]
    assert {e["break_glass"] for e in s.entries("intent")} == {glass.id}


@story
async def test_small_changes_pass_without_it_as_ever(s: Scene) -> None:
    await s.use(await s.words(target="shop"))
    answer = await s.send(FEW)
    assert isinstance(answer, Permitted)
    assert answer.change is not None
    assert answer.change.break_glass == ""


@story
async def test_when_it_is_over_things_are_held_again(s: Scene) -> None:
    await s.use(await s.words(target="shop"))
    await s.later(timedelta(minutes=15))
    assert isinstance(await s.send(), Held)


@story
async def test_over_is_over_even_if_this_gateway_has_not_noticed(s: Scene) -> None:
    agent = await s.made.principal()
    await s.use(await s.words(target="shop"))
    s.made.store.advance(timedelta(minutes=15))
    assert s.made.core.directory.broken("shop")
    assert isinstance(await s.made.send(agent, MANY), Held)


@story
async def test_it_lifts_no_freeze_no_denial_and_no_prohibition(s: Scene) -> None:
    change = await s.held()
    await s.made.speak(change, "ann", Verdict.DENY)
    await s.use(await s.words(target="shop"))
    denied = await s.send()
    assert isinstance(denied, Refused)
    assert denied.change is not None
    assert denied.change.id == change.id
    forbidden = await s.send([["levitate"]])
    assert isinstance(forbidden, Refused)
    assert forbidden.code == "forbidden"
    await s.freeze()
    frozen = await s.send([["delete_like", "row/02"]])
    assert isinstance(frozen, Refused)
    assert frozen.code == "breaker"


@story
async def test_it_is_for_that_target_as_it_was(s: Scene) -> None:
    await s.use(await s.words(target="shop"))
    target = s.made.gate.target
    s.made.gate.target = msgspec.structs.replace(target, fingerprint="sys/other")
    assert isinstance(await s.send([["delete_like", "row/02"]]), Held)
    s.made.gate.target = target
    with pytest.raises(NotFound):
        await s.words(target="other")


# ---- the review


async def review(
    s: Scene, glass: BreakGlass, by: str, text: str = "it was right", **altered: Any
) -> BreakGlass:
    words = words_of.for_review(glass, by, text, expires=s.made.store.time + timedelta(hours=1))
    words = msgspec.structs.replace(words, **altered)
    signature = signing.signed(words, s.made.store.time, signing.key_of(by)).signature
    return await s.glasses.review(glass.id, by, text, by="uid/0", words=words, signature=signature)


@pytest.mark.parametrize("which", ["change", "target"])
def test_somebody_else_reviews_it_and_neither_the_person_nor_the_owner(which: str) -> None:
    async def tell() -> None:
        s = await Scene.make()
        change = await s.held()
        glass = await s.use(
            await s.words(**({"change": change.id} if which == "change" else {"target": "shop"}))
        )
        await s.send()
        for person, why in (
            ("ana", "they broke it"),
            ("olga", "owns the agent"),
            ("ghost", "nobody of that name"),
        ):
            with pytest.raises(Rejected, match=why):
                await review(s, glass, person)
        assert [g.reviewed_by for g in await s.glasses.list()] == [""]
        reviewed = await review(s, glass, "bob")
        assert (reviewed.reviewed_by, reviewed.review) == ("bob", "it was right")
        assert (await s.glasses.get(glass.id)) == reviewed
        last = s.entries()[-1]
        assert (last["event"], last["reviewed_by"], last["sentence"]) == ("reviewed", "bob", "it was right")
        with pytest.raises(Rejected, match="reviewed by bob already"):
            await review(s, glass, "cho")

    asyncio.run(tell())


@story
async def test_an_alias_of_its_person_cannot_review_it(s: Scene) -> None:
    glass = await s.use(await s.words(change=(await s.held()).id))
    alias = Person("twin", ("sre",), signing.public_key_of("ana"), s.made.store.time)
    await s.made.store.transact(lambda tx: tx.put_person(alias))
    with pytest.raises(Rejected, match="they broke it"):
        await s.glasses.review(glass.id, "twin", "fine", by="person/twin")


@story
async def test_owners_of_every_agent_that_passed_are_barred(s: Scene) -> None:
    now = s.made.store.time

    def more(tx: Any) -> None:
        tx.put_agent(Agent("other", "cho", now))
        tx.put_grant(
            Grant("G2", "other", "shop", (Action.DELETE, Action.READ), "dev", now, now + timedelta(days=1))
        )

    await s.made.store.transact(more)
    await s.made.core.directory.refresh()
    glass = await s.use(await s.words(target="shop"))
    agent = msgspec.structs.replace(await s.made.principal(), agent="other", owner="cho")
    credential = msgspec.structs.replace(
        await s.made.store.read(lambda tx: tx.credential("fixer")), agent="other", token_sha256="1" * 64
    )

    def scopes(tx: Any) -> None:
        tx.put_credential(credential)
        tx.put_breaker(Breaker(breaker.agent("other")))

    await s.made.store.transact(scopes)
    await s.made.core.directory.refresh()
    assert isinstance(await s.made.send(agent, MANY), Permitted)
    with pytest.raises(Rejected, match="cho owns the agent"):
        await review(s, glass, "cho")
    assert (await review(s, glass, "olga")).reviewed_by == "olga"


@story
async def test_a_review_is_signed_or_asked_by_its_person_themself(s: Scene) -> None:
    glass = await s.use(await s.words(change=(await s.held()).id))
    with pytest.raises(Rejected, match="own signature"):
        await s.glasses.review(glass.id, "bob", "fine", by="uid/0")
    with pytest.raises(Rejected, match="own signature"):
        await s.glasses.review(glass.id, "bob", "fine", by="person/ana")
    with pytest.raises(Rejected, match="a reason"):
        await s.glasses.review(glass.id, "bob", " ", by="person/bob")
    with pytest.raises(NotFound):
        await s.glasses.review("BRK-0", "bob", "fine", by="person/bob")
    for altered in ({"purpose": words_of.PURPOSE}, {"nonce": "n" * 16}, {"subject": "0" * 64},
                    {"expires": rfc3339(s.made.store.time)},
                    {"expires": rfc3339(s.made.store.time + timedelta(days=2))}):  # fmt: skip
        with pytest.raises(Rejected, match="does not hold"):
            await review(s, glass, "bob", **altered)
    for altered in ({"person": "cho"}, {"reason": "another sentence"}):
        with pytest.raises(Rejected, match="of somebody else"):
            await review(s, glass, "bob", **altered)
    assert (await s.glasses.review(glass.id, "bob", "fine", by="person/bob")).review == "fine"


# ---- what the ledger proves


@story
async def test_its_signature_is_checked_with_the_log_alone(s: Scene) -> None:
    now = s.made.store.time

    def enrolled(tx: Any) -> None:
        tx.append("person", {"person": "ana", "public_key": signing.public_key_of("ana")})

    await s.made.store.transact(enrolled)
    await s.use(await s.words(change=(await s.held()).id))
    await s.use(await s.words(target="shop"))
    values = [{"kind": e.kind, "body": dict(e.body)} for e in map(entry.decode, s.made.store.tables.entries)]

    def checked(values: list[dict[str, Any]]) -> tuple[list[str], int]:
        check = SignatureCheck(s.made.terms.origin)
        found = [check(place, value) for place, value in enumerate(values)]
        return [what for what in found if what], check.checked

    assert checked(values) == ([], 2)
    for field, value in (("signature", "A" * 86 + "=="), ("person", "bob"), ("change", "CHG-00000000")):
        forged = [msgspec.json.decode(msgspec.json.encode(v)) for v in values]
        broken = next(v for v in forged if v["kind"] == "break_glass")
        broken["body"][field] = value
        assert checked(forged)[0], field
    assert now <= s.made.store.time <= now + limits.HELD_FOR
