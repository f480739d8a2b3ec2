"""HTTP/1.1 as a server speaks it, sans-io: :class:`Parser` turns bytes into :data:`Event` s, :mod:`response` makes the answers.

Whatever two readers of HTTP might read differently is refused (:class:`Malformed`): the gateway must see what the agent's
client meant.
"""

from interlock.connectors.aws.http.events import Data, End, Event, Head, Malformed
from interlock.connectors.aws.http.parser import Parser
from interlock.connectors.aws.http.response import CONTINUE, LAST, chunk, head

__all__ = ["CONTINUE", "LAST", "Data", "End", "Event", "Head", "Malformed", "Parser", "chunk", "head"]
