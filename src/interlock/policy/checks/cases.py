"""`policy test`: expectations of the policies, as TOML that people can read and review.

now = 2026-01-01T12:00:00Z                # optional: what time it is in every case

[targets.shop]                            # the targets the cases speak of
environment = "production"
strict = true                             # the default

[[grant]]                                 # optional: with any, these stand in for the live grants
agent = "fixer"
target = "shop"
actions = ["read", "update", "delete"]
resources = ["public.*"]                  # optional
max_rows = 5000                           # optional
expires = 2026-01-02T00:00:00Z            # optional: a day after `now`

[[case]]
name = "deleting a whole table needs two people"
agent = "fixer"
target = "shop"
action = "delete"
resource = {kind = "table", name = "public.orders", group = "public"}
effects = {rows_deleted = 3, tables_emptied = 1}   # optional: without, nothing is known of the effects yet
    evidence = {quorums = ["two-admins"], plan = true} # optional: what has been given already
    expect = "hold"                                    # permit, hold, rehearse or forbid
remedies = ["quorum:two-sre"]                      # of hold and rehearse: exactly these
reasons = ["tables-emptied"]                       # optional: exactly these policies
"""

import enum
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import msgspec

from interlock.model.base import Value
from interlock.model.decision import Decision, EvidenceHeld, Forbid, Hold, Rehearse, Request, Target
from interlock.model.effect import Totals
from interlock.model.errors import Misconfigured
from interlock.model.operation import Action, Resource
from interlock.model.people import Agent, Grant
from interlock.policy.engine import Engine

Zoned = Annotated[datetime, msgspec.Meta(tz=True)]
NOW: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
_OWNER: Final = "owner"
_GRANTOR: Final = "grantor"


class Expect(enum.Enum):
    """Kinds of decision."""

    PERMIT = "permit"
    HOLD = "hold"
    REHEARSE = "rehearse"
    FORBID = "forbid"


class CaseTarget(Value, frozen=True):
    """`[targets.NAME]`."""

    environment: str
    strict: bool = True
    connector: str = ""


class CaseGrant(Value, frozen=True):
    """`[[grant]]`."""

    agent: str
    target: str
    actions: tuple[Action, ...]
    resources: tuple[str, ...] = ()
    max_rows: int | None = None
    expires: Zoned | None = None


class Case(Value, frozen=True):
    """`[[case]]`."""

    name: str
    agent: str
    target: str
    action: Action
    resource: Resource
    expect: Expect
    effects: Totals | None = None
    evidence: EvidenceHeld = EvidenceHeld()
    remedies: tuple[str, ...] = ()
    reasons: tuple[str, ...] | None = None
    owner: str = _OWNER


class CaseFile(Value, frozen=True):
    """One file of cases."""

    targets: dict[str, CaseTarget]
    case: tuple[Case, ...]
    grant: tuple[CaseGrant, ...] = ()
    now: Zoned = NOW


class Result(Value, frozen=True):
    """How one case went. `what` says in one line how the decision differs, and is empty when the case passed."""

    file: str
    case: str
    decision: Decision
    what: str = ""

    @property
    def passed(self) -> bool:
        return not self.what


def read(file: str, text: str) -> CaseFile:
    """Parse a file of cases. Raises Misconfigured with the file and the place."""
    try:
        cases = msgspec.toml.decode(text, type=CaseFile)
    except (msgspec.MsgspecError, ValueError) as error:
        raise Misconfigured(f"{file}: {error}") from error
    for case in cases.case:
        if case.target not in cases.targets:
            raise Misconfigured(f"{file}: case {case.name!r}: no [targets.{case.target}]")
        if case.remedies and case.expect not in (Expect.HOLD, Expect.REHEARSE):
            raise Misconfigured(f"{file}: case {case.name!r}: only hold and rehearse have remedies")
    return cases


def run(engine: Engine, file: str, text: str) -> tuple[Result, ...]:
    """Decide every case of a file. Raises Misconfigured when it cannot be read."""
    cases = read(file, text)
    if cases.grant:
        grants = [_grant(number, grant, cases.now) for number, grant in enumerate(cases.grant, 1)]
        agents = [Agent(name, _OWNER, cases.now) for name in sorted({g.agent for g in grants})]
        engine = engine.with_grants(grants, agents)
        if engine.rejected_grants:
            raise Misconfigured(f"{file}: {'; '.join(reason for _, reason in engine.rejected_grants)}")
    return tuple(_run(engine, file, cases, case) for case in cases.case)


def _grant(number: int, grant: CaseGrant, now: datetime) -> Grant:
    return Grant(
        id=f"case-{number}",
        agent=grant.agent,
        target=grant.target,
        actions=grant.actions,
        granted_by=_GRANTOR,
        created_at=now,
        expires_at=grant.expires or now + timedelta(days=1),
        max_rows=grant.max_rows,
        resources=grant.resources,
    )


def _run(engine: Engine, file: str, cases: CaseFile, case: Case) -> Result:
    target = cases.targets[case.target]
    request = Request(
        agent=case.agent,
        owner=case.owner,
        action=case.action,
        resource=case.resource,
        target=Target(case.target, target.connector, target.environment, target.strict),
        now=cases.now,
        totals=case.effects,
        evidence=case.evidence,
    )
    decision = engine.decide(request)
    return Result(file, case.name, decision, "; ".join(_differences(case, decision)))


def _differences(case: Case, decision: Decision) -> Sequence[str]:
    found = []
    kind = Expect(type(decision).__name__.lower())
    remedies = decision.remedies if isinstance(decision, Hold | Rehearse) else ()
    if kind is not case.expect:
        found.append(f"expected {case.expect.value}, got {kind.value}")
    if set(remedies) != set(case.remedies) and kind is case.expect:
        found.append(f"expected the remedies {_listed(case.remedies)}, got {_listed(remedies)}")
    if case.reasons is not None and set(case.reasons) != set(decision.reasons):
        found.append(f"expected the reasons {_listed(case.reasons)}, got {_listed(decision.reasons)}")
    if found and isinstance(decision, Forbid):
        found.append(decision.why)
    return found


def _listed(items: Sequence[str]) -> str:
    return ", ".join(sorted(items)) or "none"
