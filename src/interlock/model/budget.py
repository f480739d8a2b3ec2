"""What changes add up to."""

from interlock.model.base import Value


class Amounts(Value, frozen=True, omit_defaults=False):
    """Rows by what happened to them, and objects (of whatever change)."""

    rows_created: int = 0
    rows_updated: int = 0
    rows_deleted: int = 0
    objects: int = 0

    def __add__(self, other: "Amounts") -> "Amounts":
        return Amounts(*(getattr(self, f) + getattr(other, f) for f in AMOUNTS))

    def __bool__(self) -> bool:
        return any(getattr(self, f) for f in AMOUNTS)


AMOUNTS = Amounts.__struct_fields__


class Spending(Value, frozen=True):
    """What one unit adds to the counter of one scope (`agent/fixer`, `table/table public.orders`) on one target."""

    scope: str
    target: str
    amounts: Amounts


class Use(Value, frozen=True, omit_defaults=False):
    """What a scope spent on a target in the window of its limit, beside the limit."""

    scope: str
    target: str
    spent: Amounts
    limit: Amounts

    @property
    def share(self) -> int:
        """How much of the fullest of its limits is spent, in whole percents; what may not be at all counts as full."""
        return max(
            share(getattr(self.spent, field), getattr(self.limit, field))
            for field in Amounts.__struct_fields__
        )


def share(spent: int, limit: int) -> int:
    """A part of a limit in whole percents."""
    return spent * 100 // limit if limit else 100 if spent else 0
