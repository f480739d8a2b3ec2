"""The table of docs/undo-aws.md, made from the rows. `python -m tests.connectors.aws.undo.doc_table` writes it anew; the test
beside this file fails while it is out of date."""

from collections import defaultdict
from pathlib import Path

from interlock.connectors.aws.undo.registry import table

PAGE = Path(__file__).parents[4] / "docs" / "undo-aws.md"
BEGIN, END = "<!-- rows: begin -->\n", "<!-- rows: end -->\n"
KINDS = {"full": "yes", "copy": "from a copy", "new_id": "with losses", "none": "no"}


def rows() -> str:
    """The table: operations of a service that are undone alike stand in one line."""
    alike: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for row in sorted(table().values(), key=lambda row: row.service):
        alike[row.service, row.kind, row.line].append(row.operation)
    lines = [
        f"| {service} | {', '.join(f'`{name}`' for name in names)} | {KINDS[kind]} | {line} |\n"
        for (service, kind, line), names in alike.items()
    ]
    return "".join(["| service | operation | comes back | how |\n|---|---|---|---|\n", *lines])


def page() -> str:
    """The page as it should be."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return f"{before}{BEGIN}{rows()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page())
