"""Asks a target's roles what `doctor` wants to know."""

import ipaddress
from typing import Protocol

import msgspec

from interlock.connectors.postgres.client.config import UpstreamConfig
from interlock.connectors.postgres.client.errors import SqlError, UpstreamError
from interlock.connectors.postgres.client.sql import SqlConnection
from interlock.connectors.postgres.config import Roles
from interlock.connectors.postgres.doctor import history as doctor_history
from interlock.connectors.postgres.doctor.checks import Subject, checks
from interlock.connectors.postgres.queries import OBSERVER_SETTINGS, Ask, QueryFailed, Rows
from interlock.connectors.postgres.target.pool import rows_of
from interlock.connectors.postgres.target.run import run
from interlock.connectors.postgres.upstream import wall_clock
from interlock.model.decision import Target
from interlock.sdk.connector import Finding

UNREACHED = "08001"


class Examined(Protocol):
    """A target, as `live` has it."""

    roles: Roles
    forced: dict[str, str]

    @property
    def about(self) -> Target: ...


async def examine(live: Examined) -> list[Finding]:
    """Connect as each role that agents run as, and as the gateway's own, and look. Raises nothing: what cannot be reached is a
    finding."""
    findings: list[Finding] = []
    for agent, role in [("", live.roles.upstream), *live.roles.agents.items()]:
        found = await _as(live, role)
        findings += [_of(agent, finding) for finding in found] if agent else found
    return findings


def _of(agent: str, finding: Finding) -> Finding:
    return msgspec.structs.replace(finding, what=f"agent {agent}: {finding.what}")


async def _as(live: Examined, role: UpstreamConfig) -> list[Finding]:
    opened: dict[str, SqlConnection] = {}
    wanted = {"agent": (role, live.forced)}
    for name, config in (("observer", live.roles.observer), ("maintainer", live.roles.maintainer)):
        if config is not None:
            wanted[name] = (config, OBSERVER_SETTINGS)
    for name, (config, settings) in wanted.items():
        try:
            opened[name] = await SqlConnection.connect(config, settings)
        except UpstreamError:
            continue  # whoever asks it gets an answer that says so

    async def asker(ask: Ask) -> list[Rows]:
        connection = opened.get(ask.on)
        if connection is None:
            raise QueryFailed(UNREACHED)
        try:
            return [rows_of(await connection.query(sql, params)) for sql, params in ask.statements]
        except SqlError as error:
            raise QueryFailed(error.sqlstate, error.message) from None
        except UpstreamError as error:
            raise QueryFailed(error.sqlstate) from None

    agent = opened.get("agent")
    key = None if agent is None else agent.upstream.key
    subject = Subject(
        live.about.name,
        live.about.strict,
        role.user,
        observer_role=_user(live.roles.observer),
        maintainer_role=_user(live.roles.maintainer),
        now=wall_clock(),
        key_pid=0 if key is None else key.pid,
        passwordless=await _passwordless(role),
    )
    try:
        recorded = [user for user in (role.user, _user(live.roles.maintainer)) if user]
        found = await run(checks(subject), asker)
        return found + await run(doctor_history.findings(recorded), asker) if agent else found
    finally:
        for connection in opened.values():
            connection.upstream.abort()


def _user(config: UpstreamConfig | None) -> str:
    return "" if config is None else config.user


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _passwordless(role: UpstreamConfig) -> bool | None:
    """Whether the server lets the role in from here without a password. On the gateway's own machine that is no matter of
    agents elsewhere: the rules of pg_hba.conf tell, and give a warning."""
    if role.host.startswith("/") or _loopback(role.host):
        return None
    try:
        connection = await SqlConnection.connect(
            msgspec.structs.replace(role, password=None, password_again=None)
        )
    except UpstreamError:
        return False
    connection.upstream.abort()
    return True
