"""Suites of our own making around others' programs: steps with a name, each of which passes or fails."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.real.conformance.suite import Outcome, Run


class Failed(Exception):
    """A step did not do what it should; the text says what."""


@dataclass(slots=True)
class Steps:
    """What came of each step; what the failed ones said is written to the run's folder."""

    run: Run
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def step(self, name: str, do: Callable[[], object]) -> bool:
        """Do it; whether it went well."""
        try:
            do()
        except Failed as failed:
            self.outcomes[name] = Outcome.FAILED
            with (self.run.folder / "output.txt").open("a", encoding="utf-8") as output:
                output.write(f"## {name}\n{failed}\n")
            return False
        self.outcomes[name] = Outcome.PASSED
        return True

    def program(self, name: str, *arguments: str, script: str | None = None, patience_s: int = 900) -> str:
        """Run a client program of the server's own version at the place; its output. Raises Failed."""
        done = subprocess.run(
            [str(self.run.bindir / name), *arguments],
            input=script,
            stdin=subprocess.DEVNULL if script is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=patience_s,
            env={**self.run.place.environment(), "LC_ALL": "C.UTF-8"},
        )
        if done.returncode:
            raise Failed(f"{name} {' '.join(arguments)}: {done.returncode}\n{done.stderr[-4000:]}")
        return done.stdout


def demand(holds: bool, otherwise: str) -> None:
    """Raises Failed unless it holds."""
    if not holds:
        raise Failed(otherwise)


def numbers(rows: Sequence[Sequence[object]]) -> list[int]:
    """The one row's values as whole numbers."""
    (row,) = rows
    return [int(str(value)) for value in row]
