"""Envelope encryption and where the master key comes from."""

import base64
import pickle
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.model.errors import Misconfigured
from interlock.runtime import crypto
from interlock.runtime.crypto import CannotOpen, MasterKey

KEY = bytes(range(32))
TEXT = base64.b64encode(KEY).decode()


@given(st.binary(max_size=300), st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_what_is_sealed_opens_with_key_and_label_only(secret: bytes, label: str) -> None:
    sealed = crypto.seal(KEY, label, secret)
    assert crypto.unseal(KEY, label, sealed) == secret
    with pytest.raises(CannotOpen):
        crypto.unseal(KEY, label + "x", sealed)
    with pytest.raises(CannotOpen):
        crypto.unseal(bytes(32), label, sealed)


@given(st.binary(max_size=50), st.data())
def test_no_altered_or_cut_value_opens(secret: bytes, data: st.DataObject) -> None:
    sealed = bytearray(crypto.seal(KEY, "label", secret))
    with pytest.raises(CannotOpen):
        crypto.unseal(KEY, "label", bytes(sealed[: data.draw(st.integers(0, len(sealed) - 1))]))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CannotOpen):
        crypto.unseal(KEY, "label", bytes(sealed))


def test_the_same_secret_never_seals_alike() -> None:
    assert len({crypto.seal(KEY, "label", b"secret") for _ in range(100)}) == 100


def test_the_master_key_neither_shows_nor_travels() -> None:
    key = crypto.parse_master_key(TEXT + "\n")
    assert key.unseal("l", crypto.seal(KEY, "l", b"s")) == b"s"
    assert TEXT not in repr(key) + str(key)
    with pytest.raises(TypeError):
        pickle.dumps(key)


@pytest.mark.parametrize("text", ["", "short", TEXT[:-4], TEXT + "AAAA", "!" * 44])
def test_a_malformed_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        crypto.parse_master_key(text)
    assert not text or text not in str(caught.value)


def test_the_file_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    with pytest.raises(Misconfigured, match="cannot be read"):
        crypto.master_key_from_file(path)
    first = crypto.master_key_from_file(path, create=True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["master.key"]
    again = crypto.master_key_from_file(path, create=True)
    assert again.unseal("l", first.seal("l", b"s")) == b"s"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "master.key"
    crypto.master_key_from_file(path, create=True)
    path.chmod(mode)
    with pytest.raises(Misconfigured, match="chmod 600"):
        crypto.master_key_from_file(path)


def test_a_damaged_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_text("damaged")
    path.chmod(0o600)
    with pytest.raises(Misconfigured, match="base64"):
        crypto.master_key_from_file(path, create=True)
    assert path.read_text() == "damaged"


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be written"):
        crypto.master_key_from_file(tmp_path / "no" / "master.key", create=True)


def opens(key: MasterKey) -> bool:
    return key.unseal("l", crypto.seal(KEY, "l", b"s")) == b"s"


def test_the_key_from_the_environment() -> None:
    assert opens(crypto.master_key_from_env("K", {"K": TEXT}))
    with pytest.raises(Misconfigured, match="K"):
        crypto.master_key_from_env("K", {})


def test_the_key_from_a_command() -> None:
    assert opens(crypto.master_key_from_command([sys.executable, "-c", f"print('{TEXT}')"]))


@pytest.mark.parametrize("code", ["print('leak'); raise SystemExit(1)", "import time; time.sleep(60)"])
def test_a_failing_command_tells_nothing_of_its_output(code: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        crypto.master_key_from_command([sys.executable, "-c", code], timeout=1.0)
    assert "leak" not in str(caught.value)


def test_a_command_that_is_not_there_is_refused() -> None:
    with pytest.raises(Misconfigured, match="FileNotFoundError"):
        crypto.master_key_from_command(["/does/not/exist"])
