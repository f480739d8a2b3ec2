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


def in_some_order(stages: Sequence[Sequence[Group]], search_path: str) -> Steps[None]:
    """Run all groups, in the order given where that works; a stage is begun when nothing of those before it gets any further.
    `search_path` is for the users' triggers, which may depend on one. Raises Rejected when constraints leave no way, or on any
    other error."""
    yield from ask(Ask("maintainer", (_DEFER, (_PATH, (search_path,)))))
    waiting: list[Group] = []
    why = ""
    for stage in stages:
        waiting += stage
        why = yield from _as_far_as_it_goes(waiting)
    if waiting:
        labels = ", ".join(dict.fromkeys(group.label for group in waiting))
        raise Rejected(f"other rows or objects stand in the way of undoing {labels} ({why})")
    failed = yield from attempt(Group("the constraints", (("SET CONSTRAINTS ALL IMMEDIATE", ()),)))
    if failed is not None:
        raise Rejected(f"rows that came since refer to what would be undone ({failed.sqlstate})")
    yield from ask(Ask("maintainer", ((_PATH, ("",)),)))


def _as_far_as_it_goes(waiting: list[Group]) -> Steps[str]:
    """Run groups, and take them from the list, until none of those left works. Returns the last SQLSTATE."""
    why = ""
    progress = True
    while waiting and progress:
        progress = False
        for group in list(waiting):
            failed = yield from attempt(group)
            if failed is None:
                waiting.remove(group)
                progress = True
            else:
                why = failed.sqlstate
    return why


def attempt(group: Group) -> Steps[QueryFailed | None]:
    """Run one group; the error when it may work later, else Rejected is raised."""
    (reply,) = yield (Ask("maintainer", (_BEGIN, *group.statements, _KEEP)),)
    if not isinstance(reply, QueryFailed):
        return None
    yield from ask(Ask("maintainer", (_BACK, _KEEP)))
    if reply.sqlstate.startswith("23") or reply.sqlstate == "2BP01":
        return reply
    raise Rejected(f"undoing {group.label} failed with SQLSTATE {reply.sqlstate}")
