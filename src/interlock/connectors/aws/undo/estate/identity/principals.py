"""IAM roles, users, groups and instance profiles (IAM API reference: DeleteRole, DeleteUser, DeleteGroup)."""

from typing import Any

from interlock.connectors.aws.undo.estate.common import Read, made, put_back, rows, switched
from interlock.connectors.aws.undo.estate.draft import Draft, Maker, kept, never, own_tags
from interlock.connectors.aws.undo.estate.identity.documents import Kind, policies, shape, text
from interlock.connectors.aws.undo.plan import Plan

ROLE, USER, GROUP = Kind("Role"), Kind("User"), Kind("Group")


async def _delete_role(draft: Draft) -> Plan:
    name = {"RoleName": draft.get("RoleName")}
    role = await draft.must("Role", "GetRole", name, what="such role")
    if role["Path"].startswith("/aws-service-role/"):
        return Plan("none", reason="a service-linked role is made by its service alone")
    create = shape(role, "RoleName", "Path", "Description", "MaxSessionDuration")
    create["AssumeRolePolicyDocument"] = text(role["AssumeRolePolicyDocument"])
    draft.back("CreateRole", create, present_ok=True)
    await policies(draft, ROLE)
    for profile in await draft.all("ListInstanceProfilesForRole", name, "InstanceProfiles"):
        draft.back(
            "AddRoleToInstanceProfile",
            name | {"InstanceProfileName": profile["InstanceProfileName"]},
            unless=_in_profile(draft, profile["InstanceProfileName"], draft.get("RoleName")),
        )
    draft.gentler = "PutRolePermissionsBoundary or a policy that denies all keeps the role"
    return draft.lossy("the role gets a new unique id: policies of others that name it must be saved again")


def _in_profile(draft: Draft, profile: str, role: str) -> Any:
    asked = {"InstanceProfileName": profile}
    return draft.check(
        "the roles of the instance profile",
        "GetInstanceProfile",
        asked,
        "InstanceProfile.Roles[].RoleName",
        [role],
    )


async def _delete_user(draft: Draft) -> Plan:
    name = {"UserName": draft.get("UserName")}
    user = await draft.must("User", "GetUser", name, what="such user")
    draft.back("CreateUser", shape(user, "UserName", "Path"), present_ok=True)
    await policies(draft, USER)
    for group in await draft.all("ListGroupsForUser", name, "Groups"):
        draft.back("AddUserToGroup", name | {"GroupName": group["GroupName"]})
    draft.gentler = "UpdateAccessKey to Inactive and DeleteLoginProfile lock the user out"
    return draft.lossy(
        "the user gets a new unique id",
        "access keys, password, MFA devices, certificates and SSH keys of the user don't come back",
    )


async def _delete_group(draft: Draft) -> Plan:
    name = {"GroupName": draft.get("GroupName")}
    found = await draft.must("@", "GetGroup", name, what="such group")
    draft.back("CreateGroup", kept(found["Group"], "GroupName", "Path"), present_ok=True)
    await policies(draft, GROUP)
    for user in await draft.all("GetGroup", name, "Users"):
        draft.back("AddUserToGroup", name | {"UserName": user["UserName"]})
    return draft.lossy("the group gets a new unique id")


async def _delete_profile(draft: Draft) -> Plan:
    name = {"InstanceProfileName": draft.get("InstanceProfileName")}
    old = await draft.must("InstanceProfile", "GetInstanceProfile", name, what="such instance profile")
    draft.back("CreateInstanceProfile", shape(old, "InstanceProfileName", "Path"), present_ok=True)
    for role in old.get("Roles", ()):
        draft.back(
            "AddRoleToInstanceProfile",
            name | {"RoleName": role["RoleName"]},
            unless=_in_profile(draft, name["InstanceProfileName"], role["RoleName"]),
        )
    return draft.lossy("the instance profile gets a new unique id: instances must be associated again")


def _renamed(word: str) -> Maker:
    """UpdateUser and UpdateGroup: name and path."""
    key, new = f"{word}Name", f"New{word}Name"

    async def make(draft: Draft) -> Plan:
        old = await draft.must(word, f"Get{word}", {key: draft.get(key)}, what=f"such {word.lower()}")
        now = draft.get(new) or draft.get(key)
        await draft.watch(f"{word.lower()} {now}", f"Get{word}", {key: now}, f"{word}.[{key}, Path]")
        back = {new: draft.get(key)} if now != draft.get(key) else {}
        draft.back(
            f"Update{word}", {key: now, "NewPath": old["Path"], **back}, absent_ok=now != draft.get(key)
        )
        return draft.done()

    return make


def _tagged(word: str, get: str, key: str) -> Maker:
    """Tag and untag: old values are set, and what was not there is taken away."""

    async def make(draft: Draft) -> Plan:
        name = {key: draft.get(key)}
        names = draft.get("TagKeys") or [tag["Key"] for tag in draft.get("Tags", ())]
        old = own_tags(
            await draft.watch(f"tags of {draft.get(key)}", get, name, f"sort_by({word}.Tags || `[]`, &Key)")
        )
        was = [tag for tag in old if tag["Key"] in names]
        new = sorted(set(names) - {tag["Key"] for tag in was})
        if was:
            draft.back(f"Tag{word}", name | {"Tags": was})
        if new and draft.get("Tags"):
            draft.back(f"Untag{word}", name | {"TagKeys": new})
        return draft.done()

    return make


_MEMBER = Read(
    "ListGroupsForUser",
    {"UserName": "UserName", "MaxItems": "`1000`"},
    "contains(Groups[].GroupName, $GroupName)",
)
_MEMBERSHIP = ("GroupName", "UserName")
_IN_PROFILE = Read(
    "GetInstanceProfile",
    ("InstanceProfileName",),
    "contains(InstanceProfile.Roles[].RoleName, $RoleName)",
)
_PROFILE_ROLE = ("InstanceProfileName", "RoleName")


def _profile_role(opposite: str, when: bool) -> Maker:
    what = "the role of instance profile {InstanceProfileName}"
    return switched(opposite, _PROFILE_ROLE, read=_IN_PROFILE, what=what, when=when, absent_ok=not when)


_TAGS = {
    operation + word: (_tagged(word, get, key), "full", "old values are set, new tags are taken away")
    for word, get, key in (
        ("Role", "GetRole", "RoleName"),
        ("User", "GetUser", "UserName"),
        ("Policy", "GetPolicy", "PolicyArn"),
        ("InstanceProfile", "GetInstanceProfile", "InstanceProfileName"),
    )
    for operation in ("Tag", "Untag")
}

ROWS = rows(
    "iam",
    {
        "CreateRole": (made("DeleteRole", (), ("RoleName",)), "full", "the role is deleted"),
        "DeleteRole": (_delete_role, "new_id", "made again with its policies and instance profiles"),
        "UpdateRole": (
            put_back(
                "UpdateRole",
                ("RoleName",),
                {"Description": "Description || ''", "MaxSessionDuration": "MaxSessionDuration"},
                read=Read(
                    "GetRole",
                    ("RoleName",),
                    "Role.{Description: Description || '', MaxSessionDuration: MaxSessionDuration}",
                ),
                what="description and session duration of role {RoleName}",
            ),
            "full",
            "the settings are put back",
        ),
        "UpdateRoleDescription": (
            put_back(
                "UpdateRoleDescription",
                ("RoleName",),
                ("Description",),
                read=Read("GetRole", ("RoleName",), "Role.{Description: Description || ''}"),
                what="the description of role {RoleName}",
            ),
            "full",
            "the description is put back",
        ),
        "CreateUser": (made("DeleteUser", (), ("UserName",)), "full", "the user is deleted"),
        "DeleteUser": (_delete_user, "new_id", "made again with policies and groups"),
        "UpdateUser": (_renamed("User"), "full", "name and path are put back"),
        "CreateGroup": (made("DeleteGroup", (), ("GroupName",)), "full", "the group is deleted"),
        "DeleteGroup": (_delete_group, "new_id", "made again with policies and members"),
        "UpdateGroup": (_renamed("Group"), "full", "name and path are put back"),
        "AddUserToGroup": (
            switched(
                "RemoveUserFromGroup",
                _MEMBERSHIP,
                read=_MEMBER,
                what="whether {UserName} is in group {GroupName}",
                when=False,
                absent_ok=True,
            ),
            "full",
            "removed from the group",
        ),
        "RemoveUserFromGroup": (
            switched(
                "AddUserToGroup",
                _MEMBERSHIP,
                read=_MEMBER,
                what="whether {UserName} is in group {GroupName}",
            ),
            "full",
            "added to the group again",
        ),
        "CreateInstanceProfile": (
            made("DeleteInstanceProfile", (), ("InstanceProfileName",)),
            "full",
            "the profile is deleted",
        ),
        "DeleteInstanceProfile": (_delete_profile, "new_id", "the profile is made again"),
        "AddRoleToInstanceProfile": (
            _profile_role("RemoveRoleFromInstanceProfile", False),
            "full",
            "the role is removed",
        ),
        "RemoveRoleFromInstanceProfile": (
            _profile_role("AddRoleToInstanceProfile", True),
            "full",
            "the role is added again",
        ),
        "CreateServiceLinkedRole": (
            made("DeleteServiceLinkedRole", {"RoleName": "Role.RoleName"}),
            "full",
            "the role is deleted",
        ),
        "DeleteServiceLinkedRole": (
            never("a service-linked role is made by its service alone"),
            "none",
            "nothing brings it back",
        ),
        **_TAGS,
    },
)
