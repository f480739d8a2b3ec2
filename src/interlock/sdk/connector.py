"""The shape of a connector: how one kind of target (Postgres, AWS, …) joins the core.

A connector is a folder below `interlock.connectors` whose `__init__` has a value `CONNECTOR: Connector`. It is loaded only when
the configuration names it. The core never sees the native protocol; the connector never sees the store, Cedar or the ledger.

    client bytes → Session (the connector's) → Gate (the core's) → Unit (the connector's, driven by the pipeline)
"""

import enum
import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias, runtime_checkable

from interlock.model.base import Value
from interlock.model.beside import Beside
from interlock.model.change import Change, Measurement
from interlock.model.conflict import RowConflict
from interlock.model.decision import Decision, Forbid, Target
from interlock.model.operation import Operation
from interlock.model.people import AgentCredential
from interlock.model.sample import Sample
from interlock.model.signal import Facts

TlsContext: TypeAlias = ssl.SSLContext
"""How TLS is spoken on a connection."""

ReadsText: TypeAlias = Callable[[str], tuple[Operation, ...]]
"""Statements of a language as operations: see `Connector`."""


class Principal(Value, frozen=True):
    """Who speaks on a connection, once authenticated: an agent, its owner, the session id and the credential's epoch."""

    agent: str
    owner: str
    session: str
    epoch: int = 1


class Work(Value, frozen=True):
    """What a unit of work asks, before its effects are known.

    `content` is the digest by which the same work sent again is recognised; `payload` is the native record (statements,
    parameters, settings; the connector's own encoding) from which the connector can run it again and people are shown it;
    `reason` is the agent's stated purpose. `reverts` names the change that this one undoes, or is empty."""

    principal: Principal
    operations: tuple[Operation, ...]
    content: str
    payload: bytes
    reason: str = ""
    reverts: str = ""


class Preview(Value, frozen=True):
    """The reply to a preview: effects and the before-image. `undo` are parts of at most 4 MiB each in the connector's own encoding,
    empty when nothing can be undone. `marker` is what `Live.settle` needs to learn the outcome after a crash; `partly` in that of a
    revert says that it leaves something as it is. `conflicts` are rows that others touched since (of a forced revert). `sample` is
    what people may be shown of it when the before-image does not tell (`Samples`); `facts` are for breakers."""

    measurement: Measurement
    undo: tuple[bytes, ...] = ()
    marker: dict[str, str] = {}  # noqa: RUF012  # msgspec copies mutable defaults
    conflicts: tuple[RowConflict, ...] = ()
    sample: Sample | None = None
    facts: Facts = Facts()


class Cause(enum.Enum):
    """Whose fault it is that an execution failed. `EXPECTED` are errors that honest work meets (there is no such thing, there is
    one already), `TRANSIENT` those that say "try again" (throttled, serialisation failures, a target that is down): neither
    counts as a failing agent's."""

    WORK = "work"
    EXPECTED = "expected"
    TRANSIENT = "transient"


class Settled(Value, frozen=True):
    """What became of an execution: True committed, False proven not committed, None not known (`in_doubt`). `note` is one
    sentence, without row values. `undo` completes the before-image with what only the target's answer tells (the id of what was
    made): more parts, which a revert is given after those of the preview. `cause` is whose fault a failure is."""

    committed: bool | None
    note: str = ""
    undo: tuple[bytes, ...] = ()
    cause: Cause = Cause.WORK


class Unit(Protocol):
    """One unit of work, driven by the pipeline. Calls come in this order: preview, then execute or abandon, once."""

    async def preview(self) -> Preview:
        """Find out the effects, leaving the work undone but ready (in its open transaction) where the target allows. Raises
        Forbidden for what shows itself as never allowed, Rejected for what cannot be, Unavailable."""

    async def execute(self) -> Settled:
        """Make it happen. Called only after the intent is durable. An error whose outcome is proven is a `Settled(False)`."""

    async def abandon(self) -> None:
        """Give it up: afterwards nothing of it is left on the target and no lock is held (P10)."""


class Permitted(Value, frozen=True, tag=True):
    """Done. `change` is None when nothing was changed and so nothing recorded; `conflicts` as in `Preview`."""

    change: Change | None
    conflicts: tuple[RowConflict, ...] = ()


class Held(Value, frozen=True, tag=True):
    """Waits for people (or a rehearsal); nothing was done. `again` tells that this very content was held before; `grown`
    lists, in plain words, how the effect differs from what had been approved, and `beside` puts both side by side."""

    change: Change
    again: bool = False
    grown: tuple[str, ...] = ()
    beside: tuple[Beside, ...] = ()


class Refused(Value, frozen=True, tag=True):
    """Will not happen. `code` is one of forbidden, breaker, unavailable, failed, in_doubt; `why` one sentence; `retry` whether
    trying the same again can help; `conflicts` are the rows because of which a revert is refused. `next` says what is to happen
    before anything else (empty: what the code says), `see` where people do it, and `people` the same to them, with the command."""

    code: str
    why: str
    retry: bool = False
    change: Change | None = None
    conflicts: tuple[RowConflict, ...] = ()
    next: str = ""
    see: str = ""
    people: str = ""


Answer = Permitted | Held | Refused


class Gate(Protocol):
    """What the core offers a connector's session. One Gate serves one target."""

    target: Target

    def credential(self, agent: str) -> tuple[Principal, AgentCredential] | None:
        """An agent's verifier, from a cache no older than a second; None when unknown, disabled or without a live grant on this
        target (answer all alike)."""

    async def enter(self, principal: Principal, on_end: Callable[[str], None]) -> Principal:
        """Record the session and return the principal with its session id. `on_end(why)` is called when the session must end (agent
        disabled, token rotated, shutdown). Raises Rejected or Unavailable."""

    async def leave(self, principal: Principal) -> None:
        """Record the end of the session."""

    @property
    def moment(self) -> object:
        """As long as this is the same object, `check` answers the same question alike: its answers may be remembered with it."""

    def check(self, principal: Principal, operations: Sequence[Operation]) -> Decision:
        """Decide before any effect. Synchronous, cached. Forbid must be obeyed; Hold and Rehearse wait for the effects."""

    async def stopped(self, principal: Principal, operations: Sequence[Operation]) -> Refused | None:
        """What refuses (and is recorded) what is done as soon as it runs, unmeasured; None when it may. Raises nothing."""

    def lift(self, principal: Principal, operations: Sequence[Operation], content: str) -> Change | None:
        """The change in which this very content waits already, or was denied lately (so that the target need not be touched again),
        or None. From memory: a None is no promise, `admit` finds it anyhow."""

    async def admit(self, work: Work, unit: Unit) -> Answer:
        """Take one unit through the pipeline: preview, decide, record, execute. When it returns, the unit was executed or
        abandoned. Raises nothing but cancellation: troubles are Refused("unavailable")."""

    async def give_up(self, principal: Principal, change: str, why: str) -> None:
        """Withdraw an open change of the agent's own, because another takes its place. One that has moved on meanwhile is left
        alone. Raises Unavailable."""

    async def wait(self, change: str, longest: timedelta) -> Change:
        """Wait until a held change moves, or the time is over; returns it as it is then."""

    def link(self, change: str) -> str:
        """The address at which the agent reads, with its token, what becomes of a change; for every answer that names one. Empty
        when the installation has no public address."""

    def failed(self, principal: Principal, operations: Sequence[Operation], cause: Cause) -> None:
        """Something that was let through to the target ended in an error there, before any unit came of it (a statement of a
        transaction that was never committed): signals count it. Returns at once."""

    def refused(self, principal: Principal, operations: Sequence[Operation], why: Forbid) -> None:
        """Record a refusal that ended before `admit` (queued, durable soon)."""

    def log(self, event: str, **fields: str | int | bool) -> None:
        """A structured log line; never secrets, statement texts or row values."""

    @property
    def languages(self) -> Mapping[str, ReadsText]:
        """Readers of statements in other connectors' languages, by the word that those declare. One is loaded when it is first
        asked for, which may block for a second; it is absent when nothing that can be loaded here brings it."""

    @property
    def folder(self) -> str:
        """Where a connector may keep what is costly to make again: a folder that only the gateway can open."""


class Wire(Protocol):
    """One client connection, as the runtime hands it to a session. All calls on the event loop's thread."""

    peer: str
    secure: bool

    def write(self, data: bytes) -> None: ...
    async def drain(self) -> None:
        """Wait while the client is slow (backpressure)."""

    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def buffered(self) -> int:
        """Bytes written and not yet taken by the client's socket."""

    async def start_tls(self, context: TlsContext) -> None:
        """Upgrade; bytes that came before the upgrade and were not consumed are an error (RFC 3207-like injection)."""

    def close(self) -> None:
        """Close after what was written is sent."""

    def abort(self) -> None: ...


class Session(Protocol):
    """One agent's connection, as the connector implements it: synchronous callbacks, so that the fast path costs one call."""

    def received(self, data: bytes) -> None: ...
    def lost(self, error: Exception | None) -> None: ...
    def writable(self, yes: bool) -> None:
        """The client's write buffer crossed its limits (pause or resume the source)."""

    async def stop(self, grace: timedelta) -> None:
        """Shut down: work that is committing finishes, everything else is rolled back, within `grace`."""


class Finding(Value, frozen=True):
    """One result of `doctor`. `level` is `error` (defeats the gate: strict targets are not served), `warning` or `ok`."""

    level: str
    check: str
    what: str
    fix: str = ""


class Live(Protocol):
    """One configured, running target."""

    def session(self, wire: Wire) -> Session: ...

    async def start(self, gate: Gate) -> None:
        """Connect, learn the fingerprint, load what classification needs. Raises Misconfigured or Unavailable."""

    async def stop(self) -> None: ...
    async def fingerprint(self) -> str:
        """What the target really is (for Postgres: `system identifier/database`), read from it."""

    async def settle(self, change: Change, image: Sequence[bytes] = ()) -> Settled:
        """Ask the target what became of an execution (recovery). `image` are the parts of the before-image that were stored
        with the intent, for a target that can only tell by comparing."""

    def describe(self, payload: bytes) -> Sequence[str]:
        """The native statements of a recorded work, as text for people."""

    async def again(self, change: Change, payload: bytes, principal: Principal) -> tuple[Work, Unit]:
        """A unit that runs a recorded, approved change on the server's side (`interlock apply`)."""

    async def undo(
        self, change: Change, parts: Sequence[bytes], *, force: bool, principal: Principal
    ) -> tuple[Work, Unit]:
        """A unit that reverts an applied change. Rows that someone modified since are refused (Rejected, naming tables and counts)
        unless `force`."""

    async def doctor(self) -> Sequence[Finding]: ...


@runtime_checkable
class Protects(Protocol):
    """What a `Live` may offer besides: a target on which single tables can be protected, at a price for each write, so that
    changes of large ones can be undone as well."""

    async def protect(self, tables: Sequence[str], *, on: bool) -> Sequence[str]:
        """Protect tables, or end it; returns which, by their full names. All or nothing. Raises Rejected, Unavailable."""


class TrashItem(Value, frozen=True):
    """One copy in a target's trash: its `name` there, what it was copied `of`, how many rows and bytes it has, since when it is
    kept, and the transaction that made it, as `Preview.marker` names it (`xid`)."""

    name: str
    of: str
    rows: int
    size: int
    kept_at: datetime
    transaction: str


@runtime_checkable
class KeepsTrash(Protocol):
    """What a `Live` may offer besides: a target that itself keeps what changes took away."""

    async def trash_items(self) -> Sequence[TrashItem]:
        """All copies, oldest first. Raises Rejected when there is no trash, Unavailable."""

    async def empty_trash(self, names: Sequence[str]) -> None:
        """Remove copies for good; one that is gone already is no error. Raises Rejected, Unavailable."""


@runtime_checkable
class Samples(Protocol):
    """What a `Live` may offer besides: before-images that people can read some of."""

    def samples(self, parts: Sequence[bytes]) -> Sample:
        """Some rows and definitions of a before-image, of which these are the first parts; empty when they tell nothing. Without
        I/O, and in any thread: it may take a while. Secrets are not in it (`model.sample.cell`). Raises Rejected for parts that
        cannot be read."""


@runtime_checkable
class Withholds(Protocol):
    """What a `Live` may offer besides: recorded works with secrets in them, which whoever approves need not know."""

    def disclosed(self, payload: bytes) -> bytes:
        """The record as people are given it to check (`Connector.recorded`): of the same content and statements, without secrets.
        Raises Rejected when it cannot be read."""


class Recorded(Value, frozen=True):
    """What a recorded work says: its digest (`Work.content`), and its native statements as text for people."""

    content: str
    statements: tuple[str, ...]


class Connector(Protocol):
    """A kind of target.

    Six more members are optional. `recorded(payload: bytes) -> Recorded`: with it, people check on their own machine what they
    sign, instead of taking the server's word for the statements. `connection: str`: how agents write the address of a target,
    with the words AGENT, TOKEN, ADDRESS (host and port) and TARGET in it. `environment(reach: Reach) -> Mapping[str, str |
    None]`: the environment in which the target's usual clients find the gateway (None takes a variable away), for `interlock
    run`. `profile(reach: Reach) -> str`: the same as a section of those clients' own configuration file. `language: str` with
    `reads_text(text: str) -> tuple[Operation, ...]`: statements in that language (`postgresql`) as operations, without any
    connection, for connectors whose calls carry such text (ADR 0016). What cannot be read, or looked through without catalogs,
    is of `Action.UNKNOWN`; nothing of the text is in what it says; it never raises.
    """

    name: str

    def schema(self) -> str:
        """The Cedar schema fragment of its resource kinds (`schema.cedarschema`)."""

    def configure(
        self,
        name: str,
        target: Target,
        raw: Mapping[str, Any],
        secret: Callable[[object], Callable[[], str]],
    ) -> Live:
        """Validate the connector's own keys of a target (strictly: unknown keys raise Misconfigured) and build it without any I/O.
        `secret` turns a `{env: …}`-like value into a provider that reads it (again) when called (in a
        thread: it may block)."""

    def setup_script(self, live: Live, flavour: str) -> str:
        """What an administrator runs on the target to prepare it (for Postgres: the three roles); flavour `plain` or `rds`."""

    def listener(self, live: Live) -> "Listener":
        """Where agents reach it."""


class Reach(Value, frozen=True):
    """How a program reaches a target as an agent: `address` is HOST:PORT; `wait_s` for how long (seconds) it waits for
    people when its work is held, 0 for not at all; `reason` is what they read of its purpose; `secure` tells that the
    address speaks TLS."""

    address: str
    target: str
    agent: str
    token: str
    wait_s: int = 0
    reason: str = ""
    secure: bool = False

    def __repr__(self) -> str:
        return f"Reach({self.agent} at {self.address}/{self.target})"


class Listener(Value, frozen=True):
    """An address agents connect to. Without TLS only loopback is accepted."""

    host: str
    port: int
    tls_cert: str = ""
    tls_key: str = ""
