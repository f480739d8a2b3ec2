"""From texts to validated policies: what a policy file may hold, and what is wrong with one."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from interlock.model.base import Value, digest_of
from interlock.model.errors import Misconfigured
from interlock.model.people import Quorum
from interlock.policy import shipped, tree
from interlock.policy.cedar import CedarError, Schema, parse, parse_schema, pst, split
from interlock.policy.grants import RESERVED
from interlock.policy.limits import Limits

SUFFIX: Final = ".cedar"
ANNOTATIONS: Final = ("id", "remedy", "description", "why")


class Problem(Value, frozen=True):
    """Something that keeps a set of policies from being loaded. `policy` is an id or empty."""

    file: str
    policy: str
    what: str

    def __str__(self) -> str:
        return (
            f"{self.file}: policy {self.policy!r}: {self.what}"
            if self.policy
            else f"{self.file}: {self.what}"
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """One validated forbid; `text` is as written. `remedies` would lift it, all of them together; `why` is its sentence for agents,
    `description` the one for people."""

    id: str
    file: str
    tree: pst.Template
    remedies: tuple[str, ...]
    description: str
    why: str
    looks_at_effects: bool
    text: str


@dataclass(frozen=True, slots=True)
class Sources:
    """All texts that decide, apart from grants. `fragments` are the connectors' schemas by connector, `extra` the policy files of
    the installation by name; of those only `*.cedar` are read."""

    limits: Limits
    guardrails: str
    extra: Mapping[str, str]
    fragments: Mapping[str, str]
    quorums: tuple[Quorum, ...]

    def texts(self) -> dict[str, str]:
        """Policy texts by file, the shipped ones first. Raises Misconfigured."""
        own = {name: text for name, text in sorted(self.extra.items()) if name.endswith(SUFFIX)}
        return shipped.policies(self.limits, self.guardrails) | own

    def schema(self) -> Schema:
        """The core schema and the connectors' fragments. Raises Misconfigured."""
        text = shipped.core_schema()
        schema = parse_schema(text)
        for connector, fragment in sorted(self.fragments.items()):
            text = f"{text}\n{fragment}\n"
            try:
                schema = parse_schema(text)
            except CedarError as error:
                raise Misconfigured(f"the policy schema of connector {connector}: {error}") from error
        return schema

    def digest(self) -> str:
        """SHA-256 (hexadecimal) over all of it."""
        return digest_of(
            {
                "schema": {"": shipped.core_schema(), **self.fragments},
                "policies": self.texts(),
                "quorums": {q.name: q for q in self.quorums},
            }
        )


def load(sources: Sources, schema: Schema) -> tuple[Policy, ...]:
    """All policies, in order. Raises Misconfigured with the file and the reason of everything that is wrong."""
    policies, problems = read_all(sources, schema)
    if problems:
        shown = "; ".join(str(problem) for problem in problems[:5])
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise Misconfigured(f"policies were not loaded: {shown}{more}")
    return policies


def read_all(sources: Sources, schema: Schema) -> tuple[tuple[Policy, ...], tuple[Problem, ...]]:
    """Read every file, collecting what is wrong. What has a problem of its own is not among the policies."""
    policies: list[Policy] = []
    problems: list[Problem] = []
    for file, text in sources.texts().items():
        try:
            parsed = parse(text, schema)
        except CedarError as error:
            problems.append(Problem(file, "", str(error)))
            continue
        # Only a policy ends with a semicolon, so texts and trees pair up.
        for item, source in zip(parsed, split(text), strict=True):
            policy = _policy(file, item, source)
            wrong = list(_wrong(policy, {q.name for q in sources.quorums}))
            problems += wrong
            policies += [] if wrong else [policy]
    return tuple(policies), (*problems, *_duplicates(policies))


def _policy(file: str, item: pst.Template, source: str) -> Policy:
    notes = item.annotations
    remedies = tuple(r.strip() for r in notes["remedy"].split(",")) if "remedy" in notes else ()
    return Policy(
        id=notes.get("id", ""),
        file=file,
        tree=item,
        remedies=remedies,
        description=notes.get("description", ""),
        why=notes.get("why", ""),
        looks_at_effects=tree.looks_at_effects(item),
        text=source,
    )


def _wrong(policy: Policy, quorums: Collection[str]) -> Iterator[Problem]:
    def problem(what: str) -> Problem:
        return Problem(policy.file, policy.id, what)

    if not policy.id:
        yield problem('a policy has no id: write @id("a-name") before it')
    elif policy.id.startswith(RESERVED):
        yield problem(f"ids that begin with {' or '.join(RESERVED)} belong to grants")
    if policy.tree.effect == "permit":
        yield problem("permits come only from grants (`interlock grants add`): a policy file can only forbid")
    for name in sorted(set(policy.tree.annotations) - set(ANNOTATIONS)):
        yield problem(f"unknown annotation @{name}: known are {', '.join(ANNOTATIONS)}")
    for remedy in policy.remedies:
        quorum = remedy.removeprefix("quorum:")
        if remedy not in ("rehearsal", "plan") and (quorum == remedy or not quorum):
            yield problem(f"unknown remedy {remedy!r}: known are quorum:NAME, rehearsal and plan")
        elif quorum != remedy and quorum not in quorums:
            known = ", ".join(sorted(quorums)) or "none"
            yield problem(f"the quorum {quorum!r} is not configured (configured: {known})")


def _duplicates(policies: Iterable[Policy]) -> Iterator[Problem]:
    policies = list(policies)
    counts = Counter(policy.id for policy in policies)
    for policy in policies:
        if counts[policy.id] > 1:
            files = ", ".join(sorted({p.file for p in policies if p.id == policy.id}))
            yield Problem(policy.file, policy.id, f"the id is used {counts[policy.id]} times ({files})")
