"""Signed notes and checkpoints (c2sp.org/signed-note, c2sp.org/tlog-checkpoint), with Ed25519 (type 0x01).

Signature lines of other keys, such as witnesses' cosignatures, are kept and ignored: a note is accepted when
the one known key signed it, and refused when a line that claims that key does not verify.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = 0x01
_EM_DASH = "\u2014"
_MAX_SIGNATURES = 100
_NAME = re.compile(r"[^\s+\x00-\x1f]{1,255}")
_BETWEEN = re.compile(rb"(?<=\n)\n+(?!\n|\xe2\x80\x94)")


class NoteError(ValueError):
    """A note, checkpoint or key that is malformed or not signed as it must be."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key by name. Its text form is ``name+keyid+base64`` (a *vkey*)."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """First four bytes of SHA-256(name, newline, type, public key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([ED25519]) + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{_b64(bytes([ED25519]) + self.public)}"


def parse_vkey(text: str) -> VerifierKey:
    """Read a vkey. Raises NoteError for a malformed one, another algorithm, or a key id that does not fit."""
    name, _, rest = text.strip().partition("+")
    key_id, _, material = rest.partition("+")
    data = _unb64(material)
    if len(data) != 33 or data[0] != ED25519:
        raise NoteError("a verifier key must hold one Ed25519 public key (type 1)")
    key = VerifierKey(_name(name), data[1:])
    if key_id != key.key_id.hex():
        raise NoteError("the verifier key's id does not fit its name and key: it was altered or cut")
    return key


@dataclass(frozen=True, slots=True)
class SignerKey:
    """A private key by name. ``repr`` never shows it."""

    name: str
    private: Ed25519PrivateKey = field(repr=False)

    def __post_init__(self) -> None:
        _name(self.name)

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        return VerifierKey(self.name, self.private.public_key().public_bytes_raw())


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: whose, and the raw signature."""

    name: str
    key_id: bytes
    value: bytes

    def __str__(self) -> str:
        return f"{_EM_DASH} {self.name} {_b64(self.key_id + self.value)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends in a newline, and its signatures (not yet verified)."""

    text: str
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        """The note as UTF-8: text, empty line, signature lines."""
        return (self.text + "\n" + "".join(map(str, self.signatures))).encode()


def sign(text: str, key: SignerKey) -> Note:
    """Sign ``text`` with Ed25519 (RFC 8032). Raises NoteError when it cannot be a note's text."""
    if not text.endswith("\n"):
        raise NoteError("a note's text must end in a newline")
    _no_control(text)
    return Note(text, (Signature(key.name, key.verifier.key_id, key.private.sign(text.encode())),))


def parse_note(data: bytes) -> Note:
    """Read a signed note without judging its signatures. Raises NoteError when it is malformed."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise NoteError("a note must be UTF-8") from None
    _no_control(text)
    body, separator, lines = text.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise NoteError("a note ends in an empty line and whole signature lines")
    signatures = lines[:-1].split("\n")
    if len(signatures) > _MAX_SIGNATURES:
        raise NoteError(f"a note of over {_MAX_SIGNATURES} signatures")
    return Note(body + "\n", tuple(map(_parse_signature, signatures)))


def split_notes(data: bytes) -> tuple[bytes, ...]:
    """The notes of a file in which an empty line ends each; one note alone is such a file, too. Nothing is verified.

    What a write that was interrupted left at the end is dropped: it never was a note.
    """
    found = [piece for piece in _BETWEEN.split(data) if piece]
    if len(found) > 1 and not found[-1].endswith(b"\n"):
        found.pop()
    return tuple(found)


def verify_note(note: Note, key: VerifierKey) -> str:
    """The text of a note that ``key`` signed.

    Raises NoteError when it did not, or when any line that claims this key does not verify.
    """
    claimed = [s for s in note.signatures if (s.name, s.key_id) == (key.name, key.key_id)]
    if not claimed:
        raise NoteError(f"not signed by {key.name} ({key.key_id.hex()})")
    for signature in claimed:
        _verify_signature(note.text, signature, key)
    return note.text


def _verify_signature(text: str, signature: Signature, key: VerifierKey) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature.value, text.encode())
    except (InvalidSignature, ValueError):
        raise NoteError(f"the signature of {key.name} does not verify") from None


def _parse_signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, value = rest.partition(" ")
    data = _unb64(value)
    if dash != _EM_DASH or len(data) < 5:
        raise NoteError("a malformed signature line")
    return Signature(_name(name), data[:4], data[4:])


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's head: its origin, the number of entries, the 32-byte root, and opaque extension lines."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.root) != 32:
            raise NoteError("a checkpoint needs a size and a root of 32 bytes")
        if not all(line and "\n" not in line for line in (self.origin, *self.extensions)):
            raise NoteError("a checkpoint's lines must be non-empty")

    @property
    def text(self) -> str:
        """The note text."""
        return "\n".join((self.origin, str(self.size), _b64(self.root), *self.extensions)) + "\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a checkpoint's note text. Raises NoteError when it is malformed."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1]:
        raise NoteError("a checkpoint has at least three lines")
    origin, size, root, *extensions = lines[:-1]
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", size):
        raise NoteError("a checkpoint's size must be a decimal without leading zeroes")
    return Checkpoint(origin, int(size), _unb64(root), tuple(extensions))


def sign_checkpoint(checkpoint: Checkpoint, key: SignerKey) -> bytes:
    """The checkpoint as a signed note."""
    return sign(checkpoint.text, key).encode()


def open_checkpoint(data: bytes, key: VerifierKey) -> Checkpoint:
    """The checkpoint in a note that the log's key signed; cosignatures of others are tolerated.

    Raises NoteError when it is malformed, not signed by that key, or of another log (a log's key is named
    after its origin).
    """
    checkpoint = parse_checkpoint(verify_note(parse_note(data), key))
    if checkpoint.origin != key.name:
        raise NoteError(f"a checkpoint of {checkpoint.origin}, not of {key.name}")
    return checkpoint


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise NoteError(f"not a key name: {name[:40]!r} (no spaces, no '+', no control characters)")
    return name


def _no_control(text: str) -> None:
    if any(char < " " and char != "\n" for char in text):
        raise NoteError("a note holds no control characters but newlines")


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unb64(text: str) -> bytes:
    """Canonical base64 only: two texts must never stand for one signature."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError("malformed base64") from None
    if not data or _b64(data) != text:
        raise NoteError("empty or non-canonical base64")
    return data
