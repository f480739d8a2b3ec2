"""A stack as it is: its resources, template and parameters."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from interlock.connectors.aws.call import CallFailed
from interlock.connectors.aws.preview.stacks.compare import Version
from interlock.connectors.aws.preview.stacks.template import Template, read
from interlock.connectors.aws.preview.survey import Survey, Unsure, digest
from interlock.model.base import Value
from interlock.model.operation import Resource

_CFN = "cloudformation"
_HIDDEN = "****"
"""What the service shows of a NoEcho parameter."""


class Part(Value, frozen=True):
    """One resource that a stack has."""

    logical: str
    type: str
    physical: str


class Stack(Value, frozen=True):
    """`outputs` aren't here: they belong to nobody."""

    id: str
    name: str
    parts: tuple[Part, ...]
    parameters: tuple[Mapping[str, Any], ...] = ()
    protected: bool = False

    @property
    def present(self) -> dict[str, str]:
        return {part.logical: part.type for part in self.parts}


async def find(survey: Survey, name: str) -> Stack | None:
    """The stack by that name or id; None when there is none (any more)."""
    try:
        answer = await survey.ask(_CFN, "DescribeStacks", {"StackName": name})
    except CallFailed as failed:
        # The service has no code of its own for a stack that isn't there.
        if failed.missing or (failed.code == "ValidationError" and "does not exist" in failed.message):
            return None
        raise
    told = next(iter(answer.get("Stacks") or []), None)
    if told is None or told.get("StackStatus") == "DELETE_COMPLETE":
        return None
    parts = await _parts(survey, name)
    survey.rests_on(f"stack {told['StackName']}", [told.get("StackId"), told.get("LastUpdatedTime")])
    survey.rests_on(
        f"resources of {told['StackName']}", sorted((p.logical, p.type, p.physical) for p in parts)
    )
    return Stack(
        told.get("StackId", ""),
        told["StackName"],
        tuple(parts),
        tuple(told.get("Parameters") or ()),
        bool(told.get("EnableTerminationProtection")),
    )


async def _parts(survey: Survey, name: str) -> list[Part]:
    # Not DescribeStackResources, which stops at a hundred.
    asked = {"StackName": name}
    listed, more = await survey.pages(_CFN, "ListStackResources", asked, key="StackResourceSummaries")
    if more:
        raise Unsure("the stack has more resources than can be looked at")
    return [
        Part(one["LogicalResourceId"], one["ResourceType"], one["PhysicalResourceId"])
        for one in listed
        if one.get("PhysicalResourceId") and one.get("ResourceStatus") != "DELETE_COMPLETE"
    ]


def resource(survey: Survey, stack: Stack) -> Resource:
    known = [one for one in survey.what.operation.resources if one.kind == "cloudformation:stack"]
    mine = [one for one in known if f":stack/{stack.name}/" in f"{one.name}/"]
    return mine[0] if mine else Resource("cloudformation:stack", stack.id, stack.name)


async def present_template(survey: Survey, name: str, change_set: str = "") -> Template:
    """As it was given; what macros made of it, where it uses some."""
    asked = {"StackName": name, **({"ChangeSetName": change_set} if change_set else {})}
    found = read((await survey.ask(_CFN, "GetTemplate", asked)).get("TemplateBody"))
    if not found.macros:
        return found
    told = await survey.ask(_CFN, "GetTemplate", {**asked, "TemplateStage": "Processed"})
    return read(told.get("TemplateBody"), processed=True)


async def _original(survey: Survey, name: str) -> Template:
    """What `UsePreviousTemplate` means: its macros may run again, with other parameters."""
    return read((await survey.ask(_CFN, "GetTemplate", {"StackName": name})).get("TemplateBody"))


async def given_template(survey: Survey, given: Mapping[str, Any], stack: str) -> Template:
    """The template that a call brings along, or names; `stack` has the present one, where there is a stack."""
    if given.get("UsePreviousTemplate") and stack:
        return await _original(survey, stack)
    if body := given.get("TemplateBody"):
        return read(body)
    if url := given.get("TemplateURL"):
        return read(await _fetched(survey, str(url)))
    raise Unsure("the call brings no template")


_HOST = re.compile(
    r"(?:(?P<bucket>[a-z0-9.-]+)\.)?s3(?:[.-](?:dualstack\.)?[a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?"
)


def object_of(url: str) -> dict[str, str]:
    """The S3 object that a template's URL names. Raises Unsure for any other form: a wrong template is worse than none."""
    parts = urlsplit(url)
    host = _HOST.fullmatch(parts.hostname or "")
    own = parts.hostname in ("127.0.0.1", "localhost", "::1")
    path = unquote(parts.path).lstrip("/")
    if not (host or own) or not path:
        raise Unsure("the template lies at a place that isn't known here")
    bucket = host["bucket"] if host else None
    key = path
    if not bucket:
        bucket, _, key = path.partition("/")
    version = parse_qs(parts.query).get("versionId", [""])[0]
    return {"Bucket": bucket, "Key": key, **({"VersionId": version} if version else {})}


async def _fetched(survey: Survey, url: str) -> bytes:
    body = (await survey.ask("s3", "GetObject", object_of(url)))["Body"]
    if not isinstance(body, bytes):
        raise Unsure("the template could not be read")
    survey.rests_on("the template at its URL", digest(body))
    survey.note("The template is read from its URL again when the call is made.")
    return body


async def present_version(survey: Survey, stack: Stack) -> Version:
    return Version(await present_template(survey, stack.id or stack.name), _present_values(stack.parameters))


def _present_values(parameters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        one["ParameterKey"]: _unseen(one["ParameterKey"], given=False)
        if one.get("ParameterValue") == _HIDDEN
        else one.get("ResolvedValue") or one.get("ParameterValue", "")
        for one in parameters
    }


def _unseen(name: str, *, given: bool) -> dict[str, Any]:
    """A value that the service doesn't show: the same as before unless the call gives one."""
    return {"NoEcho": name, "given": given}


async def given_version(
    survey: Survey, template: Template, given: Sequence[Mapping[str, Any]], before: Mapping[str, Any]
) -> Version:
    """The template with the values that the call gives, those that it keeps, and defaults."""
    named = {one.get("ParameterKey"): one for one in given}
    values: dict[str, Any] = {}
    for name, declared in template.parameters.items():
        values[name] = await _value(survey, name, declared, named.get(name), before)
    return Version(template, values)


async def _value(
    survey: Survey,
    name: str,
    declared: Mapping[str, Any],
    given: Mapping[str, Any] | None,
    before: Mapping[str, Any],
) -> Any:
    keeps = bool(given and given.get("UsePreviousValue"))
    if keeps and name in before and not _looked_up(declared):
        return before[name]
    if declared.get("NoEcho"):
        return _unseen(name, given=not keeps)
    value = (given or {}).get("ParameterValue", declared.get("Default", before.get(name, "")))
    return await _stored(survey, str(value)) if _looked_up(declared) else str(value)


def _looked_up(declared: Mapping[str, Any]) -> bool:
    return str(declared.get("Type", "")).startswith("AWS::SSM::Parameter::Value")


async def _stored(survey: Survey, name: str) -> Any:
    """A parameter whose value is looked up anew at each update."""
    found = await survey.find("ssm", "GetParameter", {"Name": name})
    value = (found or {}).get("Parameter", {})
    # What isn't there, or is secret, may differ from what it was.
    return (
        {"changed": name} if value.get("Type", "SecureString") == "SecureString" else value.get("Value", "")
    )
