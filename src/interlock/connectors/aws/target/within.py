"""Which part of an account a target is: `only` in the configuration."""

from interlock.connectors.aws.call import Classified
from interlock.connectors.aws.config import Selector
from interlock.connectors.aws.identity.keys import fits


def outside(what: Classified, only: Selector | None) -> str:
    """Why a call is not one to this target; empty when it is. What names no resource reads at most: it is outside unless it
    is a read."""
    if only is None:
        return ""
    if not what.operation.resources:
        return f"{what.operation.verb} names no resource, and this target is only a part of the account"
    for resource in what.operation.resources:
        named = any(fits(pattern, resource.name) for pattern in only.names)
        stacked = bool(resource.group) and any(fits(pattern, resource.group) for pattern in only.stacks)
        if not (named or stacked):
            return f"{resource.name} is not in the part of the account that this target is"
    return ""
