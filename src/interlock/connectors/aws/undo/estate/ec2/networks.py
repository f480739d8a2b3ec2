"""EC2 networks: VPCs, subnets, gateways, peerings, endpoints (EC2 API reference: CreateVpc, CreateNatGateway)."""

from typing import Any

from interlock.connectors.aws.undo.estate.common import Read, made, put_back, rows
from interlock.connectors.aws.undo.estate.draft import Draft, Gone, Maker, kept, own_tags, quoted
from interlock.connectors.aws.undo.estate.ec2.routes import in_vpc
from interlock.connectors.aws.undo.plan import Plan


def tagged(thing: dict[str, Any], kind: str) -> dict[str, Any]:
    """The tags that a thing gets when it is made again."""
    tags = own_tags(thing.get("Tags"))
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": tags}]} if tags else {}


async def _one(draft: Draft, operation: str, parameter: str, members: str) -> dict[str, Any]:
    """The thing that a call names by `parameter`."""
    asked = {f"{parameter}s": [draft.get(parameter)]}
    found: dict[str, Any] = await draft.must(
        f"{members}[0]", operation, asked, what=f"such {parameter.removesuffix('Id')}"
    )
    return found


_DNS = ("EnableDnsSupport", "EnableDnsHostnames")


async def _delete_vpc(draft: Draft) -> Plan:
    vpc = await _one(draft, "DescribeVpcs", "VpcId", "Vpcs")
    create = kept(vpc, "CidrBlock", "InstanceTenancy") | tagged(vpc, "vpc")
    like = {"Filters": [{"Name": "cidr", "Values": [vpc["CidrBlock"]]}]}
    new = await draft.again("vpc", "CreateVpc", create, find=("DescribeVpcs", like, "Vpcs", "VpcId"))
    for name in _DNS:
        value = await _dns(draft, name)
        draft.back("ModifyVpcAttribute", {"VpcId": new, name: {"Value": value}})
    if vpc.get("DhcpOptionsId"):
        draft.back("AssociateDhcpOptions", {"VpcId": new, "DhcpOptionsId": vpc["DhcpOptionsId"]})
    for block in vpc.get("CidrBlockAssociationSet", ()):
        if block["CidrBlock"] != vpc["CidrBlock"]:
            draft.back("AssociateVpcCidrBlock", {"VpcId": new, "CidrBlock": block["CidrBlock"]})
    return draft.lossy(
        "the VPC gets a new id, and its own security group, route table and network ACL are new ones"
    )


async def _dns(draft: Draft, name: str) -> bool:
    attribute = name[0].lower() + name[1:]
    asked = {"VpcId": draft.get("VpcId"), "Attribute": attribute}
    answer = await draft.ask("DescribeVpcAttribute", asked)
    if not answer:
        raise Gone("there is no such VPC")
    return bool(answer[name]["Value"])


async def _modify_vpc(draft: Draft) -> Plan:
    for name in (*_DNS, "EnableNetworkAddressUsageMetrics"):
        if draft.get(name) is not None:
            asked = {"VpcId": draft.get("VpcId"), "Attribute": name[0].lower() + name[1:]}
            old = await draft.watch(f"{name} of {draft.get('VpcId')}", "DescribeVpcAttribute", asked, name)
            draft.back("ModifyVpcAttribute", {"VpcId": draft.get("VpcId"), name: old})
    return draft.done()


async def _delete_subnet(draft: Draft) -> Plan:
    subnet = await _one(draft, "DescribeSubnets", "SubnetId", "Subnets")
    create = kept(subnet, "VpcId", "CidrBlock", "AvailabilityZone", "OutpostArn") | tagged(subnet, "subnet")
    if blocks := subnet.get("Ipv6CidrBlockAssociationSet"):
        create["Ipv6CidrBlock"] = blocks[0]["Ipv6CidrBlock"]
    like = in_vpc(subnet)
    new = await draft.again(
        "subnet", "CreateSubnet", create, find=("DescribeSubnets", like, "Subnets", "SubnetId")
    )
    for name in ("MapPublicIpOnLaunch", "AssignIpv6AddressOnCreation"):
        if subnet.get(name):
            draft.back("ModifySubnetAttribute", {"SubnetId": new, name: {"Value": True}})
    return draft.lossy("the subnet gets a new id, and the VPC's own route table and network ACL")


async def _modify_subnet(draft: Draft) -> Plan:
    name = next((name for name in draft.call.parameters if name != "SubnetId"), "")
    if name not in ("MapPublicIpOnLaunch", "AssignIpv6AddressOnCreation", "EnableDns64"):
        raise Gone(f"an inverse of {name} is not known")
    asked = {"SubnetIds": [draft.get("SubnetId")]}
    old = await draft.watch(
        f"{name} of {draft.get('SubnetId')}", "DescribeSubnets", asked, f"Subnets[0].{name}"
    )
    draft.back("ModifySubnetAttribute", {"SubnetId": draft.get("SubnetId"), name: {"Value": bool(old)}})
    return draft.done()


async def _delete_gateway(draft: Draft) -> Plan:
    gateway = await _one(draft, "DescribeInternetGateways", "InternetGatewayId", "InternetGateways")
    create = tagged(gateway, "internet-gateway")
    every: dict[str, Any] = {}
    find = ("DescribeInternetGateways", every, "InternetGateways", "InternetGatewayId")
    new = await draft.again("gateway", "CreateInternetGateway", create, find=find)
    for attachment in gateway.get("Attachments", ()):
        parameters = {"InternetGatewayId": new, "VpcId": attachment["VpcId"]}
        draft.back("AttachInternetGateway", parameters, present_ok=True)
    return draft.lossy("the gateway gets a new id")


_OPEN = ("active", "pending-acceptance", "provisioning", "initiating-request")


async def _delete_peering(draft: Draft) -> Plan:
    old = await _one(
        draft, "DescribeVpcPeeringConnections", "VpcPeeringConnectionId", "VpcPeeringConnections"
    )
    asker, other = old["RequesterVpcInfo"], old["AccepterVpcInfo"]
    if other.get("OwnerId") != asker.get("OwnerId") or other.get("Region") != asker.get("Region"):
        return Plan("none", reason="the other side is another account's or region's to accept")
    create = {"VpcId": asker["VpcId"], "PeerVpcId": other["VpcId"]} | tagged(old, "vpc-peering-connection")
    like = {
        "Filters": [
            {"Name": "requester-vpc-info.vpc-id", "Values": [asker["VpcId"]]},
            {"Name": "accepter-vpc-info.vpc-id", "Values": [other["VpcId"]]},
        ]
    }
    new = await draft.again(
        "peering",
        "CreateVpcPeeringConnection",
        create,
        find=(
            "DescribeVpcPeeringConnections",
            like,
            f"VpcPeeringConnections[?contains({quoted(list(_OPEN))}, Status.Code)]",
            "VpcPeeringConnectionId",
        ),
    )
    if old["Status"]["Code"] == "active":
        asked = {"VpcPeeringConnectionIds": [new]}
        unless = draft.check(
            "the peering",
            "DescribeVpcPeeringConnections",
            asked,
            "VpcPeeringConnections[0].Status.Code",
            "active",
        )
        draft.back("AcceptVpcPeeringConnection", {"VpcPeeringConnectionId": new}, unless=unless)
    return draft.lossy(
        "the peering gets a new id; routes to the old one lead nowhere until they are replaced"
    )


async def _delete_nat(draft: Draft) -> Plan:
    old = await _one(draft, "DescribeNatGateways", "NatGatewayId", "NatGateways")
    create = kept(old, "SubnetId", "ConnectivityType") | tagged(old, "natgateway")
    address: dict[str, Any] = next(iter(old.get("NatGatewayAddresses", ())), {})
    if address.get("AllocationId"):
        create["AllocationId"] = address["AllocationId"]
    gone = "length(NatGateways[?State!='deleted']) == `0`"
    draft.back("DescribeNatGateways", {"NatGatewayIds": [old["NatGatewayId"]]}, until=gone, absent_ok=True)
    find = ("DescribeNatGateways", _alive(old), "NatGateways", "NatGatewayId")
    new = await draft.again("nat", "CreateNatGateway", create, find=find)
    draft.back("DescribeNatGateways", {"NatGatewayIds": [new]}, until="NatGateways[0].State == 'available'")
    return draft.lossy(
        "the NAT gateway gets a new id; routes to the old one lead nowhere until they are replaced"
    )


def _alive(gateway: dict[str, Any]) -> dict[str, Any]:
    states = {"Name": "state", "Values": ["available", "pending"]}
    return {"Filter": [{"Name": "subnet-id", "Values": [gateway["SubnetId"]]}, states]}


_ENDPOINT = (
    "VpcId",
    "ServiceName",
    "VpcEndpointType",
    "PolicyDocument",
    "RouteTableIds",
    "SubnetIds",
    "PrivateDnsEnabled",
)


_LIVE = "VpcEndpoints[?State!='deleted' && State!='deleting']"


async def _delete_endpoints(draft: Draft) -> Plan:
    asked = {"VpcEndpointIds": draft.get("VpcEndpointIds")}
    found = await draft.must("VpcEndpoints", "DescribeVpcEndpoints", asked, what="such VPC endpoint")
    for number, old in enumerate(found):
        create = kept(old, *_ENDPOINT) | tagged(old, "vpc-endpoint")
        groups = [group["GroupId"] for group in old.get("Groups", ())]
        create |= {"SecurityGroupIds": groups} if groups else {}
        like = {
            "Filters": [
                {"Name": "vpc-id", "Values": [old["VpcId"]]},
                {"Name": "service-name", "Values": [old["ServiceName"]]},
            ]
        }
        find = ("DescribeVpcEndpoints", like, _LIVE, "VpcEndpointId")
        await draft.again(f"endpoint{number}", "CreateVpcEndpoint", create, find=find)
    return draft.lossy("endpoints get new ids and new addresses")


async def _delete_flow_logs(draft: Draft) -> Plan:
    asked = {"FlowLogIds": draft.get("FlowLogIds")}
    found = await draft.must("FlowLogs", "DescribeFlowLogs", asked, what="such flow log")
    for number, old in enumerate(found):
        create = kept(
            old,
            "LogGroupName",
            "TrafficType",
            "LogDestinationType",
            "LogDestination",
            "LogFormat",
            "MaxAggregationInterval",
        )
        if create.get("LogDestinationType") == "cloud-watch-logs":
            create.pop("LogDestination", None)
        create |= {"ResourceIds": [old["ResourceId"]], "ResourceType": _kind(old["ResourceId"])}
        if old.get("DeliverLogsPermissionArn"):
            create["DeliverLogsPermissionArn"] = old["DeliverLogsPermissionArn"]
        like = {"Filters": [{"Name": "resource-id", "Values": [old["ResourceId"]]}]}
        find = ("DescribeFlowLogs", like, "FlowLogs", "FlowLogId")
        await draft.again(f"log{number}", "CreateFlowLogs", create | tagged(old, "vpc-flow-log"), find=find)
    return draft.lossy("flow logs get new ids, and what passed meanwhile is not logged")


def _kind(resource: str) -> str:
    kinds = {"vpc": "VPC", "subnet": "Subnet", "eni": "NetworkInterface", "tgw": "TransitGateway"}
    return kinds.get(resource.split("-")[0], "NetworkInterface")


def _attach(operation: str) -> Maker:
    """Of an internet gateway: attached or not, that is all."""

    async def make(draft: Draft) -> Plan:
        keys = draft.given("InternetGatewayId", "VpcId")
        attached = await draft.watch(
            f"what {keys['InternetGatewayId']} is attached to",
            "DescribeInternetGateways",
            {"InternetGatewayIds": [keys["InternetGatewayId"]]},
            "InternetGateways[0].Attachments[].VpcId",
        )
        if (keys["VpcId"] in (attached or ())) == (operation == "AttachInternetGateway"):
            draft.back(operation, keys, present_ok=True, absent_ok=True)
        return draft.done()

    return make


_DHCP = Read("DescribeVpcs", {"VpcIds": "[VpcId]"}, "Vpcs[0].{DhcpOptionsId: DhcpOptionsId}")
_NAT_WAIT = ("nat_gateway_deleted", {"NatGatewayIds": "${NatGatewayIds}"})

ROWS = rows(
    "ec2",
    {
        "CreateVpc": (made("DeleteVpc", {"VpcId": "Vpc.VpcId"}), "full", "the VPC is deleted"),
        "DeleteVpc": (_delete_vpc, "new_id", "the VPC is made again"),
        "ModifyVpcAttribute": (_modify_vpc, "full", "the attribute is set back"),
        "AssociateDhcpOptions": (
            put_back(
                "AssociateDhcpOptions",
                ("VpcId",),
                ("DhcpOptionsId",),
                read=_DHCP,
                what="the DHCP options of {VpcId}",
            ),
            "full",
            "the old options are associated",
        ),
        "AssociateVpcCidrBlock": (
            made("DisassociateVpcCidrBlock", {"AssociationId": "CidrBlockAssociation.AssociationId"}),
            "full",
            "the block is taken away",
        ),
        "CreateSubnet": (
            made("DeleteSubnet", {"SubnetId": "Subnet.SubnetId"}),
            "full",
            "the subnet is deleted",
        ),
        "DeleteSubnet": (_delete_subnet, "new_id", "the subnet is made again"),
        "ModifySubnetAttribute": (_modify_subnet, "full", "the attribute is set back"),
        "CreateInternetGateway": (
            made("DeleteInternetGateway", {"InternetGatewayId": "InternetGateway.InternetGatewayId"}),
            "full",
            "the gateway is deleted",
        ),
        "DeleteInternetGateway": (_delete_gateway, "new_id", "the gateway is made again"),
        "AttachInternetGateway": (_attach("DetachInternetGateway"), "full", "the gateway is detached"),
        "DetachInternetGateway": (_attach("AttachInternetGateway"), "full", "the gateway is attached again"),
        "CreateEgressOnlyInternetGateway": (
            made(
                "DeleteEgressOnlyInternetGateway",
                {"EgressOnlyInternetGatewayId": "EgressOnlyInternetGateway.EgressOnlyInternetGatewayId"},
            ),
            "full",
            "the gateway is deleted",
        ),
        "CreateVpcPeeringConnection": (
            made(
                "DeleteVpcPeeringConnection",
                {"VpcPeeringConnectionId": "VpcPeeringConnection.VpcPeeringConnectionId"},
            ),
            "full",
            "the peering is deleted",
        ),
        "AcceptVpcPeeringConnection": (
            made(
                "DeleteVpcPeeringConnection",
                (),
                ("VpcPeeringConnectionId",),
                caveats=("the request is gone as well",),
            ),
            "new_id",
            "the peering is deleted",
        ),
        "DeleteVpcPeeringConnection": (_delete_peering, "new_id", "asked for and accepted again"),
        "CreateNatGateway": (
            made("DeleteNatGateway", {"NatGatewayId": "NatGateway.NatGatewayId"}),
            "full",
            "the gateway is deleted",
        ),
        "DeleteNatGateway": (_delete_nat, "new_id", "the gateway is made again with its address"),
        "CreateVpcEndpoint": (
            made("DeleteVpcEndpoints", {"VpcEndpointIds": "[VpcEndpoint.VpcEndpointId]"}),
            "full",
            "the endpoint is deleted",
        ),
        "DeleteVpcEndpoints": (_delete_endpoints, "new_id", "the endpoints are made again"),
        "CreateFlowLogs": (
            made("DeleteFlowLogs", {"FlowLogIds": "FlowLogIds"}),
            "full",
            "the flow logs are deleted",
        ),
        "DeleteFlowLogs": (_delete_flow_logs, "new_id", "the flow logs are made again"),
    },
)
