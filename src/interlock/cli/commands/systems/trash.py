"""The trash of a target: what changes took away, and a revert can still give back."""

from typing import Annotated
from urllib.parse import quote

import typer

from interlock.cli import out
from interlock.cli.options import Asked, Yes, asks
from interlock.console.schemas.targets import EmptyTrash, TrashList
from interlock.model.errors import Rejected

trash = typer.Typer(no_args_is_help=True, help="Copies of what changes took away.")

Target = Annotated[str, typer.Argument(metavar="TARGET")]
Of = Annotated[str, typer.Option("--change", metavar="CHG", help="Only what this change took away.")]
Older = Annotated[str, typer.Option("--older-than", metavar="7d", help="Only what is kept for longer.")]


@trash.command("list")
@asks
def list_trash(
    asked: Asked,
    target: Target,
    change: Of = "",
    older_than: Older = "",
) -> None:
    """List what is in the trash of a target, oldest first."""
    found = asked.connect().get(_path(target), TrashList, change=change, older_than=older_than)
    _show(found, asked.json, "in the trash")


@trash.command("empty")
@asks
def empty_trash(
    asked: Asked,
    target: Target,
    change: Of = "",
    older_than: Older = "",
    yes: Yes = False,
) -> None:
    """Remove what is in the trash of a target, for good: the changes that took it away can be reverted no longer."""
    server = asked.connect()
    found = server.get(_path(target), TrashList, change=change, older_than=older_than)
    if found.copies and not yes:
        changes = {copy.change for copy in found.copies}
        question = f"Remove {_count(found)} of {out.count(len(changes), 'change')} for good?"
        if not typer.confirm(question, err=True):
            raise Rejected("nothing was removed")
    removed = server.post(f"{_path(target)}/empty", TrashList, EmptyTrash(change, older_than))
    _show(removed, asked.json, "removed")


def _path(target: str) -> str:
    return f"/api/v1/targets/{quote(target, safe='')}/trash"


def _show(found: TrashList, json: bool, state: str) -> None:
    if json:
        out.json(found)
        return
    rows = [
        (
            copy.change or "unknown",
            copy.of,
            copy.rows,
            f"{copy.size / (1 << 20):.1f}",
            copy.kept_at,
            copy.kept_until,
        )
        for copy in found.copies
    ]
    columns = ("change", "of", "rows", "MiB", "kept", "until")
    if rows:
        out.print_table(out.table("", columns, rows, right=("rows", "MiB")))
    out.say(f"{_count(found)} {state}.", style="dim")


def _count(found: TrashList) -> str:
    number = len(found.copies)
    return f"{number:,} {'copy' if number == 1 else 'copies'}"
