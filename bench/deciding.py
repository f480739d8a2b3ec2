"""How long one policy decision takes, by how many policies there are."""

import gc
import time
from datetime import UTC, datetime, timedelta

from bench.measure import Effort, Goal, Row, Table, percentile
from interlock.model.decision import EvidenceHeld, Permit, Request, Target
from interlock.model.effect import Totals
from interlock.model.operation import Action, Resource
from interlock.model.people import Agent, Grant, Quorum
from interlock.policy.engine import Engine

SIZES = (10, 1_000, 10_000)
_LIMIT_US = 200
_NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
_SHOP = Target("shop", "postgres", "production", strict=True)
_AGENTS = 50
_QUORUMS = (Quorum("two-sre", 2, "sre"), Quorum("two-admins", 2, "admin"))
_SMALL = Totals(rows_updated=1)
_FORMS = (
    'forbid (principal, action == Action::"delete", resource == Resource::"shop/table/public.t{n}")',
    'forbid (principal == Agent::"agent{agent}", action in [Action::"update", Action::"delete"],'
    ' resource == Resource::"shop/table/public.t{n}")',
    'forbid (principal, action == Action::"update", resource in Group::"shop/schema{n}")',
)


def deciding(effort: Effort) -> Table:
    """Decisions about small updates of many tables, effects known: what each gated write is asked."""
    table = Table("Policy: one decision")
    for size in SIZES:
        engine = _engine(size)
        engine.decide(_request(0, 0))
        gc.collect()
        gc.freeze()  # as the server does
        median, high, cold = _times(engine, round(400 * effort.seconds))
        goal = Goal(f"under {_LIMIT_US} µs", median < _LIMIT_US) if size == SIZES[-1] else None
        note = f"95 % under {high:.0f}; {cold:.0f} the first time a table is asked about"
        row = Row(f"{size:,} policies", "µs", {"median": median}, more_is_better=False, goal=goal, note=note)
        table.rows.append(row)
    everything = _engine(SIZES[-1], narrow=False)
    everything.decide(_request(0, 0))
    median, _, _ = _times(everything, 30)
    table.rows.append(
        Row(f"{SIZES[-1]:,} policies, without the index", "µs", {"median": median}, more_is_better=False)
    )
    return table


def _engine(size: int, *, narrow: bool = True) -> Engine:
    """The shipped guardrails and a permit for each agent are among them, but for the smallest size, where they do not fit."""
    agents = [Agent(f"agent{n}", "olga", _NOW) for n in range(_AGENTS if size > _AGENTS * 2 else 1)]
    grants = [_grant(n, agent.name) for n, agent in enumerate(agents)]
    guardrails = "default" if len(agents) > 1 else "none"
    shipped = len(Engine.load(quorums=_QUORUMS).policies) if guardrails == "default" else 0
    text = "\n".join(_policy(n) for n in range(size - shipped - len(grants)))
    texts = {"bench.cedar": text}
    return Engine.load(
        grants=grants,
        agents=agents,
        quorums=_QUORUMS,
        extra_texts=texts,
        narrow=narrow,
        guardrails=guardrails,
    )


def _policy(number: int) -> str:
    scope = _FORMS[number % len(_FORMS)].format(n=number, agent=number % _AGENTS)
    remedy = f'@id("p{number}") @remedy("quorum:two-sre")\n{scope}'
    return (
        f"{remedy}\nwhen {{ context.effects.rows_updated > 100 }}"
        ' unless { context.evidence.quorums.contains("two-sre") };'
    )


def _grant(number: int, agent: str) -> Grant:
    actions = (Action.READ, Action.CREATE, Action.UPDATE, Action.DELETE)
    at = _NOW - timedelta(hours=1)
    return Grant(f"G{number}", agent, "shop", actions, "gina", at, _NOW + timedelta(days=1))


def _request(number: int, second: int, agent: str = "agent0") -> Request:
    resource = Resource("table", f"public.t{number}", "public")
    now = _NOW + timedelta(seconds=second)
    return Request(agent, "olga", Action.UPDATE, resource, _SHOP, now, _SMALL, EvidenceHeld())


def _times(engine: Engine, number: int) -> tuple[float, float, float]:
    """Median, 95th percentile and median of the first time, in µs. Each question is of another second, so that no answer is
    remembered."""
    tables = min(200, number)
    cold = [_timed(engine, _request(n, 0)) for n in range(1, tables + 1)]
    warm = [_timed(engine, _request(n % tables + 1, 1 + n)) for n in range(number)]
    return percentile(warm, 0.5), percentile(warm, 0.95), percentile(cold, 0.5)


def _timed(engine: Engine, request: Request) -> float:
    begun = time.perf_counter()
    decision = engine.decide(request)
    took = time.perf_counter() - begun
    if not isinstance(decision, Permit):
        raise RuntimeError(f"decided {decision}")
    return took * 1e6
