"""The examples of RFC 4013 section 3, read as PostgreSQL does: what is prohibited stays as it is."""

import pytest

from interlock.connectors.postgres.auth.saslprep import prepared


@pytest.mark.parametrize(
    ("password", "result"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("\u0007", "\u0007"),
        ("\u06271", "\u06271"),
        ("\u0627a\u0627", "\u0627a\u0627"),
        ("\u0627\u0628", "\u0627\u0628"),
        ("a\u00a0b", "a b"),
        ("a\u200bb", "a b"),
        ("\u00ad", "\u00ad"),
        ("é\ue000", "é\ue000"),
        ("é\u0378", "é\u0378"),
        ("é\u0007", "é\u0007"),
        ("e\u0301", "é"),
        ("ﬁ", "fi"),
    ],
)
def test_passwords(password: str, result: str) -> None:
    assert prepared(password) == result
