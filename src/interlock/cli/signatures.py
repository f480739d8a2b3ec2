"""Checking the signatures of people in a log, with nothing but the log itself.

A person's key is in the entry of their enrolment, what they were shown is in the entry `change.held` (as the preimage of the digest
that they signed), and their signature is in the entry `approval` or `denial`. All of it is compared here, in order.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from interlock.control.deciding import approval, break_glass, passkey
from interlock.model.base import digest_of
from interlock.model.change import Assertion, Statement, Verdict


class SignatureCheck:
    """A `ledger.verify.EntryCheck`: called for each entry in order, answers with a sentence about what does not hold."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._keys: dict[str, set[str]] = {}
        self._held: dict[str, tuple[str, str]] = {}
        self.checked = 0
        """How many signatures held."""

    def __call__(self, index: int, value: dict[str, Any]) -> str | None:
        """What is wrong with an entry; None when nothing is."""
        body = value["body"]
        match value["kind"]:
            case "person":
                return self._person(body)
            case "change.held":
                return self._hold(body)
            case "approval" | "denial":
                return self._spoken(value["kind"], body)
            case "break_glass" if body.get("event") == "used":
                return self._broken(body)
            case _:
                return None

    def _person(self, body: Mapping[str, Any]) -> str | None:
        name, key, passkeys = body.get("person"), body.get("public_key"), body.get("passkeys", [])
        if not isinstance(name, str) or not isinstance(key, str) or not isinstance(passkeys, list):
            return "a person without a name or a key"
        self._keys[name] = {key, *map(str, passkeys)} - {""}
        return None

    def _hold(self, body: Mapping[str, Any]) -> str | None:
        change, nonce = body.get("change"), body.get("nonce")
        if not isinstance(change, str) or not isinstance(nonce, str):
            return "a held change without an id or a nonce"
        own = digest_of(body.get("bound"))
        if body.get("binding") != own:
            return f"what {change} binds approvals to is not what it was held with"
        self._held[change] = (own, nonce)
        return None

    def _spoken(self, kind: str, body: Mapping[str, Any]) -> str | None:
        try:
            words = msgspec.convert(body.get("statement"), Statement)
        except msgspec.ValidationError:
            return "a signed statement of another form"
        signature, key = body.get("signature"), body.get("public_key")
        if not isinstance(signature, str) or not isinstance(key, str):
            return "a statement without a signature or a key"
        who = f"the signature of {words.person} about {words.change}"
        if key not in self._keys.get(words.person, ()):
            return f"{who} is by a key that is not theirs"
        if not _holds(words, signature, key, body.get("assertion")):
            return f"{who} is not valid"
        if (body.get("change"), body.get("person"), self._origin) != (
            words.change,
            words.person,
            words.origin,
        ):
            return f"{who} was given elsewhere"
        if (kind == "denial") != (words.verdict is Verdict.DENY):
            return f"{who} says something else than the entry"
        if not self._fits(words):
            return f"{who} is about another content, effect or purpose"
        self.checked += 1
        return None

    def _broken(self, body: Mapping[str, Any]) -> str | None:
        try:
            words = msgspec.convert(body.get("statement"), Statement)
        except msgspec.ValidationError:
            return "a signed statement of another form"
        signature, key = str(body.get("signature")), str(body.get("public_key"))
        who = f"the signature of {words.person} for break-glass"
        if key not in self._keys.get(words.person, ()):
            return f"{who} is by a key that is not theirs"
        if not _holds(words, signature, key, body.get("assertion")):
            return f"{who} is not valid"
        known = self._held.get(words.change)
        subject = digest_of({"break-glass": known[0]}) if known else words.subject
        if not words.change:
            subject = break_glass.subject_of_target(words.target, str(body.get("environment")))
        given = (words.purpose, words.origin, words.subject, body.get("person"), body.get("change"))
        if given != (break_glass.PURPOSE, self._origin, subject, words.person, words.change):
            return f"{who} is about something else"
        self.checked += 1
        return None

    def _fits(self, words: Statement) -> bool:
        """Whether the statement is about what was held. Of a revert that is known only where the change had been held."""
        held = self._held.get(words.change)
        if words.purpose == approval.APPROVAL_PURPOSE:
            return held == (words.subject, words.nonce)
        if words.purpose != approval.REVERT_PURPOSE:
            return False
        wishes = {digest_of({"revert": held[0], "force": force}) for force in (False, True)} if held else None
        return wishes is None or words.subject in wishes


def _holds(words: Statement, signature: str, key: str, assertion: object) -> bool:
    """Where a passkey signed is not in the log, so that its site is taken from what it signed."""
    if assertion is None:
        return approval.signature_holds(words, signature, key)
    try:
        return passkey.holds(words, signature, key, msgspec.convert(assertion, Assertion))
    except msgspec.ValidationError:
        return False
