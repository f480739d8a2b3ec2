"""Channels by the library Apprise: chats, mail, pagers and a hundred more, each by one address.

Its logs are turned off, for they may quote addresses and answers; texts are handed over as plain text, so that it escapes them for
services that read markup.
"""

import logging
import re
from typing import Any

from interlock.model.message import Event, Message
from interlock.runtime.config.addresses import is_loopback
from interlock.runtime.notify.channels.errors import NotTaken, Unfit
from interlock.runtime.notify.channels.once import Once
from interlock.runtime.notify.config import Address

_SILENT = logging.CRITICAL + 1


class Apprised:
    """See the module."""

    def __init__(self, address: Address) -> None:
        self._address = Once(address)
        if isinstance(address, str):
            _service(address)  # who cannot be told anything shall know when the server starts

    def send(self, message: Message, now: float) -> None:
        try:
            self._send(message)
        except NotTaken:
            self._address.forget()
            raise

    def _send(self, message: Message) -> None:
        from apprise import Apprise, NotifyFormat, NotifyType

        kind = NotifyType.WARNING if message.event is Event.BREAK_GLASS else NotifyType.INFO
        sender = Apprise(asset=_asset())
        sender.add(self._found(self._address()))
        try:
            result = sender.notify(
                body=message.text,
                title=f"Interlock: {message.event.value.replace('_', ' ')}",
                notify_type=kind,
                body_format=NotifyFormat.TEXT,
                interpret_escapes=False,
            )
        except Exception as error:  # noqa: BLE001  # over a hundred services: whatever one raises means that it was not taken
            raise NotTaken(f"the service failed ({type(error).__name__})") from None
        if not result:
            raise NotTaken("the service did not take it")

    def doubt(self) -> str:
        url = self._address()
        service, scheme = self._found(url), url.partition("://")[0].lower()
        host = str(getattr(service, "host", "") or "")
        plain = not service.secure and scheme in _schemes(service.protocol) - _schemes(
            service.secure_protocol
        )
        if plain and service.secure_protocol and host and not is_loopback(host):
            return (
                f"what is sent there can be read on the way: use {min(_schemes(service.secure_protocol))}://"
            )
        return ""

    def _found(self, url: str) -> Any:
        try:
            return _service(url)
        except Unfit as error:
            raise NotTaken(str(error)) from None


def _service(url: str) -> Any:
    """The service that an address names. Raises Unfit."""
    from apprise import Apprise

    logging.getLogger("apprise").setLevel(_SILENT)
    service = None if re.search(r"\s", url) else Apprise.instantiate(url, asset=_asset())
    if service is None:
        raise Unfit("Apprise knows no such service, or the address lacks something")
    return service


def _schemes(given: object) -> frozenset[str]:
    """Of a plug-in's `protocol`: one, several or none."""
    if given is None:
        return frozenset()
    return frozenset([given] if isinstance(given, str) else map(str, given))  # type: ignore[call-overload]


def _asset() -> Any:
    """How Apprise is to behave: nothing on disk, no pictures from elsewhere, no redirects, no emoji, names that say who we are."""
    from apprise import AppriseAsset
    from apprise.common import PersistentStoreMode

    return AppriseAsset(
        app_id="Interlock",
        app_desc="Interlock",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        storage_mode=PersistentStoreMode.MEMORY,
        http_redirects=False,
        interpret_emojis=False,
        interpret_escapes=False,
        secure_logging=True,
        allow_templates=False,
        service_timeout=0,  # with one, it sends in threads that all channels share and the process waits for
    )
