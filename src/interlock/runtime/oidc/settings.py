"""`oidc:` of the configuration: the provider, and what its groups are called here."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from interlock.model.errors import Misconfigured
from interlock.runtime.config import secrets
from interlock.runtime.config.addresses import is_loopback
from interlock.runtime.config.secrets import Secret
from interlock.runtime.config.yaml_source import Key, Source

ADMIN = "admin"
_AT: Key = ("oidc",)
_KEYS = ("issuer", "client_id", "client_secret", "name", "scopes", "groups_claim", "groups", "trust_groups")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}", re.ASCII)
_SCOPE = re.compile(r"[!#-\[\]-~]{1,100}", re.ASCII)
"""RFC 6749 appendix A.4."""
LONGEST = 256
"""Most characters of a client's id, a claim's name or a group of the provider's."""


class Oidc(msgspec.Struct, frozen=True):
    """A provider. `groups` are ours by the provider's own names; the claim `groups_claim` has the latter. With `trust_groups` a
    login can also give groups; without, it can only withhold what somebody was given here."""

    issuer: str
    client_id: str
    client_secret: Secret
    name: str = "Company login"
    scopes: tuple[str, ...] = ("openid", "profile")
    groups_claim: str = ""
    groups: Mapping[str, str] = {}  # msgspec copies mutable defaults
    trust_groups: bool = False

    @property
    def mapped(self) -> frozenset[str]:
        """Groups of ours that the provider speaks of."""
        return frozenset(self.groups.values())


def read(source: Source, value: object, folder: Path, public_url: str) -> Oidc | None:
    """What is configured; None when nothing is. Raises Misconfigured."""
    if value is None:
        return None
    keys = source.mapping(value, _AT)
    source.known(keys, _KEYS, _AT)
    for needed in ("issuer", "client_id", "client_secret"):
        if needed not in keys:
            raise source.wrong(_AT, f"the key {needed!r} is missing")
    _has_a_name(source, public_url)
    groups = _groups(source, keys.get("groups"))
    trusted = keys.get("trust_groups", False)
    if not isinstance(trusted, bool):
        raise source.wrong((*_AT, "trust_groups"), "expected true or false")
    if trusted and ADMIN in groups.values():
        raise source.wrong(
            (*_AT, "groups"),
            f"with trust_groups, {ADMIN!r} is not the provider's to give: admins decide who is one",
        )
    if bool(groups) != ("groups_claim" in keys):
        raise source.wrong(_AT, "groups and groups_claim belong together")
    return Oidc(
        issuer=_issuer(source, keys["issuer"]),
        client_id=_text(source, keys["client_id"], (*_AT, "client_id")),
        client_secret=_secret(source, keys["client_secret"], folder),
        name=_label(source, keys.get("name", "Company login")),
        scopes=_scopes(source, keys.get("scopes", ["openid", "profile"])),
        groups_claim=_text(source, keys["groups_claim"], (*_AT, "groups_claim")) if groups else "",
        groups=groups,
        trust_groups=trusted,
    )


def is_endpoint(url: str, *, plain: bool, query: bool = False) -> bool:
    """Whether it is an address that we speak to: https, or with `plain` http at a loopback address; never with a user or a
    fragment, with a query only where one may be."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not re.fullmatch("[!-~]{1,2000}", url) or not host or port == 0 or set("@#\\") & set(url):
        return False
    if "?" in url and not query:
        return False
    return parts.scheme == "https" or (plain and parts.scheme == "http" and is_loopback(host))


def _issuer(source: Source, value: object) -> str:
    issuer = _text(source, value, (*_AT, "issuer"))
    if not is_endpoint(issuer, plain=True):
        raise source.wrong(
            (*_AT, "issuer"),
            "expected https://HOST[:PORT][/PATH], without user, query and fragment (http for a loopback address only)",
        )
    return issuer


def _has_a_name(source: Source, public_url: str) -> None:
    """The console's cookies and passkeys need one (`entrance.NO_SITE`)."""
    from interlock.control.deciding.passkey import (
        site_of,  # brings a library that the command line does without
    )

    if site_of(public_url) is None:
        raise source.wrong(
            _AT, "logins need the console at a name with TLS, or at localhost: set api.public_url"
        )


def _groups(source: Source, value: object) -> Mapping[str, str]:
    at = (*_AT, "groups")
    found = {}
    for theirs, ours in source.mapping(value, at).items():
        if not theirs or len(theirs) > LONGEST:
            raise source.wrong((*at, theirs), f"a group of the provider's has {LONGEST} characters at most")
        if not isinstance(ours, str) or not _NAME.fullmatch(ours):
            raise source.wrong((*at, theirs), "expected a group: small letters, digits, '.', '_' and '-'")
        found[theirs] = ours
    return found


def _scopes(source: Source, value: object) -> tuple[str, ...]:
    at = (*_AT, "scopes")
    if not isinstance(value, list) or not all(isinstance(v, str) and _SCOPE.fullmatch(v) for v in value):
        raise source.wrong(at, "expected a list of scopes, as [openid, profile]")
    if "openid" not in value:
        raise source.wrong(at, "the scope 'openid' is missing")
    return tuple(dict.fromkeys(value))


def _label(source: Source, value: object) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 40 or not value.isprintable():
        raise source.wrong((*_AT, "name"), "expected a short text: it stands on a button")
    return value.strip()


def _text(source: Source, value: object, at: Key) -> str:
    if not isinstance(value, str) or not re.fullmatch(f"[ -~]{{1,{LONGEST}}}", value):
        raise source.wrong(at, f"expected a text of printable ASCII, {LONGEST} characters at most")
    return value


def _secret(source: Source, value: object, folder: Path) -> Secret:
    try:
        return secrets.parse(value, folder)
    except Misconfigured as error:
        raise source.wrong((*_AT, "client_secret"), str(error)) from None
