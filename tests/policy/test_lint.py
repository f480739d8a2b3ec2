"""`policy check` finds what cannot be meant, and says where."""

from datetime import timedelta

import pytest
from tests.policy.support import AGENT, NOW, TWO_ADMINS, TWO_SRE, grant

from interlock.model.people import Agent, Grant, Part, Person, Quorum, Wider
from interlock.policy.checks.lint import Finding, eligible, kinds_of, lint
from interlock.policy.limits import Limits
from interlock.policy.load import Sources

POSTGRES = 'namespace postgres { type Kinds = { table: String, "view": String }; }'
OK = '@id("mine") @description("Mine.") forbid (principal, action, resource) when { resource.strict };'


def person(name: str, *groups: str, key: str = "", disabled: bool = False) -> Person:
    return Person(name, groups, key or f"key of {name}", NOW, disabled)


SRES = tuple(person(name, "sre") for name in ("ann", "ben"))


def check(
    *texts: str,
    grants: tuple[Grant, ...] = (grant(max_rows=5),),
    agents: tuple[Agent, ...] = (AGENT,),
    people: tuple[Person, ...] = SRES,
    files: tuple[str, ...] = (),
    guardrails: str = "default",
    fragments: dict[str, str] | None = None,
    known: dict[str, set[str]] | None = None,
) -> list[tuple[str, str, str, str]]:
    extra = {f"extra{n}.cedar": text for n, text in enumerate(texts)} | dict.fromkeys(files, "")
    sources = Sources(Limits(), guardrails, extra, fragments or {}, (TWO_SRE, TWO_ADMINS))
    found = lint(sources, grants=grants, agents=agents, people=people, known=known)
    return [(f.level, f.check, f.file, f.policy) for f in found]


def test_the_shipped_rules_are_clean() -> None:
    assert check() == []
    assert check(OK) == []


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("forbid (principal", ""),
        ("forbid (principal, action, resource) when { context.effects.rowz > 1 };", ""),
        ("forbid (principal, action, resource);", ""),
        (OK.replace("forbid", "permit"), "mine"),
        (OK.replace('"mine"', '"irreversible"'), "irreversible"),
        (OK.replace("@id", '@remedy("quorum:nobody") @id'), "mine"),
    ],
)
def test_what_does_not_load_is_an_error_and_the_rest_is_still_checked(text: str, policy: str) -> None:
    found = check(text, OK.replace("mine", "other").replace('@description("Mine.")', ""))
    assert ("error", "not-loaded", "extra0.cedar", policy) in found
    assert ("warning", "no-description", "extra1.cedar", "other") in found


def test_a_schema_or_setting_that_does_not_load_is_an_error() -> None:
    assert check(guardrails="nnoe") == [("error", "not-loaded", "configuration", "")]
    assert check(fragments={"x": "entity ("}) == [("error", "not-loaded", "configuration", "")]


@pytest.mark.parametrize(
    ("remedy", "condition", "fits"),
    [
        ("quorum:two-sre", 'unless { context.evidence.quorums.contains("two-sre") }', True),
        ("quorum:two-sre", 'when { !context.evidence.quorums.contains("two-sre") }', True),
        ("quorum:two-sre", 'unless { context.evidence.quorums.containsAny(["x", "two-sre"]) }', True),
        ("quorum:two-sre", 'unless { ["two-sre"].containsAll(context.evidence.quorums) }', True),
        (
            "quorum:two-sre",
            'unless { resource.strict || context.evidence.quorums.contains("two-sre") }',
            True,
        ),
        ("rehearsal", "unless { context.evidence.rehearsal }", True),
        ("plan", "unless { context.evidence.plan && resource.strict }", True),
        ("quorum:two-sre", 'when { context.evidence.quorums.contains("two-sre") }', False),
        ("quorum:two-sre", 'unless { !context.evidence.quorums.contains("two-sre") }', False),
        ("quorum:two-sre", 'unless { context.evidence.quorums.contains("two-sres") }', False),
        ("quorum:two-sre", 'unless { resource.name == "two-sre" }', False),
        ("quorum:two-sre", "", False),
        ("rehearsal", "unless { context.evidence.plan }", False),
        ("plan", "when { context.evidence.plan }", False),
    ],
)
def test_a_remedy_needs_the_condition_that_it_lifts(remedy: str, condition: str, fits: bool) -> None:
    text = (
        f'@id("r") @remedy("{remedy}") @description("R.") forbid (principal, action, resource) {condition};'
    )
    found = [f for f in check(text) if f[1] == "remedy-without-condition"]
    assert found == ([] if fits else [("error", "remedy-without-condition", "extra0.cedar", "r")])


def test_a_condition_without_its_remedy_is_never_offered() -> None:
    text = (
        '@id("r") @description("R.") forbid (principal, action, resource) unless { context.evidence.plan };'
    )
    assert check(text) == [("warning", "condition-without-remedy", "extra0.cedar", "r")]


def test_names_that_do_not_exist() -> None:
    text = '@id("r") @description("R.") forbid (principal == Agent::"fixr", action, resource in Environment::"prod");'
    known = {"Agent": {"fixer"}, "Environment": {"production"}}
    assert check(text) == []
    assert check(text, known=known) == [("warning", "unknown-name", "extra0.cedar", "r")] * 2


def test_kinds_that_no_connector_has() -> None:
    text = OK.replace(
        "resource.strict", '["tabel", "view"].contains(resource.kind) || resource.kind == "schema"'
    )
    assert kinds_of({"postgres": POSTGRES}) == {"table", "view", "schema"}
    assert check(text) == []
    assert check(text, fragments={"postgres": POSTGRES}) == [
        ("warning", "unknown-kind", "extra0.cedar", "mine")
    ]


def test_files_that_are_not_read() -> None:
    assert check(files=("freeze.ceder", "cases.toml", "README.md")) == [
        ("warning", "not-read", "freeze.ceder", "")
    ]


def test_grants_without_limits() -> None:
    assert check(grants=(grant(),)) == [("warning", "grant-without-limit", "grants", "grant:G1")]
    endless = grant(max_rows=1, expires=NOW + timedelta(days=365))
    assert check(grants=(endless,)) == [("warning", "grant-without-expiry", "grants", "grant:G1")]
    assert check(grants=(grant(actions=()),)) == [("error", "grant-invalid", "grants", "grant:G1")]
    assert check(grants=(grant(revoked_at=NOW),)) == []


UNREACHABLE = [("error", "quorum-unreachable", "configuration", "two-sre")]


@pytest.mark.parametrize(
    ("people", "found"),
    [
        (SRES, []),
        (SRES[:1], UNREACHABLE),
        ((*SRES[:1], person("olga", "sre")), UNREACHABLE),
        ((*SRES[:1], person("gina", "sre")), UNREACHABLE),
        ((*SRES[:1], person("past", "sre")), UNREACHABLE),
        ((*SRES[:1], person("cat", "admin")), UNREACHABLE),
        ((*SRES[:1], person("cat", "sre", disabled=True)), UNREACHABLE),
        ((*SRES[:1], person("cat", "sre", key="key of ann")), UNREACHABLE),
        ((*SRES[:1], person("cat", "sre", key="key of olga"), person("olga")), UNREACHABLE),
        ((*SRES[:1], person("cat", "dev", "sre")), []),
    ],
)
def test_a_quorum_that_the_people_who_exist_can_never_meet(
    people: tuple[Person, ...], found: list[tuple[str, str, str, str]]
) -> None:
    agent = Agent("fixer", "olga", NOW, past_owners=("past",))
    old = grant(max_rows=1, revoked_at=NOW)
    assert check(people=people, agents=(agent,), grants=(old,)) == found


def test_quorums_are_only_checked_where_someone_could_need_them() -> None:
    assert check(people=(), agents=(Agent("fixer", "olga", NOW, disabled=True),), grants=()) == []
    assert check(people=(), guardrails="none") == []


def test_who_can_count() -> None:
    people = (*SRES, person("gina", "sre"), person("olga", "sre"))
    assert eligible(TWO_SRE, AGENT, [grant()], people) == ("ann", "ben")
    assert eligible(TWO_SRE, AGENT, [grant(agent="other")], people) == ("ann", "ben", "gina")


def test_findings_say_what_to_do() -> None:
    text = '@id("r") @remedy("quorum:two-sre") @description("R.") forbid (principal, action, resource);'
    sources = Sources(Limits(), "none", {"a.cedar": text}, {}, (TWO_SRE,))
    [finding] = lint(sources)
    assert finding == Finding(
        "error",
        "remedy-without-condition",
        "a.cedar",
        "r",
        "has the remedy quorum:two-sre, but no condition that it would lift",
        'add: unless { context.evidence.quorums.contains("two-sre") }',
    )


def findings(quorum: Quorum, *people: Person) -> list[tuple[str, str, str]]:
    sources = Sources(Limits(), "default", {}, {}, (quorum, TWO_ADMINS))
    found = lint(sources, grants=(grant(max_rows=5),), agents=(AGENT,), people=people)
    return [(f.level, f.what, f.fix) for f in found if f.check == "quorum-unreachable"]


BOTH = Quorum("two-sre", 1, "sre", also=(Part(1, "dba"),))


def test_a_quorum_of_several_groups_needs_people_of_each() -> None:
    [(level, what, fix)] = findings(BOTH, *SRES)
    assert level == "error"
    assert "needs 1 of the group sre and 1 of the group dba" in what
    assert fix == "add people to the group dba"
    assert findings(BOTH, *SRES, person("dan", "dba")) == []


def test_one_person_in_both_groups_is_not_enough_for_both() -> None:
    both = person("zoe", "sre", "dba")
    assert [level for level, _, _ in findings(BOTH, both)] == ["error"]
    assert findings(BOTH, both, person("dan", "dba")) == []


def test_wide_changes_that_can_never_be_approved_are_worth_a_warning() -> None:
    wide = Quorum("two-sre", 2, "sre", wider=(Wider(3, rows=1000),))
    [(level, what, fix)] = findings(wide, *SRES)
    assert (level, fix) == ("warning", "add people to the group sre")
    assert "the widest need 3 of the group sre" in what
    assert findings(wide, *SRES, person("cat", "sre")) == []
