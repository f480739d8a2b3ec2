"""The connector's own keys of a target in `interlock.yaml`."""

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from interlock.model.errors import Misconfigured
from interlock.sdk.connector import Listener

Secret = Callable[[object], Callable[[], str]]

_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_REGION = re.compile(r"[a-z]{2,5}(-[a-z]+)+-\d+", re.ASCII)
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base: an unknown key is an error."""


class AssumeConfig(_Strict, frozen=True):
    """A role that the gateway assumes with its credentials (STS AssumeRole); renewed before it ends."""

    role_arn: str
    session_name: str = "interlock"
    external_id: str = ""
    duration_s: int = 3600


class UpstreamConfig(_Strict, frozen=True):
    """Whose rights the gateway has: a `profile` of the shared configuration files, or a static key, or (with neither) what
    botocore finds by itself (container, instance); on top of it a role to assume. `endpoint` takes the place of AWS's own
    for all services, `endpoints` for single ones (VPC endpoints)."""

    profile: str = ""
    access_key_id: str = ""
    secret_access_key: dict[str, Any] | None = None
    session_token: dict[str, Any] | None = None
    assume_role: AssumeConfig | None = None
    endpoint: str = ""
    endpoints: dict[str, str] = msgspec.field(default_factory=dict)


class TlsConfig(_Strict, frozen=True):
    """Certificate chain and key (PEM files) for the listener."""

    cert: str
    key: str


class Selector(_Strict, frozen=True):
    """Which resources: those whose ARN fits one of `names` (`*` stands for any text), that have all of `tags`, or belong to
    one of `stacks`."""

    names: tuple[str, ...] = ()
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    stacks: tuple[str, ...] = ()


class LimitsConfig(_Strict, frozen=True):
    """Bytes of a request that is read whole, and of an answer that is kept; items that a preview counts and a before-image
    copies; seconds for connecting and for an answer; how long a session of an agent's may idle."""

    body_bytes: int = 64 << 20
    inline_bytes: int = 8 << 20
    answer_bytes: int = 64 << 20
    items: int = 10_000
    connect_timeout_s: int = 10
    answer_timeout_s: int = 120
    session_idle_s: int = 900


class TargetConfig(_Strict, frozen=True):
    """One account, in some regions. `own_accounts` are no strangers in policies. `groups` names parts of it (a resource is
    in the first that fits). `only` restricts the target to a part of the account: what lies outside is refused, so that two
    targets can put the parts of one account into different environments. `trash_bucket` takes what is copied aside before
    it is overwritten."""

    listen: str
    account: str
    regions: tuple[str, ...]
    upstream: UpstreamConfig
    tls: TlsConfig | None = None
    public_url: str = ""
    own_accounts: tuple[str, ...] = ()
    groups: dict[str, Selector] = msgspec.field(default_factory=dict)
    only: Selector | None = None
    trash_bucket: str = ""
    limits: LimitsConfig = msgspec.field(default_factory=LimitsConfig)

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn`, `aws-us-gov`, …: by the first region."""
        return partition_of(self.regions[0])


_PARTITIONS = {
    "cn-": "aws-cn",
    "eusc-": "aws-eusc",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
}


def partition_of(region: str) -> str:
    """The partition that a region lies in ("AWS partitions" in the AWS General Reference)."""
    return next((name for prefix, name in _PARTITIONS.items() if region.startswith(prefix)), "aws")


class Credentials(msgspec.Struct, frozen=True):
    """Where the gateway's own credentials come from; the providers read a secret (again) when called, and may block."""

    config: UpstreamConfig
    secret_access_key: Callable[[], str] | None = None
    session_token: Callable[[], str] | None = None


def parse(name: str, raw: Mapping[str, Any]) -> TargetConfig:
    """Validate strictly. Raises Misconfigured naming the key, and the nearest known one."""
    _known_keys(f"targets.{name}", raw, TargetConfig)
    for key, kind in (("upstream", UpstreamConfig), ("limits", LimitsConfig), ("only", Selector)):
        if isinstance(raw.get(key), Mapping):
            _known_keys(f"targets.{name}.{key}", raw[key], kind)
    try:
        config = msgspec.convert(dict(raw), TargetConfig)
    except msgspec.ValidationError as error:
        raise Misconfigured(f"targets.{name}: {error}") from None
    for problem in _problems(config):
        raise Misconfigured(f"targets.{name}.{problem}")
    return config


def _problems(config: TargetConfig) -> list[str]:
    found = []
    if not _ACCOUNT.fullmatch(config.account):
        found.append("account: expected twelve digits, in quotes")
    if not config.regions:
        found.append("regions: name one at least")
    found += [f"regions: {r!r} is no region" for r in config.regions if not _REGION.fullmatch(r)]
    up = config.upstream
    if bool(up.access_key_id) != (up.secret_access_key is not None):
        found.append("upstream: access_key_id and secret_access_key belong together")
    if up.profile and up.access_key_id:
        found.append("upstream: give a profile or a key, not both")
    for url in (up.endpoint, *up.endpoints.values(), config.public_url):
        if url and not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#\s]*)?", url):
            found.append("upstream.endpoint: expected https://HOST[:PORT]")
    for key in LimitsConfig.__struct_fields__:
        if getattr(config.limits, key) < 1:
            found.append(f"limits.{key}: expected a whole number from 1")
    return found


def _known_keys(where: str, raw: Mapping[str, Any], kind: type[msgspec.Struct]) -> None:
    known = kind.__struct_fields__
    for key in raw:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            raise Misconfigured(
                f"{where}: unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else "")
            )


def credentials(config: UpstreamConfig, secret: Secret) -> Credentials:
    """Turn the secrets into providers. Raises Misconfigured."""
    key, token = config.secret_access_key, config.session_token
    return Credentials(config, None if key is None else secret(key), None if token is None else secret(token))


def listener(name: str, config: TargetConfig) -> Listener:
    """Where agents reach the target. Raises Misconfigured: without TLS only loopback is accepted."""
    host, colon, port = config.listen.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise Misconfigured(f"targets.{name}.listen: expected HOST:PORT")
    host = host.strip("[]")
    if config.tls is None and host not in _LOOPBACK:
        raise Misconfigured(
            f"targets.{name}.listen: without TLS only loopback is accepted; give tls: {{cert, key}}"
        )
    cert, key = (config.tls.cert, config.tls.key) if config.tls is not None else ("", "")
    return Listener(host, int(port), cert, key)
