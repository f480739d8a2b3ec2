"""EC2: networks, disks, images, and load balancers. Sources: Amazon EC2 API Reference, Elastic Load Balancing API Reference."""

from collections.abc import Mapping
from typing import Any

from interlock.connectors.aws.preview.hanging.engine import Going, Hang, deletes, deletes_each
from interlock.connectors.aws.preview.rows import Table, rows


def _by(name: str) -> dict[str, Any]:
    return {"Filters": [{"Name": name, "Values": ["{}"]}]}


def _ec2(
    kind: str,
    ask: str,
    ids: str,
    select: str,
    type: str,
    *hangs: Hang,
    tells: Mapping[str, str] | None = None,
) -> Going:
    by, at = {ids: ["{}"]}, f"{select}.0"
    return Going("ec2", f"ec2:{kind}", f"{kind}/{{}}", ask, by, at, hangs, tells=tells or {}, type=type)


VPC = _ec2(
    "vpc",
    "DescribeVpcs",
    "VpcIds",
    "Vpcs",
    "AWS::EC2::VPC",
    Hang("instance", "DescribeInstances", _by("vpc-id"), "Reservations", "Instances", stays=True),
    Hang("subnet", "DescribeSubnets", _by("vpc-id"), "Subnets", stays=True),
    Hang(
        "internet gateway",
        "DescribeInternetGateways",
        _by("attachment.vpc-id"),
        "InternetGateways",
        stays=True,
    ),
    Hang(
        "NAT gateway", "DescribeNatGateways", {"Filter": _by("vpc-id")["Filters"]}, "NatGateways", stays=True
    ),
    Hang("endpoint", "DescribeVpcEndpoints", _by("vpc-id"), "VpcEndpoints", stays=True),
    Hang("network interface", "DescribeNetworkInterfaces", _by("vpc-id"), "NetworkInterfaces", stays=True),
    Hang("security group", "DescribeSecurityGroups", _by("vpc-id"), "SecurityGroups"),
    Hang("route table", "DescribeRouteTables", _by("vpc-id"), "RouteTables"),
)
SUBNET = _ec2(
    "subnet",
    "DescribeSubnets",
    "SubnetIds",
    "Subnets",
    "AWS::EC2::Subnet",
    Hang("instance", "DescribeInstances", _by("subnet-id"), "Reservations", "Instances", stays=True),
    Hang("network interface", "DescribeNetworkInterfaces", _by("subnet-id"), "NetworkInterfaces", stays=True),
)
SECURITY_GROUP = _ec2(
    "security-group",
    "DescribeSecurityGroups",
    "GroupIds",
    "SecurityGroups",
    "AWS::EC2::SecurityGroup",
    Hang("network interface", "DescribeNetworkInterfaces", _by("group-id"), "NetworkInterfaces", stays=True),
    Hang("instance", "DescribeInstances", _by("instance.group-id"), "Reservations", "Instances", stays=True),
)
ROUTE_TABLE = _ec2(
    "route-table",
    "DescribeRouteTables",
    "RouteTableIds",
    "RouteTables",
    "AWS::EC2::RouteTable",
    Hang("route", "DescribeRouteTables", {"RouteTableIds": ["{}"]}, "RouteTables", "Routes"),
    Hang("association", "DescribeRouteTables", {"RouteTableIds": ["{}"]}, "RouteTables", "Associations"),
)
GATEWAY = _ec2(
    "internet-gateway",
    "DescribeInternetGateways",
    "InternetGatewayIds",
    "InternetGateways",
    "AWS::EC2::InternetGateway",
)
NAT = _ec2("natgateway", "DescribeNatGateways", "NatGatewayIds", "NatGateways", "AWS::EC2::NatGateway")
VOLUME = _ec2(
    "volume",
    "DescribeVolumes",
    "VolumeIds",
    "Volumes",
    "AWS::EC2::Volume",
    Hang("snapshot", "DescribeSnapshots", _by("volume-id"), "Snapshots", stays=True),
    tells={"Size": "GiB ", "State": ""},
)
SNAPSHOT = _ec2("snapshot", "DescribeSnapshots", "SnapshotIds", "Snapshots", "", tells={"VolumeSize": "GiB "})
IMAGE = _ec2(
    "image",
    "DescribeImages",
    "ImageIds",
    "Images",
    "",
    Hang("instance", "DescribeInstances", _by("image-id"), "Reservations", "Instances", stays=True),
)
ADDRESS = _ec2(
    "elastic-ip", "DescribeAddresses", "AllocationIds", "Addresses", "AWS::EC2::EIP", tells={"PublicIp": ""}
)
INTERFACE = _ec2(
    "network-interface",
    "DescribeNetworkInterfaces",
    "NetworkInterfaceIds",
    "NetworkInterfaces",
    "AWS::EC2::NetworkInterface",
)
ACL = _ec2(
    "network-acl",
    "DescribeNetworkAcls",
    "NetworkAclIds",
    "NetworkAcls",
    "AWS::EC2::NetworkAcl",
    Hang(
        "entry", "DescribeNetworkAcls", {"NetworkAclIds": ["{}"]}, "NetworkAcls", "Entries", words="entries"
    ),
)
PEERING = _ec2(
    "vpc-peering-connection",
    "DescribeVpcPeeringConnections",
    "VpcPeeringConnectionIds",
    "VpcPeeringConnections",
    "AWS::EC2::VPCPeeringConnection",
)
ENDPOINT = _ec2(
    "vpc-endpoint", "DescribeVpcEndpoints", "VpcEndpointIds", "VpcEndpoints", "AWS::EC2::VPCEndpoint"
)
TEMPLATE = _ec2(
    "launch-template",
    "DescribeLaunchTemplates",
    "LaunchTemplateIds",
    "LaunchTemplates",
    "AWS::EC2::LaunchTemplate",
    Hang("version", "DescribeLaunchTemplateVersions", {"LaunchTemplateId": "{}"}, "LaunchTemplateVersions"),
)
KEY_PAIR = _ec2("key-pair", "DescribeKeyPairs", "KeyNames", "KeyPairs", "AWS::EC2::KeyPair")

_ELB = "elasticloadbalancing"


def _elb(kind: str, ask: str, arns: str, select: str, type: str, *hangs: Hang) -> Going:
    return Going(
        "elbv2", f"{_ELB}:{kind}", f"{kind}/{{}}", ask, {arns: ["{}"]}, f"{select}.0", hangs, type=type
    )


BALANCER = _elb(
    "loadbalancer",
    "DescribeLoadBalancers",
    "LoadBalancerArns",
    "LoadBalancers",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    Hang("listener", "DescribeListeners", {"LoadBalancerArn": "{}"}, "Listeners"),
    Hang("target group", "DescribeTargetGroups", {"LoadBalancerArn": "{}"}, "TargetGroups", stays=True),
)
LISTENER = _elb(
    "listener",
    "DescribeListeners",
    "ListenerArns",
    "Listeners",
    "AWS::ElasticLoadBalancingV2::Listener",
    Hang("rule", "DescribeRules", {"ListenerArn": "{}"}, "Rules"),
)
RULE = _elb(
    "listener-rule", "DescribeRules", "RuleArns", "Rules", "AWS::ElasticLoadBalancingV2::ListenerRule"
)
TARGETS = _elb(
    "targetgroup",
    "DescribeTargetGroups",
    "TargetGroupArns",
    "TargetGroups",
    "AWS::ElasticLoadBalancingV2::TargetGroup",
    Hang("target", "DescribeTargetHealth", {"TargetGroupArn": "{}"}, "TargetHealthDescriptions"),
)

ALL = (
    VPC,
    SUBNET,
    SECURITY_GROUP,
    ROUTE_TABLE,
    GATEWAY,
    NAT,
    VOLUME,
    ADDRESS,
    INTERFACE,
    ACL,
    PEERING,
    ENDPOINT,
    TEMPLATE,
    KEY_PAIR,
    BALANCER,
    LISTENER,
    RULE,
    TARGETS,
)

TABLE: Table = {
    **rows(
        "ec2",
        DeleteVpc=deletes(VPC, "VpcId"),
        DeleteSubnet=deletes(SUBNET, "SubnetId"),
        DeleteSecurityGroup=deletes(SECURITY_GROUP, "GroupId"),
        DeleteRouteTable=deletes(ROUTE_TABLE, "RouteTableId"),
        DeleteInternetGateway=deletes(GATEWAY, "InternetGatewayId"),
        DetachInternetGateway=deletes(GATEWAY, "InternetGatewayId"),
        DeleteNatGateway=deletes(NAT, "NatGatewayId"),
        DeleteVolume=deletes(VOLUME, "VolumeId"),
        DeleteSnapshot=deletes(SNAPSHOT, "SnapshotId"),
        DeregisterImage=deletes(IMAGE, "ImageId"),
        ReleaseAddress=deletes(ADDRESS, "AllocationId"),
        DeleteNetworkInterface=deletes(INTERFACE, "NetworkInterfaceId"),
        DeleteNetworkAcl=deletes(ACL, "NetworkAclId"),
        DeleteVpcPeeringConnection=deletes(PEERING, "VpcPeeringConnectionId"),
        DeleteVpcEndpoints=deletes_each(ENDPOINT, "VpcEndpointIds"),
        DeleteLaunchTemplate=deletes(TEMPLATE, "LaunchTemplateId"),
        DeleteKeyPair=deletes(KEY_PAIR, "KeyName"),
    ),
    **rows(
        "elbv2",
        DeleteLoadBalancer=deletes(BALANCER, "LoadBalancerArn"),
        DeleteListener=deletes(LISTENER, "ListenerArn"),
        DeleteRule=deletes(RULE, "RuleArn"),
        DeleteTargetGroup=deletes(TARGETS, "TargetGroupArn"),
    ),
}
