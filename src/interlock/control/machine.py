"""State machines as tables: state × event → state. What the table does not list does not happen."""

import enum
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from interlock.model.errors import Conflict

S = TypeVar("S", bound=enum.Enum)
E = TypeVar("E", bound=enum.Enum)


class IllegalMove(Conflict):
    """The record is in a state in which that cannot happen (any more)."""


class Machine(Generic[S, E]):
    """One table. `start` is where records begin; a state without a row is terminal."""

    def __init__(self, name: str, start: S, table: Mapping[S, Mapping[E, S]]) -> None:
        self.name, self.start, self._table = name, start, table

    def after(self, state: S, event: E) -> S:
        """The state after an event; IllegalMove when the table has no such move."""
        found = self._table.get(state, {}).get(event)
        if found is None:
            raise IllegalMove(f"the {self.name} is {_words(state)}: it cannot be {_words(event)}")
        return found

    def allows(self, state: S, event: E) -> bool:
        return event in self._table.get(state, {})

    def terminal(self, state: S) -> bool:
        """Whether nothing can happen any more."""
        return not self._table.get(state)

    def moves(self) -> Iterator[tuple[S, E, S]]:
        """All moves, in the order of the table."""
        for state, row in self._table.items():
            for event, after in row.items():
                yield state, event, after

    def diagram(self) -> str:
        """A Mermaid state diagram (mermaid.js.org, `stateDiagram-v2`); docs/states.md is made of these."""
        lines = ["stateDiagram-v2", f"    [*] --> {self.start.value}"]
        for state, event, after in self.moves():
            lines.append(f"    {state.value} --> {after.value}: {_words(event)}")
        reached = dict.fromkeys(after for _, _, after in self.moves())
        lines.extend(f"    {state.value} --> [*]" for state in reached if self.terminal(state))
        return "\n".join(lines)


def _words(item: enum.Enum) -> str:
    return str(item.value).replace("_", " ")
