"""The targets of one gateway: reached, checked, and then served. One that is not in order is not served, and is tried again."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import msgspec
import structlog

from interlock.model.base import Value
from interlock.model.decision import Target
from interlock.model.errors import InterlockError, Misconfigured
from interlock.runtime.config.addresses import is_loopback
from interlock.runtime.core import Core
from interlock.runtime.drive import described
from interlock.runtime.serving.wire import Connection
from interlock.runtime.targets.gate import TargetGate
from interlock.sdk.connector import Connector, Finding, Live

_log = structlog.get_logger(__name__)


class TargetStatus(Value, frozen=True, omit_defaults=False):
    """A target as it is served. `address` is HOST:PORT where agents reach it, empty while they cannot; `why` says why not. `secure`
    tells that it speaks TLS there."""

    name: str
    connector: str
    environment: str
    strict: bool
    observe: bool
    fingerprint: str
    serving: bool
    address: str = ""
    why: str = ""
    secure: bool = False


class TargetServer:
    """Serves one target."""

    def __init__(self, core: Core, target: Target, connector: Connector, live: Live) -> None:
        self._core, self.connector, self.live = core, connector, live
        self._configured = target
        self.gate = TargetGate(core, target)
        self._listener: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._started = self._stopped = False
        self.findings: Sequence[Finding] = ()
        self.why = "not started"

    @property
    def name(self) -> str:
        return self._configured.name

    @property
    def reached(self) -> bool:
        """Whether the target answers, served or not."""
        return self._started

    @property
    def serving(self) -> bool:
        return self._listener is not None

    @property
    def address(self) -> str:
        """Where agents reach it."""
        sockets = self._listener.sockets if self._listener is not None else ()
        if not sockets:
            return ""
        host, port = sockets[0].getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def status(self) -> TargetStatus:
        t = self.gate.target
        why = "" if self.serving else self.why
        return TargetStatus(
            t.name,
            t.connector,
            t.environment,
            t.strict,
            t.observe,
            t.fingerprint,
            self.serving,
            self.address,
            why,
            self._secure,
        )

    @property
    def _secure(self) -> bool:
        return self.serving and bool(self.connector.listener(self.live).tls_cert)

    async def reach(self) -> None:
        """Connect to the target and learn what it is; a failure is kept in `why`."""
        if self._started or self._stopped:
            return
        try:
            await self.live.start(self.gate)
            self.gate.known(await self.live.fingerprint())
        except InterlockError as error:
            self.why = str(error)
            _log.error("target.unreachable", target=self.name, why=self.why)
            return
        except Exception as error:  # noqa: BLE001  # a connector's bug must not keep the other targets from being served
            self.why = f"the connector failed ({type(error).__name__})"
            _log.error("target.broke", target=self.name, **described(error))
            return
        self._started, self.why = True, ""
        self._core.lives[self.name] = self.live

    async def serve(self) -> None:
        """Check and listen. A strict target with a finding that defeats the gate is not served."""
        if self.serving or not self._started:
            return
        try:
            self.findings = await self.live.doctor()
            if self._stopped:
                return
            self._refuse_defeated()
            self._listener = await self._listen()
        except (InterlockError, OSError) as error:
            self.why = str(error) if isinstance(error, InterlockError) else f"cannot listen: {error.strerror}"
            _log.error("target.not_served", target=self.name, why=self.why)
            return
        self.why = ""
        _log.info("target.served", target=self.name, address=self.address, strict=self.gate.target.strict)

    def _refuse_defeated(self) -> None:
        errors = [f for f in self.findings if f.level == "error"]
        for finding in errors:
            _log.error(
                "target.finding", target=self.name, check=finding.check, what=finding.what, fix=finding.fix
            )
        if errors and self.gate.target.strict:
            what = "; ".join(f"{f.what}" + (f" (to mend it: {f.fix})" if f.fix else "") for f in errors)
            raise Misconfigured(f"not served, the gate could be passed by: {what}")

    async def _listen(self) -> asyncio.Server:
        where = self.connector.listener(self.live)
        if not where.tls_cert and not is_loopback(where.host):
            raise Misconfigured(f"{self.name} listens beyond this machine ({where.host}) without TLS")
        loop = asyncio.get_running_loop()
        return await loop.create_server(self._connected, where.host, where.port, reuse_address=True)

    def _connected(self) -> Connection:
        made = Connection(self.live.session, self._connections.discard, self.name)
        self._connections.add(made)
        return made

    def as_strict_as(self, others: Sequence[Target]) -> None:
        """Targets that resolve to the same system are one for policy: the stricter wins."""
        strict = any(t.strict for t in others)
        observe = all(t.observe for t in others)
        before = self.gate.target
        self.gate.target = msgspec.structs.replace(before, strict=strict, observe=observe)
        if self.gate.target != before:
            names = ", ".join(sorted(t.name for t in others))
            _log.warning("target.made_stricter", target=self.name, same_system=names)

    async def stop(self, grace: timedelta) -> None:
        """Take no more clients, let what is committing finish, roll back the rest, and disconnect."""
        self._stopped, self.why = True, "stopped"
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        sessions = [c.session for c in self._connections if c.session is not None]
        ended = await asyncio.gather(*(s.stop(grace) for s in sessions), return_exceptions=True)
        for result in ended:
            if isinstance(result, BaseException):
                _log.error("session.stop_failed", target=self.name, **described(result))
        for connection in list(self._connections):
            connection.abort()
        await self._core.tasks.drain(grace.total_seconds())
        if self._started:
            self._started = False
            self._core.lives.pop(self.name, None)
            await self.live.stop()
