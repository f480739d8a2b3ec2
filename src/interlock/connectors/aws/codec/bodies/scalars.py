"""Simple values as texts: in forms, XML, headers, paths and queries.

Only the forms that the protocols' specifications name are taken ("AWS Query protocol", "AWS restXml protocol": booleans are `true`
and `false`, blobs are base64, timestamps have a format by place). What a lenient reader might still make something of is refused.
"""

import base64
import binascii
import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any

from interlock.connectors.aws.codec.request import Unclear

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})", re.ASCII)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_BOUNDS = {"integer": 2**31, "long": 2**63}
_SPECIAL = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)", re.ASCII)
_RFC822 = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))? GMT",
    re.ASCII,
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def text(value: str) -> str:
    """A text; one that has no UTF-8 form is refused."""
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unclear("a text holds half of a surrogate pair") from None
    return value


def boolean(value: str) -> bool:
    """`true` or `false`, and nothing else."""
    if value not in ("true", "false"):
        raise Unclear("a boolean is neither true nor false")
    return value == "true"


def whole(value: int, kind: str) -> int:
    """An integer that fits its type."""
    bound = _BOUNDS[kind]
    if not -bound <= value < bound:
        raise Unclear(f"a number does not fit its type ({kind})")
    return value


def integer(value: str, kind: str) -> int:
    """An integer in decimal, without a plus sign or leading zeros."""
    if not _INTEGER.fullmatch(value) or value == "-0":
        raise Unclear("a number is not written as an integer")
    return whole(int(value), kind)


def number(value: str) -> float:
    """A number with or without fraction and exponent; `NaN` and the infinities by name."""
    if value in _SPECIAL:
        return _SPECIAL[value]
    if len(value) > 400 or not _NUMBER.fullmatch(value):
        raise Unclear("a number is malformed")
    return float(value)


def special(value: str) -> float:
    """A number that JSON writes as a text."""
    if value not in _SPECIAL:
        raise Unclear("a number is written as a text")
    return _SPECIAL[value]


def blob(value: str) -> bytes:
    """Base64 (RFC 4648, section 4), with padding and without line breaks."""
    try:
        return base64.b64decode(value.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise Unclear("a blob is not base64") from None


def seconds(value: float) -> dt.datetime:
    """A point in time from seconds since 1970."""
    try:
        return _EPOCH + dt.timedelta(seconds=value)
    except (OverflowError, ValueError):
        raise Unclear("a timestamp is out of range") from None


def _iso8601(value: str) -> dt.datetime:
    found = _ISO.fullmatch(value)
    if found is None:
        raise Unclear("a timestamp is not in the form of RFC 3339")
    *parts, fraction, zone = found.groups()
    moment = _moment([int(part) for part in parts], fraction)
    if zone == "Z":
        return moment
    away = dt.timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return _shifted(moment, -away if zone[0] == "+" else away)


def _shifted(moment: dt.datetime, by: dt.timedelta) -> dt.datetime:
    try:
        return moment + by
    except OverflowError:
        raise Unclear("a timestamp is out of range") from None


def _rfc822(value: str) -> dt.datetime:
    found = _RFC822.fullmatch(value)
    if found is None or found[2] not in _MONTHS:
        raise Unclear("a timestamp is not in the form of an HTTP date")
    day, month, year, *clock, fraction = found.groups()
    return _moment([int(year), _MONTHS.index(month) + 1, int(day), *map(int, clock)], fraction)


def _moment(parts: list[int], fraction: str | None) -> dt.datetime:
    year, month, day, hour, minute, second = parts
    micro = int((fraction or "0").ljust(6, "0")[:6])
    try:
        return dt.datetime(year, month, day, hour, minute, second, micro, dt.UTC)
    except ValueError:
        raise Unclear("a timestamp is no point in time") from None


TIMESTAMPS: Mapping[str, Callable[[str], dt.datetime]] = {
    "iso8601": _iso8601,
    "rfc822": _rfc822,
    "unixtimestamp": lambda value: seconds(number(value)),
}


def timestamp(value: str, form: str) -> dt.datetime:
    """A point in time in a format that the model names (`iso8601`, `rfc822`, `unixtimestamp`)."""
    return TIMESTAMPS[form](value)


def scalar(kind: str, value: str, form: str) -> Any:
    """A simple value of a type of the model; `form` is the format of timestamps."""
    match kind:
        case "string" | "character":
            return text(value)
        case "boolean":
            return boolean(value)
        case "integer" | "long":
            return integer(value, kind)
        case "float" | "double":
            return number(value)
        case "blob":
            return blob(value)
        case "timestamp":
            return timestamp(value, form)
    raise Unclear("a simple value stands where the model has a structure")
