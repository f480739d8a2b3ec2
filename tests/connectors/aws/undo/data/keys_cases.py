"""Cases of KMS, Secrets Manager and the Parameter Store."""

from typing import Any

from tests.connectors.aws.undo.rig import ACCOUNT, Case, Given, Read

POLICY = (
    '{"Version": "2012-10-17", "Id": "%s", "Statement": [{"Effect": "Allow",'
    ' "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "kms:*", "Resource": "*",'
    ' "Condition": {"StringLike": {"aws:x": "${aws:username}"}}}]}'
)
KEY = (
    "kms",
    "CreateKey",
    {"Description": "old", "Tags": [{"TagKey": "a", "TagValue": "b"}]},
    {"key": "KeyMetadata.KeyId"},
)
K = {"KeyId": "${key}"}
K_STATE = ("kms", "DescribeKey", K, "KeyMetadata.[KeyState, Enabled, Description, DeletionDate]")
K_POLICY = ("kms", "GetKeyPolicy", {**K, "PolicyName": "default"}, "Policy")
K_TAGS = ("kms", "ListResourceTags", K, "sort_by(Tags, &TagKey)")
ROTATION = ("kms", "GetKeyRotationStatus", K, "[KeyRotationEnabled, RotationPeriodInDays]")
DISABLE = ("kms", "DisableKey", K)
DOOM = ("kms", "ScheduleKeyDeletion", {**K, "PendingWindowInDays": 7})
ROTATE = ("kms", "EnableKeyRotation", {**K, "RotationPeriodInDays": 100})
TWO: Given = ("kms", "CreateKey", {}, {"two": "KeyMetadata.KeyId"})
ALIAS = ("kms", "CreateAlias", {"AliasName": "alias/a", "TargetKeyId": "${key}"})
A_STATE = ("kms", "DescribeKey", {"KeyId": "alias/a"}, "KeyMetadata.KeyId")
GRANT = (
    "kms",
    "CreateGrant",
    {**K, "GranteePrincipal": f"arn:aws:iam::{ACCOUNT}:role/r", "Operations": ["Decrypt"], "Name": "g"},
    {"grant": "GrantId"},
)
GRANTS = ("kms", "ListGrants", K, "Grants[].[GranteePrincipal, Operations, Name]")

KMS = (
    Case(
        name="create key",
        kind="new_id",
        call=KEY[:3],
        state=(("kms", "ListKeys", {}, "length(Keys)"),),
        differs=(0,),
    ),
    Case(name="disable", given=(KEY,), call=DISABLE, state=(K_STATE,)),
    Case(name="enable", given=(KEY, DISABLE), call=("kms", "EnableKey", K), state=(K_STATE,)),
    Case(name="schedule deletion", given=(KEY,), call=DOOM, state=(K_STATE,)),
    Case(name="schedule deletion of a disabled key", given=(KEY, DISABLE), call=DOOM, state=(K_STATE,)),
    Case(
        name="cancel deletion",
        kind="new_id",
        given=(KEY, DOOM),
        call=("kms", "CancelKeyDeletion", K),
        state=(("kms", "DescribeKey", K, "KeyMetadata.KeyState"),),
    ),
    Case(
        name="key policy",
        given=(KEY, ("kms", "PutKeyPolicy", {**K, "PolicyName": "default", "Policy": POLICY % "old"})),
        call=("kms", "PutKeyPolicy", {**K, "PolicyName": "default", "Policy": POLICY % "new"}),
        state=(K_POLICY,),
    ),
    Case(
        name="key text",
        given=(KEY,),
        call=("kms", "UpdateKeyDescription", {**K, "Description": "x"}),
        state=(K_STATE,),
    ),
    Case(name="rotate", given=(KEY,), call=ROTATE, state=(ROTATION,)),
    Case(
        name="rotate no more", given=(KEY, ROTATE), call=("kms", "DisableKeyRotation", K), state=(ROTATION,)
    ),
    Case(name="create alias", given=(KEY,), call=ALIAS, state=(A_STATE,)),
    Case(
        name="delete alias",
        given=(KEY, ALIAS),
        call=("kms", "DeleteAlias", {"AliasName": "alias/a"}),
        state=(A_STATE,),
    ),
    Case(
        name="update alias",
        given=(KEY, TWO, ALIAS),
        call=("kms", "UpdateAlias", {"AliasName": "alias/a", "TargetKeyId": "${two}"}),
        state=(A_STATE,),
    ),
    Case(name="grant", given=(KEY,), call=GRANT[:3], state=(GRANTS,)),
    Case(
        name="revoke",
        kind="new_id",
        given=(KEY, GRANT),
        call=("kms", "RevokeGrant", {**K, "GrantId": "${grant}"}),
        state=(GRANTS,),
    ),
    Case(
        name="retire",
        kind="new_id",
        given=(KEY, GRANT),
        call=("kms", "RetireGrant", {**K, "GrantId": "${grant}"}),
        state=(GRANTS,),
    ),
    Case(
        name="tag key",
        given=(KEY,),
        call=(
            "kms",
            "TagResource",
            {**K, "Tags": [{"TagKey": "a", "TagValue": "x"}, {"TagKey": "n", "TagValue": "y"}]},
        ),
        state=(K_TAGS,),
    ),
    Case(
        name="untag key",
        given=(KEY,),
        call=("kms", "UntagResource", {**K, "TagKeys": ["a"]}),
        state=(K_TAGS,),
    ),
)

S = {"SecretId": "db"}
SECRET = (
    "secretsmanager",
    "CreateSecret",
    {"Name": "db", "SecretString": "hunter2", "Description": "old", "Tags": [{"Key": "a", "Value": "b"}]},
    {"v1": "VersionId"},
)
SECOND = ("secretsmanager", "PutSecretValue", {**S, "SecretString": "hunter3"}, {"v2": "VersionId"})
STAGES = ("secretsmanager", "DescribeSecret", S, "VersionIdsToStages")
VALUE = ("secretsmanager", "GetSecretValue", {**S, "VersionStage": "AWSCURRENT"}, "SecretString")
S_STATE = ("secretsmanager", "DescribeSecret", S, "[Description, KmsKeyId, DeletedDate]")
S_TAGS = ("secretsmanager", "DescribeSecret", S, "sort_by(Tags, &Key)")
S_POLICY = ("secretsmanager", "GetResourcePolicy", S, "ResourcePolicy")
RESOURCE = (
    '{"Version": "2012-10-17", "Statement": [{"Sid": "%s", "Effect": "Allow",'
    ' "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "secretsmanager:*", "Resource": "*"}]}'
)
PUT_POLICY = ("secretsmanager", "PutResourcePolicy", {**S, "ResourcePolicy": RESOURCE % "old"})

SECRETS = (
    Case(
        name="put secret value",
        given=(SECRET, SECOND),
        call=("secretsmanager", "PutSecretValue", {**S, "SecretString": "evil"}),
        state=(VALUE,),
    ),
    Case(name="put second value", given=(SECRET,), call=SECOND[:3], state=(VALUE,)),
    Case(
        name="update secret with a value",
        given=(SECRET,),
        call=("secretsmanager", "UpdateSecret", {**S, "SecretString": "evil", "Description": "new"}),
        state=(VALUE, S_STATE),
    ),
    Case(
        name="update secret without a value",
        given=(SECRET,),
        call=("secretsmanager", "UpdateSecret", {**S, "Description": "new"}),
        state=(VALUE, S_STATE, STAGES),
    ),
    Case(
        name="move stage",
        given=(SECRET, SECOND),
        call=(
            "secretsmanager",
            "UpdateSecretVersionStage",
            {**S, "VersionStage": "AWSCURRENT", "MoveToVersionId": "${v1}", "RemoveFromVersionId": "${v2}"},
        ),
        state=(VALUE,),
    ),
    Case(
        name="create secret",
        kind="new_id",
        call=SECRET[:3],
        state=(("secretsmanager", "ListSecrets", {}, "SecretList[].Name"),),
    ),
    Case(
        name="delete secret",
        given=(SECRET,),
        call=("secretsmanager", "DeleteSecret", {**S, "RecoveryWindowInDays": 7}),
        state=(S_STATE, S_TAGS, STAGES),
    ),
    Case(
        name="restore secret",
        kind="new_id",
        given=(SECRET, ("secretsmanager", "DeleteSecret", S)),
        call=("secretsmanager", "RestoreSecret", S),
        state=(("secretsmanager", "DescribeSecret", S, "[Description, DeletedDate && `1`]"),),
    ),
    Case(name="secret policy", given=(SECRET,), call=PUT_POLICY, state=(S_POLICY,)),
    Case(
        name="secret policy over",
        given=(SECRET, PUT_POLICY),
        call=("secretsmanager", "PutResourcePolicy", {**S, "ResourcePolicy": RESOURCE % "new"}),
        state=(S_POLICY,),
    ),
    Case(
        name="secret policy deleted",
        given=(SECRET, PUT_POLICY),
        call=("secretsmanager", "DeleteResourcePolicy", S),
        state=(S_POLICY,),
    ),
    Case(
        name="tag secret",
        given=(SECRET,),
        call=(
            "secretsmanager",
            "TagResource",
            {**S, "Tags": [{"Key": "a", "Value": "x"}, {"Key": "n", "Value": "y"}]},
        ),
        state=(S_TAGS,),
    ),
    Case(
        name="untag secret",
        given=(SECRET,),
        call=("secretsmanager", "UntagResource", {**S, "TagKeys": ["a"]}),
        state=(S_TAGS,),
    ),
    Case(
        name="replicate secret",
        given=(SECRET,),
        call=(
            "secretsmanager",
            "ReplicateSecretToRegions",
            {**S, "AddReplicaRegions": [{"Region": "us-east-2"}]},
        ),
        state=(("secretsmanager", "DescribeSecret", S, "ReplicationStatus[].Region"),),
    ),
)


def parameter(kind: str, value: str = "old ${x}", **more: Any) -> tuple[str, str, dict[str, Any]]:
    return ("ssm", "PutParameter", {"Name": "/app/p", "Type": kind, "Value": value, **more})


P = {"Name": "/app/p"}
OLD: dict[str, Any] = {"Description": "about", "Tags": [{"Key": "a", "Value": "b"}]}
P_STATE = ("ssm", "GetParameter", {**P, "WithDecryption": True}, "Parameter.[Type, Value, DataType]")
P_TEXT = (
    "ssm",
    "DescribeParameters",
    {"ParameterFilters": [{"Key": "Name", "Values": ["/app/p"]}]},
    "Parameters[0].[Description, KeyId, Tier]",
)
P_TAGS = ("ssm", "ListTagsForResource", {"ResourceType": "Parameter", "ResourceId": "/app/p"}, "TagList")
OTHERS: Read = ("ssm", "DescribeParameters", {}, "Parameters[].Name")
TAGGED = {"ResourceType": "Parameter", "ResourceId": "/app/p"}
OVER = {**P, "Value": "new", "Overwrite": True}

SSM = (
    Case(name="put new parameter", call=parameter("String"), state=(P_STATE, OTHERS)),
    Case(
        name="put parameter over",
        given=(parameter("String", **OLD),),
        call=("ssm", "PutParameter", OVER),
        state=(P_STATE, P_TEXT, P_TAGS),
    ),
    Case(
        name="put secure parameter over",
        once=True,
        given=(parameter("SecureString", **OLD),),
        call=("ssm", "PutParameter", {**OVER, "Type": "SecureString"}),
        state=(P_STATE, P_TEXT, P_TAGS, OTHERS),
    ),
    Case(
        name="delete parameter",
        kind="new_id",
        given=(parameter("StringList", "a,b", **OLD),),
        call=("ssm", "DeleteParameter", P),
        state=(P_STATE, P_TEXT, P_TAGS, OTHERS),
    ),
    Case(
        name="delete parameters",
        kind="new_id",
        given=(
            parameter("SecureString", **OLD),
            ("ssm", "PutParameter", {"Name": "q", "Type": "String", "Value": "v"}),
        ),
        call=("ssm", "DeleteParameters", {"Names": ["/app/p", "q", "nothing"]}),
        state=(P_STATE, P_TEXT, P_TAGS, ("ssm", "GetParameter", {"Name": "q"}, "Parameter.Value")),
    ),
    Case(
        name="tag parameter",
        given=(parameter("String", **OLD),),
        call=(
            "ssm",
            "AddTagsToResource",
            {**TAGGED, "Tags": [{"Key": "a", "Value": "x"}, {"Key": "n", "Value": "y"}]},
        ),
        state=(P_TAGS,),
    ),
    Case(
        name="untag parameter",
        given=(parameter("String", **OLD),),
        call=("ssm", "RemoveTagsFromResource", {**TAGGED, "TagKeys": ["a"]}),
        state=(P_TAGS,),
    ),
)

CASES = (*KMS, *SECRETS, *SSM)
