"""`policy check`: everything that keeps the rules from loading, and rules that load but cannot mean what they say."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final

from interlock.model.base import Value
from interlock.model.errors import Misconfigured
from interlock.model.matching import Place, assign
from interlock.model.people import Agent, Grant, Person, Quorum
from interlock.policy import tree
from interlock.policy.grants import PERMIT, GrantBook
from interlock.policy.load import SUFFIX, Policy, Sources, read_all

GRANTS: Final = "grants"
CONFIGURATION: Final = "configuration"
"""What stands for a file in findings about grants, and about quorums."""

LONGEST: Final = timedelta(days=90)
"""A grant that lives longer counts as unlimited in time."""

_OTHER_FILES: Final = (".toml", ".md")
_KINDS = re.compile(r"type Kinds = \{([^}]*)\}")


class Finding(Value, frozen=True):
    """One result. `level` is `error` (not loaded, or can never work) or `warning`; `check` is a stable code; `file` and
    `policy` say where, `fix` what to do."""

    level: str
    check: str
    file: str
    policy: str
    what: str
    fix: str = ""


def lint(
    sources: Sources,
    *,
    grants: Iterable[Grant] = (),
    agents: Iterable[Agent] = (),
    people: Iterable[Person] = (),
    known: Mapping[str, Collection[str]] | None = None,
) -> tuple[Finding, ...]:
    """Check everything. `grants` are all there ever were (they say who granted what), `known` the names that exist by entity type
    (`Agent`, `Target`, `Environment`; types left out are not checked). Nothing is raised: what cannot be read is a finding."""
    grants, agents, people = tuple(grants), tuple(agents), tuple(people)
    try:
        policies, problems = read_all(sources, sources.schema())
    except Misconfigured as error:
        return (Finding("error", "not-loaded", CONFIGURATION, "", str(error)),)
    return (
        *(Finding("error", "not-loaded", p.file, p.policy, p.what) for p in problems),
        *_other_files(sources.extra),
        *(finding for policy in policies for finding in _policy(policy, sources, known or {})),
        *_grants(grants, agents),
        *_quorums(_wanted(policies, sources.quorums), grants, agents, people),
    )


def _other_files(names: Iterable[str]) -> Iterator[Finding]:
    for name in sorted(names):
        if not name.endswith((SUFFIX, *_OTHER_FILES)):
            yield Finding("warning", "not-read", name, "", "is not read", f"policies end in {SUFFIX}")


def _policy(policy: Policy, sources: Sources, known: Mapping[str, Collection[str]]) -> Iterator[Finding]:
    def finding(level: str, check: str, what: str, fix: str) -> Finding:
        return Finding(level, check, policy.file, policy.id, what, fix)

    lifting = tree.lifted_by(policy.tree)
    for remedy in policy.remedies:
        if remedy not in lifting:
            what = f"has the remedy {remedy}, but no condition that it would lift"
            yield finding("error", "remedy-without-condition", what, f"add: unless {{ {_test(remedy)} }}")
    for remedy in sorted(lifting - set(policy.remedies)):
        what = f"is lifted by {remedy}, but never asks for it"
        yield finding("warning", "condition-without-remedy", what, f'add: @remedy("{remedy}")')
    if not policy.description:
        fix = 'add: @description("One sentence for people.")'
        yield finding("warning", "no-description", "has no description", fix)
    for kind, name in sorted(tree.entities(policy.tree)):
        if kind in known and name not in known[kind]:
            what = f'names {kind}::"{name}", which does not exist: it never applies to it'
            yield finding(
                "warning", "unknown-name", what, f"known: {', '.join(sorted(known[kind])) or 'none'}"
            )
    kinds = kinds_of(sources.fragments)
    for kind in sorted(tree.kinds(policy.tree) - kinds) if kinds else ():
        what = f"compares resource.kind with {kind!r}, which no connector has"
        yield finding("warning", "unknown-kind", what, f"known: {', '.join(sorted(kinds))}")


def _test(remedy: str) -> str:
    quorum = remedy.removeprefix("quorum:")
    return (
        f'context.evidence.quorums.contains("{quorum}")' if quorum != remedy else f"context.evidence.{remedy}"
    )


def kinds_of(fragments: Mapping[str, str]) -> frozenset[str]:
    """The kinds of resource that connectors declare, as `type Kinds = { table: String, … };` in their namespace."""
    records = (found[1] for text in fragments.values() for found in _KINDS.finditer(text))
    kinds = frozenset(kind for record in records for kind in re.findall(r'"?([\w.-]+)"?\s*:', record))
    # The shipped rules name Interlock's own schema, whatever the connectors.
    return kinds | {"schema"} if kinds else kinds


def _grants(grants: Sequence[Grant], agents: Sequence[Agent]) -> Iterator[Finding]:
    book = GrantBook(grants, agents)
    for grant_id, reason in book.rejected:
        yield Finding(
            "error", "grant-invalid", GRANTS, PERMIT + grant_id, reason, "revoke it and add it again"
        )
    for grant in (g for pair in book.pairs.values() for g in pair):
        of = f"the grant of {grant.agent} on {grant.target}"
        if grant.max_rows is None:
            fix = "give --max-rows, or accept that only the guardrails limit it"
            yield Finding(
                "warning", "grant-without-limit", GRANTS, PERMIT + grant.id, f"{of} has no max_rows", fix
            )
        if grant.expires_at - grant.created_at > LONGEST:
            days = (grant.expires_at - grant.created_at).days
            what = f"{of} lives {days} days, as good as for ever"
            yield Finding(
                "warning",
                "grant-without-expiry",
                GRANTS,
                PERMIT + grant.id,
                what,
                "grant for less than 90 days",
            )


def _wanted(policies: Sequence[Policy], quorums: Sequence[Quorum]) -> list[Quorum]:
    remedies = {remedy for policy in policies for remedy in policy.remedies}
    return [quorum for quorum in quorums if f"quorum:{quorum.name}" in remedies]


def _quorums(
    quorums: Sequence[Quorum], grants: Sequence[Grant], agents: Sequence[Agent], people: Sequence[Person]
) -> Iterator[Finding]:
    for quorum in quorums:
        for agent in agents:
            if not agent.disabled:
                yield from _unreachable(quorum, agent, grants, people)


def _unreachable(
    quorum: Quorum, agent: Agent, grants: Sequence[Grant], people: Sequence[Person]
) -> Iterator[Finding]:
    able = eligible(quorum, agent, grants, people)
    if short := unmet(quorum, quorum.count, able, people):
        what = (
            f"changes of {agent.name} can never meet the quorum {quorum.name}: it needs {_needs(quorum)}, and "
            f"{_people(able)} can count (owners and whoever granted it a right cannot)"
        )
        yield Finding(
            "error", "quorum-unreachable", CONFIGURATION, quorum.name, what, f"add people to {_groups(short)}"
        )
    elif short := unmet(quorum, quorum.most, able, people):
        what = (
            f"wide changes of {agent.name} can never meet the quorum {quorum.name}: the widest need {quorum.most} of "
            f"the group {quorum.group}, and {_people(able)} can count"
        )
        yield Finding(
            "warning",
            "quorum-unreachable",
            CONFIGURATION,
            quorum.name,
            what,
            f"add people to {_groups(short)}",
        )


def unmet(quorum: Quorum, count: int, able: Sequence[str], people: Iterable[Person]) -> tuple[str, ...]:
    """The groups of the parts that `able` cannot fill, with `count` of the first group; none when they can fill all."""
    groups = {person.name: person.groups for person in people if person.name in able}
    places = (Place(count, (quorum.group,)), *(Place(part.count, (part.group,)) for part in quorum.also))
    filled = assign(groups, places)
    return tuple(
        place.groups[0] for place, names in zip(places, filled, strict=True) if len(names) < place.count
    )


def _needs(quorum: Quorum) -> str:
    parts = ((quorum.count, quorum.group), *((part.count, part.group) for part in quorum.also))
    return " and ".join(f"{count} of the group {group}" for count, group in parts)


def _groups(names: Sequence[str]) -> str:
    return " and ".join(f"the group {name}" for name in names)


def _people(names: Sequence[str]) -> str:
    return f"only {', '.join(names)}" if names else "nobody"


def eligible(
    quorum: Quorum, agent: Agent, grants: Iterable[Grant], people: Iterable[Person]
) -> tuple[str, ...]:
    """Who could count towards the quorum for that agent (P4): enabled people of its groups with distinct keys, without its
    owner, its past owners, whoever granted it a right, and whoever shares a key with those. Sorted by name."""
    people = sorted(people, key=lambda p: p.name)
    barred = {agent.owner, *agent.past_owners, *(g.granted_by for g in grants if g.agent == agent.name)}
    keys = {p.public_key for p in people if p.name in barred}
    able: dict[str, str] = {}
    for person in people:
        counts = not (
            person.disabled or person.name in barred or set(quorum.groups).isdisjoint(person.groups)
        )
        if counts and person.public_key not in keys:
            able.setdefault(person.public_key, person.name)
    return tuple(able.values())
