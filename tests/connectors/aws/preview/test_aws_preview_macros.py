"""Templates that the service rewrites before it runs them."""

import asyncio
import json
from typing import Any

import pytest
from tests.connectors.aws.preview.conftest import classified
from tests.connectors.aws.preview.test_aws_preview_stacks import NAME, lost, stack, template, with_properties

from interlock.connectors.aws.preview import Seen, describe
from interlock.connectors.aws.preview.stacks.template import read
from interlock.model.effect import Evidence

__all__ = ["stack"]

INCLUDED = {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://b/k"}}}
MACROS = {
    "of the whole": {**template(), "Transform": "AWS::Serverless-2016-10-31"},
    "several": {**template(), "Transform": ["AWS::LanguageExtensions", "OwnMacro"]},
    "of the resources": template(**{"Fn::Transform": INCLUDED["Fn::Transform"]}),
    "a loop": template(**{"Fn::ForEach::Topics": ["Name", ["a"], {"T${Name}": {"Type": "AWS::SNS::Topic"}}]}),
    "of a property": with_properties("Bucket", **INCLUDED),
    "deep within one": with_properties("Bucket", Tags=[{"Key": "a", "Value": INCLUDED}]),
}


@pytest.mark.parametrize("operation", ["UpdateStack", "CreateStack"])
@pytest.mark.parametrize("body", MACROS.values(), ids=MACROS)
def test_macros_are_unknown(stack: Any, described: Any, body: Any, operation: str) -> None:
    """Wherever they are. The answer says how it becomes known."""
    name = NAME if operation == "UpdateStack" else "another"
    asked = {"StackName": name, "TemplateBody": json.dumps(body)}
    found = described("cloudformation", operation, parameters=asked)
    (doubt,) = [one for one in found.effects if one.evidence is Evidence.UNKNOWN]
    assert (doubt.resource.kind, doubt.reason) == (
        "cloudformation:stack",
        "the template uses macros, which the service expands",
    )
    assert "CreateChangeSet" in " ".join(found.notes)


class Expanding:
    """An account whose CloudFormation expands macros, which moto does not: asked for the processed template it has that one.
    In all else it is moto."""

    def __init__(self, calls: Any, processed: Any) -> None:
        self._calls, self._processed, self.asked = calls, processed, 0
        self.region, self.account, self.partition = calls.region, calls.account, calls.partition

    async def ask(self, service: str, operation: str, parameters: Any = None, **more: Any) -> Any:
        if operation == "GetTemplate" and parameters.get("TemplateStage") == "Processed":
            self.asked += 1
            return {"TemplateBody": self._processed}
        if operation == "GetTemplate" and "ChangeSetName" in parameters:
            return {"TemplateBody": {**self._processed, "Transform": "OwnMacro"}}
        return await self._calls.ask(service, operation, parameters, **more)

    async def pages(self, *args: Any, **more: Any) -> Any:
        return await self._calls.pages(*args, **more)


def looked_at(calls: Any, operation: str, parameters: Any) -> Any:
    return asyncio.run(describe(classified("cloudformation", operation, parameters), calls, Seen()))


def test_what_macros_made_of_a_stack_is_compared(calls: Any) -> None:
    """The stack was made with a macro; the update has none. Compared with what was given, nothing of it could be told."""
    made = {**template(), "Transform": "OwnMacro"}
    calls.client("cloudformation").create_stack(StackName=NAME, TemplateBody=json.dumps(made))
    account = Expanding(calls, template())
    asked = {"StackName": NAME, "TemplateBody": json.dumps(template(Table=None))}
    found = looked_at(account, "UpdateStack", asked)
    assert account.asked == 1
    assert lost(found.effects) == {"stack": ("updated",), "table": ("deleted",)}
    again = looked_at(account, "UpdateStack", {"StackName": NAME, "UsePreviousTemplate": True})
    assert Evidence.UNKNOWN in [one.evidence for one in again.effects], "its macros may run again"


def test_a_change_set_shows_what_macros_make(stack: Any, calls: Any) -> None:
    """The service expands the template when it makes the change set, and its plan names real resources."""
    asked = {"StackName": NAME, "ChangeSetName": "plan"}
    stack.create_change_set(**asked, TemplateBody=json.dumps(template(Table=None)), ChangeSetType="UPDATE")
    account = Expanding(calls, template(Table=None))
    found = looked_at(account, "ExecuteChangeSet", asked)
    assert account.asked == 1
    assert lost(found.effects)["table"] == ("deleted", "deleted 15 of 15")
    assert Evidence.UNKNOWN not in [one.evidence for one in found.effects]


def test_a_template_that_stays_unexpanded_is_unknown(stack: Any, calls: Any) -> None:
    """What the service calls processed is believed only when nothing is left to expand."""
    function = {"Type": "AWS::Serverless::Function", "Properties": {}}
    body = {**template(Function=function), "Transform": "AWS::Serverless-2016-10-31"}
    assert read(json.dumps(body), processed=True).macros
    assert read(json.dumps(with_properties("Bucket", **INCLUDED)), processed=True).macros
    assert not read(json.dumps({**template(), "Transform": "OwnMacro"}), processed=True).macros
