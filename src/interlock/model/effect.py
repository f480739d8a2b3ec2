"""Effects: what an operation does to resources, and how that is known."""

import enum
from collections.abc import Iterable

from interlock.model.base import Value
from interlock.model.operation import Action, Resource


class Evidence(enum.Enum):
    """How an effect is known, best first. `UNKNOWN` is treated as delete."""

    MEASURED = "measured"
    PLANNED = "planned"
    PREDICTED = "predicted"
    UNKNOWN = "unknown"


class ChangeKind(enum.Enum):
    """What happens to a resource. `WEAKENED` covers lost protection (constraints, row security, triggers and rules that change or
    swallow what is written), `HIDDEN` and `MOVED` what its users no longer find, `NARROWED` a type that may lose values or
    precision, `REWOUND` a counter set back (its numbers come again), `REPLICATION` what is copied elsewhere."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    REPLACED = "replaced"
    HIDDEN = "hidden"
    MOVED = "moved"
    WEAKENED = "weakened"
    NARROWED = "narrowed"
    REWOUND = "rewound"
    PERMISSION = "permission"
    REPLICATION = "replication"
    SETTING = "setting"


class Unit(enum.Enum):
    """What an effect's count counts. `ROWS` of tables and `ITEMS` of other containers (what lies in a bucket, a queue, a table
    without SQL) are data; `OBJECTS` are what holds data, or what others build on. `MESSAGES` are data that is made to be handed on:
    to send one (created), or to be done with one that was received (deleted), is never taken back and is counted by itself."""

    ROWS = "rows"
    ITEMS = "items"
    MESSAGES = "messages"
    OBJECTS = "objects"

    @property
    def data(self) -> bool:
        """Whether it counts data."""
        return self is not Unit.OBJECTS


ACTION_OF: dict[ChangeKind, Action] = {
    ChangeKind.CREATED: Action.CREATE,
    ChangeKind.UPDATED: Action.UPDATE,
    ChangeKind.DELETED: Action.DELETE,
    ChangeKind.REPLACED: Action.DELETE,
    ChangeKind.HIDDEN: Action.DELETE,
    ChangeKind.MOVED: Action.UPDATE,
    ChangeKind.WEAKENED: Action.UPDATE,
    ChangeKind.NARROWED: Action.DELETE,
    ChangeKind.REWOUND: Action.UPDATE,
    ChangeKind.PERMISSION: Action.ADMIN,
    ChangeKind.REPLICATION: Action.ADMIN,
    ChangeKind.SETTING: Action.UPDATE,
}
"""Which right an agent needs on a resource for an effect of that kind."""


class Effect(Value, frozen=True):
    """What happens to one resource.

    `count` of `unit`; `before` is how many rows the table had (None when it does not apply): exact, or when
    `before_at_least` is set a lower bound where counting stopped because no limit needed more. `reversible` may be
    set only when the before-image is at hand (P6); `reason` says why not. `columns` are the columns an update changed,
    where known. `detail` is one short phrase for people, never a row value.
    """

    resource: Resource
    change: ChangeKind
    count: int
    unit: Unit
    evidence: Evidence = Evidence.MEASURED
    reversible: bool = False
    reason: str = ""
    before: int | None = None
    before_at_least: bool = False
    columns: tuple[str, ...] = ()
    detail: str = ""


class Totals(Value, frozen=True, omit_defaults=False):
    """Effects in numbers, as policies see them (`context.effects`). `rows` and `tables` stand for all data and what
    holds it. Shares are whole percents, rounded up, of tables of `SHARE_FLOOR` rows or more; 0 when no such table is touched."""

    objects_created: int = 0
    objects_updated: int = 0
    objects_deleted: int = 0
    objects_hidden: int = 0
    objects_moved: int = 0
    objects_weakened: int = 0
    objects_narrowed: int = 0
    objects_rewound: int = 0
    permissions_changed: int = 0
    replication_changed: int = 0
    settings_changed: int = 0
    rows_created: int = 0
    rows_updated: int = 0
    rows_deleted: int = 0
    messages_sent: int = 0
    messages_taken: int = 0
    share_updated: int = 0
    share_deleted: int = 0
    tables_emptied: int = 0
    irreversible: int = 0
    unknown: int = 0

    @property
    def rows(self) -> int:
        """All rows touched, and messages among them."""
        rows = self.rows_created + self.rows_updated + self.rows_deleted
        return rows + self.messages_sent + self.messages_taken

    @property
    def objects(self) -> int:
        """All objects touched, whatever happens to them."""
        return (
            self.objects_created + self.objects_updated + self.objects_deleted + self.objects_hidden
            + self.objects_moved + self.objects_weakened + self.objects_narrowed + self.objects_rewound
            + self.permissions_changed + self.replication_changed + self.settings_changed
        )  # fmt: skip


SHARE_FLOOR = 10
"""Tables smaller than this many rows have no meaningful share."""

_FIELD = {
    (ChangeKind.CREATED, Unit.OBJECTS): "objects_created",
    (ChangeKind.UPDATED, Unit.OBJECTS): "objects_updated",
    (ChangeKind.DELETED, Unit.OBJECTS): "objects_deleted",
    (ChangeKind.REPLACED, Unit.OBJECTS): "objects_deleted",
    (ChangeKind.HIDDEN, Unit.OBJECTS): "objects_hidden",
    (ChangeKind.MOVED, Unit.OBJECTS): "objects_moved",
    (ChangeKind.WEAKENED, Unit.OBJECTS): "objects_weakened",
    (ChangeKind.NARROWED, Unit.OBJECTS): "objects_narrowed",
    (ChangeKind.REWOUND, Unit.OBJECTS): "objects_rewound",
    (ChangeKind.PERMISSION, Unit.OBJECTS): "permissions_changed",
    (ChangeKind.REPLICATION, Unit.OBJECTS): "replication_changed",
    (ChangeKind.SETTING, Unit.OBJECTS): "settings_changed",
    (ChangeKind.CREATED, Unit.ROWS): "rows_created",
    (ChangeKind.UPDATED, Unit.ROWS): "rows_updated",
    (ChangeKind.DELETED, Unit.ROWS): "rows_deleted",
    (ChangeKind.REPLACED, Unit.ROWS): "rows_deleted",
    (ChangeKind.HIDDEN, Unit.ROWS): "rows_deleted",
    (ChangeKind.MOVED, Unit.ROWS): "rows_updated",
}
_FIELD |= {(kind, Unit.ITEMS): field for (kind, unit), field in _FIELD.items() if unit is Unit.ROWS}
_FIELD |= {
    (ChangeKind.CREATED, Unit.MESSAGES): "messages_sent",
    (ChangeKind.UPDATED, Unit.MESSAGES): "rows_updated",
    (ChangeKind.DELETED, Unit.MESSAGES): "messages_taken",
}


def handed_on(effect: Effect) -> bool:
    """Whether it is a message that is sent, or one that was received and is done with: nothing that anybody could keep."""
    return effect.unit is Unit.MESSAGES and effect.change in (ChangeKind.CREATED, ChangeKind.DELETED)


def totals(effects: Iterable[Effect]) -> Totals:
    """Add effects up. A kind and unit without a field of its own counts as unknown: doubt means no."""
    numbers = dict.fromkeys(Totals.__struct_fields__, 0)
    for effect in effects:
        field = _FIELD.get((effect.change, effect.unit))
        numbers[field or "unknown"] += effect.count
        if effect.evidence is Evidence.UNKNOWN:
            numbers["unknown"] += 1
        if not effect.reversible and effect.count > 0 and not handed_on(effect):
            numbers["irreversible"] += 1
        if effect.unit.data and effect.before is not None:
            _add_share(numbers, effect, field or "")
    return Totals(**numbers)


def _add_share(numbers: dict[str, int], effect: Effect, field: str) -> None:
    before = effect.before or 0
    if field == "rows_deleted" and effect.count and effect.count >= before and not effect.before_at_least:
        numbers["tables_emptied"] += 1
    name = {"rows_deleted": "share_deleted", "rows_updated": "share_updated"}.get(field)
    if name and before >= SHARE_FLOOR:
        # -(-a // b) rounds up: 10.1 % must not pass a limit of 10 %.
        numbers[name] = max(numbers[name], min(100, -(-100 * effect.count // before)))
