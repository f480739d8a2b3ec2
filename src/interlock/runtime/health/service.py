"""The checks of one gateway, assembled: what runs in the background, and what is shown of it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from interlock.model.base import Value
from interlock.model.health import CheckKind, Health
from interlock.pipeline.recorded import health
from interlock.pipeline.recorded.health import LONGEST_WATCH
from interlock.runtime.config.document import Config
from interlock.runtime.core import Core
from interlock.runtime.health.proposals import AGAIN, Proposals
from interlock.runtime.health.runner import LOOK, Runner
from interlock.runtime.notify.office import Job
from interlock.runtime.service.deciding.changes import Changes
from interlock.runtime.targets.reaching import TargetServer
from interlock.sdk.connector import Finding
from interlock.sdk.ports import ReadTx, Tx

LATE = 3
"""After so many times its interval without a result, a check is said not to run."""


class CheckStatus(Value, frozen=True, omit_defaults=False):
    """A check as it stands. `state` is `well`, `unwell` (two bad results in a row or more), `failing` (one) or `unknown`.
    `results` are how many like the last came in a row, `since` when the first of them ended, `last` when the last did. `why` says
    what was wrong with it, `trouble` why the check could not be run last time."""

    target: str
    check: str
    kind: CheckKind
    state: str
    results: int = 0
    since: datetime | None = None
    last: datetime | None = None
    why: str = ""
    trouble: str = ""
    every_s: int = 0
    watch_s: int = 0


class HealthChecks:
    """See the module."""

    def __init__(
        self, core: Core, targets: Mapping[str, TargetServer], config: Config, changes: Changes
    ) -> None:
        self._core = core
        self._configured = {name: keys.health for name, keys in config.targets.items() if keys.health}
        self.proposals = Proposals(core, changes)
        self.runner = Runner(core, targets, self._configured, self.proposals.after)

    def jobs(self) -> Iterator[Job]:
        """What is to be done again and again; nothing without a check."""
        if self._configured:
            yield LOOK, "health", self.runner.look, None
            yield AGAIN, "health.proposals", self.proposals.look, None

    async def stop(self) -> None:
        """End what runs."""
        await self.runner.stop()

    async def forget(self) -> None:
        """Forget the results of checks that are configured no more, and changes that nobody watches any more."""
        known = self.runner.checks().keys()

        def work(tx: Tx) -> None:
            old = tx.now() - 2 * LONGEST_WATCH
            for state in tx.healths():
                if (state.target, state.check) not in known and state.due_at and state.due_at < old:
                    tx.drop_health(state.target, state.check)
            tx.forget_watched(old)

        await self._core.store.transact(work)

    async def statuses(self) -> Sequence[CheckStatus]:
        """All configured checks, by target and in the order of the configuration."""
        checks = self.runner.checks()

        def read(tx: ReadTx) -> list[CheckStatus]:
            return [
                status_of(health.state_of(tx, one.check), one.check.every, one.check.watch)
                for one in checks.values()
            ]

        return await self._core.store.read(read)

    async def findings(self) -> Sequence[Finding]:
        """For `doctor`."""
        now = self._core.directory.now()
        return [finding(status, now) for status in await self.statuses()]


def status_of(state: Health, every: timedelta, watch: timedelta) -> CheckStatus:
    """A check as people are shown it."""
    last, seconds = state.last, (int(every.total_seconds()), int(watch.total_seconds()))
    if last is None:
        return CheckStatus(
            state.target, state.check, state.kind, "unknown", 0, None, None, "", state.trouble, *seconds
        )
    word = "well" if last.ok else "unwell" if last.count > 1 else "failing"
    times = (last.count, last.ended, last.last_ended)
    return CheckStatus(state.target, state.check, state.kind, word, *times, last.why, state.trouble, *seconds)


def finding(status: CheckStatus, now: datetime) -> Finding:
    """What `doctor` says of a check."""
    name = f"{status.target}: the check {status.check}"
    fix = f"see targets.{status.target}.health in the configuration"
    if status.trouble:
        return Finding("warning", "health", f"{name} cannot be run: {status.trouble}", fix)
    if status.last is None:
        return Finding("warning", "health", f"{name} has not been run yet", "")
    if now - status.last > timedelta(seconds=LATE * status.every_s + 60):
        return Finding(
            "warning", "health", f"{name} is not run any more", "look for ticker.failed in the log"
        )
    if status.state != "well":
        what = f"{name} fails, {status.results} times in a row: {status.why}"
        return Finding("warning", "health", what, "mend the target, or the check if that is wrong")
    return Finding("ok", "health", f"{name} is well")
