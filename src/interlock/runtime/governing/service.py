"""Governed mode of a running gateway: what the API and the command line ask of it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NoReturn

from interlock.control.breaker import environment_of
from interlock.control.change import OPEN, UNSETTLED
from interlock.model.change import Change, ChangeFilter, ChangeState
from interlock.model.errors import Misconfigured, NotFound, Rejected
from interlock.model.proposal import (
    INTERLOCK,
    EmptyTrash,
    EndGoverned,
    Founded,
    Founder,
    Record,
    Unprotect,
    UseConfig,
    UsePolicies,
    Wanted,
)
from interlock.pipeline.recorded.records import found
from interlock.policy.engine import Engine
from interlock.runtime.config import document as configuration
from interlock.runtime.config.document import Config
from interlock.runtime.core import Core
from interlock.runtime.governing import deciding, founding, past, record
from interlock.runtime.governing.files import Files
from interlock.runtime.governing.live import ProposalLive
from interlock.runtime.governing.office import Office
from interlock.runtime.targets.reaching import TargetServer
from interlock.sdk.ports import ReadTx

SHOWN = (*OPEN, *UNSETTLED)
"""Proposals that are listed when no state is named."""
OVER = tuple(state for state in ChangeState if state not in SHOWN)
"""Proposals that nothing happens to any more."""


class Governing:
    """The service. `office` is where all goes that loosens, `files` the watch over policies and configuration."""

    def __init__(self, core: Core, config: Config, targets: Mapping[str, TargetServer], origin: str) -> None:
        self._core, self._config, self._targets = core, config, targets
        self.office = Office(core, config.quorums, config.identity.counts_after, self._is_strict)
        self.office.past = self._past
        self.files = Files(core, config, origin)
        self.could_serve: Callable[[Config], None] = lambda config: None
        """Raises Misconfigured when the targets of a configuration could not be served."""
        core.lives[INTERLOCK] = ProposalLive(self.office, origin)

    def carried_out_by(
        self,
        unprotect: Callable[[Unprotect, str], Awaitable[None]],
        empty: Callable[[EmptyTrash, str], Awaitable[None]],
    ) -> None:
        """What does on targets what is not done in the store."""

        async def carry(wanted: Wanted, by: str) -> None:
            if isinstance(wanted, Unprotect):
                await unprotect(wanted, by)
            elif isinstance(wanted, EmptyTrash):
                await empty(wanted, by)

        self.office.carry = carry

    def _is_strict(self, scope: str) -> bool:
        """Whether a scope is or holds something strict; what is not known is."""
        kind, _, name = scope.partition("/")
        if kind == "target" and name in self._targets:
            return self._targets[name].gate.target.strict
        known = self._config.environments.get(environment_of(scope)) if kind == "environment" else None
        return known is None or known.protection == "strict"

    # -- beginning and ending

    async def govern(self, founders: Sequence[Founder], *, by: str) -> Founded:
        """Enrol the founding admins and switch to governed mode. Raises Rejected, Misconfigured."""
        founding.check(self._config, founders)
        what = await asyncio.to_thread(founding.contents, configuration.load(self._config.file))
        if what.config != deciding.deciding(self._config.source):
            raise Rejected("the configuration was changed since the server began: restart it first")
        founded = await self._core.store.transact(lambda tx: founding.found(tx, founders, what, by))
        await self._core.directory.refresh()
        await self.files.adopt()
        return founded

    async def end(self, reason: str, *, by: str) -> NoReturn:
        """Propose to go back to try-out mode."""
        await self._want(EndGoverned(reason.strip()[:500]), by)

    # -- policies and configuration

    async def propose_policies(self, texts: Mapping[str, str], *, by: str) -> NoReturn:
        """Propose other policy files. Raises Proposed, and Rejected when they could not be loaded."""
        wanted = UsePolicies(dict(sorted(texts.items())))
        try:
            await asyncio.to_thread(self._core.policies.candidate, wanted.texts)
        except Misconfigured as error:
            raise Rejected(str(error)) from None
        await self._want(wanted, by)

    async def propose_config(self, decides: str, *, by: str) -> NoReturn:
        """Propose another configuration: the part that decides, as JSON. Raises Proposed, and Rejected when it could not be used
        with the rest of this replica's file."""
        wanted = UseConfig(deciding.normal(decides).decode())
        try:
            made = deciding.candidate(configuration.load(self._config.file), wanted.deciding.encode())
            self.could_serve(made)
            await asyncio.to_thread(self._with_config, made)
        except Misconfigured as error:
            raise Rejected(str(error)) from None
        await self._want(wanted, by)

    async def _want(self, wanted: Wanted, by: str) -> NoReturn:
        """Have it held: raises Proposed, or Rejected."""
        await self.office.want(self._core, wanted, by)
        raise AssertionError("`acts` refuses it in try-out mode")

    # -- looking

    async def proposals(self, states: Sequence[ChangeState] = ()) -> Sequence[Change]:
        """Proposals, newest first; those that wait unless states are named."""
        which = ChangeFilter(target=INTERLOCK, states=tuple(states) or SHOWN, limit=200)
        return await self._core.store.read(lambda tx: tx.changes(which))

    async def proposal(self, change_id: str) -> Record | None:
        """What a proposal says; None when its content is destroyed. Raises NotFound (no such change), Rejected (what is stored is
        not what was proposed)."""

        def read(tx: ReadTx) -> Record | None:
            change = found(tx, change_id)
            try:
                return record.read(tx, change)
            except NotFound:
                return None

        return await self._core.store.read(read)

    async def _past(self, wanted: Wanted) -> tuple[str, ...]:
        """The past decisions that other policies or another configuration would alter."""
        if not isinstance(wanted, UsePolicies | UseConfig):
            return ()

        done, now = await self._core.store.read(lambda tx: (past.changes(tx), tx.now()))
        before, targets = self._core.policies.engine, {n: s.gate.target for n, s in self._targets.items()}
        after = await asyncio.to_thread(self._engine, wanted, before)
        return await asyncio.to_thread(past.altered, done, before, after, targets, now)

    def _engine(self, wanted: UsePolicies | UseConfig, engine: Engine) -> Engine:
        if isinstance(wanted, UsePolicies):
            return engine.with_texts(wanted.texts)
        return self._with_config(deciding.candidate(self._config, wanted.deciding.encode()))

    def _with_config(self, made: Config) -> Engine:
        return self._core.policies.candidate_of(made.quorums, made.guardrails, made.limits)
