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
    """A passkey, or with `login` a login at the provider, that waits to be confirmed. Its code is only known to who made it.
    `person` is empty for who was not invited; `label` is then what the provider calls them, and `named` the groups that it says
    they are in."""

    person: str
    label: str
    at: datetime
    groups: tuple[str, ...] = ()
    invited_by: str = ""
    login: str = ""
    named: tuple[str, ...] = ()


class Enrolments(Value, frozen=True):
    """Passkeys and logins that wait to be confirmed."""

    enrolments: tuple[WaitingEnrolment, ...]


class Confirmation(Value, frozen=True):
    """The code that the person saw; and for a login that nobody invited, the groups of the person whom it becomes."""

    code: str
    groups: tuple[str, ...] = ()


class Unlink(Value, frozen=True):
    """A login at the provider, by what that calls it (its claim `sub`)."""

    sub: str
