"""Where a PostgreSQL server is and how to reach it, from a libpq connection string.

Source: PostgreSQL manual, section 34.1 "Database Connection Control Functions". A part of libpq's options is known; others
are errors, because an option that is not heeded may be one that protects.
"""

import enum
import ipaddress
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import msgspec

from interlock.connectors.postgres.auth.scram import ChannelBinding

PasswordSource = Callable[[], str]
DEFAULT_PORT = 5432


class ConfigError(ValueError):
    """A connection string that cannot be used. The text never repeats it."""


class SslMode(enum.Enum):
    """libpq's ``sslmode``. Only the last two make sure who the server is."""

    DISABLE = "disable"
    PREFER = "prefer"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


class UpstreamConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One server, database and role. Times are seconds; paths are of PEM files.

    ``password`` is called (in a thread: it may block) for each connection. When the server refuses what it returned,
    ``password_again``, or ``password`` again, is called once, and a different answer is tried once.
    """

    host: str
    user: str
    dbname: str
    port: int = DEFAULT_PORT
    password: PasswordSource | None = None
    password_again: PasswordSource | None = None
    sslmode: SslMode = SslMode.PREFER
    sslrootcert: str | None = None
    sslcert: str | None = None
    sslkey: str | None = None
    channel_binding: ChannelBinding = ChannelBinding.PREFER
    connect_timeout: float = 10.0
    application_name: str | None = None
    options: str | None = None

    def __repr__(self) -> str:
        # Not the password sources: one may show what it holds.
        return f"UpstreamConfig({self.user!r} at {self.host!r}:{self.port}, database {self.dbname!r})"

    @property
    def is_unix(self) -> bool:
        """Whether ``host`` is the folder of a Unix socket."""
        return self.host.startswith("/")

    @property
    def verifies(self) -> bool:
        """Whether the server's certificate is verified. As for libpq, a root certificate makes ``require`` do it too."""
        if self.sslmode is SslMode.REQUIRE:
            return self.sslrootcert is not None
        return self.sslmode in (SslMode.VERIFY_CA, SslMode.VERIFY_FULL)

    @classmethod
    def parse(
        cls, dsn: str, password: PasswordSource | None = None, password_again: PasswordSource | None = None
    ) -> Self:
        """Read ``postgresql://…`` or ``host=… dbname=…``, without a password. Raises :class:`ConfigError`."""
        is_url = dsn.startswith(("postgresql://", "postgres://"))
        options = _from_url(dsn) if is_url else _from_keywords(dsn)
        return cls(password=password, password_again=password_again, **_checked(options))

    def startup_parameters(self) -> dict[str, str]:
        """What the startup packet says because of the connection string."""
        chosen = {
            "user": self.user,
            "database": self.dbname,
            "application_name": self.application_name,
            "options": self.options,
        }
        return {name: value for name, value in chosen.items() if value is not None}


def _from_url(dsn: str) -> dict[str, str]:
    try:
        parts = urlsplit(dsn)
        port = parts.port
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True) if parts.query else []
    except ValueError:
        raise ConfigError("the connection URL cannot be read") from None
    if parts.password is not None:
        raise ConfigError("the connection string holds a password: give it as `password` instead")
    if parts.fragment:
        raise ConfigError("the connection URL has a fragment: write # as %23")
    if "," in parts.netloc:
        raise ConfigError("several hosts are not supported: name one")
    options = {
        "host": unquote(_host(parts)),
        "port": str(port) if port is not None else "",
        "user": unquote(parts.username or ""),
        "dbname": unquote(parts.path.removeprefix("/")),
    }
    options = {name: value for name, value in options.items() if value}
    for name, value in query:
        if name in options:
            raise ConfigError(f"the option {name} is given twice")
        options[name] = value
    return options


def _host(parts: SplitResult) -> str:
    """The host as it is written: ``hostname`` may be in lower case, which the path of a socket must not be."""
    lower = (parts.hostname or "").lower()
    written = parts.netloc.rpartition("@")[2]
    start = written.lower().find(lower)
    return written[start : start + len(lower)]


def _from_keywords(dsn: str) -> dict[str, str]:
    options: dict[str, str] = {}
    rest = dsn.strip()
    while rest:
        name, equals, rest = rest.partition("=")
        name = name.strip()
        if not equals or not name.isidentifier():
            raise ConfigError("the connection string is neither a URL nor a list of name=value")
        if name in options:
            raise ConfigError(f"the option {name} is given twice")
        options[name], rest = _keyword_value(rest.lstrip())
        rest = rest.lstrip()
    return options


def _keyword_value(text: str) -> tuple[str, str]:
    """The value that ``text`` begins with, and what follows: quoted by ', escaped by a backslash."""
    quoted = text.startswith("'")
    value: list[str] = []
    characters = iter(enumerate(text[1:] if quoted else text, start=int(quoted)))
    for position, character in characters:
        if character == "\\":
            position, character = next(characters, (position, ""))
            value.append(character)
        elif character == "'" if quoted else character.isspace():
            return "".join(value), text[position + 1 :]
        else:
            value.append(character)
    if quoted:
        raise ConfigError("a quote in the connection string is not closed")
    return "".join(value), ""


def _choice(kind: type[enum.Enum], name: str) -> Callable[[str], Any]:
    def read(value: str) -> Any:
        try:
            return kind(value)
        except ValueError:
            known = ", ".join(str(member.value) for member in kind)
            raise ConfigError(f"{name} must be one of {known}") from None

    return read


def _port(value: str) -> int:
    if not (value.isascii() and value.isdigit() and 0 < int(value) < 65536):
        raise ConfigError("port must be a number from 1 to 65535")
    return int(value)


def _timeout(value: str) -> float:
    if not (value.isascii() and value.isdigit() and int(value) > 0):
        raise ConfigError("connect_timeout must be a number of seconds")
    return float(value)


_READERS: dict[str, Callable[[str], Any]] = {
    "host": str,
    "port": _port,
    "user": str,
    "dbname": str,
    "sslmode": _choice(SslMode, "sslmode"),
    "sslrootcert": str,
    "sslcert": str,
    "sslkey": str,
    "channel_binding": _choice(ChannelBinding, "channel_binding"),
    "connect_timeout": _timeout,
    "application_name": str,
    "options": str,
}


def _checked(options: dict[str, str]) -> dict[str, Any]:
    if "password" in options:
        raise ConfigError("the connection string holds a password: give it as `password` instead")
    for name, value in options.items():
        if name not in _READERS:
            raise ConfigError(f"the connection option {name} is not supported")
        if "\0" in value:
            raise ConfigError(f"the connection option {name} contains NUL")
    for name in ("host", "user"):
        if not options.get(name):
            raise ConfigError(f"the connection string names no {name}")
    if "," in options["host"]:
        raise ConfigError("several hosts are not supported: name one")
    options["dbname"] = options.get("dbname") or options["user"]
    read = {name: _READERS[name](value) for name, value in options.items()}
    _check_verification(read.get("sslmode"), read.get("sslrootcert"))
    return read


def _check_verification(mode: SslMode | None, root: str | None) -> None:
    """Anybody can have a certificate that the system trusts: only together with the host's name does it say who it is."""
    if root == "system" and mode is not SslMode.VERIFY_FULL:
        raise ConfigError("sslrootcert=system needs sslmode=verify-full")
    if root is None and mode is SslMode.VERIFY_CA:
        raise ConfigError("sslmode=verify-ca needs sslrootcert")


def stays_inside(address: Any) -> bool:
    """Whether what is sent to a resolved socket address (a path, or host and port) stays inside the machine."""
    return isinstance(address, str) or ipaddress.ip_address(address[0].partition("%")[0]).is_loopback
