"""The part of docs/conformance-aws.md that tells of the codec."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import botocore
from tests.real.aws.conformance.compare import PARAMETERS, REFUSED, RIGHT, TWIN, WRONG
from tests.real.aws.conformance.reasons import reason_of
from tests.real.aws.conformance.run import UNSENT, Case, counted

FILE = Path(__file__).parents[4] / "docs" / "conformance-aws.md"
BEGIN, END = "<!-- codec: begin -->", "<!-- codec: end -->"
_START = f"""# Conformance: does the gateway understand AWS requests as the services do?

`make conformance-aws` makes requests with the clients that agents use and compares.

## Understanding

{BEGIN}
{END}
"""
_ROWS = (
    (RIGHT, "same operation and parameters"),
    (TWIN, "the successor of a deprecated S3 operation with the same request"),
    (PARAMETERS, "same operation, other parameters"),
    (REFUSED, "refused"),
    (WRONG, "**another operation**"),
)


def share(cases: Sequence[Case], own: bool) -> float:
    """The part of all requests that is read right, a deprecated operation's as its successor's included."""
    return _share(counted(cases, own))


def _share(counts: Counter[str]) -> float:
    return (counts[RIGHT] + counts[TWIN]) / max(sum(counts[kind] for kind, _ in _ROWS), 1)


def section(cases: Sequence[Case]) -> str:
    """The numbers and what differs."""
    own, one, others = counted(cases, True), counted(cases, False), counted(cases, True, others=True)
    services = len({case.service for case in cases})
    operations = len({(case.service, case.operation) for case in cases})
    lines = [
        f"botocore {botocore.__version__}: {services} services, {operations:,} operations, each with its required members and with",
        "all, made by botocore's own clients. Services that share an API on one host (rds, docdb, neptune) have the same",
        f"requests; with one endpoint those are read as the first of them, with the others beside it: {one['shared']:,} requests.",
        "",
        "| read as | endpoint per service | one endpoint | other protocols of the same services |",
        "|---|---|---|---|",
        *(f"| {words} | {own[kind]:,} | {one[kind]:,} | {others[kind]:,} |" for kind, words in _ROWS),
        f"| **share read right** | **{_percent(_share(own))}** | **{_percent(_share(one))}** | **{_percent(_share(others))}** |",
        f"| not sent by botocore | {own[UNSENT]:,} | {one[UNSENT]:,} | {others[UNSENT]:,} |",
        "",
        "| what differs | with | reason |",
        "|---|---|---|",
        *_differing(cases),
    ]
    return "\n".join(lines)


def _percent(part: float) -> str:
    return f"{int(part * 10_000) / 100:.2f} %"


def _differing(cases: Sequence[Case]) -> list[str]:
    groups: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    ways: dict[tuple[str, str], set[bool]] = defaultdict(set)
    for case in cases:
        if case.outcome.kind != RIGHT:
            ways[case.service, case.operation].add(case.own)
    for case in cases:
        if case.outcome.kind != RIGHT:
            way = "both" if True in ways[case.service, case.operation] else "one endpoint"
            groups[reason_of(case) or f"unknown: {case.outcome.detail}", way, case.service].add(
                case.operation
            )
    return [
        f"| {service}: {_names(names)} | {way} | {reason} |"
        for (reason, way, service), names in sorted(groups.items())
    ]


def _names(names: set[str]) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:6]) + (f" and {len(ordered) - 6} more" if len(ordered) > 6 else "")


def write(cases: Sequence[Case]) -> None:
    """Put the section into the document, which is created when it isn't there."""
    text = FILE.read_text("utf-8") if FILE.exists() else _START
    if BEGIN not in text:
        text += f"\n## Understanding\n\n{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    FILE.write_text(f"{before}{BEGIN}\n{section(cases)}\n{END}{rest.partition(END)[2]}", "utf-8")
