"""How many members a group of resources has: of a stack, of what carries tags, of what is called alike.

Asked for only when a call takes some away. What cannot be listed is not told: no share of it can be judged then."""

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from interlock.connectors.aws.call import CallFailed, Calls
from interlock.connectors.aws.classify import GroupRule
from interlock.connectors.aws.identity.keys import fits
from interlock.connectors.aws.undo.compare import missing
from interlock.model.effect import ChangeKind, Effect
from interlock.model.operation import Resource

_GONE = frozenset({ChangeKind.DELETED, ChangeKind.REPLACED, ChangeKind.HIDDEN})
_CFN = "cloudformation"


class _Lists(NamedTuple):
    """How all of a kind are listed: the member of the answer, the member of an item that names it (none: the item itself), and
    the ARN's form."""

    service: str
    operation: str
    key: str
    member: str
    arn: str


_LISTS: Mapping[str, _Lists] = {
    "autoscaling:autoScalingGroup": _Lists(
        "autoscaling",
        "DescribeAutoScalingGroups",
        "AutoScalingGroups",
        "AutoScalingGroupName",
        "autoscaling:{region}:{account}:autoScalingGroup:*:autoScalingGroupName/{name}",
    ),
    "dynamodb:table": _Lists(
        "dynamodb", "ListTables", "TableNames", "", "dynamodb:{region}:{account}:table/{name}"
    ),
    "lambda:function": _Lists(
        "lambda", "ListFunctions", "Functions", "FunctionName", "lambda:{region}:{account}:function:{name}"
    ),
    "logs:log-group": _Lists(
        "logs", "DescribeLogGroups", "logGroups", "logGroupName", "logs:{region}:{account}:log-group:{name}"
    ),
    "rds:db": _Lists(
        "rds",
        "DescribeDBInstances",
        "DBInstances",
        "DBInstanceIdentifier",
        "rds:{region}:{account}:db:{name}",
    ),
    "s3:bucket": _Lists("s3", "ListBuckets", "Buckets", "Name", "s3:::{name}"),
    "sqs:queue": _Lists("sqs", "ListQueues", "QueueUrls", "", "sqs:{region}:{account}:{name}"),
    "sns:topic": _Lists("sns", "ListTopics", "Topics", "TopicArn", "sns:{region}:{account}:{name}"),
}


async def sizes(effects: Iterable[Effect], rules: Sequence[GroupRule], calls: Calls) -> dict[str, int]:
    """Of each group that loses objects by these effects. Raises CallFailed, Unavailable."""
    lost: dict[str, list[Resource]] = {}
    for effect in effects:
        if effect.change in _GONE and effect.count and not effect.unit.data and effect.resource.group:
            lost.setdefault(effect.resource.group, []).append(effect.resource)
    found = {}
    for group, resources in lost.items():
        rule = next((rule for rule in rules if rule.group == group), None)
        size = await (_stack(group, calls) if rule is None else _of_rule(rule, resources, calls))
        if size is not None:
            found[group] = size
    return found


async def _stack(name: str, calls: Calls) -> int | None:
    try:
        listed, _ = await calls.pages(
            _CFN, "ListStackResources", {"StackName": name}, key="StackResourceSummaries"
        )
    except CallFailed as error:
        if missing(error) or error.code == "ValidationError":
            return None  # no stack is called so: the group is another one
        raise
    return len([one for one in listed if one.get("ResourceStatus") != "DELETE_COMPLETE"])


async def _of_rule(rule: GroupRule, lost: Sequence[Resource], calls: Calls) -> int | None:
    """The largest of its parts: they may overlap, and a group that is believed too large is guarded less."""
    parts: list[int | None] = []
    if rule.stacks:
        listed, _ = await calls.pages(_CFN, "DescribeStacks", key="Stacks")
        names = [one["StackName"] for one in listed if any(fits(p, one["StackName"]) for p in rule.stacks)]
        parts.append(sum([await _stack(name, calls) or 0 for name in names]))
    if rule.tags:
        parts.append(await _tagged(rule.tags, calls))
    if rule.names:
        parts.append(await _called(rule.names, {resource.kind for resource in lost}, calls))
    return None if None in parts else max((part for part in parts if part is not None), default=None)


async def _tagged(tags: Mapping[str, str], calls: Calls) -> int:
    asked = {"TagFilters": [{"Key": key} for key in tags]}
    listed, _ = await calls.pages(
        "resourcegroupstaggingapi", "GetResources", asked, key="ResourceTagMappingList"
    )
    return sum(all(_has(one, key, value) for key, value in tags.items()) for one in listed)


def _has(one: Mapping[str, Any], key: str, pattern: str) -> bool:
    found = {tag["Key"]: tag["Value"] for tag in one.get("Tags", ())}
    return key in found and fnmatch.fnmatchcase(found[key], pattern)


async def _called(patterns: Sequence[str], kinds: Iterable[str], calls: Calls) -> int | None:
    """Of these kinds, those whose ARN matches; None when one of the kinds is not listed here."""
    count = 0
    for kind in kinds:
        if kind not in _LISTS:
            return None
        how = _LISTS[kind]
        listed, _ = await calls.pages(how.service, how.operation, key=how.key)
        arns = (_arn(how, item, calls) for item in listed)
        count += sum(any(fnmatch.fnmatchcase(arn, pattern) for pattern in patterns) for arn in arns)
    return count


def _arn(how: _Lists, item: Any, calls: Calls) -> str:
    told = str(item[how.member] if how.member else item)
    name = told.rpartition("/")[2] if told.startswith("http") else told.rpartition(":")[2]
    rest = how.arn.format(region=calls.region, account=calls.account, name=name)
    return f"arn:{calls.partition}:{rest}"
