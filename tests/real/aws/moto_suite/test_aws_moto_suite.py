"""A small part of moto's suite, as `make test` has time for; what came of it all is explained; the document is up to date."""

from pathlib import Path

import pytest
from tests.real.aws.moto_suite import document, outcomes, running
from tests.real.aws.moto_suite.parts import PARTS
from tests.real.aws.moto_suite.running import Part
from tests.real.conformance import sources
from tests.real.conformance.results import Difference
from tests.real.conformance.running import Both
from tests.real.conformance.suite import Outcome

PASSED, FAILED = Outcome.PASSED, Outcome.FAILED
SERVICES = [part.service for part in PARTS]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Both:
    if not sources.at_hand(running.distribution()):
        pytest.skip("moto's suite is not here; `make conformance-aws` fetches it")
    return running.both(PARTS, tmp_path_factory.mktemp("moto-suite"), subset=True)


@pytest.mark.parametrize("part", PARTS, ids=SERVICES)
def test_a_part_of_it_comes_out_alike(found: Both, part: Part) -> None:
    result = outcomes.compare(part, found)
    assert outcomes.unexplained(result) == []
    assert result.gateway.get("passed", 0) >= 3


def test_every_difference_is_explained() -> None:
    found = outcomes.load()
    assert [result.suite for result in found] == SERVICES
    assert {r.suite: left for r in found if (left := outcomes.unexplained(r))} == {}


def test_reasons_are_of_parts_that_are_there() -> None:
    assert {path.stem for path in outcomes.REASONS.glob("*.toml")} <= {*SERVICES, "all"}


def test_every_reason_has_a_test() -> None:
    for result in outcomes.load():
        own = outcomes.REASONS / f"{result.suite}.toml"
        reasons = outcomes.reasons(result.suite) if own.exists() else ()
        general = {reason.why for reason in outcomes.reasons("all")}
        for reason in reasons:
            covered = any(reason.covers(difference.test) for difference in result.differences)
            assert covered or reason.why in general, f"{result.suite}: {reason.why}"


def test_the_document_is_up_to_date() -> None:
    assert document.written() == document.FILE.read_text("utf-8"), (
        "run: python -m tests.real.aws.moto_suite --write"
    )


def test_a_difference_needs_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(outcomes, "REASONS", tmp_path)
    monkeypatch.setattr(outcomes, "RESULTS", tmp_path)
    one, two = "tests.test_s3.test_s3.one", "tests.test_s3.test_s3.two"
    direct = {one: PASSED, two: PASSED, "tests.test_iam.test_iam.other": PASSED}
    result = outcomes.compare(Part("s3"), Both(direct, {one: FAILED}))
    differences = [Difference(one, "passed", "failed"), Difference(two, "passed", "absent")]
    assert outcomes.unexplained(result) == differences
    (tmp_path / "all.toml").write_text('[[reason]]\nwhy = "so it\\n is"\ntests = ["*.one"]\n', "utf-8")
    assert outcomes.unexplained(result) == differences[1:]
    outcomes.save(result)
    assert outcomes.load() == [result]
    assert "- so it is *1:* `one`" in document.section()
    assert "**Without a reason yet.** *1:* `two`" in document.section()


def test_a_result_says_nothing_of_the_machine() -> None:
    for file in outcomes.RESULTS.glob("*.json"):
        assert str(sources.ROOT) not in file.read_text("utf-8")
