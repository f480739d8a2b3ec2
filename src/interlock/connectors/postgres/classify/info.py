"""What classification says of one statement."""

from dataclasses import dataclass

from interlock.connectors.postgres.verbs.rules import Way
from interlock.model.effect import ChangeKind, Effect
from interlock.model.operation import Action, Operation, Resource


@dataclass(frozen=True, slots=True)
class Control:
    """Transaction control. `kind` is begin, commit, rollback, savepoint, release, rollback_to, prepare, commit_prepared,
    rollback_prepared or set_transaction; `name` is the savepoint, `gid` the id of a prepared transaction, `isolation` as in
    `SHOW transaction_isolation`, `snapshot` of SET TRANSACTION SNAPSHOT. None and empty: not asked for."""

    kind: str
    name: str = ""
    isolation: str = ""
    read_only: bool | None = None
    deferrable: bool | None = None
    chain: bool = False
    gid: str = ""
    snapshot: str = ""


@dataclass(frozen=True, slots=True)
class Setting:
    """A wish about a setting. `kind` is set, reset, show, discard (name: all, plans, sequences, temp) or characteristics (name: the
    one it sets); the name `all` with reset and show means all. `value` is None for the default. `verdict` is pass,
    limited, virtual or refuse."""

    kind: str
    name: str
    value: str | None = None
    local: bool = False
    verdict: str = "pass"


@dataclass(frozen=True, slots=True)
class DmlTarget:
    """The one table that a statement changes. `schema` is empty when the name was not qualified and could be several; `oid` is 0
    then.

    `where_sql` is the predicate as written (with its `$n`), empty for none; `alias` is what it calls the table. `simple` tells that
    the predicate may be asked again and selects the same rows: no join, no CTE, no cursor, nothing volatile or user-defined in it,
    and the table is an ordinary one without rules. `columns` are those an UPDATE or INSERT names."""

    action: Action
    schema: str
    table: str
    only: bool = False
    alias: str = ""
    where_sql: str = ""
    simple: bool = False
    has_returning: bool = False
    oid: int = 0
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Declared:
    """What a statement says it does to an object, in DDL; the measuring shows only that definitions changed."""

    change: ChangeKind
    resource: Resource


@dataclass(frozen=True, slots=True)
class StatementInfo:
    """One statement.

    `text` is exactly this statement, without the semicolon; `offset` where it begins in the message (in characters). `operations`
    has one for each action. `why` is the reason of a refusal, or why a SELECT is no pure read.

    `escapes` are hazards: what may outlive a rollback or evades measuring ("setval() in public.reset_ids()"). With any, the
    statement must be decided before it runs; its operations carry the same as `evidence_unknown`, `immediate_effects` an effect
    of unknown evidence. For `Way.IMMEDIATE`, `immediate_effects` are the predicted ones. `side_effects` are those of a gated
    statement that measuring does not show (NOTIFY). `early` tells that such code may run already when the statement is parsed:
    constants of a type are read in then.

    `introduces` are hazards in code that a definition makes or links: they count for whatever runs after it in the same transaction
    (`held_back` adds them), because the snapshot does not show it yet.

    `runs_writes`: code that runs with it (a DO block, a function) may change something, which its operations do not tell, because
    it is measured; when it fails there is nothing to measure.

    `changes_catalog`: what is known of the catalogs may be wrong after it. `unresolved` are names that the snapshot does not have:
    when the statement runs all the same, the snapshot is out of date. `prepares`, `executes`, `deallocates` are names (`ALL` for
    DEALLOCATE ALL); `inner` is what PREPARE prepares. `settings` are those set by `set_config` in a query.
    """

    text: str
    offset: int
    node: str
    verb: str
    operations: tuple[Operation, ...]
    way: Way
    why: str = ""
    control: Control | None = None
    setting: Setting | None = None
    target: DmlTarget | None = None
    copy: str | None = None
    returns_rows: bool = False
    prepares: str | None = None
    executes: str | None = None
    at_once: bool = False
    """Whether it does, as soon as it runs, what no measuring shows (a number from a sequence, an advisory lock)."""
    deallocates: str | None = None
    immediate_effects: tuple[Effect, ...] = ()
    escapes: tuple[str, ...] = ()
    early: bool = False
    introduces: tuple[str, ...] = ()
    side_effects: tuple[Effect, ...] = ()
    declared: tuple[Declared, ...] = ()
    settings: tuple[Setting, ...] = ()
    changes_catalog: bool = False
    runs_writes: bool = False
    unresolved: tuple[str, ...] = ()
    inner: "StatementInfo | None" = None
    functions: tuple[int, ...] = ()
    """Ids of the functions that may run."""
    relations: tuple[int, ...] = ()
    """Ids of the relations that may be read or written."""
