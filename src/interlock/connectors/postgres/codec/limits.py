"""How long each type of message may be. Index: the type byte; value: the most its length word may say; 0: refused.

The length word counts itself, but not the type byte. Limits follow the server's own (``PQ_SMALL_MESSAGE_LIMIT`` in
``libpq/libpq.h``, ``MAX_STARTUP_PACKET_LENGTH`` in ``libpq/pqcomm.h``, ``MaxAllocSize`` in ``utils/memutils.h``).
"""

Limits = tuple[int, ...]

STARTUP_LIMIT = 10_000 + 4
AUTHENTICATION_LIMIT = 64 * 1024
AGENT_LIMIT = 64 * 1024 * 1024
SERVER_LIMIT = 0x3FFF_FFFF + 4
_SMALL = 10_000
_EMPTY = 4


def _limits(*groups: tuple[bytes, int]) -> Limits:
    table = [0] * 256
    for kinds, limit in groups:
        for kind in kinds:
            table[kind] = limit
    return tuple(table)


def frontend_limits(longest: int = AGENT_LIMIT) -> Limits:
    """For a client that is logged in; ``longest`` (bytes) bounds what may be long: statements, values, COPY data."""
    small = min(_SMALL, longest)
    return _limits((b"QPBFd", longest), (b"CDEf", small), (b"HScX", _EMPTY))


def backend_limits(longest: int = SERVER_LIMIT) -> Limits:
    """For a server that let us in; ``longest`` (bytes) bounds rows, COPY data, errors and the like."""
    return _limits((b"DdVTtENASCGHWRv", longest), (b"123nsIc", _EMPTY), (b"Z", 5), (b"K", 4 + 4 + 256))


FRONTEND_LOGIN = _limits((b"p", AUTHENTICATION_LIMIT), (b"X", _EMPTY))
"""For a client that is not logged in yet: nothing but authentication, or leaving."""
BACKEND_LOGIN = _limits((b"RENSKv", AUTHENTICATION_LIMIT), (b"Z", 5))
"""For a server up to the first ReadyForQuery."""
NOTHING = _limits()
"""After a violation."""
