"""House rules that a reader of the repository may rely on, checked over every tracked file."""

import ast
import hashlib
import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import interlock

ROOT = Path(__file__).parent.parent
MAX_LINES = {"src": 400, "bench": 400, "tests": 900}
"""Tests may be longer: what belongs to one subject is easier to read in one place."""
CODE = ("src", "tests", "bench")
LOCKS = ("requirements/dev.txt", "requirements/lock.txt", "requirements/verifier.txt")
REQUIRED = (
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    ".ci/run",
)

# Checked in every file but this one.
FORBIDDEN = {
    "a package index": r"pypi\.org|deb\.debian|pythonhosted|registry\.npm|(?<!no-emit-)(index-url|find-links)",
    "somebody's machine": r"(?<![\w.])/(work|root|home/\w+|Users/\w+|opt/wheels)(?![\w-])",
}
# Neither are tools or their makers named: SHA-256 of each word in lower case, cut to 12 digits.
FORBIDDEN_WORDS = {"3ea125d0bff3", "60965168ce76", "c70eca6b0f88", "c857d09db23e"}


@cache
def tracked() -> tuple[Path, ...]:
    """Every file of the project: what git tracks, or what lies here when this is an unpacked archive."""
    listing = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    try:
        listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        names = (
            p for folder in (*CODE, "docs", "requirements", "scripts") for p in (ROOT / folder).rglob("*")
        )
        return tuple(p for p in (*names, *ROOT.glob("*.*")) if p.is_file() and "__pycache__" not in p.parts)
    return tuple(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())


def in_code(path: Path) -> bool:
    return path.suffix == ".py" and path.relative_to(ROOT).parts[0] in CODE


def texts() -> Iterator[tuple[Path, str]]:
    for path in tracked():
        raw = path.read_bytes()
        if b"\0" not in raw:
            yield path.relative_to(ROOT), raw.decode(errors="replace")


def lines_matching(pattern: str) -> list[str]:
    wanted = re.compile(pattern)
    return [
        f"{path}:{number}: {line.strip()}"
        for path, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if wanted.search(line)
    ]


def digest(word: str) -> str:
    return hashlib.sha256(word.lower().encode()).hexdigest()[:12]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_nothing_names(what: str) -> None:
    assert [
        line for line in lines_matching(FORBIDDEN[what]) if not line.startswith("tests/test_repository.py:")
    ] == []


@pytest.mark.parametrize(
    ("what", "sample"),
    [
        ("a package index", "pip install --index-url x"),
        ("somebody's machine", "see /" + "root/notes"),
        ("somebody's machine", "in /" + "home/alice/.cache"),
    ],
)
def test_the_rules_find_what_they_forbid(what: str, sample: str) -> None:
    assert re.search(FORBIDDEN[what], sample)


def test_no_tool_is_named() -> None:
    words = {(str(path), word) for path, text in texts() for word in set(re.findall(r"[A-Za-z]{4,}", text))}
    assert [found for found in words if digest(found[1]) in FORBIDDEN_WORDS] == []


def test_no_file_is_long() -> None:
    code = {p: p.relative_to(ROOT) for p in tracked() if in_code(p)}
    long = {str(name): n for p, name in code.items() if (n := line_count(p)) > MAX_LINES[name.parts[0]]}
    assert long == {}


def line_count(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("name", REQUIRED)
def test_is_there(name: str) -> None:
    assert (ROOT / name).is_file()


def test_licence_is_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0" in text


def test_version_is_stated_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["hatch"]["version"]["path"] == "src/interlock/__init__.py"
    stated = lines_matching(r"^__version__ = ")
    assert len(stated) == 1
    assert interlock.__version__ in stated[0]


def test_changelog_has_a_place_for_what_comes() -> None:
    assert "\n## [Unreleased]\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", LOCKS)
def test_lock_pins_everything_by_hash(name: str) -> None:
    entries = re.split(
        r"\n(?=[a-z0-9])", re.sub(r"(?m)^\s*#.*\n", "", (ROOT / name).read_text(encoding="utf-8"))
    )
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9.-]+==[^\s;]+", entry), entry
        assert "--hash=sha256:" in entry, entry


def test_lock_covers_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"].values()
    groups = [d for g in project["dependency-groups"].values() for d in g if isinstance(d, str)]
    asked = [*project["project"]["dependencies"], *(d for e in extras for d in e), *groups]
    names = {re.split(r"[\[<>=!~ ]", dependency)[0].lower() for dependency in asked} - {"interlock"}
    lock = (ROOT / "requirements/dev.txt").read_text(encoding="utf-8")
    assert names - set(re.findall(r"(?m)^([a-z0-9.-]+)==", lock)) == set()


def test_there_is_one_kind_of_lock() -> None:
    assert [
        p.name for p in tracked() if p.name in ("uv.lock", "poetry.lock", "Pipfile.lock", "pylock.toml")
    ] == []


def sleeps(source: str) -> list[int]:
    """The lines where a test waits for time to pass; ``sleep(0)`` only yields and is fine."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return [
        call.lineno
        for call in calls
        if isinstance(call.func, ast.Attribute | ast.Name)
        and (call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id) == "sleep"
        and not (len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0)
    ]


def test_tests_do_not_sleep() -> None:
    found = {
        str(path.relative_to(ROOT)): lines
        for path in tracked()
        if in_code(path)
        and path.relative_to(ROOT).parts[0] == "tests"
        and (lines := sleeps(path.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_sleeping_is_found() -> None:
    assert sleeps("import time, asyncio\ntime.sleep(1)\nasyncio.sleep(0)\nsleep(x)") == [2, 4]


def links(markdown: str) -> list[str]:
    """Targets of the links to this repository's own files, without anchors."""
    without_code = re.sub(r"(?ms)^```.*?^```", "", markdown)
    targets = re.findall(r"\]\(([^)\s]+)\)", without_code)
    return [t.split("#")[0] for t in targets if not re.match(r"[a-z]+:|#", t)]


def test_documents_link_to_what_exists() -> None:
    documents = [(path, text) for path, text in texts() if path.suffix == ".md"]
    assert documents
    broken = [f"{p}: {t}" for p, text in documents for t in links(text) if not (ROOT / p.parent / t).exists()]
    assert broken == []


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = sorted(int(p.name[:4]) for p in (ROOT / "docs/adr").glob("[0-9]*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


def test_test_files_have_unique_names() -> None:
    names = [p.name for p in tracked() if in_code(p) and p.name.startswith("test_")]
    assert sorted(names) == sorted(set(names))


def test_scripts_are_valid() -> None:
    scripts = [*(ROOT / "scripts").iterdir(), ROOT / ".ci/run"]
    for script in scripts:
        subprocess.run(["bash", "-n", script], check=True, timeout=30)
        assert script.stat().st_mode & 0o100, f"{script} is not executable"


def test_documents_name_make_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"(?m)^([a-z]+):", makefile))
    named = {m for path, text in texts() if path.suffix == ".md" for m in re.findall(r"`make ([a-z]+)", text)}
    assert {"test", "demo"} <= named
    assert named <= targets
