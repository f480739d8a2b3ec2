"""Units that the gateway runs by itself: an approved change from its record, and a revert."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from interlock.connectors.aws import undo
from interlock.connectors.aws.call import Call, CallFailed, Calls, Classified
from interlock.connectors.aws.session import judged
from interlock.connectors.aws.session.record import Recorded, Request, read
from interlock.connectors.aws.session.unit import Account, CallUnit, Piece
from interlock.connectors.aws.target.image import Image, image_of, together
from interlock.model.affected import affected
from interlock.model.base import canonical, digest_of
from interlock.model.change import Change, Measurement
from interlock.model.conflict import Conflicting, ConflictKind, RowConflict
from interlock.model.effect import ACTION_OF, ChangeKind, Effect, Evidence
from interlock.model.errors import Rejected, Unavailable
from interlock.model.operation import Operation
from interlock.sdk.connector import Preview, Principal, Settled, Unit, Work


class Reruns(Account, Protocol):
    """What is needed of the target."""

    def classified(self, call: Call) -> Classified: ...
    def host_prefix(self, request: Request) -> str: ...
    async def reader(self, call: Call) -> None: ...
    async def belongs(self, what: Classified) -> Classified: ...


async def again(server: Reruns, change: Change, payload: bytes, principal: Principal) -> tuple[Work, Unit]:
    """A unit that makes the recorded calls. Raises Rejected when a body was not kept, or when a call is refused by now,
    Unavailable."""
    recorded = read(payload)
    pieces = []
    for request in recorded.requests:
        if request.secrets:
            raise Rejected(f"what is secret in {request.call.name} is not in this record")
        if request.body is None:
            raise Rejected(
                f"the body of {request.call.name} was too large to be kept: let the agent make the call again"
            )
        await server.reader(request.call)
        what = await server.belongs(server.classified(request.call))
        if what.refused:
            raise Rejected(what.refused)
        pieces.append(Piece(what, request, None, server.host_prefix(request)))
    operations = tuple(each for piece in pieces for each in piece.what.operations)
    work = Work(principal, operations, recorded.content, payload, change.reason)
    return work, CallUnit(server, None, pieces)


def revert(
    server: Reruns, change: Change, parts: Sequence[bytes], principal: Principal, *, force: bool
) -> tuple[Work, Unit]:
    """A unit that undoes an applied change. Raises Rejected when nothing of it can be undone."""
    pairs = judged.unpacked(parts)
    if all(plan.kind == "none" for plan, _ in pairs):
        raise Rejected(
            f"{change.id} cannot be reverted: {pairs[0][0].reason if pairs else 'it left no before-image'}"
        )
    unit = RevertUnit(server, change, pairs, force=force)
    steps = digest_of({"force": force, "steps": [judged.exact(plan) for plan, _ in pairs]})
    recorded = Recorded((), principal.agent, change.id, steps)
    return Work(principal, unit.operations, recorded.content, recorded.payload(), reverts=change.id), unit


_OPPOSITE = {ChangeKind.CREATED: ChangeKind.DELETED, ChangeKind.DELETED: ChangeKind.CREATED}


class Back(NamedTuple):
    """One call of the change: its plan, what became of it, and the before-image of running its inverse."""

    plan: undo.Plan
    completed: undo.Completed
    image: Image

    @property
    def plans(self) -> tuple[undo.Plan, ...]:
        return self.image.plans


class RevertUnit:
    """The inverse of a change's calls, the last call first. It has a before-image like any other change, where all of its own
    calls have one."""

    def __init__(
        self,
        server: Reruns,
        change: Change,
        pairs: Sequence[tuple[undo.Plan, undo.Completed]],
        *,
        force: bool,
    ) -> None:
        self._server, self._change, self._force = server, change, force
        self._nonces = judged.Nonces(server.nonce())
        self._pairs = [(plan, completed) for plan, completed in reversed(pairs) if plan.kind != "none"]
        self._lost = tuple(e for e in change.measurement.effects if not e.reversible and e.count)
        self._backs: list[Back] = []
        self.operations = self._operations()

    def _calls(self) -> Calls:
        return self._server.calls(self._change.marker.get("region", ""))

    def _operations(self) -> tuple[Operation, ...]:
        effects = [e for e in self._change.measurement.effects if e.reversible]
        kinds = {(_OPPOSITE.get(e.change, e.change), e.resource) for e in effects}
        return tuple(
            Operation(ACTION_OF[kind], "revert", (resource,))
            for kind, resource in sorted(kinds, key=lambda pair: (pair[0].value, pair[1].name))
        )

    async def preview(self) -> Preview:
        """Compare with what the change left. Raises Rejected when somebody changed it since (unless by force), Unavailable."""
        found = await self._since()
        self._backs = [Back(plan, done, await self._image(plan, done)) for plan, done in self._pairs]
        back = together([each.image for each in self._backs])
        effects = [_inverse(e, back) for e in self._change.measurement.effects if e.reversible and e.count]
        state = affected([canonical([str(since) for since in found])]) if found else ""
        measured = Measurement(_told(effects, back), state, "", back.kind)
        parts = self._packed(back)
        marker = judged.marker(
            self._change.marker.get("region", ""),
            self._nonces.unit,
            [p for b in self._backs for p in b.plans],
        )
        marker |= {"partly": "1"} if self._lost else {}
        return Preview(measured, parts, marker, tuple(_conflict(since) for since in found))

    async def _image(self, plan: undo.Plan, completed: undo.Completed) -> Image:
        return await image_of(plan, completed, self._calls(), self._server.classified, self._nonces)

    def _packed(self, back: undo.Plan) -> tuple[bytes, ...]:
        plans = [plan for each in self._backs for plan in each.plans]
        if back.kind != "none" and plans:
            return judged.pack_plans(plans)
        self._backs = [each._replace(image=Image(each.plan)) for each in self._backs]
        return ()

    async def _since(self) -> list[undo.Since]:
        """What somebody changed since. Raises Conflicting unless by force."""
        found: list[undo.Since] = []
        for plan, completed in self._pairs:
            found += await undo.conflicts(plan, completed, self._calls())
        if found and not self._force:
            why = "; ".join(str(since) for since in found)
            raise Conflicting(f"somebody changed it since: {why}", [_conflict(since) for since in found])
        return found

    async def execute(self) -> Settled:
        """Run the inverse steps; where one fails, the rest stays as it is, and can be reverted again."""
        try:
            # Once more, now that it is recorded; then without, since undoing one call changes what the one before it left.
            await self._since()
        except Rejected as error:
            return Settled(False, str(error))
        copies: list[list[dict[str, Any]]] = []
        try:
            await self._prepare(copies)
        except (CallFailed, Rejected, Unavailable) as error:
            await self._discard(copies)
            return Settled(
                False, f"the copy for its own undo could not be made, so nothing was done: {error}"
            )
        return await self._run(copies)

    async def _prepare(self, copies: list[list[dict[str, Any]]]) -> None:
        for each in self._backs:
            copies.append([])
            for plan in each.plans:
                copies[-1].append(await undo.prepare(plan, self._calls(), {}))

    async def _discard(self, copies: Sequence[Sequence[dict[str, Any]]]) -> None:
        for each, names in zip(self._backs, copies, strict=False):
            for plan, saved in zip(each.plans, names, strict=False):
                await judged.discarded(plan, undo.Completed(saved), self._calls())

    async def _run(self, copies: Sequence[Sequence[dict[str, Any]]]) -> Settled:
        notes: list[str] = []
        ran: list[undo.Reverted] = []
        for place, each in enumerate(self._backs):
            try:
                done = await undo.revert(each.image.inverse, each.completed, self._calls(), force=True)
            except (CallFailed, Rejected) as error:
                return Settled(False, str(error)) if not place else Settled(None, f"in part: {error}")
            if done.failed:
                return Settled(None if done.steps or place else False, f"in part: {done.failed}")
            notes += done.caveats
            ran.append(done)
        return Settled(True, "; ".join(dict.fromkeys(notes)), await self._completed(ran, copies))

    async def _completed(
        self, ran: Sequence[undo.Reverted], copies: Sequence[Sequence[dict[str, Any]]]
    ) -> tuple[bytes, ...]:
        """What the answers told, and the state that all steps together left. It is done, whatever becomes of this."""
        found = []
        for each, done, names in zip(self._backs, ran, copies, strict=True):
            for place, plan in enumerate(each.plans):
                saved = {**each.image.told(place, done.saved), **names[place]}
                try:
                    one = await undo.complete(judged.compared_later(plan), {}, self._calls(), saved)
                except (CallFailed, Unavailable):
                    one = undo.Completed(saved)
                found.append(one)
        return judged.pack_completed(found) if found else ()

    async def abandon(self) -> None:
        """Nothing was begun."""


def _inverse(effect: Effect, back: undo.Plan) -> Effect:
    reverse = msgspec.structs.replace(
        effect,
        change=_OPPOSITE.get(effect.change, effect.change),
        evidence=Evidence.PLANNED,
        before=None,
        before_at_least=False,
        detail="removed again" if effect.change is ChangeKind.CREATED else "brought back",
    )
    return judged.with_undo(reverse, back)


def _told(effects: list[Effect], back: undo.Plan) -> tuple[Effect, ...]:
    """The first one says what people must read of undoing the revert."""
    if effects and back.caveats:
        detail = f"{effects[0].detail}; undone again: {'; '.join(back.caveats[:3])}"
        effects[0] = msgspec.structs.replace(effects[0], detail=detail)
    return tuple(effects)


_SINCE = {
    "changed": ConflictKind.MODIFIED,
    "gone": ConflictKind.DELETED,
    "made": ConflictKind.TAKEN,
    "unreadable": ConflictKind.BLOCKED,
}


def _conflict(since: undo.Since) -> RowConflict:
    return RowConflict("", since.what, _SINCE[since.now])
