"""EC2 security groups (EC2 API reference: AuthorizeSecurityGroupIngress, RevokeSecurityGroupIngress, ModifySecurityGroupRules)."""

from collections.abc import Iterator
from typing import Any

from interlock.connectors.aws.undo.estate.common import made, nothing, rows
from interlock.connectors.aws.undo.estate.draft import Draft, Gone, Maker, kept_all, own_tags, slot
from interlock.connectors.aws.undo.plan import Plan

_SOURCES = {
    "IpRanges": "CidrIp",
    "Ipv6Ranges": "CidrIpv6",
    "PrefixListIds": "PrefixListId",
    "UserIdGroupPairs": "GroupId",
}
_SIDES = {"Ingress": "IpPermissions", "Egress": "IpPermissionsEgress"}

Permission = dict[str, Any]


def single(permissions: list[Permission]) -> Iterator[tuple[tuple[Any, ...], Permission]]:
    """Each rule of its own, with what it is known by."""
    for permission in permissions:
        ports = kept_all(permission, "IpProtocol", "FromPort", "ToPort")
        for kind, key in _SOURCES.items():
            for source in permission.get(kind) or ():
                yield _key(ports, source.get(key)), ports | {kind: [source]}


def _key(ports: Permission, source: object) -> tuple[Any, ...]:
    every = str(ports.get("IpProtocol")) == "-1"
    span = (None, None) if every else (ports.get("FromPort"), ports.get("ToPort"))
    return (str(ports.get("IpProtocol")), *span, source)


async def _group(draft: Draft) -> dict[str, Any]:
    by_id = draft.get("GroupId")
    asked = {"GroupIds": [by_id]} if by_id else {"GroupNames": [draft.get("GroupName")]}
    found: dict[str, Any] = await draft.must(
        "SecurityGroups[0]", "DescribeSecurityGroups", asked, what="such security group"
    )
    return found


_FLAT = (
    "IpProtocol, FromPort, ToPort, CidrIpv4, CidrIpv6, PrefixListId, ReferencedGroupInfo.GroupId, Description"
)


async def _watch(draft: Draft, group: str, direction: str) -> None:
    out = "true" if direction == "Egress" else "false"
    await draft.watch(
        f"{direction.lower()} rules of {group}",
        "DescribeSecurityGroupRules",
        {"Filters": [{"Name": "group-id", "Values": [group]}]},
        f"sort(SecurityGroupRules[?IsEgress==`{out}`].to_string([{_FLAT}]))",
    )


def _authorize(direction: str) -> Maker:
    async def make(draft: Draft) -> Plan:
        group = await _group(draft)
        await _watch(draft, group["GroupId"], direction)
        there = dict(single(group.get(_SIDES[direction], [])))
        for key, permission in single(_asked(draft)):
            if key not in there:
                parameters = {"GroupId": group["GroupId"], "IpPermissions": [permission]}
                draft.back(f"RevokeSecurityGroup{direction}", parameters, absent_ok=True)
        return draft.done()

    return make


def _asked(draft: Draft) -> list[Permission]:
    """The rules that a call names, in its newer or its older form."""
    if permissions := draft.get("IpPermissions"):
        return list(permissions)
    if draft.get("SourceSecurityGroupName"):
        raise Gone("an inverse for rules that name a group by its name is not known")
    if draft.get("CidrIp"):
        ports = kept_all(draft.call.parameters, "IpProtocol", "FromPort", "ToPort")
        return [ports | {"IpRanges": [{"CidrIp": draft.get("CidrIp")}]}]
    raise Gone("it names no rule")


def _revoke(direction: str) -> Maker:
    async def make(draft: Draft) -> Plan:
        group = await _group(draft)
        await _watch(draft, group["GroupId"], direction)
        if ids := draft.get("SecurityGroupRuleIds"):
            revoked = [_permission(rule) for rule in await _rules(draft, ids)]
        else:
            there = dict(single(group.get(_SIDES[direction], [])))
            revoked = [there[key] for key, _ in single(_asked(draft)) if key in there]
        for permission in revoked:
            parameters = {"GroupId": group["GroupId"], "IpPermissions": [permission]}
            draft.back(f"AuthorizeSecurityGroup{direction}", parameters, present_ok=True)
        return draft.done() if revoked else nothing(draft)

    return make


async def _rules(draft: Draft, ids: list[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await draft.must(
        "SecurityGroupRules",
        "DescribeSecurityGroupRules",
        {"SecurityGroupRuleIds": ids},
        what="such security group rule",
    )
    return found


def _permission(rule: dict[str, Any]) -> Permission:
    """A rule as DescribeSecurityGroupRules says it, as AuthorizeSecurityGroup* wants it."""
    ports = {"IpProtocol": rule["IpProtocol"]}
    if str(rule["IpProtocol"]) != "-1":
        ports |= kept_all(rule, "FromPort", "ToPort")
    said = {"Description": rule["Description"]} if rule.get("Description") else {}
    if cidr := rule.get("CidrIpv4"):
        return ports | {"IpRanges": [{"CidrIp": cidr} | said]}
    if cidr := rule.get("CidrIpv6"):
        return ports | {"Ipv6Ranges": [{"CidrIpv6": cidr} | said]}
    if prefix := rule.get("PrefixListId"):
        return ports | {"PrefixListIds": [{"PrefixListId": prefix} | said]}
    other = rule.get("ReferencedGroupInfo", {})
    return ports | {"UserIdGroupPairs": [kept_all(other, "GroupId", "UserId") | said]}


async def _modify_rules(draft: Draft) -> Plan:
    ids = [rule["SecurityGroupRuleId"] for rule in draft.get("SecurityGroupRules", ())]
    await draft.watch(
        "the security group rules",
        "DescribeSecurityGroupRules",
        {"SecurityGroupRuleIds": ids},
        "sort_by(SecurityGroupRules, &SecurityGroupRuleId)",
    )
    old = [
        {"SecurityGroupRuleId": rule["SecurityGroupRuleId"], "SecurityGroupRule": _request(rule)}
        for rule in await _rules(draft, ids)
    ]
    draft.back("ModifySecurityGroupRules", {"GroupId": draft.get("GroupId"), "SecurityGroupRules": old})
    return draft.done()


def _request(rule: dict[str, Any]) -> dict[str, Any]:
    kept = kept_all(
        rule, "IpProtocol", "FromPort", "ToPort", "CidrIpv4", "CidrIpv6", "PrefixListId", "Description"
    )
    other = rule.get("ReferencedGroupInfo", {}).get("GroupId")
    return kept | ({"ReferencedGroupId": other} if other else {})


def _descriptions(direction: str) -> Maker:
    async def make(draft: Draft) -> Plan:
        group = await _group(draft)
        await _watch(draft, group["GroupId"], direction)
        if draft.get("SecurityGroupRuleDescriptions"):
            raise Gone("an inverse for descriptions by rule id is not known")
        there = dict(single(group.get(_SIDES[direction], [])))
        old = [there[key] for key, _ in single(draft.get("IpPermissions", [])) if key in there]
        if not old:
            return nothing(draft)
        draft.back(
            f"UpdateSecurityGroupRuleDescriptions{direction}",
            {"GroupId": group["GroupId"], "IpPermissions": old},
        )
        return draft.done()

    return make


async def _delete(draft: Draft) -> Plan:
    group = await _group(draft)
    create: dict[str, Any] = {"GroupName": group["GroupName"], "Description": group["Description"]}
    if group.get("VpcId"):
        create["VpcId"] = group["VpcId"]
    if tags := own_tags(group.get("Tags")):
        create["TagSpecifications"] = [{"ResourceType": "security-group", "Tags": tags}]
    like = [{"Name": "group-name", "Values": [group["GroupName"]]}]
    like += [{"Name": "vpc-id", "Values": [group["VpcId"]]}] if group.get("VpcId") else []
    find = ("DescribeSecurityGroups", {"Filters": like}, "SecurityGroups", "GroupId")
    await draft.again("group", "CreateSecurityGroup", create, find=find)
    _fill(draft, group)
    draft.gentler = "RevokeSecurityGroupIngress for all of its rules keeps the group and its id"
    return draft.lossy("the group gets a new id")


_OPEN = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


def _fill(draft: Draft, group: dict[str, Any]) -> None:
    """The rules: a new group lets everything out, so that goes first."""
    new = slot("group")
    if group.get("VpcId"):
        draft.back("RevokeSecurityGroupEgress", {"GroupId": new, "IpPermissions": [_OPEN]}, absent_ok=True)
    for direction, side in _SIDES.items():
        rules = [_own(permission, group["GroupId"]) for _, permission in single(group.get(side, []))]
        if rules:
            draft.back(
                f"AuthorizeSecurityGroup{direction}",
                {"GroupId": new, "IpPermissions": rules},
                present_ok=True,
            )


def _own(permission: Permission, old: str) -> Permission:
    """A rule that refers to the group itself refers to the new one."""
    pairs = permission.get("UserIdGroupPairs")
    if not pairs:
        return permission
    changed = [
        {**kept_all(pair, "UserId", "Description"), "GroupId": slot("group")}
        if pair.get("GroupId") == old
        else kept_all(pair, "UserId", "GroupId", "Description")
        for pair in pairs
    ]
    return permission | {"UserIdGroupPairs": changed}


ROWS = rows(
    "ec2",
    {
        "AuthorizeSecurityGroupIngress": (_authorize("Ingress"), "full", "the new rules are revoked"),
        "AuthorizeSecurityGroupEgress": (_authorize("Egress"), "full", "the new rules are revoked"),
        "RevokeSecurityGroupIngress": (
            _revoke("Ingress"),
            "full",
            "the rules are authorized again (with new rule ids)",
        ),
        "RevokeSecurityGroupEgress": (
            _revoke("Egress"),
            "full",
            "the rules are authorized again (with new rule ids)",
        ),
        "ModifySecurityGroupRules": (_modify_rules, "full", "the rules are set back"),
        "UpdateSecurityGroupRuleDescriptionsIngress": (
            _descriptions("Ingress"),
            "full",
            "the descriptions are set back",
        ),
        "UpdateSecurityGroupRuleDescriptionsEgress": (
            _descriptions("Egress"),
            "full",
            "the descriptions are set back",
        ),
        "CreateSecurityGroup": (made("DeleteSecurityGroup", ("GroupId",)), "full", "the group is deleted"),
        "DeleteSecurityGroup": (_delete, "new_id", "the group is made again with its rules"),
    },
)
