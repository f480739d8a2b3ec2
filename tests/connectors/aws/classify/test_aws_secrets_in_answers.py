"""Answers that hold credentials or secrets: the reviewed lists, against the models of all answers."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.connectors.aws.classify.conftest import Model

from interlock.connectors.aws.call import Classified
from interlock.connectors.aws.verbs import tables
from interlock.model.operation import Action

CREDENTIAL = re.compile(
    r"(?:secret_?access_?key|session_?token|auth(?:orization)?_?token|access_?token|refresh_?token|id_?token|bearer_?token|service_?password"
    r"|service_?credential_?secret|db_?password|web_?identity_?token|private_?key(?:base64|plaintext)?|join_?token|participant_?token"
    r"|.*streaming_?session_?url|streaming_?url|embed_?url|authorized_?url)\Z",
    re.IGNORECASE,
)
HARMLESS = {
    # lifetimes, forms of certificates, and settings that are named like what they are about
    "glue:BatchGetJobs",
    "glue:GetJob",
    "glue:GetJobs",
    "sso-admin:GetApplicationGrant",
    "sso-admin:ListApplicationGrants",
    "cognito-idp:UpdateUserPoolClient",
    "datazone:CreateConnection",
    "datazone:UpdateConnection",
    "connecthealth:GetPatientInsightsJob",
    "appmesh:CreateVirtualGateway",
    "appmesh:CreateVirtualNode",
    "appmesh:DeleteVirtualGateway",
    "appmesh:DeleteVirtualNode",
    "appmesh:DescribeVirtualGateway",
    "appmesh:DescribeVirtualNode",
    "appmesh:UpdateVirtualGateway",
    "appmesh:UpdateVirtualNode",
    "marketplace-reporting:GetBuyerDashboard",
    "sagemaker:CreateHubContentPresignedUrls",
    "lightsail:CreateBucket",
}
"""Looked at: what looks like a credential there is none, or was put there by the caller."""

SIXTEEN = [
    "sts:AssumeRole",
    "sts:AssumeRoleWithSAML",
    "sts:AssumeRoleWithWebIdentity",
    "sts:AssumeRoot",
    "sts:GetFederationToken",
    "sts:GetSessionToken",
    "iam:CreateAccessKey",
    "cognito-identity:GetCredentialsForIdentity",
    "ecr:GetAuthorizationToken",
    "codeartifact:GetAuthorizationToken",
    "s3:CreateSession",
    "s3control:GetDataAccess",
    "redshift:GetClusterCredentials",
    "sso:GetRoleCredentials",
    "eks-auth:AssumeRoleForPodIdentity",
    "lakeformation:GetTemporaryGlueTableCredentials",
]


def test_every_answer_that_looks_like_a_credential_was_looked_at(models: dict[str, Model]) -> None:
    answers = tables.answers()
    known = answers["hands_out"] | answers["discloses"] | answers["may_disclose"] | HARMLESS
    found = {call for call, names in _answers(models) if any(CREDENTIAL.match(name) for name in names)}
    assert len(found) > 80
    assert found - known == set()


def test_the_lists_name_what_there_is(models: dict[str, Model]) -> None:
    calls = {f"{service}:{o}" for service, model in models.items() for o in model["operations"]}
    for name, listed in tables.answers().items():
        assert set(listed) - calls == set(), name


@pytest.mark.parametrize("call", SIXTEEN)
def test_credentials_are_handed_out_by(say: Callable[..., Classified], call: str) -> None:
    what = say(call)
    assert what.hands_out
    assert what.operation.action is Action.ADMIN


@pytest.mark.parametrize("name", ["hands_out", "discloses"])
def test_all_of_them_are_admin(say: Callable[..., Classified], name: str) -> None:
    mild = {
        call for call in tables.answers()[name] if say(call).operation.action.severity < Action.ADMIN.severity
    }
    assert mild == set()


def test_descriptions_that_may_disclose_stay_reads(say: Callable[..., Classified]) -> None:
    for call in tables.answers()["may_disclose"]:
        what = say(call)
        assert what.discloses
        assert what.operation.action is Action.READ, call


def test_decryption_discloses(say: Callable[..., Classified]) -> None:
    assert say("ssm:GetParameters", Names=["a"], WithDecryption=True).operation.action is Action.ADMIN
    assert say("ssm:GetParameters", Names=["a"], WithDecryption=False).operation.action is Action.READ
    assert say("apigateway:GetApiKeys", includeValues=True).operation.action is Action.ADMIN


def _answers(models: dict[str, Model]) -> Iterator[tuple[str, set[str]]]:
    for service, model in models.items():
        for operation, description in model["operations"].items():
            shape = description.get("output", {}).get("shape")
            names = set(_names(model["shapes"], shape, set())) if shape else set()
            yield f"{service}:{operation}", names


def _names(shapes: dict[str, Any], name: str, seen: set[str]) -> Iterator[str]:
    if name in seen:
        return
    seen.add(name)
    shape = shapes[name]
    for member, reference in shape.get("members", {}).items():
        if shapes[reference["shape"]]["type"] in ("string", "blob"):
            yield member
        yield from _names(shapes, reference["shape"], seen)
    for inner in ("member", "value"):
        if inner in shape:
            yield from _names(shapes, shape[inner]["shape"], seen)
