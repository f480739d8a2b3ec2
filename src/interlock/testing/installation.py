"""A whole installation in memory: the enforcing store, the toy target, the real policy engine, pipeline and gate.

The people: `olga` owns the agent `fixer`; `ann`, `bob` and `cho` are in the group `sre`; `gus` gave the grant.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from interlock.control import breaker
from interlock.control.budget import Budgets
from interlock.control.deciding.haste import Reviews
from interlock.control.signals.thresholds import Signals
from interlock.model.breaker import Breaker
from interlock.model.change import Change, ChangeFilter, ChangeState, Verdict
from interlock.model.decision import Target
from interlock.model.operation import Action
from interlock.model.people import Agent, AgentCredential, Grant, Quorum
from interlock.pipeline.deciding.approve import Spoken, opened
from interlock.pipeline.deciding.approve import speak as give
from interlock.pipeline.recorded.records import found
from interlock.pipeline.recorded.terms import Terms
from interlock.runtime.core import Core
from interlock.runtime.rules.directory import Directory
from interlock.runtime.rules.policies import Policies
from interlock.runtime.targets.gate import TargetGate
from interlock.sdk.connector import Answer, Principal
from interlock.sdk.ports import Store, Tx
from interlock.testing import signing
from interlock.testing.scripted import Script, ScriptedUnit, scripted
from interlock.testing.stores.enforcing import FakeStore
from interlock.testing.toy import Statement, ToyLive, ToyTarget, ToyUnit, work_of

QUORUMS = {"two-sre": Quorum("two-sre", 2, "sre")}
UNHURRIED = Reviews(per_hour=1000, median_s=0, slowed_s=0)
"""Tests approve more quickly than people read."""
ROWS = {f"row/{n:04d}": "old" for n in range(300)}
MANY: Sequence[Statement] = (("delete_like", "row/01"),)
"""Deletes 100 rows of 300: beyond 10 %, so that it is held."""
FEW: Sequence[Statement] = (("put", "row/0000", "new"),)
"""Updates one row: passes."""


class Installation:
    """Made by `make`. `store` may be shared between several, which are then replicas."""

    def __init__(
        self,
        store: Any,
        toy: ToyTarget,
        origin: str,
        gateway: str,
        observe: bool,
        quorums: Mapping[str, Quorum],
        signals: Signals | None,
        budgets: Budgets | None,
        policies: Policies,
    ) -> None:
        self.store: Any = store
        self.toy = toy
        self.terms = Terms(quorums, origin, gateway, budgets, reviews=UNHURRIED, signals=signals)
        self.core = Core(store, self.terms, Directory(store), policies)
        self.live = ToyLive(toy)
        self.core.lives["shop"] = self.live
        self.target = Target("shop", "toy", "production", observe=observe, fingerprint=toy.fingerprint)
        self.gate = TargetGate(self.core, self.target)

    @classmethod
    async def make(
        cls,
        store: Store | None = None,
        toy: ToyTarget | None = None,
        *,
        gateway: str = "gw-1",
        observe: bool = False,
        furnish: bool = True,
        quorums: Mapping[str, Quorum] = QUORUMS,
        signals: Signals | None = None,
        budgets: Budgets | None = None,
        guardrails: str = "default",
        policies: Policies | None = None,
    ) -> "Installation":
        used: Any = store or FakeStore()
        rules = policies or Policies(None, quorums=quorums, fragments={}, guardrails=guardrails)
        made = cls(
            used, toy or ToyTarget(ROWS), used.origin, gateway, observe, quorums, signals, budgets, rules
        )
        if furnish:
            await used.transact(_furnish)
        await made.core.directory.refresh()
        return made

    async def principal(self, agent: str = "fixer") -> Principal:
        """The agent, connected."""
        known = self.gate.credential(agent)
        assert known is not None
        return await self.gate.enter(known[0], lambda why: None)

    def unit(self, statements: Sequence[Statement]) -> ToyUnit:
        return self.live.unit(statements)

    async def send(
        self, principal: Principal, statements: Sequence[Statement], unit: ToyUnit | None = None
    ) -> Answer:
        """One unit through the gate; outcomes that are written in the background are durable when it returns."""
        answer = await self.gate.admit(work_of(principal, statements), unit or self.unit(statements))
        await self.core.tasks.drain(10)
        return answer

    async def run(self, principal: Principal, script: Script) -> Answer:
        """The same for a unit whose effects are told (`testing.scripted`)."""
        answer = await self.gate.admit(scripted(principal, script), ScriptedUnit(self.toy, script))
        await self.core.tasks.drain(10)
        return answer

    async def advance(self, by: timedelta) -> None:
        """Time goes by: with a store in memory only."""
        self.store.advance(by)
        await self.core.directory.refresh()

    async def change(self, change_id: str) -> Change:
        result: Change = await self.store.read(lambda tx: found(tx, change_id))
        return result

    async def speak(
        self, change: Change, name: str, verdict: Verdict = Verdict.APPROVE, reason: str = ""
    ) -> Spoken:
        """Let someone approve or deny, with their real signature."""

        def work(tx: Tx) -> Spoken:
            opened(tx, change.id, name)
            words = signing.speak(
                change, name, tx.now(), origin=self.terms.origin, verdict=verdict, reason=reason
            )
            return give(tx, words, self.terms)

        result: Spoken = await self.store.transact(work)
        self.core.watch.moved(result.change)
        return result

    async def approve(self, change: Change, *names: str) -> Change:
        """Approvals by `ann` and `bob`, or the given ones; returns the change afterwards."""
        for name in names or ("ann", "bob"):
            change = (await self.speak(change, name)).change
        return change

    async def states(self) -> dict[ChangeState, int]:
        """How many changes are in which state."""
        changes = await self.store.read(lambda tx: tx.changes(ChangeFilter(limit=1000)))
        found: dict[ChangeState, int] = {}
        for change in changes:
            found[change.state] = found.get(change.state, 0) + 1
        return found


def _furnish(tx: Tx) -> None:
    now = tx.now()
    for name in ("ann", "bob", "cho"):
        tx.put_person(signing.person(name, "sre", at=now))
    tx.put_person(signing.person("olga", "sre", at=now))
    tx.put_person(signing.person("gus", "sre", at=now))
    tx.put_person(signing.person("dev", "dev", at=now))
    tx.put_agent(Agent("fixer", "olga", now))
    tx.put_credential(AgentCredential("fixer", "SCRAM-SHA-256$4096:none$none:none", "0" * 64))
    actions = (Action.READ, Action.CREATE, Action.UPDATE, Action.DELETE)
    tx.put_grant(Grant("G1", "fixer", "shop", actions, "gus", now, now + timedelta(days=30)))
    scopes = (
        breaker.GLOBAL,
        breaker.environment("production"),
        breaker.target("shop"),
        breaker.agent("fixer"),
    )
    for scope in scopes:
        tx.put_breaker(Breaker(scope))
