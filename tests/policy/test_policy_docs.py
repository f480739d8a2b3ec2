"""docs/policy.md says what the shipped files say."""

import pathlib
import re

import pytest
import yaml
from tests.policy.support import engine

from interlock.policy import cedar, shipped
from interlock.policy.checks import cases
from interlock.policy.limits import Limits
from interlock.policy.load import Policy

DOC = (pathlib.Path(__file__).parents[2] / "docs" / "policy.md").read_text("utf-8")
RULES = tuple(engine().policies.values())
USUAL, _, QUEUES = DOC.partition("## Queues, topics and events")


def examples(kind: str, text: str) -> list[str]:
    found: list[str] = re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)
    return found


def part(name: str) -> str:
    found = re.search(rf"<!-- {name} -->(.*?)<!-- /{name} -->", DOC, re.DOTALL)
    assert found, f"no part {name}"
    return found[1].strip()


def table(head: str, rows: list[str]) -> str:
    columns = head.count("|") - 1
    return "\n".join([head, "|" + "---|" * columns, *rows])


def guardrail(rule: Policy) -> str:
    asks = ", ".join(f"`{remedy}`" for remedy in rule.remedies)
    return f"| `{rule.id}` | {rule.description} | {asks} |"


def test_the_table_of_guardrails() -> None:
    rows = [guardrail(rule) for rule in RULES if rule.remedies]
    assert part("guardrails") == table("| rule | holds when | asks for |", rows)


def test_the_table_of_invariants() -> None:
    rows = [f"| `{rule.id}` | {rule.description} |" for rule in RULES if not rule.remedies]
    assert part("invariants") == table("| rule | refuses |", rows)


def test_the_list_of_effects() -> None:
    effects = re.search(r"type Effects = \{(.*?)\}", shipped.core_schema(), re.DOTALL)
    assert effects
    assert part("effects") == ", ".join(f"`{name}`" for name in re.findall(r"(\w+): Long", effects[1]))


@pytest.mark.parametrize("text", examples("cedar", USUAL))
def test_the_examples_are_policies(text: str) -> None:
    assert "prices-need-a-plan" in engine(text).policies


@pytest.mark.parametrize("text", examples("toml", USUAL))
def test_the_examples_are_cases_that_pass(text: str) -> None:
    assert [result.what for result in cases.run(engine(), "docs", text)] == [""]


def test_the_example_of_queues() -> None:
    (limits,), (rule,), (file,) = (examples(kind, QUEUES) for kind in ("yaml", "cedar", "toml"))
    given = Limits(**yaml.safe_load(limits)["limits"])
    assert [result.what for result in cases.run(engine(rule, limits=given), "docs", file)] == [""] * 5
    without = [result.case for result in cases.run(engine(rule), "docs", file) if result.what]
    assert without[:2] == ["the sender sends to its queue", "the worker is done with messages of its queue"]


def test_the_shipped_texts_are_cedar_as_they_are_rendered() -> None:
    schema = cedar.parse_schema(shipped.core_schema())
    for text in shipped.policies(Limits()).values():
        assert cedar.parse(text, schema)
