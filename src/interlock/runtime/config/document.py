"""`interlock.yaml`, strictly validated: an unknown key is an error with file, line and the nearest known key."""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec

from interlock.control.budget import Budgets
from interlock.control.deciding.break_glass import Rules
from interlock.control.deciding.haste import Reviews
from interlock.control.signals.thresholds import Signals
from interlock.model.errors import Misconfigured
from interlock.model.people import Quorum
from interlock.model.proposal import INTERLOCK
from interlock.policy.limits import Limits
from interlock.runtime.config import budgets, deciding, durations, identity, quorums, secrets, signals
from interlock.runtime.config.addresses import address, is_loopback
from interlock.runtime.config.identity import Identity
from interlock.runtime.config.yaml_source import Key, Source
from interlock.runtime.health import config as health
from interlock.runtime.health.config import HealthConfig
from interlock.runtime.notify import config as notify
from interlock.runtime.notify.config import ChannelConfig
from interlock.runtime.oidc import settings as oidc
from interlock.runtime.oidc.settings import Oidc

T = TypeVar("T", bound=msgspec.Struct)
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}", re.ASCII)
"""Names of targets, environments and quorums: they stand in addresses, scopes and policies."""


class Api(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The HTTP API and console. Without `tls` only loopback is accepted. `metrics` says who may read them: anyone, or people."""

    listen: str = "127.0.0.1:8470"
    public_url: str = "http://127.0.0.1:8470"
    tls: "Tls | None" = None
    metrics: Literal["public", "people"] = "public"


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """PEM files: certificate chain and key."""

    cert: str
    key: str


class Environment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An environment; strict unless it says otherwise."""

    protection: Literal["strict", "relaxed"] = "strict"


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long payloads and trash are kept."""

    payloads: str = "30d"
    trash: str = "7d"


class SamplesConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """People of which groups may have the values in samples of changes shown; nobody, unless it says so."""

    reveal: tuple[str, ...] = ()


class FileWitness(msgspec.Struct, frozen=True):
    """A file to which each new checkpoint of the ledger is appended."""

    file: Path


class HttpWitness(msgspec.Struct, frozen=True):
    """An address to which each new checkpoint is posted, with a bearer token. Plain http is for loopback only."""

    url: str
    token: secrets.Secret


class TargetConfig(msgspec.Struct, frozen=True):
    """One target. `own` are the connector's keys, `health` the checks that tell whether it is well."""

    name: str
    connector: str
    environment: str
    mode: Literal["enforce", "observe"] = "enforce"
    own: dict[str, Any] = {}  # msgspec copies mutable defaults
    health: tuple[HealthConfig, ...] = ()


class _TargetKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    connector: str
    environment: str
    mode: Literal["enforce", "observe"] = "enforce"


class Approved(msgspec.Struct, frozen=True):
    """The texts of the policy files, and the part of the configuration that decides (canonical JSON)."""

    policies: Mapping[str, str]
    deciding: bytes


class Config(msgspec.Struct, frozen=True):
    """The whole configuration; all paths are absolute."""

    file: Path
    store: str
    state_dir: Path
    api: Api
    environments: Mapping[str, Environment]
    targets: Mapping[str, TargetConfig]
    quorums: Mapping[str, Quorum]
    policies: Path | None
    guardrails: Literal["default", "none"]
    limits: Limits
    budgets: Budgets | None
    signals: Signals | None
    reviews: Reviews
    break_glass: Rules
    retention_payloads: timedelta
    retention_trash: timedelta
    notify: tuple[ChannelConfig, ...]
    witness: tuple[FileWitness | HttpWitness, ...]
    origin: str
    master_key: secrets.Secret | None
    oidc: Oidc | None
    source: Source
    identity: Identity = Identity()
    approved: Approved | None = None
    """What admins have approved, in governed mode."""
    reveal: tuple[str, ...] = ()
    """Groups whose people may have values of before-images shown."""

    @property
    def admin_socket(self) -> Path:
        """The unix socket of the command line."""
        return self.state_dir / "admin.sock"

    @property
    def halt_file(self) -> Path:
        """As long as this file is there, nothing takes effect anywhere."""
        return self.state_dir / "halt"

    @property
    def folder(self) -> Path:
        """What relative paths are relative to."""
        return self.file.parent


TOP = (
    "store", "state_dir", "api", "environments", "targets", "quorums", "policies", "guardrails", "limits", "budgets",
    "breakers",
    "reviews", "break_glass", "retention", "notify", "witness", "origin", "master_key", "people", "agent_uids", "socket_uids",
    "samples",
    "oidc",
)  # fmt: skip


def load(path: Path) -> Config:
    """Read and validate. Raises Misconfigured with file, line and key."""
    return build(Source.read(path), path.absolute())


def build(source: Source, path: Path) -> Config:
    """Validate what was read."""
    top = source.mapping(source.data, ())
    source.known(top, TOP, ())
    for needed in ("store", "targets"):
        if needed not in top:
            raise source.wrong((), f"the key {needed!r} is missing")
    folder = path.parent
    environments = _each(source, top, "environments", Environment)
    retention = _struct(source, top.get("retention"), Retention, ("retention",))
    policies = top.get("policies")
    guardrails = _one_of(source, top.get("guardrails", "default"), ("default", "none"), ("guardrails",))
    limits = _limits(source, top.get("limits"))
    known_quorums = _quorums(source, top)
    api = _api(source, top.get("api"), folder)
    return Config(
        file=path,
        store=_store(source, top["store"], folder),
        state_dir=folder / _text(source, top.get("state_dir", "var"), ("state_dir",)),
        api=api,
        environments=environments,
        targets=_targets(source, top["targets"], environments, folder),
        quorums=known_quorums,
        policies=None if policies is None else folder / _text(source, policies, ("policies",)),
        guardrails=guardrails,
        limits=limits,
        budgets=budgets.read(source, top.get("budgets"), limits, guardrails, known_quorums),
        signals=signals.read(
            source,
            top.get("breakers"),
            {name: e.protection == "strict" for name, e in environments.items()},
            known_quorums,
            limits.quorum,
        ),
        reviews=deciding.reviews(source, top.get("reviews")),
        break_glass=deciding.break_glass(source, top.get("break_glass")),
        retention_payloads=_length(source, retention.payloads, ("retention", "payloads")),
        retention_trash=_length(source, retention.trash, ("retention", "trash")),
        notify=notify.read(source, top.get("notify", []), folder, environments, known_quorums),
        witness=tuple(
            _witness(source, item, at, folder)
            for item, at in _list(source, top.get("witness", []), ("witness",))
        ),
        origin=_text(source, top["origin"], ("origin",)) if "origin" in top else "",
        master_key=_secret(source, top["master_key"], folder, ("master_key",))
        if "master_key" in top
        else None,
        oidc=oidc.read(source, top.get("oidc"), folder, api.public_url),
        source=source,
        identity=identity.read(source, top),
        reveal=_reveal(source, top.get("samples")),
    )


def _reveal(source: Source, value: object) -> tuple[str, ...]:
    groups = _struct(source, value, SamplesConfig, ("samples",)).reveal
    for place, group in enumerate(groups):
        _name(source, group, ("samples", "reveal", str(place)))
    return tuple(dict.fromkeys(groups))


def _struct(source: Source, value: object, kind: type[T], at: Key) -> T:
    data = source.mapping(value, at)
    source.known(data, kind.__struct_fields__, at)
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        inner = tuple(p for p in re.split(r"[.\[\]]+", where.rstrip("`")) if p and p != "...")
        raise source.wrong((*at, *inner), what) from None


def _each(source: Source, top: Mapping[str, Any], section: str, kind: type[T]) -> dict[str, T]:
    found = {}
    for name, value in source.mapping(top.get(section), (section,)).items():
        _name(source, name, (section, name))
        found[name] = _struct(source, value, kind, (section, name))
    return found


def _name(source: Source, name: str, at: Key) -> None:
    if name == INTERLOCK and at[0] in ("environments", "targets"):
        raise source.wrong(at, f"the name {INTERLOCK!r} stands for Interlock itself; choose another")
    if not NAME.fullmatch(name):
        raise source.wrong(at, "a name has small letters, digits, '.', '_' and '-', 63 at most")


def _targets(
    source: Source, value: object, environments: Mapping[str, Environment], folder: Path
) -> dict[str, TargetConfig]:
    found = {}
    core = _TargetKeys.__struct_fields__
    for name, keys in source.mapping(value, ("targets",)).items():
        at = ("targets", name)
        _name(source, name, at)
        data = source.mapping(keys, at)
        mine = {k: v for k, v in data.items() if k in core}
        read = _struct(source, mine, _TargetKeys, at)
        if read.environment not in environments:
            known = ", ".join(sorted(environments)) or "none"
            raise source.wrong(
                (*at, "environment"), f"there is no environment {read.environment!r} (known: {known})"
            )
        checks = health.read(source, data.get("health"), (*at, "health"), folder)
        theirs = {k: v for k, v in data.items() if k not in (*core, "health")}
        own = {k: _files(v, folder) if k == "tls" else v for k, v in theirs.items()}
        found[name] = TargetConfig(name, read.connector, read.environment, read.mode, own, checks)
    return found


def _files(value: Any, folder: Path) -> Any:
    """A connector's `tls`: as everywhere, relative paths are relative to the configuration. The rest it judges itself."""
    if not isinstance(value, Mapping):
        return value
    return {k: str(folder / v) if isinstance(v, str) else v for k, v in value.items()}


def _quorums(source: Source, top: Mapping[str, Any]) -> dict[str, Quorum]:
    found = {}
    for name, value in source.mapping(top.get("quorums"), ("quorums",)).items():
        _name(source, name, ("quorums", name))
        found[name] = quorums.read(source, name, value)
    return found


def _limits(source: Source, value: object) -> Limits:
    try:
        return _struct(source, value, Limits, ("limits",))
    except Misconfigured as error:
        if str(error).startswith(source.name):
            raise
        raise source.wrong(("limits",), str(error)) from None


def _api(source: Source, value: object, folder: Path) -> Api:
    api = _struct(source, value, Api, ("api",))
    try:
        host, _ = address(api.listen)
    except ValueError as error:
        raise source.wrong(("api", "listen"), str(error)) from None
    if api.tls is None and not is_loopback(host):
        raise source.wrong(("api", "listen"), "without tls only a loopback address is accepted")
    if not api.public_url.startswith(("http://", "https://")):
        raise source.wrong(("api", "public_url"), "expected http://… or https://…")
    tls = Tls(str(folder / api.tls.cert), str(folder / api.tls.key)) if api.tls else None
    return msgspec.structs.replace(api, tls=tls)


def _store(source: Source, value: object, folder: Path) -> str:
    """The store's URL; a relative SQLite file is relative to the configuration."""
    url = _text(source, value, ("store",))
    scheme, separator, rest = url.partition(":///")
    if scheme.startswith("sqlite") and separator and rest and not rest.startswith("/"):
        return f"{scheme}:///{folder / rest}"
    if not scheme.startswith("sqlite") and "://" not in url:
        raise source.wrong(("store",), "expected sqlite:///FILE or postgresql+psycopg://…")
    return url


def _secret(source: Source, value: object, folder: Path, at: Key) -> secrets.Secret:
    try:
        return secrets.parse(value, folder)
    except Misconfigured as error:
        raise source.wrong(at, str(error)) from None


def _length(source: Source, text: str, at: Key) -> timedelta:
    try:
        return durations.parse(text)
    except ValueError as error:
        raise source.wrong(at, str(error)) from None


def _text(source: Source, value: object, at: Key) -> str:
    if not isinstance(value, str) or not value:
        raise source.wrong(at, "expected a text")
    return value


def _list(source: Source, value: object, at: Key) -> list[tuple[Any, Key]]:
    """The items, each with the way to it."""
    if not isinstance(value, list):
        raise source.wrong(at, "expected a list")
    return [(item, (*at, str(place))) for place, item in enumerate(value)]


def _witness(source: Source, value: object, at: Key, folder: Path) -> FileWitness | HttpWitness:
    keys = source.mapping(value, at)
    source.known(keys, ("file", "url", "token"), at)
    if keys.keys() == {"file"}:
        return FileWitness(folder / _text(source, keys["file"], (*at, "file")))
    if keys.keys() == {"url", "token"}:
        url = _witness_url(source, _text(source, keys["url"], (*at, "url")), (*at, "url"))
        return HttpWitness(url, _secret(source, keys["token"], folder, (*at, "token")))
    raise source.wrong(at, "a witness is {file: PATH} or {url: https://…, token: SECRET}")


def _witness_url(source: Source, url: str, at: Key) -> str:
    """People and logs are shown it: it holds nothing secret, and a complaint does not repeat it."""
    try:
        parts = urlsplit(url)
        host, fit = parts.hostname or "", re.fullmatch("[!-~]+", url) and parts.port != 0
    except ValueError:
        raise source.wrong(at, "not a URL") from None
    if not (host and fit) or parts.scheme not in ("http", "https") or set("@?#") & set(url):
        raise source.wrong(at, "expected https://HOST[:PORT]/PATH, without user, query and fragment")
    if parts.scheme == "http" and not is_loopback(host):
        raise source.wrong(at, "plain http is accepted for a loopback address only")
    return url


def _one_of(source: Source, value: object, known: tuple[Any, ...], at: Key) -> Any:
    if value not in known:
        raise source.wrong(at, f"expected one of {', '.join(known)}")
    return value
