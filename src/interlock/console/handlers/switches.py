"""Breakers, and freezes of environments."""

from interlock.console.callers import name_of
from interlock.console.operations import Call, Nothing
from interlock.console.schemas import Breakers, Move, Reason
from interlock.model.breaker import Breaker


async def breakers(call: Call[Nothing, None]) -> Breakers:
    """All switches."""
    return Breakers(tuple(await call.runtime.store.read(lambda tx: tx.breakers())))


async def move(call: Call[Nothing, Move]) -> Breaker:
    """Open a breaker, or reset it by one step."""
    asked, by = call.body, name_of(call.caller)
    return await call.runtime.move_breaker(asked.scope, asked.move.value, asked.reason, by)


async def freeze(call: Call[Nothing, Reason]) -> Breaker:
    """Freeze an environment."""
    return await call.runtime.freeze(call.path["name"], True, call.body.reason, name_of(call.caller))


async def thaw(call: Call[Nothing, Reason]) -> Breaker:
    """End a freeze."""
    return await call.runtime.freeze(call.path["name"], False, call.body.reason, name_of(call.caller))
