"""What the documents say of commands and resources is what there is."""

import re
from pathlib import Path

import pytest
from tests.doc_tables import DOCS, TABLES, commands, written

ROOT = DOCS.parent


@pytest.mark.parametrize("document", list(TABLES))
def test_tables_are_those_of_the_code(document: str) -> None:
    text = (DOCS / document).read_text("utf-8")
    assert text == written(document, text), "run: python tests/doc_tables.py"


def named(text: str) -> set[str]:
    """Commands that a document shows: in code, up to the first word that is no command's."""
    code = "\n".join([*re.findall(r"```.*?```", text, re.DOTALL), *re.findall(r"`([^`\n]+)`", text)])
    return set(re.findall(r"(?<![\w./'-])interlock (?!\.)[a-z][a-z-]*(?: [a-z][a-z-]*)?", code))


@pytest.mark.parametrize(
    "path", [*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md"))], ids=lambda p: p.name
)
def test_commands_that_documents_show_are_there(path: Path) -> None:
    known = set(commands())
    groups = {" ".join(words.split()[:2]) for words in known if len(words.split()) == 3}
    for command in named(path.read_text("utf-8")):
        first = " ".join(command.split()[:2])
        if first.endswith((" is", " and", " in", " has")):
            continue
        assert command in known if first in groups and command != first else first in known | groups, command


def test_shown_commands_are_found() -> None:
    assert named("```\n$ interlock grants add --agent x\n```") == {"interlock grants add"}
    assert named("see `interlock doctor`, the interlock of things") == {"interlock doctor"}
