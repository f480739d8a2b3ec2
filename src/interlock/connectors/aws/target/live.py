"""One running AWS target: implements `sdk.connector.Live`, and what its sessions need."""

import asyncio
import contextlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec

from interlock.connectors.aws.call import Call, CallFailed, Classified
from interlock.connectors.aws.classify import GroupRule, Scope, carries, classify, with_statements
from interlock.connectors.aws.classify.statements import LANGUAGE
from interlock.connectors.aws.codec import Codec, Index, Understood
from interlock.connectors.aws.config import Credentials, TargetConfig, listener
from interlock.connectors.aws.session import record
from interlock.connectors.aws.session.agents import AgentSessions
from interlock.connectors.aws.session.connection import AwsSession
from interlock.connectors.aws.session.record import Request
from interlock.connectors.aws.target import doctor, rerun, trash
from interlock.connectors.aws.target import settle as settling
from interlock.connectors.aws.target.belonging import Belonging
from interlock.connectors.aws.target.members import sizes
from interlock.connectors.aws.target.within import outside
from interlock.connectors.aws.undo.became import TOO_LATE
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.upstream import (
    AwsCalls,
    Endpoints,
    Forwarder,
    access_levels,
    loaded,
    operation_models,
    routing_index,
)
from interlock.connectors.aws.verbs.levels import Levels
from interlock.model.change import Change
from interlock.model.decision import Target
from interlock.model.effect import Effect
from interlock.model.errors import InterlockError, Misconfigured, Unavailable
from interlock.model.operation import Action
from interlock.sdk.connector import Finding, Gate, Principal, Settled, TlsContext, TrashItem, Unit, Wire, Work

_SWEEP_S = 30.0
_PREVIEW_S = 60.0


class AwsLive:
    """See the module. Built without I/O; `start` connects."""

    def __init__(
        self, target: Target, config: TargetConfig, credentials: Credentials, tls: TlsContext | None
    ) -> None:
        self.name = target.name
        self._target = target
        self.config, self.tls = config, tls
        self.endpoints = Endpoints(config, credentials)
        limits = config.limits
        self.forwarder = Forwarder(connect_s=limits.connect_timeout_s, answer_s=limits.answer_timeout_s)
        self.own_accounts: Sequence[str] = (config.account, *config.own_accounts)
        self.answer_bytes = limits.answer_bytes
        self.preview_s = _PREVIEW_S
        self.gate: Gate
        self.codec: Codec
        self.sessions: AgentSessions
        self._index: Index
        self._levels: Levels
        self._scope = _scope(target, config)
        only = config.only.stacks if config.only is not None else ()
        self._belonging = Belonging(self._scope.groups, only, config.regions)
        self._open: set[AwsSession] = set()
        self._sweeper: asyncio.Task[None] | None = None
        own = (urlsplit(config.public_url).hostname, listener(target.name, config).host, "localhost")
        self.hosts = tuple(dict.fromkeys(host for host in own if host))

    # Life

    async def start(self, gate: Gate) -> None:
        """Load what classification needs, and learn whose the account is. Raises Misconfigured or Unavailable."""
        self.gate = gate
        self.sessions = AgentSessions(gate, self.config.limits.session_idle_s)
        self._index = await routing_index(gate.folder)
        self.codec = Codec(self._index, self.hosts)
        self._levels = await access_levels()
        await self.fingerprint()
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep())

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            try:
                await self.sessions.sweep()
            except InterlockError as error:
                self.gate.log("aws.sessions_not_swept", error=type(error).__name__)

    async def stop(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
        await self.sessions.close()
        await self.forwarder.close()

    async def fingerprint(self) -> str:
        """`aws/ACCOUNT/…`, the account as STS tells it: other credentials than the configuration says are found out here."""
        try:
            told = await self.calls("").ask("sts", "GetCallerIdentity")
        except CallFailed as error:
            raise Unavailable(f"target {self.name}: the account cannot be asked who it is: {error}") from None
        account = str(told.get("Account", ""))
        if account != self.config.account:
            raise Misconfigured(
                f"targets.{self.name}.account: the credentials are those of account {account or 'unknown'}"
            )
        only = self.config.only
        part = "" if only is None else "/" + ",".join(sorted((*only.names, *only.stacks, *only.tags)))
        return f"{self.config.partition}/{account}{part}"

    async def doctor(self) -> Sequence[Finding]:
        return await doctor.examine(self.config, self.calls(""))

    # For the core

    def session(self, wire: Wire) -> AwsSession:
        return AwsSession(wire, self)

    async def settle(self, change: Change, image: Sequence[bytes] = ()) -> Settled:
        """Ask the account what became of a call. Of a revert, which is several calls, people must find it out."""
        region = change.marker.get("region", "")
        known = () if change.reverts else image
        too_late = datetime.now(UTC) - change.updated_at > TOO_LATE
        return await settling.settle(known, Here(self.calls(region), region), too_late=too_late)

    async def trash_items(self) -> Sequence[TrashItem]:
        """The copies that were made before calls, of each change together. Raises Unavailable."""
        return await trash.items([self.calls(region) for region in self.config.regions], self.name)

    async def empty_trash(self, names: Sequence[str]) -> None:
        """Remove them for good. Raises Unavailable."""
        await trash.empty([self.calls(region) for region in self.config.regions], names)

    def describe(self, payload: bytes) -> Sequence[str]:
        return record.read(payload).statements

    def disclosed(self, payload: bytes) -> bytes:
        """The recorded calls without what is secret in them."""
        return record.read(payload).disclosed().payload()

    async def again(self, change: Change, payload: bytes, principal: Principal) -> tuple[Work, Unit]:
        """A unit that makes a recorded call on the server's side."""
        return await rerun.again(self, change, payload, principal)

    async def undo(
        self, change: Change, parts: Sequence[bytes], *, force: bool, principal: Principal
    ) -> tuple[Work, Unit]:
        """A unit that reverts an applied change."""
        return rerun.revert(self, change, parts, principal, force=force)

    # For the sessions

    def calls(self, region: str) -> AwsCalls:
        config = self.config
        where = region or config.regions[0]
        return AwsCalls(self.endpoints, where, config.account, config.partition, config.trash_bucket)

    def nonce(self) -> str:
        return trash.unit(self.name, secrets.token_hex(trash.UNIQUE))

    def classify(self, understood: Understood) -> Classified:
        return self.classified(understood.call)

    def classified(self, call: Call) -> Classified:
        """What a call is, as far as it is known without asking; one that reaches beyond the target's part of the account is
        refused."""
        call = msgspec.structs.replace(call, account=self.config.account)
        scope = msgspec.structs.replace(self._scope, region=call.region)
        what = classify(call, scope, self._levels)
        if carries(call):
            what = with_statements(what, self.gate.languages.get(LANGUAGE))
        return self._bounded(self._belonging.known(what))

    def _bounded(self, what: Classified) -> Classified:
        why = outside(what, self.config.only, self._belonging.inside)
        return msgspec.structs.replace(what, refused=why) if why and not what.refused else what

    async def belongs(self, what: Classified) -> Classified:
        """A call with the groups that its resources have, and refused if it reaches beyond the target's part of the account. A
        read is asked about for its bounds only. Raises Unavailable."""
        bounded = self.config.only is not None and bool(self.config.only.stacks)
        if what.operation.action is Action.READ and not bounded:
            return what
        return self._bounded(await self._belonging.of_call(what, self.calls))

    async def grouped(self, what: Classified, effects: Sequence[Effect]) -> tuple[Effect, ...]:
        """Effects with the groups that their resources have. Raises Unavailable."""
        return await self._belonging.of_effects(what, effects, self.calls)

    async def sizes(self, effects: Sequence[Effect], region: str) -> Mapping[str, int]:
        """How many members each group has that loses some. Raises CallFailed, Unavailable."""
        return await sizes(effects, self._scope.groups, self.calls(region))

    async def reader(self, call: Call) -> None:
        """Have what reads the statements in a call at hand: loading it may block."""
        if carries(call):
            await loaded(self.gate.languages, LANGUAGE)

    def usual_protocol(self, service: str) -> str:
        names = (service,) if service in self._index.heads else self._index.signed_as(service)
        return self._index.heads[names[0]].protocols[0] if names else ""

    def host_prefix(self, request: Request) -> str:
        """What an operation puts before the host of its service ("hostPrefix" in the models)."""
        endpoint = operation_models(request.call.service).operation_model(request.call.operation).endpoint
        prefix = str((endpoint or {}).get("hostPrefix", ""))
        for name, value in request.call.parameters.items():
            prefix = prefix.replace("{" + name + "}", str(value))
        return prefix

    def address(self, host: str) -> str:
        """Where a client reaches the gateway that called it by this Host header."""
        return self.config.public_url or f"{'https' if self.tls is not None else 'http'}://{host}"

    def joined(self, session: AwsSession) -> None:
        self._open.add(session)

    def left(self, session: AwsSession) -> None:
        self._open.discard(session)


def _scope(target: Target, config: TargetConfig) -> Scope:
    groups = tuple(
        GroupRule(name, chosen.names, chosen.tags, chosen.stacks) for name, chosen in config.groups.items()
    )
    return Scope(
        environment=target.environment,
        account=config.account,
        partition=config.partition,
        region=config.regions[0],
        own_accounts=(config.account, *config.own_accounts),
        groups=groups,
    )
