"""How the demo tells its story."""

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
        self.console.print(Text("$ ", style="magenta") + Text(text))

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
