"""Changes: showing them, deciding about them, applying and reverting them."""

import secrets
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import structs

from interlock.control import limits
from interlock.control.change import MACHINE, E
from interlock.control.deciding import approval as approvals
from interlock.control.deciding import passkey as passkey_of
from interlock.control.deciding import shown
from interlock.control.deciding.quorum import Tally
from interlock.model.base import Value
from interlock.model.change import (
    Approval,
    Assertion,
    Change,
    ChangeFilter,
    ChangeState,
    Comment,
    Listing,
    Review,
    Statement,
    Verdict,
)
from interlock.model.errors import Conflict, NotFound, Rejected, Unavailable
from interlock.model.proposal import INTERLOCK
from interlock.pipeline.admit import admit
from interlock.pipeline.commands import Steps
from interlock.pipeline.deciding import approve, comments
from interlock.pipeline.deciding.approve import Spoken
from interlock.pipeline.doubt import halted
from interlock.pipeline.recorded import bodies, records
from interlock.pipeline.recorded.records import CONTENT, found
from interlock.pipeline.revert import Revert, revert
from interlock.runtime.background import announce
from interlock.runtime.core import Core
from interlock.runtime.governing.office import Office
from interlock.runtime.service.deciding.reverting import Noting, RevertPlan, rehearsed
from interlock.runtime.service.people.entrance import used
from interlock.runtime.service.trash import refuse_emptied
from interlock.runtime.targets.gate import TargetGate
from interlock.sdk.connector import Answer, Permitted, Principal, Unit, Withholds
from interlock.sdk.ports import ReadTx, Tx


class ChangeView(Value, frozen=True):
    """A change with all that people need to judge it. `payload` is the connector's record as far as people are told it (`content`
    is its digest), `statements` how the connector reads it: None when it is destroyed, or the target is not served here. `replaced`
    is the approved change that this one outgrew."""

    change: Change
    approvals: tuple[Approval, ...]
    tallies: tuple[Tally, ...]
    payload: bytes | None = None
    statements: tuple[str, ...] | None = None
    replaced: Change | None = None
    comments: tuple[Comment, ...] = ()


class Changes:
    """The service. `gates` are the targets that this process serves."""

    def __init__(self, core: Core, gates: Mapping[str, TargetGate], office: Office | None = None) -> None:
        """`office` does what proposals say when they are approved."""
        self._core, self._gates, self._office = core, gates, office

    # -- looking

    async def list(self, which: ChangeFilter) -> Sequence[Change]:
        """Newest first."""
        return await self._core.store.read(lambda tx: tx.changes(which))

    async def listing(self, which: ChangeFilter) -> Listing:
        """A page of changes, newest first, in bounded time."""
        return await self._core.store.read(lambda tx: tx.listing(which))

    async def get(self, change_id: str) -> Change:
        """Raises NotFound."""
        return await self._core.store.read(lambda tx: found(tx, change_id))

    async def show(self, change_id: str) -> ChangeView:
        """A change with its approvals, quorums and statements. Raises NotFound."""

        def read(tx: ReadTx) -> ChangeView:
            change = found(tx, change_id)
            tallies = records.tallies(tx, change, self._core.terms)
            wanted = {f"quorum:{t.quorum}": t for t in tallies}
            shown = tuple(wanted[r] for r in approvals.remedies(change) if r in wanted)
            replaced = tx.change(change.replaces) if change.replaces else None
            given = tuple(tx.approvals(change_id))
            said = tuple(comments.comments(tx, change_id))
            payload = _payload(tx, change_id)
            return ChangeView(change, given, shown, payload, replaced=replaced, comments=said)

        view = await self._core.store.read(read)
        live = self._core.lives.get(view.change.target)
        if live is None or view.payload is None:
            # What may be told of it is the connector's to say.
            return structs.replace(view, payload=None)
        lines = tuple(live.describe(view.payload))
        told = live.disclosed(view.payload) if isinstance(live, Withholds) else view.payload
        return structs.replace(view, statements=lines, payload=told)

    # -- deciding

    async def statement(
        self, change_id: str, person: str, verdict: Verdict = Verdict.APPROVE, reason: str = ""
    ) -> Statement:
        """What `person` would sign about a held change. The signer recomputes it from the change (`control.deciding.approval`).
        Raises Rejected when it could not count anyhow."""

        def read(tx: ReadTx) -> Statement:
            change, expires = found(tx, change_id), tx.now() + limits.SIGNED_FOR
            approve.may_speak(tx, change, person, verdict, self._core.terms)
            origin = self._core.terms.origin
            return approvals.statement(change, person, verdict, origin=origin, expires=expires, reason=reason)

        return await self._core.store.read(read)

    async def revert_statement(
        self, change_id: str, person: str, *, force: bool = False, reason: str = "", nonce: str = ""
    ) -> Statement:
        """What `person` would sign to have an applied change reverted. Without a `nonce` of the signer's, a new one.
        Raises Rejected when there is nothing to revert."""
        chosen = nonce or secrets.token_hex(16)

        def read(tx: ReadTx) -> Statement:
            change, expires = found(tx, change_id), tx.now() + limits.SIGNED_FOR
            _can_be_reverted(change)
            return approvals.revert_statement(
                change,
                person,
                origin=self._core.terms.origin,
                expires=expires,
                nonce=chosen,
                force=force,
                reason=reason,
            )

        return await self._core.store.read(read)

    async def opened(self, change_id: str, person: str) -> Review:
        """A person has the effect of an open change before them: on screen, or in the statement that their client fetched. Only
        then can they approve it. Raises NotFound (no such change), Rejected."""
        before = await self._core.store.read(lambda tx: tx.review(change_id, person))
        if before is not None:
            return before
        return await self._core.store.transact(lambda tx: approve.opened(tx, change_id, person))

    async def speak(self, words: Statement, signature: str, assertion: Assertion | None = None) -> Spoken:
        """Give a signed approval or denial. Raises Rejected with the reason when it does not hold or cannot count; that is recorded
        as well."""
        await self.was_shown(words, assertion)

        def work(tx: Tx) -> Spoken:
            spoken = approve.speak(tx, signed(tx, words, signature, assertion), self._core.terms)
            use_passkey(tx, words, assertion)
            return spoken if self._office is None else self._office.follow(tx, spoken)

        try:
            spoken = await self._core.store.transact(work)
        except (Rejected, Conflict) as error:  # a conflict: they have spoken already
            await self.refused(words, str(error))
            raise
        announce.spoken(words)
        self._core.watch.moved(spoken.change)
        return spoken if self._office is None else await self._office.followed(spoken)

    async def was_shown(self, words: Statement, assertion: Assertion | None) -> None:
        """With a passkey people sign what a page showed them: it must be what this change's text is, made anew. Raises Rejected."""
        if assertion is None and words.shown is msgspec.UNSET:
            return
        view = await self.show(words.change)
        if words.shown != shown.digest(shown.text_of(view.change, view.statements, words)):
            why = "what was on screen is not this change as it is now"
            await self.refused(words, why)
            raise Rejected(why)

    async def refused(self, words: Statement, why: str) -> None:
        """Record that somebody's signature did not hold."""
        body = {
            "change": bodies.cut(words.change),
            "person": bodies.cut(words.person),
            "why": bodies.cut(why),
        }
        await self._core.store.transact(lambda tx: tx.append("approval.refused", body))

    async def take_back(self, change_id: str, person: str, why: str, *, by: str) -> Spoken:
        """Take a person's own approval back before it is used. Raises Rejected when there is nothing to take back."""
        terms = self._core.terms
        spoken = await self._core.store.transact(
            lambda tx: approve.take_back(tx, change_id, person, by, why, terms)
        )
        announce.taken_back(spoken.change, person)
        if spoken.change.state is ChangeState.HELD:
            self._core.watch.held(spoken.change)
        self._core.watch.moved(spoken.change)
        return spoken

    # -- beside it

    async def comment(self, change_id: str, text: str, *, by: str) -> Comment:
        """Write something beside a change. Raises NotFound, Rejected."""
        return await self._core.store.transact(lambda tx: comments.comment(tx, change_id, by, text))

    async def comments(self, change_id: str) -> Sequence[Comment]:
        """What was written beside a change, oldest first. Raises NotFound."""
        return await self._core.store.read(lambda tx: comments.comments(tx, found(tx, change_id).id))

    async def withdraw(self, change_id: str, why: str, *, by: str) -> Change:
        """Take back an open change."""
        change = await self._core.store.transact(lambda tx: approve.withdraw(tx, change_id, by, why))
        self._core.watch.moved(change)
        return change

    # -- doing

    async def apply(self, change_id: str, *, by: str) -> Answer:
        """Run an approved change on the server's side: measured and compared again as if its agent had sent it."""
        if self._office is not None and (await self.get(change_id)).target == INTERLOCK:
            return await self._office.begin(change_id, by=by)

        def read(tx: ReadTx) -> tuple[Change, Principal, bytes, Change | None]:
            change = found(tx, change_id)
            if change.state is not ChangeState.APPROVED:
                raise Rejected(f"{change_id} is {change.state.value}: only approved changes can be applied")
            original = found(tx, change.reverts) if change.reverts else None
            return change, _principal(tx, change), tx.payload(change_id, CONTENT), original

        change, principal, payload, original = await self._core.store.read(read)
        gate = self._gate(change.target)
        if original is not None:
            return await self._revert(gate, original, None, bool(change.marker.get("force")), change)
        if why := self._core.halt.look():
            return halted(why, change, terms=self._core.terms)
        work, unit = await self._core.live(change.target).again(change, payload, principal)
        gate.log("change.apply", change=change_id, by=by)
        return await self._drive(gate, admit(work, gate.target, change), unit)

    async def revert(
        self, words: Statement, signature: str, assertion: Assertion | None = None, *, force: bool = False
    ) -> Answer:
        """Undo an applied change on a person's signed wish. Raises Rejected (no before-image, bad signature)."""
        await self.was_shown(words, assertion)

        def work(tx: Tx) -> tuple[Change, Approval]:
            change = found(tx, words.change)
            _can_be_reverted(change)
            wish = signed(tx, words, signature, assertion)
            records.check_wish(tx, wish, change, force, self._core.terms)
            use_passkey(tx, words, assertion)  # only what holds says how often the passkey was used
            return change, wish

        try:
            original, wish = await self._core.store.transact(work)
        except Rejected as error:
            await self.refused(words, str(error))
            raise
        return await self._revert(self._gate(original.target), original, wish, force, None)

    async def propose_revert(self, change_id: str, by: str, note: str) -> Answer:
        """Have people decide about the revert of an applied change that a part of Interlock (`by`) finds wanted: measured, rolled
        back, and held for one person. Held already, that is the answer. Raises Rejected when there is nothing to revert."""
        original = await self.get(change_id)
        _can_be_reverted(original)
        gate = self._gate(original.target)
        return await self._revert(gate, original, None, False, None, proposed=by, note=note)

    async def revert_plan(self, change_id: str, *, force: bool = False) -> RevertPlan:
        """What a revert would do now: done on the target, and rolled back. Raises Rejected when there is nothing to revert."""

        def read(tx: ReadTx) -> tuple[Change, Principal, Sequence[bytes]]:
            change = found(tx, change_id)
            _can_be_reverted(change)
            return change, _principal(tx, change), _image(tx, change)

        original, principal, parts = await self._core.store.read(read)
        self._gate(original.target)
        self._core.halt.check()
        _, unit = await self._core.live(original.target).undo(
            original, parts, force=force, principal=principal
        )
        return await rehearsed(unit)

    async def _revert(
        self,
        gate: TargetGate,
        original: Change,
        wish: Approval | None,
        force: bool,
        uses: Change | None,
        *,
        proposed: str = "",
        note: str = "",
    ) -> Answer:
        terms = self._core.terms

        def read(tx: ReadTx) -> tuple[Principal, Sequence[bytes], Change | None]:
            if wish is not None:
                # Before the target is touched; it is verified again, and used up, in the intent.
                records.check_wish(tx, wish, original, force, terms)
            root = found(tx, original.reverts) if original.reverts else None
            return _principal(tx, original), _image(tx, original), root

        principal, parts, root = await self._core.store.read(read)
        if why := self._core.halt.look():
            return halted(why, uses, terms=terms)
        work, unit = await self._core.live(original.target).undo(
            original, parts, force=force, principal=principal
        )
        by = wish.statement.person if wish else proposed or "quorum"
        gate.log("change.revert", change=original.id, by=by)
        noting = Noting(unit)
        steps = revert(Revert(work, gate.target, original, root, wish, force, uses, proposed, note))
        answer = await self._drive(gate, steps, noting)
        if isinstance(answer, Permitted):
            return Permitted(answer.change, noting.conflicts)
        return answer

    async def _drive(self, gate: TargetGate, steps: Steps[Answer], unit: Unit) -> Answer:
        """Drive it, and wait for the record of its outcome: whoever asked looks at the change next."""
        answer = await gate.drive(steps, unit)
        if isinstance(answer, Permitted) and answer.change is not None:
            await self._core.concluded(answer.change.id)
            return Permitted(await self.get(answer.change.id))
        return answer

    def _gate(self, target: str) -> TargetGate:
        try:
            return self._gates[target]
        except KeyError:
            raise Unavailable(f"the target {target} is not served by this replica") from None


def _can_be_reverted(change: Change) -> None:
    if not MACHINE.allows(change.state, E.REVERT):
        raise Rejected(f"{change.id} is {change.state.value}: there is nothing to revert")
    refuse_emptied(change)


def _image(tx: ReadTx, change: Change) -> Sequence[bytes]:
    """The stored before-image. Raises Rejected when there is none."""
    parts = records.image(tx, change)
    if not parts:
        raise Rejected(f"{change.id} cannot be reverted: no before-image was taken, or it is destroyed")
    return parts


def _payload(tx: ReadTx, change_id: str) -> bytes | None:
    try:
        return tx.payload(change_id, CONTENT)
    except NotFound:
        return None


def signed(tx: ReadTx, words: Statement, signature: str, assertion: Assertion | None = None) -> Approval:
    """The statement with the key that its person is enrolled with: nobody brings their own."""
    person = tx.person(words.person)
    key = person.public_key if person else ""
    if assertion is not None:
        passkey = person.passkey(assertion.credential) if person else None
        key = passkey.public_key if passkey else ""
    return Approval(words, signature, key, tx.now(), assertion)


def use_passkey(tx: Tx, words: Statement, assertion: Assertion | None) -> None:
    """A passkey that counts must have counted on: otherwise the signature is an old one."""
    person = tx.person(words.person)
    if assertion is None or person is None or (key := person.passkey(assertion.credential)) is None:
        return
    count = passkey_of.count_of(assertion)
    if max(count, key.sign_count) and count <= key.sign_count:
        raise Rejected("this answer of the passkey was used before")
    used(tx, person, key, count)


def _principal(tx: ReadTx, change: Change) -> Principal:
    """The agent of a change, without a session: it has its rights of now."""
    agent, credential = tx.agent(change.agent), tx.credential(change.agent)
    owner = agent.owner if agent else change.owner
    return Principal(change.agent, owner, "", credential.epoch if credential else 0)
