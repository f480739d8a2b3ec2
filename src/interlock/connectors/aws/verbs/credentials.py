"""What answers give away: credentials (who gets real ones has left the gateway) and secrets.

Operations whose purpose is a secret disclose, and count as `admin`: nothing less lets an agent read one, and where the
environment is strict two people must agree each time, because a value that was read can't be taken back. Descriptions in which
somebody may have put a secret against AWS's advice (a function's variables, user data) stay reads, because clients poll them
all the time: they say that they may disclose, and the session may cut those members out.
"""

from collections.abc import Mapping
from typing import Any

from interlock.connectors.aws.verbs import tables
from interlock.connectors.aws.verbs.conditions import Known, holds


def hands_out(call: str) -> bool:
    """Whether the answer holds credentials (`service:Operation`)."""
    return call in tables.answers()["hands_out"]


def discloses(call: str, parameters: Mapping[str, Any]) -> bool:
    """Whether the answer is a secret."""
    found = tables.answers()
    when = found["discloses_when"].get(call)
    return call in found["discloses"] or (when is not None and holds(when, parameters, Known()))


def may_disclose(call: str) -> bool:
    """Whether the answer may hold secrets that somebody put where they don't belong."""
    return call in tables.answers()["may_disclose"]
