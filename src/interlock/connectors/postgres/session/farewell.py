"""The last word of a session that ends with an error: SQLSTATE and text of a FATAL."""

from interlock.connectors.postgres import answer
from interlock.connectors.postgres.client.errors import UpstreamError
from interlock.connectors.postgres.session.channel import IdleTooLong, Overstayed
from interlock.model.errors import Halted, InterlockError
from interlock.sdk.connector import Gate
from interlock.wire import ProtocolViolation

KNOWN = (ProtocolViolation, Overstayed, IdleTooLong, UpstreamError, InterlockError)
"""What a session may end with."""
SECONDS = 0.5
"""How long a client has for taking the word that its session is over."""


def of(error: Exception, gate: Gate) -> tuple[str, str]:
    """The word about one of `KNOWN`."""
    match error:
        case ProtocolViolation():
            return "08P01", str(error)
        case Overstayed():
            return "25P04", str(error)
        case IdleTooLong():
            return "25P03", "terminating connection due to idle-in-transaction timeout"
        case UpstreamError():
            gate.log("postgres.upstream_failed", stage=error.stage.value, sqlstate=error.sqlstate)
            return "08001", "the server behind the gateway cannot be reached now; try again later"
        case Halted():
            return answer.BREAKER, str(error)
        case _:
            return answer.UNAVAILABLE, str(error)
