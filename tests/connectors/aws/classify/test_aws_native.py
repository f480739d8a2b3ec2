"""A call as text: canonical, and without secrets."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.connectors.aws.classify.conftest import Model

from interlock.connectors.aws.call import Call, Classified
from interlock.connectors.aws.classify.native import MASK, native

PLANTED = "planted-3391"
SECRETS: list[tuple[str, dict[str, Any]]] = [
    ("rds:ModifyDBInstance", {"MasterUserPassword": PLANTED}),
    ("secretsmanager:PutSecretValue", {"SecretString": PLANTED}),
    ("secretsmanager:CreateSecret", {"SecretBinary": PLANTED.encode()}),
    ("ssm:PutParameter", {"Type": "SecureString", "Value": PLANTED}),
    ("ssm:PutParameter", {"Value": PLANTED}),
    ("lambda:UpdateFunctionConfiguration", {"Environment": {"Variables": {"DB": PLANTED}}}),
    ("codebuild:StartBuild", {"environmentVariablesOverride": [{"name": "a", "value": PLANTED}]}),
    (
        "ecs:RegisterTaskDefinition",
        {"containerDefinitions": [{"environment": [{"name": "a", "value": PLANTED}]}]},
    ),
    ("ec2:RunInstances", {"UserData": PLANTED}),
    ("ec2:ModifyInstanceAttribute", {"UserData": {"Value": PLANTED.encode()}}),
    ("iam:CreateLoginProfile", {"Password": PLANTED}),
    ("acm:ImportCertificate", {"PrivateKey": PLANTED.encode()}),
    ("elasticache:ModifyReplicationGroup", {"AuthToken": PLANTED}),
    ("dynamodb:PutItem", {"Item": {"name": {"S": PLANTED}}}),
    ("dynamodb:UpdateItem", {"ExpressionAttributeValues": {":a": {"S": PLANTED}}}),
    ("dynamodb:BatchWriteItem", {"RequestItems": {"t": [{"PutRequest": {"Item": {"a": {"S": PLANTED}}}}]}}),
    ("rds-data:ExecuteStatement", {"parameters": [{"name": "a", "value": {"stringValue": PLANTED}}]}),
    ("sqs:SendMessage", {"MessageBody": PLANTED}),
    ("sqs:SendMessageBatch", {"Entries": [{"Id": "1", "MessageBody": PLANTED}]}),
    ("sns:Publish", {"Message": PLANTED}),
    ("kms:Encrypt", {"Plaintext": PLANTED.encode()}),
    ("lambda:Invoke", {"Payload": PLANTED.encode()}),
    ("stepfunctions:StartExecution", {"input": PLANTED}),
    ("cognito-idp:AdminSetUserPassword", {"Password": PLANTED}),
    ("dms:CreateEndpoint", {"MongoDbSettings": {"Password": PLANTED}}),
    ("cloudformation:CreateStack", {"Parameters": [{"ParameterKey": "Password", "ParameterValue": PLANTED}]}),
]


@pytest.mark.parametrize(("name", "parameters"), SECRETS)
def test_secrets_are_masked(say: Callable[..., Classified], name: str, parameters: dict[str, Any]) -> None:
    what = say(name, **parameters)
    assert PLANTED not in repr(what.operation) + repr(what.quiet)
    assert PLANTED not in json.dumps(json.loads(what.operation.native))


def test_what_reads_has_no_text_of_its_own(say: Callable[..., Classified]) -> None:
    """Nothing is recorded of a read that passes; one that is held is shown by its record."""
    assert say("dynamodb:GetItem", TableName="t", Key={"id": {"S": PLANTED}}).operation.native == ""
    assert json.loads(say("dynamodb:DeleteItem", TableName="t").operation.native)["operation"] == "DeleteItem"


def test_names_are_shown() -> None:
    text = native(
        Call(
            "lambda",
            "UpdateFunctionConfiguration",
            "r",
            parameters={"Environment": {"Variables": {"DB": "x"}}},
        )
    )
    assert json.loads(text)["parameters"] == {"Environment": {"Variables": {"DB": MASK}}}
    item = native(Call("dynamodb", "PutItem", "r", parameters={"TableName": "t", "Item": {"id": {"S": "x"}}}))
    assert json.loads(item)["parameters"] == {"TableName": "t", "Item": {"id": MASK}}


def test_what_is_no_secret_is_shown() -> None:
    parameters = {
        "SecretId": "db",
        "NextToken": "t",
        "At": datetime(2026, 1, 2, tzinfo=UTC),
        "Zip": b"abc",
        "Ratio": 0.5,
        "Big": 2**60,
        "On": True,
    }
    shown = json.loads(native(Call("x", "Y", "r", parameters=parameters)))["parameters"]
    assert shown["SecretId"] == "db"
    assert shown["At"] == "2026-01-02T00:00:00+00:00"
    assert shown["Zip"]["bytes"] == 3
    assert (shown["Ratio"], shown["Big"], shown["On"]) == (0.5, str(2**60), True)


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text()
            | st.binary()
            | st.datetimes(),
            lambda s: st.lists(s, max_size=3) | st.dictionaries(st.text(), s, max_size=3),
            max_leaves=8,
        ),
    )
)
def test_any_parameters_have_one_text(parameters: dict[str, Any]) -> None:
    call = Call("x", "Y", "r", parameters=parameters)
    assert native(call) == native(Call("x", "Y", "r", parameters=dict(reversed(parameters.items()))))
    assert json.loads(native(call))["operation"] == "Y"


def test_what_models_call_sensitive_by_the_name_of_a_secret_is_masked(models: dict[str, Model]) -> None:
    """Members that are marked sensitive and whose names say password, secret, token or key."""
    told = {
        member
        for model in models.values()
        for shape in model["shapes"].values()
        for member, reference in shape.get("members", {}).items()
        if model["shapes"][reference["shape"]].get("sensitive")
        and model["shapes"][reference["shape"]]["type"] in ("string", "blob")
        and any(
            word in member.lower() for word in ("password", "passphrase", "secret", "privatekey", "apikey")
        )
    }
    assert len(told) > 50
    shown = {m for m in told if MASK not in native(Call("x", "Y", "r", parameters={m: "value"}))}
    # Names of secrets, not secrets.
    assert {m for m in shown if not m.lower().endswith(("id", "arn", "name", "key"))} == set()
