"""The only I/O of this connector: connections to the server, and the files that a listener needs."""

from interlock.connectors.postgres.upstream.clock import wall_clock
from interlock.connectors.postgres.upstream.connection import OnLost, Receiver, Upstream, open_upstream
from interlock.connectors.postgres.upstream.listener import listener_context, read_certificate

__all__ = [
    "OnLost",
    "Receiver",
    "Upstream",
    "listener_context",
    "open_upstream",
    "read_certificate",
    "wall_clock",
]
