"""The part of the store in memory that tells what agents did."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from interlock.model.change import ACTIVITY_SLICE, Activity, Change
from interlock.model.usage import AgentUse, Asking


class UsageReads:
    """Reads over the changes."""

    _t: Any
    open_changes: Any

    def agent_uses(self) -> Sequence[AgentUse]:
        asked = {name: [c.requested_at for c in self._of(name)] for name in self._t.agents}
        return [
            AgentUse(name, max(asked[name], default=None), self.open_changes(name)) for name in sorted(asked)
        ]

    def _of(self, agent: str) -> Iterator[Change]:
        return (c for c in self._t.changes.values() if c.agent == agent)

    def asking(self, since: datetime) -> Sequence[Asking]:
        asked: dict[str, list[datetime]] = {}
        for change in self._t.changes.values():
            if change.requested_at >= since:
                asked.setdefault(change.agent, []).append(change.requested_at)
        found = [Asking(agent, len(times), max(times)) for agent, times in asked.items()]
        return sorted(found, key=lambda a: (-a.changes, a.agent))[:50]

    def activity(self, since: datetime, width: timedelta) -> Sequence[Activity]:
        first = since - (since - datetime.min.replace(tzinfo=UTC)) % ACTIVITY_SLICE
        found = Counter(
            ((c.requested_at - first) // width, c.state)
            for c in self._t.changes.values()
            if c.requested_at >= first
        )
        ordered = sorted(found.items(), key=lambda item: (item[0][0], item[0][1].value))
        return [Activity(place, state, number) for (place, state), number in ordered]
