"""Tables that are protected so that changes of them can be undone."""

from interlock.console.callers import name_of
from interlock.console.operations import Call, Nothing
from interlock.console.schemas.targets import ProtectedTables, Tables


async def protect(call: Call[Nothing, Tables]) -> ProtectedTables:
    """Protect tables of a target."""
    return await _changed(call, on=True)


async def unprotect(call: Call[Nothing, Tables]) -> ProtectedTables:
    """End the protection of tables."""
    return await _changed(call, on=False)


async def _changed(call: Call[Nothing, Tables], *, on: bool) -> ProtectedTables:
    target, service = call.path["name"], call.runtime.protection
    done = await service.protect(target, call.body.tables, on=on, by=name_of(call.caller))
    return ProtectedTables(target, tuple(done), on)
