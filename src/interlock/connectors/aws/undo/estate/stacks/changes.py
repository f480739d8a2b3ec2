"""Stacks (AWS CloudFormation API reference: UpdateStack, DeleteStack, ExecuteChangeSet)."""

from collections.abc import Mapping
from typing import Any

import msgspec

from interlock.connectors.aws.undo.estate.common import rows
from interlock.connectors.aws.undo.estate.draft import Draft, Gone, never, slot
from interlock.connectors.aws.undo.estate.stacks.contents import Contents, Resource, all_of, named
from interlock.connectors.aws.undo.estate.stacks.template import (
    body_of,
    is_hidden,
    parsed,
    resources,
    settings,
)
from interlock.connectors.aws.undo.plan import Plan

_ALIVE = "Stacks[?!starts_with(StackStatus, 'DELETE')] | [0]"
_STILL = "!ends_with(Stacks[0].StackStatus, 'IN_PROGRESS')"
_NEW_IDS = "resources that the template doesn't name get new names and ids"


async def _stack(draft: Draft, name: str) -> dict[str, Any]:
    found: dict[str, Any] = await draft.must(_ALIVE, "DescribeStacks", {"StackName": name}, what="such stack")
    return found


async def _delete(draft: Draft) -> Plan:
    """The stack is made again from its template, and filled."""
    stack = await _stack(draft, draft.get("StackName"))
    name = stack["StackName"]
    body = await body_of(draft, name)
    there = await all_of(draft, name)
    deleted = [one for one in there if not _retained(draft, body, one)]
    _gone_afterwards(draft, name, body)
    contents = Contents(draft, name, body, guarded=False)
    for number, resource in enumerate(deleted):
        await contents.copy(resource, number)
    _make_room(draft, stack, contents)
    await _create(draft, stack, body)
    draft.inverse += contents.back
    draft.gentler = "UpdateTerminationProtection keeps the stack from being deleted"
    return draft.lossy(_NEW_IDS)


def _retained(draft: Draft, body: str, resource: Resource) -> bool:
    """Whether a deletion leaves it. One with a name of its own would be in the way of a stack that is made again."""
    logical = resource.way[0]
    definition = resources(parsed(body)).get(logical, {})
    kept_back = logical in (draft.get("RetainResources") or ())
    if not kept_back and not str(definition.get("DeletionPolicy", "")).startswith("Retain"):
        return False
    if named(resources(parsed(body)), logical, resource.physical):
        raise Gone(
            f"{logical} is retained under its name, so the stack can be made again only by importing it"
        )
    draft.caveats.append(f"{logical} is retained outside of the stack, which gets a new one")
    return True


def _gone_afterwards(draft: Draft, name: str, body: str) -> None:
    """Compare that it is gone, and isn't another one of the same name. What is being deleted is gone."""
    asked = {"StackName": name}
    alive = draft.check(f"stack {name}", "DescribeStacks", asked, f"{_ALIVE}.StackName", name)
    draft.checks.append(msgspec.structs.replace(alive, after=None))


def _make_room(draft: Draft, stack: Mapping[str, Any], contents: Contents) -> None:
    """A deletion that stopped at buckets with objects is finished first, unless the stack was made again already."""
    name, old = stack["StackName"], stack["StackId"]
    other = f"Stacks[?StackId!='{old}' && !starts_with(StackStatus, 'DELETE')] | [0].StackName"
    again = draft.check(f"stack {name}", "DescribeStacks", {"StackName": name}, other, name)
    draft.back("DescribeStacks", {"StackName": old}, until=_STILL, absent_ok=True, unless=again)
    draft.inverse += [msgspec.structs.replace(step, unless=again) for step in contents.emptied]
    finished = {"wait": "stack_delete_complete", "wait_for": {"StackName": old}}
    draft.back("DeleteStack", {"StackName": old}, absent_ok=True, unless=again, **finished)


async def _create(draft: Draft, stack: Mapping[str, Any], body: str) -> None:
    name = stack["StackName"]
    create = settings(stack, body, anew=True) | {"StackName": name, "OnFailure": "DO_NOTHING"}
    policy = await draft.ask("GetStackPolicy", {"StackName": name}) or {}
    if policy.get("StackPolicyBody"):
        create["StackPolicyBody"] = policy["StackPolicyBody"]
    if stack.get("EnableTerminationProtection"):
        create["EnableTerminationProtection"] = True
    finished = {"wait": "stack_create_complete", "wait_for": {"StackName": name}}
    draft.back("CreateStack", create, present_ok=True, **finished)


async def _create_stack(draft: Draft) -> Plan:
    draft.saves["stack"] = "StackId"
    _back_to_nothing(draft, slot("stack"))
    return draft.done("full", "what was put into its resources since is deleted with them")


def _back_to_nothing(draft: Draft, stack: Any) -> None:
    draft.back(
        "DeleteStack",
        {"StackName": stack},
        absent_ok=True,
        wait="stack_delete_complete",
        wait_for={"StackName": stack},
    )


async def _update(draft: Draft) -> Plan:
    stack = await _stack(draft, draft.get("StackName"))
    body = await body_of(draft, stack["StackName"])
    there = await all_of(draft, stack["StackName"])
    changed = [one for one in there if _may_be_replaced(draft, body, stack, one)]
    return await _back(draft, stack, body, changed)


def _may_be_replaced(draft: Draft, body: str, stack: Mapping[str, Any], resource: Resource) -> bool:
    """In doubt, yes: only a definition that stays the same, with the same parameters, leaves a resource alone."""
    if len(resource.way) > 1 or _other_parameters(draft, stack):
        return True
    new = parsed(draft.get("TemplateBody")) if draft.get("TemplateBody") else None
    if new is None:
        return not draft.get("UsePreviousTemplate")
    old = resources(parsed(body)).get(resource.way[0])
    return old is None or resources(new).get(resource.way[0]) != old


def _other_parameters(draft: Draft, stack: Mapping[str, Any]) -> bool:
    old = {one["ParameterKey"]: one.get("ParameterValue") for one in stack.get("Parameters", ())}
    new = {
        one["ParameterKey"]: one.get("ParameterValue")
        for one in draft.get("Parameters") or ()
        if not one.get("UsePreviousValue")
    }
    return any(old.get(key) != value for key, value in new.items())


async def _back(draft: Draft, stack: Mapping[str, Any], body: str, changed: list[Resource]) -> Plan:
    """The old template and parameters; what was made again for it is filled."""
    name = stack["StackName"]
    await _watch(draft, name)
    hidden = [one["ParameterKey"] for one in stack.get("Parameters", ()) if is_hidden(one, body)]
    given = {one["ParameterKey"] for one in draft.get("Parameters") or () if not one.get("UsePreviousValue")}
    draft.caveats += [f"parameter {key} is hidden: its new value stays" for key in hidden if key in given]
    draft.back("DescribeStacks", {"StackName": name}, until=_STILL)
    draft.back("UpdateStack", {"StackName": name} | settings(stack, body, anew=False))
    draft.back("DescribeStacks", {"StackName": name}, until=_STILL)
    contents = Contents(draft, name, body, guarded=True)
    for number, resource in enumerate(changed):
        await contents.copy(resource, number)
    draft.inverse += contents.back
    return draft.lossy(*([_NEW_IDS] if changed else []))


async def _watch(draft: Draft, name: str) -> None:
    await draft.watch(f"the template of stack {name}", "GetTemplate", {"StackName": name}, "TemplateBody")
    await draft.watch(
        f"parameters of stack {name}",
        "DescribeStacks",
        {"StackName": name},
        "Stacks[0].[sort_by(Parameters || `[]`, &ParameterKey)[].[ParameterKey, ParameterValue], "
        "sort_by(Tags || `[]`, &Key)]",
    )


async def _execute(draft: Draft) -> Plan:
    """A change set that makes a stack is undone by deleting it; any other one as an update."""
    asked = draft.given("ChangeSetName", "StackName")
    plan = await draft.must("@", "DescribeChangeSet", asked, what="such change set")
    stack = await draft.ask("DescribeStacks", {"StackName": plan["StackId"]}) or {}
    one = next(iter(stack.get("Stacks", ())), None)
    there = await all_of(draft, one["StackName"]) if one else []
    if one is None or (one["StackStatus"] == "REVIEW_IN_PROGRESS" and not there):
        _back_to_nothing(draft, plan["StackId"])
        return draft.done("full", "what was put into its resources since is deleted with them")
    body = await body_of(draft, one["StackName"])
    return await _back(draft, one, body, [each for each in there if _touched(plan, each)])


def _touched(plan: Mapping[str, Any], resource: Resource) -> bool:
    """Whether a change set removes it, or may replace it."""
    changes = [change.get("ResourceChange", {}) for change in plan.get("Changes", ())]
    mine = [change for change in changes if change.get("LogicalResourceId") == resource.way[0]]
    if plan.get("NextToken") or len(resource.way) > 1:
        return True
    return any(change.get("Action") != "Add" and change.get("Replacement") != "False" for change in mine)


_OPEN = '{"Statement": [{"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}]}'


async def _policy(draft: Draft) -> Plan:
    """A stack policy can be replaced, not removed: one that allows all is the same as none."""
    name = {"StackName": draft.get("StackName")}
    old = await draft.watch(
        f"the policy of stack {draft.get('StackName')}", "GetStackPolicy", name, "StackPolicyBody"
    )
    draft.back("SetStackPolicy", name | {"StackPolicyBody": old or _OPEN})
    return draft.lossy(*([] if old else ["it keeps a policy, one that allows every update"]))


async def _protection(draft: Draft) -> Plan:
    name = {"StackName": draft.get("StackName")}
    what = f"termination protection of stack {draft.get('StackName')}"
    old = await draft.watch(what, "DescribeStacks", name, "Stacks[0].EnableTerminationProtection || `false`")
    draft.back("UpdateTerminationProtection", name | {"EnableTerminationProtection": bool(old)})
    return draft.done()


async def _change_set(draft: Draft) -> Plan:
    draft.saves["set"] = "Id"
    named = {"ChangeSetName": slot("set")}
    unless = draft.check("the change set", "DescribeChangeSet", named, "ChangeSetName", None)
    draft.back("DeleteChangeSet", named, absent_ok=True, unless=unless)
    return draft.done()


ROWS = rows(
    "cloudformation",
    {
        "CreateStack": (_create_stack, "full", "the stack is deleted"),
        "UpdateStack": (_update, "full", "updated back; what was made again is filled from copies"),
        "DeleteStack": (_delete, "new_id", "made again from template and parameters, and filled from copies"),
        "CreateChangeSet": (_change_set, "full", "the change set is deleted"),
        "ExecuteChangeSet": (_execute, "full", "as UpdateStack or CreateStack"),
        "DeleteChangeSet": (
            never("a change set is made again by the call that made it"),
            "none",
            "nothing runs by it",
        ),
        "SetStackPolicy": (_policy, "full", "the old policy is set"),
        "UpdateTerminationProtection": (_protection, "full", "switched back"),
    },
)
