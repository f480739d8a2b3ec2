"""A small part of the suites, as `make test` has time for; what they say is compared and written; the document is up to date."""

from pathlib import Path

import pytest
from tests.real.conformance import document, junit, results, running, sources
from tests.real.conformance.__main__ import names, suite
from tests.real.conformance.results import Difference, Reason
from tests.real.conformance.running import Both
from tests.real.conformance.suite import Outcome, Suite

from interlock.testing.peers.pg import PgCluster

SUITE = Suite("toy", "1", lambda run: {})
PASSED, FAILED, SKIPPED = Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED


@pytest.fixture(scope="module")
def roomy() -> object:
    """A cluster of its own: some suites bring a database of a name that all know."""
    with PgCluster.start("18", fsync=False) as cluster:
        yield cluster


@pytest.mark.parametrize("name", names())
def test_a_part_of_it_comes_out_alike(roomy: PgCluster, tmp_path: Path, name: str) -> None:
    wanted = suite(name)
    if not wanted.subset:
        pytest.skip(f"nothing of {name} is for every day")
    if not sources.at_hand(wanted):
        pytest.skip(f"{name} is not here; `make conformance` fetches it")
    found = running.both(wanted, roomy, tmp_path, wanted.subset)
    result = results.compare(wanted, "18", found)
    assert results.unexplained(result) == []
    assert result.gateway.get("passed", 0) >= 3


def test_every_difference_is_explained() -> None:
    found = results.load()
    assert found
    assert {r.suite: left for r in found if (left := results.unexplained(r))} == {}


def test_reasons_are_of_suites_that_are_there() -> None:
    assert {path.stem for path in results.REASONS.glob("*.toml")} <= set(names())


def test_the_document_is_up_to_date() -> None:
    assert document.written() == document.FILE.read_text("utf-8"), (
        "run: python -m tests.real.conformance --write"
    )


# -- comparing


def test_tests_are_compared_one_by_one() -> None:
    direct = {"a": PASSED, "b": PASSED, "c": FAILED, "d": SKIPPED}
    gateway = {"a": PASSED, "b": FAILED, "c": FAILED, "e": PASSED}
    result = results.compare(SUITE, "18.1", Both(direct, gateway))
    assert result.differences == (
        Difference("b", "passed", "failed"),
        Difference("d", "skipped", "absent"),
        Difference("e", "absent", "passed"),
    )
    assert (result.same, result.direct) == (2, {"failed": 1, "passed": 2, "skipped": 1})


def test_a_difference_needs_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(results, "REASONS", tmp_path)
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    result = results.compare(SUITE, "18", Both({"m.one": PASSED, "m.two": PASSED}, {"m.one": FAILED}))
    assert len(results.unexplained(result)) == 2
    (tmp_path / "toy.toml").write_text('[[reason]]\nwhy = "so it\\n is"\ntests = ["m.o*"]\n', "utf-8")
    assert results.unexplained(result) == [Difference("m.two", "passed", "absent")]
    results.save(result)
    assert results.load() == [result]
    text = document.sections()
    assert "- so it is *1:* `m.one`" in text
    assert "**Without a reason yet:** `m.two`" in text
    assert "| toy 1 | 18 | 2 | 0 | 2 | 0 | 2 |" in text


def test_patterns_mean_whole_names() -> None:
    assert Reason("x", ("m.*",)).covers("m.a")
    assert not Reason("x", ("m.a",)).covers("m.ab")


def test_the_worst_that_a_test_reports_counts(tmp_path: Path) -> None:
    report = tmp_path / "junit.xml"
    report.write_text(
        """<testsuites><testsuite><testcase classname="m.C" name="one"><failure message="x">y</failure></testcase>
        <testcase classname="m.C" name="one"/><testcase classname="m" name="two"><skipped/></testcase>
        <testcase classname="m" name="three"><system-out>z</system-out></testcase></testsuite></testsuites>""",
        "utf-8",
    )
    assert dict(junit.outcomes(report)) == {"m.C.one": FAILED, "m.two": SKIPPED, "m.three": PASSED}


def test_a_result_says_nothing_of_the_machine() -> None:
    for file in results.RESULTS.glob("*.json"):
        assert str(sources.ROOT) not in file.read_text("utf-8")


def test_results_are_of_what_the_suites_say() -> None:
    versions = {name: suite(name).version for name in names()}
    assert {r.suite: r.version for r in results.load() if versions.get(r.suite) != r.version} == {}
