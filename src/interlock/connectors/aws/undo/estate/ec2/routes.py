"""EC2 routes, route tables and network ACLs (EC2 API reference: CreateRoute, ReplaceRoute, CreateNetworkAclEntry)."""

import re
from typing import Any

from interlock.connectors.aws.undo.estate.common import Read, made, put_back, rows
from interlock.connectors.aws.undo.estate.draft import Draft, Gone, kept, kept_all, own_tags, slot
from interlock.connectors.aws.undo.plan import Plan

_TO = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
_VIA = (
    "GatewayId",
    "NatGatewayId",
    "TransitGatewayId",
    "VpcPeeringConnectionId",
    "NetworkInterfaceId",
    "InstanceId",
    "EgressOnlyInternetGatewayId",
    "LocalGatewayId",
    "CarrierGatewayId",
    "CoreNetworkArn",
)


def _hop(route: dict[str, Any]) -> dict[str, Any]:
    """Where a route leads, as CreateRoute wants it: endpoints have a name of their own there."""
    via = kept(route, *_VIA)
    if "NetworkInterfaceId" in via:
        via.pop("InstanceId", None)
    if str(via.get("GatewayId", "")).startswith("vpce-"):
        return {"VpcEndpointId": via["GatewayId"]}
    return via


async def _route(draft: Draft) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The destination, and the route that leads there now."""
    there = draft.given(*_TO)
    if len(there) != 1:
        raise Gone("it names no single destination")
    ((member, value),) = there.items()
    found = await draft.watch(
        f"the route to {value} in {draft.get('RouteTableId')}",
        "DescribeRouteTables",
        {"RouteTableIds": [draft.get("RouteTableId")]},
        f"RouteTables[0].Routes[?{member}=='{_safe(value)}'] | [0]",
    )
    return {"RouteTableId": draft.get("RouteTableId"), **there}, found


def in_vpc(thing: dict[str, Any]) -> dict[str, Any]:
    """The filter for what lies in the same VPC."""
    return {"Filters": [{"Name": "vpc-id", "Values": [thing["VpcId"]]}]}


def _safe(value: Any) -> str:
    if not re.fullmatch(r"[0-9A-Za-z.:/-]+", str(value)):
        raise Gone("its destination can't be a route's")
    return str(value)


async def _create_route(draft: Draft) -> Plan:
    where, _ = await _route(draft)
    draft.back("DeleteRoute", where, absent_ok=True)
    return draft.done()


async def _replace_route(draft: Draft) -> Plan:
    where, old = await _route(draft)
    if not old:
        raise Gone("there is no such route")
    local = old.get("GatewayId") == "local"
    draft.back("ReplaceRoute", where | ({"LocalTarget": True} if local else _hop(old)))
    return draft.done()


async def _delete_route(draft: Draft) -> Plan:
    where, old = await _route(draft)
    if not old:
        raise Gone("there is no such route")
    draft.back("CreateRoute", where | _hop(old), present_ok=True)
    return draft.done()


async def _delete_table(draft: Draft) -> Plan:
    asked = {"RouteTableIds": [draft.get("RouteTableId")]}
    table = await draft.must("RouteTables[0]", "DescribeRouteTables", asked, what="such route table")
    create: dict[str, Any] = {"VpcId": table["VpcId"]}
    if tags := own_tags(table.get("Tags")):
        create["TagSpecifications"] = [{"ResourceType": "route-table", "Tags": tags}]
    find = ("DescribeRouteTables", in_vpc(table), "RouteTables", "RouteTableId")
    await draft.again("table", "CreateRouteTable", create, find=find)
    for route in table.get("Routes", ()):
        if route.get("GatewayId") != "local" and route.get("Origin") in (None, "CreateRoute"):
            where = kept(route, *_TO)
            parameters = {"RouteTableId": slot("table"), **where, **_hop(route)}
            draft.back("CreateRoute", parameters, present_ok=True)
    for gateway in table.get("PropagatingVgws", ()):
        parameters = {"RouteTableId": slot("table"), "GatewayId": gateway["GatewayId"]}
        draft.back("EnableVgwRoutePropagation", parameters)
    return draft.lossy("the route table gets a new id")


async def _association(draft: Draft) -> dict[str, Any]:
    name = draft.get("AssociationId")
    asked = {"Filters": [{"Name": "association.route-table-association-id", "Values": [name]}]}
    tables = await draft.must("RouteTables", "DescribeRouteTables", asked, what="such association")
    for table in tables:
        for one in table.get("Associations", ()):
            if one.get("RouteTableAssociationId") == name:
                return {"RouteTableId": table["RouteTableId"], "VpcId": table["VpcId"], **one}
    raise Gone("there is no such association")


async def _disassociate(draft: Draft) -> Plan:
    old = await _association(draft)
    draft.back("AssociateRouteTable", kept(old, "RouteTableId", "SubnetId", "GatewayId"), present_ok=True)
    return draft.lossy("the association gets a new id")


async def _replace_association(draft: Draft) -> Plan:
    old = await _association(draft)
    member = "subnet-id" if old.get("SubnetId") else "gateway-id"
    where = {"Name": f"association.{member}", "Values": [old.get("SubnetId") or old.get("GatewayId")]}
    if old.get("Main"):
        where = {"Name": "association.main", "Values": ["true"]}
    asked = {"Filters": [where, {"Name": "vpc-id", "Values": [old["VpcId"]]}]}
    await draft.watch("which route table it is", "DescribeRouteTables", asked, "RouteTables[0].RouteTableId")
    draft.saves["association"] = "NewAssociationId"
    draft.back(
        "ReplaceRouteTableAssociation",
        {"AssociationId": slot("association"), "RouteTableId": old["RouteTableId"]},
    )
    return draft.lossy("the association gets a new id")


_ENTRY = ("Protocol", "RuleAction", "CidrBlock", "Ipv6CidrBlock", "IcmpTypeCode", "PortRange")
_ENTRY_KEY = ("NetworkAclId", "RuleNumber", "Egress")
_ENTRY_NOW = Read(
    "DescribeNetworkAcls",
    {"NetworkAclIds": "[NetworkAclId]"},
    "NetworkAcls[0].Entries[?RuleNumber==$RuleNumber && Egress==$Egress] | [0]",
)


def _entry(operation: str) -> Any:
    return put_back(
        operation,
        _ENTRY_KEY,
        _ENTRY,
        read=_ENTRY_NOW,
        what="rule {RuleNumber} of {NetworkAclId}",
        absent=("DeleteNetworkAclEntry", _ENTRY_KEY) if operation.startswith("Replace") else None,
    )


async def _delete_acl(draft: Draft) -> Plan:
    asked = {"NetworkAclIds": [draft.get("NetworkAclId")]}
    old = await draft.must("NetworkAcls[0]", "DescribeNetworkAcls", asked, what="such network ACL")
    create: dict[str, Any] = {"VpcId": old["VpcId"]}
    if tags := own_tags(old.get("Tags")):
        create["TagSpecifications"] = [{"ResourceType": "network-acl", "Tags": tags}]
    find = ("DescribeNetworkAcls", in_vpc(old), "NetworkAcls", "NetworkAclId")
    await draft.again("acl", "CreateNetworkAcl", create, find=find)
    for entry in old.get("Entries", ()):
        if entry["RuleNumber"] < 32767:
            rule = kept_all(entry, "RuleNumber", "Egress", *_ENTRY)
            draft.back("CreateNetworkAclEntry", {"NetworkAclId": slot("acl"), **rule}, present_ok=True)
    return draft.lossy("the network ACL gets a new id")


async def _replace_acl(draft: Draft) -> Plan:
    name = draft.get("AssociationId")
    asked = {"Filters": [{"Name": "association.association-id", "Values": [name]}]}
    old = await draft.must("NetworkAcls[0]", "DescribeNetworkAcls", asked, what="such association")
    subnet = next(one["SubnetId"] for one in old["Associations"] if one["NetworkAclAssociationId"] == name)
    of_it = {"Filters": [{"Name": "association.subnet-id", "Values": [subnet]}]}
    await draft.watch(f"the ACL of {subnet}", "DescribeNetworkAcls", of_it, "NetworkAcls[0].NetworkAclId")
    draft.saves["association"] = "NewAssociationId"
    draft.back(
        "ReplaceNetworkAclAssociation",
        {"AssociationId": slot("association"), "NetworkAclId": old["NetworkAclId"]},
    )
    return draft.lossy("the association gets a new id")


ROWS = rows(
    "ec2",
    {
        "CreateRoute": (_create_route, "full", "the route is deleted"),
        "ReplaceRoute": (_replace_route, "full", "the old route is put back"),
        "DeleteRoute": (_delete_route, "full", "the route is made again"),
        "CreateRouteTable": (
            made("DeleteRouteTable", {"RouteTableId": "RouteTable.RouteTableId"}),
            "full",
            "the table is deleted",
        ),
        "DeleteRouteTable": (_delete_table, "new_id", "the table is made again with its routes"),
        "AssociateRouteTable": (
            made("DisassociateRouteTable", ("AssociationId",)),
            "full",
            "the association is removed",
        ),
        "DisassociateRouteTable": (_disassociate, "new_id", "the table is associated again"),
        "ReplaceRouteTableAssociation": (_replace_association, "new_id", "the old table is associated again"),
        "EnableVgwRoutePropagation": (
            made("DisableVgwRoutePropagation", (), ("RouteTableId", "GatewayId")),
            "full",
            "propagation is switched off",
        ),
        "DisableVgwRoutePropagation": (
            made("EnableVgwRoutePropagation", (), ("RouteTableId", "GatewayId")),
            "full",
            "propagation is switched on",
        ),
        "CreateNetworkAcl": (
            made("DeleteNetworkAcl", {"NetworkAclId": "NetworkAcl.NetworkAclId"}),
            "full",
            "the ACL is deleted",
        ),
        "DeleteNetworkAcl": (_delete_acl, "new_id", "the ACL is made again with its rules"),
        "CreateNetworkAclEntry": (
            made("DeleteNetworkAclEntry", (), _ENTRY_KEY, unless=_ENTRY_NOW),
            "full",
            "the rule is deleted",
        ),
        "ReplaceNetworkAclEntry": (_entry("ReplaceNetworkAclEntry"), "full", "the old rule is put back"),
        "DeleteNetworkAclEntry": (_entry("CreateNetworkAclEntry"), "full", "the rule is made again"),
        "ReplaceNetworkAclAssociation": (_replace_acl, "new_id", "the old ACL is associated again"),
    },
)
