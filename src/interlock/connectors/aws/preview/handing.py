"""Templates that would make a credential: its secret can be had from the stack's outputs, and then an agent is past the
gateway (P3).

CreateAccessKey is refused whatever the grant, and so is a stack, a stack set or a Cloud Control call that does the same. What a
template declares is read here, nested templates at literal addresses too, or asked of the service (GetTemplateSummary) where it
isn't at hand.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from interlock.connectors.aws.call import Call, CallFailed, Calls
from interlock.connectors.aws.preview.stacks import template
from interlock.connectors.aws.preview.survey import Unsure

MAKES = frozenset({"AWS::IAM::AccessKey", "AWS::IAM::ServiceSpecificCredential"})
"""Types of resources whose secret is one of their attributes (AWS CloudFormation Template Reference, "Return values")."""
_TEMPLATES = frozenset({"CreateStack", "UpdateStack", "CreateChangeSet", "CreateStackSet", "UpdateStackSet"})
_SOURCES = ("TemplateBody", "TemplateURL")
_NESTED = "AWS::CloudFormation::Stack"
_MOST_NESTED = 20


async def credentials_of(call: Call, calls: Calls) -> str:
    """Which type of credential a call would make; empty when it makes none that can be seen. Raises Unavailable."""
    if call.service == "cloudcontrol" and call.operation == "CreateResource":
        return _first([str(call.parameters.get("TypeName", ""))])
    if call.service != "cloudformation":
        return ""
    if call.operation == "ExecuteChangeSet":
        return _first(await _planned(call, calls))
    if call.operation not in _TEMPLATES:
        return ""
    given = {name: call.parameters[name] for name in _SOURCES if call.parameters.get(name)}
    if not given:
        name = call.parameters.get("StackName") or call.parameters.get("StackSetName")
        given = {"StackSetName" if "StackSet" in call.operation else "StackName": name}
    return _first(await _types(given, calls))


def _first(types: Iterable[str]) -> str:
    return next((each for each in types if each in MAKES), "")


async def _types(given: Mapping[str, Any], calls: Calls) -> set[str]:
    """The types that a template declares, and those that templates in it declare."""
    found: set[str] = set()
    left = [dict(given)]
    for _ in range(_MOST_NESTED):
        if not left:
            return found
        source = left.pop()
        declared = _read(source)
        if declared is None:
            found |= await _asked(source, calls)
            continue
        for one in declared:
            found.add(one.type)
            nested = one.properties.get("TemplateURL")
            if one.type == _NESTED and isinstance(nested, str):
                left.append({"TemplateURL": nested})
    return found


def _read(source: Mapping[str, Any]) -> list[template.Declared] | None:
    try:
        return list(template.read(source["TemplateBody"]).resources.values())
    except (KeyError, Unsure):
        return None


async def _asked(source: Mapping[str, Any], calls: Calls) -> set[str]:
    """What the service says of it. Where it says nothing, the effect is not known either, which counts as a deletion."""
    try:
        told = await calls.ask("cloudformation", "GetTemplateSummary", source)
    except CallFailed:
        return set()
    return set(told.get("ResourceTypes") or ())


async def _planned(call: Call, calls: Calls) -> list[str]:
    which = {
        name: call.parameters[name] for name in ("ChangeSetName", "StackName") if call.parameters.get(name)
    }
    try:
        told = await calls.ask("cloudformation", "DescribeChangeSet", which)
    except CallFailed:
        return []
    changes = (change.get("ResourceChange") or {} for change in told.get("Changes") or ())
    return [str(change.get("ResourceType", "")) for change in changes if change.get("Action") != "Remove"]
