"""The pure parts: what a session saw, values as they are kept and shown, documents and templates of any shape."""

import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.connectors.aws.preview import Seen, identity
from interlock.connectors.aws.preview.policy import document
from interlock.connectors.aws.preview.settings.engine import at, same
from interlock.connectors.aws.preview.stacks import template
from interlock.connectors.aws.preview.stacks.compare import Version, compare
from interlock.connectors.aws.preview.stacks.resolve import Resolver
from interlock.connectors.aws.preview.stacks.stack import object_of
from interlock.connectors.aws.preview.survey import Unsure, plain, shown
from interlock.model.base import canonical

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BASE = "arn:aws:{}:eu-west-1:123456789012:{}"

SAME = [
    ("cloudformation", "stack/cost/*", "stack/cost/5f2c1a70-0000"),
    ("secretsmanager", "secret:db/pass", "secret:db/pass-AbCdEf"),
    (
        "elasticloadbalancing",
        "loadbalancer/app/web/50dc6c495c0c9188",
        "loadbalancer/app/web/0000000000000000",
    ),
    ("elasticloadbalancing", "targetgroup/web/1", "targetgroup/web/2"),
    (
        "autoscaling",
        "autoScalingGroup:*:autoScalingGroupName/web",
        "autoScalingGroup:1-2:autoScalingGroupName/web",
    ),
    ("logs", "log-group:app", "log-group:app:*"),
    ("dynamodb", "table/orders", "table/orders"),
]
OTHER = [
    ("cloudformation", "stack/cost/*", "stack/costs/*"),
    ("dynamodb", "table/orders", "table/order"),
    ("elasticloadbalancing", "loadbalancer/app/web/1", "loadbalancer/app/api/1"),
]


@pytest.mark.parametrize(("service", "one", "other"), SAME)
def test_the_same_thing_under_another_id(service: str, one: str, other: str) -> None:
    first, second = BASE.format(service, one), BASE.format(service, other)
    assert identity(first) == identity(second)
    assert Seen().with_deleted([first], "CHG-1", NOON).deletion_of(second) == "CHG-1"


@pytest.mark.parametrize(("service", "one", "other"), OTHER)
def test_another_thing(service: str, one: str, other: str) -> None:
    seen = Seen(deleted={BASE.format(service, one): ""})
    assert seen.deletion_of(BASE.format(service, one)) == ""
    assert seen.deletion_of(BASE.format(service, other)) is None


def test_what_is_older_is_forgotten() -> None:
    seen = Seen().with_deleted(["a"], "CHG-1", NOON).with_created(["b"], "", NOON + timedelta(hours=2))
    later = seen.since(NOON + timedelta(hours=1))
    assert (later.deletion_of("a"), later.creation_of("b")) == (None, "")
    assert Seen(deleted={"timeless": ""}).since(NOON).deletion_of("timeless") == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_any_value_is_kept_and_shown(value: Any) -> None:
    assert canonical(plain(value))
    assert len(shown(value)) <= 8_001
    assert same(value, value) or value != value or isinstance(value, float | list | dict)


def test_what_has_no_canonical_form_is_kept_all_the_same() -> None:
    kept = plain({"at": NOON, "half": 0.5, "large": 2**60, "bytes": b"secret", "set": {2, 1}})
    assert canonical(kept)
    assert "secret" not in repr(kept)


WORDS = st.sampled_from(
    [
        "Statement",
        "Effect",
        "Allow",
        "Deny",
        "Principal",
        "AWS",
        "*",
        "Action",
        "s3:*",
        "Resource",
        "Condition",
    ]
)
NEAR = st.recursive(
    WORDS | st.none() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@given(NEAR)
def test_any_policy_is_read_or_unsure(value: Any) -> None:
    with contextlib.suppress(Unsure):
        for statement in document.read(value):
            document.narrowed(statement, frozenset())


PARTS = st.sampled_from(
    [
        "Resources",
        "Type",
        "AWS::S3::Bucket",
        "Properties",
        "Ref",
        "Fn::Sub",
        "Fn::If",
        "Fn::Join",
        "Conditions",
        "${A}",
        "A",
    ]
)
NEARLY = st.recursive(
    PARTS | st.none() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PARTS, inner, max_size=4),
    max_leaves=14,
)


@given(NEARLY, NEARLY, st.booleans())
def test_any_template_is_read_or_unsure(properties: Any, conditions: Any, as_text: bool) -> None:
    body = {
        "Conditions": {"A": conditions},
        "Resources": {
            "A": {"Type": "AWS::S3::Bucket", "Condition": "A", "Properties": {"BucketName": properties}}
        },
    }
    try:
        read = template.read(json.dumps(body) if as_text else body)
    except Unsure:
        return
    version = Version(read, {"A": "x"})
    outcomes = compare(version, version, {"A": "AWS::S3::Bucket"})
    assert {one.fate for one in outcomes} <= {"removed", "doubtful"}


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x]\n"
        + "\n".join(f"a{n}: &a{n} [{', '.join(['*a'] * 10)}]" for n in range(1))
        + "\nResources: {}\n",
        "x0: &x0 [1,1,1,1,1,1,1,1,1,1]\n"
        + "\n".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]" for n in range(1, 9))
        + "\nResources: {}\n",
        "[" * 5_000,
        "{" + '"a":{' * 5_000,
        "!!python/object/apply:os.system [id]",
        "Resources: !Unheard [1]",
    ],
)
def test_hostile_templates(text: str) -> None:
    with contextlib.suppress(Unsure):
        assert not template.read(text).resources


def test_a_chain_of_conditions_that_bites_its_tail() -> None:
    body = {
        "Conditions": {"A": {"Condition": "B"}, "B": {"Fn::Not": [{"Condition": "A"}]}},
        "Resources": {"R": {"Type": "T", "Condition": "A"}},
    }
    read = template.read(body)
    assert Resolver(read, {}).exists(read.resources["R"]) is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://b.s3.amazonaws.com/k", {"Bucket": "b", "Key": "k"}),
        ("https://b.c.s3.eu-west-1.amazonaws.com/a/k", {"Bucket": "b.c", "Key": "a/k"}),
        ("https://s3.eu-west-1.amazonaws.com/b/a/k", {"Bucket": "b", "Key": "a/k"}),
        ("https://s3-eu-west-1.amazonaws.com/b/k%20x", {"Bucket": "b", "Key": "k x"}),
        (
            "https://b.s3.dualstack.eu-west-1.amazonaws.com/k?versionId=v",
            {"Bucket": "b", "Key": "k", "VersionId": "v"},
        ),
        ("http://127.0.0.1:5000/b/k", {"Bucket": "b", "Key": "k"}),
    ],
)
def test_where_a_template_lies(url: str, expected: dict[str, str]) -> None:
    assert object_of(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://b.s3.amazonaws.com.evil.example/k",
        "https://example.com/b/k",
        "b/k",
        "https://s3.amazonaws.com/",
    ],
)
def test_where_no_template_lies(url: str) -> None:
    with pytest.raises(Unsure):
        object_of(url)


def test_paths() -> None:
    value = {"a": [{"b": 1}, {"b": 2}], "text": "abc"}
    assert [at(value, path) for path in ("a.1.b", "a.*.b", "a.9", "text.0", "", "x.y")] == [
        2,
        [1, 2],
        None,
        None,
        value,
        None,
    ]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, [], True),
        (["b", "a"], ["a", "b"], True),
        ({"a": 1, "more": 2}, {"a": 1}, True),
        ([{"a": 1, "more": 2}], [{"a": 1}], True),
        ([{"a": 1}], [], False),
        ({"a": 1}, {"a": 2}, False),
        (1, True, False),
        (0, None, False),
    ],
)
def test_what_is_the_same(before: Any, after: Any, expected: bool) -> None:
    assert same(before, after) is expected
