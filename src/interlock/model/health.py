"""A target's health: what configured checks found out, and the applied changes that are under watch meanwhile."""

import enum
from datetime import datetime

from interlock.model.base import Value


class CheckKind(enum.Enum):
    """What a check asks."""

    SQL = "sql"
    HTTP = "http"
    PROMETHEUS = "prometheus"


class Result(Value, frozen=True):
    """What one run of a check found. `why` says what is wrong in our own words: never what the other side sent."""

    ok: bool
    began: datetime
    ended: datetime
    why: str = ""


class Run(Value, frozen=True):
    """Results in a row that are alike: when the first and the last of them began and ended, and when the last but one began
    (as the last, when there is only one). `why` is the last one's."""

    ok: bool
    count: int
    began: datetime
    ended: datetime
    last_but_one_began: datetime
    last_began: datetime
    last_ended: datetime
    why: str = ""


class Health(Value, frozen=True):
    """A check with its results, as all replicas see them: runs of like ones, oldest first, a bounded number. `definition` is the
    digest of what the check asks: another one begins anew. `trouble` says why the last run had no result at all (a secret that
    cannot be read). Whoever has it as `holder` runs it, until `held_until` at most."""

    target: str
    check: str
    kind: CheckKind
    definition: str
    runs: tuple[Run, ...] = ()
    trouble: str = ""
    due_at: datetime | None = None
    holder: str = ""
    held_until: datetime | None = None

    @property
    def last(self) -> Run | None:
        """The newest results."""
        return self.runs[-1] if self.runs else None


class Watched(Value, frozen=True):
    """An applied change under watch. Its commit lies between `intended_at` and `applied_at`, which is None while its outcome
    is not known. `blamed_by` is the check that failed after it, and `blamed_at` when that was found: from then on its revert is to
    be proposed."""

    change: str
    target: str
    environment: str
    agent: str
    intended_at: datetime
    applied_at: datetime | None = None
    blamed_by: str = ""
    blamed_at: datetime | None = None


class Blame(Value, frozen=True):
    """A check blames changes of an agent: after them the target became unwell. `opened` are the switches that were opened
    because of it: none where they were open, or the target only observes (`observed`)."""

    target: str
    environment: str
    check: str
    agent: str
    changes: tuple[str, ...]
    at: datetime
    opened: tuple[str, ...] = ()
    observed: bool = False
