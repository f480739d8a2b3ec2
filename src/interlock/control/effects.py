"""No more than was approved (P5): compare the effect measured at the commit with the one that people approved.

Rules, each on the side of doubt:

1. The definitions that took part must be the same, always.
2. No effect on an object, of a kind or on a column that was not approved; no count above the approved one; no worse evidence;
   nothing that was revertible and no longer is; no table emptied that would not have been.
3. Equal counts: the affected rows must be the same ones wherever they were known at the approval.
4. Smaller counts: the affected rows must be provably among the approved ones wherever they were known at the approval
   (`model.affected` lists them up to a limit). A smaller number of *other* rows is not a smaller effect: an agent that may make
   small updates could otherwise have 500 harmless rows approved and then let the same predicate meet 499 others. Beyond the
   limit a smaller set can't be compared, so it is held again. Where the approval knew no rows (no before-image), counts are
   all there is, and smaller ones pass.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from interlock.model.affected import part_of
from interlock.model.change import Measurement
from interlock.model.effect import ChangeKind, Effect, Evidence, Unit

Key: TypeAlias = tuple[str, str, ChangeKind, Unit]

_RANK = {evidence: rank for rank, evidence in enumerate(Evidence)}


def exceeds(approved: Measurement, now: Measurement) -> tuple[str, ...]:
    """How `now` goes beyond what was approved, in plain words; empty when it may pass."""
    before, after = _by_key(approved.effects), _by_key(now.effects)
    found = [*_definitions(approved, now)]
    for key, effect in after.items():
        found.extend(_compare(before.get(key), effect))
    found.extend(() if found else _rows(approved, now, _counts(before) == _counts(after)))
    return tuple(found)


def _definitions(approved: Measurement, now: Measurement) -> Iterator[str]:
    if approved.definitions != now.definitions:
        yield "a definition that takes part (function, trigger, rule, column) is not the approved one"


def _rows(approved: Measurement, now: Measurement, equal: bool) -> Iterator[str]:
    if not approved.affected or not now.effects or part_of(now.affected, approved.affected):
        return
    if not now.affected:
        yield "which rows are affected can no longer be told, at the approval it could"
    elif equal:
        yield "as many rows as approved, but not the same rows or values"
    else:
        yield "fewer rows than approved, but not provably among the approved ones"


def _compare(approved: Effect | None, now: Effect) -> Iterator[str]:
    what = f"{now.resource.kind} {now.resource.name}"
    if approved is None:
        yield f"{what}: {_count(now)} {now.change.value}, approved was none"
        return
    if now.count > approved.count:
        yield f"{what}: {_count(now)} {now.change.value}, approved were {approved.count}"
    if new := [c for c in now.columns if c not in approved.columns]:
        yield f"{what}: also changes {', '.join(new)}"
    if _RANK[now.evidence] > _RANK[approved.evidence]:
        yield f"{what}: the effect is only {now.evidence.value}, at the approval it was {approved.evidence.value}"
    if approved.reversible and not now.reversible and now.count:
        yield f"{what}: can no longer be reverted"
    if _empties(now) and not _empties(approved):
        yield f"{what}: is now emptied"


def _count(effect: Effect) -> str:
    unit = effect.unit.value
    return f"{effect.count} {unit if effect.count != 1 else unit.removesuffix('s')}"


def _empties(effect: Effect) -> bool:
    removes = effect.change in (ChangeKind.DELETED, ChangeKind.REPLACED, ChangeKind.HIDDEN)
    known = effect.before is not None and not effect.before_at_least
    return removes and known and effect.unit.data and 0 < (effect.before or 0) <= effect.count


def _counts(effects: dict[Key, Effect]) -> dict[Key, int]:
    return {key: effect.count for key, effect in effects.items() if effect.count}


def _by_key(effects: Iterable[Effect]) -> dict[Key, Effect]:
    """Effects by object, kind and unit. Several of one key are added up; the worst of them speaks for the rest."""
    groups: dict[Key, list[Effect]] = {}
    for effect in effects:
        key = (effect.resource.kind, effect.resource.name, effect.change, effect.unit)
        groups.setdefault(key, []).append(effect)
    return {key: group[0] if len(group) == 1 else _merge(group) for key, group in groups.items()}


def _merge(group: Sequence[Effect]) -> Effect:
    befores = [e.before for e in group if e.before is not None]
    first = group[0]
    return Effect(
        first.resource,
        first.change,
        sum(e.count for e in group),
        first.unit,
        evidence=max((e.evidence for e in group), key=_RANK.__getitem__),
        reversible=all(e.reversible for e in group),
        before=min(befores) if befores else None,
        before_at_least=any(e.before_at_least for e in group),
        columns=tuple(dict.fromkeys(c for e in group for c in e.columns)),
    )
