"""What a row of the reviewed tables says."""

import enum
from dataclasses import dataclass

from interlock.model.effect import ChangeKind
from interlock.model.operation import Action


class Way(enum.Enum):
    """How a statement may reach the server."""

    PASS = "pass"
    """A pure read: untouched, outside a transaction."""
    GATED = "gated"
    """Inside the gateway's read-write transaction, and measured."""
    CONTROL = "control"
    """Begins, ends or divides a transaction: the gateway does that itself."""
    SETTING = "setting"
    """Sets or shows a setting, or discards session state."""
    OUTSIDE = "outside"
    """Cannot run in a transaction block, or must not: runs alone, with the session read-only."""
    IMMEDIATE = "immediate"
    """Has an effect that a rollback does not undo: decided before it runs."""
    REFUSED = "refused"
    """Does not run."""


@dataclass(frozen=True, slots=True)
class StatementRule:
    """A statement node type. `kind` is the resource kind it acts on, where it has only one; `ddl` tells that definitions change
    (event triggers fire, and what is known of the catalogs must be read again)."""

    action: Action
    verb: str
    way: Way
    reason: str
    kind: str = ""
    change: ChangeKind | None = None
    ddl: bool = False


@dataclass(frozen=True, slots=True)
class AlterRule:
    """A subtype of ALTER TABLE. `part` is what kind of thing its name names, empty for the table itself."""

    action: Action
    change: ChangeKind
    verb: str
    part: str = ""
    rewrites: bool = False
    """Whether expressions are evaluated for every row."""


@dataclass(frozen=True, slots=True)
class ObjectRule:
    """A kind of object (`ObjectType`): the resource kind it is called here, and what dropping and altering it needs.

    `naming` tells how libpg_query names it: `qualified` (parts), `plain` (one string), `callable` (ObjectWithArgs), `type`, `inner`
    (relation, then the part's own name), `domain` (type, then name), `typed` (two types or a type and a language), `am` (access
    method first), `number`."""

    kind: str
    naming: str
    drop: Action = Action.DELETE
    alter: Action = Action.UPDATE


class Part(enum.Enum):
    """What a node type other than a statement is, for looking through a statement."""

    PLAIN = "plain"
    """Has no meaning of its own: its parts are looked at."""
    NAMES = "names"
    """Names something that must be resolved, or adds a meaning: `parse.facts` has a handler."""
    LEAF = "leaf"
    """A value; nothing below it."""
    DEFINITION = "definition"
    """Occurs in definitions only."""
    ANALYSED = "analysed"
    """Made by the server's analysis, never by the parser: unknown when seen."""


class FunctionKind(enum.Enum):
    """What calling a built-in function does."""

    READ = "read"
    """Nothing but computing and reading."""
    UNDONE = "undone"
    """Changes something that the transaction undoes, or that a rollback need not undo (nextval, locks)."""
    LASTING = "lasting"
    """Changes something that a rollback does not undo."""
    SETTING = "setting"
    """set_config."""
    DYNAMIC = "dynamic"
    """Runs SQL, or checks of a type, that are named by a value."""
    UNCALLABLE = "uncallable"
    """The server refuses a call from SQL."""
    REFUSED = "refused"
    """Never."""


@dataclass(frozen=True, slots=True)
class FunctionRule:
    """A family of functions. `resource` is the kind of what is acted on (named by the first argument when that is a literal)."""

    kind: FunctionKind
    reason: str
    action: Action = Action.READ
    resource: str = ""
    change: ChangeKind | None = None
    """The effect that measuring does not show, when there is one."""
    at_once: bool = False
    """Whether it is done as soon as it runs, for everybody and for good, though it is too small to be an effect."""


def words(text: str) -> frozenset[str]:
    """The words of a table's cell."""
    return frozenset(text.split())
