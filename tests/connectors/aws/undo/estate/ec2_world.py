"""A network, for the tests of what changes one: the calls that make its parts, and those that read them."""

from typing import Any

from tests.connectors.aws.undo.rig import Case

VPC: Any = (
    "ec2",
    "CreateVpc",
    {
        "CidrBlock": "10.7.0.0/16",
        "TagSpecifications": [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "main"}]}],
    },
    {"vpc": "Vpc.VpcId"},
)
OTHER: Any = ("ec2", "CreateVpc", {"CidrBlock": "10.8.0.0/16"}, {"other": "Vpc.VpcId"})
SUBNET: Any = (
    "ec2",
    "CreateSubnet",
    {"VpcId": "${vpc}", "CidrBlock": "10.7.1.0/24"},
    {"subnet": "Subnet.SubnetId"},
)
PUBLIC: Any = (
    "ec2",
    "ModifySubnetAttribute",
    {"SubnetId": "${subnet}", "MapPublicIpOnLaunch": {"Value": True}},
)
GROUP: Any = (
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
HTTPS: Any = {
    "IpProtocol": "tcp",
    "FromPort": 443,
    "ToPort": 443,
    "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "all"}, {"CidrIp": "10.0.0.0/8"}],
}
OWN: Any = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "${group}"}]}
OPEN: Any = ("ec2", "AuthorizeSecurityGroupIngress", {"GroupId": "${group}", "IpPermissions": [HTTPS, OWN]})
RULE: Any = (
    "ec2",
    "AuthorizeSecurityGroupIngress",
    {"GroupId": "${group}", "IpPermissions": [HTTPS]},
    {"rule": "SecurityGroupRules[0].SecurityGroupRuleId"},
)
RULES: Any = (
    "ec2",
    "DescribeSecurityGroups",
    {"Filters": [{"Name": "group-name", "Values": ["web"]}]},
    "SecurityGroups[].[GroupName, Description, Tags, sort(IpPermissions[].IpRanges[].to_string(@)), "
    "sort(IpPermissions[].IpProtocol), IpPermissions[].UserIdGroupPairs[].UserId, IpPermissionsEgress]",
)
OUT: Any = {"IpProtocol": "tcp", "FromPort": 25, "ToPort": 25, "IpRanges": [{"CidrIp": "10.1.0.0/16"}]}
GROUP_WORLD: Any = (VPC, GROUP, OPEN)
GATEWAY: Any = ("ec2", "CreateInternetGateway", {}, {"gateway": "InternetGateway.InternetGatewayId"})
GATEWAY2: Any = ("ec2", "CreateEgressOnlyInternetGateway", {"VpcId": "${vpc}"})
ATTACHED: Any = ("ec2", "AttachInternetGateway", {"InternetGatewayId": "${gateway}", "VpcId": "${vpc}"})
GATEWAYS: Any = (
    "ec2",
    "DescribeInternetGateways",
    {},
    "InternetGateways[].Attachments[].VpcId",
)
TABLE: Any = (
    "ec2",
    "CreateRouteTable",
    {
        "VpcId": "${vpc}",
        "TagSpecifications": [{"ResourceType": "route-table", "Tags": [{"Key": "Name", "Value": "t"}]}],
    },
    {"table": "RouteTable.RouteTableId"},
)
TABLE2: Any = ("ec2", "CreateRouteTable", {"VpcId": "${vpc}"}, {"table2": "RouteTable.RouteTableId"})
ROUTE: Any = (
    "ec2",
    "CreateRoute",
    {"RouteTableId": "${table}", "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "${gateway}"},
)
ROUTE_WORLD: Any = (VPC, GATEWAY, ATTACHED, TABLE)
TABLES: Any = (
    "ec2",
    "DescribeRouteTables",
    {},
    "sort(RouteTables[].to_string([Tags, Routes[].[DestinationCidrBlock, GatewayId], VpcId]))",
)
ASSOCIATIONS: Any = (
    "ec2",
    "DescribeRouteTables",
    {},
    "sort(RouteTables[].to_string([RouteTableId, Associations[].SubnetId]))",
)
ACL: Any = ("ec2", "CreateNetworkAcl", {"VpcId": "${vpc}"}, {"acl": "NetworkAcl.NetworkAclId"})
ENTRY: Any = (
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
ACLS: Any = ("ec2", "DescribeNetworkAcls", {}, "sort(NetworkAcls[].to_string([VpcId, Entries]))")
ADDRESS: Any = ("ec2", "AllocateAddress", {"Domain": "vpc"}, {"address": "AllocationId", "ip": "PublicIp"})
INTERFACE: Any = (
    "ec2",
    "CreateNetworkInterface",
    {"SubnetId": "${subnet}", "Description": "spare"},
    {"interface": "NetworkInterface.NetworkInterfaceId"},
)
ASSOCIATED: Any = (
    "ec2",
    "AssociateAddress",
    {"AllocationId": "${address}", "NetworkInterfaceId": "${interface}"},
    {"association": "AssociationId"},
)
ADDRESSES: Any = ("ec2", "DescribeAddresses", {}, "Addresses[].[PublicIp, NetworkInterfaceId]")
PEERING: Any = (
    "ec2",
    "CreateVpcPeeringConnection",
    {"VpcId": "${vpc}", "PeerVpcId": "${other}"},
    {"peering": "VpcPeeringConnection.VpcPeeringConnectionId"},
)
ACCEPTED: Any = ("ec2", "AcceptVpcPeeringConnection", {"VpcPeeringConnectionId": "${peering}"})
PEERINGS: Any = (
    "ec2",
    "DescribeVpcPeeringConnections",
    {},
    "VpcPeeringConnections[?Status.Code!='deleted'].[Status.Code, RequesterVpcInfo.VpcId, AccepterVpcInfo.VpcId]",
)
NAT: Any = (
    "ec2",
    "CreateNatGateway",
    {"SubnetId": "${subnet}", "AllocationId": "${address}"},
    {"nat": "NatGateway.NatGatewayId"},
)
PRIVATE_NAT: Any = (*NAT[:2], {"SubnetId": "${subnet}", "ConnectivityType": "private"}, NAT[3])
NATS: Any = (
    "ec2",
    "DescribeNatGateways",
    {"Filter": [{"Name": "state", "Values": ["available"]}]},
    "NatGateways[].[SubnetId, NatGatewayAddresses[].AllocationId]",
)
ENDPOINT: Any = (
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
ENDPOINTS: Any = (
    "ec2",
    "DescribeVpcEndpoints",
    {},
    "VpcEndpoints[?State!='deleted'].[VpcId, ServiceName, RouteTableIds]",
)
LOGS: Any = (
    ("logs", "CreateLogGroup", {"logGroupName": "flow"}),
    ("iam", "CreateRole", {"RoleName": "flow", "AssumeRolePolicyDocument": "{}"}, {"role": "Role.Arn"}),
)
FLOW: Any = (
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
FLOWS: Any = (
    "ec2",
    "DescribeFlowLogs",
    {},
    "FlowLogs[].[ResourceId, TrafficType, LogGroupName, DeliverLogsPermissionArn]",
)
SUBNETS: Any = (
    "ec2",
    "DescribeSubnets",
    {"Filters": [{"Name": "vpc-id", "Values": ["${vpc}"]}]},
    "Subnets[].[CidrBlock, MapPublicIpOnLaunch, AvailabilityZone]",
)
VPCS: Any = (
    "ec2",
    "DescribeVpcs",
    {"Filters": [{"Name": "cidr", "Values": ["10.7.0.0/16"]}]},
    "Vpcs[].[CidrBlock, Tags]",
)
INTERFACES: Any = (
    "ec2",
    "DescribeNetworkInterfaces",
    {},
    "NetworkInterfaces[].[Description, SubnetId, PrivateIpAddress]",
)


def deleted(
    name: str,
    given: tuple[object, ...],
    call: tuple[object, ...],
    *state: tuple[object, ...],
    ids: tuple[object, ...],
) -> Case:
    """What comes back under another id."""
    return Case(name=name, given=given, call=call, state=(*state, ids), kind="new_id", differs=(len(state),))  # type: ignore[arg-type]
