"""Break-glass: one named person stands for a quorum, everyone is told at once, and somebody else reviews it."""

import secrets
from collections.abc import Mapping, Sequence

import msgspec

from interlock.control.deciding import break_glass as words_of
from interlock.control.deciding import shown
from interlock.model.break_glass import BreakGlass
from interlock.model.change import Approval, Assertion, Change, Statement
from interlock.model.decision import Target
from interlock.model.errors import NotFound, Rejected, Unavailable
from interlock.pipeline.deciding import break_glass
from interlock.pipeline.recorded.records import found
from interlock.runtime.background import announce
from interlock.runtime.core import Core
from interlock.runtime.service.deciding.changes import Changes, signed, use_passkey
from interlock.runtime.service.people.names import sentence
from interlock.runtime.targets.gate import TargetGate
from interlock.sdk.ports import ReadTx, Tx


class BreakGlasses:
    """The service. `gates` are the targets that this process serves."""

    def __init__(self, core: Core, gates: Mapping[str, TargetGate], changes: Changes) -> None:
        self._core, self._gates, self._changes = core, gates, changes

    async def list(self) -> Sequence[BreakGlass]:
        """Those that nobody has reviewed first, then the newest."""
        return await self._core.store.read(lambda tx: tx.break_glasses())

    async def get(self, glass_id: str) -> BreakGlass:
        """Raises NotFound."""
        glass = await self._core.store.read(lambda tx: tx.break_glass(glass_id))
        if glass is None:
            raise NotFound(f"there is no break-glass {glass_id[:40]}")
        return glass

    async def statement(
        self, person: str, reason: str, *, change: str = "", target: str = "", nonce: str = ""
    ) -> Statement:
        """What `person` would sign to break the glass for one change, or else for a target. Raises NotFound, Rejected (nobody is
        named for it), Unavailable."""
        why, chosen = sentence(reason, "break-glass"), nonce or secrets.token_hex(16)
        rules, origin = self._core.terms.break_glass, self._core.terms.origin
        if person not in rules.people:
            raise Rejected(f"{person[:63]} is not named for break-glass in the configuration")
        protected = None if change else self._target(target)

        def read(tx: ReadTx) -> Statement:
            ends = tx.now() + rules.longest
            if protected is None:
                about = found(tx, change)
                return words_of.for_change(
                    about, person, origin=origin, expires=ends, nonce=chosen, reason=why
                )
            return words_of.for_target(
                protected.name, protected.environment, protected.fingerprint, person,
                origin=origin, expires=ends, nonce=chosen, reason=why,
            )  # fmt: skip

        return await self._core.store.read(read)

    async def use(
        self, words: Statement, signature: str, assertion: Assertion | None = None
    ) -> tuple[BreakGlass, Change | None]:
        """Break the glass. Everyone is told. Raises NotFound, Unavailable, and Rejected with the reason when the words do not hold:
        that is recorded as well."""
        protected = None if words.change else self._target(words.target)
        await self._was_shown(words, assertion, protected)
        try:
            glass, change = await self._used(words, signature, assertion, protected)
        except Rejected as error:
            await self._changes.refused(words, str(error))
            raise
        announce.break_glass(glass, change)
        self._core.notifiers.break_glass(glass.person, change, glass.target, glass.until)
        if change is not None:
            self._core.watch.moved(change)
        await self._core.directory.refresh()
        return glass, change

    async def _was_shown(
        self, words: Statement, assertion: Assertion | None, protected: Target | None
    ) -> None:
        """As for a change; the text of a target is made anew here. Raises Rejected."""
        if protected is None:
            await self._changes.was_shown(words, assertion)
            return
        if assertion is None and words.shown is msgspec.UNSET:
            return
        if words.shown != shown.digest(shown.text_of_target(words, protected.environment)):
            why = "what was on screen is not what would be signed"
            await self._changes.refused(words, why)
            raise Rejected(why)

    async def _used(
        self, words: Statement, signature: str, assertion: Assertion | None, protected: Target | None
    ) -> tuple[BreakGlass, Change | None]:
        terms = self._core.terms

        def work(tx: Tx) -> tuple[BreakGlass, Change | None]:
            approval = signed(tx, words, signature, assertion)
            use_passkey(tx, words, assertion)
            if protected is None:
                return break_glass.of_change(tx, approval, terms)
            return break_glass.of_target(tx, approval, protected, terms), None

        return await self._core.store.transact(work)

    async def review(
        self,
        glass_id: str,
        person: str,
        text: str,
        *,
        by: str,
        words: Statement | None = None,
        signature: str = "",
    ) -> BreakGlass:
        """Somebody else says what they think of it: by a signature of their own, or else `by` must be themself (`person/NAME`).
        Raises NotFound, Rejected."""
        said, terms = sentence(text, "a review"), self._core.terms
        if words is None and by not in (f"person/{person}", f"session/{person}"):
            raise Rejected("the review needs the reviewer's own signature")
        if words is not None and (words.person, words.reason) != (person, said):
            raise Rejected("the signature is of somebody else, or about another sentence")

        def work(tx: Tx) -> BreakGlass:
            approval: Approval | None = signed(tx, words, signature) if words is not None else None
            return break_glass.review(tx, glass_id, person, said, approval, by, terms)

        glass = await self._core.store.transact(work)
        announce.reviewed(glass)
        return glass

    def _target(self, name: str) -> Target:
        gate = self._gates.get(name)
        if gate is None:
            raise NotFound(f"there is no target {name[:63]}")
        if not gate.target.fingerprint:
            raise Unavailable(f"the target {name} has not been reached yet")
        return gate.target
