"""SQL inside calls: read by whoever knows the language, it says what the call is.

The RDS Data API and the Redshift Data API run PostgreSQL's SQL, or dialects that are near it; a text that such a dialect may read
differently is taken for a change. Athena's SQL is Trino's: only what plainly reads is a read there, all else is unknown.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import msgspec

from interlock.connectors.aws.call import Call, Classified, Quiet
from interlock.connectors.aws.classify.action import worse
from interlock.connectors.aws.verbs import sql
from interlock.model.operation import Action, Operation, Resource

LANGUAGE = "postgresql"
ReadsText: TypeAlias = Callable[[str], tuple[Operation, ...]]

_MEMBERS = {
    "athena:StartQueryExecution": "QueryString",
    "rds-data:BatchExecuteStatement": "sql",
    "rds-data:ExecuteSql": "sqlStatements",
    "rds-data:ExecuteStatement": "sql",
    "redshift-data:BatchExecuteStatement": "Sqls",
    "redshift-data:ExecuteStatement": "Sql",
}
_CHANGES = Quiet("indirect", "SQL that may change or delete data")
_DIFFERS = "other dialects may read this text differently"
_NOBODY_READS = "nothing here reads SQL"
_TOO_LONG = "its SQL is longer than any of these services takes"
LONGEST = 262_144
"""Characters of a text ("Service Quotas" of Athena; the Data APIs take less)."""
_NOT_PLAIN = "only plain SELECT, SHOW and DESCRIBE are known of Athena's SQL"


def carries(call: Call) -> bool:
    """Whether a call has SQL in it."""
    return call.name in _MEMBERS


def with_statements(what: Classified, reads: ReadsText | None) -> Classified:
    """What a call is by the statements in it. Without a reader, SQL is unknown."""
    if not carries(what.call):
        return what
    found = tuple(_named(what, each) for text in _texts(what.call) for each in _read(what.call, text, reads))
    if not found:
        found = (Operation(Action.UNKNOWN, "SQL", evidence_unknown="the call has no statement"),)
    if all(each.action is Action.READ for each in found):
        return _reading(what, found)
    return _changing(what, found)


def _texts(call: Call) -> list[str]:
    value = call.parameters.get(_MEMBERS[call.name])
    texts = value if isinstance(value, list | tuple) else [value]
    return [text for text in texts if isinstance(text, str)]


def _read(call: Call, text: str, reads: ReadsText | None) -> Iterable[Operation]:
    if reads is None or len(text) > LONGEST:
        why = _NOBODY_READS if reads is None else _TOO_LONG
        return (Operation(Action.UNKNOWN, "SQL", evidence_unknown=why),)
    if call.service == "athena":
        return _of_athena(text, reads)
    found = reads(sql.numbered(text))
    if not sql.differs(text):
        return found
    return tuple(_at_least_delete(each) for each in found)


def _at_least_delete(operation: Operation) -> Operation:
    action = worse(operation.action, Action.DELETE)
    return msgspec.structs.replace(operation, action=action, evidence_unknown=_DIFFERS)


def _of_athena(text: str, reads: ReadsText) -> Iterable[Operation]:
    if sql.describes(text):
        return (Operation(Action.READ, "DESCRIBE"),)
    found = reads(sql.numbered(text))
    plain = [each.action is Action.READ and each.verb == "SELECT" for each in found]
    if len(found) == 1 and all(plain) and not sql.differs(text):
        return found
    return tuple(
        msgspec.structs.replace(each, action=Action.UNKNOWN, evidence_unknown=_NOT_PLAIN) for each in found
    )


# -- what it means for the call


def _reading(what: Classified, found: tuple[Operation, ...]) -> Classified:
    """A read passes; but a result that goes where the call says is written somewhere."""
    if what.call.service == "athena" and what.call.parameters.get("ResultConfiguration"):
        return msgspec.structs.replace(what, inside=found)
    operation = msgspec.structs.replace(what.operation, action=Action.READ, evidence_unknown="")
    return msgspec.structs.replace(what, operation=operation, quiet=(), inside=found)


def _changing(what: Classified, found: tuple[Operation, ...]) -> Classified:
    action = Action.READ
    for each in found:
        action = worse(action, each.action)
    whys = dict.fromkeys(each.evidence_unknown for each in found if each.evidence_unknown)
    evidence = "; ".join(whys) or what.operation.evidence_unknown or _CHANGES.why
    operation = msgspec.structs.replace(what.operation, action=action, evidence_unknown=evidence)
    return msgspec.structs.replace(what, operation=operation, quiet=(_CHANGES,), inside=found)


def _named(what: Classified, operation: Operation) -> Operation:
    """A statement's operation, with its resources named within the database that the call is sent to."""
    own = tuple(_inside(what, operation.resources)) or what.operation.resources
    return msgspec.structs.replace(operation, verb=f"SQL {operation.verb}", resources=own)


def _inside(what: Classified, resources: Iterable[Resource]) -> Iterator[Resource]:
    """The reader can't know which schema an unqualified name means: it says `public`. In Athena that is the database."""
    main, place = what.resource, _place(what.call)
    for resource in resources:
        name = resource.name
        if what.call.service == "athena":
            name = name.removeprefix("public.")
        base = f"{main.name}/" if main is not None else ""
        yield Resource(f"sql:{resource.kind}", f"{base}{place}{name}", main.group if main is not None else "")


def _place(call: Call) -> str:
    context = call.parameters.get("QueryExecutionContext")
    given = context if isinstance(context, dict) else call.parameters
    name = given.get("database") or given.get("Database")
    return f"{name}/" if isinstance(name, str) and name else ""
