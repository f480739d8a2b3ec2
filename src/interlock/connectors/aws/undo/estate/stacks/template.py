"""Templates and parameters of stacks (AWS CloudFormation user guide, "Template anatomy")."""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from interlock.connectors.aws.undo.estate.draft import Draft, Gone, kept, own_tags

LONGEST = 51_200
"""Bytes of a template that a call itself can hold (AWS CloudFormation API reference, CreateStack)."""


class _Loader(yaml.SafeLoader):
    """YAML with the short forms of functions (`!Ref name`), which are only compared, never evaluated."""


def _short_form(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return {f"!{suffix}": loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {f"!{suffix}": loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {f"!{suffix}": loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _short_form)


def parsed(body: Any) -> Mapping[str, Any] | None:
    """A template as data; None when it can't be read."""
    if isinstance(body, Mapping):
        return body
    try:
        found = yaml.load(str(body), Loader=_Loader)  # a SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError, TypeError):
        return None
    return found if isinstance(found, Mapping) else None


def resources(template: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The resources of a template by their logical ids."""
    found = (template or {}).get("Resources")
    return found if isinstance(found, Mapping) else {}


async def body_of(draft: Draft, stack: str) -> str:
    """The template as it was sent. Gone when it is too long to be sent again without a bucket."""
    found = await draft.must("TemplateBody", "GetTemplate", {"StackName": stack}, what="such stack")
    text = found if isinstance(found, str) else json.dumps(found)
    if len(text.encode()) > LONGEST:
        raise Gone(f"a template of more than {LONGEST} bytes can't be sent again from here")
    return text


def is_hidden(one: Mapping[str, Any], body: str) -> bool:
    """Whether a parameter's value isn't shown (`NoEcho`), or must not be kept."""
    defined = (parsed(body) or {}).get("Parameters")
    own = defined.get(one["ParameterKey"]) if isinstance(defined, Mapping) else None
    echo = own.get("NoEcho", False) if isinstance(own, Mapping) else False
    return str(echo).lower() == "true" or str(one.get("ParameterValue")) == "****"


def parameters(stack: Mapping[str, Any], body: str, *, anew: bool) -> list[dict[str, Any]]:
    """The stack's parameters. Hidden ones keep their value in an update; a stack that is made anew can't have them."""
    found: list[dict[str, Any]] = []
    for one in stack.get("Parameters", ()):
        if not is_hidden(one, body):
            found.append(kept_value(one))
        elif anew:
            raise Gone(
                f"the value of parameter {one['ParameterKey']} is hidden, so the stack can't be made again"
            )
        else:
            found.append({"ParameterKey": one["ParameterKey"], "UsePreviousValue": True})
    return found


def kept_value(one: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter as calls take it."""
    return {"ParameterKey": one["ParameterKey"], "ParameterValue": one.get("ParameterValue", "")}


def settings(stack: Mapping[str, Any], body: str, *, anew: bool) -> dict[str, Any]:
    """What makes a stack as it was: the parameters of CreateStack and UpdateStack."""
    found: dict[str, Any] = {"TemplateBody": body, "Parameters": parameters(stack, body, anew=anew)}
    found |= kept(stack, "Capabilities", "RoleARN", "NotificationARNs")
    if rollback := kept(
        stack.get("RollbackConfiguration", {}), "RollbackTriggers", "MonitoringTimeInMinutes"
    ):
        found["RollbackConfiguration"] = rollback
    tags = own_tags(stack.get("Tags"))
    return found | ({"Tags": tags} if tags or not anew else {})
