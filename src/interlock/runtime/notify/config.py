"""`notify:` of the configuration: which channels there are, and what each is told.

An address may hold a secret (most of Apprise's do): no complaint repeats it, and channels are known by their name.
"""

import re
from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import msgspec

from interlock.control.deciding.quorum import EVERYONE
from interlock.model.errors import Misconfigured
from interlock.model.message import Event
from interlock.model.people import Quorum
from interlock.runtime.config import durations, secrets
from interlock.runtime.config.addresses import is_loopback
from interlock.runtime.config.secrets import Secret
from interlock.runtime.config.yaml_source import Key, Source
from interlock.runtime.notify.words import Note

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}", re.ASCII)
EVENTS = tuple(e.value for e in Event if e not in (Event.TEST, Event.DIGEST))
"""What a channel may choose."""
_WHAT = ("name", "groups", "environments", "events", "digest")
_OF_ALL = (Event.BREAKER, Event.FREEZE, Event.HALT, Event.HEALTH)
"""What concerns people of all groups."""
_LONGEST_DIGEST = timedelta(days=1)

Address: TypeAlias = str | Secret


class Wants(msgspec.Struct, frozen=True):
    """What a channel is told: of changes that wait for one of `groups`, in one of `environments`, of `events`; empty means all.
    With `digest`, what comes within that time comes as one."""

    groups: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    digest: timedelta | None = None

    def takes(self, note: Note) -> bool:
        """Whether it is told this. What is urgent goes everywhere."""
        if note.urgent:
            return True
        here = not self.environments or not note.environment or note.environment in self.environments
        theirs = not self.groups or note.event in _OF_ALL or bool({*self.groups, EVERYONE} & set(note.groups))
        return here and theirs and (not self.events or note.event in self.events)


class AppriseConfig(msgspec.Struct, frozen=True):
    """A channel by the library Apprise. `url` is one of its addresses."""

    name: str
    url: Address
    wants: Wants

    def __repr__(self) -> str:
        return f"AppriseConfig({self.name})"


class WebhookConfig(msgspec.Struct, frozen=True):
    """An address that is sent signed JSON (standardwebhooks.com)."""

    name: str
    url: Address
    secret: Secret
    wants: Wants

    def __repr__(self) -> str:
        return f"WebhookConfig({self.name})"


ChannelConfig: TypeAlias = AppriseConfig | WebhookConfig


def read(
    source: Source,
    value: object,
    folder: Path,
    environments: Collection[str],
    quorums: Mapping[str, Quorum],
) -> tuple[ChannelConfig, ...]:
    """All channels. Raises Misconfigured with file, line and key, never repeating an address."""
    if not isinstance(value, list):
        raise source.wrong(("notify",), "expected a list")
    reader = _Reader(source, folder, environments, {group for q in quorums.values() for group in q.groups})
    found: dict[str, ChannelConfig] = {}
    for place, item in enumerate(value):
        at = ("notify", str(place))
        channel = reader.channel(item, at, place + 1)
        if channel.name in found:
            raise source.wrong((*at, "name"), "another channel has that name")
        found[channel.name] = channel
    return tuple(found.values())


class _Reader:
    def __init__(
        self, source: Source, folder: Path, environments: Collection[str], groups: Collection[str]
    ) -> None:
        self._source, self._folder = source, folder
        self._environments, self._groups = environments, groups

    def channel(self, item: object, at: Key, place: int) -> ChannelConfig:
        if isinstance(item, str):
            url = self._apprise(item, at)
            return AppriseConfig(f"{place}-{_scheme(url)}", url, Wants())
        keys = self._source.mapping(item, at)
        self._source.known(keys, ("url", "webhook", "secret", *_WHAT), at)
        if keys.keys() & {"url", "webhook", "secret"} == {"url"}:
            url = self._apprise(keys["url"], (*at, "url"))
            return AppriseConfig(self._name(keys, at, f"{place}-{_scheme(url)}"), url, self._wants(keys, at))
        if keys.keys() & {"url", "webhook", "secret"} != {"webhook", "secret"}:
            raise self._source.wrong(
                at, "a channel is a URL of Apprise, {url: …}, or {webhook: …, secret: SECRET}"
            )
        address = self._webhook(keys["webhook"], (*at, "webhook"))
        secret = self._secret(keys["secret"], (*at, "secret"))
        return WebhookConfig(self._name(keys, at, f"{place}-webhook"), address, secret, self._wants(keys, at))

    # -- addresses

    def _apprise(self, value: object, at: Key) -> Address:
        if not isinstance(value, str):
            return self._secret(value, at)
        # One address for each channel: Apprise itself would take several, parted by commas or blanks.
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s]*", value):
            raise self._source.wrong(at, "expected SERVICE://…, an address of Apprise")
        return secrets.remember(value)

    def _webhook(self, value: object, at: Key) -> Address:
        if not isinstance(value, str):
            return self._secret(value, at)
        if why := unfit(value):
            raise self._source.wrong(at, why)
        return secrets.remember(value)

    def _secret(self, value: object, at: Key) -> Secret:
        try:
            return secrets.parse(value, self._folder)
        except Misconfigured as error:
            raise self._source.wrong(at, str(error)) from None

    # -- the rest

    def _name(self, keys: Mapping[str, Any], at: Key, usual: str) -> str:
        given = keys.get("name", usual)
        if not isinstance(given, str) or not NAME.fullmatch(given):
            raise self._source.wrong(
                (*at, "name"), "a name has small letters, digits, '.', '_' and '-', 63 at most"
            )
        return given

    def _wants(self, keys: Mapping[str, Any], at: Key) -> Wants:
        events = self._some(keys, at, "events", EVENTS)
        return Wants(
            self._some(keys, at, "groups", self._groups),
            self._some(keys, at, "environments", self._environments),
            tuple(Event(e) for e in events),
            self._digest(keys["digest"], (*at, "digest")) if "digest" in keys else None,
        )

    def _some(self, keys: Mapping[str, Any], at: Key, key: str, known: Collection[str]) -> tuple[str, ...]:
        """A list of known words; it may not be empty, for that would mean all."""
        if key not in keys:
            return ()
        given = keys[key]
        if not isinstance(given, list) or not given or not all(isinstance(w, str) for w in given):
            raise self._source.wrong((*at, key), "expected a list of words, at least one")
        for place, word in enumerate(given):
            if word not in known:
                words = ", ".join(sorted(known)) or "none"
                raise self._source.wrong((*at, key, str(place)), f"there is no {word!r} (known: {words})")
        return tuple(dict.fromkeys(given))

    def _digest(self, value: object, at: Key) -> timedelta:
        try:
            length = durations.parse(str(value))
        except ValueError as error:
            raise self._source.wrong(at, str(error)) from None
        if length > _LONGEST_DIGEST:
            raise self._source.wrong(at, "a digest collects for a day at most")
        return length


def _scheme(url: Address) -> str:
    """What names an Apprise channel that has no name: its service, or that it is one."""
    scheme = url.partition("://")[0].lower() if isinstance(url, str) else "apprise"
    return re.sub(r"[^a-z0-9_.-]", "-", scheme)[:40]


def unfit(url: str) -> str:
    """Why this is no address for a webhook; empty when it is one. It does not repeat the address."""
    try:
        parts = urlsplit(url)
        host, fit = parts.hostname or "", re.fullmatch("[!-~]+", url) and parts.port != 0
    except ValueError:
        return "not a URL"
    if not (host and fit) or parts.scheme not in ("http", "https") or set("@#") & set(url):
        return "expected https://HOST[:PORT]/PATH, without user and fragment"
    if parts.scheme == "http" and not is_loopback(host):
        return "plain http is accepted for a loopback address only"
    return ""
