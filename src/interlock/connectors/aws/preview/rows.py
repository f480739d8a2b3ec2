"""A row of the registry: a describer, and which quiet kinds it answers for."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from interlock.connectors.aws.preview.found import Effects
from interlock.connectors.aws.preview.survey import Survey
from interlock.model.base import Value

Describer: TypeAlias = Callable[[Survey], Awaitable[Effects]]


class Row(Value, frozen=True):
    """`judges` are kinds of `Quiet` that the describer decides by the present state (`overwrite`: is there anything to overwrite?);
    any other kind makes sure that the call doesn't come out as a plain change."""

    describer: Describer
    judges: frozenset[str] = frozenset()


Table: TypeAlias = dict[tuple[str, str], Row]


def rows(service: str, judges: str = "", **describers: Describer) -> Table:
    """Rows of one service; `judges` are words with spaces between."""
    kinds = frozenset(judges.split())
    return {(service, operation): Row(describer, kinds) for operation, describer in describers.items()}
