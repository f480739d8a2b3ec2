"""The section of docs/conformance-aws.md: numbers, differences, and nothing else of the document touched."""

from pathlib import Path

import pytest
from tests.real.aws.conformance import document
from tests.real.aws.conformance.compare import REFUSED, RIGHT, TWIN, WRONG, Outcome
from tests.real.aws.conformance.reasons import reason_of
from tests.real.aws.conformance.run import Case

CASES = [
    Case("iam", "GetUser", True, True, Outcome(RIGHT)),
    Case("iam", "GetUser", True, False, Outcome(RIGHT)),
    Case("iam", "GetUser", True, True, Outcome(RIGHT), "query"),
    Case("s3", "GetBucketLifecycle", True, True, Outcome(TWIN, "s3:GetBucketLifecycleConfiguration")),
    Case("sdb", "Select", True, False, Outcome(REFUSED, "the request does not say which service it is for")),
    Case("x", "Y", True, True, Outcome(WRONG, "x:Z")),
]


def test_shares_count_each_kind_of_endpoint_for_itself() -> None:
    assert document.share(CASES, own=True) == pytest.approx(2 / 3)
    assert document.share(CASES, own=False) == pytest.approx(1 / 2)


def test_another_operation_never_has_a_reason() -> None:
    assert [bool(reason_of(case)) for case in CASES] == [False, False, False, True, True, False]


def test_only_the_section_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "conformance.md"
    file.write_text(f"before\n{document.BEGIN}\nold\n{document.END}\nafter\n", "utf-8")
    monkeypatch.setattr(document, "FILE", file)
    document.write(CASES)
    written = file.read_text("utf-8")
    assert written.startswith(f"before\n{document.BEGIN}\nbotocore ")
    assert written.endswith(f"\n{document.END}\nafter\n")
    assert "old" not in written
    assert "| **another operation** | 1 | 0 | 0 |" in written
    assert "s3: GetBucketLifecycle" in written


def test_the_document_says_what_was_found() -> None:
    """The numbers that are kept there: no request was read as another operation, and the goals are met."""
    text = document.FILE.read_text("utf-8")
    section = text.partition(document.BEGIN)[2].partition(document.END)[0]
    row = next(line for line in section.splitlines() if "another operation" in line)
    assert [cell.strip() for cell in row.split("|")[2:-1]] == ["0", "0", "0"]
    shares = next(line for line in section.splitlines() if "share read right" in line)
    own, one, _ = (float(cell.strip(" *%")) for cell in shares.split("|")[2:-1])
    assert own >= 99.9
    assert one >= 98.5
    assert "unknown:" not in section
