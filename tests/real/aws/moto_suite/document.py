"""The part of docs/conformance-aws.md that tells of moto's suite."""

from collections.abc import Iterator

from tests.real.aws.moto_suite import outcomes
from tests.real.conformance.results import Reason, Result
from tests.real.conformance.sources import ROOT

FILE = ROOT / "docs" / "conformance-aws.md"
BEGIN, END = "<!-- moto: begin -->", "<!-- moto: end -->"


def written() -> str:
    """The document with its part as the results are."""
    before, _, rest = FILE.read_text("utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n{section()}\n{END}{rest.partition(END)[2]}"


def section() -> str:
    """The numbers, and what differs."""
    found = outcomes.load()
    version = found[0].version if found else ""
    lines = [
        f"moto {version}.",
        "",
        "| service | tests | same | pass directly | pass through the gateway | differ |",
        "|---|--:|--:|--:|--:|--:|",
        *(_row(result) for result in found),
    ]
    for result in found:
        lines += ["", f"**{result.suite}.** {_said(result)}", *_differing(result)]
    return "\n".join(lines)


def _row(result: Result) -> str:
    total = result.same + len(result.differences)
    passed = (str(run.get("passed", 0)) for run in (result.direct, result.gateway))
    return f"| {' | '.join((result.suite, str(total), str(result.same), *passed, str(len(result.differences))))} |"


def _said(result: Result) -> str:
    return "Where tests come out otherwise:" if result.differences else "No test comes out otherwise."


def _differing(result: Result) -> Iterator[str]:
    if result.differences:
        yield ""
    left = list(result.differences)
    for reason in outcomes.reasons(result.suite):
        tests = [d for d in left if reason.covers(d.test)]
        left = [d for d in left if d not in tests]
        if tests:
            yield _line(reason, [d.test for d in tests])
    if left:
        yield _line(Reason("**Without a reason yet.**", ()), [d.test for d in left])


def _line(reason: Reason, tests: list[str]) -> str:
    names = sorted({test.rpartition(".")[2].partition("[")[0] for test in tests})
    return f"- {reason.why} *{len(tests)}:* " + ", ".join(f"`{name}`" for name in names)
