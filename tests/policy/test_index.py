"""The index leaves policies out, and never changes an answer."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.policy.support import LAB, NOW, SHOP, TWO_ADMINS, TWO_SRE, engine, grant

from interlock.model.decision import Decision, Hold, Permit, Rehearse, Request, Target
from interlock.model.effect import Totals
from interlock.model.operation import Action, Resource
from interlock.model.people import Agent, Grant
from interlock.policy.engine import Engine
from interlock.policy.index import Index

NAMES = ["a.x", "a.y", "b.x"]
ACTIONS = [Action.READ, Action.UPDATE, Action.DELETE]
OVERFLOW = "context.now * 9223372036854775807 > 0"

principals = st.sampled_from(["principal"] * 3 + ['principal == Agent::"a1"', 'principal in Agent::"a2"'])
action_scopes = st.sampled_from(
    ["action", "action", 'action == Action::"update"', 'action in [Action::"delete", Action::"read"]']
)
resource_scopes = st.sampled_from(
    [
        "resource",
        "resource",
        'resource == Resource::"shop/table/a.x"',
        'resource in Resource::"shop/table/a.x"',
        'resource in Group::"shop/a"',
        'resource in Group::"shop/"',
        'resource in Target::"lab"',
        'resource in Environment::"production"',
        "resource is Resource",
        'resource is Resource in Target::"shop"',
    ]
)
ATOMS = [
    'resource.name == "a.x"',
    '"a.y" == resource.name',
    'resource.group == "a"',
    'resource.group == ""',
    'resource.target == "shop"',
    'resource.environment == "sandbox"',
    'resource.kind == "view"',
    "resource.strict",
    "!resource.strict",
    "context.known",
    'resource.name like "b.*"',
    "context.effects.rows > 3",
    "context.evidence.plan",
    OVERFLOW,
    "context.now > 0",
]
EQUALITIES = [
    'resource.name == "a.x"',
    'resource.name == "b.x"',
    'resource.group == "a"',
    'resource.kind == "view"',
]
leading = st.tuples(
    st.sampled_from(["", "", f"{OVERFLOW} && ", "resource.strict && ", "!resource.strict && "]),
    st.lists(st.sampled_from(EQUALITIES), min_size=1, max_size=2, unique=True).map(" || ".join),
    st.sampled_from(["", "", f" && {OVERFLOW}"]),
).map(lambda parts: f"{parts[0]}({parts[1]}){parts[2]}")
free = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: f"({p[0]} && {p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]} || {p[1]})"),
        inner.map(lambda c: f"!({c})"),
    ),
    max_leaves=4,
)
conditions = leading | free
REMEDIES = {
    "": None,
    "quorum:two-sre": 'context.evidence.quorums.contains("two-sre")',
    "quorum:two-admins": 'context.evidence.quorums.contains("two-admins")',
    "rehearsal": "context.evidence.rehearsal",
    "plan": "context.evidence.plan",
}


@st.composite
def policies(draw: st.DrawFn) -> str:
    scope = f"{draw(principals)}, {draw(action_scopes)}, {draw(resource_scopes)}"
    remedy = draw(st.sampled_from(list(REMEDIES)))
    clauses = [f"when {{ {c} }}" for c in draw(st.lists(conditions, max_size=2))]
    if REMEDIES[remedy]:
        clauses.insert(draw(st.integers(0, len(clauses))), f"unless {{ {REMEDIES[remedy]} }}")
    return (f'@remedy("{remedy}") ' if remedy else "") + f"forbid ({scope}) {' '.join(clauses)};"


@st.composite
def grants(draw: st.DrawFn) -> list[Grant]:
    return [
        grant(
            number,
            agent=draw(st.sampled_from(["a1", "a2"])),
            target=draw(st.sampled_from(["shop", "lab"])),
            actions=tuple(draw(st.sets(st.sampled_from(ACTIONS), min_size=1))),
            resources=tuple(draw(st.sets(st.sampled_from([*NAMES, "a.*"]), max_size=2))),
            max_rows=draw(st.sampled_from([None, None, 2, 5])),
            expires=NOW + timedelta(seconds=draw(st.sampled_from([-1, 60, 60]))),
        )
        for number in range(draw(st.integers(1, 40)))
    ]


@st.composite
def requests(draw: st.DrawFn) -> Request:
    name = draw(st.sampled_from(NAMES))
    totals = st.builds(Totals, rows_deleted=st.integers(0, 6), unknown=st.integers(0, 1))
    target: Target = draw(st.sampled_from([SHOP, LAB]))
    return Request(
        agent=draw(st.sampled_from(["a1", "a2", "a3"])),
        owner="olga",
        action=draw(st.sampled_from([*ACTIONS, Action.ADMIN, Action.UNKNOWN])),
        resource=Resource(
            draw(st.sampled_from(["table", "view"])), name, draw(st.sampled_from(["", name[0]]))
        ),
        target=target,
        now=NOW,
        totals=draw(st.none() | totals),
    )


def load(texts: list[str], given: list[Grant], *, guardrails: str, narrow: bool) -> Engine:
    extra = {"all.cedar": "\n".join(f'@id("p{n}") {text}' for n, text in enumerate(texts))}
    return Engine.load(
        grants=given,
        agents=[Agent("a1", "olga", NOW), Agent("a2", "olga", NOW)],
        quorums=[TWO_SRE, TWO_ADMINS],
        extra_texts=extra,
        guardrails=guardrails,
        narrow=narrow,
    )


def comparable(decision: Decision) -> tuple[object, ...]:
    # Remedies are found in the order of the reasons, which are sorted: even their order is the same.
    if isinstance(decision, Hold | Rehearse):
        return type(decision), decision.remedies, decision.reasons
    return type(decision), decision.reasons, "" if isinstance(decision, Permit) else decision.why


@given(
    leading | free,
    action_scopes,
    st.just("resource") | resource_scopes,
    st.lists(requests(), min_size=6, max_size=12),
)
def test_one_policy_is_left_out_only_where_it_can_do_nothing(
    condition: str, action: str, resource: str, asked: list[Request]
) -> None:
    text = f"forbid (principal, {action}, {resource}) when {{ {condition} }};"
    everything = [grant(1, agent="a1"), grant(2, agent="a1", target="lab")]
    indexed = load([text], everything, guardrails="none", narrow=True)
    plain = load([text], everything, guardrails="none", narrow=False)
    for request in asked:
        one = msgspec.structs.replace(request, agent="a1")
        assert comparable(indexed.decide(one)) == comparable(plain.decide(one))


@settings(max_examples=60)
@given(
    st.lists(policies(), max_size=12),
    grants(),
    st.lists(requests(), min_size=1, max_size=6),
    st.sampled_from(["default", "none"]),
)
def test_decisions_and_reasons_are_those_of_all_policies_together(
    texts: list[str], given: list[Grant], asked: list[Request], guardrails: str
) -> None:
    indexed = load(texts, given, guardrails=guardrails, narrow=True)
    plain = load(texts, given, guardrails=guardrails, narrow=False)
    for request in asked:
        assert comparable(indexed.decide(request)) == comparable(plain.decide(request))


def many(count: int) -> str:
    one = '@id("m{n}") forbid (principal, action == Action::"delete", resource in Group::"shop/s{n}");'
    two = '@id("n{n}") forbid (principal == Agent::"b{n}", action, resource);'
    three = '@id("o{n}") forbid (principal, action, resource) when {{ resource.name == "s.t{n}" || resource.name == "x" }};'
    return "\n".join(text.format(n=n) for n in range(count) for text in (one, two, three))


def test_few_of_many_policies_are_candidates() -> None:
    rules = engine(many(300), guardrails="none")
    index = Index(tuple(rules.policies.values()))
    facets = index.relevant((("Group", "shop/s7"), ("Target", "shop"), (".name", "s.t9"), (".kind", "table")))
    assert facets == (("Group", "shop/s7"), (".name", "s.t9"))
    found = {p.id for p in index.candidates(index.bucket(True, "b5", "delete", facets))}
    assert found == {"interlock-schema", "m7", "n5", "o9"}
    found = {p.id for p in index.candidates(index.bucket(True, "fixer", "read", ()))}
    assert found == {"interlock-schema"}


def test_requests_that_no_policy_tells_apart_share_a_bucket() -> None:
    rules = engine(many(3), guardrails="none")
    index = Index(tuple(rules.policies.values()))
    assert index.bucket(True, "someone", "read", ()) == index.bucket(True, "else", "update", ())
    assert index.bucket(True, "b1", "read", ()) != index.bucket(True, "b2", "read", ())


@pytest.mark.parametrize(
    ("condition", "narrowed"),
    [
        ('resource.name == "x"', True),
        ('resource.strict && resource.name == "x"', True),
        ('resource.name == "x" || resource.name == "y"', True),
        ('resource.name == "x" || resource.group == "y"', False),
        (f'{OVERFLOW} && resource.name == "x"', False),
        (f'resource.name == "x" && {OVERFLOW}', True),
        ('!(resource.name == "x")', False),
    ],
)
def test_a_condition_narrows_only_where_no_error_can_be_missed(condition: str, narrowed: bool) -> None:
    rules = engine(
        f'@id("one") forbid (principal, action, resource) when {{ {condition} }};', guardrails="none"
    )
    index = Index(tuple(rules.policies.values()))
    ids = {p.id for p in index.candidates(index.bucket(True, "fixer", "read", ()))}
    assert ("one" in ids) is not narrowed
