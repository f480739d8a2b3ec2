"""Protecting large tables, so that changes of them can be undone."""

from typing import Annotated
from urllib.parse import quote

import typer

from interlock.cli import out
from interlock.cli.options import Asked, Config, Key, asks, connect
from interlock.console.schemas.targets import ProtectedTables, Tables

Target = Annotated[str, typer.Argument(metavar="TARGET")]
Names = Annotated[
    list[str], typer.Argument(metavar="TABLE", help="schema.table, or a name in the target's schemas.")
]


@asks
def protect(
    asked: Asked,
    target: Target,
    tables: Names,
) -> None:
    """Add history triggers to large tables, so that changes of them can be undone. Each row that an agent writes costs a little
    more then; others' rows do not."""
    _change(target, tables, "protect", asked.config, asked.url, asked.as_, asked.key, asked.json)


@asks
def unprotect(
    asked: Asked,
    target: Target,
    tables: Names,
) -> None:
    """Remove the history triggers again. What was changed before can still be undone."""
    _change(target, tables, "unprotect", asked.config, asked.url, asked.as_, asked.key, asked.json)


def _change(
    target: str, tables: list[str], verb: str, config: Config, url: str, as_: str, key: Key, json: bool
) -> None:
    path = f"/api/v1/targets/{quote(target, safe='')}/{verb}"
    found = connect(config, url, as_, key).post(path, ProtectedTables, Tables(tuple(tables)))
    if json:
        out.json(found)
        return
    state = "protected" if found.protected else "no longer protected"
    out.say(f"{out.count(len(found.tables), 'table')} of {found.target} {state}:", style="bold")
    for table in found.tables:
        out.console().print(out.shown(f"  {table}"))
