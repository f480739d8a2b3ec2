"""A small world for policy tests: one agent, one strict and one relaxed target."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from interlock.model.decision import EvidenceHeld, Request, Target
from interlock.model.effect import Totals
from interlock.model.operation import Action, Resource
from interlock.model.people import Agent, Grant, Quorum
from interlock.policy.engine import Engine
from interlock.policy.limits import Limits

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SHOP = Target("shop", "postgres", "production", strict=True)
LAB = Target("lab", "postgres", "sandbox", strict=False)
ORDERS = Resource("table", "public.orders", "public")
AGENT = Agent("fixer", "olga", NOW)
TWO_SRE = Quorum("two-sre", 2, "sre")
TWO_ADMINS = Quorum("two-admins", 2, "admin")
KNOWN_ACTIONS = tuple(action for action in Action if action is not Action.UNKNOWN)


def grant(
    number: int = 1,
    *,
    agent: str = "fixer",
    target: str = "shop",
    actions: tuple[Action, ...] = KNOWN_ACTIONS,
    resources: tuple[str, ...] = (),
    max_rows: int | None = None,
    expires: datetime = NOW + timedelta(hours=8),
    granted_by: str = "gina",
    revoked_at: datetime | None = None,
) -> Grant:
    return Grant(
        id=f"G{number}",
        agent=agent,
        target=target,
        actions=actions,
        granted_by=granted_by,
        created_at=NOW - timedelta(hours=1),
        expires_at=expires,
        max_rows=max_rows,
        resources=resources,
        revoked_at=revoked_at,
    )


def engine(
    *texts: str,
    grants: Iterable[Grant] | None = None,
    agents: Iterable[Agent] = (AGENT,),
    guardrails: str = "default",
    narrow: bool = True,
    limits: Limits | None = None,
) -> Engine:
    """An engine whose policy directory holds `texts`; by default the agent may do everything on both targets."""
    everything = (grant(1), grant(2, target="lab"))
    return Engine.load(
        grants=everything if grants is None else grants,
        agents=agents,
        quorums=(TWO_SRE, TWO_ADMINS),
        extra_texts={f"extra{number}.cedar": text for number, text in enumerate(texts)},
        guardrails=guardrails,
        narrow=narrow,
        limits=limits or Limits(),
    )


def request(
    action: Action = Action.DELETE,
    totals: Totals | None = None,
    *,
    target: Target = SHOP,
    resource: Resource = ORDERS,
    agent: str = "fixer",
    now: datetime = NOW,
    quorums: tuple[str, ...] = (),
    rehearsal: bool = False,
    plan: bool = False,
) -> Request:
    evidence = EvidenceHeld(quorums, rehearsal, plan)
    return Request(agent, "olga", action, resource, target, now, totals, evidence)
