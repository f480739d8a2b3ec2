"""Showing results: on the terminal, and as Markdown for the documentation."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table as Grid

from bench.measure import DIRECT, GATEWAY, POOLER, PROXY, Row, Table, verdict

_HEADINGS = (
    *(f"{GATEWAY} / {other}" for other in (POOLER, PROXY, DIRECT)),
    *(DIRECT, POOLER, PROXY, GATEWAY, "unit", "note", "goal"),
)


def terminal(console: Console, table: Table) -> None:
    """One table, as soon as it is measured."""
    grid = Grid(title=table.title, title_justify="left", title_style="bold")
    grid.add_column("")
    headings = headings_of(table)
    for heading in headings:
        grid.add_column(heading, justify="left" if heading in ("goal", "unit", "note") else "right")
    for row in table.rows:
        grid.add_row(row.name, *_cells(row, headings))
    console.print(grid)
    for remark in table.remarks:
        console.print(f"  {remark}")


def markdown(machine: Mapping[str, str], tables: Sequence[Table]) -> str:
    """All of it, for docs/benchmarks.md."""
    parts = ["| machine | |", "|---|---|", *(f"| {name} | {value} |" for name, value in machine.items()), ""]
    for table in tables:
        headings = headings_of(table)
        parts += [f"### {table.title}", "", f"| | {' | '.join(headings)} |", f"|---|{'---|' * len(headings)}"]
        parts += [f"| {row.name} | {' | '.join(_cells(row, headings))} |" for row in table.rows]
        parts += ["", *(f"{remark}\n" for remark in table.remarks)]
    return "\n".join(parts)


def headings_of(table: Table) -> list[str]:
    """Only columns that some row fills."""
    compared = any(GATEWAY in row.medians for row in table.rows)
    if not compared:
        return ["median", "unit", "note", "goal"]
    return [heading for heading in _HEADINGS if any(_cell(row, heading) for row in table.rows)]


def _cells(row: Row, headings: Sequence[str]) -> list[str]:
    return [_cell(row, heading) for heading in headings]


def _cell(row: Row, heading: str) -> str:
    if heading == "unit":
        return row.unit
    if heading == "note":
        return row.note
    if heading == "goal":
        return f"{row.goal.text}: {verdict(row.goal)}" if row.goal else ""
    if " / " in heading:
        ratio = row.ratio(*heading.split(" / "))
        return "" if ratio is None else f"{ratio:.2f}"
    value = row.medians.get(heading)
    return "" if value is None else number(value)


def number(value: float) -> str:
    """As many digits as mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
