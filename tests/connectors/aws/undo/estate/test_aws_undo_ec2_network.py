"""op → revert → compare for EC2 networks: security groups, routes, ACLs, gateways, addresses."""

import pytest

from tests.connectors.aws.undo.rig import Account, Case, prove

VPC = (
    "ec2",
    "CreateVpc",
    {
        "CidrBlock": "10.7.0.0/16",
        "TagSpecifications": [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "main"}]}],
    },
    {"vpc": "Vpc.VpcId"},
)
OTHER = ("ec2", "CreateVpc", {"CidrBlock": "10.8.0.0/16"}, {"other": "Vpc.VpcId"})
SUBNET = ("ec2", "CreateSubnet", {"VpcId": "${vpc}", "CidrBlock": "10.7.1.0/24"}, {"subnet": "Subnet.SubnetId"})
PUBLIC = ("ec2", "ModifySubnetAttribute", {"SubnetId": "${subnet}", "MapPublicIpOnLaunch": {"Value": True}})
GROUP = (
    "ec2",
    "CreateSecurityGroup",
    {
        "GroupName": "web",
        "Description": "web servers",
        "VpcId": "${vpc}",
        "TagSpecifications": [{"ResourceType": "security-group", "Tags": [{"Key": "Name", "Value": "w"}]}],
    },
    {"group": "GroupId"},
)
HTTPS = {
    "IpProtocol": "tcp",
    "FromPort": 443,
    "ToPort": 443,
    "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "all"}, {"CidrIp": "10.0.0.0/8"}],
}
OWN = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "${group}"}]}
OPEN = ("ec2", "AuthorizeSecurityGroupIngress", {"GroupId": "${group}", "IpPermissions": [HTTPS, OWN]})
RULE = (
    "ec2",
    "AuthorizeSecurityGroupIngress",
    {"GroupId": "${group}", "IpPermissions": [HTTPS]},
    {"rule": "SecurityGroupRules[0].SecurityGroupRuleId"},
)
RULES = (
    "ec2",
    "DescribeSecurityGroups",
    {"Filters": [{"Name": "group-name", "Values": ["web"]}]},
    "SecurityGroups[].[GroupName, Description, Tags, sort(IpPermissions[].IpRanges[].to_string(@)), "
    "sort(IpPermissions[].IpProtocol), IpPermissions[].UserIdGroupPairs[].UserId, IpPermissionsEgress]",
)
OUT = {"IpProtocol": "tcp", "FromPort": 25, "ToPort": 25, "IpRanges": [{"CidrIp": "10.1.0.0/16"}]}
GROUP_WORLD = (VPC, GROUP, OPEN)
GATEWAY = ("ec2", "CreateInternetGateway", {}, {"gateway": "InternetGateway.InternetGatewayId"})
GATEWAY2 = ("ec2", "CreateEgressOnlyInternetGateway", {"VpcId": "${vpc}"})
ATTACHED = ("ec2", "AttachInternetGateway", {"InternetGatewayId": "${gateway}", "VpcId": "${vpc}"})
GATEWAYS = (
    "ec2",
    "DescribeInternetGateways",
    {},
    "InternetGateways[].Attachments[].VpcId",
)
TABLE = (
    "ec2",
    "CreateRouteTable",
    {
        "VpcId": "${vpc}",
        "TagSpecifications": [{"ResourceType": "route-table", "Tags": [{"Key": "Name", "Value": "t"}]}],
    },
    {"table": "RouteTable.RouteTableId"},
)
TABLE2 = ("ec2", "CreateRouteTable", {"VpcId": "${vpc}"}, {"table2": "RouteTable.RouteTableId"})
ROUTE = (
    "ec2",
    "CreateRoute",
    {"RouteTableId": "${table}", "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "${gateway}"},
)
ROUTE_WORLD = (VPC, GATEWAY, ATTACHED, TABLE)
TABLES = (
    "ec2",
    "DescribeRouteTables",
    {},
    "sort(RouteTables[].to_string([Tags, Routes[].[DestinationCidrBlock, GatewayId], VpcId]))",
)
ASSOCIATIONS = ("ec2", "DescribeRouteTables", {}, "sort(RouteTables[].to_string([RouteTableId, Associations[].SubnetId]))")
ACL = ("ec2", "CreateNetworkAcl", {"VpcId": "${vpc}"}, {"acl": "NetworkAcl.NetworkAclId"})
ENTRY = (
    "ec2",
    "CreateNetworkAclEntry",
    {
        "NetworkAclId": "${acl}",
        "RuleNumber": 100,
        "Protocol": "6",
        "RuleAction": "allow",
        "Egress": False,
        "CidrBlock": "10.0.0.0/8",
        "PortRange": {"From": 22, "To": 22},
    },
)
ACLS = ("ec2", "DescribeNetworkAcls", {}, "sort(NetworkAcls[].to_string([VpcId, Entries]))")
ADDRESS = ("ec2", "AllocateAddress", {"Domain": "vpc"}, {"address": "AllocationId", "ip": "PublicIp"})
INTERFACE = (
    "ec2",
    "CreateNetworkInterface",
    {"SubnetId": "${subnet}", "Description": "spare"},
    {"interface": "NetworkInterface.NetworkInterfaceId"},
)
ASSOCIATED = (
    "ec2",
    "AssociateAddress",
    {"AllocationId": "${address}", "NetworkInterfaceId": "${interface}"},
    {"association": "AssociationId"},
)
ADDRESSES = ("ec2", "DescribeAddresses", {}, "Addresses[].[PublicIp, NetworkInterfaceId]")
PEERING = (
    "ec2",
    "CreateVpcPeeringConnection",
    {"VpcId": "${vpc}", "PeerVpcId": "${other}"},
    {"peering": "VpcPeeringConnection.VpcPeeringConnectionId"},
)
ACCEPTED = ("ec2", "AcceptVpcPeeringConnection", {"VpcPeeringConnectionId": "${peering}"})
PEERINGS = (
    "ec2",
    "DescribeVpcPeeringConnections",
    {},
    "VpcPeeringConnections[?Status.Code!='deleted'].[Status.Code, RequesterVpcInfo.VpcId, AccepterVpcInfo.VpcId]",
)
NAT = (
    "ec2",
    "CreateNatGateway",
    {"SubnetId": "${subnet}", "AllocationId": "${address}"},
    {"nat": "NatGateway.NatGatewayId"},
)
PRIVATE_NAT = (*NAT[:2], {"SubnetId": "${subnet}", "ConnectivityType": "private"}, NAT[3])
NATS = (
    "ec2",
    "DescribeNatGateways",
    {"Filter": [{"Name": "state", "Values": ["available"]}]},
    "NatGateways[].[SubnetId, NatGatewayAddresses[].AllocationId]",
)
ENDPOINT = (
    "ec2",
    "CreateVpcEndpoint",
    {
        "VpcId": "${vpc}",
        "ServiceName": "com.amazonaws.eu-central-1.s3",
        "VpcEndpointType": "Gateway",
        "RouteTableIds": ["${table}"],
    },
    {"endpoint": "VpcEndpoint.VpcEndpointId"},
)
ENDPOINTS = ("ec2", "DescribeVpcEndpoints", {}, "VpcEndpoints[?State!='deleted'].[VpcId, ServiceName, RouteTableIds]")
LOGS = (
    ("logs", "CreateLogGroup", {"logGroupName": "flow"}),
    ("iam", "CreateRole", {"RoleName": "flow", "AssumeRolePolicyDocument": "{}"}, {"role": "Role.Arn"}),
)
FLOW = (
    "ec2",
    "CreateFlowLogs",
    {
        "ResourceIds": ["${vpc}"],
        "ResourceType": "VPC",
        "TrafficType": "ALL",
        "LogGroupName": "flow",
        "DeliverLogsPermissionArn": "${role}",
    },
    {"log": "FlowLogIds[0]"},
)
FLOWS = ("ec2", "DescribeFlowLogs", {}, "FlowLogs[].[ResourceId, TrafficType, LogGroupName, DeliverLogsPermissionArn]")
SUBNETS = ("ec2", "DescribeSubnets", {"Filters": [{"Name": "vpc-id", "Values": ["${vpc}"]}]}, "Subnets[].[CidrBlock, MapPublicIpOnLaunch, AvailabilityZone]")
VPCS = ("ec2", "DescribeVpcs", {"Filters": [{"Name": "cidr", "Values": ["10.7.0.0/16"]}]}, "Vpcs[].[CidrBlock, Tags]")
INTERFACES = ("ec2", "DescribeNetworkInterfaces", {}, "NetworkInterfaces[].[Description, SubnetId, PrivateIpAddress]")


def deleted(name: str, given: tuple[object, ...], call: tuple[object, ...], *state: tuple[object, ...], ids: tuple[object, ...]) -> Case:
    """What comes back under another id."""
    return Case(name=name, given=given, call=call, state=(*state, ids), kind="new_id", differs=(len(state),))  # type: ignore[arg-type]


CASES = (
    Case(name="authorize-ingress", given=(VPC, GROUP), call=OPEN, state=(RULES,)),
    Case(
        name="authorize-egress",
        given=(VPC, GROUP),
        call=("ec2", "AuthorizeSecurityGroupEgress", {"GroupId": "${group}", "IpPermissions": [OUT]}),
        state=(RULES,),
    ),
    Case(
        name="revoke-ingress",
        given=GROUP_WORLD,
        call=("ec2", "RevokeSecurityGroupIngress", {"GroupId": "${group}", "IpPermissions": [HTTPS]}),
        state=(RULES,),
    ),
    Case(
        name="revoke-older-form",
        given=GROUP_WORLD,
        call=(
            "ec2",
            "RevokeSecurityGroupIngress",
            {"GroupId": "${group}", "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"},
        ),
        state=(RULES,),
    ),
    Case(
        name="revoke-by-id",
        given=(VPC, GROUP, RULE),
        call=("ec2", "RevokeSecurityGroupIngress", {"GroupId": "${group}", "SecurityGroupRuleIds": ["${rule}"]}),
        state=(RULES,),
    ),
    Case(
        name="revoke-egress",
        given=GROUP_WORLD,
        call=(
            "ec2",
            "RevokeSecurityGroupEgress",
            {
                "GroupId": "${group}",
                "IpPermissions": [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
            },
        ),
        state=(RULES,),
    ),
    Case(
        name="modify-rules",
        given=(VPC, GROUP, RULE),
        call=(
            "ec2",
            "ModifySecurityGroupRules",
            {
                "GroupId": "${group}",
                "SecurityGroupRules": [
                    {
                        "SecurityGroupRuleId": "${rule}",
                        "SecurityGroupRule": {
                            "IpProtocol": "tcp",
                            "FromPort": 1,
                            "ToPort": 9,
                            "CidrIpv4": "0.0.0.0/0",
                        },
                    }
                ],
            },
        ),
        state=(("ec2", "DescribeSecurityGroupRules", {}, "SecurityGroupRules[].[FromPort, ToPort, CidrIpv4]"),),
    ),
    Case(
        name="descriptions",
        given=GROUP_WORLD,
        call=(
            "ec2",
            "UpdateSecurityGroupRuleDescriptionsIngress",
            {
                "GroupId": "${group}",
                "IpPermissions": [
                    {**HTTPS, "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "nobody"}]}
                ],
            },
        ),
        state=(RULES,),
    ),
    Case(
        name="create-group",
        given=(VPC,),
        call=GROUP[:3],
        state=(RULES,),
    ),
    deleted(
        "delete-group",
        GROUP_WORLD,
        ("ec2", "DeleteSecurityGroup", {"GroupId": "${group}"}),
        RULES,
        ids=("ec2", "DescribeSecurityGroups", RULES[2], "SecurityGroups[].GroupId"),
    ),
    Case(name="create-route", given=ROUTE_WORLD, call=ROUTE, state=(TABLES,)),
    Case(
        name="replace-route",
        given=(*ROUTE_WORLD, ROUTE, SUBNET, INTERFACE),
        call=(
            "ec2",
            "ReplaceRoute",
            {"RouteTableId": "${table}", "DestinationCidrBlock": "0.0.0.0/0", "NetworkInterfaceId": "${interface}"},
        ),
        state=(TABLES,),
    ),
    Case(
        name="delete-route",
        given=(*ROUTE_WORLD, ROUTE),
        call=("ec2", "DeleteRoute", {"RouteTableId": "${table}", "DestinationCidrBlock": "0.0.0.0/0"}),
        state=(TABLES,),
    ),
    Case(name="create-table", given=(VPC,), call=TABLE[:3], state=(TABLES,)),
    deleted(
        "delete-table",
        (*ROUTE_WORLD, ROUTE),
        ("ec2", "DeleteRouteTable", {"RouteTableId": "${table}"}),
        TABLES,
        ids=("ec2", "DescribeRouteTables", {}, "sort(RouteTables[].RouteTableId)"),
    ),
    Case(
        name="associate-table",
        given=(VPC, SUBNET, TABLE),
        call=("ec2", "AssociateRouteTable", {"RouteTableId": "${table}", "SubnetId": "${subnet}"}),
        state=(ASSOCIATIONS,),
    ),
    Case(
        name="disassociate-table",
        given=(
            VPC,
            SUBNET,
            TABLE,
            (
                "ec2",
                "AssociateRouteTable",
                {"RouteTableId": "${table}", "SubnetId": "${subnet}"},
                {"association": "AssociationId"},
            ),
        ),
        call=("ec2", "DisassociateRouteTable", {"AssociationId": "${association}"}),
        state=(ASSOCIATIONS,),
        kind="new_id",
    ),
    Case(
        name="replace-table",
        given=(
            VPC,
            SUBNET,
            TABLE,
            TABLE2,
            (
                "ec2",
                "AssociateRouteTable",
                {"RouteTableId": "${table}", "SubnetId": "${subnet}"},
                {"association": "AssociationId"},
            ),
        ),
        call=(
            "ec2",
            "ReplaceRouteTableAssociation",
            {"AssociationId": "${association}", "RouteTableId": "${table2}"},
        ),
        state=(ASSOCIATIONS,),
        kind="new_id",
    ),
    Case(name="create-acl", given=(VPC,), call=ACL[:3], state=(ACLS,)),
    deleted(
        "delete-acl",
        (VPC, ACL, ENTRY),
        ("ec2", "DeleteNetworkAcl", {"NetworkAclId": "${acl}"}),
        ACLS,
        ids=("ec2", "DescribeNetworkAcls", {}, "sort(NetworkAcls[].NetworkAclId)"),
    ),
    Case(name="create-entry", given=(VPC, ACL), call=ENTRY, state=(ACLS,)),
    Case(
        name="replace-entry",
        given=(VPC, ACL, ENTRY),
        call=("ec2", "ReplaceNetworkAclEntry", {**ENTRY[2], "RuleAction": "deny"}),
        state=(ACLS,),
    ),
    Case(
        name="delete-entry",
        given=(VPC, ACL, ENTRY),
        call=("ec2", "DeleteNetworkAclEntry", {"NetworkAclId": "${acl}", "RuleNumber": 100, "Egress": False}),
        state=(ACLS,),
    ),
    Case(
        name="replace-acl",
        given=(
            VPC,
            SUBNET,
            (
                "ec2",
                "DescribeNetworkAcls",
                {"Filters": [{"Name": "vpc-id", "Values": ["${vpc}"]}]},
                {"association": "NetworkAcls[0].Associations[0].NetworkAclAssociationId"},
            ),
            ACL,
        ),
        call=("ec2", "ReplaceNetworkAclAssociation", {"AssociationId": "${association}", "NetworkAclId": "${acl}"}),
        state=(
            ("ec2", "DescribeNetworkAcls", {}, "sort(NetworkAcls[].to_string([NetworkAclId, Associations[].SubnetId]))"),
        ),
        kind="new_id",
    ),
    Case(name="create-vpc", call=VPC[:3], state=(VPCS,)),
    deleted(
        "delete-vpc",
        (VPC,),
        ("ec2", "DeleteVpc", {"VpcId": "${vpc}"}),
        VPCS,
        ids=("ec2", "DescribeVpcs", VPCS[2], "Vpcs[].VpcId"),
    ),
    Case(
        name="modify-vpc",
        given=(VPC,),
        call=("ec2", "ModifyVpcAttribute", {"VpcId": "${vpc}", "EnableDnsSupport": {"Value": False}}),
        state=(
            (
                "ec2",
                "DescribeVpcAttribute",
                {"VpcId": "${vpc}", "Attribute": "enableDnsSupport"},
                "EnableDnsSupport",
            ),
        ),
    ),
    Case(
        name="dhcp-options",
        given=(
            VPC,
            (
                "ec2",
                "CreateDhcpOptions",
                {"DhcpConfigurations": [{"Key": "domain-name", "Values": ["a.test"]}]},
                {"a": "DhcpOptions.DhcpOptionsId"},
            ),
            (
                "ec2",
                "CreateDhcpOptions",
                {"DhcpConfigurations": [{"Key": "domain-name", "Values": ["b.test"]}]},
                {"b": "DhcpOptions.DhcpOptionsId"},
            ),
            ("ec2", "AssociateDhcpOptions", {"VpcId": "${vpc}", "DhcpOptionsId": "${a}"}),
        ),
        call=("ec2", "AssociateDhcpOptions", {"VpcId": "${vpc}", "DhcpOptionsId": "${b}"}),
        state=(("ec2", "DescribeVpcs", {"VpcIds": ["${vpc}"]}, "Vpcs[].DhcpOptionsId"),),
    ),
    Case(
        name="associate-cidr",
        given=(VPC,),
        call=("ec2", "AssociateVpcCidrBlock", {"VpcId": "${vpc}", "CidrBlock": "10.9.0.0/16"}),
        state=(
            (
                "ec2",
                "DescribeVpcs",
                {"VpcIds": ["${vpc}"]},
                "Vpcs[].CidrBlockAssociationSet[?CidrBlockState.State=='associated'].CidrBlock",
            ),
        ),
    ),
    Case(name="create-subnet", given=(VPC,), call=SUBNET[:3], state=(SUBNETS,)),
    deleted(
        "delete-subnet",
        (VPC, SUBNET, PUBLIC),
        ("ec2", "DeleteSubnet", {"SubnetId": "${subnet}"}),
        SUBNETS,
        ids=("ec2", "DescribeSubnets", SUBNETS[2], "Subnets[].SubnetId"),
    ),
    Case(name="modify-subnet", given=(VPC, SUBNET), call=PUBLIC, state=(SUBNETS,)),
    Case(
        name="create-gateway",
        call=GATEWAY[:3],
        state=(("ec2", "DescribeInternetGateways", {}, "length(InternetGateways)"),),
    ),
    deleted(
        "delete-gateway",
        (VPC, GATEWAY),
        ("ec2", "DeleteInternetGateway", {"InternetGatewayId": "${gateway}"}),
        ("ec2", "DescribeInternetGateways", {}, "length(InternetGateways)"),
        ids=("ec2", "DescribeInternetGateways", {}, "InternetGateways[].InternetGatewayId"),
    ),
    Case(name="attach-gateway", given=(VPC, GATEWAY), call=ATTACHED, state=(GATEWAYS,)),
    Case(
        name="detach-gateway",
        given=(VPC, GATEWAY, ATTACHED),
        call=("ec2", "DetachInternetGateway", {"InternetGatewayId": "${gateway}", "VpcId": "${vpc}"}),
        state=(GATEWAYS,),
    ),
    Case(
        name="egress-gateway",
        given=(VPC,),
        call=GATEWAY2,
        state=(("ec2", "DescribeEgressOnlyInternetGateways", {}, "length(EgressOnlyInternetGateways)"),),
    ),
    Case(name="create-peering", given=(VPC, OTHER), call=PEERING[:3], state=(PEERINGS,)),
    Case(
        name="accept-peering",
        given=(VPC, OTHER, PEERING),
        call=ACCEPTED,
        state=(PEERINGS,),
        kind="new_id",
        differs=(0,),
    ),
    deleted(
        "delete-peering",
        (VPC, OTHER, PEERING, ACCEPTED),
        ("ec2", "DeleteVpcPeeringConnection", {"VpcPeeringConnectionId": "${peering}"}),
        PEERINGS,
        ids=(*PEERINGS[:3], "VpcPeeringConnections[?Status.Code!='deleted'].VpcPeeringConnectionId"),
    ),
    Case(name="create-nat", given=(VPC, SUBNET, ADDRESS), call=NAT[:3], state=(NATS,)),
    deleted(
        "delete-nat",
        (VPC, SUBNET, PRIVATE_NAT),
        ("ec2", "DeleteNatGateway", {"NatGatewayId": "${nat}"}),
        NATS,
        ids=(*NATS[:3], "NatGateways[].NatGatewayId"),
    ),
    Case(name="create-endpoint", given=(VPC, TABLE), call=ENDPOINT[:3], state=(ENDPOINTS,)),
    deleted(
        "delete-endpoints",
        (VPC, TABLE, ENDPOINT),
        ("ec2", "DeleteVpcEndpoints", {"VpcEndpointIds": ["${endpoint}"]}),
        ENDPOINTS,
        ids=(*ENDPOINTS[:3], "VpcEndpoints[?State!='deleted'].VpcEndpointId"),
    ),
    Case(name="create-flow-logs", given=(VPC, *LOGS), call=FLOW[:3], state=(FLOWS,)),
    deleted(
        "delete-flow-logs",
        (VPC, *LOGS, FLOW),
        ("ec2", "DeleteFlowLogs", {"FlowLogIds": ["${log}"]}),
        FLOWS,
        ids=(*FLOWS[:3], "FlowLogs[].FlowLogId"),
    ),
    Case(name="allocate-address", call=ADDRESS[:3], state=(ADDRESSES,)),
    deleted(
        "release-address",
        (ADDRESS,),
        ("ec2", "ReleaseAddress", {"AllocationId": "${address}"}),
        ADDRESSES,
        ids=(*ADDRESSES[:3], "Addresses[].AllocationId"),
    ),
    Case(name="associate-address", given=(VPC, SUBNET, INTERFACE, ADDRESS), call=ASSOCIATED[:3], state=(ADDRESSES,)),
    Case(
        name="disassociate-address",
        given=(VPC, SUBNET, INTERFACE, ADDRESS, ASSOCIATED),
        call=("ec2", "DisassociateAddress", {"AssociationId": "${association}"}),
        state=(ADDRESSES,),
    ),
    Case(name="create-interface", given=(VPC, SUBNET), call=INTERFACE[:3], state=(INTERFACES,)),
    deleted(
        "delete-interface",
        (VPC, SUBNET, INTERFACE),
        ("ec2", "DeleteNetworkInterface", {"NetworkInterfaceId": "${interface}"}),
        INTERFACES,
        ids=(*INTERFACES[:3], "NetworkInterfaces[].NetworkInterfaceId"),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_comes_back(account: Account, case: Case) -> None:
    prove(account, case)
