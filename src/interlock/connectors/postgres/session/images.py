"""Before-images taken just before a statement (way 1), and what a TRUNCATE or DROP is about to lose."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from interlock.connectors.postgres import preview
from interlock.connectors.postgres.preview import Captured, Loss
from interlock.connectors.postgres.session.exchange import Batch, Reply
from interlock.connectors.postgres.session.items import Item

if TYPE_CHECKING:
    from interlock.connectors.postgres.session.worker import Worker

_SAVEPOINT = '"_interlock_image"'
_PARAMETER = re.compile(r"\$(\d+)")


@dataclass(slots=True)
class Image:
    """What was taken for one statement: `reply` is way 1's query, `losses` are whole tables."""

    reply: Reply | None = None
    limit: int = 0
    losses: tuple[Loss, ...] = ()

    @property
    def captured(self) -> Captured | None:
        """The rows that way 1 locked, or None when it was not used."""
        if self.reply is None or self.reply.failed:
            return None
        return preview.captured(self.reply.texts())

    @property
    def _unused(self) -> None:
        return None


async def take(worker: "Worker", item: Item) -> bool:
    """Placeholder until the before-images land."""
    return True


def add(worker: "Worker", batch: Batch, item: Item) -> list[Image]:
    return []
