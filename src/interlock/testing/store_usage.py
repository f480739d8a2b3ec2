"""The part of the store in memory that tells what agents did."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from interlock.model.change import Change
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
