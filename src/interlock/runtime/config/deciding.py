"""`reviews:` and `break_glass:` of the configuration (`control.deciding.haste`, `control.deciding.break_glass`)."""

from datetime import timedelta

import msgspec

from interlock.control.deciding.break_glass import Rules
from interlock.control.deciding.haste import Reviews
from interlock.runtime.config import durations
from interlock.runtime.config.yaml_source import Key, Source

LONGEST = 240
"""Most minutes that the configuration may allow for break-glass."""


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


def break_glass(source: Source, value: object) -> Rules:
    """Who may break the glass: nobody unless they are named. Raises Misconfigured."""
    at: Key = ("break_glass",)
    keys = source.mapping(value, at)
    source.known(keys, ("people", "minutes"), at)
    people = keys.get("people", [])
    if not isinstance(people, list) or not all(isinstance(name, str) and name for name in people):
        raise source.wrong((*at, "people"), "expected a list of names of people")
    minutes = number(source, keys.get("minutes", Rules().minutes), (*at, "minutes"), 1)
    if minutes > LONGEST:
        raise source.wrong((*at, "minutes"), f"the glass stays broken for {LONGEST} minutes at most")
    return Rules(tuple(people), minutes)


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
