"""Two effects side by side: the one that people approved, and the one that was measured when the work came again."""

from collections.abc import Iterable

from interlock.model.base import Value
from interlock.model.effect import ChangeKind, Effect, Unit
from interlock.model.words import verb_of


class Beside(Value, frozen=True, omit_defaults=False):
    """What happens to one resource in one way: how much of it was `approved`, and how much it would be `now`, in `unit`. `columns`
    are those that would be changed now and were not to be."""

    kind: str
    name: str
    change: ChangeKind
    unit: Unit
    approved: int
    now: int
    columns: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        return self.approved != self.now or bool(self.columns)


_Key = tuple[str, str, ChangeKind, Unit]


def side_by_side(approved: Iterable[Effect], now: Iterable[Effect]) -> tuple[Beside, ...]:
    """Both, effect by effect: those that differ first."""
    before, after = _counted(approved), _counted(now)
    found: list[Beside] = []
    for key in {**before, **after}:
        was, columns_was = before.get(key, (0, frozenset()))
        is_now, columns = after.get(key, (0, frozenset()))
        more = tuple(sorted(columns - columns_was)) if key in before else ()
        found.append(Beside(*key, was, is_now, more))
    return tuple(sorted((b for b in found if b.approved or b.now), key=lambda b: (not b.differs, b.name)))


def _counted(effects: Iterable[Effect]) -> dict[_Key, tuple[int, frozenset[str]]]:
    found: dict[_Key, tuple[int, frozenset[str]]] = {}
    for effect in effects:
        key = (effect.resource.kind, effect.resource.name, effect.change, effect.unit)
        count, columns = found.get(key, (0, frozenset()))
        found[key] = count + effect.count, columns | set(effect.columns)
    return found


def beside_words(rows: Iterable[Beside], most: int = 20) -> list[str]:
    """In words: `table public.orders: rows deleted: 120 approved, 121 now`."""
    lines = [_words(row) for row in rows]
    return lines if len(lines) <= most else [*lines[:most], f"and {len(lines) - most} more"]


def _words(row: Beside) -> str:
    also = f" (also {', '.join(row.columns)})" if row.columns else ""
    what = f"{row.kind} {row.name}: {row.unit.value} {verb_of(row.change)}"
    return f"{what}: {row.approved:,} approved, {row.now:,} now{also}"
