"""A webhook of our own sending, signed as standardwebhooks.com says (specification, "Webhook headers" and "Signature scheme").

    webhook-id         the message's id: the same each time that it is tried
    webhook-timestamp  Unix seconds of this try
    webhook-signature  v1, and base64 of HMAC-SHA-256 over `id.timestamp.body`

The answer's status is all that is looked at: 2xx is taken, everything else (redirects too) is not.
"""

import base64
import binascii
import contextlib
import hmac
import http.client
from urllib.parse import urlsplit

import msgspec

from interlock.control.deciding.approval import rfc3339
from interlock.model.message import Message
from interlock.runtime.config.secrets import Secret
from interlock.runtime.notify.channels.errors import NotTaken
from interlock.runtime.notify.channels.once import Once
from interlock.runtime.notify.config import Address, unfit
from interlock.runtime.witnessing.posting import connection, no_longer_than

TIMEOUT, LONGEST = 10.0, 20.0
"""Seconds that each step of a request may take, and all of them."""
PREFIX = "whsec_"
SHORTEST, LONGEST_KEY = 24, 64
"""Bytes of a secret (specification, "Secret")."""


class Webhook:
    """See the module."""

    def __init__(self, address: Address, secret: Secret) -> None:
        self._address, self._secret = Once(address), Once(secret)

    def send(self, message: Message, now: float) -> None:
        try:
            self._send(message, now)
        except NotTaken:
            # Read again next time: they may have been changed.
            self._address.forget()
            self._secret.forget()
            raise

    def _send(self, message: Message, now: float) -> None:
        url, key = self._url(), key_of(self._secret())
        data = body(message)
        headers = {"Content-Type": "application/json", "User-Agent": "Interlock"}
        try:
            status = _post(url, data, {**headers, **signature(key, message.id, int(now), data)})
        except _FAILURES as error:
            # Not their text, which may hold the address or what the other side sent.
            raise NotTaken(f"does not answer as it should ({type(error).__name__})") from None
        if not 200 <= status <= 299:
            # What is wrong with one message need not be with the next.
            content = 400 <= status <= 499 and status not in (401, 403, 404, 408, 410, 425, 429)
            raise NotTaken(f"answers HTTP {status}", unreached=not content)

    def doubt(self) -> str:
        key_of(self._secret())
        parts = urlsplit(self._url())
        opened = connection(parts.scheme, parts.hostname or "", parts.port, TIMEOUT)
        try:
            with contextlib.closing(opened):
                opened.connect()
        except _FAILURES as error:
            return f"it cannot be reached ({type(error).__name__})"
        return ""  # plain http is for loopback only

    def _url(self) -> str:
        url = self._address()
        if why := unfit(url):
            raise NotTaken(f"its address cannot be used: {why}")
        return url


_FAILURES = (OSError, http.client.HTTPException, UnicodeError)


def key_of(secret: str) -> bytes:
    """The key of a secret `whsec_BASE64`. Raises NotTaken for anything else, without repeating it."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise NotTaken(f"its secret is not {PREFIX} and base64") from None
    if not secret.startswith(PREFIX) or not SHORTEST <= len(key) <= LONGEST_KEY:
        raise NotTaken(f"its secret is not {PREFIX} and base64 of {SHORTEST} to {LONGEST_KEY} random bytes")
    return key


def signature(key: bytes, message_id: str, at: int, data: bytes) -> dict[str, str]:
    """The headers of one try."""
    signed = hmac.digest(key, b"%b.%d.%b" % (message_id.encode(), at, data), "sha256")
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


def body(message: Message) -> bytes:
    """What is sent: the same each time."""
    data = {"text": message.text, **message.data}
    at = rfc3339(message.queued_at)
    return msgspec.json.encode({"type": f"interlock.{message.event.value}", "timestamp": at, "data": data})


def _post(url: str, data: bytes, headers: dict[str, str]) -> int:
    parts = urlsplit(url)
    where = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    opened = connection(parts.scheme, parts.hostname or "", parts.port, TIMEOUT)
    with contextlib.closing(opened):
        opened.connect()
        with no_longer_than(LONGEST, opened.sock):
            opened.request("POST", where, data, headers)
            return opened.getresponse().status
