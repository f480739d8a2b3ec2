"""op → revert → compare for EC2 networks, gateways and addresses."""

import pytest
from tests.connectors.aws.undo.estate.ec2_world import (
    ACCEPTED,
    ADDRESS,
    ADDRESSES,
    ASSOCIATED,
    ATTACHED,
    ENDPOINT,
    ENDPOINTS,
    FLOW,
    FLOWS,
    GATEWAY,
    GATEWAY2,
    GATEWAYS,
    INTERFACE,
    INTERFACES,
    LOGS,
    NAT,
    NATS,
    OTHER,
    PEERING,
    PEERINGS,
    PRIVATE_NAT,
    PUBLIC,
    SUBNET,
    SUBNETS,
    TABLE,
    VPC,
    VPCS,
    deleted,
)
from tests.connectors.aws.undo.rig import Account, Case, prove

CASES = (
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
    Case(
        name="associate-address",
        given=(VPC, SUBNET, INTERFACE, ADDRESS),
        call=ASSOCIATED[:3],
        state=(ADDRESSES,),
    ),
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
