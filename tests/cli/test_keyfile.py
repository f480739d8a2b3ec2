"""Signing keys: made once, readable by their owner alone, and refused with the reason otherwise."""

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from interlock.cli import keyfile
from interlock.model.errors import Misconfigured, Rejected


def never() -> bytes:
    raise AssertionError("no passphrase should be asked")


def test_a_key_is_made_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "ana"
    line = keyfile.create(path, None)
    assert path.stat().st_mode & 0o777 == 0o600
    assert keyfile.read_public(tmp_path / "ana.pub") == line
    assert keyfile.public_line(keyfile.load(path, never)) == line
    assert len(base64.b64decode(line)) == 32
    assert (tmp_path / "ana.pub").read_text() == f"{line}\n"


def test_a_passphrase_closes_it(tmp_path: Path) -> None:
    path = tmp_path / "ana"
    line = keyfile.create(path, b"open sesame")
    assert b"ENCRYPTED" in path.read_bytes()
    assert keyfile.public_line(keyfile.load(path, lambda: b"open sesame")) == line
    with pytest.raises(Misconfigured, match="passphrase"):
        keyfile.load(path, lambda: b"open barley")


@pytest.mark.parametrize("existing", ["ana", "ana.pub"])
def test_nothing_is_overwritten(tmp_path: Path, existing: str) -> None:
    (tmp_path / existing).write_text("precious")
    with pytest.raises(Rejected, match="exists already"):
        keyfile.create(tmp_path / "ana", None)
    assert (tmp_path / existing).read_text() == "precious"
    assert [p.name for p in tmp_path.iterdir()] == [existing]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "ana"
    keyfile.create(path, None)
    path.chmod(mode)
    with pytest.raises(Misconfigured, match="chmod 600"):
        keyfile.load(path, never)


def test_another_kind_of_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ana"
    path.touch(0o600)
    path.write_bytes(
        generate_private_key(SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    with pytest.raises(Misconfigured, match="Ed25519"):
        keyfile.load(path, never)


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_garbage_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ana"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(Misconfigured, match="not a private key"):
        keyfile.load(path, never)


@pytest.mark.parametrize("content", ["", "AAAA", "not base64 at all", "ä", "A" * 45])
def test_a_public_file_must_hold_a_key(tmp_path: Path, content: str) -> None:
    path = tmp_path / "ana.pub"
    path.write_text(content)
    with pytest.raises(Misconfigured, match="public key"):
        keyfile.read_public(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot read the key"):
        keyfile.load(tmp_path / "nobody", never)


def test_a_private_key_is_not_enrolled_by_mistake(tmp_path: Path) -> None:
    path = tmp_path / "ann"
    keyfile.create(path, None)
    with pytest.raises(Misconfigured, match=r"holds a private key.*ann\.pub") as caught:
        keyfile.read_public(path)
    assert path.read_text() not in str(caught.value)
