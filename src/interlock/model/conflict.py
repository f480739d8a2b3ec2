"""What stands between a change and its undo: rows that others touched since. For the person who reverts, in the answer alone:
keys are row values, so they go neither into the ledger nor into a log line."""

import enum
from collections.abc import Iterable

from interlock.model.base import Value
from interlock.model.errors import Rejected

SHOWN = 200
"""Most conflicts that are written out in an answer."""


class ConflictKind(enum.Enum):
    """What became of a row since. `BLOCKED`: other rows (by a foreign key, or a value that must be unique) keep it from being put
    back or taken away."""

    MODIFIED = "modified"
    DELETED = "deleted"
    TAKEN = "taken"
    BLOCKED = "blocked"


class RowConflict(Value, frozen=True):
    """One row. `row` names it by its key (`id = 7`), by its values where it has none; `columns` are those that both the change and
    somebody since have set. `left` tells that a forced revert leaves it as it is; else it is set back all the same."""

    table: str
    row: str
    kind: ConflictKind
    columns: tuple[str, ...] = ()
    left: bool = False


class Conflicting(Rejected):
    """A revert that would undo what others did since."""

    def __init__(self, why: str, conflicts: Iterable[RowConflict]) -> None:
        super().__init__(why)
        self.conflicts = tuple(conflicts)
