"""Signals: what makes a breaker open by itself, and what an agent left behind lately that they are judged by."""

import enum
from collections.abc import Mapping
from datetime import datetime

import msgspec

from interlock.model.base import Value


class Signal(enum.Enum):
    """Why a breaker opened. The table of all of them is in docs/breakers.md."""

    DESTRUCTIVE = "destructive"
    BEYOND_APPROVED = "beyond_approved"
    GROUP_SHARE = "group_share"
    LAST_MEMBER = "last_member"
    SWEEPING = "sweeping"
    GROUPS_DELETED = "groups_deleted"
    GROUPS_WRITTEN = "groups_written"
    NOVEL = "novel"
    SAME_FAILURE = "same_failure"
    ERRORS = "errors"
    RECREATED = "recreated"
    GUARD = "guard"
    HEALTH = "health"
    SESSIONS_TRIPPED = "sessions_tripped"
    AGENTS_TRIPPED = "agents_tripped"
    PROBATION = "probation"


class Facts(Value, frozen=True):
    """What a connector knows of a unit beside its effects. `sizes` is how many members each group that loses some had before
    (by `Resource.group`), `stateful` the kinds among the unit's resources that hold data of their own, `sweeping` why a selector of
    it reaches everything (empty, match-all), `guard` why it touches backup, audit, replication, rights or Interlock's own
    records. `members` are the kinds that count as members of a group (when empty: all), `amended` resources (`KIND NAME`) that are
    said to be replaced, but only got another definition."""

    sizes: Mapping[str, int] = {}  # msgspec copies mutable defaults
    members: tuple[str, ...] = ()
    amended: tuple[str, ...] = ()
    stateful: tuple[str, ...] = ()
    sweeping: str = ""
    guard: str = ""


class Mark(Value, frozen=True):
    """Something an agent did or tried. `what` is for people: a verb and a name, never a value. `once` is alike for what can be done
    only once, in whatever words (`Seen`)."""

    at: datetime
    what: str
    session: str = ""
    change: str = ""
    once: str = ""


class Result(enum.Enum):
    """How a unit ended. `EXCUSED` is an error that honest work meets too (there is no such thing, there is one already)."""

    OK = "ok"
    FAILED = "failed"
    EXCUSED = "excused"


class Outcome(Value, frozen=True):
    """The end of a unit; `key` is alike for units that ask for the same."""

    at: datetime
    session: str
    key: str
    result: Result
    what: str = ""
    change: str = ""


class Removed(Value, frozen=True):
    """How many members a group lost since, of how many."""

    count: int
    size: int
    since: datetime


class Novelty(Value, frozen=True):
    """A unit that was the first of its kind, and by what: however many things were new in it, it is one."""

    at: datetime
    subjects: tuple[str, ...]


class Track(Value, frozen=True):
    """What one agent left behind lately, as far as signals need it; its size is bounded. Groups are written `TARGET/GROUP`,
    resources `TARGET/KIND NAME`. `familiar` are kinds of destruction and groups that it destroyed something in before, the latest
    last; `tripped` are sessions whose breaker opened by itself."""

    destructive: tuple[Mark, ...] = ()
    deleted_in: dict[str, datetime] = msgspec.field(default_factory=dict)
    written_in: dict[str, datetime] = msgspec.field(default_factory=dict)
    removed: dict[str, Removed] = msgspec.field(default_factory=dict)
    gone: dict[str, datetime] = msgspec.field(default_factory=dict)
    back: dict[str, tuple[datetime, ...]] = msgspec.field(default_factory=dict)
    novel: tuple[Novelty, ...] = ()
    familiar: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    tripped: dict[str, datetime] = msgspec.field(default_factory=dict)


class Trip(Value, frozen=True):
    """That a breaker opened by itself: which, by what signal, in what work, and the operations that led there, oldest first.
    `words` is one sentence for people, `epoch` the breaker's."""

    at: datetime
    scope: str
    signal: Signal
    agent: str
    session: str
    environment: str
    target: str
    words: str
    steps: tuple[Mark, ...] = ()
    epoch: int = 0


class TripFilter(Value, frozen=True):
    """Which trips to list, newest first."""

    scope: str = ""
    environment: str = ""
    since: datetime | None = None
    limit: int = 100
