"""What the API takes and gives about what lies on a target: protected tables, the trash. As `schemas`, it imports nothing heavy."""

from datetime import datetime

from interlock.model.base import Value

# ---- Protected tables


class Tables(Value, frozen=True):
    """Tables, as `schema.table` or by a name in one of the target's schemas."""

    tables: tuple[str, ...]


class ProtectedTables(Value, frozen=True, omit_defaults=False):
    """The tables of a target that are protected from now on, or no longer. Children and partitions are among them."""

    target: str
    tables: tuple[str, ...]
    protected: bool


# ---- Trash


class TrashQuery(Value, frozen=True):
    """Of one change, or what is kept for longer than a length of time (`7d`)."""

    change: str = ""
    older_than: str = ""


class EmptyTrash(Value, frozen=True):
    """What to remove for good: of one change, what is kept for longer than a length of time (`7d`), or everything."""

    change: str = ""
    older_than: str = ""


class TrashCopy(Value, frozen=True, omit_defaults=False):
    """A copy in the trash: its `name` there, the table it was copied `of`, rows, bytes, since and until when it is kept. `change`
    is empty when no change is known that made it."""

    name: str
    of: str
    rows: int
    size: int
    kept_at: datetime
    kept_until: datetime
    change: str


class TrashList(Value, frozen=True, omit_defaults=False):
    """Copies in the trash of a target, oldest first; or those that were removed."""

    target: str
    copies: tuple[TrashCopy, ...]
