"""Change ids: `CHG-` and eight characters of Crockford's base 32, sortable by time.

Eight characters hold 40 bits: milliseconds since 2025 for 34 years. Uniqueness is the store's: it takes the next free one.
"""

import re
from datetime import UTC, datetime, timedelta

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
PATTERN = re.compile(r"CHG-[0-9A-HJKMNP-TV-Z]{8}")


def change_number(at: datetime) -> int:
    """Milliseconds from 2025 to `at`."""
    return (at - EPOCH) // timedelta(milliseconds=1)


def change_id(number: int) -> str:
    """The id of a number; ValueError outside 0 … 2**40 - 1."""
    if not 0 <= number < 1 << 40:
        raise ValueError("a change number has 40 bits")
    return "CHG-" + "".join(ALPHABET[number >> shift & 31] for shift in range(35, -1, -5))


def number_of(canonical: str) -> int:
    """The number of an id in its canonical form; inverse of `change_id`."""
    number = 0
    for letter in canonical.removeprefix("CHG-"):
        number = number << 5 | ALPHABET.index(letter)
    return number


def time_of(canonical: str) -> datetime:
    """The time in an id: when the change was asked for, or a little later in a burst."""
    return EPOCH + timedelta(milliseconds=number_of(canonical))


BEFORE_ALL, AFTER_ALL = "CHG-", "CHG-ZZZZZZZZZ"
"""Texts that are less and more than every id."""


def first_id(at: datetime) -> str:
    """What no id of an earlier time reaches, and every other does: for ranges."""
    # Rounded up: an id's time is a whole millisecond.
    number = -((EPOCH - at) // timedelta(milliseconds=1))
    if number <= 0:
        return BEFORE_ALL
    return change_id(number) if number < 1 << 40 else AFTER_ALL


def parse_change_id(text: str) -> str:
    """The id in its canonical form, from what a person typed; ValueError when it is none."""
    typed = text.strip().upper().replace("O", "0").replace("I", "1").replace("L", "1")
    if not typed.startswith("CHG-"):
        typed = f"CHG-{typed}"
    if not PATTERN.fullmatch(typed):
        raise ValueError(f"{text!r} is not a change id (CHG- and eight characters)")
    return typed
