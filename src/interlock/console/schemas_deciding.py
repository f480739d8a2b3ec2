"""What the API takes and gives about deciding, beside approvals and denials. Light: the command line imports it too."""

from interlock.model.base import Value
from interlock.model.change import Comment


class Unapproval(Value, frozen=True):
    """Taking one's own approval back. `person` is whose, for those who ask by the admin socket; others take back their own."""

    person: str = ""
    reason: str = ""


class NewComment(Value, frozen=True):
    """Something to write beside a change: 4,000 characters at most."""

    text: str


class Comments(Value, frozen=True):
    """What was written beside a change, oldest first."""

    comments: tuple[Comment, ...]
