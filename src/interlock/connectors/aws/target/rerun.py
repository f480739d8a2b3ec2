"""Units that the gateway runs by itself: an approved change from its record, and a revert."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from interlock.connectors.aws import undo
from interlock.connectors.aws.call import Call, CallFailed, Calls, Classified
from interlock.connectors.aws.session import judged
from interlock.connectors.aws.session.record import Recorded, Request, read
from interlock.connectors.aws.session.unit import Account, CallUnit, Piece
from interlock.model.affected import affected
from interlock.model.base import canonical, digest_of
from interlock.model.change import Change, Measurement
from interlock.model.conflict import Conflicting, ConflictKind, RowConflict
from interlock.model.effect import ACTION_OF, ChangeKind, Effect, Evidence
from interlock.model.errors import Rejected
from interlock.model.operation import Operation
from interlock.sdk.connector import Preview, Principal, Settled, Unit, Work


class Reruns(Account, Protocol):
    """What is needed of the target."""

    def classified(self, call: Call) -> Classified: ...
    def host_prefix(self, request: Request) -> str: ...


def again(server: Reruns, change: Change, payload: bytes, principal: Principal) -> tuple[Work, Unit]:
    """A unit that makes the recorded calls. Raises Rejected when a body was not kept."""
    recorded = read(payload)
    pieces = []
    for request in recorded.requests:
        if request.body is None:
            raise Rejected(
                f"the body of {request.call.name} was too large to be kept: let the agent make the call again"
            )
        pieces.append(Piece(server.classified(request.call), request, None, server.host_prefix(request)))
    operations = tuple(piece.what.operation for piece in pieces)
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
    content = digest_of(
        {"revert": change.id, "force": force, "steps": [judged.exact(plan) for plan, _ in pairs]}
    )
    payload = Recorded((), principal.agent, change.id).payload()
    return Work(principal, unit.operations, content, payload, reverts=change.id), unit


_OPPOSITE = {ChangeKind.CREATED: ChangeKind.DELETED, ChangeKind.DELETED: ChangeKind.CREATED}


class RevertUnit:
    """The inverse of a change's calls, the last call first."""

    def __init__(
        self,
        server: Reruns,
        change: Change,
        pairs: Sequence[tuple[undo.Plan, undo.Completed]],
        *,
        force: bool,
    ) -> None:
        self._server, self._change, self._force = server, change, force
        self._pairs = list(reversed(pairs))
        self._lost = tuple(e for e in change.measurement.effects if not e.reversible and e.count)
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
        effects = tuple(_inverse(e) for e in self._change.measurement.effects if e.reversible and e.count)
        state = affected([canonical([str(since) for since in found])]) if found else ""
        marker = {"region": self._change.marker.get("region", ""), **({"partly": "1"} if self._lost else {})}
        return Preview(Measurement(effects, state), (), marker, tuple(_conflict(since) for since in found))

    async def _since(self) -> list[undo.Since]:
        """What somebody changed since. Raises Conflicting unless by force."""
        found: list[undo.Since] = []
        for plan, completed in self._pairs:
            if plan.kind != "none":
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
        notes: list[str] = []
        for place, (plan, completed) in enumerate(self._pairs):
            if plan.kind == "none":
                continue
            try:
                done = await undo.revert(plan, completed, self._calls(), force=True)
            except (CallFailed, Rejected) as error:
                return Settled(False, str(error)) if not place else Settled(None, f"in part: {error}")
            if done.failed:
                return Settled(None if done.steps or place else False, f"in part: {done.failed}")
            notes += done.caveats
        return Settled(True, "; ".join(dict.fromkeys(notes)))

    async def abandon(self) -> None:
        """Nothing was begun."""


def _inverse(effect: Effect) -> Effect:
    return msgspec.structs.replace(
        effect,
        change=_OPPOSITE.get(effect.change, effect.change),
        evidence=Evidence.PLANNED,
        reversible=False,
        reason="no before-image is taken of a revert",
        before=None,
        before_at_least=False,
        detail="removed again" if effect.change is ChangeKind.CREATED else "brought back",
    )


_SINCE = {
    "changed": ConflictKind.MODIFIED,
    "gone": ConflictKind.DELETED,
    "made": ConflictKind.TAKEN,
    "unreadable": ConflictKind.BLOCKED,
}


def _conflict(since: undo.Since) -> RowConflict:
    return RowConflict("", since.what, _SINCE[since.now])
