"""Ports: what the core asks of the world, each with the guarantees it states.

Implementations wrap foreign errors: `Unavailable` when the store cannot answer now (lost, full, locked too long), `Conflict`
when a fenced write came too late. Nothing else may leave a port.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from interlock.model.base import Json
from interlock.model.break_glass import BreakGlass
from interlock.model.breaker import Breaker, Reserved
from interlock.model.budget import Amounts, Spending
from interlock.model.change import Activity, Approval, Change, ChangeFilter, Listing, Review, TakenBack
from interlock.model.health import Blame, Health, Watched
from interlock.model.message import Message, MessageFilter
from interlock.model.people import Agent, AgentCredential, Grant, Person, Ticket, TicketKind
from interlock.model.signal import Track, Trip, TripFilter
from interlock.model.usage import AgentUse, Asking

T = TypeVar("T")


class ReadTx(Protocol):
    """A consistent view of the store. All times are UTC with millisecond precision."""

    def now(self) -> datetime:
        """The store's clock: the only clock that records and decisions use."""

    def change(self, change_id: str) -> Change | None: ...
    def changes(self, which: ChangeFilter) -> Sequence[Change]:
        """The newest that fit, however long that takes; at most 1,000."""

    def listing(self, which: ChangeFilter) -> Listing:
        """A page of those that fit, in bounded time: it looks no further back than a fixed number of changes, and says so.
        Pages that follow each other's `next` have every change that fits once, also while more are added."""

    def activity(self, since: datetime, width: timedelta) -> Sequence[Activity]:
        """What was asked for since (taken down to a whole `ACTIVITY_SLICE`), counted in slices of that width (a multiple of
        it), by the state that it is in now."""

    def open_changes(self, agent: str) -> int:
        """How many changes of the agent wait (held or approved and not expired by `now()`)."""

    def change_by_content(self, agent: str, target: str, content: str) -> Change | None:
        """The newest change with that content digest whose state is held, approved, executing or in_doubt."""

    def denied_change(self, agent: str, target: str, content: str) -> Change | None:
        """The newest change with that content digest that was denied."""

    def changes_in_doubt(self) -> Sequence[Change]:
        """All changes executing or in_doubt, oldest first: what recovery looks at."""

    def approvals(self, change_id: str) -> Sequence[Approval]:
        """In the order given."""

    def taken_back(self, change_id: str) -> Sequence[TakenBack]:
        """Approvals that their people took back, in the order in which they did."""

    def review(self, change_id: str, person: str) -> Review | None:
        """Whether the person has had the change before them."""

    def reviews(self, person: str, since: datetime) -> Sequence[Review]:
        """What the person approved since then, newest first, at most 1,000."""

    def break_glass(self, glass_id: str) -> BreakGlass | None: ...
    def break_glasses(self) -> Sequence[BreakGlass]:
        """Those that nobody has reviewed first, then the newest; at most 1,000."""

    def break_glasses_in_force(self) -> Sequence[BreakGlass]:
        """Those that have not ended by `now()`."""

    def payload(self, change_id: str, name: str) -> bytes:
        """Decrypted; NotFound when it never was or its key was destroyed by retention."""

    def payload_parts(self, change_id: str, prefix: str) -> Sequence[str]:
        """Names of the change's payloads that start with `prefix`, sorted."""

    def agent(self, name: str) -> Agent | None: ...
    def agents(self) -> Sequence[Agent]: ...
    def agent_uses(self) -> Sequence[AgentUse]:
        """Each agent by name: when it asked for a change last, and how many of its changes wait (as `open_changes`)."""

    def asking(self, since: datetime) -> Sequence[Asking]:
        """The 50 agents that asked for most changes since, the busiest first."""

    def credential(self, agent: str) -> AgentCredential | None: ...
    def credentials(self) -> Sequence[AgentCredential]:
        """Those of all agents, at once."""

    def agent_by_token(self, token_sha256: str) -> Agent | None: ...
    def person(self, name: str) -> Person | None: ...
    def people(self) -> Sequence[Person]: ...
    def ticket(self, kind: TicketKind, digest: str) -> Ticket | None:
        """The ticket of that kind, if it has not ended."""

    def tickets(self, kind: TicketKind, person: str = "") -> Sequence[Ticket]:
        """All of a kind that have not ended, of one person if given; those that end first come first."""

    def grant(self, grant_id: str) -> Grant | None: ...
    def grants(self) -> Sequence[Grant]:
        """All grants, revoked and expired ones too (they say who granted what: P4)."""

    def revision(self) -> int:
        """Grows with each change of agents, credentials, people, grants, breakers, and of what is in force: what caches compare
        (one cheap row read)."""

    def breakers(self) -> Sequence[Breaker]: ...
    def breaker(self, scope: str) -> Breaker | None: ...
    def track(self, agent: str) -> Track | None:
        """What the agent left behind, for signals; None when nothing is known of it yet. After `reserve` of the agent's breaker it
        takes no statement of its own."""

    def trips(self, which: TripFilter) -> Sequence[Trip]:
        """Breakers that opened by themselves, newest first; at most 1,000."""

    def spending(self, since: datetime, scopes: Sequence[str] = (), limit: int = 200) -> Sequence[Spending]:
        """What each counter shows from `since` on (`spend`), those first that lost most rows: of these scopes only, if any are
        given; at most 1,000."""

    def healths(self) -> Sequence[Health]:
        """All checks with their results, by target and name."""

    def health(self, target: str, check: str) -> Health | None: ...
    def watched(
        self, target: str, since: datetime, until: datetime, intended_before: datetime
    ) -> Sequence[Watched]:
        """Changes of a target under watch that no check blames yet: applied from `since` to `until` (both included), intended
        before that time. The newest 20 of each agent, newest first."""

    def watched_change(self, change_id: str) -> Watched | None: ...
    def blamed(self) -> Sequence[Watched]:
        """Changes that a check blames and whose revert is still to be proposed, the newest first: at most 1,000."""

    def meta(self, key: str) -> str | None: ...
    def message(self, message_id: str) -> Message | None: ...
    def messages(self, which: MessageFilter) -> Sequence[Message]:
        """Messages to people, in the order in which they were queued."""

    def messages_due(self, channel: str) -> bool:
        """Whether `claim_messages` would find any: a read, so that who delivers writes only when there is something."""

    def in_force(self) -> Mapping[str, str]:
        """What admins have approved to be in force (`policies`, `config`), with the SHA-256 (hexadecimal) of its content.
        Nothing at all in try-out mode: this is what says that an installation is governed."""

    def in_force_content(self, name: str) -> bytes | None:
        """The content of one of them."""

    def ledger_size(self) -> int: ...
    def entries_of(self, change_id: str, limit: int = 1000) -> Sequence[tuple[int, bytes]]:
        """The ledger's entries about a change (trips that it led to as well), with their numbers, in order; of more than `limit`
        the newest. By an index that is written with the entries: the log is not searched. Entries of a transaction under way are
        not among them."""


class Tx(ReadTx, Protocol):
    """A transaction. All its writes and ledger entries become durable together, or none does (P1)."""

    def append(self, kind: str, body: Mapping[str, Json]) -> int:
        """Append a ledger entry (kinds: `ledger.entry.KINDS`) and return its index. `at` is `now()`."""

    def new_change(self, draft: Change) -> Change:
        """Insert it with version 1, the next free id (the draft's id is ignored) and `requested_at = updated_at = now()`."""

    def save_change(self, change: Change) -> Change:
        """Store a moved change: `change.version` must be the stored one (else Conflict); returned with version + 1 and
        `updated_at = now()`."""

    def add_approval(self, change_id: str, approval: Approval) -> None:
        """Conflict when that person has spoken about this change with this nonce already."""

    def take_back_approval(self, change_id: str, person: str, nonce: str) -> Approval:
        """Let an approval no longer be among `approvals`, and remember it among `taken_back`, at `now()`. NotFound when there is
        none; the person may speak again."""

    def put_break_glass(self, glass: BreakGlass) -> None: ...
    def put_review(self, review: Review) -> None: ...
    def put_payload(self, change_id: str, name: str, data: bytes) -> str:
        """Store it encrypted under the change's own key; returns the SHA-256 (hex) of the ciphertext, which ledger entries
        refer to."""

    def destroy_payloads(self, change_id: str) -> None:
        """Destroy the change's key and ciphertexts (retention)."""

    def put_agent(self, agent: Agent) -> None: ...
    def put_credential(self, credential: AgentCredential) -> None: ...
    def put_person(self, person: Person) -> None: ...
    def put_ticket(self, ticket: Ticket) -> None: ...
    def drop_ticket(self, digest: str) -> bool:
        """Use a ticket up; False when somebody else did so before."""

    def forget_tickets(self) -> None:
        """Forget those that have ended."""

    def put_grant(self, grant: Grant) -> None: ...
    def put_breaker(self, breaker: Breaker) -> None: ...
    def note_breaker(self, breaker: Breaker) -> None:
        """Store what a breaker counts on probation. Its state, freeze and epoch are what they were: `revision` stays."""

    def drop_breaker(self, scope: str) -> None:
        """Forget a session's switch when the session has ended."""

    def put_track(self, agent: str, track: Track) -> None:
        """Store it beside the agent's breaker, which must be there; `revision` stays."""

    def add_trip(self, trip: Trip) -> None: ...
    def forget_trips(self, before: datetime) -> None: ...

    def put_meta(self, key: str, value: str) -> None: ...
    def put_health(self, state: Health) -> None: ...
    def drop_health(self, target: str, check: str) -> None: ...
    def put_watched(self, watched: Watched) -> None: ...
    def drop_watched(self, change_id: str) -> None: ...
    def forget_watched(self, before: datetime, target: str = "") -> None:
        """Forget what was intended before that time, of one target or all, but for what is blamed."""

    def add_message(self, message: Message) -> bool:
        """Queue a message. False, and nothing is done, when one of that id is there already."""

    def claim_messages(self, channel: str, holder: str, until: datetime, limit: int) -> Sequence[Message]:
        """Those of a channel that are waiting, due by `now()` and held by nobody, oldest first. They are `holder`'s until that
        time or until they are settled: no other transaction gets them meanwhile."""

    def settle_message(self, message: Message, holder: str) -> bool:
        """Store what became of a claimed message, and let go of it. False, and nothing is done, when it is not the holder's any
        more. An empty `holder` is for messages that nobody holds."""

    def hasten_messages(self, channel: str) -> None:
        """Make those of a channel that were tried in vain due now: it takes messages again."""

    def drop_message(self, message_id: str) -> None: ...
    def forget_messages(self, before: datetime) -> None:
        """Forget what was delivered, alone or in a digest, before that time."""

    def put_in_force(self, name: str, content: bytes) -> str:
        """Put another content in force; returns its digest."""

    def drop_in_force(self) -> None:
        """Forget all of it: the installation is in try-out mode again."""

    def reserve(self, scopes: Sequence[str], *, through_freeze: bool = False) -> Reserved:
        """Breaker admission (P8): read the rows of all scopes locked against a concurrent move (`FOR SHARE`, in the order of the
        sorted scopes) until this transaction ends. Admitted when nothing stops; else `stop` is the first that refuses (a missing
        row is returned as an open breaker with the reason "missing"). A freeze refuses as well, but not with `through_freeze`
        (break-glass); the halt, which is the freeze of `global`, always does."""

    def spend(self, spendings: Sequence[Spending], at: datetime, since: datetime) -> Sequence[Amounts]:
        """Add to the counters of the slice of time that begins `at`; returns for each what it shows from `since` on, this
        included. Counters stay locked until this transaction ends: two replicas cannot both take the last of a budget."""

    def forget_spent(self, before: datetime) -> None:
        """Forget the counters of slices that began before."""

    def forget_reviews(self, before: datetime) -> None:
        """Forget who looked at changes that ended before that time."""


class Store(Protocol):
    """Everything durable: records, payloads and the ledger, in one database."""

    async def transact(self, work: Callable[[Tx], T], *, later: bool = False) -> T:
        """Run `work` in a transaction and return its result once it is durable (group commit: one durable commit serves all
        waiting calls). `work` runs in another thread, may be run again after a serialisation failure, must not block on
        anything else, and when it raises, nothing of it is kept and the exception comes out here. With `later`, nobody waits
        for it: it is kept back a little (10 ms at most) to share a commit with what comes next."""

    async def read(self, work: Callable[[ReadTx], T], *, urgent: bool = False) -> T:
        """Run a read in a consistent snapshot. What is `urgent` waits for no other reads."""

    async def close(self) -> None: ...


class Notifier(Protocol):
    """Tells people. None of it waits for a delivery or raises: an unreachable channel is no denial.

    What is said is queued right after the record that it speaks of, and delivered at least once by one replica. A crash in
    between loses nothing that people have to act on: what waits or stands open is looked for again."""

    def held(self, change: Change) -> None:
        """A change waits for people."""

    def moved(self, change: Change) -> None:
        """A change came to another state."""

    def reminder(self, change: Change) -> None:
        """A held change expires soon, and people have not answered."""

    def break_glass(self, person: str, change: Change | None, target: str, until: datetime) -> None:
        """A person lets a change, or changes of a target, through without the others. Urgent: told at once on every channel."""

    def breaker(self, row: Breaker, by: str) -> None:
        """A breaker moved, or an environment was frozen or thawed."""

    def tripped(self, trip: Trip) -> None:
        """A breaker opened by itself."""
        """A breaker moved."""

    def freeze(self, row: Breaker, by: str) -> None:
        """An environment was frozen or thawed."""

    def still_frozen(self, row: Breaker, now: datetime) -> None:
        """An environment is frozen still, and people wanted to be reminded of it."""

    def halt(self, row: Breaker, by: str) -> None:
        """Everything was halted, or goes on. Urgent: told at once on every channel."""

    def drill_failed(self, row: Breaker, replicas: Sequence[str]) -> None:
        """A drill of the kill switch failed on these replicas. Urgent."""

    def health(self, blame: Blame, reverts: Sequence[Change]) -> None:
        """A check blames changes of an agent; `reverts` are the held changes that would undo them."""
