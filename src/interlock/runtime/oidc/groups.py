"""What a provider's groups mean here. Its word alone never adds somebody to what a quorum counts, unless that was configured."""

from typing import Any

import msgspec

from interlock.model.errors import Rejected
from interlock.model.people import Person
from interlock.runtime.oidc.idtoken import Claims
from interlock.runtime.oidc.settings import Oidc

MOST = 2000
"""Most groups in a claim."""


def claimed(claims: Claims, settings: Oidc) -> frozenset[str]:
    """Groups of ours that the claim names; none when it is absent. Raises Rejected when it is no list of names, or somewhere else:
    doubt must neither give nor take."""
    name = settings.groups_claim
    if not name:
        return frozenset()
    elsewhere = claims.all.get("_claim_names")  # OpenID Connect Core 1.0, section 5.6.2
    if isinstance(elsewhere, dict) and name in elsewhere:
        raise Rejected(
            f"the provider has left the claim {name!r} out of its answer: have it name fewer groups"
        )
    found: Any = claims.all.get(name, [])
    if isinstance(found, str):
        found = [found]
    if not isinstance(found, list) or len(found) > MOST or not all(isinstance(group, str) for group in found):
        raise Rejected(f"the provider's claim {name!r} is no list of groups")
    return frozenset(settings.groups[group] for group in found if group in settings.groups)


def regrouped(
    person: Person, named: frozenset[str], settings: Oidc, keep: frozenset[str] = frozenset()
) -> Person:
    """The person in the groups that follow from a login. What the mapping doesn't speak of stays as it is, and so does `keep`."""
    if not settings.groups:
        return person
    given = tuple(dict.fromkeys((*person.groups, *person.withheld)))
    stays = [group for group in given if group not in settings.mapped or group in named | keep]
    if settings.trust_groups:
        groups = tuple(dict.fromkeys((*stays, *sorted(named))))
        return msgspec.structs.replace(person, groups=groups, withheld=())
    held = tuple(group for group in given if group not in stays)
    return msgspec.structs.replace(person, groups=tuple(stays), withheld=held)
