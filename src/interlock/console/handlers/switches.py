"""Breakers, and freezes of environments."""

from datetime import timedelta
from typing import assert_never

from interlock.console.access import strong_enough
from interlock.console.callers import name_of
from interlock.console.operations import Call, Nothing
from interlock.console.schemas import Empty, Reason
from interlock.console.schemas.breakers import (
    BreakerDetail,
    BreakerMove,
    BreakerQuery,
    Breakers,
    Freeze,
    Move,
    TripQuery,
    Trips,
    TuneQuery,
)
from interlock.control.signals.said import who_closes
from interlock.model.breaker import Breaker
from interlock.model.signal import TripFilter
from interlock.runtime.service.stopping import tuning
from interlock.runtime.service.stopping.halts import Drilled, HaltState
from interlock.runtime.service.stopping.tuning import Tuning


async def breakers(call: Call[Nothing, None]) -> Breakers:
    """All switches."""
    return Breakers(tuple(await call.runtime.switches.list()))


async def tune(call: Call[TuneQuery, None]) -> Tuning:
    """Which past changes would have opened a breaker or waited, and numbers that would fit."""
    return await tuning.tune(call.runtime.core, timedelta(seconds=call.query.seconds))


async def one(call: Call[BreakerQuery, None]) -> BreakerDetail:
    """One switch, with what opened it."""
    found = await call.runtime.switches.about(call.query.scope)
    window = found.spent.window
    return BreakerDetail(
        found.scope,
        found.row,
        found.trips,
        found.spent.uses,
        None if window is None else int(window.total_seconds()),
        who_closes(found.scope, admins=found.admins),
        found.owners,
    )


async def trips(call: Call[TripQuery, None]) -> Trips:
    """What opened by itself."""
    asked = call.query
    which = TripFilter(asked.scope, asked.environment, asked.since, asked.limit)
    return Trips(tuple(await call.runtime.switches.trips(which)))


async def move(call: Call[Nothing, Move]) -> Breaker:
    """Open a breaker, or reset it by one step."""
    asked, by, switches = call.body, name_of(call.caller), call.runtime.switches
    match asked.move:
        case BreakerMove.OPEN:
            return await switches.open(asked.scope, asked.reason, by=by)
        case BreakerMove.RESET:
            strong_enough(call.caller, "POST", light=False)
            return await switches.reset(asked.scope, asked.reason, by=by)
        case _:
            assert_never(asked.move)


async def freeze(call: Call[Nothing, Freeze]) -> Breaker:
    """Freeze an environment."""
    asked, by = call.body, name_of(call.caller)
    return await call.runtime.switches.freeze(call.path["name"], asked.reason, by=by, remind_s=asked.remind_s)


async def thaw(call: Call[Nothing, Reason]) -> Breaker:
    """End a freeze."""
    return await call.runtime.switches.thaw(call.path["name"], call.body.reason, by=name_of(call.caller))


async def halted(call: Call[Nothing, None]) -> HaltState:
    """Whether everything is halted."""
    return await call.runtime.switches.halts.state()


async def halt(call: Call[Nothing, Reason]) -> Breaker:
    """Halt everything."""
    return await call.runtime.switches.halts.halt(call.body.reason, by=name_of(call.caller))


async def resume(call: Call[Nothing, Reason]) -> Breaker:
    """Go on."""
    return await call.runtime.switches.halts.resume(call.body.reason, by=name_of(call.caller))


async def drill(call: Call[Nothing, Empty]) -> Drilled:
    """Try the kill switch."""
    return await call.runtime.switches.halts.drill(by=name_of(call.caller))
