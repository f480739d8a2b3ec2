"""A target small enough to see through: named rows, transactions with ids, and every fault one can order.

A unit is a list of statements: `["read"]`, `["put", key, value]`, `["delete", key]`, `["delete_like", prefix]` and `["drop"]`
(which deletes the table itself, and can't be undone). It is a simulated connector: the pipeline and the runtime can't tell.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from interlock.model.affected import affected
from interlock.model.base import digest_of
from interlock.model.change import Change, Measurement
from interlock.model.decision import Target
from interlock.model.effect import ChangeKind, Effect, Unit
from interlock.model.errors import Misconfigured, Rejected
from interlock.model.operation import Action, Operation, Resource
from interlock.model.sample import ROWS, Column, Row, Rows, Sample, cell
from interlock.sdk.connector import Finding, Gate, Preview, Principal, Settled, TrashItem, Work
from interlock.sdk.connector import Unit as UnitOfWork

Statement = Sequence[str]
TABLE = Resource("table", "toy.rows", "toy")

_ACTIONS = {
    "read": Action.READ,
    "put": Action.UPDATE,
    "delete": Action.DELETE,
    "delete_like": Action.DELETE,
    "drop": Action.DELETE,
}


class ToyTarget:
    """The protected system. `committed` lists the transaction ids that committed, in order."""

    def __init__(self, rows: Mapping[str, str] | None = None, fingerprint: str = "toy/1") -> None:
        self.rows: dict[str, str] | None = dict(rows or {})
        self.fingerprint = fingerprint
        self.committed: list[str] = []
        self.open: set[str] = set()
        """Transactions that hold something: P10 wants it empty whenever a change waits."""
        self.definitions = "v1"
        self.lost = False
        """Whether it answers `settle`."""
        self._last = 0

    def begin(self) -> str:
        self._last += 1
        self.open.add(str(self._last))
        return str(self._last)

    def commit(self, xid: str, rows: dict[str, str] | None) -> None:
        self.rows = rows
        self.open.discard(xid)
        self.committed.append(xid)


class ToyFault(Exception):
    """A fault that a test ordered: a foreign error, whose text must not reach anyone."""


class ToyUnit:
    """One unit. Set `preview_fails`, `execute_fails` (`before` or `after` the commit, or `proven`), `abandon_fails`; a
    `gate` of an event name (`preview`, `execute`) makes that step wait for the event."""

    def __init__(self, target: ToyTarget, statements: Sequence[Statement]) -> None:
        self.target, self.statements = target, [list(s) for s in statements]
        self.calls: list[str] = []
        self.preview_fails: Exception | None = None
        self.execute_fails = ""
        self.abandon_fails: Exception | None = None
        self.gates: dict[str, asyncio.Event] = {}
        self.reached: dict[str, asyncio.Event] = {"preview": asyncio.Event(), "execute": asyncio.Event()}
        self.expected: Mapping[str, str | None] | None = None
        self._xid = ""
        self._after: dict[str, str] | None = {}

    async def _step(self, name: str) -> None:
        self.calls.append(name)
        if name in self.reached:
            self.reached[name].set()
        if name in self.gates:
            await self.gates[name].wait()

    async def preview(self) -> Preview:
        self._xid = self.target.begin()
        await self._step("preview")
        if self.preview_fails is not None:
            raise self.preview_fails
        before = self.target.rows
        if self.expected is not None:
            _unchanged(before or {}, self.expected)
        self._after = _run(before, self.statements)
        return Preview(
            _measure(before, self._after, self.target.definitions),
            undo=_undo(before, self._after),
            marker={"xid": self._xid},
        )

    async def execute(self) -> Settled:
        if "preview" not in self.calls:
            self._xid = self.target.begin()
        await self._step("execute")
        if self.execute_fails == "before":
            self.target.open.discard(self._xid)
            raise ToyFault("secret: connection lost before the commit")
        if self.execute_fails == "proven":
            self.target.open.discard(self._xid)
            return Settled(False, "a deferred constraint was violated")
        self.target.commit(self._xid, self._after)
        if self.execute_fails == "after":
            raise ToyFault("secret: connection lost after the commit")
        return Settled(True)

    async def abandon(self) -> None:
        await self._step("abandon")
        self.target.open.discard(self._xid)
        if self.abandon_fails is not None:
            raise self.abandon_fails


def _unchanged(rows: Mapping[str, str], expected: Mapping[str, str | None]) -> None:
    touched = [key for key, value in expected.items() if rows.get(key) != value]
    if touched:
        raise Rejected(f"{TABLE.name}: {len(touched)} rows were modified since")


def _run(rows: Mapping[str, str] | None, statements: Sequence[Statement]) -> dict[str, str] | None:
    now = None if rows is None else dict(rows)
    for verb, *rest in statements:
        if verb == "drop":
            now = None
        elif now is not None:
            now = _apply(now, verb, rest)
        elif verb != "read":
            now = _apply({}, verb, rest)
    return now


def _apply(rows: dict[str, str], verb: str, rest: Sequence[str]) -> dict[str, str]:
    match verb, *rest:
        case "put", key, value:
            return {**rows, key: value}
        case "delete", key:
            return {k: v for k, v in rows.items() if k != key}
        case "delete_like", prefix:
            return {k: v for k, v in rows.items() if not k.startswith(prefix)}
        case _:
            return rows


def _measure(before: dict[str, str] | None, after: dict[str, str] | None, definitions: str) -> Measurement:
    old, new = before or {}, after or {}
    size = len(old)
    found = {
        ChangeKind.CREATED: [k for k in new if k not in old],
        ChangeKind.UPDATED: [k for k in new if k in old and old[k] != new[k]],
        ChangeKind.DELETED: [k for k in old if k not in new],
    }
    effects = tuple(
        Effect(TABLE, kind, len(keys), Unit.ROWS, reversible=after is not None, before=size)
        for kind, keys in found.items()
        if keys
    )
    if before is not None and after is None:
        effects = (
            *effects,
            Effect(TABLE, ChangeKind.DELETED, 1, Unit.OBJECTS, reason="a drop cannot be undone"),
        )
    rows = (msgspec.json.encode([k, old.get(k), new.get(k)]) for keys in found.values() for k in keys)
    how = "predicate" if effects and all(e.reversible for e in effects) else "none"
    return Measurement(effects, affected(rows) if effects else "", definitions, how)


def _undo(before: dict[str, str] | None, after: dict[str, str] | None) -> tuple[bytes, ...]:
    old, new = before or {}, after or {}
    steps = [[k, old.get(k), new.get(k)] for k in sorted({*old, *new}) if old.get(k) != new.get(k)]
    return tuple(msgspec.json.encode([step]) for step in steps) if after is not None else ()


def operations_of(statements: Sequence[Statement]) -> tuple[Operation, ...]:
    """One operation for each statement; an unknown verb is `unknown`."""
    return tuple(
        Operation(_ACTIONS.get(s[0], Action.UNKNOWN), s[0].upper(), (TABLE,), " ".join(s)) for s in statements
    )


def work_of(
    principal: Principal, statements: Sequence[Statement], reason: str = "", reverts: str = ""
) -> Work:
    """What a client of the toy sends."""
    asked = [list(s) for s in statements]
    content = digest_of({"statements": asked, "reverts": reverts})
    payload = msgspec.json.encode(asked)
    return Work(principal, operations_of(asked), content, payload, reason, reverts)


_COLUMNS = (Column("name", "text", True), Column("value", "text"))


def _row(key: str, old: str | None, new: str | None) -> Row:
    sides = [() if v is None else (cell("name", key), cell("value", v)) for v in (old, new)]
    return Row(sides[0], sides[1], ("value",) if old is not None and new is not None else ())


class ToyLive:
    """`sdk.connector.Live` of the toy."""

    def __init__(self, target: ToyTarget) -> None:
        self.toy = target
        self.gate: Gate | None = None
        self.findings: tuple[Finding, ...] = ()
        self.trash: list[TrashItem] = []
        self.units: list[ToyUnit] = []

    def session(self, wire: Any) -> Any:
        raise NotImplementedError("the toy has no protocol of its own")

    async def start(self, gate: Gate) -> None:
        self.gate = gate

    async def stop(self) -> None:
        self.gate = None

    async def fingerprint(self) -> str:
        return self.toy.fingerprint

    async def settle(self, change: Change, image: Sequence[bytes] = ()) -> Settled:
        if self.toy.lost:
            raise ToyFault("secret: the target does not answer")
        xid = change.marker.get("xid", "")
        if xid in self.toy.open:
            return Settled(None, "still running")
        return Settled(xid in self.toy.committed, "asked the target")

    def describe(self, payload: bytes) -> Sequence[str]:
        return [" ".join(statement) for statement in msgspec.json.decode(payload)]

    def unit(self, statements: Sequence[Statement]) -> ToyUnit:
        """A new unit on this target; kept in `units`."""
        self.units.append(ToyUnit(self.toy, statements))
        return self.units[-1]

    async def again(self, change: Change, payload: bytes, principal: Principal) -> tuple[Work, UnitOfWork]:
        statements = msgspec.json.decode(payload)
        return work_of(principal, statements, change.reason), self.unit(statements)

    async def undo(
        self, change: Change, parts: Sequence[bytes], *, force: bool, principal: Principal
    ) -> tuple[Work, UnitOfWork]:
        if not parts:
            raise Rejected(f"{change.id} holds no before-image")
        steps = [step for part in parts for step in msgspec.json.decode(part)]
        statements = [["put", k, old] if old is not None else ["delete", k] for k, old, _ in steps]
        unit = self.unit(statements)
        unit.expected = None if force else {k: new for k, _, new in steps}
        return work_of(principal, statements, reverts=change.id), unit

    def samples(self, parts: Sequence[bytes]) -> Sample:
        """`sdk.connector.Samples`: a row for each step, of each kind of change together."""
        steps = [step for part in parts for step in msgspec.json.decode(part)]
        kinds: dict[ChangeKind, list[Row]] = {}
        for key, old, new in steps:
            kind = (
                ChangeKind.CREATED
                if old is None
                else ChangeKind.DELETED
                if new is None
                else ChangeKind.UPDATED
            )
            kinds.setdefault(kind, []).append(_row(key, old, new))
        return Sample(tuple(Rows(TABLE, kind, _COLUMNS, tuple(rows[:ROWS])) for kind, rows in kinds.items()))

    async def protect(self, tables: Sequence[str], *, on: bool) -> Sequence[str]:
        if unknown := [table for table in tables if table.startswith("no_")]:
            raise Rejected(f"there is no table {unknown[0]}")
        return tuple(f"main.{table}" for table in tables)

    async def trash_items(self) -> Sequence[TrashItem]:
        """`sdk.connector.KeepsTrash`: whatever was put into `trash`."""
        return tuple(self.trash)

    async def empty_trash(self, names: Sequence[str]) -> None:
        self.trash = [item for item in self.trash if item.name not in names]

    async def doctor(self) -> Sequence[Finding]:
        return self.findings


class ToyConnector:
    """`sdk.connector.Connector`. Its only key is `rows`."""

    name = "toy"

    def __init__(self, targets: Mapping[str, ToyTarget] | None = None) -> None:
        self.targets = dict(targets or {})

    def schema(self) -> str:
        return ""

    def configure(
        self, name: str, target: Target, raw: Mapping[str, Any], secret: Callable[[object], Any]
    ) -> ToyLive:
        unknown = sorted(set(raw) - {"rows"})
        if unknown:
            raise Misconfigured(f"unknown key {unknown[0]!r}")
        return ToyLive(self.targets.setdefault(name, ToyTarget(raw.get("rows"))))

    def setup_script(self, live: Any, flavour: str) -> str:
        return ""

    def listener(self, live: Any) -> Any:
        raise Misconfigured("the toy cannot be reached from outside")
