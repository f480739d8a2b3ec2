"""The table of docs/undo-aws.md, made from the rows and from what their tests came to.

`python -m tests.connectors.aws.undo.doc_table` writes it anew; the test beside this file fails while it is out of date."""

from collections import Counter, defaultdict
from pathlib import Path

from tests.connectors.aws.undo.data.test_aws_undo_data_cases import CASES as DATA
from tests.connectors.aws.undo.data.test_aws_undo_data_rows import UNPROVEN
from tests.connectors.aws.undo.estate.test_aws_undo_estate import CASES as ESTATE
from tests.connectors.aws.undo.estate.test_aws_undo_estate import LIKE_RDS, WHY
from tests.connectors.aws.undo.gateway.test_aws_undo_through_gateway import WITHOUT
from tests.connectors.aws.undo.modelled import CASES as MODELLED
from tests.connectors.aws.undo.rig import Case

from interlock.connectors.aws.undo.registry import Row, table

PAGE = Path(__file__).parents[4] / "docs" / "undo-aws.md"
BEGIN, END = "<!-- rows: begin -->\n", "<!-- rows: end -->\n"
KINDS = {"full": "yes", "copy": "from a copy", "new_id": "with losses", "none": "no"}
HEAD = "| service | operation | comes back | how | tried |\n|---|---|---|---|---|\n"


def _cases() -> dict[tuple[str, str], list[Case]]:
    found: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for case in (*DATA, *ESTATE):
        found[case.call[:2]].append(case)
    return found


def result(row: Row, cases: dict[tuple[str, str], list[Case]]) -> str:
    """What op → revert → compare came to."""
    name = (row.service, row.operation)
    if row.kind == "none":
        return "promises nothing"
    if name in cases:
        came = "equal but for what it declares" if any(case.differs for case in cases[name]) else "equal"
        return f"{came}; past the gateway: {WITHOUT[name]}" if name in WITHOUT else came
    if name in {case.call[:2] for case in MODELLED}:
        return "equal, on a model of the service"
    if row.service in LIKE_RDS:
        return "as rds: the same code, which moto shows there"
    if name in WHY:
        return f"not tried: {WHY[name]}"
    why, _, _, looked_at = UNPROVEN[name]
    return f"{'the plan only' if looked_at else 'not tried'}: moto {why}"


def rows() -> str:
    """The table: operations of a service that are undone alike, with the same result, stand in one line."""
    cases = _cases()
    alike: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    for row in sorted(table().values(), key=lambda row: row.service):
        alike[row.service, row.kind, row.line, result(row, cases)].append(row.operation)
    lines = [
        f"| {service} | {', '.join(f'`{name}`' for name in names)} | {KINDS[kind]} | {line} | {came} |\n"
        for (service, kind, line, came), names in alike.items()
    ]
    return "".join([_counted(cases), HEAD, *lines])


def _counted(cases: dict[tuple[str, str], list[Case]]) -> str:
    """How many rows came to what, the most first."""
    found = Counter(result(row, cases).partition(":")[0].partition(";")[0] for row in table().values())
    told = "; ".join(f"{came}: {count}" for came, count in found.most_common())
    return f"{len(table())} operations. {told[0].upper()}{told[1:]}.\n\n"


def page() -> str:
    """The page as it should be."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return f"{before}{BEGIN}{rows()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page())
