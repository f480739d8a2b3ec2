"""op → revert → compare for EC2 security groups, routes and network ACLs."""

import pytest
from tests.connectors.aws.undo.estate.ec2_world import (
    ACL,
    ACLS,
    ASSOCIATIONS,
    ENTRY,
    GROUP,
    GROUP_WORLD,
    HTTPS,
    INTERFACE,
    OPEN,
    OUT,
    ROUTE,
    ROUTE_WORLD,
    RULE,
    RULES,
    SUBNET,
    TABLE,
    TABLE2,
    TABLES,
    VPC,
    deleted,
)
from tests.connectors.aws.undo.rig import Account, Case, prove

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
            {
                "GroupId": "${group}",
                "IpProtocol": "tcp",
                "FromPort": 443,
                "ToPort": 443,
                "CidrIp": "0.0.0.0/0",
            },
        ),
        state=(RULES,),
    ),
    Case(
        name="revoke-by-id",
        given=(VPC, GROUP, RULE),
        call=(
            "ec2",
            "RevokeSecurityGroupIngress",
            {"GroupId": "${group}", "SecurityGroupRuleIds": ["${rule}"]},
        ),
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
        state=(
            ("ec2", "DescribeSecurityGroupRules", {}, "SecurityGroupRules[].[FromPort, ToPort, CidrIpv4]"),
        ),
    ),
    Case(
        name="descriptions",
        given=GROUP_WORLD,
        call=(
            "ec2",
            "UpdateSecurityGroupRuleDescriptionsIngress",
            {
                "GroupId": "${group}",
                "IpPermissions": [{**HTTPS, "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "nobody"}]}],
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
            {
                "RouteTableId": "${table}",
                "DestinationCidrBlock": "0.0.0.0/0",
                "NetworkInterfaceId": "${interface}",
            },
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
        call=(
            "ec2",
            "ReplaceNetworkAclAssociation",
            {"AssociationId": "${association}", "NetworkAclId": "${acl}"},
        ),
        state=(
            (
                "ec2",
                "DescribeNetworkAcls",
                {},
                "sort(NetworkAcls[].to_string([NetworkAclId, Associations[].SubnetId]))",
            ),
        ),
        kind="new_id",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_comes_back(account: Account, case: Case) -> None:
    prove(account, case)
