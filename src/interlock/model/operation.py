"""Operations: what an agent asks a target to do, normalised."""

import enum

from interlock.model.base import Value


class Action(enum.Enum):
    """Kinds of operation, in order of severity.

    `ADMIN` is rights, credentials, audit, backup, logging and replication settings; `UNKNOWN` is what the reviewed
    table of a protocol has no row for, and is refused everywhere.
    """

    READ = "read"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    ADMIN = "admin"
    UNKNOWN = "unknown"

    @property
    def severity(self) -> int:
        return _SEVERITY[self]


_SEVERITY = {action: place for place, action in enumerate(Action)}


class Resource(Value, frozen=True):
    """One thing of a target.

    `kind` is the connector's word (`table`, `schema`, `function`, `bucket`), `name` is unique in the target and kind
    (`public.orders`), `group` is what it belongs to (a schema, a stack) or empty.
    """

    kind: str
    name: str
    group: str = ""


class Operation(Value, frozen=True):
    """One normalised request.

    `verb` is the native name of what is done (`DELETE`, `DropStmt`), for people; `native` is the native form (statement
    text), which leaves the process only encrypted. `evidence_unknown` holds why its effect cannot be known beforehand
    or measured ("dynamic EXECUTE in public.cleanup()"), and is empty when it can.
    """

    action: Action
    verb: str
    resources: tuple[Resource, ...] = ()
    native: str = ""
    evidence_unknown: str = ""
