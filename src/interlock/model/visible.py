"""Text that people are about to sign, with everything visible that hides, reorders or imitates.

What a terminal shows need not be what a server runs: control characters erase, bidirectional ones reorder (Unicode
Technical Report 36 section 2.10; "Trojan Source", CVE-2021-42574), invisible ones split words, and letters of other scripts
look like ASCII (Unicode Technical Standard 39). Each such character is shown as its code point, `⟨U+202E⟩`. The
notation's own brackets are shown that way too, so that no text can imitate it: the mapping can be undone exactly.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

from interlock.model.base import Value

OPEN, CLOSE = "⟨", "⟩"
MARK = re.compile(rf"{OPEN}U\+[0-9A-F]{{4,6}}{CLOSE}")
"""What a code point looks like in the result."""

_HIDING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_REORDERING = frozenset({"R", "AL", "AN", "RLE", "LRE", "RLO", "LRO", "PDF", "RLI", "LRI", "FSI", "PDI"})
# Default_Ignorable_Code_Point and blank glyphs whose category alone does not tell that nothing is drawn.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0\ufffc")
_VARIATION = (range(0xFE00, 0xFE10), range(0xE0000, 0xE1000))
_MARKS = frozenset({"Mn", "Me"})
_WORD = re.compile(r"\w+")


class Oddity(Value, frozen=True):
    """How many characters of a sort a text has: `control`, `invisible`, `reordering`, `look-alike` or `notation`."""

    sort: str
    count: int


def visible(text: str) -> str:
    """The text with each character that hides, reorders or imitates as `⟨U+XXXX⟩`. Newlines and tabs stay."""
    return "".join(f"{OPEN}U+{ord(char):04X}{CLOSE}" if sort else char for char, sort in _sorted(text))


def hidden_from(shown: str) -> str:
    """The text that `visible` showed; `hidden_from(visible(text)) == text` for every text."""
    return MARK.sub(lambda found: chr(int(found[0][3:-1], 16)), shown)


def oddities(text: str) -> tuple[Oddity, ...]:
    """What `visible` would mark, counted by sort; empty for a text that is what it looks like."""
    counts: dict[str, int] = {}
    for _, sort in _sorted(text):
        if sort:
            counts[sort] = counts.get(sort, 0) + 1
    return tuple(Oddity(sort, count) for sort, count in sorted(counts.items()))


def _sorted(text: str) -> Iterator[tuple[str, str]]:
    """Each character with the sort of oddity it is, or an empty word."""
    imitating = _imitating(text)
    for place, char in enumerate(text):
        before = text[max(0, place - 2) : place]
        yield char, _sort(char, before) or ("look-alike" if place in imitating else "")


def _sort(char: str, before: str) -> str:
    if " " <= char <= "~" or char in "\n\t":
        return ""
    if char in (OPEN, CLOSE):
        return "notation"
    if unicodedata.bidirectional(char) in _REORDERING:
        return "reordering"
    category = unicodedata.category(char)
    if category == "Cc":
        return "control"
    if category in _HIDING or category == "Zs" or char in _BLANK or any(ord(char) in r for r in _VARIATION):
        return "invisible"
    if category not in _MARKS:
        return ""
    # A mark on ASCII makes a twin of a letter that has a code point of its own (e + U+0301 and é); piles of them cover text.
    piled = len(before) > 1 and all(unicodedata.category(c) in _MARKS for c in before)
    return "look-alike" if before[-1:].isascii() or piled else ""


def _imitating(text: str) -> frozenset[int]:
    """Places of characters that can be taken for ASCII: every symbol that can; a letter only where its word mixes it with
    ASCII, or consists of nothing else, so that ordinary words of other languages stay readable."""
    if text.isascii():
        return frozenset()
    places = {i for i, char in enumerate(text) if _like_ascii(char) and not _WORD.fullmatch(char)}
    for word in _WORD.finditer(text):
        alike = {word.start() + i for i, char in enumerate(word[0]) if _like_ascii(char)}
        letters = [char for char in word[0] if char.isalpha()]
        if alike and (
            any(c.isascii() for c in letters) or all(c.isascii() or _like_ascii(c) for c in word[0])
        ):
            places |= alike
    return frozenset(places)


def _like_ascii(char: str) -> bool:
    if char.isascii():
        return False
    return char in _confusable() or unicodedata.normalize("NFKC", char).isascii()


@cache
def _confusable() -> frozenset[str]:
    """Characters that Unicode's table of confusables (UTS 39 section 4) gives an ASCII look-alike. Read when first needed: it is
    large, and most texts are ASCII."""
    from confusable_homoglyphs.confusables import confusables_data  # type: ignore[import-untyped]

    found = {char for char, alike in confusables_data.items() if any(_one_ascii(a["c"]) for a in alike)}
    return frozenset(char for char in found if len(char) == 1 and not char.isascii())


def _one_ascii(text: str) -> bool:
    return len(text) == 1 and text.isascii()
