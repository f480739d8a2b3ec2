"""What the API takes and gives about deciding, beside approvals and denials. Light: the command line imports it too."""

from interlock.console.schemas import ToSign
from interlock.model.base import Value
from interlock.model.break_glass import BreakGlass
from interlock.model.change import Comment, Statement


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


class BreakGlassQuery(Value, frozen=True):
    """What a person would sign to break the glass: for one change, or else for a target. `nonce` is the signer's own."""

    person: str
    reason: str
    change: str = ""
    target: str = ""
    nonce: str = ""


class BreakGlassToSign(Value, frozen=True):
    """What is signed. For one change `shown` is what it is computed from; for a target it is what the statement says, and
    `environment`."""

    statement: Statement
    environment: str
    shown: ToSign | None = None


class BreakGlasses(Value, frozen=True):
    """Those that nobody has reviewed first, then the newest."""

    break_glasses: tuple[BreakGlass, ...]


class SignedReview(Value, frozen=True):
    """What a reviewer thinks of it. Signed (Ed25519 over the canonical JSON of the statement, base64), or else the request must be
    signed by `person`."""

    person: str
    sentence: str
    statement: Statement | None = None
    signature: str = ""
