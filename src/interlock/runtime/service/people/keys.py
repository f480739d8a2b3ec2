"""What a person is known by: one key belongs to one person. What else may stand for someone (a passkey, the subject of a login
provider) is checked here as well."""

import base64

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from interlock.model.errors import Rejected
from interlock.model.people import Person, Subject
from interlock.sdk.ports import ReadTx


def check(public_key: str) -> None:
    """Raises Rejected unless it is the Ed25519 key (RFC 8032) of someone, in the one spelling that base64 has for it."""
    try:
        raw = base64.b64decode(public_key, validate=True)
        Ed25519PublicKey.from_public_bytes(raw)
    except ValueError:
        raise Rejected("a public key is 32 bytes in base64, as `interlock keys new` writes it") from None
    if base64.b64encode(raw).decode() != public_key or raw in _SMALL_ORDER:
        raise Rejected("this public key is not one that a signing key belongs to")


_SMALL_ORDER = frozenset(
    bytes.fromhex(text)
    for text in (
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    )
)
"""Points of small order: anyone can make signatures that verify under them."""


MOST_PASSKEYS = 10
"""Most passkeys of one person that count at a time."""


def require_free(tx: ReadTx, person: str, public_key: str) -> None:
    """Raises Rejected when the key, of either kind, is someone else's or ever was, disabled people included."""
    for other in tx.people():
        if public_key in other.keys and other.name != person:
            raise Rejected(f"this key is {other.name}'s already: each person has their own")


def require_free_passkey(tx: ReadTx, person: str, credential: str, public_key: str) -> None:
    """The same of a passkey, which nobody may enrol twice either."""
    if any(credential == key.id for other in tx.people() for key in other.passkeys):
        raise Rejected("this passkey is enrolled already")
    require_free(tx, person, public_key)


MOST_LOGINS = 5
"""Most logins of one person, at a provider, that count at a time."""


def holder(tx: ReadTx, issuer: str, sub: str) -> tuple[Person, Subject] | None:
    """Whose login it is, or ever was. Compared exactly: it is the provider that says what is the same (OpenID Connect Core 1.0,
    section 5.7)."""
    for person in tx.people():
        if (subject := person.had(issuer, sub)) is not None:
            return person, subject
    return None


def require_free_login(tx: ReadTx, person: str, issuer: str, sub: str) -> None:
    """Raises Rejected when the login is someone else's or ever was, or counts for them already."""
    found = holder(tx, issuer, sub)
    if found is not None and (found[0].name != person or found[1].revoked_at is None):
        raise Rejected("this login is enrolled already")
