"""What no grant and no approval allows, known before policy is asked."""

from collections.abc import Sequence

from interlock.connectors.aws.call import Classified
from interlock.connectors.aws.codec import Unclear
from interlock.connectors.aws.identity import credentials, keys
from interlock.connectors.aws.identity.signed import Signed
from interlock.connectors.aws.session.passing import forwarding
from interlock.model.decision import Forbid


def never(signed: Signed, what: Classified, regions: Sequence[str]) -> Forbid | None:
    """Why a call is never allowed; None when it is for policy to say. Raises Unclear for what the service never takes."""
    if what.call.name == "s3:DeleteObjects":
        _few_enough(what)
    region, verb = what.call.region, what.operation.verb
    if not forwarding.in_regions(what.call.service, region, regions):
        return Forbid(f"{region or 'no region'} is not a region of this target", ("region",))
    if signed.narrowed is not None and not keys.allows(signed.narrowed.actions, verb):
        return Forbid(f"the session policy of this key does not allow {verb}", ("session-policy",))
    if what.call.name in credentials.ANSWERED:
        return None
    if what.hands_out:
        why = f"{verb} hands out credentials, with which an agent would act past the gateway"
        return Forbid(why, ("credentials",))
    return unclear(what)


_MOST_KEYS = 1_000
"""S3 API reference, "DeleteObjects"."""


def _few_enough(what: Classified) -> None:
    """Looking up each of a hundred thousand keys before S3 refuses them all would be work for nothing."""
    named = (what.call.parameters.get("Delete") or {}).get("Objects") or ()
    if len(named) > _MOST_KEYS:
        raise Unclear(f"one call deletes at most {_MOST_KEYS:,} keys: send it in parts", "MalformedXML")


def unclear(what: Classified) -> Forbid | None:
    """Why a call cannot be judged, as it says itself."""
    return Forbid(what.refused, ("unclear",)) if what.refused else None
