"""The part of the store in memory that admits: breakers, what agents left behind, and what opened by itself."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from interlock.control.breaker import CLEAN, first_stop
from interlock.model.breaker import Breaker, Reserved
from interlock.model.budget import Amounts, Spending
from interlock.model.signal import Track, Trip, TripFilter
from interlock.sdk.ports import Tx


class SignalReads:
    """Reads."""

    _t: Any

    def track(self, agent: str) -> Track | None:
        found: Track | None = self._t.tracks.get(agent)
        return found

    def trips(self, which: TripFilter) -> Sequence[Trip]:
        found = [
            trip
            for trip in reversed(self._t.trips)
            if which.scope in ("", trip.scope)
            and which.environment in ("", trip.environment)
            and (which.since is None or trip.at >= which.since)
        ]
        return sorted(found, key=lambda trip: trip.at, reverse=True)[: min(which.limit, 1_000)]

    def spending(self, since: datetime, scopes: Sequence[str] = (), limit: int = 200) -> Sequence[Spending]:
        found: dict[tuple[str, str], Amounts] = {}
        for (scope, target, begin), amounts in self._t.spent.items():
            if begin >= since and (not scopes or scope in scopes):
                found[scope, target] = found.get((scope, target), Amounts()) + amounts
        every = [Spending(scope, target, amounts) for (scope, target), amounts in found.items()]
        return sorted(every, key=_gravest)[: min(limit, 1_000)]


def _gravest(one: Spending) -> tuple[int, int, int, int, str, str]:
    a = one.amounts
    return -a.rows_deleted, -a.rows_updated, -a.objects, -a.rows_created, one.scope, one.target


class SignalWrites:
    """Writes."""

    _t: Any

    def reserve(self, scopes: Sequence[str], *, through_freeze: bool = False) -> Reserved:
        wanted = sorted(set(scopes)) or [""]
        rows = tuple(self._t.breakers[scope] for scope in wanted if scope in self._t.breakers)
        return Reserved(rows, first_stop(wanted, rows, through_freeze=through_freeze))

    def note_breaker(self, breaker: Breaker) -> None:
        self._t.breakers[breaker.scope] = breaker

    def put_track(self, agent: str, track: Track) -> None:
        self._t.tracks[agent] = track

    def add_trip(self, trip: Trip) -> None:
        self._t.trips.append(trip)

    def forget_trips(self, before: datetime) -> None:
        self._t.trips = [trip for trip in self._t.trips if trip.at >= before]


def behaved_well(tx: Tx, scope: str) -> None:
    """As if enough had ended well on probation."""
    row = tx.breaker(scope)
    assert row is not None
    tx.note_breaker(msgspec.structs.replace(row, clean=CLEAN))
