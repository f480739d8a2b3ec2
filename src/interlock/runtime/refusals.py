"""Refusals that happened before anything was measured: recorded soon, and counted together with their like, so that an agent that
tries a hundred times a second does not fill the ledger."""

import structlog

from interlock.model.base import Json, Value
from interlock.model.errors import InterlockError
from interlock.pipeline import bodies
from interlock.pipeline.commands import NoteRefusal
from interlock.sdk.ports import Store, Tx

KINDS = 500
"""Most different refusals kept between two writes; what is beyond is counted without its details."""

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


class Refusals:
    """Waiting refusals. `flush` makes them durable; they are kept while the store does not answer."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counts: dict[Refusal, int] = {}

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

    async def flush(self) -> None:
        """Record what waits. A store that does not answer is logged, and tried again next time."""
        taken, self._counts = self._counts, {}
        if not taken:
            return
        try:
            await self._store.transact(lambda tx: _record(tx, taken))
        except InterlockError as error:
            _log.error("refusals.not_recorded", waiting=len(taken), why=str(error))
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
