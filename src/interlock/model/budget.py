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
