"""Lengths of time as people write them: `90s`, `30m`, `8h`, `30d`, `2w`."""

import re
from datetime import timedelta

_FORM = re.compile(r"([0-9]{1,9})([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
LONGEST = timedelta(days=3660)


def parse(text: str) -> timedelta:
    """The length of time; ValueError for anything that is not a whole number above 0 and one unit, or beyond ten years."""
    found = _FORM.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is not a length of time like 90s, 30m, 8h or 7d")
    length = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if not timedelta(0) < length <= LONGEST:
        raise ValueError(f"{text!r} is not a length of time between a second and ten years")
    return length
