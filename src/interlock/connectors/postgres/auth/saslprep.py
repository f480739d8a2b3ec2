"""SASLprep (RFC 4013) the way PostgreSQL applies it to passwords (``common/saslprep.c``)."""

import stringprep
import unicodedata

_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


def prepared(password: str) -> str:
    """``password`` normalized; as it is when it is plain ASCII or holds what RFC 4013 prohibits.

    The latter is not RFC 4013, which asks for an error, but what the server and libpq do.
    """
    if password.isascii():
        return password
    normal = unicodedata.normalize("NFKC", _mapped(password))
    if (
        not normal
        or any(prohibits(c) for c in normal for prohibits in _PROHIBITED)
        or not _bidi_allows(normal)
    ):
        return password
    return normal


def _mapped(text: str) -> str:
    """RFC 4013 section 2.1: other spaces become spaces, what is commonly nothing goes."""
    spaced = (" " if stringprep.in_table_c12(c) else c for c in text)
    return "".join(c for c in spaced if not stringprep.in_table_b1(c))


def _bidi_allows(text: str) -> bool:
    """RFC 3454 section 6: text with right-to-left letters begins and ends with one, and has no left-to-right one."""
    if not any(stringprep.in_table_d1(c) for c in text):
        return True
    if any(stringprep.in_table_d2(c) for c in text):
        return False
    return stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
