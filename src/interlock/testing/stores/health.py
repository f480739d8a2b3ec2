"""The part of the store in memory that is about the health of targets."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from interlock.model.health import Health, Watched

V = TypeVar("V")
MOST_OF_AGENT = 20


@dataclass
class Watching:
    """The tables. Values are frozen, so a copy of the containers is a snapshot."""

    healths: dict[tuple[str, str], Health] = field(default_factory=dict)
    watched: dict[str, Watched] = field(default_factory=dict)


def _newest_first(found: list[Watched]) -> list[Watched]:
    return sorted(found, key=lambda w: (w.applied_at or w.intended_at, w.change), reverse=True)


class HealthReads:
    """Reads over `Watching`."""

    _t: Any

    def healths(self) -> Sequence[Health]:
        return [self._t.healths[key] for key in sorted(self._t.healths)]

    def health(self, target: str, check: str) -> Health | None:
        found: Health | None = self._t.healths.get((target, check))
        return found

    def watched(
        self, target: str, since: datetime, until: datetime, intended_before: datetime
    ) -> Sequence[Watched]:
        seen: Counter[str] = Counter()
        found = []
        for one in _newest_first(list(self._t.watched.values())):
            applied = one.applied_at is not None and since <= one.applied_at <= until
            if one.target == target and not one.blamed_by and applied and one.intended_at < intended_before:
                seen[one.agent] += 1
                if seen[one.agent] <= MOST_OF_AGENT:
                    found.append(one)
        return found

    def watched_change(self, change_id: str) -> Watched | None:
        found: Watched | None = self._t.watched.get(change_id)
        return found

    def blamed(self) -> Sequence[Watched]:
        return _newest_first([w for w in self._t.watched.values() if w.blamed_by])[:1000]


class HealthWrites(HealthReads):
    """Writes."""

    def put_health(self, state: Health) -> None:
        self._t.healths[state.target, state.check] = _through_json(state)

    def drop_health(self, target: str, check: str) -> None:
        self._t.healths.pop((target, check), None)

    def put_watched(self, watched: Watched) -> None:
        self._t.watched[watched.change] = _through_json(watched)

    def drop_watched(self, change_id: str) -> None:
        self._t.watched.pop(change_id, None)

    def forget_watched(self, before: datetime, target: str = "") -> None:
        old = [
            w.change
            for w in self._t.watched.values()
            if not w.blamed_by and w.intended_at < before and target in ("", w.target)
        ]
        for change_id in old:
            del self._t.watched[change_id]


def _through_json(value: V) -> V:
    return msgspec.json.decode(msgspec.json.encode(value), type=type(value))
