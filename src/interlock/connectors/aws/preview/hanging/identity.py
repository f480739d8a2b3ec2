"""IAM, keys and secrets: what a role, a user, a group carries. Source: IAM API Reference."""

from interlock.connectors.aws.preview.hanging.engine import Going, Hang, deletes
from interlock.connectors.aws.preview.rows import Table, rows


def _iam(sort: str, *hangs: Hang) -> Going:
    kind = sort.lower()
    by = {f"{sort}Name": "{}"}
    return Going(
        "iam",
        f"iam:{kind}",
        f"{kind}/{{}}",
        f"Get{sort}",
        by,
        sort,
        hangs,
        regional=False,
        type=f"AWS::IAM::{sort}",
    )


def _policies(sort: str) -> tuple[Hang, Hang]:
    by = {f"{sort}Name": "{}"}
    return (
        Hang(
            "attached policy",
            f"ListAttached{sort}Policies",
            by,
            "AttachedPolicies",
            words="attached policies",
        ),
        Hang("inline policy", f"List{sort}Policies", by, "PolicyNames", words="inline policies"),
    )


ROLE = _iam(
    "Role",
    *_policies("Role"),
    Hang("instance profile", "ListInstanceProfilesForRole", {"RoleName": "{}"}, "InstanceProfiles"),
)
USER = _iam(
    "User",
    *_policies("User"),
    Hang("access key", "ListAccessKeys", {"UserName": "{}"}, "AccessKeyMetadata"),
    Hang("group", "ListGroupsForUser", {"UserName": "{}"}, "Groups"),
    Hang("second factor", "ListMFADevices", {"UserName": "{}"}, "MFADevices"),
)
GROUP = _iam("Group", *_policies("Group"), Hang("member", "GetGroup", {"GroupName": "{}"}, "Users"))
PROFILE = Going(
    "iam",
    "iam:instance-profile",
    "instance-profile/{}",
    "GetInstanceProfile",
    {"InstanceProfileName": "{}"},
    "InstanceProfile",
    regional=False,
    type="AWS::IAM::InstanceProfile",
)
POLICY = Going(
    "iam",
    "iam:policy",
    "policy/{}",
    "GetPolicy",
    {"PolicyArn": "{}"},
    "Policy",
    (
        Hang("role", "ListEntitiesForPolicy", {"PolicyArn": "{}"}, "PolicyRoles"),
        Hang("user", "ListEntitiesForPolicy", {"PolicyArn": "{}"}, "PolicyUsers"),
        Hang("group", "ListEntitiesForPolicy", {"PolicyArn": "{}"}, "PolicyGroups"),
    ),
    regional=False,
    type="AWS::IAM::ManagedPolicy",
)
KEY = Going(
    "kms",
    "kms:key",
    "key/{}",
    "DescribeKey",
    {"KeyId": "{}"},
    "KeyMetadata",
    (
        Hang("alias", "ListAliases", {"KeyId": "{}"}, "Aliases", words="aliases"),
        Hang("grant", "ListGrants", {"KeyId": "{}"}, "Grants"),
    ),
    arn="Arn",
    type="AWS::KMS::Key",
)
SECRET = Going(
    "secretsmanager",
    "secretsmanager:Secret",
    "secret:{}",
    "DescribeSecret",
    {"SecretId": "{}"},
    "",
    (Hang("version", "ListSecretVersionIds", {"SecretId": "{}"}, "Versions"),),
    arn="ARN",
    type="AWS::SecretsManager::Secret",
)
CERTIFICATE = Going(
    "acm",
    "acm:certificate",
    "certificate/{}",
    "DescribeCertificate",
    {"CertificateArn": "{}"},
    "Certificate",
    tells={"InUseBy": "in use by "},
    type="AWS::CertificateManager::Certificate",
)
POOL = Going(
    "cognito-idp",
    "cognito-idp:userpool",
    "userpool/{}",
    "DescribeUserPool",
    {"UserPoolId": "{}"},
    "UserPool",
    (Hang("user", "ListUsers", {"UserPoolId": "{}"}, "Users"),),
    type="AWS::Cognito::UserPool",
)

ALL = (ROLE, USER, GROUP, PROFILE, POLICY, KEY, SECRET, CERTIFICATE, POOL)

TABLE: Table = {
    **rows(
        "iam",
        DeleteRole=deletes(ROLE, "RoleName"),
        DeleteUser=deletes(USER, "UserName"),
        DeleteGroup=deletes(GROUP, "GroupName"),
        DeleteInstanceProfile=deletes(PROFILE, "InstanceProfileName"),
        DeletePolicy=deletes(POLICY, "PolicyArn"),
    ),
    **rows("kms", "keys", ScheduleKeyDeletion=deletes(KEY, "KeyId")),
    **rows("secretsmanager", "keys", DeleteSecret=deletes(SECRET, "SecretId")),
    **rows("acm", DeleteCertificate=deletes(CERTIFICATE, "CertificateArn")),
    **rows("cognito-idp", DeleteUserPool=deletes(POOL, "UserPoolId")),
}
