"""People's signing keys: an Ed25519 private key in PEM (PKCS #8, RFC 8410), and the public half in one line beside it.

The private file is made with mode 0600 and refused when others can read it. The public line is the 32 bytes in base64, as
`interlock people add --pubkey` takes it.
"""

import base64
import binascii
import os
import stat
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from interlock.model.errors import Misconfigured, Rejected


def public_line(key: Ed25519PrivateKey) -> str:
    """The public half as stored with a person: 32 bytes in base64."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def create(path: Path, passphrase: bytes | None) -> str:
    """Make a key in `path` and its public half in `path.pub`; returns the public line. Nothing is overwritten: Rejected when
    either file exists, or cannot be made."""
    key = Ed25519PrivateKey.generate()
    encryption = (
        serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    public = path.with_name(f"{path.name}.pub")
    if public.exists():
        raise Rejected(f"{public} exists already; choose another name")
    _write_new(path, pem, 0o600)
    _write_new(public, f"{public_line(key)}\n".encode(), 0o644)
    return public_line(key)


def load(path: Path, passphrase: Callable[[], bytes]) -> Ed25519PrivateKey:
    """Read a private key; `passphrase` is asked only when the file has one. Raises Misconfigured with the reason and the mend."""
    pem = _read_private(path)
    try:
        return _ed25519(serialization.load_pem_private_key(pem, None), path)
    except TypeError:
        secret = passphrase()
    except (ValueError, UnsupportedAlgorithm):
        raise Misconfigured(
            f"{path} is not a private key in PEM form; make one with `interlock keys new`"
        ) from None
    try:
        return _ed25519(serialization.load_pem_private_key(pem, secret), path)
    except ValueError:
        raise Misconfigured(f"the passphrase does not open {path}") from None


def read_public(path: Path) -> str:
    """The public line in a `.pub` file. Raises Misconfigured unless it is 32 bytes in base64."""
    try:
        text = path.read_text(encoding="ascii").strip()
        if "PRIVATE KEY" in text:
            raise Misconfigured(
                f"{path} holds a private key, which stays with its person; enrol the public key beside it: {path}.pub"
            )
        key = base64.b64decode(text, validate=True)
    except (OSError, UnicodeDecodeError, binascii.Error) as error:
        raise Misconfigured(f"{path} does not hold a public key: {_reason(error)}") from None
    if len(key) != 32:
        raise Misconfigured(
            f"{path} does not hold a public key as `interlock keys new` writes it (32 bytes in base64)"
        )
    return text


def _ed25519(key: object, path: Path) -> Ed25519PrivateKey:
    if not isinstance(key, Ed25519PrivateKey):
        raise Misconfigured(
            f"{path} holds a key of another kind; Interlock signs with Ed25519 (`interlock keys new`)"
        )
    return key


def _read_private(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise Misconfigured(f"others can read {path}; run: chmod 600 {path}")
            return file.read(65_536)
    except OSError as error:
        raise Misconfigured(f"cannot read the key {path}: {_reason(error)}") from None


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    except FileExistsError:
        raise Rejected(f"{path} exists already; choose another name") from None
    except OSError as error:
        raise Rejected(f"cannot write {path}: {_reason(error)}") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _reason(error: Exception) -> str:
    return error.strerror or "?" if isinstance(error, OSError) else "not base64"
