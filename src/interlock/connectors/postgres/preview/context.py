"""What `examine` is told besides the measuring query's reply."""

from dataclasses import dataclass, field

from interlock.connectors.postgres.definitions.facet import Facet
from interlock.connectors.postgres.image import Column, KeyColumn
from interlock.connectors.postgres.preview.first import Identity
from interlock.connectors.postgres.preview.rows.layout import Layout


@dataclass(frozen=True, slots=True)
class Limits:
    """How far before-images go. Beyond a limit the effect is "not reversible", with that reason.

    `scan_rows` and `scan_bytes`: the largest table that is searched for touched rows (way 2, and new rows that are not at its end);
    `candidates`: the most row addresses fetched from one; `predicate_rows`: the most rows that way 1 locks and returns;
    `image_bytes`: all values of one before-image; `trash_bytes`: the largest table that is copied into the trash; `digest_rows`: up
    to so many rows the affected keys are part of the measurement.
    """

    scan_rows: int = 2_000_000
    scan_bytes: int = 1 << 30
    candidates: int = 500_000
    predicate_rows: int = 100_000
    image_bytes: int = 256 << 20
    trash_bytes: int = 1 << 30
    digest_rows: int = 10_000


@dataclass(frozen=True, slots=True)
class Captured:
    """What the before-image query of one statement (`image_before`) returned: (table oid, ctid) of each row it locked."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Loss:
    """What a table held just before a statement that empties, drops or alters it, locked against writers: see `losing`. `rows` is
    exact.

    What was kept of them is in `image`, or in the table `trash` of the trash (in neither: `reason`): `columns` as they are
    committed, with their attribute numbers. `lost` are the columns that the statement takes away, none when it takes the whole
    rows; `key` tells the rows of a table that stays apart, where it has one.
    """

    oid: int
    schema: str
    name: str
    rows: int
    image: tuple[tuple[str | None, ...], ...] | None = None
    reason: str = ""
    trash: str = ""
    numbers: tuple[int, ...] = ()
    columns: tuple[Column, ...] = ()
    lost: tuple[str, ...] = ()
    key: tuple[KeyColumn, ...] = ()

    @property
    def kept(self) -> bool:
        """Whether it can be given back."""
        return self.image is not None or bool(self.trash)


@dataclass(frozen=True, slots=True)
class Context:
    """`identity` is what the connection said at its start. `captured` are the replies of way 1, one for each statement that
    had one; `losses` what `losing` found before TRUNCATE and DROP. `observer` is False when the target has no observer: nothing is
    reversible then. `functions` and `relations` (views that are read, say) are oids of what is known to take part: their
    definitions are digested with the rest. `copies` are tables of the trash that the gateway itself has dropped. `definitions` are
    the objects that the statements were found to meet, as they were before (`definitions.capture`);
    `provable`: there is a savepoint in which undoing can be tried.

    `layouts` is a cache, by table and digest of its definition: keep one per target, to save a round for each transaction.
    """

    identity: Identity
    captured: tuple[Captured, ...] = ()
    losses: tuple[Loss, ...] = ()
    observer: bool = True
    functions: tuple[int, ...] = ()
    relations: tuple[int, ...] = ()
    copies: frozenset[int] = frozenset()
    definitions: tuple[Facet, ...] = ()
    provable: bool = False
    layouts: dict[tuple[int, str], Layout] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
