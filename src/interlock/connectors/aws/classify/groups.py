"""To which group a resource belongs: by the target's rules, or by its name."""

import fnmatch
import re
from collections.abc import Mapping

from interlock.model.base import Value


class GroupRule(Value, frozen=True):
    """A group of resources: those with an ARN that matches one of `names` (with `*`), or with all of `tags` (values may have
    `*`), or of one of the CloudFormation `stacks` (with `*`)."""

    group: str
    names: tuple[str, ...] = ()
    tags: Mapping[str, str] = {}
    stacks: tuple[str, ...] = ()


_STACK = re.compile(r":stack/([^/]+)(?:/|\Z)")
_OBJECT = re.compile(r"arn:[^:]*:s3:::([^/]+)/")
_NO_TAGS: Mapping[str, str] = {}


def group_of(
    name: str, rules: tuple[GroupRule, ...], tags: Mapping[str, str] = _NO_TAGS, stack: str = ""
) -> str:
    """The group of a resource, by its ARN: that of the first rule that fits; else its stack, as given or as its ARN shows it;
    else an object's bucket; else none. `tags` and `stack` are what is known of the resource."""
    stack = stack or _first(_STACK, name)
    for rule in rules:
        if _fits(rule, name, tags, stack):
            return rule.group
    return stack or _first(_OBJECT, name)


def _fits(rule: GroupRule, name: str, tags: Mapping[str, str], stack: str) -> bool:
    if any(fnmatch.fnmatchcase(name, pattern) for pattern in rule.names):
        return True
    if stack and any(fnmatch.fnmatchcase(stack, pattern) for pattern in rule.stacks):
        return True
    return bool(rule.tags) and all(
        key in tags and fnmatch.fnmatchcase(tags[key], value) for key, value in rule.tags.items()
    )


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found.group(1) if found else ""
