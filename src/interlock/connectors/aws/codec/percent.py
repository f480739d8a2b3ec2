"""Percent-encoding (RFC 3986, section 2.1), read strictly."""

import re
from urllib.parse import unquote_to_bytes

from interlock.connectors.aws.codec.request import Unclear

_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})")


def decoded(value: str, plus: bool = False) -> str:
    """The text that `value` stands for; with `plus`, a plus sign is a space, as in forms."""
    if not value.isascii():
        raise Unclear("a name or value is not percent-encoded")
    if plus:
        value = value.replace("+", " ")
    if "%" not in value:
        return value
    if _BROKEN.search(value):
        raise Unclear("a percent sign is not followed by two hexadecimal digits")
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        raise Unclear("a name or value is not UTF-8") from None
