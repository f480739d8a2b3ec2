"""What agents left behind, and breakers that opened by themselves, as rows."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import delete, insert, select

from interlock.control import breaker
from interlock.model.signal import Track, Trip, TripFilter
from interlock.runtime.stores.commits import built
from interlock.runtime.stores.log.rows import Runner
from interlock.runtime.stores.shape import schema
from interlock.runtime.stores.times import milliseconds

MOST = 1_000
"""Most trips in one answer."""


def track(runner: Runner, agent: str) -> Track | None:
    query = built.column_by(schema.tracks, "doc", "scope")
    rows = runner.execute(query, {"scope": breaker.agent(agent)})
    return decoded(rows[0][0]) if rows else None


def decoded(doc: str | None) -> Track | None:
    return None if doc is None else msgspec.json.decode(doc, type=Track)


def trips(runner: Runner, which: TripFilter) -> Sequence[Trip]:
    table = schema.trips
    query = select(table.c.doc)
    if which.scope:
        query = query.where(table.c.scope == which.scope)
    if which.environment:
        query = query.where(table.c.environment == which.environment)
    if which.since is not None:
        query = query.where(table.c.at >= milliseconds(which.since))
    rows = runner.execute(
        query.order_by(table.c.at.desc(), table.c.number.desc()).limit(min(which.limit, MOST))
    )
    return [msgspec.json.decode(doc, type=Trip) for (doc,) in rows]


def add(runner: Runner, trip: Trip) -> None:
    doc = msgspec.json.encode(trip).decode()
    row = {"at": milliseconds(trip.at), "scope": trip.scope, "environment": trip.environment, "doc": doc}
    runner.write(insert(schema.trips), [row])


def forget(runner: Runner, before: datetime) -> None:
    runner.write(delete(schema.trips).where(schema.trips.c.at < milliseconds(before)))
