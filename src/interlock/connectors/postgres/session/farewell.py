"""What a client is told when its session ends because of an error: SQLSTATE and sentence (PostgreSQL, Appendix A)."""

from interlock.connectors.postgres import answer
from interlock.connectors.postgres.client.errors import UpstreamError
from interlock.connectors.postgres.session.channel import IdleTooLong, Overstayed
from interlock.model.errors import Halted, InterlockError
from interlock.wire import ProtocolViolation

KNOWN = (ProtocolViolation, Overstayed, IdleTooLong, UpstreamError, InterlockError)
"""Errors that end a session and are no bug of ours."""


def farewell(error: Exception) -> tuple[str, str]:
    """The last words about one of `KNOWN`; of anything else, that it was an internal error."""
    match error:
        case ProtocolViolation():
            return "08P01", str(error)
        case Overstayed():
            return "25P04", str(error)
        case IdleTooLong():
            return "25P03", "terminating connection due to idle-in-transaction timeout"
        case UpstreamError():
            return "08001", "the server behind the gateway cannot be reached now; try again later"
        case Halted():
            return answer.BREAKER, str(error)
        case InterlockError():
            return "IL005", str(error)
        case _:
            return "XX000", "an internal error ended this session; an open transaction is rolled back"
