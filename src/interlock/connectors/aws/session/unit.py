"""One unit of work: a call (or several that belong together), driven by the pipeline.

There is no transaction to look into. The preview asks the account what the call would do, and plans how it is taken back;
the intent is recorded with that plan; only then copies are made, and the call itself. What the answer tells goes with the
outcome."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from interlock.connectors.aws import undo
from interlock.connectors.aws.call import CallFailed, Calls, Classified, Described
from interlock.connectors.aws.preview import Seen, credentials_of, describe
from interlock.connectors.aws.preview.facts import facts as facts_of
from interlock.connectors.aws.session import judged
from interlock.connectors.aws.session.agents import AgentSession
from interlock.connectors.aws.session.passing.answers import Outcome, outcome_of, parsed
from interlock.connectors.aws.session.passing.causes import cause_of
from interlock.connectors.aws.session.passing.forwarding import Sends, send
from interlock.connectors.aws.session.passing.reshape import reshaped
from interlock.connectors.aws.session.record import Request
from interlock.connectors.aws.session.sampled import sampled
from interlock.connectors.aws.undo.became import became
from interlock.connectors.aws.upstream import Lost, Reply
from interlock.model.affected import affected
from interlock.model.base import canonical
from interlock.model.change import Measurement
from interlock.model.effect import Effect
from interlock.model.errors import Forbidden, Rejected, Unavailable
from interlock.model.signal import Facts
from interlock.sdk.connector import Cause, Preview, Settled


class Account(Sends, Protocol):
    """What a unit needs of its target."""

    own_accounts: Sequence[str]
    preview_s: float
    answer_bytes: int

    def calls(self, region: str) -> Calls: ...
    def nonce(self) -> str: ...
    async def grouped(self, what: Classified, effects: Sequence[Effect]) -> tuple[Effect, ...]: ...
    async def sizes(self, effects: Sequence[Effect], region: str) -> Mapping[str, int]: ...


class Piece:
    """One call of a unit, with what was found out about it. `body` is what is sent; a stream can be sent once."""

    def __init__(
        self,
        what: Classified,
        request: Request,
        body: bytes | AsyncIterator[bytes] | None = None,
        prefix: str = "",
    ) -> None:
        self.what, self.request, self.prefix = what, request, prefix
        self.body = request.body if body is None else body
        self.described = Described(())
        self.plan = undo.NOTHING
        self.nonce = ""
        self.effects: tuple[Effect, ...] = ()


class Made(NamedTuple):
    """A call that was made: what it answered, and what its copies are called."""

    piece: Piece
    answer: dict[str, object]
    saved: dict[str, object]


class CallUnit:
    """See the module. `reply` is the service's own answer to the last call, when all of it came: its body lies in `reply_body`.
    `done` tells that it is one of success, `cause` whose fault it is that nothing was done."""

    def __init__(self, account: Account, session: AgentSession | None, pieces: Sequence[Piece]) -> None:
        self._account, self._session, self.pieces = account, session, tuple(pieces)
        self._nonces = judged.Nonces(account.nonce())
        self.reply: Reply | None = None
        self.reply_body = b""
        self.done = False
        self.cause: Cause | None = None

    async def preview(self) -> Preview:
        """Ask what each call would do, and how it would be taken back. Raises Rejected (Forbidden), Unavailable."""
        seen = self._session.seen if self._session is not None else judged.NOTHING_SEEN
        try:
            async with asyncio.timeout(self._account.preview_s):
                for piece in self.pieces:
                    await self._look(piece, seen)
                    seen = judged.with_effects(seen, piece.effects)
                facts = await self._facts()
        except TimeoutError:
            raise Unavailable("AWS took too long to say what the call would do") from None
        except CallFailed as error:
            raise Unavailable(f"what the call would do cannot be found out: {error}") from None
        return msgspec.structs.replace(self._previewed(), facts=facts)

    async def _facts(self) -> Facts:
        """What breakers are told. Raises CallFailed, Unavailable."""
        region = self.pieces[0].request.call.region
        trash = getattr(self._account.calls(region), "trash_bucket", "")
        told = facts_of([piece.what for piece in self.pieces], self.effects, trash)
        return msgspec.structs.replace(told, sizes=await self._account.sizes(self.effects, region))

    async def _look(self, piece: Piece, seen: Seen) -> None:
        calls = self._account.calls(piece.request.call.region)
        if made := await credentials_of(piece.what.call, calls):
            raise Forbidden(
                f"{piece.request.call.name} would make a credential ({made}), with which an agent acts past the gateway"
            )
        piece.nonce = self._nonces()
        piece.described = await describe(piece.what, calls, seen, self._account.own_accounts)
        piece.plan = await undo.plan(piece.what, calls, piece.nonce)
        found = judged.effects(piece.what, piece.described, piece.plan)
        piece.effects = await self._account.grouped(piece.what, found)

    def _previewed(self) -> Preview:
        effects = judged.merged([piece.effects for piece in self.pieces])
        states = [
            canonical(judged.exact(p.described.state)) for p in self.pieces if p.described.state is not None
        ]
        hows = {piece.plan.kind for piece in self.pieces}
        how = hows.pop() if len(hows) == 1 else "none" if "none" in hows else "copy"
        measurement = Measurement(effects, affected(states) if states else "", "", how)
        plans = [piece.plan for piece in self.pieces]
        parts = judged.pack_plans(plans)
        undoable = any(plan.kind != "none" for plan in plans)
        marker = judged.marker(self.pieces[0].what.call.region, self._nonces.unit, plans)
        return Preview(measurement, parts if undoable else (), marker, sample=sampled(self.pieces))

    async def execute(self) -> Settled:
        """Make the copies, then the calls, in order. What one of them says ends the unit when it is no success."""
        made: list[Made] = []
        settled = Settled(True)
        for place, piece in enumerate(self.pieces):
            settled = await self._make(piece, made)
            if not settled.committed:
                self.cause = settled.cause if not made else None
                return await self._partly(settled, made) if made else settled
            if place < len(self.pieces) - 1 and (why := await self._not_through(piece)):
                return await self._partly(Settled(None, why), made)
        return Settled(True, settled.note, await self._completed(made))

    async def _not_through(self, piece: Piece) -> str:
        """Wait until a call is carried out, where another follows it; why it was not."""
        try:
            await judged.through(piece, self._account.calls(piece.request.call.region))
        except (CallFailed, Unavailable) as error:
            return f"{piece.request.call.name} did not come to its end: {error}"
        return ""

    async def _partly(self, settled: Settled, made: Sequence["Made"]) -> Settled:
        """The first calls are made: the change took effect, if not all of it."""
        note = f"{len(made)} of {len(self.pieces)} calls were made; then: {settled.note or 'no answer'}"
        return Settled(True, note, await self._completed(made))

    async def _make(self, piece: Piece, made: list["Made"]) -> Settled:
        calls = self._account.calls(piece.request.call.region)
        saved: dict[str, object] = {}
        if piece.plan.prepare:
            try:
                saved = await undo.prepare(piece.plan, calls, {})
            except (CallFailed, Rejected, Unavailable) as error:
                why = f"the copy for its undo could not be made, so the call was not made: {error}"
                cause = (
                    cause_of(error.code, error.status) if isinstance(error, CallFailed) else Cause.TRANSIENT
                )
                return Settled(False, why, cause=cause)
        settled, answer = await self._send(piece)
        if settled.committed is False and piece.plan.prepare:
            await judged.discarded(piece.plan, undo.Completed(saved), calls)
        elif settled.committed is None and piece.plan.kind != "none":
            # The copies stay even if it did not happen yet: a call that is late must find them made.
            settled = await self._found_out(piece.plan, calls, saved, settled)
        if settled.committed:
            made.append(Made(piece, answer, saved))
        return settled

    async def _found_out(
        self, plan: undo.Plan, calls: Calls, saved: dict[str, object], settled: Settled
    ) -> Settled:
        """Ask the account what became of it as long as the names of its copies are known here: recovery knows them no more."""
        try:
            found = await became(plan, calls, saved, too_late=False)
        except Unavailable:
            return settled
        return msgspec.structs.replace(found, cause=Cause.TRANSIENT)

    async def _completed(self, made: Sequence["Made"]) -> tuple[bytes, ...]:
        """What the answers tell, and the state that all calls together left. It is done, whatever becomes of this: without it a
        revert compares less."""
        if all(piece.plan.kind == "none" for piece in self.pieces):
            return ()
        found = []
        # What one call left, the next may have changed again: a revert compares with what all of them left.
        together = len(made) > 1
        for one in made:
            plan = judged.compared_later(one.piece.plan) if together else one.piece.plan
            calls = self._account.calls(one.piece.request.call.region)
            try:
                none = plan.kind == "none"
                done = undo.Completed() if none else await undo.complete(plan, one.answer, calls, one.saved)
            except (CallFailed, Unavailable):
                done = undo.Completed(one.saved)
            found.append(done)
        return judged.pack_completed(found)

    async def _send(self, piece: Piece) -> tuple[Settled, dict[str, object]]:
        request = piece.request
        body = piece.body
        if piece.plan.replaces_call:
            request = reshaped(request, piece.plan.replaces_call)
            body = request.body
        if body is None:
            return Settled(False, "the body of the call was not kept: make the call again"), {}
        try:
            reply, told = await self._asked(request, body, piece.prefix)
        except Lost as error:
            return Settled(None if error.sent else False, str(error), cause=Cause.TRANSIENT), {}
        except Unavailable as error:
            return Settled(False, str(error), cause=Cause.TRANSIENT), {}
        outcome = outcome_of(request, reply.status, reply.headers, told)
        self.done = outcome is Outcome.DONE
        if not self.done:
            return outcome.settled(reply.status, told), {}
        return Settled(True), parsed(request, reply.status, reply.headers, told)

    async def _asked(
        self, request: Request, body: bytes | AsyncIterator[bytes], prefix: str
    ) -> tuple[Reply, bytes]:
        self.reply, self.done = None, False
        reply = await send(self._account, request, body, request.call.length, prefix)
        try:
            told = await reply.whole(self._account.answer_bytes)
        finally:
            reply.close()
        self.reply, self.reply_body = reply, told
        return reply, told

    async def abandon(self) -> None:
        """Nothing was begun: a preview only reads."""

    @property
    def effects(self) -> tuple[Effect, ...]:
        """What it does, as found out by the preview."""
        return judged.merged([piece.effects for piece in self.pieces])
