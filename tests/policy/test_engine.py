"""The question: permit, forbid, and what would lift a forbid."""

from datetime import timedelta

import pytest
from tests.policy.support import AGENT, NOW, TWO_ADMINS, TWO_SRE, engine, grant, request

from interlock.model.decision import Forbid, Hold, Permit, Rehearse
from interlock.model.effect import Totals
from interlock.model.errors import Misconfigured
from interlock.model.operation import Action, Resource
from interlock.policy import why
from interlock.policy.engine import ERROR, Engine

CHANGED = Totals(rows_updated=1)


def forbid(name: str, remedy: str = "", when: str = "", unless: str = "", why: str = "") -> str:
    notes = f'@id("{name}")' + (f'@remedy("{remedy}")' if remedy else "") + (f'@why("{why}")' if why else "")
    when = f" when {{ {when} }}" if when else ""
    unless = f" unless {{ {unless} }}" if unless else ""
    return f"{notes} forbid (principal, action, resource){when}{unless};\n"


def quorum(name: str) -> str:
    return f'context.evidence.quorums.contains("{name}")'


SRE = forbid("sre", "quorum:two-sre", unless=quorum("two-sre"))
ADMINS = forbid("admins", "quorum:two-admins", unless=quorum("two-admins"))
REHEARSE = forbid("rehearse", "rehearsal", unless="context.evidence.rehearsal")
PLAN = forbid("plan", "plan", unless="context.evidence.plan")
PERMITTED = Permit(("grant:G1",))


def test_a_forbid_beats_every_permit() -> None:
    decision = engine(forbid("never")).decide(request())
    assert decision == Forbid(
        "a rule for this environment refuses delete on table public.orders of shop, and no approval lifts it",
        ("never",),
    )


def test_a_rule_can_have_a_sentence_for_agents() -> None:
    assert engine(forbid("never", why="wait for the quarter to close")).decide(request()) == Forbid(
        "wait for the quarter to close", ("never",)
    )


def test_a_forbid_without_remedy_beats_one_with() -> None:
    assert engine(SRE, forbid("never")).decide(request()) == Forbid(
        "a rule for this environment refuses delete on table public.orders of shop, and no approval lifts it",
        ("never",),
    )


def test_a_remedy_lifts_nothing_where_nothing_permits() -> None:
    assert engine(SRE, grants=()).decide(request()) == Forbid(
        "no grant covers delete on table public.orders of shop"
    )


@pytest.mark.parametrize(
    ("texts", "decision"),
    [
        ((SRE,), Hold(("quorum:two-sre",), ("sre",))),
        ((PLAN,), Hold(("plan",), ("plan",))),
        ((REHEARSE,), Rehearse(("rehearsal",), ("rehearse",))),
        ((SRE, ADMINS), Hold(("quorum:two-admins", "quorum:two-sre"), ("admins", "sre"))),
        (
            (SRE, REHEARSE, PLAN),
            Rehearse(("plan", "quorum:two-sre", "rehearsal"), ("plan", "rehearse", "sre")),
        ),
    ],
)
def test_exactly_the_missing_remedies(texts: tuple[str, ...], decision: Hold | Rehearse) -> None:
    asked = engine(*texts).decide(request())
    assert isinstance(asked, Hold | Rehearse)
    assert type(asked) is type(decision)
    assert set(asked.remedies) == set(decision.remedies)
    assert asked.reasons == decision.reasons


def test_given_remedies_are_not_asked_for_again() -> None:
    rules = engine(SRE, REHEARSE, PLAN)
    assert rules.decide(request(rehearsal=True)) == Hold(("plan", "quorum:two-sre"), ("plan", "sre"))
    assert rules.decide(request(rehearsal=True, plan=True)) == Hold(("quorum:two-sre",), ("sre",))
    assert rules.decide(request(rehearsal=True, plan=True, quorums=("two-sre",))) == PERMITTED


def test_a_rule_that_only_a_remedy_brings_up_counts_too() -> None:
    """Having a plan requires the admins to look at it."""
    then = forbid("plan-read", "quorum:two-admins", "context.evidence.plan", quorum("two-admins"))
    decision = engine(PLAN, then).decide(request())
    assert decision == Hold(("plan", "quorum:two-admins"), ("plan", "plan-read"))


def test_a_rule_without_remedy_that_a_remedy_brings_up_is_final() -> None:
    then = forbid("no-plans", when="context.evidence.plan")
    decision = engine(PLAN, then).decide(request())
    assert isinstance(decision, Forbid)
    assert decision.reasons == ("no-plans",)


def test_no_more_is_asked_for_than_needed() -> None:
    """One rule is lifted by either quorum, so the stricter rule's quorum does for both."""
    either = forbid("either", "quorum:two-admins", unless=f"{quorum('two-sre')} || {quorum('two-admins')}")
    assert engine(SRE, either).decide(request()) == Hold(("quorum:two-sre",), ("either", "sre"))


def test_one_rule_may_need_several_remedies() -> None:
    both = forbid(
        "both", "quorum:two-sre, rehearsal", unless=f"{quorum('two-sre')} && context.evidence.rehearsal"
    )
    assert engine(both).decide(request()) == Rehearse(("quorum:two-sre", "rehearsal"), ("both",))
    assert engine(both).decide(request(rehearsal=True)) == Hold(("quorum:two-sre",), ("both",))


@pytest.mark.parametrize("quorums", [(), ("two-sre",)])
def test_a_remedy_that_does_not_lift_its_rule_is_a_forbid(quorums: tuple[str, ...]) -> None:
    wrong = forbid("wrong", "quorum:two-sre", unless=quorum("two-admins"))
    decision = engine(wrong).decide(request(quorums=quorums))
    assert isinstance(decision, Forbid)
    assert decision.reasons == ("wrong",)
    assert "would not lift it" in decision.why


ERRORS = "context.now * 9223372036854775807 > 0"


@pytest.mark.parametrize(
    "text",
    [
        forbid("broken", when=ERRORS),
        forbid("broken", "quorum:two-sre", when=ERRORS, unless=quorum("two-sre")),
        forbid("broken", "quorum:two-sre", when=f"{quorum('two-sre')} && {ERRORS}"),
    ],
)
@pytest.mark.parametrize("quorums", [("two-sre",)])
def test_an_error_is_never_an_allowance(text: str, quorums: tuple[str, ...]) -> None:
    assert engine(text).decide(request(quorums=quorums)) == Forbid(why.BROKEN, (ERROR, "broken"))


def test_an_error_that_only_a_remedy_brings_up_is_no_hold() -> None:
    later = forbid("broken", when=f"context.evidence.plan && {ERRORS}")
    assert engine(PLAN, later).decide(request()) == Forbid(why.BROKEN, (ERROR, "broken"))


def test_an_error_beside_a_forbid_is_still_an_error() -> None:
    assert engine(SRE, forbid("broken", when=ERRORS)).decide(request()) == Forbid(
        why.BROKEN, (ERROR, "broken")
    )


@pytest.mark.parametrize(
    "asked",
    [
        request(totals=Totals(rows_deleted=1 << 63)),
        request(totals=Totals(rows_deleted=1 << 70)),
        request(resource=Resource("table", "\ud800")),
        request(agent="\ud800"),
        request(quorums=("\ud800",)),
        request(now=NOW.replace(tzinfo=None)),
    ],
    ids=["63 bits", "70 bits", "surrogate name", "surrogate agent", "surrogate quorum", "no time zone"],
)
def test_what_cannot_be_asked_is_refused(asked: object) -> None:
    assert engine().decide(asked) == Forbid(why.BROKEN, (ERROR,))  # type: ignore[arg-type]


def test_operators_are_told_what_went_wrong() -> None:
    said: list[str] = []
    rules = Engine.load(
        grants=[grant()],
        agents=[AGENT],
        quorums=[TWO_SRE],
        extra_texts={"a.cedar": forbid("broken", when=ERRORS)},
        on_error=said.append,
    )
    rules.decide(request())
    rules.with_texts({}).decide(request(now=NOW.replace(tzinfo=None)))
    assert "`broken`: integer overflow" in said[0]
    assert "time zone" in said[1]
    assert len(said) == 2


@pytest.mark.parametrize(
    "condition",
    [
        "context.effects.rows == 0",
        "true && !(context.effects.rows > 0)",
        "context == context",
        "context has effects",
        "if context.known then context.effects.rows == 0 else true",
    ],
)
def test_rules_that_look_at_effects_wait_for_them(condition: str) -> None:
    rules = engine(forbid("zero", when=condition))
    assert rules.decide(request()) == PERMITTED
    assert isinstance(rules.decide(request(totals=Totals())), Forbid)


@pytest.mark.parametrize("condition", ["!context.known", "context has known", "context.now > 0"])
def test_rules_that_do_not_look_at_effects_count_at_once(condition: str) -> None:
    assert isinstance(engine(forbid("now", when=condition)).decide(request()), Forbid)


@pytest.mark.parametrize(
    "scope",
    [
        'principal == Agent::"fixer", action, resource',
        'principal, action in [Action::"read", Action::"delete"], resource',
        'principal, action, resource == Resource::"shop/table/public.orders"',
        'principal, action, resource in Group::"shop/public"',
        'principal, action, resource in Target::"shop"',
        'principal, action, resource in Environment::"production"',
        "principal, action, resource is Resource",
        'principal is Agent, action, resource is Resource in Target::"shop"',
    ],
)
def test_scopes_people_can_write(scope: str) -> None:
    rules = engine(f'@id("x") forbid ({scope});')
    elsewhere = Resource("table", "audit.log", "audit")
    assert isinstance(rules.decide(request()), Forbid)
    narrow = "Resource::" in scope or "Group::" in scope
    assert isinstance(rules.decide(request(resource=elsewhere)), Permit if narrow else Forbid)


def test_the_owner_is_known() -> None:
    rules = engine('@id("x") forbid (principal, action, resource) when { principal.owner == "olga" };')
    assert isinstance(rules.decide(request()), Forbid)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (forbid("x").replace("forbid", "permit"), "permits come only from grants"),
        ("forbid (principal, action, resource);", "has no id"),
        ("@id forbid (principal, action, resource);", "has no id"),
        (forbid("grant:G1"), "belong to grants"),
        (forbid("limit:a@b"), "belong to grants"),
        (forbid("rows-deleted"), r"the id is used 2 times \(extra0.cedar, shipped/rows.cedar\)"),
        (forbid("x", "quorum:three-sre"), "the quorum 'three-sre' is not configured"),
        (forbid("x", "quorum:"), "unknown remedy 'quorum:'"),
        (forbid("x", "approval"), "unknown remedy 'approval'"),
        ('@id("x") @remdy("plan") forbid (principal, action, resource);', "unknown annotation @remdy"),
        ("forbid (principal, action, resource) when { context.effects.rowz > 1 };", "rowz"),
        ("forbid (principal", "unexpected end"),
        (forbid("x", when="(" * 500), "too deep"),
    ],
)
def test_a_policy_file_that_cannot_be_meant_is_not_loaded(text: str, match: str) -> None:
    with pytest.raises(Misconfigured, match=match) as caught:
        engine(text)
    assert "extra0.cedar" in str(caught.value)


def test_all_that_is_wrong_is_named() -> None:
    with pytest.raises(Misconfigured, match=r"extra0.*extra1.*extra2.*extra3.*extra4.*and 2 more"):
        engine(*["forbid (principal, action, resource);"] * 7)


def test_reload_keeps_grants_and_leaves_the_old_engine_alone() -> None:
    old = engine()
    new = old.with_texts({"freeze.cedar": forbid("freeze"), "cases.toml": "[[", "notes.md": "permit"})
    assert isinstance(new.decide(request()), Forbid)
    assert old.decide(request()) == PERMITTED
    with pytest.raises(Misconfigured, match=r"freeze\.cedar"):
        new.with_texts({"freeze.cedar": "forbid ("})
    assert isinstance(new.decide(request()), Forbid)
    assert new.with_texts({}).decide(request()) == PERMITTED


def test_other_grants_with_the_same_rules() -> None:
    one = engine(grants=())
    two = one.with_grants([grant()], [AGENT])
    assert isinstance(one.decide(request()), Forbid)
    assert two.decide(request()) == PERMITTED
    assert two.with_grants([], [AGENT]).decide(request()) == one.decide(request())


def test_the_digest_covers_all_that_decides_but_grants() -> None:
    one = engine()
    assert len(one.digest) == 64
    assert engine(grants=()).digest == one.digest
    assert engine(grants=()).grants_digest != one.grants_digest
    others = [
        engine(SRE),
        engine(guardrails="none"),
        Engine.load(quorums=[TWO_SRE]),
        Engine.load(quorums=[TWO_SRE, TWO_ADMINS], fragments={"x": "entity X;"}),
    ]
    assert len({one.digest, *(other.digest for other in others)}) == 5
    assert one.with_texts({"a.cedar": SRE, "b.toml": "x"}).digest == one.with_texts({"a.cedar": SRE}).digest


def test_connectors_add_to_the_schema() -> None:
    fragment = 'namespace Postgres { entity Kind enum ["table"]; }'
    assert Engine.load(quorums=[TWO_SRE], fragments={"postgres": fragment}).policies
    with pytest.raises(Misconfigured, match="schema of connector postgres"):
        Engine.load(quorums=[TWO_SRE], fragments={"postgres": "entity Agent;"})


def test_reasons_can_be_explained() -> None:
    rules = engine(grants=[grant(max_rows=5)])
    assert rules.explain("rows-deleted") == "More than 100 rows are deleted."
    assert rules.explain("grant:G1") == "Grant G1 by gina to fixer on shop."
    assert "fixer@shop" in rules.explain("limit:fixer@shop")
    assert "error" in rules.explain(ERROR)
    assert rules.explain("gone") == rules.explain("grant:gone") == ""
    text = rules.policies["rows-deleted"].text
    assert text.startswith("// Data.")
    assert text.endswith('unless { context.evidence.quorums.contains("two-sre") };')
    assert '@id("rows-deleted")' in text
    assert 'permit (principal == Agent::"fixer"' in rules.grants_text()


def test_answers_do_not_outlive_their_second() -> None:
    rules = engine(grants=[grant(expires=NOW + timedelta(seconds=2))])
    answers = [type(rules.decide(request(now=NOW + timedelta(milliseconds=500 * n)))) for n in range(6)]
    assert answers == [Permit] * 4 + [Forbid] * 2


@pytest.mark.parametrize("length", [10, 100_000])
def test_names_of_any_size_and_alphabet_are_only_names(length: int) -> None:
    name = "\x1b[31m\u202e\n" + "x" * length
    refused = engine(grants=()).decide(request(Action.READ, resource=Resource("table", name)))
    assert isinstance(refused, Forbid)
    assert refused.why.isprintable()
    assert len(refused.why) < 200
    assert engine().decide(request(Action.READ, resource=Resource("table", name))) == PERMITTED


def test_refusals_quote_neither_policies_nor_paths() -> None:
    rules = engine(forbid("secret-name", when='resource.name like "public.*"'))
    decision = rules.decide(request(Action.UPDATE, CHANGED))
    assert isinstance(decision, Forbid)
    assert not any(word in decision.why for word in ("secret-name", "cedar", "forbid", "extra0"))
