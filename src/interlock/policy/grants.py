"""Grants in Cedar: a permit for each, and one forbid for the limits of all that an agent holds on a target.

A grant only ever adds: what one permits, another cannot take away. So `max_rows` binds what *that grant* permits. A unit of
work that touches N rows passes on a resource when some live grant covers (action, resource) and allows N rows or more. Two
examples:

- 10 rows on `public.*` and no limit on `public.logs`: 1,000 rows of `public.logs` pass (the second covers them), 11 of
  `public.orders` do not.
- 10 rows on `public.orders` and no limit on `public.logs`: 5 orders with 1,000 logs in one transaction do not pass. The limit
  counts the whole unit of work, as people read "at most 10 rows", and the agent may send two transactions.

The forbid has no remedy: nobody approves beyond a grant, someone gives another grant. It fires only where a limited grant covers,
no wider one does, and the effects are known.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from interlock.model.errors import Misconfigured
from interlock.model.operation import Action
from interlock.model.people import Agent, Grant
from interlock.policy.cedar import pattern, quote

PERMIT: Final = "grant:"
LIMIT: Final = "limit:"
RESERVED: Final = (PERMIT, LIMIT)
"""How the ids of compiled policies begin; no other policy may be called so."""

_FEW: Final = 16
"""An agent with more grants than that on one target has them picked by action and name as well."""

_NAMES: Final = 8_192
_LONG_NAME: Final = 512


def check(grant: Grant) -> None:
    """Raise Misconfigured when the grant cannot be compiled."""
    if not grant.id or not grant.agent or not grant.target:
        raise Misconfigured("a grant needs an id, an agent and a target")
    if not grant.actions or Action.UNKNOWN in grant.actions:
        raise Misconfigured(f"grant {grant.id}: actions are some of read, create, update, delete, admin")
    if any(not name for name in grant.resources):
        raise Misconfigured(
            f"grant {grant.id}: an empty resource pattern (leave resources out for all of the target)"
        )
    if grant.max_rows is not None and (type(grant.max_rows) is not int or not 0 <= grant.max_rows < 1 << 63):
        raise Misconfigured(f"grant {grant.id}: max_rows is a whole number of 0 or more")
    if grant.expires_at.tzinfo is None:
        raise Misconfigured(f"grant {grant.id}: expires_at needs a time zone")
    try:
        permit(grant)
    except UnicodeEncodeError:
        raise Misconfigured(f"grant {grant.id}: a name is not valid Unicode") from None


def permit(grant: Grant) -> str:
    """The permit of one grant: its scope and expiry (seconds since 1970, rounded down), never its limit."""
    lines = [
        f"@id({quote(PERMIT + grant.id)})",
        f"permit (principal == Agent::{quote(grant.agent)}, action in {_actions(grant)},",
        f"  resource in Target::{quote(grant.target)})",
        f"when {{ {_live(grant)} }}",
    ]
    names = _names(grant)
    return "\n".join([*lines, f"when {{ {names} }}"] if names else lines) + ";\n"


def limits(agent: str, target: str, grants: Sequence[Grant]) -> str:
    """The forbid for what all grants of that agent on that target limit; empty when none has a limit."""
    limited = [g for g in grants if g.max_rows is not None]
    if not limited:
        return ""
    exceeded = _any([f"({_covers(g)} && context.effects.rows > {g.max_rows})" for g in limited])
    within = [f"({_covers(g)} && context.effects.rows <= {g.max_rows})" for g in limited]
    unlimited = [f"({_covers(g)})" for g in grants if g.max_rows is None]
    return (
        f"@id({quote(f'{LIMIT}{agent}@{target}')})\n"
        f"forbid (principal == Agent::{quote(agent)}, action, resource in Target::{quote(target)})\n"
        f"when {{ context.known }}\nwhen {{ {exceeded} }}\nunless {{ {_any(within + unlimited)} }};\n"
    )


def compile_pair(grants: Sequence[Grant]) -> str:
    """Cedar text of grants of one agent on one target."""
    if not grants:
        return ""
    return "".join(map(permit, grants)) + limits(grants[0].agent, grants[0].target, grants)


def _actions(grant: Grant) -> str:
    return "[" + ", ".join(f'Action::"{a.value}"' for a in sorted(grant.actions, key=_severity)) + "]"


def _severity(action: Action) -> int:
    return action.severity


def _live(grant: Grant) -> str:
    return f"context.now < {int(grant.expires_at.timestamp())}"


def _names(grant: Grant) -> str:
    if "*" in grant.resources:
        return ""
    return _any([f"resource.name {_matches(name)}" for name in grant.resources])


def _matches(name: str) -> str:
    return f"like {pattern(name)}" if "*" in name else f"== {quote(name)}"


def _covers(grant: Grant) -> str:
    names = _names(grant)
    return f"{_live(grant)} && action in {_actions(grant)}" + (f" && ({names})" if names else "")


def _any(terms: Sequence[str]) -> str:
    """A disjunction, balanced: Cedar recurses as deep as an unbalanced one is long."""
    if len(terms) <= 2:
        return " || ".join(terms)
    half = len(terms) // 2
    return f"({_any(terms[:half])}) || ({_any(terms[half:])})"


class GrantBook:
    """All grants in force, indexed by agent and target. A grant that cannot be compiled grants nothing and is listed in
    `rejected`, so that it does not keep others (and revocations) from taking effect. Grants of an agent that is disabled or
    unknown grant nothing either."""

    def __init__(self, grants: Iterable[Grant], agents: Iterable[Agent]) -> None:
        enabled = {a.name for a in agents if not a.disabled}
        pairs: defaultdict[tuple[str, str], list[Grant]] = defaultdict(list)
        rejected = []
        for grant in sorted(grants, key=lambda g: g.id):
            if grant.revoked_at is not None or grant.agent not in enabled:
                continue
            try:
                check(grant)
            except Misconfigured as error:
                rejected.append((grant.id, str(error)))
            else:
                pairs[grant.agent, grant.target].append(grant)
        self.rejected: tuple[tuple[str, str], ...] = tuple(rejected)
        self.pairs: Mapping[tuple[str, str], tuple[Grant, ...]] = {k: tuple(v) for k, v in pairs.items()}
        self._text: Callable[[tuple[str, str], tuple[int, ...] | None], str] = lru_cache(_NAMES)(
            self._compile
        )
        self._pick = lru_cache(_NAMES)(self._picked)

    def of(self, agent: str, target: str) -> tuple[Grant, ...]:
        """The grants of an agent on a target, by id."""
        return self.pairs.get((agent, target), ())

    def find(self, grant_id: str) -> Grant | None:
        return next((g for grants in self.pairs.values() for g in grants if g.id == grant_id), None)

    def text(self, agent: str, target: str, action: str, name: str) -> str:
        """Cedar text of the grants that can bear on such a request (perhaps more, never fewer)."""
        pair = (agent, target)
        if len(self.of(agent, target)) <= _FEW:
            return self._text(pair, None)
        small = len(name) <= _LONG_NAME
        return self._text(pair, self._pick(pair, action, name) if small else self._picked(pair, action, name))

    def everything(self) -> str:
        """Cedar text of all grants, for people and for comparing with the index."""
        return "".join(map(compile_pair, self.pairs.values()))

    def _compile(self, pair: tuple[str, str], places: tuple[int, ...] | None) -> str:
        grants = self.pairs.get(pair, ())
        return compile_pair(grants if places is None else [grants[i] for i in places])

    def _picked(self, pair: tuple[str, str], action: str, name: str) -> tuple[int, ...]:
        return tuple(i for i, g in enumerate(self.pairs[pair]) if _may_cover(g, action, name))


def _may_cover(grant: Grant, action: str, name: str) -> bool:
    if all(a.value != action for a in grant.actions):
        return False
    return not grant.resources or any(name.startswith(p.partition("*")[0]) for p in grant.resources)
