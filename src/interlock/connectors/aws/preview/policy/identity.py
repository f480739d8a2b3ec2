"""Policies of roles, users and groups: what they may do, and who may take a role."""

from collections.abc import Mapping
from typing import Any

from interlock.connectors.aws.preview.found import Effects, absent, thing
from interlock.connectors.aws.preview.policy.compare import identity_change, policy_change
from interlock.connectors.aws.preview.rows import Describer, Table, rows
from interlock.connectors.aws.preview.survey import Survey
from interlock.model.effect import ChangeKind
from interlock.model.operation import Resource

_JUDGES = "exposure lockout replace keys"


def who(survey: Survey, sort: str) -> Resource:
    return survey.about(f"iam:{sort.lower()}", f"{sort.lower()}/{{{sort}Name}}", region=False)


def _inline(sort: str, *, goes: bool) -> Describer:
    async def describer(survey: Survey) -> Effects:
        asked = {f"{sort}Name": survey.text(f"{sort}Name"), "PolicyName": survey.text("PolicyName")}
        found = await survey.find("iam", f"Get{sort}Policy", asked)
        if goes and found is None:
            return [absent(who(survey, sort))]
        new = None if goes else survey.parameters.get("PolicyDocument", "")
        return identity_change(survey, who(survey, sort), (found or {}).get("PolicyDocument"), new)

    return describer


async def document_of(survey: Survey, arn: str, version: str = "") -> Any:
    """A managed policy's document, in its default version or another; None when there is no such policy."""
    found = await survey.find("iam", "GetPolicy", {"PolicyArn": arn})
    if found is None:
        return None
    wanted = version or found["Policy"]["DefaultVersionId"]
    answer = await survey.find("iam", "GetPolicyVersion", {"PolicyArn": arn, "VersionId": wanted})
    return None if answer is None else answer["PolicyVersion"].get("Document")


def _attached(sort: str, *, goes: bool) -> Describer:
    async def describer(survey: Survey) -> Effects:
        arn = survey.text("PolicyArn")
        document = await document_of(survey, arn)
        name = arn.rsplit("/", 1)[-1]
        if document is None:
            return [
                thing(who(survey, sort), ChangeKind.PERMISSION, f"policy {name}, which could not be read")
            ]
        found = identity_change(survey, who(survey, sort), *((document, None) if goes else (None, document)))
        return [thing(one.resource, ChangeKind.PERMISSION, f"policy {name}: {one.detail}") for one in found]

    return describer


def _policy(survey: Survey) -> Resource:
    return survey.resource("iam:policy", survey.text("PolicyArn"))


async def _new_version(survey: Survey) -> Effects:
    where = _policy(survey)
    if not survey.parameters.get("SetAsDefault"):
        return [thing(where, ChangeKind.CREATED, "a version that isn't the default")]
    old = await document_of(survey, where.name)
    return await _used(
        survey, where, identity_change(survey, where, old, survey.parameters["PolicyDocument"])
    )


async def _default_version(survey: Survey) -> Effects:
    where = _policy(survey)
    old = await document_of(survey, where.name)
    new = await document_of(survey, where.name, survey.text("VersionId"))
    return await _used(survey, where, identity_change(survey, where, old, new))


async def _used(survey: Survey, where: Resource, effects: Effects) -> Effects:
    found = await survey.find("iam", "GetPolicy", {"PolicyArn": where.name})
    count = (found or {}).get("Policy", {}).get("AttachmentCount", 0)
    if count:
        survey.note(f"The policy is attached {count:,} times.")
    return effects


async def _trust(survey: Survey) -> Effects:
    """Who may take the role: compared as a policy of the role itself."""
    found = await survey.find("iam", "GetRole", {"RoleName": survey.text("RoleName")})
    where = who(survey, "Role")
    if found is None:
        return [absent(where)]
    old = found["Role"].get("AssumeRolePolicyDocument")
    return policy_change(survey, where, old, survey.parameters.get("PolicyDocument", ""))


def _boundary(sort: str, *, goes: bool) -> Describer:
    async def describer(survey: Survey) -> Effects:
        found = await survey.find("iam", f"Get{sort}", {f"{sort}Name": survey.text(f"{sort}Name")})
        where = who(survey, sort)
        if found is None:
            return [absent(where)]
        old = (found[sort].get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
        new = None if goes else survey.parameters.get("PermissionsBoundary")
        survey.rests_on(f"boundary of {where.name}", old)
        survey.shows("permissions boundary", old, new)
        return [thing(where, ChangeKind.PERMISSION, "permissions boundary, which limits what it may do")]

    return describer


async def _member(survey: Survey) -> Effects:
    """AddUserToGroup, RemoveUserFromGroup."""
    where = who(survey, "Group")
    found = await survey.find("iam", "GetGroup", {"GroupName": survey.text("GroupName")})
    if found is None:
        return [absent(where)]
    asked: Mapping[str, str] = {"GroupName": survey.text("GroupName")}
    policies, _ = await survey.pages("iam", "ListAttachedGroupPolicies", asked, key="AttachedPolicies")
    names = ", ".join(sorted(one["PolicyName"] for one in policies)) or "no managed policy"
    detail = f"members, who have what the group has: {names}"
    return [thing(where, ChangeKind.PERMISSION, detail), thing(who(survey, "User"), ChangeKind.PERMISSION)]


def _rows_for(sort: str) -> Table:
    table = {
        **rows("iam", _JUDGES, **{f"Put{sort}Policy": _inline(sort, goes=False)}),
        **rows("iam", _JUDGES, **{f"Delete{sort}Policy": _inline(sort, goes=True)}),
        **rows("iam", _JUDGES, **{f"Attach{sort}Policy": _attached(sort, goes=False)}),
        **rows("iam", _JUDGES, **{f"Detach{sort}Policy": _attached(sort, goes=True)}),
    }
    if sort != "Group":
        table |= rows("iam", _JUDGES, **{f"Put{sort}PermissionsBoundary": _boundary(sort, goes=False)})
        table |= rows("iam", _JUDGES, **{f"Delete{sort}PermissionsBoundary": _boundary(sort, goes=True)})
    return table


TABLE: Table = {
    **_rows_for("Role"),
    **_rows_for("User"),
    **_rows_for("Group"),
    **rows("iam", _JUDGES, CreatePolicyVersion=_new_version, SetDefaultPolicyVersion=_default_version),
    **rows("iam", _JUDGES, UpdateAssumeRolePolicy=_trust),
    **rows("iam", _JUDGES, AddUserToGroup=_member, RemoveUserFromGroup=_member),
}
