"""Where all goes that loosens: done at once in try-out mode, held for admins in governed mode, done when they have agreed.

A proposal is held, signed and counted as any change. It is done in the transaction in which the last signature came, with its
outcome: there is no state between. Only what is not done in the store (`Unprotect`, `EmptyTrash`) is carried out after its
intent."""

import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, cast

import msgspec
import structlog

from interlock.control import breaker, limits
from interlock.control.change import OPEN, E, move
from interlock.model.change import Change, ChangeState
from interlock.model.errors import Conflict, InterlockError, NotFound, Rejected
from interlock.model.people import Quorum
from interlock.model.proposal import (
    INTERLOCK,
    AddGrant,
    EmptyTrash,
    Record,
    ResetBreaker,
    Thaw,
    Unprotect,
    Wanted,
    subject_of,
    verb_of,
    words_of,
)
from interlock.pipeline import commands as c
from interlock.pipeline.deciding.approve import Spoken
from interlock.pipeline.recorded import bodies, records
from interlock.pipeline.recorded.records import CONTENT
from interlock.runtime.background import announce
from interlock.runtime.core import Core
from interlock.runtime.governing import acts, admins, record
from interlock.runtime.governing.acts import Enacted, governed
from interlock.runtime.governing.lines import diffs, lines
from interlock.runtime.rules import governance
from interlock.runtime.rules.governance import GOVERNED, TRY_OUT, Proposed
from interlock.runtime.service.people.names import is_person
from interlock.sdk.connector import Answer, Permitted, Refused, Settled
from interlock.sdk.ports import ReadTx, Tx

_log = structlog.get_logger(__name__)

OPEN_PROPOSALS = 20
"""Most proposals of one asker that may wait at a time."""

Strict = Callable[[str], bool]
"""Whether a breaker's scope (`environment/NAME`, `target/NAME`) is or holds something strict."""
Work = Callable[[Wanted], Any]


class Office:
    """`runtime.rules.governance.Governance` of a running gateway. `past` says which past decisions a proposal would alter, `carry`
    does what is not done in the store."""

    def __init__(
        self, core: Core, quorums: Mapping[str, Quorum], counts_after: timedelta, strict: Strict
    ) -> None:
        self._core, self._quorums = core, quorums
        self._counts_after, self._strict = counts_after, strict
        self.past: Callable[[Wanted], Any] | None = None
        self.carry: Callable[[Wanted, str], Any] | None = None

    @property
    def mode(self) -> str:
        """`try-out` or `governed`, as of the last look at the store. What is asked for is decided by the store itself."""
        return GOVERNED if self._core.directory.snapshot.in_force else TRY_OUT

    # -- asking

    async def want(
        self, core: Core, wanted: Wanted, by: str, also: Callable[[Tx], None] | None = None
    ) -> Enacted:
        """See `governance.Governance`."""
        past, nonce = await self._past(wanted), secrets.token_hex(16)

        def work(tx: Tx) -> Enacted | Change:
            if self.needs_admins(tx, wanted, by):
                return self._propose(tx, wanted, by, past, nonce)
            return governance.do_at_once(tx, wanted, by, also)

        made = await core.store.transact(work)
        await core.directory.refresh()
        if isinstance(made, Change):
            raise self._held(made, wanted)
        return made

    async def clear(self, core: Core, wanted: Wanted, by: str) -> None:
        """See `governance.Governance`."""
        nonce = secrets.token_hex(16)

        def work(tx: Tx) -> Change | None:
            return self._propose(tx, wanted, by, (), nonce) if self.needs_admins(tx, wanted, by) else None

        held = await core.store.transact(work)
        if held is not None:
            raise self._held(held, wanted)

    def _held(self, change: Change, wanted: Wanted) -> Proposed:
        announce.held(change)
        self._core.notifiers.held(change)
        return Proposed(change, wanted)

    async def _past(self, wanted: Wanted) -> tuple[str, ...]:
        if self.past is None:
            return ()
        found: tuple[str, ...] = await self.past(wanted)
        return found

    def needs_admins(self, tx: ReadTx, wanted: Wanted, by: str) -> bool:
        """In governed mode what loosens does, but for what a person does beyond strict environments, by a signed request or logged
        in with a passkey (the doors let no weaker login ask for it). The admin socket knows no person: it reads, tightens and
        proposes only."""
        if not governed(tx):
            return False
        if not is_person(by):
            return True
        match wanted:
            case AddGrant() | Unprotect() | EmptyTrash():
                return self._strict(f"target/{wanted.target}")
            case Thaw(environment):
                return self._strict(f"environment/{environment}")
            case ResetBreaker(scope):
                return not breaker.alone(scope) and self._strict(scope)
            case _:
                return True

    def _propose(self, tx: Tx, wanted: Wanted, by: str, past: tuple[str, ...], nonce: str) -> Change:
        found = lines(tx, wanted)
        if not found:
            raise Rejected(f"{words_of(wanted)}: that is in force already, nothing would change")
        if not isinstance(wanted, Unprotect | EmptyTrash):
            acts.enact(cast(Tx, _Dry(tx)), wanted, by, acts.Terms())  # what could not be done is not held
        payload = record.encode(Record(wanted, by, found, diffs(tx, wanted), past))
        same = tx.change_by_content(by, INTERLOCK, record.content_of(payload))
        if same is not None and same.state in OPEN and not records.expired(tx, same):
            return same
        if tx.open_changes(by) >= OPEN_PROPOSALS:
            raise Rejected(
                f"{OPEN_PROPOSALS} proposals of {by} wait already; withdraw one (interlock withdraw)"
            )
        who = admins.needed(tx, wanted, by, self._quorums)
        origin = self._core.terms.origin
        fresh = record.draft(
            tx, record.decode(payload), payload, f"quorum:{who.quorum}", origin, who.person, who.about
        )
        fresh = msgspec.structs.replace(fresh, nonce=nonce)
        change = tx.new_change(move(fresh, E.HOLD, expires_at=tx.now() + limits.HELD_FOR))
        payloads = {CONTENT: tx.put_payload(change.id, CONTENT, payload)}
        tx.append("change.held", bodies.held(change, payloads))
        tx.append("proposal", {**_about(change, wanted), "by": by})
        return change

    # -- doing

    def follow(self, tx: Tx, spoken: Spoken) -> Spoken:
        """In the transaction of a signature: a proposal that all have agreed to is done, with its outcome."""
        change = spoken.change
        if change.target != INTERLOCK or change.state is not ChangeState.APPROVED:
            return spoken
        return msgspec.structs.replace(spoken, change=self._do(tx, change))

    def _do(self, tx: Tx, change: Change) -> Change:
        known = record.read(tx, change)
        marker = {**change.marker, "gateway": self._core.terms.gateway}
        begun = tx.save_change(msgspec.structs.replace(move(change, E.INTEND), marker=marker))
        quorums = [t.quorum for t in records.tallies(tx, begun, self._core.terms) if t.met]
        tx.append("intent", bodies.intent(begun, begun.measurement, begun.decision, {}, quorums))
        if isinstance(known.wanted, Unprotect | EmptyTrash):
            return begun
        why = self._enacted(tx, known)
        after = tx.save_change(move(begun, E.FAIL if why else E.APPLY, note=bodies.cut(why)))
        tx.append("outcome", bodies.outcome(after, not why))
        return after

    def _enacted(self, tx: Tx, known: Record) -> str:
        """Do it; why it could not be done, empty when it was."""
        try:
            if lines(tx, known.wanted) != known.lines:
                return "what it would change has changed since; propose it again"
            after = admins.waits(known.wanted, self._counts_after)
            acts.enact(tx, known.wanted, known.by, acts.Terms(after))
        except (Rejected, NotFound, Conflict) as error:
            # Said in the outcome, and nothing was written: `acts` checks before it writes.
            return str(error)
        return ""

    async def followed(self, spoken: Spoken) -> Spoken:
        """After that transaction: let this process know, and carry out what is not done in the store."""
        if spoken.change.target != INTERLOCK:
            return spoken
        await self._core.directory.refresh()
        if spoken.change.state is not ChangeState.EXECUTING:
            return spoken
        return msgspec.structs.replace(spoken, change=await self.carry_out(spoken.change))

    async def begin(self, change_id: str, *, by: str) -> Answer:
        """Try again to carry out an approved proposal whose target could not be reached."""

        def work(tx: Tx) -> Change:
            change = records.found(tx, change_id)
            if change.state is not ChangeState.APPROVED or records.expired(tx, change):
                raise Rejected(f"{change_id} is {change.state.value}: only approved changes can be applied")
            return self._do(tx, change)

        begun = await self._core.store.transact(work)
        after = begun if begun.state is not ChangeState.EXECUTING else await self.carry_out(begun)
        if after.state is ChangeState.APPLIED:
            return Permitted(after)
        return Refused("failed", after.note or "it could not be done", change=after)

    async def carry_out(self, change: Change) -> Change:
        """The intent is durable: do it on the target, and record what happened. A crash leaves it to recovery, which does it again:
        neither needs more than once."""
        self._core.executing.add(change.id)
        try:
            settled = await self.settle(change)
        finally:
            self._core.executing.discard(change.id)
        after = await self._core.store.transact(
            lambda tx: records.conclude(tx, c.Conclude(change, settled), self._core.terms)
        )
        self._core.watch.moved(after)
        return after

    async def settle(self, change: Change) -> Settled:
        """Carry out what an intent says; also what recovery asks."""
        known = await self._core.store.read(lambda tx: record.read(tx, change))
        if self.carry is None:
            return Settled(None, "this process cannot carry it out")
        try:
            await self.carry(known.wanted, known.by)
        except InterlockError as error:
            _log.error("proposal.not_carried_out", change=change.id, why=str(error))
            return Settled(False, str(error))
        return Settled(True)


def _about(change: Change, wanted: Wanted) -> dict[str, str]:
    return {"change": change.id, "what": verb_of(wanted), "subject": bodies.cut(subject_of(wanted))}


class _Dry:
    """A transaction that reads and does not write: to find out beforehand whether something could be done."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    def __getattr__(self, name: str) -> Any:
        if name in _WRITES:
            return lambda *_: None
        return getattr(self._tx, name)


_WRITES = frozenset(
    {"append", "put_agent", "put_person", "put_grant", "put_breaker", "put_in_force", "drop_in_force"}
)
