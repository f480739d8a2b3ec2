"""Asking policy: from a pipeline's questions to one decision, on the rules and rights of this moment."""

import time
from collections.abc import Sequence
from datetime import datetime

from interlock.model.decision import (
    UNDECIDED,
    Decision,
    EvidenceHeld,
    Forbid,
    Request,
    Target,
    worst,
)
from interlock.model.effect import Totals
from interlock.model.operation import Operation
from interlock.pipeline import commands as c
from interlock.pipeline.questions import before
from interlock.runtime.rules.directory import Directory
from interlock.runtime.rules.policies import Policies
from interlock.sdk.connector import Principal

REMEMBERED = 10_000
"""Most decisions kept at a time; they are all forgotten each second, and whenever rules or rights change."""


class Judge:
    """Decides for one installation."""

    def __init__(self, directory: Directory, policies: Policies) -> None:
        self._directory, self._policies = directory, policies
        self._known: dict[tuple[Target, str, str, c.Question], Decision] = {}
        self._moment = object()
        self._generation, self._until = -1, float("-inf")

    @property
    def moment(self) -> object:
        """Replaced each second, whenever rules or rights change, and while the store does not confirm them."""
        now = time.monotonic()
        if now >= self._until or self._policies.generation != self._generation:
            self._moment, self._known = object(), {}
            self._generation = self._policies.generation
            self._until = min(now + 1, self._directory.fresh_until)
        return self._moment

    def check(self, principal: Principal, target: Target, operations: Sequence[Operation]) -> Decision:
        """What is known before any effect. Synchronous and cached for a second at most; doubt is a Forbid."""
        if not self._directory.fresh:
            return Forbid("the gate's store does not answer, so nothing can be decided", (UNDECIDED,))
        return self._before(principal, target, before(tuple(operations), target))

    def decide(self, ask: c.Decide) -> c.Decided:
        """`commands.Decide`. Raises Unavailable when the rights in memory are not confirmed."""
        snapshot = self._directory.confirmed()
        now = self._directory.now()
        principal = ask.principal
        if ask.totals is None and ask.evidence == EvidenceHeld():
            decision = self._before(principal, ask.target, ask.questions)
        else:
            decision = worst(
                self._ask(principal, ask.target, q, now, ask.totals, ask.evidence) for q in ask.questions
            )
        grants = snapshot.live_grants(principal.agent, ask.target.name, now)
        ends = min((g.expires_at for g in grants), default=None)
        basis = c.Basis(snapshot.revision, tuple(sorted(g.id for g in grants)), ends)
        return c.Decided(decision, basis)

    def _before(self, principal: Principal, target: Target, questions: tuple[c.Question, ...]) -> Decision:
        now, _ = self._directory.now(), self.moment
        if len(self._known) > REMEMBERED:
            self._known = {}
        found = []
        for question in questions:
            key = (target, principal.agent, principal.owner, question)
            decision = self._known.get(key)
            if decision is None:
                decision = self._ask(principal, target, question, now, None, EvidenceHeld())
                self._known[key] = decision
            found.append(decision)
        return worst(found)

    def _ask(
        self,
        principal: Principal,
        target: Target,
        question: c.Question,
        now: datetime,
        totals: Totals | None,
        evidence: EvidenceHeld,
    ) -> Decision:
        request = Request(
            principal.agent,
            principal.owner,
            question.action,
            question.resource,
            target,
            now,
            totals,
            evidence,
        )
        return self._policies.engine.decide(request)
