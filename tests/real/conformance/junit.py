"""Run a suite by pytest in its own environment, and read what it says in JUnit's XML."""

import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.real.conformance.suite import Outcome, Run

_OUTCOMES = {"failure": Outcome.FAILED, "error": Outcome.ERROR, "skipped": Outcome.SKIPPED}
NEEDS = ("pytest", "pytest-timeout")
TEST_TIMEOUT_S = 120


def run(
    what: Run,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    patience_s: int = 3600,
) -> dict[str, Outcome]:
    """pytest with these arguments, in `folder` (the source, when not given). `environment` is laid over the place's. AssertionError
    when it reports nothing."""
    report = what.folder / "junit.xml"
    words = [str(what.python), "-m", "pytest", "-q", f"--junitxml={report}", "-p", "no:cacheprovider"]
    with (what.folder / "output.txt").open("wb") as output:
        subprocess.run(
            [
                *words,
                f"--timeout={TEST_TIMEOUT_S}",
                "--continue-on-collection-errors",
                "--tb=native",
                *arguments,
            ],
            cwd=folder or what.source,
            env={**what.place.environment(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=patience_s,
        )
    assert report.exists(), f"the suite reported nothing; its output is in {what.folder}"
    return dict(outcomes(report))


def outcomes(report: Path) -> Iterator[tuple[str, Outcome]]:
    """The tests of a report and what they came to. A test that failed and whose clean-up failed too is reported twice: the
    worse counts, so it comes last."""
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    for case in sorted(cases, key=lambda case: _outcome(list(case)) is not Outcome.PASSED):
        yield f"{case.get('classname')}.{case.get('name')}", _outcome(list(case))


def _outcome(children: Sequence[ElementTree.Element]) -> Outcome:
    return next((_OUTCOMES[child.tag] for child in children if child.tag in _OUTCOMES), Outcome.PASSED)
