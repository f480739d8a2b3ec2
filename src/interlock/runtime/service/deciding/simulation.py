"""What policy would say of a past change under an edited text. Nothing is saved, and the rules in force are not touched: the edited
ones make an engine of their own, which is thrown away."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from interlock.model.base import Value
from interlock.model.change import Change
from interlock.model.decision import Decision, Request, Target, worst
from interlock.model.errors import Rejected
from interlock.model.people import Agent, Grant
from interlock.pipeline import questions
from interlock.pipeline.commands import Question
from interlock.pipeline.recorded.records import found
from interlock.policy import shipped
from interlock.policy.engine import Engine
from interlock.policy.load import Sources
from interlock.runtime.core import Core
from interlock.runtime.targets.reaching import TargetServer
from interlock.sdk.connector import Principal, Work
from interlock.sdk.ports import ReadTx

MOST_TEXT: Final = 20_000
"""Longest edited text in characters: three bytes each, at worst, in a form."""
MOST_POLICIES: Final = 200
"""Most policies that it may hold."""
MOST_QUESTIONS: Final = 2_000
"""Most questions that a change may ask: beyond, it is not simulated."""
MOST_SECONDS: Final = 5.0
"""Longest time for all questions together; a single one takes milliseconds."""
NEW_FILE: Final = "edited.cedar"
"""The file that an edited text is, when it stands beside all others."""


class Said(Value, frozen=True):
    """A decision, and each of its reasons with a sentence for people (empty when no policy has that id any more)."""

    decision: Decision
    reasons: tuple[tuple[str, str], ...]


class Simulated(Value, frozen=True):
    """What was recorded, what the rules in force say, and what the edited ones say: all of the same work, with the rights that its
    agent had when it asked, and without any approval."""

    change: Change
    recorded: Said
    in_force: Said
    edited: Said


class Simulation:
    """The service. One at a time: it costs a processor some time, and has no hurry."""

    def __init__(self, core: Core, targets: Mapping[str, TargetServer]) -> None:
        self._core, self._targets = core, targets
        self._turn = asyncio.Lock()

    def texts(self) -> Mapping[str, str]:
        """The policy files that can be edited, the shipped guardrails among them; the invariants cannot."""
        texts = self._core.policies.engine.sources.texts()
        return {name: text for name, text in texts.items() if name != shipped.INVARIANTS}

    async def run(self, change_id: str, file: str, text: str) -> Simulated:
        """Decide again, with `text` in place of a file (or beside them all, for a new name). Raises NotFound, Rejected, and
        Misconfigured when the edited text cannot be loaded, with the reason."""
        if len(text) > MOST_TEXT or text.count(";") > MOST_POLICIES:
            raise Rejected(
                f"at most {MOST_TEXT:,} characters and {MOST_POLICIES} policies can be tried at a time"
            )

        def read(tx: ReadTx) -> tuple[Change, Sequence[Grant]]:
            return found(tx, change_id), tx.grants()

        change, grants = await self._core.store.read(read)
        server = self._targets.get(change.target)
        if server is None:
            raise Rejected(
                f"{change.target} is not a target here (any more): what it was cannot be asked about"
            )
        engine, texts = self._core.policies.engine, {**self.texts(), file or NEW_FILE: text}
        async with self._turn:
            return await asyncio.to_thread(_simulated, change, grants, server.gate.target, engine, texts)


def _simulated(
    change: Change, grants: Iterable[Grant], target: Target, engine: Engine, texts: Mapping[str, str]
) -> Simulated:
    asks = _questions(change, target)
    if len(asks) > MOST_QUESTIONS:
        raise Rejected(f"{change.id} asks {len(asks):,} questions of policy: more than are simulated")
    rights = rights_then(grants, change)
    agents = [Agent(change.agent, change.owner, change.requested_at)]
    in_force = engine.with_grants(rights, agents)
    edited = edited_engine(engine.sources, texts).with_grants(rights, agents)
    return Simulated(
        change,
        _said(engine, change.decision),
        _said(in_force, _decided(in_force, change, target, asks)),
        _said(edited, _decided(edited, change, target, asks)),
    )


def edited_engine(sources: Sources, texts: Mapping[str, str]) -> Engine:
    """An engine of its own, which shares nothing that could change with the one in force. Raises Misconfigured."""
    return Engine.load(
        limits=sources.limits,
        quorums=sources.quorums,
        extra_texts=texts,
        guardrails="none",  # they are among the texts
        fragments=sources.fragments,
    )


def rights_then(grants: Iterable[Grant], change: Change) -> tuple[Grant, ...]:
    """The agent's grants as they were when the change was asked for."""
    at = change.requested_at
    return tuple(
        replace(g, revoked_at=None)
        for g in grants
        if g.agent == change.agent and g.created_at <= at and (g.revoked_at is None or g.revoked_at > at)
    )


def _questions(change: Change, target: Target) -> tuple[Question, ...]:
    return questions.after(_work(change), change.measurement, target)


def _work(change: Change) -> Work:
    """As much of the work as questions look at."""
    principal = Principal(change.agent, change.owner, change.session)
    return Work(principal, change.operations, change.content, b"", change.reason, change.reverts)


def _decided(engine: Engine, change: Change, target: Target, asks: Iterable[Question]) -> Decision:
    totals, until = questions.totals_of(_work(change), change.measurement), time.monotonic() + MOST_SECONDS
    found = []
    for q in asks:
        if time.monotonic() > until:
            raise Rejected(
                f"deciding about {change.id} again takes more than {MOST_SECONDS:.0f} s: simplify the text"
            )
        request = Request(
            change.agent, change.owner, q.action, q.resource, target, change.requested_at, totals
        )
        found.append(engine.decide(request))
    return worst(found)


def _said(engine: Engine, decision: Decision) -> Said:
    return Said(decision, tuple((reason, engine.explain(reason)) for reason in decision.reasons))
