"""op → revert → compare for IAM."""

import json
from typing import Any

import pytest
from tests.connectors.aws.undo.rig import Account, Case, prove

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


def document(action: str) -> str:
    # The policy variable must come through as it is: it looks like a name of ours.
    resource = "arn:aws:s3:::home/$${aws}/*"
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def iam(operation: str, **parameters: Any) -> tuple[str, str, dict[str, Any]]:
    return ("iam", operation, parameters)


def saving(call: tuple[str, str, dict[str, Any]], **saves: str) -> tuple[Any, ...]:
    return (*call, saves)


ROLE = iam(
    "CreateRole",
    RoleName="app",
    AssumeRolePolicyDocument=TRUST,
    Description="the app",
    Path="/apps/",
    Tags=[{"Key": "team", "Value": "a"}],
)
USER = iam("CreateUser", UserName="ann", Path="/people/", Tags=[{"Key": "team", "Value": "a"}])
GROUP = iam("CreateGroup", GroupName="devs", Path="/g/")
PROFILE = iam("CreateInstanceProfile", InstanceProfileName="web", Path="/p/")
POLICY = iam("CreatePolicy", PolicyName="read", PolicyDocument=document("s3:GetObject"), Description="reads")
SAVED = saving(POLICY, policy="Policy.Arn")
SECOND = iam("CreatePolicyVersion", PolicyArn="${policy}", PolicyDocument=document("s3:*"), SetAsDefault=True)
IN_PROFILE = iam("AddRoleToInstanceProfile", InstanceProfileName="web", RoleName="app")
IN_GROUP = iam("AddUserToGroup", GroupName="devs", UserName="ann")
KEY = saving(iam("CreateAccessKey", UserName="ann"), key="AccessKey.AccessKeyId")
RULES = iam("UpdateAccountPasswordPolicy", MinimumPasswordLength=14, RequireSymbols=True)
OIDC = iam(
    "CreateOpenIDConnectProvider",
    Url="https://login.test",
    ThumbprintList=["a" * 40],
    ClientIDList=["c"],
)
METADATA = "<EntityDescriptor>" + "x" * 1000 + "</EntityDescriptor>"
SAML = iam("CreateSAMLProvider", Name="idp", SAMLMetadataDocument=METADATA)


def read(operation: str, select: str, **parameters: Any) -> tuple[str, str, dict[str, Any], str]:
    return ("iam", operation, parameters, select)


ROLES = read(
    "GetRole",
    "Role.[RoleName, Path, Description, Tags, AssumeRolePolicyDocument, MaxSessionDuration]",
    RoleName="app",
)
ROLE_ID = read("GetRole", "Role.RoleId", RoleName="app")
USERS = read("GetUser", "User.[UserName, Path, Tags]", UserName="ann")
GROUPS = read("GetGroup", "[Group.GroupName, Group.Path, Users[].UserName]", GroupName="devs")
PROFILES = read(
    "GetInstanceProfile",
    "InstanceProfile.[InstanceProfileName, Path, Roles[].RoleName]",
    InstanceProfileName="web",
)
VERSIONS = read(
    "ListPolicyVersions", "sort(Versions[].to_string([VersionId, IsDefaultVersion]))", PolicyArn="${policy}"
)
POLICIES = read("ListPolicies", "Policies[].[PolicyName, Path, Arn]", Scope="Local")
BOUNDARY = read("GetRole", "Role.PermissionsBoundary.PermissionsBoundaryArn", RoleName="app")
KEYS = read("ListAccessKeys", "AccessKeyMetadata[].[AccessKeyId, Status]", UserName="ann")
PASSWORDS = read("GetAccountPasswordPolicy", "PasswordPolicy")
ALIASES = read("ListAccountAliases", "AccountAliases")
PROVIDERS = read("ListOpenIDConnectProviders", "OpenIDConnectProviderList[].Arn")
SAMLS = read("ListSAMLProviders", "SAMLProviderList[].Arn")


def three(word: str, create: tuple[Any, ...]) -> list[Case]:
    """The pairs that roles, users and groups have alike."""
    key = f"{word}Name"
    name = create[2][key]
    attach = iam(f"Attach{word}Policy", **{key: name}, PolicyArn="${policy}")
    put = iam(f"Put{word}Policy", **{key: name}, PolicyName="p", PolicyDocument=document("s3:Get*"))
    other = iam(f"Put{word}Policy", **{key: name}, PolicyName="p", PolicyDocument=document("s3:*"))
    attached = read(f"ListAttached{word}Policies", "AttachedPolicies", **{key: name})
    inline = read(f"Get{word}Policy", "PolicyDocument", **{key: name}, PolicyName="p")
    detach = iam(f"Detach{word}Policy", **{key: name}, PolicyArn="${policy}")
    delete = iam(f"Delete{word}Policy", **{key: name}, PolicyName="p")
    low = word.lower()
    return [
        Case(name=f"attach-{low}", given=(create, SAVED), call=attach, state=(attached,)),
        Case(
            name=f"attach-{low}-again",
            given=(create, SAVED, attach),
            call=attach,
            state=(attached,),
            changes=False,
        ),
        Case(name=f"detach-{low}", given=(create, SAVED, attach), call=detach, state=(attached,)),
        Case(name=f"put-{low}", given=(create,), call=put, state=(inline,)),
        Case(name=f"overwrite-{low}", given=(create, put), call=other, state=(inline,)),
        Case(name=f"delete-{low}-policy", given=(create, put), call=delete, state=(inline,)),
    ]


def tagged(word: str, key: str, name: str, create: tuple[Any, ...], state: tuple[Any, ...]) -> list[Case]:
    low = word.lower()
    return [
        Case(
            name=f"tag-{low}",
            given=(create,),
            call=iam(
                f"Tag{word}",
                **{key: name},
                Tags=[{"Key": "team", "Value": "b"}, {"Key": "new", "Value": "1"}],
            ),
            state=(state,),
        ),
        Case(
            name=f"untag-{low}",
            given=(create, iam(f"Tag{word}", **{key: name}, Tags=[{"Key": "team", "Value": "a"}])),
            call=iam(f"Untag{word}", **{key: name}, TagKeys=["team"]),
            state=(state,),
        ),
    ]


CASES = (
    *three("Role", ROLE),
    *three("User", USER),
    *three("Group", GROUP),
    *tagged(
        "Role", "RoleName", "app", ROLE, read("GetRole", "sort_by(Role.Tags || `[]`, &Key)", RoleName="app")
    ),
    *tagged(
        "User", "UserName", "ann", USER, read("GetUser", "sort_by(User.Tags || `[]`, &Key)", UserName="ann")
    ),
    *tagged(
        "Policy",
        "PolicyArn",
        "${policy}",
        SAVED,
        read("GetPolicy", "sort_by(Policy.Tags || `[]`, &Key)", PolicyArn="${policy}"),
    ),
    *tagged(
        "InstanceProfile",
        "InstanceProfileName",
        "web",
        PROFILE,
        read("GetInstanceProfile", "sort_by(InstanceProfile.Tags || `[]`, &Key)", InstanceProfileName="web"),
    ),
    Case(name="create-role", call=ROLE, state=(ROLES,)),
    Case(
        name="delete-role",
        given=(ROLE,),
        call=iam("DeleteRole", RoleName="app"),
        state=(ROLES, ROLE_ID),
        kind="new_id",
        differs=(1,),
    ),
    Case(
        name="update-role",
        given=(ROLE,),
        call=iam("UpdateRole", RoleName="app", Description="x", MaxSessionDuration=7200),
        state=(ROLES,),
    ),
    Case(
        name="update-role-description",
        given=(ROLE,),
        call=iam("UpdateRoleDescription", RoleName="app", Description="x"),
        state=(ROLES,),
    ),
    Case(
        name="trust",
        given=(ROLE,),
        call=iam("UpdateAssumeRolePolicy", RoleName="app", PolicyDocument=TRUST.replace("ec2", "lambda")),
        state=(ROLES,),
    ),
    Case(name="create-user", call=USER, state=(USERS,)),
    Case(
        name="delete-user",
        given=(USER,),
        call=iam("DeleteUser", UserName="ann"),
        state=(USERS, read("GetUser", "User.UserId", UserName="ann")),
        kind="new_id",
        differs=(1,),
    ),
    Case(
        name="rename-user",
        given=(USER,),
        call=iam("UpdateUser", UserName="ann", NewUserName="bob"),
        state=(USERS, read("ListUsers", "Users[].UserName")),
    ),
    Case(name="create-group", call=GROUP, state=(GROUPS,)),
    Case(
        name="delete-group",
        given=(GROUP,),
        call=iam("DeleteGroup", GroupName="devs"),
        state=(GROUPS, read("GetGroup", "Group.GroupId", GroupName="devs")),
        kind="new_id",
        differs=(1,),
    ),
    Case(
        name="rename-group",
        given=(GROUP,),
        call=iam("UpdateGroup", GroupName="devs", NewGroupName="ops"),
        state=(GROUPS,),
    ),
    Case(name="add-member", given=(GROUP, USER), call=IN_GROUP, state=(GROUPS,)),
    Case(
        name="remove-member",
        given=(GROUP, USER, IN_GROUP),
        call=iam("RemoveUserFromGroup", GroupName="devs", UserName="ann"),
        state=(GROUPS,),
    ),
    Case(name="create-profile", call=PROFILE, state=(PROFILES,)),
    Case(
        name="delete-profile",
        given=(PROFILE,),
        call=iam("DeleteInstanceProfile", InstanceProfileName="web"),
        state=(
            PROFILES,
            read("GetInstanceProfile", "InstanceProfile.InstanceProfileId", InstanceProfileName="web"),
        ),
        kind="new_id",
        differs=(1,),
    ),
    Case(name="profile-role", given=(PROFILE, ROLE), call=IN_PROFILE, state=(PROFILES,)),
    Case(
        name="profile-without-role",
        given=(PROFILE, ROLE, IN_PROFILE),
        call=iam("RemoveRoleFromInstanceProfile", InstanceProfileName="web", RoleName="app"),
        state=(PROFILES,),
    ),
    Case(
        name="service-linked",
        call=iam("CreateServiceLinkedRole", AWSServiceName="autoscaling.amazonaws.com"),
        state=(read("ListRoles", "Roles[].RoleName"),),
    ),
    Case(name="create-policy", call=POLICY, state=(POLICIES,)),
    Case(
        name="delete-policy",
        given=(SAVED,),
        call=iam("DeletePolicy", PolicyArn="${policy}"),
        state=(
            POLICIES,
            read("GetPolicyVersion", "PolicyVersion.Document", PolicyArn="${policy}", VersionId="v1"),
            read("GetPolicy", "Policy.PolicyId", PolicyArn="${policy}"),
        ),
        kind="new_id",
        differs=(2,),
    ),
    Case(name="new-version", given=(SAVED,), call=SECOND, state=(VERSIONS,)),
    Case(
        name="set-default",
        given=(SAVED, SECOND),
        call=iam("SetDefaultPolicyVersion", PolicyArn="${policy}", VersionId="v1"),
        state=(VERSIONS,),
    ),
    Case(
        name="delete-version",
        given=(SAVED, SECOND),
        call=iam("DeletePolicyVersion", PolicyArn="${policy}", VersionId="v1"),
        state=(read("ListPolicyVersions", "length(Versions)", PolicyArn="${policy}"), VERSIONS),
        kind="new_id",
        differs=(1,),
    ),
    Case(
        name="boundary",
        given=(ROLE, SAVED),
        call=iam("PutRolePermissionsBoundary", RoleName="app", PermissionsBoundary="${policy}"),
        state=(BOUNDARY,),
    ),
    Case(
        name="no-boundary",
        given=(
            ROLE,
            SAVED,
            iam("PutRolePermissionsBoundary", RoleName="app", PermissionsBoundary="${policy}"),
        ),
        call=iam("DeleteRolePermissionsBoundary", RoleName="app"),
        state=(BOUNDARY,),
    ),
    Case(name="create-key", given=(USER,), call=iam("CreateAccessKey", UserName="ann"), state=(KEYS,)),
    Case(
        name="deactivate-key",
        given=(USER, KEY),
        call=iam("UpdateAccessKey", UserName="ann", AccessKeyId="${key}", Status="Inactive"),
        state=(KEYS,),
    ),
    Case(
        name="create-password",
        given=(USER,),
        call=iam("CreateLoginProfile", UserName="ann", Password="a-Password-1"),
        state=(read("GetLoginProfile", "LoginProfile.UserName", UserName="ann"),),
    ),
    Case(name="password-rules", call=RULES, state=(PASSWORDS,)),
    Case(
        name="other-password-rules",
        given=(RULES,),
        call=iam("UpdateAccountPasswordPolicy", MinimumPasswordLength=8),
        state=(PASSWORDS,),
    ),
    Case(
        name="no-password-rules", given=(RULES,), call=iam("DeleteAccountPasswordPolicy"), state=(PASSWORDS,)
    ),
    Case(name="alias", call=iam("CreateAccountAlias", AccountAlias="ours"), state=(ALIASES,)),
    Case(
        name="no-alias",
        given=(iam("CreateAccountAlias", AccountAlias="ours"),),
        call=iam("DeleteAccountAlias", AccountAlias="ours"),
        state=(ALIASES,),
        kind="new_id",
    ),
    Case(name="create-oidc", call=OIDC, state=(PROVIDERS,)),
    Case(
        name="thumbprint",
        given=(saving(OIDC, oidc="OpenIDConnectProviderArn"),),
        call=iam(
            "UpdateOpenIDConnectProviderThumbprint",
            OpenIDConnectProviderArn="${oidc}",
            ThumbprintList=["b" * 40],
        ),
        state=(read("GetOpenIDConnectProvider", "ThumbprintList", OpenIDConnectProviderArn="${oidc}"),),
    ),
    Case(
        name="delete-oidc",
        given=(saving(OIDC, oidc="OpenIDConnectProviderArn"),),
        call=iam("DeleteOpenIDConnectProvider", OpenIDConnectProviderArn="${oidc}"),
        state=(
            PROVIDERS,
            read(
                "GetOpenIDConnectProvider",
                "[Url, ClientIDList, ThumbprintList]",
                OpenIDConnectProviderArn="${oidc}",
            ),
        ),
    ),
    Case(name="create-saml", call=SAML, state=(SAMLS,)),
    Case(
        name="update-saml",
        given=(saving(SAML, saml="SAMLProviderArn"),),
        call=iam(
            "UpdateSAMLProvider", SAMLProviderArn="${saml}", SAMLMetadataDocument=METADATA.replace("x", "y")
        ),
        state=(read("GetSAMLProvider", "SAMLMetadataDocument", SAMLProviderArn="${saml}"),),
    ),
    Case(
        name="delete-saml",
        given=(saving(SAML, saml="SAMLProviderArn"),),
        call=iam("DeleteSAMLProvider", SAMLProviderArn="${saml}"),
        state=(SAMLS, read("GetSAMLProvider", "SAMLMetadataDocument", SAMLProviderArn="${saml}")),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_comes_back(account: Account, case: Case) -> None:
    prove(account, case)
