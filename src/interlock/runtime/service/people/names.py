"""Names that people choose, and who did something."""

import re

from interlock.model.errors import Rejected

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}", re.ASCII)


def name(text: str, what: str) -> str:
    """A name for an agent, a person or a group; Rejected when it is none. They stand in addresses, scopes and policies."""
    if not _NAME.fullmatch(text):
        raise Rejected(f"a name of {what} has small letters, digits, '.', '_' and '-', 63 at most")
    return text


def person_of(by: str) -> str:
    """The person's own name where a person asked; otherwise who asked, as written. P4 compares people with it."""
    return by.removeprefix("person/").removeprefix("session/")


def is_person(by: str) -> bool:
    """Whether a person asked, by a request that they signed or at a browser."""
    return by.startswith(("person/", "session/"))


def sentence(text: str, what: str) -> str:
    """A reason that someone must give."""
    clean = text.strip()
    if not clean or len(clean) > 500:
        raise Rejected(f"{what} needs a reason of 500 characters at most")
    return clean
