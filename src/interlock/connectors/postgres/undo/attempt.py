"""Doing things in an order that constraints allow, found by trying.

Each group of statements runs inside a savepoint. One that meets a constraint (class 23) or a dependent object (2BP01) waits
until others have run; when none gets any further, the revert is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from interlock.connectors.postgres.queries import Ask, QueryFailed, Statement, Steps, ask
from interlock.model.errors import Rejected

_SAVEPOINT = '"interlock undo"'
_BEGIN: Statement = (f"SAVEPOINT {_SAVEPOINT}", ())
_KEEP: Statement = (f"RELEASE SAVEPOINT {_SAVEPOINT}", ())
_BACK: Statement = (f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}", ())
_DEFER: Statement = ("SET CONSTRAINTS ALL DEFERRED", ())
_PATH = "SELECT pg_catalog.set_config('search_path', $1, true)"


@dataclass(frozen=True, slots=True)
class Group:
    """Statements that belong together; `label` names what they are about, for messages."""

    label: str
    statements: tuple[Statement, ...]


def in_some_order(groups: Sequence[Group], search_path: str) -> Steps[None]:
    """Run all groups, in the order given where that works. `search_path` is for the users' triggers, which may depend on one.
    Raises Rejected when constraints leave no way, or on any other error."""
    yield from ask(Ask("maintainer", (_DEFER, (_PATH, (search_path,)))))
    waiting = list(groups)
    while waiting:
        left: list[Group] = []
        why = ""
        for group in waiting:
            failed = yield from attempt(group)
            if failed is not None:
                left.append(group)
                why = failed.sqlstate
        if len(left) == len(waiting):
            labels = ", ".join(dict.fromkeys(group.label for group in left))
            raise Rejected(f"other rows or objects stand in the way of undoing {labels} ({why})")
        waiting = left
    failed = yield from attempt(Group("the constraints", (("SET CONSTRAINTS ALL IMMEDIATE", ()),)))
    if failed is not None:
        raise Rejected(f"rows that came since refer to what would be undone ({failed.sqlstate})")
    yield from ask(Ask("maintainer", ((_PATH, ("",)),)))


def attempt(group: Group) -> Steps[QueryFailed | None]:
    """Run one group; the error when it may work later, else Rejected is raised."""
    (reply,) = yield (Ask("maintainer", (_BEGIN, *group.statements, _KEEP)),)
    if not isinstance(reply, QueryFailed):
        return None
    yield from ask(Ask("maintainer", (_BACK, _KEEP)))
    if reply.sqlstate.startswith("23") or reply.sqlstate == "2BP01":
        return reply
    raise Rejected(f"undoing {group.label} failed with SQLSTATE {reply.sqlstate}")
