"""Break-glass: one named person stands for a quorum, everyone is told at once, and somebody else reviews it."""

import secrets
from collections.abc import Mapping, Sequence

from interlock.control import break_glass as words_of
from interlock.model.break_glass import BreakGlass
from interlock.model.change import Approval, Assertion, Change, Statement
from interlock.model.decision import Target
from interlock.model.errors import NotFound, Rejected, Unavailable
from interlock.pipeline import break_glass
from interlock.pipeline.records import found
from interlock.runtime import announce
from interlock.runtime.core import Core
from interlock.runtime.gate import TargetGate
from interlock.runtime.service.changes import Changes, signed, use_passkey
from interlock.runtime.service.names import sentence
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
        """Break the glass. Everyone is told. Raises Rejected with the reason when the words do not hold. A passkey signs for one
        change, whose text is on screen; for a target a signing key does."""
        if assertion is not None and not words.change:
            raise Rejected("for a whole target sign with a key, on the command line")
        await self._changes.was_shown(words, assertion)
        terms = self._core.terms
        protected = None if words.change else self._target(words.target)

        def work(tx: Tx) -> tuple[BreakGlass, Change | None]:
            approval = signed(tx, words, signature, assertion)
            use_passkey(tx, words, assertion)
            if protected is None:
                return break_glass.of_change(tx, approval, terms)
            return break_glass.of_target(tx, approval, protected, terms), None

        glass, change = await self._core.store.transact(work)
        announce.break_glass(glass, change)
        self._core.notifiers.break_glass(glass.person, change, glass.target, glass.until)
        if change is not None:
            self._core.watch.moved(change)
        await self._core.directory.refresh()
        return glass, change

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
