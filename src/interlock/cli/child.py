"""Running a program of an agent's: its environment, the signals it gets, its exit status."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Self

from interlock.model.errors import InterlockError

NOT_FOUND, NOT_RUN = 127, 126
"""Exit statuses as the shell gives them (POSIX.1-2017, XCU 2.8.2)."""

_PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT)


class CannotStart(InterlockError):
    """The program cannot be started. `status` is what a shell would exit with."""

    def __init__(self, why: str, status: int) -> None:
        super().__init__(why)
        self.status = status


def run(
    words: Sequence[str], changes: Mapping[str, str | None], meanwhile: Callable[[], None], every: float
) -> int:
    """Run a program to its end and return its exit status, 128 + N when signal N ended it. `changes` are made to this process's
    environment for it (None takes away); `meanwhile` is called each `every` seconds. Raises CannotStart."""
    environment = {**_without(changes), **{k: v for k, v in changes.items() if v is not None}}
    with _Signals() as signals:
        process = _start(words, environment)
        signals.go_to(process)
        while True:
            try:
                status = process.wait(every)
                break
            except subprocess.TimeoutExpired:
                meanwhile()
    return status if status >= 0 else 128 - status


def _without(changes: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in changes}


def _start(words: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(list(words), env=dict(environment))
    except FileNotFoundError:
        raise CannotStart(f"{words[0]}: there is no such program", NOT_FOUND) from None
    except OSError as error:
        raise CannotStart(f"{words[0]} cannot be run: {error.strerror}", NOT_RUN) from None


class _Signals:
    """What this process is told goes to the program: from the beginning, so that none is lost in between. What the terminal's keys
    send, the program has got by itself; what is ignored here (`nohup`) is ignored there."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []

    def __enter__(self) -> Self:
        here = [number for number in _PASSED_ON if signal.getsignal(number) is not signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._arrived) for number in here}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if self._process is None:
            self._early.append(number)
        elif not (number in _FROM_TERMINAL and _in_foreground()):
            self._process.send_signal(number)

    def go_to(self, process: "subprocess.Popen[bytes]") -> None:
        """The program runs."""
        self._process = process
        for number in self._early:
            process.send_signal(number)


def _in_foreground() -> bool:
    """Whether this process is in the foreground of a terminal, whose keys signal the whole group."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):  # no terminal, or no standard input at all
        return False
