"""The policy engine: an immutable snapshot of all rules, and the question they are asked.

    ask with the evidence held
      ├─ allowed                                  → Permit
      ├─ nothing permits it                       → Forbid
      ├─ a determining forbid has no remedy       → Forbid
      └─ every determining forbid has a remedy    → ask again with those assumed, until
           allowed → Hold or Rehearse with what was missing;  a forbid without remedy, or no progress → Forbid

Any error of Cedar's, in any of these answers, is a Forbid.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import Final, NamedTuple

import msgspec

from interlock.model.base import digest_of, to_json
from interlock.model.decision import Decision, EvidenceHeld, Forbid, Hold, Permit, Rehearse, Request
from interlock.model.operation import Resource
from interlock.model.people import Agent, Grant, Quorum
from interlock.policy import cedar, facts, why
from interlock.policy.cedar import CedarError, Entities, Handle, Question, Verdict
from interlock.policy.facts import Subject
from interlock.policy.grants import LIMIT, PERMIT, GrantBook
from interlock.policy.index import Bucket, Index
from interlock.policy.limits import Limits
from interlock.policy.load import Policy, Sources, load
from interlock.policy.tree import Facet

ERROR: Final = "policy-error"
"""The reason of a Forbid that comes from an error; the ids of the policies that raised it follow."""

_HANDLES: Final = 2_048
_SUBJECTS: Final = 8_192
_ANSWERS: Final = 4_096
_LONG_NAME: Final = 512
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Rules:
    """What does not depend on grants: policies, schema, index, and the parsed handles. Handles are cached by the texts
    they are made of, so engines that differ in grants share them."""

    def __init__(self, sources: Sources, *, narrow: bool, on_error: Callable[[str], None]) -> None:
        self.sources = sources
        self.on_error = on_error
        self.schema = sources.schema()
        loaded = load(sources, self.schema)
        self.policies: Mapping[str, Policy] = {policy.id: policy for policy in loaded}
        self.index = Index(loaded, narrow=narrow)
        self.narrow = narrow
        self.digest = sources.digest()
        self._static = lru_cache(_HANDLES)(self._build)
        self.handle = lru_cache(_HANDLES)(self._extend)
        self.alone = lru_cache(_HANDLES)(self._alone)
        self._subject = lru_cache(_SUBJECTS)(self._describe)

    def _build(self, bucket: Bucket) -> Handle:
        return cedar.build({policy.id: policy.tree for policy in self.index.candidates(bucket)})

    def _extend(self, bucket: Bucket, grants: str) -> Handle:
        return cedar.extended(self._static(bucket), grants, self.schema)

    def _alone(self, grants: str) -> Handle:
        return cedar.extended(cedar.build({}), grants, self.schema)

    def subject(self, who: Subject) -> tuple[Entities, tuple[Facet, ...]]:
        """The entities of a request, and what of them the index asks about."""
        return self._subject(who) if _small(who.resource) else self._describe(who)

    def _describe(self, who: Subject) -> tuple[Entities, tuple[Facet, ...]]:
        return cedar.entities(facts.entities(who), self.schema), self.index.relevant(facts.facets(who))


def _small(resource: Resource) -> bool:
    """Names come from agents: what is cached must not be of any size."""
    return len(resource.name) + len(resource.group) <= _LONG_NAME


class _Asker(NamedTuple):
    """Everything of one request that stays the same while it is asked again."""

    request: Request
    handle: Handle
    question: Question
    schema: cedar.Schema

    def ask(self, evidence: EvidenceHeld) -> Verdict:
        context = facts.context(self.request.totals, evidence, self.request.now)
        return cedar.ask(self.handle, self.question, context, self.schema)


class Engine:
    """All rules at one moment. Immutable: `with_grants` and `with_texts` return new ones. Safe to share between threads."""

    def __init__(self, rules: Rules, grants: Iterable[Grant], agents: Iterable[Agent]) -> None:
        self._rules = rules
        self._grants = tuple(grants)
        self._agents = tuple(agents)
        self._book = GrantBook(self._grants, self._agents)
        self._everything = "" if rules.narrow else self._book.everything()
        self._answer = lru_cache(_ANSWERS)(self._evaluate)

    @classmethod
    def load(
        cls,
        *,
        limits: Limits | None = None,
        grants: Iterable[Grant] = (),
        agents: Iterable[Agent] = (),
        quorums: Iterable[Quorum] = (),
        extra_texts: Mapping[str, str] | None = None,
        guardrails: str = "default",
        fragments: Mapping[str, str] | None = None,
        narrow: bool = True,
        on_error: Callable[[str], None] = lambda error: None,
    ) -> "Engine":
        """Build an engine from texts; nothing is read or watched here.

        `extra_texts` are the files of the policy directory by name (only `*.cedar` count), `fragments` the connectors'
        schemas by connector. Revoked grants and those of disabled or unknown agents are left out. Raises Misconfigured,
        naming file, policy and reason. `narrow=False` evaluates all policies for each request: the same decisions, slowly.
        `on_error` is told what Cedar said when a request is refused because of an error (for the operators' log: it may quote
        policies; called at once, must not block).
        """
        sources = Sources(
            limits or Limits(), guardrails, dict(extra_texts or {}), dict(fragments or {}), tuple(quorums)
        )
        return cls(Rules(sources, narrow=narrow, on_error=on_error), grants, agents)

    def with_grants(self, grants: Iterable[Grant], agents: Iterable[Agent]) -> "Engine":
        """The same rules with other grants. Nothing but new grants is compiled, when they are first used."""
        return Engine(self._rules, grants, agents)

    def with_texts(self, extra_texts: Mapping[str, str]) -> "Engine":
        """The same grants with another policy directory (hot reload). Raises Misconfigured: keep this engine then."""
        old = self._rules.sources
        sources = Sources(old.limits, old.guardrails, dict(extra_texts), old.fragments, old.quorums)
        rules = Rules(sources, narrow=self._rules.narrow, on_error=self._rules.on_error)
        return Engine(rules, self._grants, self._agents)

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) over everything but grants: schema, limits, guardrails, policy files, quorums."""
        return self._rules.digest

    @cached_property
    def grants_digest(self) -> str:
        """SHA-256 (hexadecimal) over the grants in force (not revoked, of enabled agents, expired or not)."""
        return digest_of({g.id: to_json(g) for grants in self._book.pairs.values() for g in grants})

    @property
    def sources(self) -> Sources:
        """All texts that decide, grants apart."""
        return self._rules.sources

    @property
    def pairs(self) -> Mapping[tuple[str, str], tuple[Grant, ...]]:
        """The grants in force (not revoked, of enabled agents, expired or not), by agent and target."""
        return self._book.pairs

    @property
    def policies(self) -> Mapping[str, Policy]:
        """All policies but the compiled grants, by id."""
        return self._rules.policies

    @property
    def rejected_grants(self) -> tuple[tuple[str, str], ...]:
        """Ids of grants that could not be compiled and so grant nothing, each with the reason."""
        return self._book.rejected

    def explain(self, reason: str) -> str:
        """One sentence for people about a reason of a decision (a policy id); empty when there is no such policy now."""
        if reason == ERROR:
            return "A policy raised an error, which counts as no."
        if reason.startswith(PERMIT):
            grant = self._book.find(reason.removeprefix(PERMIT))
            return (
                f"Grant {grant.id} by {grant.granted_by} to {grant.agent} on {grant.target}." if grant else ""
            )
        if reason.startswith(LIMIT):
            return f"More rows than the grants of {reason.removeprefix(LIMIT)} allow."
        return self.policies[reason].description if reason in self.policies else ""

    def grants_text(self) -> str:
        """All grants in force as Cedar text, for people."""
        return self._book.everything()

    def decide(self, request: Request) -> Decision:
        """Answer one request. What cannot be answered is a Forbid."""
        try:
            # Policies know whole seconds, so equal questions of one second have one answer.
            second = msgspec.structs.replace(request, now=request.now.replace(microsecond=0))
            return self._answer(second) if _small(request.resource) else self._evaluate(second)
        except (CedarError, ValueError, OverflowError) as error:
            self._rules.on_error(f"{type(error).__name__}: {error}")
            return Forbid(why.BROKEN, (ERROR,))

    def _evaluate(self, request: Request) -> Decision:
        return self._decide(self._asker(request))

    def _asker(self, request: Request) -> _Asker:
        who = facts.subject(request)
        entities, relevant = self._rules.subject(who)
        action = request.action.value
        bucket = self._rules.index.bucket(request.totals is not None, request.agent, action, relevant)
        handle = self._rules.handle(bucket, self._grants_for(request))
        question = Question(
            request.agent, action, facts.resource_id(request.target, request.resource), entities
        )
        return _Asker(request, handle, question, self._rules.schema)

    def _grants_for(self, request: Request) -> str:
        if not self._rules.narrow:
            return self._everything
        return self._book.text(
            request.agent, request.target.name, request.action.value, request.resource.name
        )

    def _decide(self, asker: _Asker) -> Decision:
        request = asker.request
        missing: list[str] = []
        reasons: set[str] = set()
        verdict = asker.ask(request.evidence)
        while not verdict.allowed:
            if verdict.errors:
                return self._broken(verdict)
            if not verdict.reasons:
                return Forbid(why.no_grant(request, self._covering(asker, _LONG_AGO)))
            final = tuple(r for r in verdict.reasons if not self._remedies(r))
            if final:
                return Forbid(self._why(asker, final), final)
            new = self._missing(verdict.reasons, facts.given(request.evidence), missing)
            if not new:
                return Forbid(why.unliftable(request), verdict.reasons)
            missing += new
            reasons.update(verdict.reasons)
            verdict = asker.ask(facts.with_remedies(request.evidence, missing))
        if not missing:
            return Permit(verdict.reasons)
        return self._hold(asker, missing, tuple(sorted(reasons)))

    def _remedies(self, reason: str) -> tuple[str, ...]:
        # Limits of grants are not among the policies: they have no remedy.
        policy = self.policies.get(reason)
        return policy.remedies if policy else ()

    def _missing(self, reasons: Sequence[str], held: frozenset[str], assumed: Sequence[str]) -> list[str]:
        wanted = dict.fromkeys(remedy for reason in reasons for remedy in self._remedies(reason))
        return [remedy for remedy in wanted if remedy not in held and remedy not in assumed]

    def _hold(self, asker: _Asker, missing: Sequence[str], reasons: tuple[str, ...]) -> Decision:
        """Each remedy must be needed: what would pass without one of them does not ask for it."""
        needed = list(missing)
        for remedy in reversed(missing):
            rest = [r for r in needed if r != remedy]
            if rest and asker.ask(facts.with_remedies(asker.request.evidence, rest)).allowed:
                needed = rest
        kind = Rehearse if "rehearsal" in needed else Hold
        return kind(tuple(needed), reasons)

    def _why(self, asker: _Asker, final: Sequence[str]) -> str:
        sentences = [self.policies[r].why for r in final if r in self.policies]
        if not sentences:
            return why.beyond_limit(asker.request, self._covering(asker, asker.request.now))
        return why.refused(asker.request, next(filter(None, sentences), ""))

    def _covering(self, asker: _Asker, now: datetime) -> list[Grant]:
        """The grants that permit the request at `now`, its effects apart."""
        request = asker.request
        handle = self._rules.alone(self._grants_for(request))
        context = facts.context(None, request.evidence, now)
        verdict = cedar.ask(handle, asker.question, context, self._rules.schema)
        ids = {reason.removeprefix(PERMIT) for reason in verdict.reasons} if verdict.allowed else set()
        return [g for g in self._book.of(request.agent, request.target.name) if g.id in ids]

    def _broken(self, verdict: Verdict) -> Forbid:
        self._rules.on_error("; ".join(verdict.errors))
        named = (p for p in self.policies if any(f"`{p}`" in error for error in verdict.errors))
        return Forbid(why.BROKEN, (ERROR, *sorted(named)))
