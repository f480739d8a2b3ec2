"""The state of one gated transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from interlock.connectors.postgres.classify import StatementInfo, Way
from interlock.connectors.postgres.definitions import Captures
from interlock.connectors.postgres.session.conversation.heard import Heard
from interlock.connectors.postgres.session.ending.record import Asked

if TYPE_CHECKING:
    from interlock.connectors.postgres.session.beforehand.images import Image


@dataclass(slots=True)
class Savepoint:
    """A savepoint of the client's, the settings to go back to with it, and how many images were taken before it."""

    name: str
    settings: dict[str, str]
    images: int = 0


@dataclass(slots=True)
class Transaction:
    """`explicit` tells a BEGIN of the client's from the implicit transaction of one segment. `begun` is False until the server
    was told: a BEGIN is sent together with what follows it; `began` is when, by the loop's clock. `poisoned` means that the gateway
    refused a statement: the client sees a failed transaction though the server's is sound."""

    explicit: bool
    begin: str = ""
    read_only: bool = False
    begun: bool = False
    began: float = 0.0
    poisoned: bool = False
    asked: list[Asked] = field(default_factory=list)
    infos: list[StatementInfo] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    savepoints: list[Savepoint] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    heard: Heard = field(default_factory=Heard)
    formats: list[tuple[int, ...]] = field(default_factory=list)
    """In which formats (0 text, 1 binary) the client asked for the columns of each statement's result; as long as `asked`."""
    captures: Captures = field(default_factory=Captures)
    introduced: list[str] = field(default_factory=list)
    """Hazards in code that this transaction has made; the catalogs that others see do not show it yet."""

    @property
    def writes(self) -> bool:
        """Whether anything ran in it that is no pure read."""
        return any(info.way is not Way.PASS for info in self.infos)

    @property
    def opaque(self) -> bool:
        """Whether code ran in it that classification could not look through."""
        return any(operation.evidence_unknown for info in self.infos for operation in info.operations)

    def begin_sql(self) -> str:
        """The gateway's own BEGIN: the only way by which a session becomes read-write."""
        mode = "READ ONLY" if self.read_only else "READ WRITE"
        return f"BEGIN {self.begin + ', ' if self.begin else ''}{mode}"
