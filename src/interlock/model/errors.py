"""The errors that cross layers. Each says whose fault it is and what to do next; messages never hold a secret."""


class InterlockError(Exception):
    """Base of all. `str(error)` may be shown to anyone."""


class Unavailable(InterlockError):
    """The gate cannot decide or record now (store lost, full or locked; policy not loaded). Nothing was done; try later."""


class Halted(Unavailable):
    """A person has stopped everything (`interlock halt`). Nothing was done; it goes on when a person says so."""


class Conflict(InterlockError):
    """Someone else moved the record first; read it again."""


class NotFound(InterlockError):
    """There is no such thing (or the asker may not know of it)."""


class Rejected(InterlockError):
    """The request is understood and refused; the message says why."""


class Forbidden(Rejected):
    """What was asked for is never allowed, whatever policy says and people approve; it is recorded as a refusal."""


class Misconfigured(InterlockError):
    """The configuration or the target's set-up is wrong; the message says where and how to mend it."""
