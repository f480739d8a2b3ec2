"""A passkey in software, for tests: it registers and signs as an authenticator does (Web Authentication Level 3, sections 6.1
and 6.5)."""

import hashlib
import json
import secrets
import struct
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from interlock.control.deciding.passkey import Site, challenge_of, to_base64url
from interlock.model.change import Assertion, Statement

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


class SoftPasskey:
    """One credential on one site. `count` is what it says it has signed; with `counts=False` it says zero, as synchronised ones
    do."""

    def __init__(self, site: Site, *, counts: bool = True) -> None:
        self.site, self.counts, self.count = site, counts, 0
        self.id = secrets.token_bytes(16)
        self._key = ec.generate_private_key(ec.SECP256R1())

    def registration(
        self, challenge: str, /, *, flags: int = PRESENT | VERIFIED, **said: Any
    ) -> dict[str, Any]:
        """What `navigator.credentials.create` gives for a challenge in base64url; `said` alters the client data."""
        data = (
            self._data(flags | ATTESTED)
            + bytes(16)
            + struct.pack(">H", len(self.id))
            + self.id
            + self._cose()
        )
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", challenge, said)
        return {
            "id": to_base64url(self.id),
            "rawId": to_base64url(self.id),
            "type": "public-key",
            "response": {
                "clientDataJSON": to_base64url(client),
                "attestationObject": to_base64url(attestation),
            },
        }

    def assertion(
        self, challenge: bytes, /, *, flags: int = PRESENT | VERIFIED, **said: Any
    ) -> tuple[Assertion, str]:
        """What `navigator.credentials.get` gives: the assertion and its signature."""
        self.count += self.counts
        data = self._data(flags)
        client = self._client("webauthn.get", to_base64url(challenge), said)
        signature = self._key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        found = Assertion(to_base64url(self.id), to_base64url(data), to_base64url(client))
        return found, to_base64url(signature)

    def sign(self, words: Statement, **more: Any) -> tuple[Assertion, str]:
        """Sign a statement."""
        return self.assertion(challenge_of(words), **more)

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self.site.rp_id.encode()).digest() + struct.pack(">BI", flags, self.count)

    def _client(self, kind: str, challenge: str, said: dict[str, Any]) -> bytes:
        told = {
            "type": kind,
            "challenge": challenge,
            "origin": self.site.origin,
            "crossOrigin": False,
            **said,
        }
        return json.dumps(told).encode()

    def _cose(self) -> bytes:
        numbers = self._key.public_key().public_numbers()
        return cbor2.dumps(
            {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        )
