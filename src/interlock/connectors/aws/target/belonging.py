"""To which groups of the target's configuration resources belong, where names don't tell: by their tags and stacks.

Asked for what isn't a read, before it is decided with its effects; the answers are remembered for a minute. What is
not known to the services is in no group; when they cannot be asked, nothing is decided: a group that nobody can see must not
make a way around the policies about it.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from interlock.connectors.aws.call import CallFailed, Calls, Classified
from interlock.connectors.aws.classify import GroupRule, group_of
from interlock.connectors.aws.identity.keys import fits
from interlock.connectors.aws.preview.seen import Seen
from interlock.connectors.aws.preview.stacks.types import resource_of
from interlock.connectors.aws.preview.survey import Survey
from interlock.connectors.aws.target import tags
from interlock.connectors.aws.undo.steps import beside
from interlock.model.effect import Effect
from interlock.model.errors import Unavailable
from interlock.model.operation import Action, Operation, Resource

CallsAt: TypeAlias = Callable[[str], Calls]
"""The gateway's own calls in a region."""

LIFE_S = 60.0
"""Seconds for which an answer is used."""
MOST_REMEMBERED = 20_000
MOST_STACKS = 200
"""Stacks that fit the patterns of a configuration; with more, nothing is decided."""

_CFN = "cloudformation"
_STACK = re.compile(r"\Aarn:[^:]*:cloudformation:[^:]*:[^:]*:stack/([^/]+)")
_STACK_TAG = "aws:cloudformation:stack-name"
"""Set by CloudFormation on what it makes, where a resource takes tags; nobody else can set it (CloudFormation user guide,
"Resource tag")."""
_GONE = ("DELETE_COMPLETE",)
_NO_TAGS: Mapping[str, str] = {}


class Belonging:
    """One target's. `only` are the stacks that bound it (patterns). With neither tags nor stacks in the configuration it does
    nothing, and costs nothing."""

    def __init__(self, rules: tuple[GroupRule, ...], only: tuple[str, ...], regions: tuple[str, ...]) -> None:
        self._rules, self._only, self._regions = rules, only, regions
        self._patterns = tuple(dict.fromkeys((*only, *(p for rule in rules for p in rule.stacks))))
        self.asks = bool(self._patterns) or any(rule.tags for rule in rules)
        first = next((n for n, rule in enumerate(rules) if rule.tags or rule.stacks), len(rules))
        self._certain = rules[:first]
        self._tags: dict[str, tuple[float, Mapping[str, str]]] = {}
        self._stacks: tuple[float, Mapping[str, str]] | None = None

    # -- what is known already

    def known(self, what: Classified) -> Classified:
        """A call with the groups that are remembered, or that its names tell for certain. A read keeps those of its names: it is
        decided once."""
        if not self.asks or what.operation.action is Action.READ:
            return what
        return _with(what, self._known)

    def _known(self, resource: Resource) -> str:
        found = self._facts(resource.name)
        if found is None:
            told = group_of(resource.name, self._certain)
            return told if any(rule.group == told for rule in self._certain) else ""
        return group_of(resource.name, self._rules, *found) or resource.group

    def stack_of(self, name: str) -> str | None:
        """The stack that a resource is in, empty for none; None when that is not known yet."""
        if found := _STACK.match(name):
            return found[1]
        facts = self._facts(name)
        return None if facts is None else facts[1]

    def _facts(self, name: str) -> tuple[Mapping[str, str], str] | None:
        """Tags and stack of a resource, when both are remembered."""
        owner = tags.owner_of(name)
        if owner is None:
            return _NO_TAGS, ""
        stacks = _fresh(self._stacks) if self._patterns else {}
        told = _fresh(self._tags.get(owner))
        if told is None or stacks is None:
            return None
        return told, told.get(_STACK_TAG) or stacks.get(owner, "")

    # -- what has to be asked

    async def of_call(self, what: Classified, calls: CallsAt) -> Classified:
        """A call with the groups of all that it names. Raises Unavailable."""
        if not self.asks:
            return what
        await self._learn((r for o in what.operations for r in o.resources), what, calls)
        return _with(what, self._group(what))

    async def of_effects(
        self, what: Classified, effects: Sequence[Effect], calls: CallsAt
    ) -> tuple[Effect, ...]:
        """Effects with the groups of what they are about. Raises Unavailable."""
        if not self.asks:
            return tuple(effects)
        await self._learn((effect.resource for effect in effects), what, calls)
        group = self._group(what)
        return tuple(msgspec.structs.replace(e, resource=_in(e.resource, group(e.resource))) for e in effects)

    def _group(self, what: Classified) -> Callable[[Resource], str]:
        given = tags.given(what.call)

        def group(resource: Resource) -> str:
            told, stack = self._facts(resource.name) or (_NO_TAGS, "")
            # What is made has the tags that the call gives it; what is there already has its own.
            return group_of(resource.name, self._rules, told or given, stack) or resource.group

        return group

    async def _learn(self, resources: Iterable[Resource], what: Classified, calls: CallsAt) -> None:
        owners = dict.fromkeys(tags.owner_of(resource.name) for resource in resources)
        wanted = [owner for owner in owners if owner is not None and _fresh(self._tags.get(owner)) is None]
        try:
            if self._patterns and _fresh(self._stacks) is None:
                self._stacks = (_now(), await self._in_stacks(what, calls))
            if wanted:
                self._remember(await tags.asked(wanted, what.call.region, calls))
        except CallFailed as error:
            why = (
                f"to which group the resources of {what.call.name} belong cannot be found out ({error.code})"
            )
            raise Unavailable(why) from None

    def _remember(self, found: Mapping[str, Mapping[str, str]]) -> None:
        now = _now()
        for name, told in found.items():
            self._tags.pop(name, None)
            self._tags[name] = (now, told)
        while len(self._tags) > MOST_REMEMBERED:
            del self._tags[next(iter(self._tags))]

    async def _in_stacks(self, what: Classified, calls: CallsAt) -> Mapping[str, str]:
        """The stack of each resource of the stacks that fit, in all regions. Raises CallFailed, Unavailable."""
        found: dict[str, str] = {}
        for region in self._regions:
            listed, more = await calls(region).pages(_CFN, "DescribeStacks", key="Stacks")
            names = [one["StackName"] for one in listed if one.get("StackStatus") not in _GONE]
            fitting = [name for name in names if any(fits(pattern, name) for pattern in self._patterns)]
            if more or len(fitting) > MOST_STACKS:
                raise Unavailable("more stacks than can be looked at fit the target's configuration")
            parts = await beside(_parts(name, what, calls(region)) for name in fitting)
            found |= {owner: name for name, owners in zip(fitting, parts, strict=True) for owner in owners}
        return found

    def inside(self, name: str) -> bool | None:
        """Whether the stacks that bound the target have a resource; None when that is not known yet."""
        stack = self.stack_of(name) if self._only else ""
        return None if stack is None else any(fits(pattern, stack) for pattern in self._only if stack)


async def _parts(stack: str, what: Classified, calls: Calls) -> list[str]:
    """The resources of a stack, by ARN."""
    asked = {"StackName": stack}
    listed, more = await calls.pages(_CFN, "ListStackResources", asked, key="StackResourceSummaries")
    if more:
        raise Unavailable(f"stack {stack} has more resources than can be looked at")
    call = msgspec.structs.replace(what.call, region=calls.region)
    survey = Survey(msgspec.structs.replace(what, call=call), calls, Seen())
    return [_arn(survey, one, stack) for one in listed if one.get("PhysicalResourceId")]


def _arn(survey: Survey, one: Mapping[str, Any], stack: str) -> str:
    return resource_of(survey, one["ResourceType"], one["PhysicalResourceId"], stack).name


def _fresh(answer: "tuple[float, Mapping[str, str]] | None") -> Mapping[str, str] | None:
    return answer[1] if answer is not None and _now() - answer[0] < LIFE_S else None


def _now() -> float:
    return asyncio.get_running_loop().time()


def _with(what: Classified, group: Callable[[Resource], str]) -> Classified:
    def grouped(operation: Operation) -> Operation:
        resources = tuple(_in(r, group(r)) for r in operation.resources)
        return msgspec.structs.replace(operation, resources=resources)

    inside = tuple(grouped(each) for each in what.inside)
    return msgspec.structs.replace(what, operation=grouped(what.operation), inside=inside)


def _in(resource: Resource, group: str) -> Resource:
    return resource if resource.group == group else msgspec.structs.replace(resource, group=group)
