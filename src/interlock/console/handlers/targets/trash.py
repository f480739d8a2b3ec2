"""What changes took away and the targets still keep."""

from collections.abc import Sequence
from datetime import timedelta

from interlock.console.callers import name_of
from interlock.console.operations import Call, Nothing
from interlock.console.schemas.targets import EmptyTrash, TrashCopy, TrashList, TrashQuery
from interlock.model.errors import Rejected
from interlock.model.ids import parse_change_id
from interlock.runtime.config.durations import parse
from interlock.runtime.service.trash import Trashed, kept_until


async def listed(call: Call[TrashQuery, None]) -> TrashList:
    """What is in the trash of a target."""
    target, query = call.path["name"], call.query
    found = await call.runtime.trash.list(
        target, change=_change(query.change), older_than=_length(query.older_than)
    )
    return _list(target, found, call.runtime.config.retention_trash)


async def emptied(call: Call[Nothing, EmptyTrash]) -> TrashList:
    """Remove copies for good."""
    target, body = call.path["name"], call.body
    found = await call.runtime.trash.empty(
        target,
        change=_change(body.change),
        older_than=_length(body.older_than),
        by=name_of(call.caller),
    )
    return _list(target, found, call.runtime.config.retention_trash)


def _list(target: str, found: Sequence[Trashed], retention: timedelta) -> TrashList:
    copies = tuple(
        TrashCopy(
            name=each.item.name,
            of=each.item.of,
            rows=each.item.rows,
            size=each.item.size,
            kept_at=each.item.kept_at,
            kept_until=kept_until(each.item, retention),
            change=each.change.id if each.change is not None else "",
        )
        for each in found
    )
    return TrashList(target, copies)


def _change(typed: str) -> str:
    try:
        return parse_change_id(typed) if typed else ""
    except ValueError as error:
        raise Rejected(str(error)) from None


def _length(typed: str) -> timedelta | None:
    try:
        return parse(typed) if typed else None
    except ValueError as error:
        raise Rejected(str(error)) from None
