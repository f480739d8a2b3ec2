"""PostgreSQL's frontend/backend protocol, version 3, sans-io and in both roles.

Cutting a stream into messages: :class:`StartupFramer`, :class:`Framer`; passing one through: :class:`Scanner`,
:class:`Relay`. Meaning: ``decode_frontend``, ``decode_backend``, ``decode_startup``, ``decode_as`` and ``encode``, with
the values in ``frontend`` and ``backend``. Everything wrong with a peer's bytes is a
:class:`~interlock.wire.ProtocolViolation`.
"""

from interlock.connectors.postgres.codec import backend, build, frontend
from interlock.connectors.postgres.codec.framer import Frame, Framer, StartupFramer
from interlock.connectors.postgres.codec.limits import (
    AGENT_LIMIT,
    BACKEND_LOGIN,
    FRONTEND_LOGIN,
    SERVER_LIMIT,
    Limits,
    backend_limits,
    frontend_limits,
)
from interlock.connectors.postgres.codec.scanner import Relay, Scanner, Span
from interlock.connectors.postgres.codec.shared import CopyData, CopyDone
from interlock.connectors.postgres.codec.table import (
    decode_as,
    decode_backend,
    decode_frontend,
    decode_startup,
    encode,
)

__all__ = [
    "AGENT_LIMIT",
    "BACKEND_LOGIN",
    "FRONTEND_LOGIN",
    "SERVER_LIMIT",
    "CopyData",
    "CopyDone",
    "Frame",
    "Framer",
    "Limits",
    "Relay",
    "Scanner",
    "Span",
    "StartupFramer",
    "backend",
    "backend_limits",
    "build",
    "decode_as",
    "decode_backend",
    "decode_frontend",
    "decode_startup",
    "encode",
    "frontend",
    "frontend_limits",
]
