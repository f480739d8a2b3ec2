"""Tags as services tell them and calls give them, and what a part of a thing has them from."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from interlock.connectors.aws.call import Call, CallFailed
from interlock.connectors.aws.target import tags

BASE = "arn:aws:{}:eu-west-1:123456789012:{}"


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("arn:aws:s3:::data", "arn:aws:s3:::data"),
        ("arn:aws:s3:::data/a/b*", "arn:aws:s3:::data"),
        ("arn:aws:s3:::data-*", None),
        (BASE.format("dynamodb", "table/t/index/i"), BASE.format("dynamodb", "table/t")),
        (BASE.format("dynamodb", "table/t*"), None),
        (BASE.format("rds", "cluster:shop/db/public.orders"), BASE.format("rds", "cluster:shop")),
        (BASE.format("rds", "db:shop"), BASE.format("rds", "db:shop")),
        (BASE.format("lambda", "function:f:7"), BASE.format("lambda", "function:f")),
        (BASE.format("logs", "log-group:/a/b:*"), BASE.format("logs", "log-group:/a/b")),
        (BASE.format("sns", "topic:0-1"), BASE.format("sns", "topic")),
        (BASE.format("ec2", "*"), None),
        ("arn:aws:iam::aws:policy/ReadOnlyAccess", None),
        ("AWS::Some::Thing/x", None),
    ],
)
def test_what_a_part_has_its_tags_from(name: str, owner: str | None) -> None:
    assert tags.owner_of(name) == owner


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"Tags": [{"Key": "a", "Value": "1"}]}, {"a": "1"}),
        ({"tags": [{"key": "a", "value": "1"}]}, {"a": "1"}),
        ({"Tags": {"a": "1"}}, {"a": "1"}),
        ({"Tags": [{"TagKey": "a", "TagValue": "1"}]}, {"a": "1"}),
        ({"Tagging": "a=1&b=x%20y&c="}, {"a": "1", "b": "x y", "c": ""}),
        ({"Tagging": {"TagSet": [{"Key": "a", "Value": "1"}]}}, {"a": "1"}),
        (
            {"TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "1"}]}]},
            {"a": "1"},
        ),
        ({"Tags": [{"Key": "aws:cloudformation:stack-name", "Value": "prod"}]}, {}),
        ({"Tags": "a=", "tags": 3, "TagList": [1, None]}, {"a": ""}),
        ({}, {}),
    ],
)
def test_tags_that_a_call_gives(parameters: Mapping[str, Any], expected: Mapping[str, str]) -> None:
    assert tags.given(Call("x", "CreateThing", "eu-west-1", "", parameters)) == expected
    assert tags.given(Call("x", "UpdateThing", "eu-west-1", "", parameters)) == {}


class Scripted:
    """The tagging API, which refuses whole lists because of one name."""

    region, account, partition = "eu-west-1", "123456789012", "aws"

    def __init__(self, code: str = "InvalidParameterException") -> None:
        self.asked: list[list[str]] = []
        self.code = code

    async def ask(self, *_: Any, **__: Any) -> dict[str, Any]:
        raise CallFailed("NoSuchTagSet", 404)

    async def pages(
        self, service: str, operation: str, parameters: Mapping[str, Any] | None = None, **_: Any
    ) -> tuple[list[Any], bool]:
        names = (parameters or {})["ResourceARNList"]
        self.asked.append(names)
        if any("odd" in name for name in names):
            raise CallFailed(self.code, 400)
        return [{"ResourceARN": name, "Tags": [{"Key": "a", "Value": name[-1]}]} for name in names], False


def asked(names: list[str], calls: Scripted) -> Mapping[str, Mapping[str, str]]:
    return asyncio.run(tags.asked(names, "eu-west-1", lambda _: calls))


def test_one_name_that_the_service_cannot_read_hides_no_other() -> None:
    names = [BASE.format("sqs", f"q{n}") for n in range(7)] + [BASE.format("sqs", "odd")]
    found = dict(asked(names, Scripted()))
    assert found.pop(BASE.format("sqs", "odd")) == {}
    assert {name[-1] for name, told in found.items() if told == {"a": name[-1]}} == set("0123456")


def test_many_are_asked_for_a_hundred_at_a_time() -> None:
    calls = Scripted()
    found = asked([BASE.format("sqs", f"q{n}") for n in range(250)], calls)
    assert [len(some) for some in calls.asked] == [100, 100, 50]
    assert len(found) == 250


def test_what_is_not_there_has_no_tags() -> None:
    assert asked(["arn:aws:s3:::data"], Scripted()) == {"arn:aws:s3:::data": {}}


def test_a_refusal_is_no_answer() -> None:
    with pytest.raises(CallFailed):
        asked([BASE.format("sqs", "odd")], Scripted("AccessDeniedException"))
