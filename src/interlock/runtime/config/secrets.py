"""Secrets by reference: `{env: NAME}`, `{file: PATH}`, `{command: [ARGV…]}`. Read when needed, and again when refused (P3).

What was read is remembered only as something that no log line may show (`runtime.log`).
"""

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from interlock.model.errors import Misconfigured, Unavailable

COMMAND_SECONDS = 30.0
LONGEST = 64 * 1024
"""Most bytes of a secret."""

KINDS = ("env", "file", "command")

_seen: set[str] = set()


def seen() -> frozenset[str]:
    """The secrets read so far, for redaction."""
    return frozenset(_seen)


def remember(text: str) -> str:
    """Count a text among the secrets (an address that holds one), and return it."""
    if len(text) >= 4:  # shorter ones would redact half of every log line
        _seen.add(text)
    return text


class Secret:
    """One reference. Calling it reads the secret (it may block: in a thread). Raises Unavailable; the text never holds the secret
    nor what a command printed."""

    def __init__(self, kind: str, value: str | tuple[str, ...]) -> None:
        self._kind, self._value = kind, value

    def __repr__(self) -> str:
        return f"Secret({self._kind})"

    @property
    def file(self) -> Path | None:
        """The file it lies in, if it lies in one."""
        return Path(self._value) if self._kind == "file" and isinstance(self._value, str) else None

    def __call__(self) -> str:
        text = self._read().removesuffix("\n").removesuffix("\r")
        if not text or "\0" in text or len(text) > LONGEST:
            raise Unavailable(f"the secret from {self._kind} is empty or malformed")
        return remember(text)

    def _read(self) -> str:
        if isinstance(self._value, tuple):
            return _run(self._value)
        return _from_env(self._value) if self._kind == "env" else _from_file(self._value)


def _from_env(name: str) -> str:
    if name not in os.environ:
        raise Unavailable(f"the environment variable {name} is not set")
    return os.environ[name]


def _from_file(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(f"the secret file {path} cannot be read ({type(error).__name__})") from None


def _run(argv: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(
            argv, capture_output=True, timeout=COMMAND_SECONDS, check=True, stdin=subprocess.DEVNULL
        )
        return done.stdout.decode()
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError) as error:
        raise Unavailable(f"the secret command {argv[0]} failed ({type(error).__name__})") from None


def is_reference(value: object) -> bool:
    """Whether a value has the form of a reference: exactly that, as `parse` takes it."""
    try:
        parse(value, Path())
    except Misconfigured:
        return False
    return True


def parse(value: object, folder: Path) -> Secret:
    """A reference from the configuration; files are relative to `folder`. Raises Misconfigured, never repeating the value."""
    if not isinstance(value, Mapping) or len(value) != 1 or next(iter(value)) not in KINDS:
        raise Misconfigured(
            "a secret is {env: NAME}, {file: PATH} or {command: [ARGV…]}, never written here itself"
        )
    kind, what = next(iter(value.items()))
    if kind == "command":
        if not isinstance(what, list) or not what or not all(isinstance(a, str) and a for a in what):
            raise Misconfigured("{command: …} is a list of arguments (no shell runs it)")
        return Secret(kind, tuple(what))
    if not isinstance(what, str) or not what:
        raise Misconfigured(f"{{{kind}: …}} is a text")
    return Secret(kind, str(folder / what) if kind == "file" else what)


def reader(folder: Path) -> Callable[[object], Callable[[], str]]:
    """What connectors are given (`sdk.connector.Connector.configure`)."""
    return lambda value: parse(value, folder)
