"""The scope index: which few of many policies can bear on a request.

A policy is left out only when its scope, or a condition that comes before anything that could raise an error, is false for the
request: so a decision, its reasons and its errors are those of all policies together (tests compare the two).
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import product
from typing import TypeAlias

from interlock.policy import tree
from interlock.policy.load import Policy
from interlock.policy.tree import Facet

Bucket: TypeAlias = tuple[bool, str | None, str | None, tuple[Facet, ...]]
"""What distinguishes requests for the policies there are: effects known, agent, action, facets; None where no policy asks."""

_Place: TypeAlias = tuple[str | None, str | None, Facet | None]


class Index:
    """Policies by principal, action and resource scope. With `narrow=False` every policy is a candidate for every request."""

    def __init__(self, policies: Sequence[Policy], *, narrow: bool = True) -> None:
        self._policies = tuple(policies)
        self._table: defaultdict[_Place, list[int]] = defaultdict(list)
        for number, policy in enumerate(policies):
            for place in _places(policy) if narrow else ((None, None, None),):
                self._table[place].append(number)
        self._agents = frozenset(agent for agent, _, _ in self._table if agent is not None)
        self._actions = frozenset(action for _, action, _ in self._table if action is not None)
        self._facets = frozenset(facet for _, _, facet in self._table if facet is not None)

    def relevant(self, facets: Sequence[Facet]) -> tuple[Facet, ...]:
        """Those facets of a resource that some policy asks about."""
        return tuple(facet for facet in facets if facet in self._facets)

    def bucket(self, known: bool, agent: str, action: str, relevant: tuple[Facet, ...]) -> Bucket:
        """Requests with equal buckets have equal candidates."""
        return (
            known,
            agent if agent in self._agents else None,
            action if action in self._actions else None,
            relevant,
        )

    def candidates(self, bucket: Bucket) -> tuple[Policy, ...]:
        """The policies that can bear on a request of that bucket, in their order. Before the effects are known, those that look at
        effects are left out."""
        known, agent, action, facets = bucket
        places = set(product((agent, None), (action, None), (*facets, None)))
        numbers = sorted({number for place in places for number in self._table.get(place, ())})
        found = (self._policies[number] for number in numbers)
        return tuple(policy for policy in found if known or not policy.looks_at_effects)


def _places(policy: Policy) -> Sequence[_Place]:
    actions = tree.actions(policy.tree)
    facets = tree.facets(policy.tree)
    return list(
        product(
            (tree.principal(policy.tree),),
            (None,) if actions is None else sorted(actions),
            (None,) if facets is None else sorted(facets),
        )
    )
