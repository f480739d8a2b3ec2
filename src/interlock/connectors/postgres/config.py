"""The connector's own keys of a target in `interlock.yaml` (DESIGN section 13)."""

import difflib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from interlock.connectors.postgres.client.config import ConfigError, UpstreamConfig
from interlock.model.errors import Misconfigured
from interlock.sdk.connector import Listener

Secret = Callable[[object], Callable[[], str]]


_LONGEST = 2_147_483
"""What the server's own timeouts can express, in seconds."""


class RoleConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One role on the server. `password` is `{env: …}`, `{file: …}` or `{command: […]}`."""

    dsn: str
    password: dict[str, Any] | None = None


class UpstreamRoles(RoleConfig, frozen=True, forbid_unknown_fields=True):
    """What agents run as; `agents` gives some a role of their own."""

    agents: dict[str, RoleConfig] = msgspec.field(default_factory=dict)


class TlsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Certificate chain and key (PEM files) for the listener."""

    cert: str
    key: str


class Timers(msgspec.Struct, frozen=True):
    """How long a statement may wait for a lock and run, how long a transaction may idle, how long it may keep others from a table
    or from rows, and how long it may last. An agent may set less for itself, never more."""

    lock_timeout_ms: int
    statement_timeout_s: int
    idle_timeout_s: int
    strong_lock_s: int
    transaction_timeout_s: int


class AgentTimers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Those of the target's that are different for one agent."""

    lock_timeout_ms: int | None = None
    statement_timeout_s: int | None = None
    idle_timeout_s: int | None = None
    strong_lock_s: int | None = None
    transaction_timeout_s: int | None = None


class LimitsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of before-images (`preview.Limits`), of a message of an agent's (bytes), and the gateway's own timers (`Timers`):
    `agents` may have others."""

    scan_rows: int = 2_000_000
    scan_bytes: int = 1 << 30
    predicate_rows: int = 100_000
    image_bytes: int = 256 << 20
    trash_bytes: int = 1 << 30
    message_bytes: int = 64 << 20
    lock_timeout_ms: int = 2_000
    statement_timeout_s: int = 600
    idle_timeout_s: int = 300
    strong_lock_s: int = 60
    transaction_timeout_s: int = 3_600
    agents: dict[str, AgentTimers] = msgspec.field(default_factory=dict)

    def timers(self, agent: str) -> Timers:
        """Those of an agent."""
        own = self.agents.get(agent, AgentTimers())
        return Timers(
            **{
                name: given if (given := getattr(own, name)) is not None else getattr(self, name)
                for name in Timers.__struct_fields__
            }
        )


class TargetConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One Postgres target. Without `observer` nothing is reversible; without `maintainer` reverts run as `upstream`. `schemas` are
    those that agents work in: `grants-sql` gives the roles their rights there."""

    listen: str
    upstream: UpstreamRoles
    observer: RoleConfig | None = None
    maintainer: RoleConfig | None = None
    tls: TlsConfig | None = None
    schemas: tuple[str, ...] = ("public",)
    limits: LimitsConfig = msgspec.field(default_factory=LimitsConfig)


class Roles(msgspec.Struct, frozen=True):
    """The roles with their password sources."""

    upstream: UpstreamConfig
    agents: dict[str, UpstreamConfig]
    observer: UpstreamConfig | None
    maintainer: UpstreamConfig | None


def parse(name: str, raw: Mapping[str, Any]) -> TargetConfig:
    """Validate strictly. Raises Misconfigured naming the key, and the nearest known one."""
    _known_keys(f"targets.{name}", raw, TargetConfig)
    for key, kind in (("upstream", UpstreamRoles), ("observer", RoleConfig), ("maintainer", RoleConfig)):
        if isinstance(raw.get(key), Mapping):
            _known_keys(f"targets.{name}.{key}", raw[key], kind)
    try:
        config = msgspec.convert(dict(raw), TargetConfig)
    except msgspec.ValidationError as error:
        raise Misconfigured(f"targets.{name}: {error}") from None
    for agent in ("", *config.limits.agents):
        timers = config.limits.timers(agent)
        for key in Timers.__struct_fields__:
            if not 1 <= getattr(timers, key) <= _LONGEST:
                raise Misconfigured(
                    f"targets.{name}.limits.{key}: expected a whole number from 1 to {_LONGEST}"
                )
    return config


def _known_keys(where: str, raw: Mapping[str, Any], kind: type[msgspec.Struct]) -> None:
    known = kind.__struct_fields__
    for key in raw:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            raise Misconfigured(
                f"{where}: unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else "")
            )


def roles(name: str, config: TargetConfig, secret: Secret) -> Roles:
    """Turn connection strings and secrets into configurations. Raises Misconfigured."""

    def one(where: str, role: RoleConfig) -> UpstreamConfig:
        source = None if role.password is None else secret(role.password)
        try:
            return UpstreamConfig.parse(role.dsn, source)
        except ConfigError as error:
            raise Misconfigured(f"targets.{name}.{where}.dsn: {error}") from None

    return Roles(
        one("upstream", config.upstream),
        {agent: one(f"upstream.agents.{agent}", role) for agent, role in config.upstream.agents.items()},
        None if config.observer is None else one("observer", config.observer),
        None if config.maintainer is None else one("maintainer", config.maintainer),
    )


def listener(name: str, config: TargetConfig) -> Listener:
    """Where agents reach the target. Raises Misconfigured: without TLS only loopback is accepted."""
    host, colon, port = config.listen.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise Misconfigured(f"targets.{name}.listen: expected HOST:PORT")
    host = host.strip("[]")
    if config.tls is None and host not in ("127.0.0.1", "::1", "localhost"):
        raise Misconfigured(
            f"targets.{name}.listen: without TLS only loopback is accepted; give tls: {{cert, key}}"
        )
    cert, key = (config.tls.cert, config.tls.key) if config.tls is not None else ("", "")
    return Listener(host, int(port), cert, key)
