"""Cases in TOML: what `policy test` reads, and the shipped rules in such cases."""

import pathlib
import textwrap

import pytest
from tests.policy.support import engine, grant

from interlock.model.decision import Forbid, Hold
from interlock.model.errors import Misconfigured
from interlock.policy.checks import cases

DEFAULTS = pathlib.Path(__file__).with_name("defaults.toml").read_text("utf-8")
HEAD = '[targets.shop]\nenvironment = "production"\n'


def case(expect: str, *more: str, effects: str = "", action: str = "delete") -> str:
    lines = [
        "[[case]]",
        'name = "one"',
        'agent = "fixer"',
        'target = "shop"',
        f'action = "{action}"',
        'resource = {kind = "table", name = "public.orders"}',
        f'expect = "{expect}"',
        *([f"effects = {effects}"] if effects else []),
        *more,
    ]
    return "\n".join(lines) + "\n"


def one(text: str) -> cases.Result:
    [result] = cases.run(engine(), "c.toml", text)
    return result


@pytest.mark.parametrize("result", cases.run(engine(), "defaults.toml", DEFAULTS), ids=lambda r: r.case)
def test_the_shipped_guardrails_do_what_their_cases_say(result: cases.Result) -> None:
    assert result.passed, result.what


def test_without_grants_of_its_own_a_file_uses_the_live_ones() -> None:
    assert one(HEAD + case("permit")).passed
    [result] = cases.run(engine(grants=()), "c.toml", HEAD + case("permit"))
    assert result.what == "expected permit, got forbid; no grant covers delete on table public.orders of shop"


def test_grants_in_the_file_stand_in_for_the_live_ones() -> None:
    grants = '[[grant]]\nagent = "fixer"\ntarget = "shop"\nactions = ["read"]\n'
    assert one(HEAD + grants + case("forbid")).passed
    assert one(HEAD + grants + case("permit", action="read")).passed
    expired = grants + "expires = 2026-01-01T11:59:59Z\n"
    assert isinstance(one(HEAD + expired + case("permit", action="read")).decision, Forbid)
    assert one("now = 2026-01-01T11:00:00Z\n" + HEAD + expired + case("permit", action="read")).passed


HELD = "{rows_deleted = 101}"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (case("permit", effects=HELD), "expected permit, got hold"),
        (case("hold"), "expected hold, got permit"),
        (case("hold", effects=HELD), "expected the remedies none, got quorum:two-sre"),
        (
            case("hold", 'remedies = ["plan", "quorum:two-sre"]', effects=HELD),
            "expected the remedies plan, quorum:two-sre, got quorum:two-sre",
        ),
        (
            case("hold", 'remedies = ["quorum:two-sre"]', "reasons = []", effects=HELD),
            "expected the reasons none, got rows-deleted",
        ),
    ],
)
def test_a_difference_is_said_in_one_line(text: str, what: str) -> None:
    result = one(HEAD + text)
    assert not result.passed
    assert result.what == what


def test_a_result_carries_the_decision() -> None:
    result = one(HEAD + case("hold", 'remedies = ["quorum:two-sre"]', effects=HELD))
    assert result == cases.Result("c.toml", "one", Hold(("quorum:two-sre",), ("rows-deleted",)))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[[", "c.toml: "),
        (HEAD, "missing required field `case`"),
        (HEAD + case("allow"), "Invalid enum value 'allow'"),
        (HEAD + case("permit", action="drop"), "Invalid enum value 'drop'"),
        (HEAD + case("permit", "effect = {}"), "unknown field `effect`"),
        (HEAD + case("permit", effects="{rows = 5}"), "unknown field `rows`"),
        (HEAD + case("permit", effects="{rows_deleted = 1.5}"), "Expected `int`, got `float`"),
        (case("permit") + '[targets.lab]\nenvironment = "x"\n', r"case 'one': no \[targets.shop\]"),
        (HEAD + case("permit", 'remedies = ["plan"]'), "only hold and rehearse have remedies"),
        ("now = 2026-01-01T11:00:00\n" + HEAD + case("permit"), "timezone"),
        (
            HEAD + '[[grant]]\nagent = "a"\ntarget = "shop"\nactions = []\n' + case("permit"),
            "actions are some of",
        ),
    ],
)
def test_a_file_that_cannot_be_read_says_why(text: str, match: str) -> None:
    with pytest.raises(Misconfigured, match=match):
        cases.run(engine(grants=[grant()]), "c.toml", text)


def test_the_example_in_the_documentation_of_the_format_is_right() -> None:
    assert cases.__doc__
    example = textwrap.dedent(cases.__doc__.partition("\n\n")[2])
    assert [r.what for r in cases.run(engine(), "example.toml", example)] == [""]
