"""Who is who, in the configuration: when new people count, and who may use the admin socket."""

import os
from datetime import timedelta

import msgspec

from interlock.model.errors import Misconfigured
from interlock.runtime.config import durations
from interlock.runtime.config.yaml_source import Source

COUNTS_AFTER = "24h"


class Identity(msgspec.Struct, frozen=True):
    """`counts_after` is how long a new person waits in governed mode until their approvals count in a strict environment.
    `agent_uids` are user ids that agents run as, `socket_uids` those that may use the admin socket (None: root's and the
    server's)."""

    counts_after: timedelta = timedelta(hours=24)
    agent_uids: frozenset[int] = frozenset()
    socket_uids: frozenset[int] | None = None

    def admitted(self) -> frozenset[int]:
        """The user ids that the admin socket admits: never one that agents run as."""
        own = frozenset({0, os.getuid()}) if self.socket_uids is None else self.socket_uids
        return own - self.agent_uids


def read(source: Source, top: dict[str, object]) -> Identity:
    """Read `people`, `agent_uids` and `socket_uids`. Raises Misconfigured."""
    people = source.mapping(top.get("people"), ("people",))
    source.known(people, ("counts_after",), ("people",))
    agents = _uids(source, top, "agent_uids")
    sockets = _uids(source, top, "socket_uids") if "socket_uids" in top else None
    if both := sorted(agents & (sockets or frozenset())):
        raise source.wrong(("socket_uids",), f"agents run as {both[0]}: it cannot use the admin socket")
    return Identity(_length(source, people.get("counts_after", COUNTS_AFTER)), agents, sockets)


def _length(source: Source, text: object) -> timedelta:
    at = ("people", "counts_after")
    if text == "none":
        return timedelta(0)
    if not isinstance(text, str):
        raise source.wrong(at, "expected a length of time like 24h, or none")
    try:
        return durations.parse(text)
    except ValueError as error:
        raise source.wrong(at, str(error)) from None


def _uids(source: Source, top: dict[str, object], name: str) -> frozenset[int]:
    given = top.get(name, [])
    if not isinstance(given, list) or not all(type(uid) is int and 0 <= uid < 1 << 32 for uid in given):
        raise source.wrong((name,), "expected a list of user ids, like [1001, 1002]")
    return frozenset(given)


def check_socket(identity: Identity) -> None:
    """Raises Misconfigured when nobody at all could use the admin socket."""
    if not identity.admitted():
        raise Misconfigured("agent_uids, socket_uids: nobody is left who may use the admin socket")
