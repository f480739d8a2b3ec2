"""What people do about a held change beside approving and denying: take their approval back, comment."""

from typing import Annotated

import typer

from interlock.cli import out
from interlock.cli.options import (
    Asked,
    ChangeId,
    Config,
    Json,
    Key,
    NeedAs,
    ReasonText,
    Url,
    asks,
    connect,
)
from interlock.cli.said import print_said
from interlock.console.schemas import ChangeDetail
from interlock.console.schemas.deciding import NewComment, Unapproval
from interlock.model.change import Comment


def unapprove(
    chg: ChangeId,
    as_: NeedAs,
    reason: ReasonText = "",
    config: Config = None,
    url: Url = "",
    key: Key = None,
    json: Json = False,
) -> None:
    """Take your own approval back before it is used. The change waits again unless the others suffice."""
    server = connect(config, url, as_, key)
    wish = Unapproval(as_, reason)
    detail = server.post(f"/api/v1/changes/{chg}/approvals/withdraw", ChangeDetail, wish)
    if json:
        out.json(detail)
        return
    out.say(f"Taken back. {detail.change.id} is {detail.change.state.value}.", style="bold")
    print_said(detail)


@asks
def comment(
    asked: Asked,
    chg: ChangeId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to write.")],
) -> None:
    """Write something beside a change, for the people who decide about it. Agents do not see it."""
    server = asked.connect()
    made = server.post(f"/api/v1/changes/{chg}/comments", Comment, NewComment(text))
    if asked.json:
        out.json(made)
    else:
        out.say(f"Written beside {chg}.", style="bold")
