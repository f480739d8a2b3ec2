"""What an administrator runs in the account so that the gateway can work there: a role for it, and a bucket for copies."""

import json
import shlex

from interlock.connectors.aws.config import TargetConfig

ROLE = "interlock-gateway"


def script(config: TargetConfig) -> str:
    """A shell script for the AWS CLI, to be run as an administrator of the account. The role may do what agents shall be able to do
    through the gateway; agents themselves get no role, no user and no key in the account."""
    principal = f"arn:{config.partition}:iam::{config.account}:root"
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}],
    }
    bucket = config.trash_bucket or f"interlock-trash-{config.account}-{config.regions[0]}"
    access = f"arn:{config.partition}:iam::aws:policy/AdministratorAccess"
    lines = [
        "# The gateway's own role. Narrow its trust to the gateway's principal, and its policy to what agents shall reach.",
        f"aws iam create-role --role-name {ROLE} --assume-role-policy-document {_word(trust)}",
        f"aws iam attach-role-policy --role-name {ROLE} --policy-arn {access}",
        "# Where objects are copied before they are overwritten or deleted, out of reach for agents.",
        _create_bucket(bucket, config.regions[0]),
        f"aws s3api put-public-access-block --bucket {bucket} --public-access-block-configuration "
        "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true",
        f"aws s3api put-bucket-encryption --bucket {bucket} --server-side-encryption-configuration {_word(_ENCRYPTED)}",
    ]
    return "\n".join(lines) + "\n"


_ENCRYPTED = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]}


def _create_bucket(bucket: str, region: str) -> str:
    where = "" if region == "us-east-1" else f" --create-bucket-configuration LocationConstraint={region}"
    return f"aws s3api create-bucket --bucket {bucket} --region {region}{where}"


def _word(document: object) -> str:
    return shlex.quote(json.dumps(document, separators=(",", ":")))
