"""What every operation of every service comes out as."""

import re
from collections import Counter
from collections.abc import Callable

import pytest

from interlock.connectors.aws.call import Classified
from interlock.connectors.aws.classify.action import action_of
from interlock.connectors.aws.verbs import levels as reference
from interlock.connectors.aws.verbs import tables, words
from interlock.connectors.aws.verbs.levels import Levels, load_levels
from interlock.model.operation import Action

DESTROYING = re.compile(
    r"(?:Batch|Admin)?(?:Delete|Remove|Terminate|Purge|Destroy|Deregister|Reset|Revoke|Disable|Detach|Disassociate|Stop|Cancel|Release|Drop)"
    r"(?=[A-Z]|$)"
)
"""Written apart from the words that the code uses."""


@pytest.fixture(scope="module")
def operations(models: dict[str, dict[str, dict[str, object]]]) -> list[tuple[str, str]]:
    return [(service, operation) for service, model in models.items() for operation in model["operations"]]


@pytest.fixture(scope="module")
def actions(operations: list[tuple[str, str]], levels: Levels) -> dict[tuple[str, str], Action]:
    return {pair: action_of(*pair, levels) for pair in operations}


def test_no_destroying_verb_is_a_read(actions: dict[tuple[str, str], Action]) -> None:
    destroying = {pair: action for pair, action in actions.items() if DESTROYING.match(pair[1])}
    assert len(destroying) > 3000
    assert {pair for pair, action in destroying.items() if action is Action.READ} == set()


def test_destroying_verbs_are_at_least_deletions(actions: dict[tuple[str, str], Action]) -> None:
    mild = {
        f"{service}:{operation}"
        for (service, operation), action in actions.items()
        if DESTROYING.match(operation) and action in (Action.READ, Action.CREATE, Action.UPDATE)
    }
    # Tags are settings; the rest of the rule has no exception.
    assert {call for call in mild if "Tag" not in call and "Annotation" not in call} == set()


def test_few_are_unknown(actions: dict[tuple[str, str], Action], capsys: pytest.CaptureFixture[str]) -> None:
    shares = Counter(action.value for action in actions.values())
    total = sum(shares.values())
    with capsys.disabled():
        print("\n" + ", ".join(f"{name} {n} ({n / total:.1%})" for name, n in shares.most_common()))
    assert shares["unknown"] / total < 0.01
    assert 0.38 < shares["read"] / total < 0.46


def test_what_is_no_read_by_its_level_is_none(actions: dict[tuple[str, str], Action], levels: Levels) -> None:
    strict = ("Write", "Tagging", "Permissions management")
    assert {p for p, a in actions.items() if a is Action.READ and levels.level(*p) in strict} == set()


def test_what_has_no_level_reads_only_by_a_plain_verb(
    actions: dict[tuple[str, str], Action], levels: Levels
) -> None:
    plain = {
        "Get",
        "List",
        "Describe",
        "Head",
        "Search",
        "Lookup",
        "Query",
        "Scan",
        "Select",
        "Count",
        "View",
        "Is",
        "Filter",
    }
    doubtful = {p for p, a in actions.items() if a is Action.READ and not levels.level(*p)}
    assert {words.verb(operation) for _, operation in doubtful} <= plain


def test_reading_by_a_writing_method_is_not_believed() -> None:
    methods = {"s3:GetObject": "GET", "s3:ListBuckets": "DELETE", "nova:GetThing": "PUT"}
    levels = load_levels({"s3": {"privileges": {}}}, methods)
    assert action_of("s3", "GetObject", levels) is Action.READ
    assert action_of("s3", "ListBuckets", levels) is Action.UPDATE
    assert action_of("nova", "GetThing", levels) is Action.UPDATE


def test_what_nobody_knows_is_unknown(levels: Levels) -> None:
    for operation in ("Frobnicate", "frob", "", "X", "InvokeThing", "StartThing", "ÄndereDing", "gETThing"):
        assert action_of("nova", operation, levels) is Action.UNKNOWN
    assert action_of("nova", "DeleteThing", levels) is Action.DELETE
    assert action_of("nova", "GetThing", levels) is Action.READ


def test_writes_with_a_strange_verb_count_as_deletions(levels: Levels) -> None:
    made_up = load_levels({"nova": {"privileges": {"Frobnicate": {"access_level": "Write"}}}})
    assert action_of("nova", "Frobnicate", made_up) is Action.DELETE


def test_new_levels_must_be_reviewed() -> None:
    with pytest.raises(ValueError, match="Danger"):
        load_levels({"nova": {"privileges": {"Get": {"access_level": "Danger"}}}})


def test_every_word_is_in_one_list() -> None:
    lists = (words._READ, words._CREATE, words._DELETE, words._UPDATE, words._DOES)
    counted = Counter(word for text in lists for word in text.split())
    assert {word for word, times in counted.items() if times > 1} == set()


def test_every_service_has_an_iam_prefix_of_its_own_signing_name(
    models: dict[str, dict[str, dict[str, str]]], levels: Levels
) -> None:
    known = {kind.partition(":")[0] for kind in levels.kinds()} | set(levels._prefixes)
    lost = {s for s in models if reference.prefix_of(s) not in known}
    # What the reference does not list (yet).
    assert len(lost) < 25
    for service in set(reference._prefixes()) - lost:
        assert service in models


def test_aliases_name_what_there_is(models: dict[str, dict[str, dict[str, str]]], levels: Levels) -> None:
    for service, rows in reference._aliases().items():
        for operation, actions in rows.items():
            stem = operation.removesuffix("*")
            assert any(o.startswith(stem) for o in models[service]["operations"]), f"{service}:{operation}"
            for action in actions:
                assert levels._known(action), f"{service}:{operation} {action}"


@pytest.mark.parametrize("table", ["reads", "writes"])
def test_readers_name_what_there_is(table: str, operations: list[tuple[str, str]]) -> None:
    names = {f"{service}:{operation}" for service, operation in operations}
    assert set(getattr(tables, table)()) - names == set()


def test_reads_are_what_the_reference_calls_so(levels: Levels) -> None:
    strange = {c for c in tables.reads() if levels.level(*c.split(":")) not in ("Read", "List")}
    assert {c for c in strange if action_of(c.split(":")[0], c.split(":")[1], levels) is Action.READ} == set()


def test_dry_run_makes_no_read(say: Callable[..., Classified]) -> None:
    assert say("ec2:TerminateInstances", InstanceIds=["i-1"], DryRun=True).operation.action is Action.DELETE
