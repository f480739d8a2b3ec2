"""Doing things in an order that constraints allow, found by trying.

Each group of statements runs inside a savepoint. One that meets a constraint (class 23) or a dependent object (2BP01) waits
until others have run; when none gets any further, the revert is refused. A forced one leaves out what stands in the way, row
by row. Constraints are never switched off: deferrable ones wait to the end, and then must hold.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from interlock.connectors.postgres.queries import Ask, QueryFailed, Statement, Steps, ask
from interlock.model.errors import Rejected

_SAVEPOINT = '"interlock undo"'
_BEGIN: Statement = (f"SAVEPOINT {_SAVEPOINT}", ())
_KEEP: Statement = (f"RELEASE SAVEPOINT {_SAVEPOINT}", ())
_BACK: Statement = (f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}", ())
_ALL = '"interlock undo all"'
_ALL_BEGIN: Statement = (f"SAVEPOINT {_ALL}", ())
_ALL_KEEP: Statement = (f"RELEASE SAVEPOINT {_ALL}", ())
_ALL_BACK: tuple[Statement, ...] = ((f"ROLLBACK TO SAVEPOINT {_ALL}", ()),)
_DEFER: Statement = ("SET CONSTRAINTS ALL DEFERRED", ())
_CHECK: Statement = ("SET CONSTRAINTS ALL IMMEDIATE", ())
_PATH = "SELECT pg_catalog.set_config('search_path', $1, true)"
_LOCKS = {
    "55P03": "it is in use by somebody else",
    "40P01": "somebody else waits for what it has locked: try again",
}


@dataclass(frozen=True, slots=True)
class Group:
    """Statements that belong together; `label` names what they are about, for messages. `split` gives the same row by row: a
    forced revert tries them one by one, and calls `leave` of those that it has to leave out."""

    label: str
    statements: tuple[Statement, ...]
    split: "Callable[[], tuple[Group, ...]] | None" = None
    leave: Callable[[], None] | None = None

    @property
    def parts(self) -> "tuple[Group, ...]":
        return (self,) if self.split is None else self.split()


_CONSTRAINTS = Group("the constraints", (_CHECK,))

Address = tuple[int, ...]
"""Where a group stands: its stage, its place there, and (when it was split) the place of the part."""


@dataclass(frozen=True, slots=True)
class Order:
    """An order that worked: constraints were checked at once or at the end; what was run, and what was left out."""

    at_once: bool
    done: tuple[Address, ...]
    left: tuple[Address, ...]


@dataclass(slots=True)
class Orders:
    """The orders found, one for each call of `in_some_order`. What was tried in vain still counts as work of the transaction, so
    whoever measures it runs the plan once more in a fresh one, with `replay` set."""

    found: list[Order] = field(default_factory=list)
    failures: int = 0
    replay: bool = False
    _place: int = 0

    def next(self) -> Order:
        """In a replay: the order of this call. Rejected when there is none: the plan is another one than it was."""
        if self._place >= len(self.found):
            raise Rejected("others write to the same rows at this moment: try again")
        self._place += 1
        return self.found[self._place - 1]


_Placed = tuple[Address, Group]


def in_some_order(
    stages: Sequence[Sequence[Group]], search_path: str, *, force: bool = False, orders: Orders | None = None
) -> Steps[list[Group]]:
    """Run all groups, in the order given where that works; a stage is begun when nothing of those before it gets any further.
    `search_path` is for the users' triggers, which may depend on one. Returns the parts that have to be left out (only with
    `force`). Raises Rejected when constraints leave no way, or on any other error."""
    orders = orders if orders is not None else Orders()
    yield from ask(Ask("maintainer", (_ALL_BEGIN, (_PATH, (search_path,)))))
    if orders.replay:
        left = yield from _again(stages, orders.next())
    else:
        left = yield from _searched(stages, search_path, orders, force=force)
    yield from ask(Ask("maintainer", (_ALL_KEEP, (_PATH, ("",)))))
    return left


def _again(stages: Sequence[Sequence[Group]], order: Order) -> Steps[list[Group]]:
    yield from ask(Ask("maintainer", (_CHECK if order.at_once else _DEFER,)))
    try:
        groups = [_at(stages, address) for address in order.done]
        left = [_at(stages, address) for address in order.left]
        for group in [*groups, _CONSTRAINTS]:
            yield from ask(Ask("maintainer", group.statements))
    except (QueryFailed, IndexError) as changed:
        raise Rejected("others write to the same rows at this moment: try again") from changed
    return left


def _at(stages: Sequence[Sequence[Group]], address: Address) -> Group:
    stage, place, *part = address
    group = stages[stage][place]
    return group.parts[part[0]] if part else group


def _searched(
    stages: Sequence[Sequence[Group]], search_path: str, orders: Orders, *, force: bool
) -> Steps[list[Group]]:
    placed = [[((i, j), group) for j, group in enumerate(stage)] for i, stage in enumerate(stages)]
    done: list[Address] = []
    left = yield from _tried(placed, _DEFER, done, orders, force=force)
    failed = yield from attempt(_CONSTRAINTS, orders)
    at_once = failed is not None and force
    if at_once:
        # Deferred constraints do not say which row offends: once more, row by row, each checked at once.
        yield from ask(Ask("maintainer", (*_ALL_BACK, (_PATH, (search_path,)))))
        done.clear()
        left = yield from _tried([_split(stage) for stage in placed], _CHECK, done, orders, force=True)
        failed = yield from attempt(_CONSTRAINTS, orders)
    if failed is not None:
        raise Rejected(f"rows that came since refer to what would be undone ({failed.sqlstate})")
    orders.found.append(Order(at_once, tuple(done), tuple(address for address, _ in left)))
    return [group for _, group in left]


def _split(placed: Sequence[_Placed]) -> list[_Placed]:
    return [((*address, k), part) for address, group in placed for k, part in enumerate(group.parts)]


def _tried(
    stages: Sequence[Sequence[_Placed]],
    constraints: Statement,
    done: list[Address],
    orders: Orders,
    *,
    force: bool,
) -> Steps[list[_Placed]]:
    """Run the groups; what cannot be run is returned when it may be left out, else Rejected is raised."""
    yield from ask(Ask("maintainer", (constraints,)))
    waiting: list[_Placed] = []
    why = ""
    for stage in stages:
        waiting += stage
        why = yield from _as_far_as_it_goes(waiting, done, orders)
    if waiting and force and constraints is _DEFER:
        waiting = _split(waiting)
        why = yield from _as_far_as_it_goes(waiting, done, orders)
    stuck = [group for _, group in waiting if not (force and group.leave is not None)]
    if stuck:
        labels = ", ".join(dict.fromkeys(group.label for group in stuck))
        raise Rejected(f"other rows or objects stand in the way of undoing {labels} ({why})")
    return waiting


def _as_far_as_it_goes(waiting: list[_Placed], done: list[Address], orders: Orders) -> Steps[str]:
    """Run groups, and take them from the list, until none of those left works. Returns the last SQLSTATE."""
    why = ""
    progress = True
    while waiting and progress:
        progress = False
        for placed in list(waiting):
            failed = yield from attempt(placed[1], orders)
            if failed is None:
                waiting.remove(placed)
                done.append(placed[0])
                progress = True
            else:
                why = failed.sqlstate
    return why


def attempt(group: Group, orders: Orders) -> Steps[QueryFailed | None]:
    """Run one group; the error when it may work later, else Rejected is raised."""
    (reply,) = yield (Ask("maintainer", (_BEGIN, *group.statements, _KEEP)),)
    if not isinstance(reply, QueryFailed):
        return None
    orders.failures += 1
    yield from ask(Ask("maintainer", (_BACK, _KEEP)))
    if reply.sqlstate.startswith("23") or reply.sqlstate == "2BP01":
        return reply
    why = _LOCKS.get(reply.sqlstate, "it failed")
    raise Rejected(f"undoing {group.label}: {why} (SQLSTATE {reply.sqlstate}). Nothing was changed")
