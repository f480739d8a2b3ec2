"""Running checks: each by one replica at a time, which holds a claim in the store while it does.

    claim (store) → ask (outside) → conclude (store: the result, and what it opens)

A crash in between loses one result: the claim ends by itself, and the next replica goes on with the results that all of them share.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import structlog

from interlock.model.base import Value
from interlock.model.health import Blame
from interlock.pipeline.recorded import health
from interlock.pipeline.recorded.health import Check, Found, Outcome
from interlock.runtime.background import tickers
from interlock.runtime.core import Core
from interlock.runtime.health.asking import ask
from interlock.runtime.health.config import HealthConfig, keep
from interlock.runtime.health.web import Web
from interlock.runtime.targets.reaching import TargetServer
from interlock.sdk.ports import ReadTx

LOOK = 1.0
"""Seconds between two looks at what is due."""
_log = structlog.get_logger(__name__)

Key = tuple[str, str]
"""A target's name and that of its check."""


class Checked(Value, frozen=True):
    """A check with what it is run on."""

    check: Check
    config: HealthConfig
    server: TargetServer


class Runner:
    """Runs the checks of one replica's targets. `blamed` is called with what is blamed."""

    def __init__(
        self,
        core: Core,
        targets: Mapping[str, TargetServer],
        configured: Mapping[str, tuple[HealthConfig, ...]],
        blamed: Callable[[tuple[Blame, ...]], Awaitable[None]],
    ) -> None:
        self._core, self._blamed = core, blamed
        self._targets, self._configured = targets, configured
        self._web = Web()
        self._running: dict[Key, asyncio.Task[None]] = {}
        self.results: Counter[tuple[str, str, str]] = Counter()
        """How many runs of this replica ended how (well, unwell, trouble), by target, check and ending: for metrics."""

    def checks(self) -> dict[Key, Checked]:
        """All checks. Whether a target only observes is known when it has been reached."""
        found = {}
        for name, configs in self._configured.items():
            server = self._targets[name]
            about = server.gate.target
            longest = keep(configs)
            for config in configs:
                check = config.check(name, about.environment, longest, observe=about.observe)
                found[name, config.name] = Checked(check, config, server)
        return found

    async def look(self) -> None:
        """Begin what is due."""
        checks = self.checks()
        free = [one.check for key, one in checks.items() if key not in self._running]
        if not free:
            return

        def read(tx: ReadTx) -> list[Check]:
            return health.due(tx, free)

        for check in await self._core.store.read(read):
            key = (check.target, check.name)
            task = asyncio.create_task(self._guarded(checks[key]), name=f"health/{check.target}/{check.name}")
            self._running[key] = task
            task.add_done_callback(partial(self._ended, key))

    def _ended(self, key: Key, _: object) -> None:
        self._running.pop(key, None)

    async def _guarded(self, one: Checked) -> None:
        await tickers.once(f"health/{one.check.target}/{one.check.name}", lambda: self.run(one))

    async def run(self, one: Checked) -> Found | None:
        """Run a check now, if it is due and nobody else does; what came of it."""
        check, store = one.check, self._core.store
        holder = self._core.terms.gateway
        taken = await store.transact(lambda tx: health.claim(tx, check, holder))
        if taken is None:
            return None
        outcome: Outcome = await ask(one.config, one.server.live, self._web)
        found = await self._core.watched(
            lambda tx, to: health.conclude(tx, check, taken, outcome, self._core.terms, to)
        )
        ending = "trouble" if outcome.trouble else "well" if outcome.ok else "unwell"
        self.results[check.target, check.name, ending] += 1
        if found is not None:
            await self._say(check, outcome, found)
        return found

    async def _say(self, check: Check, outcome: Outcome, found: Found) -> None:
        about = {"target": check.target, "check": check.name}
        if outcome.trouble:
            _log.error("health.not_run", **about, why=outcome.trouble)
        if found.turned:
            _log.warning("health.unwell", **about, why=outcome.why)
        elif found.turned is not None:
            _log.info("health.well", **about)
        for blame in found.blames:
            changes = list(blame.changes)
            _log.warning(
                "health.blamed", **about, agent=blame.agent, changes=changes, opened=list(blame.opened)
            )
        if found.blames:
            await self._blamed(found.blames)

    async def stop(self) -> None:
        """End what runs: its claim ends by itself."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self._web.close()
