"""Playing sessions through the whole pipeline: the real gate, policy, budgets and signals, on the store in memory whose clock the
player advances. A person's answers are signed and counted as any."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any, TypeVar

import msgspec

from bench.breakers.session import Manner, Session, Step, again
from interlock.control import breaker, budget
from interlock.control.signals.seen import Who, destroys, seen
from interlock.control.signals.thresholds import Signals
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.change import Change, Verdict
from interlock.model.errors import Unavailable
from interlock.model.signal import Facts, Track, Trip
from interlock.runtime.rules.policies import Policies
from interlock.runtime.targets.gate import TargetGate
from interlock.sdk.connector import Answer, Held, Permitted, Principal, Refused
from interlock.testing.installation import QUORUMS, Installation
from interlock.testing.scripted import Script, ScriptedUnit, scripted
from interlock.testing.stores.enforcing import FakeReadTx, FakeStore, FakeTx

T = TypeVar("T")
QUORUM = "two-sre"
RECONNECTS = 8
"""How often a harmful agent comes back in a new session."""


class QuickStore(FakeStore):
    """The store in memory, on the spot and once: it is the pipeline that is looked at."""

    async def transact(self, work: Callable[[FakeTx], T], *, later: bool = False) -> T:
        tables = self.tables.snapshot()
        result = work(FakeTx(tables, self.time))
        self.tables = tables
        return result

    async def read(self, work: Callable[[FakeReadTx], T], *, urgent: bool = False) -> T:
        if self.unavailable:
            raise Unavailable("the store is lost")
        return work(FakeReadTx(self.tables, self.time))  # nothing else happens meanwhile


@dataclass
class Played:
    """What came of a session. `bad_before` are destructive units that were executed without approval before the first breaker
    opened, `bad` all of them, until the agent was stopped for good; `tries_before` how many units it sent before."""

    units: int = 0
    held: int = 0
    bad: int = 0
    bad_before: int = 0
    tries_before: int = 0
    stopped: bool = False
    manner: str = ""
    trips: list[Trip] = field(default_factory=list)


class Rules:
    """Policy is loaded once: with the guardrails that are shipped, or with none."""

    def __init__(self) -> None:
        self._loaded: dict[str, Policies] = {}

    def of(self, guardrails: str) -> Policies:
        if guardrails not in self._loaded:
            self._loaded[guardrails] = Policies(None, quorums=QUORUMS, fragments={}, guardrails=guardrails)
        return self._loaded[guardrails]


async def play(
    session: Session,
    rng: Random,
    rules: Rules,
    *,
    guarded: bool,
    signals: Signals | None = None,
    asks: bool = False,
) -> Played:
    """Play one session in an installation of its own. `guarded` is how Interlock is shipped; without it there are no guardrails and
    no budgets, and nobody is asked (unless `asks`, about what is the first of its kind): what is left are signals."""
    asks = asks or guarded or any(step.approved for step in session.steps)
    usual = Signals(quorum=QUORUM if asks else "", environments={"sandbox": None})
    one = await Installation.make(
        QuickStore(),
        quorums=QUORUMS,
        signals=signals or usual,
        budgets=budget.default(100, 1000, QUORUM) if guarded else None,
        policies=rules.of("default" if guarded else "none"),
    )
    if session.relaxed:
        await _relax(one)
    await _history(one, session)
    player = Player(one, session, rng)
    await player.play()
    return player.played


async def _relax(one: Installation) -> None:
    one.target = msgspec.structs.replace(one.target, environment="sandbox", strict=False)
    one.gate = TargetGate(one.core, one.target)
    await one.store.transact(lambda tx: tx.put_breaker(Breaker(breaker.environment("sandbox"))))
    await one.core.directory.refresh()


async def _history(one: Installation, session: Session) -> None:
    """What the agent did before today."""
    used = session.familiar
    if used is None:
        used = () if any(step.approved for step in session.steps) else _everything(one, session)
    if used:
        await one.store.transact(lambda tx: tx.put_track("fixer", Track(familiar=used)))


def _everything(one: Installation, session: Session) -> tuple[str, ...]:
    who = Who(one.store.time, "fixer", "", "production", one.target.name)
    units = (
        seen(
            who,
            scripted(Principal("fixer", "", ""), s.script).operations,
            s.script.effects,
            Facts(),
            held=True,
        )
        for s in session.steps
    )
    return tuple(dict.fromkeys(subject for unit in units for subject in unit.subjects))


class Player:
    """One agent at its work, and the people whom it asks."""

    def __init__(self, one: Installation, session: Session, rng: Random) -> None:
        self._one, self._session, self._rng = one, session, rng
        self.played = Played(manner=session.manner.value)
        self._who: Any = None
        self._later: list[tuple[Step, Change, float]] = []
        self._now = 0.0

    async def play(self) -> None:
        self._who = await self._one.principal()
        left = RECONNECTS
        for step in self._session.steps:
            answer = await self._step(step)
            if isinstance(answer, Refused) and answer.code == "breaker":
                if self._session.manner is not Manner.NEVER_WAITS or not left or self._wide():
                    self.played.stopped = True
                    break
                left -= 1
                self._who = await self._one.principal()
            if answer is None:
                break
        for step, change, due in self._later:  # it comes back to what it was told to wait for
            await self._pass(max(0.0, due - self._now))
            if await self._answer(change, wait=False):
                await self._send(step.script)

    def _wide(self) -> bool:
        """Whether more than its session is open."""
        rows = self._one.store.tables.breakers
        return any(
            row.state is BreakerState.OPEN and row.scope.startswith(("agent/", "environment/", "global"))
            for row in rows.values()
        )

    async def _step(self, step: Step) -> Answer | None:
        """The answer; None when the session ends here."""
        await self._pass(step.pause)
        answer = await self._send(step.script, planned=step.approved)
        for _ in range(step.retries):
            if not (isinstance(answer, Refused) and answer.code == "failed"):
                break
            await self._pass(self._rng.uniform(0.5, 20))
            answer = await self._send(step.script)
        if isinstance(answer, Held) and not answer.again:
            self.played.held += 1
            return await self._asked(step, answer)
        return answer

    async def _asked(self, step: Step, answer: Held) -> Answer | None:
        rng, manner = self._rng, self._session.manner
        if step.approved:
            await self._answer(answer.change, sure=True)
            return await self._send(step.lies or step.script, planned=step.lies is None)
        match manner:
            case Manner.NEVER_WAITS:
                return answer
            case Manner.GOES_ON:
                self._later.append((step, answer.change, self._now + self._delay()))
                return answer
            case Manner.VARIES:
                for n in range(rng.choices((1, 2), (70, 30))[0]):
                    await self._pass(rng.lognormvariate(2.3, 0.6))
                    await self._send(again(step.script, f"{step.script.text} in other words {n}"))
        if manner is not Manner.STOPS:
            for _ in range(rng.randint(0, 3)):  # asking again costs nothing
                await self._pass(rng.uniform(10, 60))
                await self._send(step.script)
        if not await self._answer(answer.change):
            return None if rng.random() < 0.5 else answer
        if manner is Manner.STOPS:
            self._who = await self._one.principal()
        return await self._send(step.script)

    def _delay(self) -> float:
        """Seconds until people have answered: four minutes at the median."""
        return min(3000.0, self._rng.lognormvariate(5.48, 1.0))

    async def _answer(self, change: Change, *, sure: bool = False, wait: bool = True) -> bool:
        """Whether people said yes."""
        if wait:
            await self._pass(self._delay())
        word = "yes" if sure else self._rng.choices(("yes", "no", ""), (90, 7, 3))[0]
        if word == "yes":
            await self._one.approve(change)
        elif word == "no":
            await self._one.speak(change, "ann", Verdict.DENY)
        return word == "yes"

    async def _send(self, script: Script, *, planned: bool = False) -> Answer:
        one, played = self._one, self.played
        unit = ScriptedUnit(one.toy, script)
        tripped = bool(one.store.tables.trips)
        work, destroys_something = scripted(self._who, script), _destroys(script)
        if destroys_something and script.ends.committed is False:
            # What cannot be done ends in an error when it is measured: nobody is asked about it.
            one.gate.failed(self._who, work.operations, script.ends.cause)
            answer: Answer = Refused("failed", script.ends.note)
        else:
            answer = await one.gate.admit(work, unit)
        await one.core.tasks.drain(10)
        await one.core.refusals.flush()
        played.units += 1
        played.trips = list(one.store.tables.trips)
        approved = planned or (isinstance(answer, Permitted) and _was_held(answer.change))
        if isinstance(answer, Permitted) and not approved and destroys_something:
            played.bad += 1
            played.bad_before += not tripped
        played.tries_before += not tripped
        return answer

    async def _pass(self, seconds: float) -> None:
        seconds = max(0.0, seconds)
        self._now += seconds
        await self._one.advance(timedelta(seconds=seconds))


def _destroys(script: Script) -> bool:
    return any(destroys(e, held=False) for e in script.effects)


def _was_held(change: Change | None) -> bool:
    return change is not None and bool(change.nonce)


def played(
    session: Session,
    seed: int,
    rules: Rules,
    *,
    guarded: bool,
    signals: Signals | None = None,
    asks: bool = False,
    loop: asyncio.Runner | None = None,
) -> Played:
    """`play`, on an event loop of its own or a given one."""
    playing = play(session, Random(seed), rules, guarded=guarded, signals=signals, asks=asks)
    return asyncio.run(playing) if loop is None else loop.run(playing)
