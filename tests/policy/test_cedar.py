"""What Interlock relies on in Cedar, and what it does where Cedar is not enough."""

import cedarpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.policy.support import request

from interlock.model.operation import Action
from interlock.policy import cedar, facts, shipped
from interlock.policy.cedar import CedarError, Question, pst

SCHEMA = cedar.parse_schema(shipped.core_schema())
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def ask(text: str, context: bytes | None = None, action: Action = Action.READ) -> cedar.Verdict:
    asked = request(action)
    who = facts.subject(asked)
    question = Question(
        "fixer",
        action.value,
        facts.resource_id(who.target, who.resource),
        cedar.entities(facts.entities(who), SCHEMA),
    )
    handle = cedarpy.PolicySet.from_str(text)
    return cedar.ask(handle, question, context or facts.context(None, asked.evidence, asked.now), SCHEMA)


PERMIT = '@id("yes") permit (principal, action, resource);'
OVERFLOW = '@id("no") forbid (principal, action, resource) when { context.now * 9223372036854775807 > 0 };'


def test_cedar_skips_a_forbid_that_errors_so_errors_are_no_allowance() -> None:
    cedar.validate(PERMIT + OVERFLOW, SCHEMA)  # validation does not see it coming
    verdict = ask(PERMIT + OVERFLOW)
    assert not verdict.allowed
    assert "integer overflow" in verdict.errors[0]


def test_an_answer_without_errors() -> None:
    assert ask(PERMIT) == cedar.Verdict(True, ("yes",))
    assert ask('@id("no") forbid (principal, action, resource);' + PERMIT) == cedar.Verdict(False, ("no",))
    assert ask("") == cedar.Verdict(False, ())


@pytest.mark.parametrize("context", [b"{}", b'{"now": 1.5}', b"[]", b"not json"])
def test_a_context_that_does_not_fit_the_schema_is_no_allowance(context: bytes) -> None:
    verdict = ask(PERMIT, context)
    assert not verdict.allowed
    assert verdict.errors


@given(TEXT)
def test_quoted_text_comes_back(text: str) -> None:
    [policy] = cedar.parse(
        f"@id({cedar.quote(text)}) forbid (principal == Agent::{cedar.quote(text)}, action, resource)"
        f"when {{ resource.name == {cedar.quote(text)} }};",
        SCHEMA,
    )
    assert policy.annotations["id"] == text
    assert policy.principal == pst.ScopeEq(pst.EntityUid(pst.EntityType("Agent"), text))
    assert policy.clauses == (
        pst.When(pst.BinaryOp("eq", pst.GetAttr(pst.Var("resource"), "name"), pst.StringLit(text))),
    )


@given(TEXT)
def test_only_a_star_is_a_wildcard(text: str) -> None:
    [policy] = cedar.parse(
        f"forbid (principal, action, resource) when {{ resource.name like {cedar.pattern(text)} }};", SCHEMA
    )
    clause = policy.clauses[0].expr
    assert isinstance(clause, pst.Like)
    assert clause.pattern == tuple(pst.Wildcard() if c == "*" else pst.Char(c) for c in text)


def test_a_lone_surrogate_has_no_quotation() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        cedar.quote("\ud800")


@pytest.mark.parametrize(
    "condition",
    [
        "(" * 1_000 + "true" + ")" * 1_000,
        "!(" * 1_000 + "true" + ")" * 1_000,
        "[" * 50_000,
        " || ".join(["true"] * 50_000),
        "if true then " * 5_000 + "true" + " else true" * 5_000,
        "resource" + ".a" * 50_000,
        '"\\"" == "" || ' + "{a:" * 1_000,
        "// (\r" + "(" * 1_000,
    ],
    ids=lambda condition: condition[:12],
)
def test_a_text_that_would_kill_the_process_is_refused_before_cedar_sees_it(condition: str) -> None:
    with pytest.raises(CedarError, match="nested too deep or too long"):
        cedar.parse(f"forbid (principal, action, resource) when {{ {condition} }};", SCHEMA)


def test_brackets_in_strings_and_comments_do_not_count() -> None:
    text = f"""// {"(" * 100}
    forbid (principal, action, resource) when {{ resource.name == "{"(" * 100}" }};"""
    assert len(cedar.parse(text, SCHEMA)) == 1


def test_many_policies_are_not_too_long() -> None:
    text = "forbid (principal, action, resource) when { resource.strict };\n" * 500
    assert len(cedar.parse(text, SCHEMA)) == 500


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("forbid (principal, action", "unexpected end of input"),
        ("forbid (principal, action, resource) when { context.effects.rowz > 1 };", "rowz"),
        ('@id("mine") forbid (principal, action, resource) when { 1 + "a" == 2 };', "`mine`"),
        ('forbid (principal, action == Action::"drop", resource);', "unrecognized action"),
        ("forbid (principal == ?principal, action, resource);", "templates"),
        ('@remedy("a") @remedy("b") forbid (principal, action, resource);', "duplicate annotation"),
    ],
)
def test_what_the_schema_does_not_allow_is_not_parsed(text: str, match: str) -> None:
    with pytest.raises(CedarError, match=match):
        cedar.parse(text, SCHEMA)


def test_policies_come_in_the_order_of_the_text() -> None:
    text = "".join(f'@id("p{n}") forbid (principal, action, resource);\n' for n in range(25))
    assert [p.annotations["id"] for p in cedar.parse(text, SCHEMA)] == [f"p{n}" for n in range(25)]
