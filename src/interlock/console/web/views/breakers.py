"""Moving breakers: anybody opens one at once; resetting one loosens, one step at a time and with a reason."""

from urllib.parse import quote

from interlock.console.web.visit import Answer, GoTo, Visit
from interlock.runtime.service.names import sentence


async def opened(visit: Visit) -> Answer:
    """Refuse all further changes in a scope."""
    scope, why = visit.form.get("scope", ""), visit.form.get("reason", "")
    await visit.runtime.switches.open(scope, why, by=visit.by)
    return GoTo(_where(scope))


async def reset(visit: Visit) -> Answer:
    """One step back: probation, then closed. Raises Proposed where that is for admins."""
    scope, why = visit.form.get("scope", ""), sentence(visit.form.get("reason", ""), "resetting a breaker")
    await visit.runtime.switches.reset(scope, why, by=visit.by)
    return GoTo(_where(scope))


def _where(scope: str) -> str:
    """The page that shows the breaker."""
    kind, _, name = scope.partition("/")
    if kind == "agent":
        return f"/console/agents/{quote(name, safe='')}"
    return "/console/targets" if kind in ("environment", "target") else "/console/"
