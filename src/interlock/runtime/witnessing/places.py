"""Where witnesses keep checkpoints: an append-only file, or an address that is sent each of them. See `witnesses`."""

import contextlib
import http.client
import os
import re
from pathlib import Path
from typing import BinaryIO, Protocol, assert_never
from urllib.parse import urlsplit

from interlock.ledger.note import split_notes
from interlock.model.errors import Unavailable
from interlock.runtime.config.document import FileWitness, HttpWitness
from interlock.runtime.config.secrets import Secret
from interlock.runtime.witnessing.posting import connection, no_longer_than

TIMEOUT, LONGEST = 10.0, 30.0
"""Seconds that each step of a request may take, and all of them."""
_TAIL = 64 * 1024


class Place(Protocol):
    """Where checkpoints are kept. `where` tells people; it holds no secret."""

    where: str

    def take(self, note: bytes) -> None:
        """Keep it durably. Blocks. Raises Unavailable, without a secret in its text."""

    def newest(self) -> bytes | None:
        """What it took last, if that can be asked. Blocks. Raises Unavailable."""


class FilePlace:
    """A file to which notes are appended, an empty line after each (`ledger.note.split_notes`)."""

    def __init__(self, path: Path) -> None:
        self._path, self.where = path, str(path)

    def take(self, note: bytes) -> None:
        try:
            with open(self._path, "ab+", buffering=0, opener=_create) as file:
                _append(file, note)
            _sync(self._path.parent)
        except OSError as error:
            raise Unavailable(f"cannot be written: {error.strerror}") from None

    def newest(self) -> bytes | None:
        try:
            with self._path.open("rb") as file:
                return _last(_tail(file))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"cannot be read: {error.strerror}") from None


def _create(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o644)


def _append(file: BinaryIO, note: bytes) -> None:
    """One write, so that others who append come before or after it."""
    tail = _tail(file)
    if _last(tail) != note:  # as after a restart
        whole = not tail or tail.endswith(b"\n\n")
        data = b"%b%b\n" % (b"" if whole else b"\n\n", note)
        if file.write(data) != len(data):
            raise OSError(0, "only a part of it")
    os.fsync(file.fileno())


def _tail(file: BinaryIO) -> bytes:
    file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
    return file.read()


def _last(tail: bytes) -> bytes | None:
    notes = split_notes(tail)
    return notes[-1] if notes else None


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class HttpPlace:
    """An address to which notes are posted as `text/plain`, with a bearer token (RFC 6750). Any 2xx means that it keeps them."""

    def __init__(self, url: str, secret: Secret) -> None:
        self.where, self._secret, self._token = url, secret, ""

    def take(self, note: bytes) -> None:
        self._token = self._token or _bearer(self._secret())
        try:
            status = self._post(note)
        except OSError as error:
            raise Unavailable(error.strerror or str(error)) from None
        except (http.client.HTTPException, UnicodeError) as error:
            # Not their text, which may repeat what the other side sent.
            raise Unavailable(f"no HTTP with it ({type(error).__name__})") from None
        if status in (401, 403):
            self._token = ""  # read again next time: it may have been changed
            raise Unavailable(f"HTTP {status}: the token is refused")
        if not 200 <= status <= 299:
            raise Unavailable(f"HTTP {status}")

    def newest(self) -> None:
        return None

    def _post(self, note: bytes) -> int:
        parts = urlsplit(self.where)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "text/plain; charset=utf-8"}
        with contextlib.closing(
            connection(parts.scheme, parts.hostname or "", parts.port, TIMEOUT)
        ) as opened:
            opened.connect()
            with no_longer_than(LONGEST, opened.sock):
                opened.request("POST", parts.path or "/", note, headers)
                return opened.getresponse().status


def _bearer(token: str) -> str:
    if not re.fullmatch("[!-~]+", token):
        raise Unavailable("the token has characters that no bearer token has")
    return token


def place_of(witness: FileWitness | HttpWitness) -> Place:
    """The place that the configuration names."""
    match witness:
        case FileWitness():
            return FilePlace(witness.file)
        case HttpWitness():
            return HttpPlace(witness.url, witness.token)
        case _:
            assert_never(witness)
