"""Health, metrics, targets, the report, and the OpenAPI document."""

from datetime import timedelta
from functools import cache
from typing import Any

import msgspec

from interlock.console import openapi as document
from interlock.console.monitoring.health import Health, Targets
from interlock.console.monitoring.metrics import METRICS
from interlock.console.operations import Call, Nothing, Raw
from interlock.console.schemas import Findings, ReportQuery
from interlock.runtime.doctor import online as examine
from interlock.runtime.service.deciding.report import Report

__all__ = ["METRICS", "doctor", "health", "metrics", "openapi", "report", "targets"]


async def health(call: Call[Nothing, None]) -> Raw:
    """200 when this replica can decide and record, else 503 with the reasons."""
    runtime = call.runtime
    checks = tuple(runtime.health())
    ok, degraded = all(c.ok for c in checks if c.vital), not all(c.ok for c in checks if not c.vital)
    found = Health(ok, degraded, runtime.mode, runtime.version, checks)
    return Raw(msgspec.json.encode(found), "application/json", 200 if found.ok else 503)


async def metrics(call: Call[Nothing, None]) -> Raw:
    """Prometheus's text format."""
    return Raw(await call.metrics.text(), METRICS)


async def openapi(call: Call[Nothing, None]) -> dict[str, Any]:
    """The description of this API."""
    return _document(call.runtime.version)


@cache
def _document(version: str) -> dict[str, Any]:
    """Made once: anyone may ask, and it takes a while."""
    from interlock.console.routes import OPERATIONS

    return document.document(OPERATIONS, version)


async def targets(call: Call[Nothing, None]) -> Targets:
    """The targets of this replica, whether they are served, and their health."""
    health = await call.runtime.health_checks.statuses()
    return Targets(tuple(call.runtime.statuses()), tuple(health))


async def report(call: Call[ReportQuery, None]) -> Report:
    """What targets that only observe would have held."""
    return await call.runtime.report(timedelta(seconds=call.query.seconds))


async def doctor(call: Call[Nothing, None]) -> Findings:
    """Every misconfiguration that would defeat the gate, as this replica sees it."""
    return Findings(tuple(await examine(call.runtime)))
