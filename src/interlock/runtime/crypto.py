"""The master key that replicas share, and envelope encryption under it.

Each change has a random data key; payloads are sealed under it and it is stored sealed under the master key. Destroying
the stored data key destroys its payloads, also those in backups that lack the key. All sealing is AES-256-GCM
(NIST SP 800-38D) with a random 96-bit nonce, and the label (what it is and whose) is authenticated with it, so that a
sealed value cannot be moved to another place. The format is ``0x01 || nonce || ciphertext || tag``.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from interlock.model.errors import InterlockError, Misconfigured

KEY_BYTES = 32
_FORMAT = b"\x01"
_NONCE_BYTES = 12
_TAG_BYTES = 16


class CannotOpen(InterlockError):
    """A sealed value was altered, moved, cut, or sealed under another key."""


def new_key() -> bytes:
    """A random 256-bit key."""
    return AESGCM.generate_key(bit_length=256)


def seal(key: bytes, label: str, secret: bytes) -> bytes:
    """Encrypt ``secret`` under a 32-byte key; opening needs the same label. Adds 29 bytes."""
    nonce = os.urandom(_NONCE_BYTES)
    return _FORMAT + nonce + AESGCM(key).encrypt(nonce, secret, label.encode())


def unseal(key: bytes, label: str, sealed: bytes) -> bytes:
    """Inverse of :func:`seal`. Raises CannotOpen."""
    if len(sealed) < 1 + _NONCE_BYTES + _TAG_BYTES or sealed[:1] != _FORMAT:
        raise CannotOpen("a sealed value is cut or of an unknown format")
    nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, label.encode())
    except InvalidTag:
        raise CannotOpen("a sealed value does not open: altered, moved, or another master key") from None


class MasterKey:
    """The key that wraps data keys and the log's signing key. It never shows in ``repr`` and cannot be pickled."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise Misconfigured(f"the master key must be {KEY_BYTES} bytes")
        self._key = key

    def __repr__(self) -> str:
        return "MasterKey(…)"

    def __reduce__(self) -> str:
        raise TypeError("a master key is not to be copied elsewhere")

    def seal(self, label: str, secret: bytes) -> bytes:
        """Wrap a secret; ``label`` says what it is and whose."""
        return seal(self._key, label, secret)

    def unseal(self, label: str, sealed: bytes) -> bytes:
        """Unwrap a secret. Raises CannotOpen."""
        return unseal(self._key, label, sealed)


def parse_master_key(text: str) -> MasterKey:
    """The key from base64 of 32 bytes (what the file holds). Raises Misconfigured; the text is never repeated."""
    try:
        return MasterKey(base64.b64decode(text.strip(), validate=True))
    except (binascii.Error, ValueError):
        raise Misconfigured("the master key must be 32 bytes in base64") from None


def master_key_from_env(name: str, environ: Mapping[str, str] = os.environ) -> MasterKey:
    """The key from an environment variable. Raises Misconfigured when it is absent or malformed."""
    if not environ.get(name):
        raise Misconfigured(f"the environment variable {name} with the master key is not set")
    return parse_master_key(environ[name])


def master_key_from_command(argv: Sequence[str], timeout: float = 30.0) -> MasterKey:
    """The key from a command's standard output; ``timeout`` in seconds. Raises Misconfigured when it fails."""
    try:
        done = subprocess.run(
            argv, capture_output=True, timeout=timeout, check=True, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError) as error:
        # What the command printed may hold the key, so only the kind of failure is told.
        raise Misconfigured(f"the command for the master key failed ({type(error).__name__})") from None
    return parse_master_key(done.stdout.decode("ascii", "replace"))


def master_key_from_file(path: Path, *, create: bool = False) -> MasterKey:
    """The key from a file that only its owner may read (mode 0600).

    With ``create`` a missing file is made with a new key, durably, and never overwritten. Raises Misconfigured when
    it is missing, malformed, or open to others.
    """
    if create and not path.exists():
        _create(path, base64.b64encode(new_key()) + b"\n")
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno())
            text = file.read(1024)
    except OSError as error:
        raise Misconfigured(f"the master key {path} cannot be read: {error.strerror}") from None
    if stat.S_IMODE(mode.st_mode) & 0o077:
        raise Misconfigured(f"the master key {path} is open to others: chmod 600 {path}")
    return parse_master_key(text.decode("ascii", "replace"))


def _create(path: Path, content: bytes) -> None:
    """Write the file under another name first: a crash must not leave half a key, nor two starters two keys."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _link_new(temporary, path)
    except OSError as error:
        raise Misconfigured(f"the master key {path} cannot be written: {error.strerror}") from None
    finally:
        temporary.unlink(missing_ok=True)


def _link_new(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        return  # another process was first; its key counts
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
