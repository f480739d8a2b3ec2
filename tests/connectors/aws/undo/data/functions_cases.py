"""Cases of Lambda."""

import io
import zipfile
from typing import Any

from tests.connectors.aws.undo.rig import ACCOUNT, REGION, Case, Read


def code(text: str) -> bytes:
    """A package with one module, the same each time."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("f.py"), text)
    return packed.getvalue()


TRUST = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",'
    ' "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}'
)
ROLE = ("iam", "CreateRole", {"RoleName": "r", "AssumeRolePolicyDocument": TRUST})
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/r"
F = {"FunctionName": "f"}
ARN = {"Resource": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"}
MAKE = (
    "lambda",
    "CreateFunction",
    {
        **F,
        "Role": ROLE_ARN,
        "Runtime": "python3.11",
        "Handler": "f.h",
        "Code": {"ZipFile": code("old")},
        "Environment": {"Variables": {"A": "${b}", "C": "d"}},
        "Description": "about",
        "Timeout": 77,
        "MemorySize": 512,
        "Tags": {"team": "a"},
    },
)
GIVEN = (ROLE, MAKE)
NEW_CODE = {**F, "ZipFile": code("new")}
STATE = (
    "lambda",
    "GetFunctionConfiguration",
    F,
    "[Runtime, Role, Handler, Description, Timeout, MemorySize, CodeSha256, Environment, Architectures, TracingConfig,"
    " EphemeralStorage]",
)
TAGS = ("lambda", "ListTags", ARN, "Tags")
VERSIONS = ("lambda", "ListVersionsByFunction", F, "length(Versions)")
CONCURRENCY = ("lambda", "GetFunctionConcurrency", F, "ReservedConcurrentExecutions")
LIMIT = ("lambda", "PutFunctionConcurrency", {**F, "ReservedConcurrentExecutions": 9})
GRANT: dict[str, Any] = {
    **F,
    "StatementId": "s3",
    "Action": "lambda:InvokeFunction",
    "Principal": "s3.amazonaws.com",
    "SourceArn": "arn:aws:s3:::data",
    "SourceAccount": ACCOUNT,
}
GRANTED = ("lambda", "AddPermission", GRANT)
OTHER_GRANT = (
    "lambda",
    "AddPermission",
    {**F, "StatementId": "acc", "Action": "lambda:InvokeFunction", "Principal": "111122223333"},
)
POLICY = ("lambda", "GetPolicy", F, "Policy")
PUBLISH = ("lambda", "PublishVersion", F)
ALIAS = ("lambda", "CreateAlias", {**F, "Name": "live", "FunctionVersion": "1", "Description": "old"})
ALIAS_STATE = (
    "lambda",
    "GetAlias",
    {**F, "Name": "live"},
    "[FunctionVersion, Description, RoutingConfig.AdditionalVersionWeights || `{}`]",
)
URL = ("lambda", "CreateFunctionUrlConfig", {**F, "AuthType": "AWS_IAM"})
URL_STATE = ("lambda", "GetFunctionUrlConfig", F, "[AuthType, Cors, InvokeMode]")
QUEUE = ("sqs", "CreateQueue", {"QueueName": "q"})
MAPPING = (
    "lambda",
    "CreateEventSourceMapping",
    {**F, "EventSourceArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q", "BatchSize": 5, "Enabled": True},
    {"uuid": "UUID"},
)
MAPPINGS: Read = (
    "lambda",
    "ListEventSourceMappings",
    {},
    "EventSourceMappings[].[FunctionArn, EventSourceArn, BatchSize, State]",
)
INVOKE = (
    "lambda",
    "PutFunctionEventInvokeConfig",
    {**F, "MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 100},
)
INVOKE_STATE = (
    "lambda",
    "GetFunctionEventInvokeConfig",
    F,
    "[MaximumRetryAttempts, MaximumEventAgeInSeconds, DestinationConfig]",
)
LAYER = {"LayerName": "l", "Content": {"ZipFile": code("layer")}}
LAYERS = ("lambda", "ListLayerVersions", {"LayerName": "l"}, "LayerVersions[].Version")

CASES = (
    Case(name="create function", given=(ROLE,), call=MAKE, state=(STATE,)),
    Case(name="update code", given=GIVEN, call=("lambda", "UpdateFunctionCode", NEW_CODE), state=(STATE,)),
    Case(
        name="update code and publish",
        given=(*GIVEN, PUBLISH),
        call=("lambda", "UpdateFunctionCode", {**NEW_CODE, "Publish": True}),
        state=(STATE, VERSIONS),
    ),
    Case(
        name="update settings",
        given=GIVEN,
        call=(
            "lambda",
            "UpdateFunctionConfiguration",
            {**F, "Environment": {"Variables": {}}, "Timeout": 1, "Description": "", "MemorySize": 128},
        ),
        state=(STATE,),
    ),
    Case(
        name="set an environment where there was none",
        given=(
            ROLE,
            (
                "lambda",
                "CreateFunction",
                {name: value for name, value in MAKE[2].items() if name != "Environment"},
            ),
        ),
        call=("lambda", "UpdateFunctionConfiguration", {**F, "Environment": {"Variables": {"X": "y"}}}),
        state=(("lambda", "GetFunctionConfiguration", F, "Environment.Variables || `{}`"),),
    ),
    Case(
        name="delete function",
        kind="new_id",
        given=(*GIVEN, LIMIT, GRANTED, OTHER_GRANT, URL, INVOKE),
        call=("lambda", "DeleteFunction", F),
        state=(STATE, TAGS, CONCURRENCY, POLICY, URL_STATE),
    ),
    Case(name="publish", given=GIVEN, call=PUBLISH, state=(VERSIONS,)),
    Case(
        name="publish what is published",
        given=(*GIVEN, PUBLISH),
        call=PUBLISH,
        state=(VERSIONS,),
        changes=False,
    ),
    Case(name="limit", given=GIVEN, call=LIMIT, state=(CONCURRENCY,)),
    Case(
        name="limit to nothing",
        given=(*GIVEN, LIMIT),
        call=("lambda", "PutFunctionConcurrency", {**F, "ReservedConcurrentExecutions": 0}),
        state=(CONCURRENCY,),
    ),
    Case(
        name="limit no more",
        given=(*GIVEN, LIMIT),
        call=("lambda", "DeleteFunctionConcurrency", F),
        state=(CONCURRENCY,),
    ),
    Case(name="permit", given=GIVEN, call=GRANTED, state=(POLICY,)),
    Case(
        name="permit no more",
        given=(*GIVEN, OTHER_GRANT, GRANTED),
        call=("lambda", "RemovePermission", {**F, "StatementId": "s3"}),
        state=(POLICY,),
    ),
    Case(name="alias", given=(*GIVEN, PUBLISH), call=ALIAS, state=(ALIAS_STATE,)),
    Case(
        name="move alias",
        given=(*GIVEN, PUBLISH, ALIAS),
        call=(
            "lambda",
            "UpdateAlias",
            {**F, "Name": "live", "FunctionVersion": "$LATEST", "Description": "new"},
        ),
        state=(ALIAS_STATE,),
    ),
    Case(
        name="delete function alias",
        kind="new_id",
        given=(*GIVEN, PUBLISH, ALIAS),
        call=("lambda", "DeleteAlias", {**F, "Name": "live"}),
        state=(ALIAS_STATE,),
    ),
    Case(name="map events", given=(*GIVEN, QUEUE), call=MAPPING[:3], state=(MAPPINGS,)),
    Case(
        name="map other events",
        given=(*GIVEN, QUEUE, MAPPING),
        call=("lambda", "UpdateEventSourceMapping", {"UUID": "${uuid}", "BatchSize": 1, "Enabled": False}),
        state=(MAPPINGS,),
    ),
    Case(
        name="map events no more",
        kind="new_id",
        given=(*GIVEN, QUEUE, MAPPING),
        call=("lambda", "DeleteEventSourceMapping", {"UUID": "${uuid}"}),
        state=(MAPPINGS,),
    ),
    Case(name="make url", given=GIVEN, call=URL, state=(URL_STATE,)),
    Case(
        name="open url",
        given=(*GIVEN, URL),
        call=("lambda", "UpdateFunctionUrlConfig", {**F, "AuthType": "NONE"}),
        state=(URL_STATE,),
    ),
    Case(
        name="delete url",
        kind="new_id",
        given=(*GIVEN, URL),
        call=("lambda", "DeleteFunctionUrlConfig", F),
        state=(URL_STATE,),
    ),
    Case(name="invoke otherwise", given=GIVEN, call=INVOKE, state=(INVOKE_STATE,)),
    Case(
        name="invoke as usual",
        given=(*GIVEN, INVOKE),
        call=("lambda", "DeleteFunctionEventInvokeConfig", F),
        state=(INVOKE_STATE,),
    ),
    Case(name="publish layer", call=("lambda", "PublishLayerVersion", LAYER), state=(LAYERS,)),
    Case(
        name="tag function",
        given=GIVEN,
        call=("lambda", "TagResource", {**ARN, "Tags": {"team": "x", "n": "y"}}),
        state=(TAGS,),
    ),
    Case(
        name="untag function",
        given=GIVEN,
        call=("lambda", "UntagResource", {**ARN, "TagKeys": ["team"]}),
        state=(TAGS,),
    ),
)
