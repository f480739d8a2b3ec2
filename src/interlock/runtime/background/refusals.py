"""Refusals that happened before anything was measured: recorded soon, and counted together with their like, so that an agent that
tries a hundred times a second does not fill the ledger."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from interlock.model.base import Json, Value
from interlock.model.decision import Target
from interlock.model.errors import InterlockError
from interlock.model.operation import Action, Operation
from interlock.pipeline.commands import NoteRefusal
from interlock.pipeline.recorded import bodies, trips
from interlock.pipeline.recorded.terms import Terms
from interlock.pipeline.recorded.trips import Found
from interlock.sdk.connector import Cause, Principal
from interlock.sdk.ports import Tx

KINDS = 500
"""Most different refusals kept between two writes; what is beyond is counted without its details."""

_OWN = "interlock-schema"
"""The invariant that keeps agents off Interlock's own schema (`policy/invariants.cedar`)."""

_log = structlog.get_logger(__name__)


class Refusal(Value, frozen=True):
    """Refusals that are alike."""

    agent: str
    target: str
    session: str
    code: str
    why: str
    verbs: tuple[str, ...]
    reasons: tuple[str, ...]


class Failure(Value, frozen=True):
    """Something of an agent's that failed before it became a change, and when (by the store's clock); `guard` is why nobody may
    ever do it."""

    principal: Principal
    target: Target
    operations: tuple[Operation, ...]
    cause: Cause
    at: datetime
    guard: str = ""


class Refusals:
    """Waiting refusals. `flush` makes them durable, also those that another one is at; they are kept while the store does not
    answer."""

    def __init__(
        self,
        watched: Callable[[Callable[[Tx, Found], None]], Awaitable[None]],
        terms: Terms,
        now: Callable[[], datetime],
    ) -> None:
        self._watched, self._terms, self._now = watched, terms, now
        self._counts: dict[Refusal, int] = {}
        self._failures: list[Failure] = []
        self._flushing = asyncio.Lock()

    def note(self, ask: NoteRefusal) -> None:
        """`commands.NoteRefusal`."""
        verbs = tuple(sorted({bodies.cut(o.verb, 60) for o in ask.operations}))[:10]
        p = ask.principal
        refusal = Refusal(
            p.agent, ask.target.name, p.session, ask.code, bodies.cut(ask.why), verbs, ask.reasons[:10]
        )
        if refusal not in self._counts and len(self._counts) >= KINDS:
            refusal = Refusal(p.agent, ask.target.name, "", ask.code, "many different refusals", (), ())
        self._counts[refusal] = self._counts.get(refusal, 0) + 1
        if ask.code == "forbidden":
            guard = "Interlock's own schema" if _OWN in ask.reasons else ""
            self.failed(p, ask.target, ask.operations, Cause.WORK, guard)

    def failed(
        self,
        principal: Principal,
        target: Target,
        operations: tuple[Operation, ...],
        cause: Cause,
        guard: str = "",
    ) -> None:
        """Something failed that no change came of. Reads are not counted: they pass whatever is open."""
        if len(self._failures) < KINDS and any(o.action is not Action.READ for o in operations):
            self._failures.append(Failure(principal, target, operations, cause, self._now(), guard))

    async def flush(self) -> None:
        """Record what waits. A store that does not answer is logged, and tried again next time."""
        async with self._flushing:
            taken, self._counts = self._counts, {}
            failures, self._failures = self._failures, []
            if not taken and not failures:
                return

            def record(tx: Tx, opened: Found) -> None:
                _record(tx, taken)
                for one in failures:
                    who = (one.principal, one.target, one.operations)
                    if one.guard:
                        trips.guarded(tx, *who, one.guard, self._terms, opened)
                    trips.failed(tx, *who, one.cause, self._terms, opened, at=one.at)

            try:
                await self._watched(record)
            except InterlockError as error:
                _log.error("refusals.not_recorded", waiting=len(taken), why=str(error))
                self._keep(taken, failures)
            except BaseException:
                # Cancelled, as at the end of the process: whether they are recorded is not known, and twice is better than never.
                self._keep(taken, failures)
                raise

    def _keep(self, taken: dict[Refusal, int], failures: list[Failure]) -> None:
        self._failures = [*failures, *self._failures][:KINDS]
        for refusal, count in taken.items():
            self._counts[refusal] = self._counts.get(refusal, 0) + count


def _record(tx: Tx, refusals: dict[Refusal, int]) -> None:
    for refusal, count in refusals.items():
        body: dict[str, Json] = {
            "agent": refusal.agent,
            "target": refusal.target,
            "session": refusal.session,
            "decision": {"kind": "refused", "code": refusal.code, "why": refusal.why},
            "reasons": [bodies.cut(r) for r in refusal.reasons],
            "verbs": list(refusal.verbs),
            "count": count,
        }
        tx.append("decision", body)
