"""docs/promises.md names each promise, what keeps it, and tests that are there."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent.parent
DOCUMENT = ROOT / "docs" / "promises.md"
FILES = sorted(Path(__file__).parent.glob("test_p[01]*.py"))


class Row(NamedTuple):
    number: int
    title: str
    modules: list[str]
    tests: list[str]


def rows() -> list[Row]:
    found = []
    for line in DOCUMENT.read_text("utf-8").splitlines():
        if match := re.match(r"\| \*\*P(\d+) ([^*]+?)\.?\*\*", line):
            _, _, modules, tests, _ = line.split("|")
            names = [re.findall(r"`([^`]+)`", cell) for cell in (modules, tests)]
            found.append(Row(int(match[1]), match[2], *names))
    return found


def test_there_are_ten() -> None:
    assert [row.number for row in rows()] == list(range(1, 11))
    assert len(FILES) == 10


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"P{row.number}")
def test_what_it_names_is_there(row: Row) -> None:
    assert row.modules
    for module in row.modules:
        assert (ROOT / "src" / "interlock" / module).is_file(), module
    for test in row.tests:
        assert "def test_" in (ROOT / test).read_text("utf-8"), test
    assert row.tests[0] == FILES[row.number - 1].relative_to(ROOT).as_posix()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_file_names_its_promise(file: Path) -> None:
    docstring = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    row = rows()[FILES.index(file)]
    assert docstring.startswith(f"P{row.number} {row.title.split(', ')[0]}"), docstring


def test_the_readme_leads_there() -> None:
    assert "(docs/promises.md)" in (ROOT / "README.md").read_text("utf-8")
