"""What a row of the reviewed tables says."""

from dataclasses import dataclass

from interlock.model.effect import ChangeKind
from interlock.model.operation import Action

KINDS = frozenset(
    [
        "expiry",
        "backup",
        "versioning",
        "capacity",
        "routing",
        "exposure",
        "lockout",
        "keys",
        "audit",
        "guard",
        "replace",
        "indirect",
        "tags",
        "overwrite",
        "outage",
    ]
)
"""The kinds of quietly dangerous calls: see `call.Quiet`."""

STATE, BLIND = "state", "blind"


@dataclass(frozen=True, slots=True)
class QuietRule:
    """A call that destroys, exposes or blinds without saying so, when `when` holds of its parameters.

    `when` is a condition in JMESPath (see `conditions`), or empty: always. `needs` is `state` when it also depends on the
    present state of the account: then `when` only says that it is worth a look, and the preview decides. `change` is what
    happens to the resource.
    `blind` tells that something is run whose effect nobody can know beforehand."""

    call: str
    when: str
    kind: str
    action: Action
    change: ChangeKind
    why: str
    needs: str = ""
    blind: bool = False
