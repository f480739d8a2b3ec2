"""The health of targets, in the store: what the ports' transactions read and write of it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Delete, Select, delete, func, select

from interlock.model.health import Watched
from interlock.runtime.stores.shape import schema
from interlock.runtime.stores.times import milliseconds

_HEALTH, _WATCHED = schema.health.c, schema.watched.c
MOST_OF_AGENT = 20
MAX_BLAMED = 1000


def all_of() -> Select[Any]:
    """See `sdk.ports.ReadTx.healths`."""
    return select(_HEALTH.doc).order_by(_HEALTH.target, _HEALTH.name)


def one(target: str, check: str) -> Select[Any]:
    """One check."""
    return select(_HEALTH.doc).where(_HEALTH.target == target, _HEALTH.name == check)


def drop(target: str, check: str) -> Delete:
    """Forget a check."""
    return delete(schema.health).where(_HEALTH.target == target, _HEALTH.name == check)


def watched(target: str, since: int, until: int, intended_before: int) -> Select[Any]:
    """See `sdk.ports.ReadTx.watched`; times in milliseconds."""
    newest = (_WATCHED.applied_at.desc(), _WATCHED.change_id.desc())
    place = func.row_number().over(partition_by=_WATCHED.agent, order_by=newest)
    found = (
        select(_WATCHED.doc, _WATCHED.applied_at, _WATCHED.change_id, place.label("place"))
        .where(_WATCHED.target == target, _WATCHED.blamed == 0)
        .where(_WATCHED.applied_at >= since, _WATCHED.applied_at <= until)
        .where(_WATCHED.intended_at < intended_before)
        .subquery()
    )
    kept = select(found.c.doc).where(found.c.place <= MOST_OF_AGENT)
    return kept.order_by(found.c.applied_at.desc(), found.c.change_id.desc())


def watched_change(change_id: str) -> Select[Any]:
    """One change."""
    return select(_WATCHED.doc).where(_WATCHED.change_id == change_id)


def blamed() -> Select[Any]:
    """See `sdk.ports.ReadTx.blamed`."""
    newest = (_WATCHED.applied_at.desc(), _WATCHED.change_id.desc())
    return select(_WATCHED.doc).where(_WATCHED.blamed == 1).order_by(*newest).limit(MAX_BLAMED)


def watched_row(watch: Watched) -> dict[str, Any]:
    """The columns beside the document."""
    return {
        "change_id": watch.change,
        "target": watch.target,
        "agent": watch.agent,
        "intended_at": milliseconds(watch.intended_at),
        "applied_at": milliseconds(watch.applied_at),
        "blamed": int(bool(watch.blamed_by)),
    }


def drop_watched(change_id: str) -> Delete:
    """Watch a change no longer."""
    return delete(schema.watched).where(_WATCHED.change_id == change_id)


def forget_watched(before: int, target: str) -> Delete:
    """See `sdk.ports.Tx.forget_watched`."""
    old = delete(schema.watched).where(_WATCHED.blamed == 0, _WATCHED.intended_at < before)
    return old.where(_WATCHED.target == target) if target else old
