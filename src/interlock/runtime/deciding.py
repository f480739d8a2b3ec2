"""`reviews:` of the configuration (`control.haste`)."""

from datetime import timedelta

import msgspec

from interlock.control.haste import Reviews
from interlock.runtime import durations
from interlock.runtime.yaml_source import Key, Source


def reviews(source: Source, value: object) -> Reviews:
    """How quickly people may approve; what is not given is as it is by default. Raises Misconfigured."""
    at: Key = ("reviews",)
    keys = source.mapping(value, at)
    source.known(keys, Reviews.__struct_fields__, at)
    given: dict[str, object] = {
        name: number(source, keys[name], (*at, name), 1 if name == "per_hour" else 0)
        for name in ("per_hour", "median_s", "slowed_s")
        if name in keys
    }
    if "remind" in keys:
        given["remind"] = _length(source, keys["remind"], (*at, "remind"))
    return msgspec.structs.replace(Reviews(), **given)


def number(source: Source, value: object, at: Key, least: int) -> int:
    """A whole number. Raises Misconfigured."""
    if type(value) is not int or value < least:
        raise source.wrong(at, f"expected a whole number of {least} or more, not {value!r}")
    return value


def _length(source: Source, value: object, at: Key) -> timedelta:
    try:
        return durations.parse(str(value))
    except ValueError as error:
        raise source.wrong(at, str(error)) from None
