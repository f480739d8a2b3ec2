"""Grants: what they permit, for how long, how much, and that their names are only names."""

import fnmatch
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.policy.support import AGENT, LAB, NOW, SHOP, engine, grant, request

from interlock.model.decision import Forbid, Permit, Target
from interlock.model.effect import Totals
from interlock.model.errors import Misconfigured
from interlock.model.operation import Action, Resource
from interlock.model.people import Agent, Grant
from interlock.policy import cedar, grants, shipped
from interlock.policy.cedar import pst
from interlock.policy.engine import Engine

SCHEMA = cedar.parse_schema(shipped.core_schema())
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
ROWS = st.integers(0, 30)


def table(name: str) -> Resource:
    return Resource("table", name, name.partition(".")[0])


def why(of: Engine, *args: object, **kwargs: object) -> str:
    decision = of.decide(request(*args, **kwargs))  # type: ignore[arg-type]
    assert isinstance(decision, Forbid)
    return decision.why


def test_no_grant_no_access() -> None:
    assert engine(grants=()).decide(request(Action.READ)) == Forbid(
        "no grant covers read on table public.orders of shop"
    )


def test_a_grant_is_for_its_agent_target_and_actions_only() -> None:
    one = engine(grants=[grant(actions=(Action.READ,))], agents=[AGENT, Agent("other", "olga", NOW)])
    assert one.decide(request(Action.READ)) == Permit(("grant:G1",))
    assert "no grant covers" in why(one, Action.UPDATE)
    assert "no grant covers" in why(one, Action.READ, agent="other")
    assert "no grant covers" in why(one, Action.READ, target=LAB)


def test_a_grant_ends_at_its_expiry_to_the_second() -> None:
    end = NOW + timedelta(seconds=10)
    one = engine(grants=[grant(expires=end)])
    assert one.decide(request(now=end - timedelta(microseconds=1))) == Permit(("grant:G1",))
    assert one.decide(request(now=end)) == Forbid(
        "the grant for delete on table public.orders of shop has expired; ask for a new one"
    )


def test_an_expiry_within_a_second_is_rounded_down() -> None:
    end = NOW + timedelta(seconds=10, microseconds=900_000)
    one = engine(grants=[grant(expires=end)])
    assert isinstance(one.decide(request(now=NOW + timedelta(seconds=10, microseconds=100_000))), Forbid)


def test_revoked_grants_and_those_of_disabled_or_unknown_agents_grant_nothing() -> None:
    assert "no grant" in why(engine(grants=[grant(revoked_at=NOW)]))
    assert "no grant" in why(engine(agents=[Agent("fixer", "olga", NOW, disabled=True)]))
    assert "no grant" in why(engine(agents=[]))


@pytest.mark.parametrize(
    ("patterns", "inside", "outside"),
    [
        (("public.orders",), "public.orders", "public.orders2"),
        (("public.*",), "public.orders", "publicxorders"),
        (("*.orders", "audit.log"), "audit.log", "audit.log2"),
        (("a*c",), "abc", "ab"),
        (("per%cent",), "per%cent", "perXcent"),
        (("under_score",), "under_score", "underXscore"),
        (("*",), "anything", None),
    ],
)
def test_patterns(patterns: tuple[str, ...], inside: str, outside: str | None) -> None:
    one = engine(grants=[grant(resources=patterns)])
    assert one.decide(request(Action.READ, resource=table(inside))) == Permit(("grant:G1",))
    if outside:
        assert "no grant" in why(one, Action.READ, resource=table(outside))


def test_max_rows_is_a_limit_without_remedy() -> None:
    one = engine(grants=[grant(max_rows=50)])
    assert one.decide(request(totals=Totals(rows_created=20, rows_updated=20, rows_deleted=10))) == Permit(
        ("grant:G1",)
    )
    assert one.decide(request(totals=Totals(rows_created=120), quorums=("two-sre",))) == Forbid(
        "the grant allows at most 50 rows in one transaction, and this would touch 120", ("limit:fixer@shop",)
    )
    assert one.decide(request()) == Permit(("grant:G1",)), "nothing is known of the rows yet"


def test_a_limit_does_not_hide_that_no_grant_covers() -> None:
    one = engine(grants=[grant(max_rows=1, resources=("public.*",))])
    assert "no grant covers" in why(one, totals=Totals(rows_created=9), resource=table("audit.log"))


def test_a_wider_grant_is_not_taken_away_by_a_narrower_one() -> None:
    two = engine(
        grants=[grant(1, resources=("public.*",), max_rows=10), grant(2, resources=("public.logs",))]
    )
    many = Totals(rows_created=1_000)
    assert two.decide(request(Action.CREATE, many, resource=table("public.logs"))) == Permit(
        ("grant:G1", "grant:G2")
    )
    assert "at most 10 rows" in why(two, Action.CREATE, many, resource=table("public.orders"))


def test_the_limit_counts_the_whole_unit_of_work() -> None:
    two = engine(
        grants=[grant(1, resources=("public.orders",), max_rows=10), grant(2, resources=("public.logs",))]
    )
    assert "at most 10 rows" in why(two, Action.UPDATE, Totals(rows_created=1_000, rows_updated=5))


def test_the_larger_of_two_limits_binds_and_only_while_it_lives() -> None:
    soon = NOW + timedelta(minutes=1)
    two = engine(grants=[grant(1, max_rows=10), grant(2, max_rows=20, expires=soon)])
    assert two.decide(request(totals=Totals(rows_created=20))) == Permit(("grant:G1", "grant:G2"))
    assert "the grants allow at most 20 rows" in why(two, totals=Totals(rows_created=21))
    assert "the grant allows at most 10 rows" in why(two, totals=Totals(rows_created=20), now=soon)


@st.composite
def random_grants(draw: st.DrawFn) -> list[Grant]:
    patterns = st.sampled_from(["a.x", "a.y", "b.x", "a.*", "*.x", "*"])
    return [
        grant(
            number,
            target=draw(st.sampled_from(["shop", "lab"])),
            actions=tuple(draw(st.sets(st.sampled_from([Action.READ, Action.DELETE]), min_size=1))),
            resources=tuple(draw(st.sets(patterns, max_size=2))),
            max_rows=draw(st.none() | ROWS),
            expires=NOW + timedelta(seconds=draw(st.sampled_from([-5, 5]))),
        )
        for number in range(draw(st.integers(0, 24)))
    ]


def oracle(given: list[Grant], target: Target, action: Action, name: str, rows: int) -> bool:
    """Some live grant covers it, and allows that many rows."""
    return any(
        g.target == target.name
        and action in g.actions
        and g.expires_at > NOW
        and (not g.resources or any(fnmatch.fnmatchcase(name, p) for p in g.resources))
        and (g.max_rows is None or rows <= g.max_rows)
        for g in given
    )


@given(
    random_grants(),
    st.sampled_from([SHOP, LAB]),
    st.sampled_from([Action.READ, Action.DELETE, Action.CREATE]),
    st.sampled_from(["a.x", "a.y", "b.x", "c.z"]),
    ROWS,
)
def test_grants_add_up(given: list[Grant], target: Target, action: Action, name: str, rows: int) -> None:
    decision = engine(grants=given, guardrails="none").decide(
        request(action, Totals(rows_created=rows), target=target, resource=table(name))
    )
    assert isinstance(decision, Permit) == oracle(given, target, action, name, rows)


@given(grant_id=TEXT, agent=TEXT, target=TEXT, names=st.lists(TEXT, max_size=3), rows=st.none() | ROWS)
def test_names_cannot_become_policy(
    grant_id: str, agent: str, target: str, names: list[str], rows: int | None
) -> None:
    one = Grant(grant_id, agent, target, (Action.READ,), "gina", NOW, NOW + timedelta(1), rows, tuple(names))
    parsed = cedar.parse(grants.compile_pair([one]), SCHEMA)
    ids = [p.annotations["id"] for p in parsed]
    assert ids == [f"grant:{grant_id}"] + ([f"limit:{agent}@{target}"] if rows is not None else [])
    assert [p.effect for p in parsed] == ["permit", "forbid"][: len(parsed)]
    for policy in parsed:
        assert policy.principal == pst.ScopeEq(pst.EntityUid(pst.EntityType("Agent"), agent))
        assert policy.resource == pst.ScopeIn(pst.EntityUid(pst.EntityType("Target"), target))
    assert parsed[0].action == pst.ActionIn((pst.EntityUid(pst.EntityType("Action"), "read"),))
    expected = bool(names) and "*" not in names
    assert len(parsed[0].clauses) == 1 + expected


INJECTIONS = [
    '"); permit(principal, action, resource); //',
    '\\"',
    'a" || true || "',
    "\n};\npermit (principal, action, resource);",
    "\\u{22}",
    "public.\\*",
]


@pytest.mark.parametrize("evil", INJECTIONS)
def test_hostile_names_grant_nothing_more(evil: str) -> None:
    agents = [AGENT, Agent(evil, "olga", NOW)]
    hostile = [
        grant(1, agent=evil),
        grant(2, target=evil),
        grant(3, resources=(evil,), actions=(Action.READ,)),
    ]
    one = engine(grants=hostile, agents=agents)
    assert "no grant" in why(one, Action.READ)
    assert one.decide(request(agent=evil)) == Permit(("grant:G1",))
    assert one.decide(request(Action.READ, resource=table(evil))) == Permit(("grant:G3",))
    assert one.rejected_grants == ()


@pytest.mark.parametrize(
    ("broken", "match"),
    [
        (grant(9, actions=()), "actions are some of"),
        (grant(9, actions=(Action.UNKNOWN,)), "actions are some of"),
        (grant(9, resources=("",)), "empty resource pattern"),
        (grant(9, max_rows=-1), "max_rows"),
        (grant(9, max_rows=True), "max_rows"),
        (grant(9, max_rows=1.5), "max_rows"),  # type: ignore[arg-type]
        (grant(9, resources=("\ud800",)), "not valid Unicode"),
        (grant(9, target=""), "needs an id"),
        (grant(9, expires=NOW.replace(tzinfo=None)), "time zone"),
    ],
)
def test_a_broken_grant_grants_nothing_and_keeps_nobody_else_from_theirs(broken: Grant, match: str) -> None:
    with pytest.raises(Misconfigured, match=match):
        grants.check(broken)
    both = engine(grants=[broken, grant(1)])
    assert both.decide(request()) == Permit(("grant:G1",))
    [(grant_id, reason)] = both.rejected_grants
    assert grant_id == "G9"
    assert match.split("|")[0] in reason


def test_thousands_of_patterns_in_one_grant_do_not_overflow_cedars_stack() -> None:
    many = grant(resources=tuple(f"public.t{n}" for n in range(5_000)), max_rows=5)
    one = engine(grants=[many])
    assert one.decide(request(resource=table("public.t4999"))) == Permit(("grant:G1",))
    assert "no grant" in why(one, resource=table("public.t5000"))


def test_thousands_of_grants_of_one_agent_on_one_target() -> None:
    many = engine(grants=[grant(n, resources=(f"public.t{n}",), max_rows=n) for n in range(2_000)])
    assert many.decide(request(resource=table("public.t77"))) == Permit(("grant:G77",))
    assert "at most 77 rows" in why(many, totals=Totals(rows_created=78), resource=table("public.t77"))
    assert "no grant" in why(many, resource=table("public.t2000"))


def test_compiled_text_is_readable() -> None:
    assert grants.compile_pair([grant(resources=("public.*", "audit.log"), max_rows=9)]) == (
        '@id("grant:G1")\n'
        'permit (principal == Agent::"fixer", action in '
        '[Action::"read", Action::"create", Action::"update", Action::"delete", Action::"admin"],\n'
        '  resource in Target::"shop")\n'
        "when { context.now < 1767297600 }\n"
        'when { resource.name like "public.*" || resource.name == "audit.log" };\n'
        '@id("limit:fixer@shop")\n'
        'forbid (principal == Agent::"fixer", action, resource in Target::"shop")\n'
        "when { context.known }\n"
        "when { (context.now < 1767297600 && action in "
        '[Action::"read", Action::"create", Action::"update", Action::"delete", Action::"admin"]'
        ' && (resource.name like "public.*" || resource.name == "audit.log") && context.effects.rows > 9) }\n'
        "unless { (context.now < 1767297600 && action in "
        '[Action::"read", Action::"create", Action::"update", Action::"delete", Action::"admin"]'
        ' && (resource.name like "public.*" || resource.name == "audit.log") && context.effects.rows <= 9) };\n'
    )
