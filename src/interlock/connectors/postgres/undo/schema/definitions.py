"""Making definitions what they were before a change (see `definitions`).

Two parts, around the rows: `structure` brings back names, tables, columns, types and functions; `rest` all that rows could break or
that could break rows: constraints, indexes, triggers, row security, owners, rights. The order is found by trying: what fails is
tried again when something else has worked. At the end every object is looked at again and compared with what it was.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from msgspec import structs

from interlock.connectors.postgres.definitions import Facet, alike, inverse, portraits, stands
from interlock.connectors.postgres.definitions.common import Step
from interlock.connectors.postgres.definitions.facet import CONSTRAINT, Address, differing
from interlock.connectors.postgres.definitions.kinds import other_steps, usual
from interlock.connectors.postgres.image import Definition
from interlock.connectors.postgres.queries import Ask, QueryFailed, Statement, Steps, ask
from interlock.connectors.postgres.undo.attempt import Group
from interlock.model.errors import Rejected

_SAVEPOINT = '"interlock definitions"'
_BEGIN: Statement = (f"SAVEPOINT {_SAVEPOINT}", ())
_KEEP: Statement = (f"RELEASE SAVEPOINT {_SAVEPOINT}", ())
_BACK: Statement = (f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}", ())
# As pg_dump's scripts: bodies may name what comes later, and what is not said is not to be taken from the session's defaults.
_ENTER = (
    "SELECT pg_catalog.set_config('role', $1, true), pg_catalog.set_config('check_function_bodies', 'off', true),"
    " pg_catalog.set_config('default_tablespace', '', true), pg_catalog.set_config('search_path', '', true)"
)
_LEAVE: Statement = ("SELECT pg_catalog.set_config('role', 'none', true)", ())
_FATAL = ("08", "25", "40", "53", "55P03", "57", "58")
"""Errors that another order does not help: no lock, out of space, cancelled, the connection or transaction lost."""
_ROUNDS = 6
_REFERENCES = re.compile(r" REFERENCES (?:ONLY )?(.+?)\(")
"""Which table `pg_get_constraintdef` says a foreign key leads to; one whose name has a parenthesis is not understood."""


@dataclass(slots=True)
class Definitions:
    """What a change did to definitions: the objects as they were, as it left them, and the role that owns the change. `made` are
    default rights that it made: there is no DROP for them."""

    role: str = ""
    was: list[Facet] = field(default_factory=list)
    made: list[Facet] = field(default_factory=list)
    left: dict[Address, Facet] = field(default_factory=dict)

    def add(self, frame: Definition) -> None:
        self.role = frame.role
        if frame.was is not None:
            self.was.append(frame.was)
        elif frame.left is not None:
            self.made.append(frame.left)
        if frame.left is not None:
            self.left[frame.left.address] = frame.left

    @property
    def empty(self) -> bool:
        return not (self.was or self.left)


def check(definitions: Definitions, *, force: bool) -> Steps[None]:
    """Whether the objects are as the change left them. Raises Rejected when they are not (unless `force`)."""
    found = yield from portraits("maintainer", definitions.left)
    now = {facet.address: facet for facet in found}
    changed = [
        left.label
        for address, left in definitions.left.items()
        if address not in now or not alike(left, now[address], moving=False)
    ]
    if changed and not force:
        raise Rejected(f"definitions were changed since: {', '.join(sorted(changed))}")
    definitions.was = [_at(facet, definitions.left.get(facet.address), now) for facet in definitions.was]


def _at(was: Facet, left: Facet | None, now: dict[Address, Facet]) -> Facet:
    """A sequence is set back when the change had set it and nobody has taken a value since."""
    present = now.get(was.address)
    if left is None or present is None or "value" not in was.values:
        return was
    restarted = was.values.get("file") != left.values.get("file")
    if restarted and present.values.get("value") == left.values.get("value"):
        return was
    return structs.replace(was, values={**was.values, "value": present.values.get("value")})


def structure(definitions: Definitions, drops: Sequence[Group]) -> Steps[None]:
    """Drop what the change created, and bring back what rows need. Raises Rejected, QueryFailed."""
    yield from ask(Ask("maintainer", ((_ENTER, (definitions.role,)),)))
    made = [Step(group.label, tuple(sql for sql, _ in group.statements)) for group in drops]
    # What was made may have the name of what was moved or dropped.
    left, why = yield from _all(made)
    yield from _names(definitions)
    now = yield from present(definitions.was, by_name=False)
    left, why = yield from _all([*left, *inverse(definitions.was, now).structure])
    undropped = [step.label for step in left if step in made]
    if undropped:
        raise Rejected(f"other objects stand in the way of undoing {', '.join(undropped)} ({why})")
    yield from ask(Ask("maintainer", (_LEAVE,)))


def _names(definitions: Definitions) -> Steps[None]:
    """Old names back. Where they go round in a circle, each is called otherwise for a moment."""
    now = yield from present(definitions.was, by_name=False)
    waiting, _ = yield from _all(inverse(definitions.was, now).names)
    if not waiting:
        return
    for number, step in enumerate(waiting):
        start, found, _ = step.statements[0].rpartition(" RENAME TO ")
        if found:
            yield from _try([f'{start} RENAME TO "interlock {number}"'])
    now = yield from present(definitions.was, by_name=False)
    yield from _all(inverse(definitions.was, now).names)


def rest(definitions: Definitions, unfilled: Collection[str] = ()) -> Steps[None]:
    """All else, and then the proof. Raises Rejected when an object is not as it was; QueryFailed. A foreign key that leads to a
    table of `unfilled` (schema.name) may be missing: in a trial, in which the rows that it leads to stay in the trash."""
    yield from ask(Ask("maintainer", ((_ENTER, (definitions.role,)),)))
    why = ""
    for number in range(_ROUNDS):
        now = yield from present(definitions.was, by_name=True)
        steps = inverse(definitions.was, now, inherited=number > 0)
        made = yield from portraits("maintainer", [facet.address for facet in definitions.made])
        unmade = [step for facet in made for step in other_steps(usual(facet), facet)]
        todo = [*steps.names, *steps.structure, *steps.rest, *unmade]
        left, why = yield from _all(todo)
        if number and len(left) == len(todo):
            break
    now = yield from present(definitions.was, by_name=True)
    wrong = [
        _wrong(facet, now.get(facet.address))
        for facet in definitions.was
        if facet.address in now or not _leads_to(facet, unfilled)
    ]
    wrong = [said for said in wrong if said]
    wrong += [
        facet.label for facet in (yield from portraits("maintainer", [f.address for f in definitions.made]))
    ]
    if wrong:
        raise Rejected(f"these are not as they were: {'; '.join(wrong)}{f' ({why})' if why else ''}")
    yield from ask(Ask("maintainer", (_LEAVE,)))


def _leads_to(facet: Facet, tables: Collection[str]) -> bool:
    if facet.catalog != CONSTRAINT or facet.values.get("type") != "f":
        return False
    found = _REFERENCES.search(str(facet.values.get("definition", "")))
    return found is not None and found[1].replace('"', "") in tables


def _wrong(was: Facet, now: Facet | None) -> str:
    if now is None:
        return f"{was.label} is missing"
    return "" if alike(was, now) else f"{was.label}: {', '.join(differing(was, now))}"


def present(was: Sequence[Facet], *, by_name: bool) -> Steps[dict[Address, Facet]]:
    """What is there of the objects, by the address that they had."""
    found = yield from portraits("maintainer", [facet.address for facet in was])
    now = {facet.address: facet for facet in found}
    missing = [facet for facet in was if facet.address not in now]
    if not (by_name and missing):
        return now
    places = yield from stands("maintainer", missing)
    again = yield from portraits("maintainer", places.values())
    anew = {facet.address: facet for facet in again}
    return now | {old: anew[place] for old, place in places.items() if place in anew}


def _all(steps: Sequence[Step]) -> Steps[tuple[list[Step], str]]:
    """Run steps in any order that works. Those for which there is none, and the last SQLSTATE."""
    if not steps:
        return [], ""
    failed = yield from _try(sql for step in steps for sql in step.statements)
    if failed is None:
        return [], ""
    waiting, why, progress = list(steps), failed.sqlstate, True
    while waiting and progress:
        progress = False
        for step in list(waiting):
            failed = yield from _try(step.statements)
            if failed is None:
                waiting.remove(step)
                progress = True
            else:
                why = failed.sqlstate
    return waiting, why if waiting else ""


def _try(statements: Iterable[str]) -> Steps[QueryFailed | None]:
    asked = tuple((sql, ()) for sql in statements)
    (reply,) = yield (Ask("maintainer", (_BEGIN, *asked, _KEEP)),)
    if not isinstance(reply, QueryFailed):
        return None
    yield from ask(Ask("maintainer", (_BACK, _KEEP)))
    if reply.sqlstate.startswith(_FATAL):
        raise reply
    return reply
