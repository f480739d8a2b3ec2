"""The tags of resources: as the services tell them, and as a call gives them to what it makes."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from interlock.connectors.aws.call import Call, CallFailed, Calls
from interlock.connectors.aws.undo.compare import missing
from interlock.connectors.aws.undo.steps import beside

AT_ONCE = 100
"""ARNs of one GetResources (Resource Groups Tagging API reference)."""
_HOME = "us-east-1"
"""Where the tagging API tells of what lies in no region (Resource Groups Tagging API reference, "GetResources")."""

_OWNERS = tuple(
    re.compile(rf"(arn:[^:]*:{form})(?:[/:].*)?", re.DOTALL)
    for form in (
        r"s3:::[^/*]+",
        r"dynamodb:[^:]*:[^:]*:table/[^/*]+",
        r"rds:[^:]*:[^:]*:cluster:[^/*]+",
        r"redshift:[^:]*:[^:]*:cluster:[^/*]+",
        r"lambda:[^:]*:[^:]*:function:[^:*]+",
        r"logs:[^:]*:[^:]*:log-group:[^:*]+",
        r"sns:[^:]*:[^:]*:[^:*]+",
    )
)
"""What a part of a thing has its tags from: objects from their bucket, indexes and items from their table."""


class _Own(NamedTuple):
    """A service's own question for the tags of a thing: its operation, the member that names the thing, the answer's list."""

    operation: str
    member: str
    tags: str = "Tags"


_OWN = {
    ("s3", ""): _Own("GetBucketTagging", "Bucket", "TagSet"),
    ("iam", "role"): _Own("ListRoleTags", "RoleName"),
    ("iam", "user"): _Own("ListUserTags", "UserName"),
    ("iam", "instance-profile"): _Own("ListInstanceProfileTags", "InstanceProfileName"),
    ("iam", "policy"): _Own("ListPolicyTags", "PolicyArn"),
}
"""Of what the tagging API does not tell, or only in the region of the bucket."""


def owner_of(name: str) -> str | None:
    """The ARN of what a resource has its tags and its stack from; None when it is not one single thing."""
    for pattern in _OWNERS:
        if found := pattern.fullmatch(name):
            return found[1]
    whole = name.startswith("arn:") and name.count(":") >= 5 and "*" not in name
    return name if whole and ":iam::aws:" not in name else None  # AWS's own policies are nobody's


async def asked(
    names: Sequence[str], region: str, calls: Callable[[str], Calls]
) -> Mapping[str, Mapping[str, str]]:
    """The tags of each of these ARNs; none for what isn't there. Raises CallFailed, Unavailable."""
    found: dict[str, Mapping[str, str]] = {name: {} for name in names}
    own = [name for name in names if _own(name)]
    for told in await beside(_asked_itself(name, calls(region)) for name in own):
        found |= told
    for where, arns in _by_region((name for name in names if not _own(name)), region).items():
        for first in range(0, len(arns), AT_ONCE):
            found |= await _tagged(arns[first : first + AT_ONCE], calls(where))
    return found


def _own(name: str) -> _Own | None:
    _, _, service, _, _, rest = name.split(":", 5)
    return _OWN.get((service, rest.partition("/")[0] if service == "iam" else ""))


async def _asked_itself(name: str, calls: Calls) -> Mapping[str, Mapping[str, str]]:
    own = _own(name)
    assert own is not None
    value = name if own.member == "PolicyArn" else name.rpartition(":")[2].rpartition("/")[2]
    try:
        answer = await calls.ask(name.split(":")[2], own.operation, {own.member: value})
    except CallFailed as error:
        if missing(error):
            return {name: {}}
        raise
    return {name: pairs(answer.get(own.tags))}


def _by_region(names: Iterable[str], region: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.split(":")[3] or _HOME, []).append(name)
    return found


async def _tagged(names: list[str], calls: Calls) -> Mapping[str, Mapping[str, str]]:
    """Raises CallFailed; an ARN that the API cannot read is no reason to know nothing of the others."""
    asked = {"ResourceARNList": names}
    try:
        listed, _ = await calls.pages(
            "resourcegroupstaggingapi", "GetResources", asked, key="ResourceTagMappingList"
        )
    except CallFailed as error:
        if not error.code.startswith("InvalidParameter"):
            raise
        if len(names) == 1:
            return {}
        half = len(names) // 2
        return {**await _tagged(names[:half], calls), **await _tagged(names[half:], calls)}
    return {each["ResourceARN"]: pairs(each.get("Tags")) for each in listed}


# -- in calls

_MAKES = ("Create", "Run", "Allocate", "Register", "Import")
_MEMBERS = ("Tags", "tags", "TagList", "TagSet", "Tagging", "tagging")


def given(call: Call) -> Mapping[str, str]:
    """The tags that a call gives to what it makes; none when it makes nothing new."""
    if not call.operation.startswith(_MAKES):
        return {}
    found: dict[str, str] = {}
    for member in _MEMBERS:
        found |= pairs(call.parameters.get(member))
    for each in call.parameters.get("TagSpecifications") or ():
        found |= pairs(each.get("Tags") if isinstance(each, Mapping) else None)
    # What begins so is AWS's to give.
    return {key: value for key, value in found.items() if not key.startswith("aws:")}


def pairs(value: Any) -> dict[str, str]:
    """Tags in whatever form: a map, a list of pairs in whatever spelling, a query (`a=b&c=d`)."""
    if isinstance(value, str):
        return dict(parse_qsl(value, keep_blank_values=True))
    if isinstance(value, Mapping):
        return {str(k): v for k, v in value.items() if isinstance(v, str)} | pairs(value.get("TagSet"))
    found = {}
    for item in value if isinstance(value, list | tuple) else ():
        plain = {str(k).lower(): v for k, v in item.items()} if isinstance(item, Mapping) else {}
        key, told = plain.get("key", plain.get("tagkey")), plain.get("value", plain.get("tagvalue", ""))
        if isinstance(key, str):
            found[key] = told if isinstance(told, str) else ""
    return found
