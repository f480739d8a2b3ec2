"""Which part of an account a target is: `only` in the configuration."""

from collections.abc import Callable

from interlock.connectors.aws.call import Classified
from interlock.connectors.aws.config import Selector
from interlock.connectors.aws.identity.keys import fits


def outside(what: Classified, only: Selector | None, inside: Callable[[str], bool | None]) -> str:
    """Why a call is not one to this target; empty when it is. What names no resource reads at most: it is outside unless it
    is a read. `inside` tells whether the stacks of `only` have a resource; what it doesn't know yet is left open."""
    if only is None:
        return ""
    if not what.operation.resources:
        return f"{what.operation.verb} names no resource, and this target is only a part of the account"
    for resource in what.operation.resources:
        named = any(fits(pattern, resource.name) for pattern in only.names)
        if not named and inside(resource.name) is False:
            return f"{resource.name} is not in the part of the account that this target is"
    return ""
