"""What the API takes and gives about enrolling people by links. As `console.schemas`, it imports nothing heavy."""

from datetime import datetime

from interlock.model.base import Value


class NewInvitation(Value, frozen=True):
    """Groups for somebody new; none for another passkey of somebody who is enrolled."""

    groups: tuple[str, ...] = ()


class Invited(Value, frozen=True):
    """A link that is good once, for a quarter of an hour. This answer is the only place where it ever is."""

    person: str
    url: str


class WaitingEnrolment(Value, frozen=True):
    """A passkey that waits to be confirmed. Its code is only known to who made it."""

    person: str
    label: str
    at: datetime
    groups: tuple[str, ...] = ()
    invited_by: str = ""


class Enrolments(Value, frozen=True):
    """Passkeys that wait to be confirmed."""

    enrolments: tuple[WaitingEnrolment, ...]


class Confirmation(Value, frozen=True):
    """The code that the person saw."""

    code: str
