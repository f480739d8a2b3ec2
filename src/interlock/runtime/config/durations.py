"""Lengths of time as people write them: `90s`, `30m`, `8h`, `30d`, `2w`."""

import re
from datetime import timedelta

_FORM = re.compile(r"([0-9]{1,9})([smhdw])", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
LONGEST = timedelta(days=3660)


def parse(text: str) -> timedelta:
    """The length of time; ValueError for anything that is not a whole number above 0 and one unit, or beyond ten years."""
    found = _FORM.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is not a length of time like 90s, 30m, 8h or 7d")
    seconds = int(found[1]) * _UNITS[found[2]]
    if not 0 < seconds <= LONGEST.total_seconds():
        raise ValueError(f"{text!r} is not a length of time between a second and ten years")
    return timedelta(seconds=seconds)
