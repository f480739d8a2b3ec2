"""Sessions of agents: HTTP has none, so one is entered with an agent's first call and left when it has been idle for long.

It is what the core sees as a session (a breaker scope, entries in the ledger), and it remembers what was deleted and
created in it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from interlock.connectors.aws.call import Classified
from interlock.connectors.aws.preview.seen import Seen, identity
from interlock.connectors.aws.session.record import Request
from interlock.model.effect import ChangeKind, Effect, Unit
from interlock.model.errors import Rejected
from interlock.model.operation import Action
from interlock.sdk.connector import Gate, Principal

LATELY = timedelta(hours=1)
"""How long a deletion and a creation of the same thing are one replacement."""

_REMEMBERED = 20
_GONE = (ChangeKind.DELETED, ChangeKind.HIDDEN)
"""Not REPLACED: afterwards it is there. A held creation that replaces must not be taken for the deletion before itself."""
_MADE = (ChangeKind.CREATED, ChangeKind.REPLACED)


class Over(Exception):
    """The session ended while something was read; the text says why."""


class Asked(NamedTuple):
    """A call that was held, and what it would delete."""

    what: Classified
    request: Request
    deletes: tuple[str, ...]


class AgentSession:
    """One agent's, while it works. `ended` says why it is over, when it is."""

    def __init__(self, principal: Principal, now: float) -> None:
        self.principal = principal
        self.used = now
        self.ended = ""
        self.busy = 0
        self._reads: set[asyncio.Timeout] = set()
        self._seen = Seen()
        self.held: dict[str, Asked] = {}
        """Calls that wait for people, by change."""

    def end(self, why: str) -> None:
        """It is over: what is being read is cut off. What changes something is the core's to end."""
        self.ended = why
        for read in self._reads:
            if not read.expired():
                read.reschedule(_clock())

    async def reading(self, work: Awaitable[None]) -> None:
        """Await something that is read and ends with the session. Raises Over then."""
        try:
            async with asyncio.timeout(None) as read:
                self._reads.add(read)
                try:
                    await work
                finally:
                    self._reads.discard(read)
        except TimeoutError:
            if read.expired():
                raise Over(self.ended) from None
            raise

    @property
    def seen(self) -> Seen:
        """What it deleted and created lately."""
        now = datetime.now(UTC)
        self._seen = self._seen.since(now - LATELY)
        return self._seen

    def hold(self, change: str, what: Classified, request: Request, effects: Iterable[Effect]) -> None:
        """Remember a call that waits, so that a creation of what it deletes is judged together with it."""
        gone = tuple(e.resource.name for e in effects if e.unit is Unit.OBJECTS and e.change in _GONE)
        if gone and request.body is not None:
            self.held[change] = Asked(what, request, gone)
            while len(self.held) > _REMEMBERED:
                del self.held[next(iter(self.held))]

    def note(self, effects: Iterable[Effect], change: str, *, done: bool) -> None:
        """Remember what a change did, or, when it was not `done`, would do once people have approved it."""
        now = datetime.now(UTC)
        found = [e for e in effects if e.unit is Unit.OBJECTS and e.count]
        gone = [e.resource.name for e in found if e.change in _GONE]
        self._seen = self._seen.with_deleted(gone, change, now)
        if done:
            made = [e.resource.name for e in found if e.change in _MADE]
            self._seen = self._seen.with_created(made, change, now)
            self.held.pop(change, None)

    def waits(self, names: Iterable[str]) -> "tuple[str, Asked] | None":
        """The newest call that waits for people and deletes one of these, with its change."""
        wanted = {identity(name) for name in names}
        for change, asked in reversed(self.held.items()):
            if wanted & {identity(name) for name in asked.deletes}:
                return change, asked
        return None


class AgentSessions:
    """All sessions on one target, one for each agent."""

    def __init__(self, gate: Gate, idle_s: float) -> None:
        self._gate, self._idle_s = gate, idle_s
        self._sessions: dict[str, AgentSession] = {}
        self._entering: dict[str, asyncio.Lock] = {}
        self._deleting: dict[str, tuple[asyncio.Lock, int]] = {}

    async def of(self, principal: Principal) -> AgentSession:
        """The agent's session, entered if there is none. Raises Rejected, Unavailable."""
        found = self._sessions.get(principal.agent)
        if found is None or found.ended or found.principal.epoch != principal.epoch:
            async with self._entering.setdefault(principal.agent, asyncio.Lock()):
                found = await self._entered(principal)
        found.used = _clock()
        return found

    async def _entered(self, principal: Principal) -> AgentSession:
        found = self._sessions.get(principal.agent)
        if found is not None and not found.ended and found.principal.epoch == principal.epoch:
            return found
        if found is not None:
            await self._leave(found)

        session = AgentSession(principal, _clock())
        session.principal = await self._gate.enter(principal, session.end)
        if session.ended:
            raise Rejected(session.ended)
        self._sessions[principal.agent] = session
        return session

    async def _leave(self, session: AgentSession) -> None:
        if self._sessions.get(session.principal.agent) is session:
            del self._sessions[session.principal.agent]
        await self._gate.leave(session.principal)

    @contextlib.asynccontextmanager
    async def deleting(self, what: Classified) -> AsyncIterator[None]:
        """One deletion in a container at a time: of many at once, none would see that it takes the last of what is in there."""
        container = _container(what)
        if not container:
            yield
            return
        lock, waiting = self._deleting.get(container, (asyncio.Lock(), 0))
        self._deleting[container] = lock, waiting + 1
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._deleting[container]
            self._deleting[container] = lock, waiting - 1
            if waiting == 1:
                del self._deleting[container]

    async def sweep(self) -> None:
        """Leave what has been idle for too long."""
        before = _clock() - self._idle_s
        for session in list(self._sessions.values()):
            if session.ended or (session.used < before and not session.busy):
                await self._leave(session)

    async def close(self) -> None:
        """Leave all."""
        for session in list(self._sessions.values()):
            await self._leave(session)


def _container(what: Classified) -> str:
    """What a deletion takes something out of: the bucket of objects, the table of items; empty when it is none of these."""
    if what.operation.action is not Action.DELETE:
        return ""
    for resource in what.operation.resources:
        if resource.kind == "s3:object":
            return resource.name.partition("/")[0]
        if resource.kind == "dynamodb:table":
            return resource.name
    return ""


def _clock() -> float:
    return asyncio.get_running_loop().time()
