"""The generated part of docs/conformance.md: one section for each suite, from its JSON result and its reasons."""

from collections.abc import Iterator

from tests.real.conformance import results
from tests.real.conformance.results import Reason, Result
from tests.real.conformance.sources import ROOT

FILE = ROOT / "docs" / "conformance.md"
BEGIN, END = "<!-- suites: begin -->", "<!-- suites: end -->"


def written() -> str:
    """The document with its sections as the results are."""
    text = FILE.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{sections()}\n{END}{after}"


def sections() -> str:
    found = results.load()
    table = [
        "| suite | PostgreSQL | tests | same | pass directly | pass through the gateway | differ |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    table += [_row(result) for result in found]
    return "\n".join([*table, "", *(line for result in found for line in _section(result))])


def _row(result: Result) -> str:
    total = result.same + len(result.differences)
    passed = (str(run.get("passed", 0)) for run in (result.direct, result.gateway))
    name = f"{result.suite} {result.version}".strip()
    cells = (name, result.postgres, str(total), str(result.same), *passed, str(len(result.differences)))
    return f"| {' | '.join(cells)} |"


def _section(result: Result) -> Iterator[str]:
    yield f"### {result.suite}"
    yield ""
    yield f"Directly: {_counts(result.direct)}. Through the gateway: {_counts(result.gateway)}."
    yield ""
    if not result.differences:
        yield "No test differs."
        yield ""
        return
    for reason in results.reasons(result.suite):
        yield from _reason(result, reason)
    left = results.unexplained(result)
    if left:
        yield "- **Without a reason yet:** " + ", ".join(f"`{d.test}`" for d in left)
    yield ""


def _reason(result: Result, reason: Reason) -> Iterator[str]:
    tests = [d for d in result.differences if reason.covers(d.test)]
    if tests:
        yield f"- {reason.why} *{len(tests)}:* " + ", ".join(f"`{d.test}`" for d in tests)


def _counts(run: "dict[str, int] | object") -> str:
    assert isinstance(run, dict)
    return ", ".join(f"{count} {outcome}" for outcome, count in run.items())
