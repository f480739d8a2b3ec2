"""Sample values, and how tests call a store."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from interlock.model.change import Approval, Change, ChangeState, Measurement, Statement, Verdict
from interlock.model.decision import Hold
from interlock.model.effect import ChangeKind, Effect, Unit
from interlock.model.operation import Action, Operation, Resource
from interlock.runtime.stores import SqlStore
from interlock.runtime.stores.rows.reading import SqlReadTx
from interlock.runtime.stores.rows.writing import SqlTx

T = TypeVar("T")
AT = datetime(2026, 3, 4, 5, 6, 7, 89_000, tzinfo=UTC)
HOUR = timedelta(hours=1)


def wait(awaitable: Awaitable[T]) -> T:
    """Run one coroutine to its end."""

    async def run() -> T:
        return await awaitable

    return asyncio.run(run())


def transact(store: SqlStore, work: Callable[[SqlTx], T]) -> T:
    return wait(store.transact(work))


def each(*works: Callable[[SqlTx], object]) -> Callable[[SqlTx], None]:
    """One transaction of several steps."""

    def run(tx: SqlTx) -> None:
        for work in works:
            work(tx)

    return run


def read(store: SqlStore, work: Callable[[SqlReadTx], T]) -> T:
    return wait(store.read(work))


def draft(**values: Any) -> Change:
    """A held change; `values` replace its fields."""
    orders = Resource("table", "public.orders", "public")
    fields: dict[str, Any] = {
        "id": "",
        "agent": "fixer",
        "owner": "olga",
        "target": "shop",
        "environment": "production",
        "fingerprint": "7/shop",
        "state": ChangeState.HELD,
        "version": 0,
        "content": "c" * 64,
        "operations": (Operation(Action.DELETE, "DELETE", (orders,)),),
        "measurement": Measurement((Effect(orders, ChangeKind.DELETED, 5, Unit.ROWS),)),
        "decision": Hold(("quorum:two-sre",), ("rows-need-two",)),
        "requested_at": AT,
        "updated_at": AT,
    }
    return Change(**{**fields, **values})


def approval(person: str, nonce: str = "n1", change: str = "CHG-1") -> Approval:
    """A (not really) signed approval."""
    statement = Statement(
        purpose="interlock change approval",
        origin="interlock.example/test",
        version="1",
        change=change,
        target="shop",
        fingerprint="7/shop",
        subject="s" * 64,
        verdict=Verdict.APPROVE,
        person=person,
        nonce=nonce,
        expires="2026-03-05T00:00:00.000Z",
    )
    return Approval(statement, "c2lnbmF0dXJl", "cHVibGlj", AT)
