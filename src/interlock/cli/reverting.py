"""Shows what a revert would do, and which rows others touched since."""

from collections.abc import Sequence

from interlock.cli import out
from interlock.model.conflict import ConflictKind, RowConflict
from interlock.runtime.service.deciding.reverting import RevertPlan

_WHAT = {
    ConflictKind.MODIFIED: "was changed since",
    ConflictKind.DELETED: "is gone (or was changed)",
    ConflictKind.TAKEN: "its key is used again",
    ConflictKind.BLOCKED: "other rows need it as it is",
}
_SHOWN = 20


def show(plan: RevertPlan, *, force: bool, quiet: bool) -> None:
    """What it would do. On standard error when standard output is for a program."""
    console = out.errors() if quiet else out.console()
    if plan.possible:
        console.print("The revert would do this now:", style="bold")
        console.print(out.effects(plan.measurement.effects))
    show_conflicts(plan.conflicts, quiet=quiet)
    if plan.possible and not plan.complete:
        console.print("Something of the change would be left as it is.", style="bold yellow")
    if plan.conflicts and not plan.possible and not force:
        console.print(
            "With --force the columns that the change had set are set back all the same, and what cannot be is left.",
            style="yellow",
        )


def show_conflicts(conflicts: Sequence[RowConflict], *, quiet: bool = False) -> None:
    """Row by row; nothing when there are none."""
    if not conflicts:
        return
    rows = [
        (c.table, c.row, _WHAT[c.kind], ", ".join(c.columns), "left as it is" if c.left else "")
        for c in conflicts[:_SHOWN]
    ]
    console = out.errors() if quiet else out.console()
    console.print(out.table("What others did since", ("table", "row", "what", "columns", "by force"), rows))
    if len(conflicts) > _SHOWN:
        console.print(f"… and {len(conflicts) - _SHOWN} more (--json lists up to 200).", style="dim")
