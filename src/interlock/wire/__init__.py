"""Sans-io tools that codecs share: a receive buffer with a limit, a strict reader, and the errors of both.

Nothing here performs I/O or knows a protocol. Bytes come in as arguments, values go out as results.
"""

from interlock.wire.buffer import ReceiveBuffer
from interlock.wire.errors import InvalidText, ProtocolViolation
from interlock.wire.reader import Reader

__all__ = ["InvalidText", "ProtocolViolation", "Reader", "ReceiveBuffer"]
