"""`health:` of a target in the configuration: which checks tell that it is well."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import msgspec

from interlock.model.base import Json, digest_of
from interlock.model.errors import Misconfigured
from interlock.model.health import CheckKind
from interlock.pipeline.recorded.health import LONGEST_WATCH, Check
from interlock.runtime.config import durations, secrets
from interlock.runtime.config.addresses import is_loopback
from interlock.runtime.config.secrets import Secret
from interlock.runtime.config.yaml_source import Key, Source
from interlock.sdk.connector import Live
from interlock.sdk.probes import Probes

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}", re.ASCII)
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)
_NOT_OURS = ("host", "content-length", "transfer-encoding", "connection", "accept-encoding")
"""Headers that decide how a request is read, and are the gateway's own."""
MOST = 20
"""Most checks of one target."""
EVERY, TIMEOUT, WATCH = timedelta(seconds=15), timedelta(seconds=5), timedelta(minutes=15)
LONGEST_TIMEOUT = timedelta(minutes=1)
LONGEST_EVERY = timedelta(hours=1)
LONGEST_TEXT = 10_000

_COMMON = ("name", "every", "timeout", "watch")
_OWN = {
    CheckKind.SQL: ("sql", "expect"),
    CheckKind.HTTP: ("http", "status", "contains", "headers"),
    CheckKind.PROMETHEUS: ("prometheus", "query", "above", "below", "no_data", "headers"),
}

Headers: TypeAlias = Mapping[str, str | Secret]


class SqlCheck(msgspec.Struct, frozen=True):
    """A statement in the target's language. With `expected`, the first value of the first row is that (`null` is None); else a row
    is enough."""

    statement: str
    expected: tuple[str | None, ...] = ()


class HttpCheck(msgspec.Struct, frozen=True):
    """An address that answers with `status`, and with a body whose first 64 KiB have `contains` in them."""

    url: str
    headers: Headers
    status: int = 200
    contains: str = ""


class PrometheusCheck(msgspec.Struct, frozen=True):
    """A query of a Prometheus server's HTTP API. It fails when a value is above `above` or below `below`, or is no number; and
    when there is none, unless `no_data_is_well`."""

    url: str
    headers: Headers
    query: str
    above: float | None = None
    below: float | None = None
    no_data_is_well: bool = False


Asks: TypeAlias = SqlCheck | HttpCheck | PrometheusCheck


class HealthConfig(msgspec.Struct, frozen=True):
    """One check. `definition` is the digest of what it asks, without secrets; `at` is where it stands in the file."""

    name: str
    kind: CheckKind
    asks: Asks
    definition: str
    every: timedelta
    timeout: timedelta
    watch: timedelta
    at: Key

    def check(self, target: str, environment: str, keep: timedelta, *, observe: bool) -> Check:
        """As records need to know it."""
        return Check(
            target,
            environment,
            self.name,
            self.kind,
            self.definition,
            self.every,
            self.timeout,
            self.watch,
            keep,
            observe,
        )

    @property
    def keep(self) -> timedelta:
        """How long changes must be remembered for it."""
        return self.watch + 3 * (self.every + self.timeout)


def read(source: Source, value: object, at: Key, folder: Path) -> tuple[HealthConfig, ...]:
    """The checks of one target. Raises Misconfigured with file, line and key."""
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MOST:
        raise source.wrong(at, f"expected a list of {MOST} checks at most")
    found: dict[str, HealthConfig] = {}
    for place, item in enumerate(value):
        here = (*at, str(place))
        one = _Reader(source, source.mapping(item, here), here, folder).check(place + 1)
        if one.name in found:
            raise source.wrong((*here, "name"), "another check of this target has that name")
        found[one.name] = one
    return tuple(found.values())


class _Reader:
    """Reads one check."""

    def __init__(self, source: Source, keys: Mapping[str, Any], at: Key, folder: Path) -> None:
        self._source, self._keys, self._at, self._folder = source, keys, at, folder

    def check(self, place: int) -> HealthConfig:
        kind = self._kind()
        self._source.known(self._keys, (*_OWN[kind], *_COMMON), self._at)
        every = self._length("every", EVERY, LONGEST_EVERY)
        watch = self._length("watch", WATCH, LONGEST_WATCH)
        if watch < 2 * every:
            raise self._wrong("watch", "is shorter than two runs of the check: it would never blame a change")
        return HealthConfig(
            self._name(f"{kind.value}-{place}"),
            kind,
            self._asks(kind),
            digest_of(self._definition(kind)),
            every,
            self._length("timeout", TIMEOUT, LONGEST_TIMEOUT),
            watch,
            self._at,
        )

    def _kind(self) -> CheckKind:
        named = [kind for kind in CheckKind if kind.value in self._keys]
        if len(named) != 1:
            what = "a check is {sql: STATEMENT, …}, {http: URL, …} or {prometheus: URL, query: …, …}"
            raise self._source.wrong(self._at, what)
        return named[0]

    def _asks(self, kind: CheckKind) -> Asks:
        match kind:
            case CheckKind.SQL:
                return SqlCheck(self._text("sql"), self._expected())
            case CheckKind.HTTP:
                return self._http()
            case CheckKind.PROMETHEUS:
                return self._prometheus()

    def _http(self) -> HttpCheck:
        status = self._keys.get("status", 200)
        if type(status) is not int or not 200 <= status <= 599:
            raise self._wrong("status", "expected a status of HTTP, from 200 to 599")
        contains = self._text("contains") if "contains" in self._keys else ""
        url = self._url("http")
        return HttpCheck(url, self._headers(url), status, contains)

    def _prometheus(self) -> PrometheusCheck:
        above, below = self._number("above"), self._number("below")
        if above is None and below is None:
            raise self._source.wrong(self._at, "expected above or below: beyond which number it is unwell")
        no_data = self._keys.get("no_data", "unwell")
        if no_data not in ("unwell", "well"):
            raise self._wrong("no_data", "expected well or unwell")
        url = self._url("prometheus")
        if "?" in url:
            raise self._wrong("prometheus", "expected the address of the server, without a query")
        return PrometheusCheck(url, self._headers(url), self._text("query"), above, below, no_data == "well")

    # -- values

    def _expected(self) -> tuple[str | None, ...]:
        if "expect" not in self._keys:
            return ()
        match self._keys["expect"]:
            case None:
                return (None,)
            case bool() as yes:
                return ("true" if yes else "false",)
            case int() | str() | float() as value:
                return (repr(value) if isinstance(value, float) else str(value),)
            case _:
                raise self._wrong("expect", "expected a text, a number, true, false or null")

    def _url(self, key: str) -> str:
        """People and logs may be shown where it goes: it holds nothing secret, and a complaint does not repeat it."""
        url = self._text(key)
        try:
            parts = urlsplit(url)
            fit = parts.hostname and re.fullmatch("[!-~]+", url) and parts.port != 0
        except ValueError:
            raise self._wrong(key, "not a URL") from None
        if not fit or parts.scheme not in ("http", "https") or "@" in parts.netloc or "#" in url:
            raise self._wrong(key, "expected http(s)://HOST[:PORT]/PATH, without user and fragment")
        return url

    def _headers(self, url: str) -> Headers:
        given = self._source.mapping(self._keys.get("headers"), (*self._at, "headers"))
        found = {name: self._header(name, value) for name, value in given.items()}
        parts = urlsplit(url)
        open_ = parts.scheme == "http" and not is_loopback(parts.hostname or "")
        if open_ and any(isinstance(value, Secret) for value in found.values()):
            raise self._wrong("headers", "a secret is sent over https, or to a loopback address, only")
        return found

    def _header(self, name: str, value: object) -> str | Secret:
        at = (*self._at, "headers", name)
        if not _HEADER.fullmatch(name) or name.lower() in _NOT_OURS:
            raise self._source.wrong(at, "not a header that a check may send")
        if isinstance(value, str):
            if not re.fullmatch("[ -~]*", value):
                raise self._source.wrong(at, "a header has printable ASCII only")
            return value
        try:
            return secrets.parse(value, self._folder)
        except Misconfigured as error:
            raise self._source.wrong(at, str(error)) from None

    def _number(self, key: str) -> float | None:
        """A number, or its text: the approved part of a configuration has no floats."""
        value = self._keys.get(key)
        if value is None:
            return None
        try:
            number = float(value) if type(value) in (int, float, str) else math.nan
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self._wrong(key, "expected a number")
        return number

    def _length(self, key: str, usual: timedelta, longest: timedelta) -> timedelta:
        try:
            length = durations.parse(str(self._keys[key])) if key in self._keys else usual
        except ValueError as error:
            raise self._wrong(key, str(error)) from None
        if length > longest:
            raise self._wrong(key, f"is longer than {int(longest.total_seconds())} s")
        return length

    def _name(self, usual: str) -> str:
        given = self._keys.get("name", usual)
        if not isinstance(given, str) or not NAME.fullmatch(given):
            raise self._wrong("name", "a name has small letters, digits, '.', '_' and '-', 63 at most")
        return given

    def _text(self, key: str) -> str:
        value = self._keys.get(key)
        if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_TEXT or "\0" in value:
            raise self._wrong(key, f"expected a text of {LONGEST_TEXT} characters at most")
        return value

    def _definition(self, kind: CheckKind) -> dict[str, Json]:
        return {key: _plain(self._keys[key]) for key in _OWN[kind] if key in self._keys and key != "headers"}

    def _wrong(self, key: str, what: str) -> Misconfigured:
        return self._source.wrong((*self._at, key), what)


def _plain(value: object) -> Json:
    return value if isinstance(value, str | int | bool | None) else str(value)


def keep(checks: Sequence[HealthConfig]) -> timedelta:
    """How long changes of a target with these checks are remembered."""
    return max((check.keep for check in checks), default=timedelta(0))


def can_be_run(source: Source, checks: Iterable[HealthConfig], connector: str, live: Live) -> None:
    """Raises Misconfigured when a target has a check that its connector cannot run."""
    for check in checks:
        if isinstance(check.asks, SqlCheck) and not isinstance(live, Probes):
            what = f"the connector {connector} runs no SQL: check this target by http or prometheus"
            raise source.wrong((*check.at, CheckKind.SQL.value), what)
