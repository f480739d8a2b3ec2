"""The tables of docs/cli.md, docs/api.md and docs/ledger.md, made from what they describe. `python tests/doc_tables.py` writes
them anew; `tests/test_doc_tables.py` fails while they are out of date."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from interlock.cli.main import app
from interlock.console.problems import CODES
from interlock.console.routes import OPERATIONS
from interlock.ledger.entry import KINDS

DOCS = Path(__file__).parent.parent / "docs"
COMMON = {"--config", "--url", "--as", "--key", "--json", "--passphrase-file", "--yes", "--full"}
"""Options that many commands have: described once."""


def commands() -> dict[str, Any]:
    """Every command by its words."""
    return dict(_walk("interlock", typer.main.get_command(app)))


def _walk(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if not children:
        yield words, command
        return
    for name, child in children.items():
        yield from _walk(f"{words} {name}", child)


def usage(words: str, command: Any) -> str:
    """The command with its own arguments and options, optional ones in brackets."""
    parts = [words]
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            shown = (parameter.metavar or parameter.name.upper()).strip("[]…")
            parts.append(shown if parameter.required else f"[{shown}]")
        elif not COMMON.intersection(parameter.opts):
            parts.append(_option(parameter))
    # --as and --key are part of the command where it cannot do without.
    needed = [
        f"{p.opts[0]} {p.metavar}"
        for p in command.params
        if p.required and {"--as", "--key"}.intersection(p.opts)
    ]
    return " ".join([*parts, *needed])


def _option(parameter: Any) -> str:
    value = "" if parameter.is_flag else f" {parameter.metavar or parameter.name.upper()}"
    text = f"{parameter.opts[-1]}{value}"
    return text if parameter.required else f"[{text}]"


def command_table() -> str:
    rows = [
        f"| `{_cell(usage(words, command))}` | {_cell(' '.join(command.help.split()))} |"
        for words, command in commands().items()
    ]
    return "\n".join(["| command | what it does |", "|---|---|", *rows])


def resource_table() -> str:
    rows = [
        f"| `{op.method} {op.openapi_path}` | {op.access.value} | {_cell(op.summary)} |" for op in OPERATIONS
    ]
    return "\n".join(["| request | who | what |", "|---|---|---|", *rows])


def code_table() -> str:
    rows = [f"| `{code}` | {status} | {_cell(title)} |" for code, (status, title) in CODES.items()]
    return "\n".join(["| code | status | meaning |", "|---|---|---|", *rows])


def kind_table() -> str:
    rows = [f"| `{kind}` | {_cell(meaning)} |" for kind, meaning in KINDS.items()]
    return "\n".join(["| kind | meaning |", "|---|---|", *rows])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


TABLES = {
    "cli.md": {"commands": command_table},
    "api.md": {"resources": resource_table, "codes": code_table},
    "ledger.md": {"kinds": kind_table},
}


def written(name: str, text: str) -> str:
    """The document with its tables as they must be. Each stands between `<!-- table: NAME -->` and `<!-- end -->`."""
    for table, make in TABLES[name].items():
        begin, end = f"<!-- table: {table} -->\n", "<!-- end -->"
        head, found, rest = text.partition(begin)
        _, closed, tail = rest.partition(end)
        assert found, f"{name} has no place for the table {table}"
        assert closed, f"{name}: the table {table} has no end"
        text = f"{head}{begin}{make()}\n{end}{tail}"
    return text


if __name__ == "__main__":
    for document in TABLES:
        path = DOCS / document
        path.write_text(written(document, path.read_text("utf-8")), "utf-8")
