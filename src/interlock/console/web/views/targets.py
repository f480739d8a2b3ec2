"""Targets: what is served and what not, what is wrong with the set-up, and the freeze of an environment."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from interlock.console.web.visit import Answer, GoTo, Html, Visit
from interlock.control import breaker
from interlock.control.deciding import shown
from interlock.model.base import Value
from interlock.model.break_glass import BreakGlass
from interlock.model.breaker import Breaker, BreakerState
from interlock.model.errors import Rejected
from interlock.runtime.config import durations
from interlock.runtime.doctor import online as examine
from interlock.runtime.health.service import CheckStatus
from interlock.runtime.targets.reaching import TargetStatus
from interlock.sdk.connector import Finding

_GRAVEST = {"error": 0, "warning": 1, "ok": 2}


class Environment(Value, frozen=True):
    """An environment with its targets, and what the connectors found when these were last looked at."""

    name: str
    strict: bool
    switch: Breaker | None
    targets: tuple[tuple[TargetStatus, Breaker | None, tuple[Finding, ...]], ...]
    stopped: tuple[Breaker, ...] = ()
    """Switches of single agents there that are not closed."""


async def listed(visit: Visit) -> Answer:
    """Targets by environment. What the connectors found is from when each was last served: a page asks no target anything."""
    runtime = visit.runtime
    switches = {b.scope: b for b in await runtime.switches.list()}
    made = [
        Environment(
            name,
            settings.protection == "strict",
            switches.get(breaker.environment(name)),
            _targets(visit, name, switches),
            _stopped(name, switches),
        )
        for name, settings in sorted(runtime.config.environments.items())
    ]
    checks: dict[str, list[CheckStatus]] = {}
    for check in await runtime.health_checks.statuses():
        checks.setdefault(check.target, []).append(check)
    return Html(
        "targets/list.html",
        {
            "environments": made,
            "everything": switches.get(breaker.GLOBAL),
            "health": runtime.health(),
            "checks": checks,
            "glass": visit.person in runtime.terms.break_glass.people,
            "minutes": runtime.terms.break_glass.minutes,
            "broken": _broken(await runtime.break_glass.list(), runtime.core.directory.now()),
        },
    )


def _broken(uses: Sequence[BreakGlass], now: datetime) -> dict[str, list[BreakGlass]]:
    """The uses for a whole target that are in force, or that nobody has reviewed; by target."""
    found: dict[str, list[BreakGlass]] = {}
    for use in uses:
        if not use.change and (now < use.until or not use.reviewed_by):
            found.setdefault(use.target, []).append(use)
    return found


def _stopped(environment: str, switches: Mapping[str, Breaker]) -> tuple[Breaker, ...]:
    return tuple(
        row
        for scope, row in switches.items()
        if breaker.environment_of(scope) == environment
        and breaker.agent_of(scope)
        and row.state is not BreakerState.CLOSED
    )


async def glass(visit: Visit) -> Answer:
    """The exact text of what is to be signed to break the glass for a target."""
    name, reason = visit.path["name"], visit.form.get("reason", "").strip()
    words = await visit.runtime.break_glass.statement(visit.person, reason, target=name)
    environment = visit.runtime.targets[name].gate.target.environment
    return Html(
        "targets/sign.html",
        {
            "target": name,
            "environment": environment,
            "minutes": visit.runtime.terms.break_glass.minutes,
            "text": shown.text_of_target(words, environment),
            "statement": msgspec.to_builtins(words),
            **await visit.signing(),
        },
    )


def _targets(
    visit: Visit, environment: str, switches: Mapping[str, Breaker]
) -> tuple[tuple[TargetStatus, Breaker | None, tuple[Finding, ...]], ...]:
    return tuple(
        (
            status,
            switches.get(breaker.target(status.name)),
            _worth(visit.runtime.targets[status.name].findings),
        )
        for status in visit.runtime.statuses()
        if status.environment == environment
    )


def _worth(findings: object) -> tuple[Finding, ...]:
    found = [f for f in findings if f.level != "ok"] if isinstance(findings, (list, tuple)) else []
    return tuple(sorted(found, key=_gravity))


def _gravity(finding: Finding) -> int:
    return _GRAVEST.get(finding.level, 0)


async def doctor(visit: Visit) -> Answer:
    """Examine the whole installation now; it takes as long as the targets do."""
    found = sorted(await examine(visit.runtime), key=_gravity)
    return Html("targets/doctor.html", {"findings": found, "bad": [f for f in found if f.level != "ok"]})


async def frozen(visit: Visit) -> Answer:
    """Stop all changes in an environment."""
    reason = visit.form.get("reason", "")
    await visit.runtime.switches.freeze(visit.path["name"], reason, by=visit.by, remind_s=_reminding(visit))
    return GoTo("/console/targets")


def _reminding(visit: Visit) -> int:
    """How often people are to be reminded, in seconds; 0 for never. Raises Rejected."""
    given = visit.form.get("remind", "")
    try:
        return int(durations.parse(given).total_seconds()) if given else 0
    except ValueError as error:
        raise Rejected(str(error)) from None


async def thawed(visit: Visit) -> Answer:
    """Let changes go on."""
    await visit.runtime.switches.thaw(visit.path["name"], visit.form.get("reason", ""), by=visit.by)
    return GoTo("/console/targets")
