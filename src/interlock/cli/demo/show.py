"""How the demo tells its story."""

import shlex
import time
from dataclasses import dataclass

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the final table; `seconds` is how long the step took."""

    step: str
    outcome: str
    seconds: float
    ok: bool


def folded(command: str, width: int) -> list[str]:
    """A command in lines that fit behind `$ `, and that a shell takes together for the same command: a word (an option with what
    belongs to it) is never broken."""
    first, *rest = _words(command)
    lines = [first]
    for word in rest:
        if len("$ ") + len(lines[-1]) + 1 + len(word) + len(" \\") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(f"  {word}")
    return [*(f"{line} \\" for line in lines[:-1]), lines[-1]]


def _words(command: str) -> list[str]:
    """The words of a command as a shell reads them, quoted again; options together with their values."""
    words: list[str] = []
    for word in shlex.split(command):
        if words and words[-1].startswith("--") and " " not in words[-1] and not word.startswith("-"):
            words[-1] += f" {shlex.quote(word)}"
        else:
            words.append(shlex.quote(word))
    return words


class Teller:
    """Prints steps as they happen, and keeps the table."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self.lines: list[Line] = []
        self._step = ""
        self._since = time.monotonic()

    def begin(self, step: str) -> None:
        """A new step."""
        self._step = step
        self._since = time.monotonic()
        self.console.print()
        self.console.rule(Text(step, style="bold"), align="left")

    def end(self, outcome: str, *, ok: bool = True) -> None:
        """The step is over."""
        self.lines.append(Line(self._step, outcome, time.monotonic() - self._since, ok))
        mark = Text("✓ ", style="bold green") if ok else Text("✗ ", style="bold red")
        self.console.print(mark + Text(outcome, style="" if ok else "red"))

    def sql(self, agent: str, text: str) -> None:
        """What an agent sends."""
        self.console.print(Text(f"{agent}=> ", style="cyan") + Text(text))

    def command(self, text: str) -> None:
        """What a person types."""
        for place, line in enumerate(folded(text, self.console.width)):
            self.console.print(Text("  " if place else "$ ", style="magenta") + Text(line), soft_wrap=True)

    def answer(self, text: str) -> None:
        """What comes back."""
        self.console.print(Panel(Text(text.strip()), border_style="dim", padding=(0, 1)))

    def say(self, text: str) -> None:
        """A remark."""
        self.console.print(Text(text, style="dim"))

    def table(self) -> None:
        """All steps and how they came out."""
        table = Table(title="The main job", title_justify="left", title_style="bold", show_lines=False)
        table.add_column("")
        table.add_column("step")
        table.add_column("outcome")
        table.add_column("s", justify="right")
        for line in self.lines:
            mark = Text("✓", style="green") if line.ok else Text("✗", style="bold red")
            table.add_row(mark, line.step, line.outcome, f"{line.seconds:.1f}")
        self.console.print()
        self.console.print(table)
