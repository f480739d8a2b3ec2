"""Names that an agent may have chosen, made fit for chats, mails and pagers.

A channel may read markup in a text, make links of what looks like an address, call people by `@`, and draw `:smile:`. What the
name of a table says shall do none of it on any of them, whatever each escapes by itself: only letters, digits and a few harmless
signs are left, `.` and `:` become signs that look like them and make neither a domain nor a scheme, and all else is shown as
`model.visible` shows what hides. The console has the exact names.
"""

import re

from interlock.model.visible import CLOSE, MARK, OPEN, visible

LONGEST = 60
"""Most signs of a name."""

_INSTEAD = {".": "·", ":": "∶"}
_HARMLESS = frozenset("_-/ ,=+")
# Beside those that stand for others: what IDNA reads as a dot (RFC 3490 section 3.1).
_IMITATING = frozenset("·∶\u3002\uff0e\uff61")
_PARTS = re.compile(rf"{MARK.pattern}|.", re.DOTALL)


def name(text: str) -> str:
    """A name as messages show it; in quotes unless it is one plain word, so that it cannot be read as a part of the sentence."""
    shown = [_sign(part) for part in _PARTS.findall(visible(text))]
    cut = "".join(shown if len(shown) <= LONGEST else [*shown[: LONGEST - 1], "…"])
    return cut if re.fullmatch(r"[\w·∶/-]+…?", cut) else f'"{cut}"'


def _sign(part: str) -> str:
    if len(part) > 1:
        return part
    if part in _INSTEAD:
        return _INSTEAD[part]
    if part in _IMITATING or not (part.isalnum() or part in _HARMLESS):
        return f"{OPEN}U+{ord(part):04X}{CLOSE}"
    return part
