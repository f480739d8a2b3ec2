"""What the API says of the replica itself."""

from interlock.model.base import Value
from interlock.runtime.health.service import CheckStatus
from interlock.runtime.runtime import Check
from interlock.runtime.targets.reaching import TargetStatus


class Health(Value, frozen=True, omit_defaults=False):
    """Whether this replica can decide and record; `mode` is `try-out` or `governed`. `degraded` tells that something else fails."""

    ok: bool
    degraded: bool
    mode: str
    version: str
    checks: tuple[Check, ...] = ()


class Targets(Value, frozen=True):
    """The targets of this replica, and how the checks of their health stand, which all replicas share."""

    targets: tuple[TargetStatus, ...]
    health: tuple[CheckStatus, ...] = ()
