"""What people said of a change, for a terminal."""

from interlock.cli import out
from interlock.console.schemas import ChangeDetail, QuorumState
from interlock.control.deciding.quorum import EVERYONE


def print_said(detail: ChangeDetail) -> None:
    """Who said what, how far the quorums are, and what was written beside it."""
    if detail.approvals:
        rows = [
            (a.statement.person, a.statement.verdict.value, a.at, a.statement.reason)
            for a in detail.approvals
        ]
        out.print_table(out.table("What people said", ("who", "verdict", "when", "reason"), rows))
    for quorum in detail.quorums:
        _print_quorum(quorum)
    if detail.comments:
        lines = [(c.by.removeprefix("person/"), c.at, c.text) for c in detail.comments]
        out.print_table(out.table("Comments", ("who", "when", "what"), lines))


def _print_quorum(quorum: QuorumState) -> None:
    """A line for a quorum, one for each part when it has several, and who does not count."""
    several = len(quorum.parts) > 1
    of = "" if several else f" of {quorum.group}" if quorum.group == EVERYONE else f" of group {quorum.group}"
    given = f": {', '.join(quorum.given)}" if quorum.given else ""
    out.say(f"{quorum.name}: {quorum.count - quorum.missing} of {quorum.count}{of}{given}", style="bold")
    for part in quorum.parts if several else ():
        who = f": {', '.join(part.given)}" if part.given else ""
        out.say(f"  {len(part.given)} of {part.count} of group {' or '.join(part.groups)}{who}")
    for person in quorum.hasty:
        out.say(f"  {person} approved in haste: one more person is needed")
    for person, why in quorum.ignored.items():
        out.say(f"  {person} does not count: {why}")
