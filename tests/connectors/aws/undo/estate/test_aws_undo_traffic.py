"""op → revert → compare for Route 53 and load balancers."""

from typing import Any

import pytest
from tests.connectors.aws.undo.rig import Account, Case, prove

Call = tuple[str, str, dict[str, Any]]


def dns(operation: str, **parameters: Any) -> Call:
    return ("route53", operation, parameters)


def elb(operation: str, **parameters: Any) -> Call:
    return ("elbv2", operation, parameters)


def reading(call: Call, select: str) -> tuple[Any, ...]:
    return (*call, select)


def record(action: str, value: str, name: str = "www.a.test.", **more: Any) -> dict[str, Any]:
    return {
        "Action": action,
        "ResourceRecordSet": {
            "Name": name,
            "Type": "A",
            "TTL": 60,
            "ResourceRecords": [{"Value": value}],
            **more,
        },
    }


def change(*changes: dict[str, Any]) -> Call:
    return dns("ChangeResourceRecordSets", HostedZoneId="${zone}", ChangeBatch={"Changes": list(changes)})


ZONE = (
    *dns(
        "CreateHostedZone",
        Name="a.test",
        CallerReference="1",
        HostedZoneConfig={"Comment": "ours", "PrivateZone": False},
    ),
    {"zone": "HostedZone.Id"},
)
WWW = change(record("CREATE", "10.0.0.1"))
BLUE = change(
    record("CREATE", "10.0.0.2", "api.a.test.", SetIdentifier="blue", Weight=90),
    record("CREATE", "10.0.0.3", "api.a.test.", SetIdentifier="green", Weight=10),
)
RECORDS = reading(
    dns("ListResourceRecordSets", HostedZoneId="${zone}"), "sort(ResourceRecordSets[].to_string(@))"
)
ZONES = reading(dns("ListHostedZones"), "HostedZones[].[Name, Config, ResourceRecordSetCount]")
CHECK = (
    *dns(
        "CreateHealthCheck",
        CallerReference="1",
        HealthCheckConfig={
            "IPAddress": "10.0.0.1",
            "Port": 80,
            "Type": "HTTP",
            "ResourcePath": "/",
            "FailureThreshold": 3,
        },
    ),
    {"check": "HealthCheck.Id"},
)
CHECKS = reading(
    dns("ListHealthChecks"),
    "HealthChecks[].HealthCheckConfig.[IPAddress, Port, Type, ResourcePath, FailureThreshold]",
)
ZONE_TAGS = reading(
    dns("ListTagsForResource", ResourceType="healthcheck", ResourceId="${check}"),
    "sort_by(ResourceTagSet.Tags, &Key)",
)

NET = (
    ("ec2", "CreateVpc", {"CidrBlock": "10.7.0.0/16"}, {"vpc": "Vpc.VpcId"}),
    (
        "ec2",
        "CreateSubnet",
        {"VpcId": "${vpc}", "CidrBlock": "10.7.1.0/24", "AvailabilityZone": "eu-central-1a"},
        {"a": "Subnet.SubnetId"},
    ),
    (
        "ec2",
        "CreateSubnet",
        {"VpcId": "${vpc}", "CidrBlock": "10.7.2.0/24", "AvailabilityZone": "eu-central-1b"},
        {"b": "Subnet.SubnetId"},
    ),
    (
        "ec2",
        "CreateSubnet",
        {"VpcId": "${vpc}", "CidrBlock": "10.7.3.0/24", "AvailabilityZone": "eu-central-1c"},
        {"c": "Subnet.SubnetId"},
    ),
    (
        "ec2",
        "CreateSecurityGroup",
        {"GroupName": "s1", "Description": "s1", "VpcId": "${vpc}"},
        {"s1": "GroupId"},
    ),
    (
        "ec2",
        "CreateSecurityGroup",
        {"GroupName": "s2", "Description": "s2", "VpcId": "${vpc}"},
        {"s2": "GroupId"},
    ),
    (
        "ec2",
        "RunInstances",
        {"ImageId": "ami-12c6146b", "MinCount": 1, "MaxCount": 1},
        {"i": "Instances[0].InstanceId"},
    ),
)
BALANCER = (
    *elb(
        "CreateLoadBalancer",
        Name="web",
        Subnets=["${a}", "${b}"],
        SecurityGroups=["${s1}"],
        Tags=[{"Key": "env", "Value": "p"}],
    ),
    {"lb": "LoadBalancers[0].LoadBalancerArn"},
)
GROUP = (
    *elb("CreateTargetGroup", Name="tg", Protocol="HTTP", Port=80, VpcId="${vpc}", HealthCheckPath="/ok"),
    {"tg": "TargetGroups[0].TargetGroupArn"},
)
GROUP2 = (
    *elb("CreateTargetGroup", Name="tg2", Protocol="HTTP", Port=80, VpcId="${vpc}"),
    {"tg2": "TargetGroups[0].TargetGroupArn"},
)
LISTENER = (
    *elb(
        "CreateListener",
        LoadBalancerArn="${lb}",
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": "${tg}"}],
    ),
    {"listener": "Listeners[0].ListenerArn"},
)
RULE = (
    *elb(
        "CreateRule",
        ListenerArn="${listener}",
        Priority=10,
        Conditions=[{"Field": "path-pattern", "Values": ["/api/*"]}],
        Actions=[{"Type": "forward", "TargetGroupArn": "${tg2}"}],
    ),
    {"rule": "Rules[0].RuleArn"},
)
TARGET = elb("RegisterTargets", TargetGroupArn="${tg}", Targets=[{"Id": "${i}", "Port": 8080}])
WORLD = (*NET, BALANCER, GROUP, GROUP2, LISTENER, RULE)
BALANCERS = reading(
    elb("DescribeLoadBalancers"),
    "LoadBalancers[].[LoadBalancerName, Scheme, Type, SecurityGroups, sort(AvailabilityZones[].SubnetId), IpAddressType]",
)
LISTENERS = reading(
    elb("DescribeListeners", LoadBalancerArn="${lb}"),
    "Listeners[].[Port, Protocol, DefaultActions[].[Type, TargetGroupArn]]",
)
RULES = reading(
    elb("DescribeRules", ListenerArn="${listener}"),
    "Rules[].[Priority, Conditions, Actions[].[Type, TargetGroupArn], IsDefault]",
)
GROUPS = reading(
    elb("DescribeTargetGroups"),
    "TargetGroups[].[TargetGroupName, Protocol, Port, HealthCheckPath, HealthCheckIntervalSeconds]",
)
TARGETS = reading(elb("DescribeTargetHealth", TargetGroupArn="${tg}"), "TargetHealthDescriptions[].Target")
TAGS = reading(elb("DescribeTags", ResourceArns=["${lb}"]), "sort_by(TagDescriptions[0].Tags, &Key)")


def simple(name: str, given: Any, call: Any, *state: Any, **more: Any) -> Case:
    return Case(name=name, given=given, call=call[:3], state=state, **more)


CASES = (
    simple("create-record", (ZONE,), WWW, RECORDS),
    simple("delete-record", (ZONE, WWW), change(record("DELETE", "10.0.0.1")), RECORDS),
    simple("upsert-record", (ZONE, WWW), change(record("UPSERT", "10.9.9.9")), RECORDS),
    simple(
        "several-records",
        (ZONE, WWW, BLUE),
        change(
            record("UPSERT", "10.9.9.9"),
            record("DELETE", "10.0.0.2", "api.a.test.", SetIdentifier="blue", Weight=90),
            record("CREATE", "10.0.0.8", "new.a.test."),
        ),
        RECORDS,
    ),
    simple("create-zone", (), ZONE, ZONES),
    simple(
        "delete-zone",
        (ZONE,),
        dns("DeleteHostedZone", Id="${zone}"),
        ZONES,
        reading(dns("ListHostedZones"), "HostedZones[].Id"),
        kind="new_id",
        differs=(1,),
    ),
    simple(
        "zone-comment",
        (ZONE,),
        dns("UpdateHostedZoneComment", Id="${zone}", Comment="theirs"),
        ZONES,
    ),
    simple("create-check", (), CHECK, CHECKS),
    simple(
        "update-check",
        (CHECK,),
        dns("UpdateHealthCheck", HealthCheckId="${check}", FailureThreshold=9, ResourcePath="/x"),
        CHECKS,
    ),
    simple(
        "delete-check", (CHECK,), dns("DeleteHealthCheck", HealthCheckId="${check}"), CHECKS, kind="new_id"
    ),
    simple(
        "tag-check",
        (CHECK,),
        dns(
            "ChangeTagsForResource",
            ResourceType="healthcheck",
            ResourceId="${check}",
            AddTags=[{"Key": "a", "Value": "1"}],
        ),
        ZONE_TAGS,
    ),
    simple("create-balancer", NET, BALANCER, BALANCERS),
    simple(
        "delete-balancer",
        WORLD,
        elb("DeleteLoadBalancer", LoadBalancerArn="${lb}"),
        BALANCERS,
        reading(elb("DescribeLoadBalancers"), "LoadBalancers[].LoadBalancerArn"),
        kind="new_id",
        differs=(1,),
    ),
    simple("create-listener", (*NET, BALANCER, GROUP), LISTENER, LISTENERS),
    simple(
        "modify-listener",
        WORLD,
        elb(
            "ModifyListener",
            ListenerArn="${listener}",
            Port=81,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": "${tg2}"}],
        ),
        LISTENERS,
    ),
    simple(
        "delete-listener", WORLD, elb("DeleteListener", ListenerArn="${listener}"), LISTENERS, kind="new_id"
    ),
    simple("create-rule", WORLD[:-1], RULE, RULES),
    simple(
        "modify-rule",
        WORLD,
        elb("ModifyRule", RuleArn="${rule}", Conditions=[{"Field": "path-pattern", "Values": ["/x/*"]}]),
        RULES,
    ),
    simple("delete-rule", WORLD, elb("DeleteRule", RuleArn="${rule}"), RULES, kind="new_id"),
    simple(
        "priorities",
        WORLD,
        elb("SetRulePriorities", RulePriorities=[{"RuleArn": "${rule}", "Priority": 77}]),
        RULES,
    ),
    simple("create-group", NET, GROUP, GROUPS),
    simple(
        "modify-group",
        (*NET, GROUP),
        elb(
            "ModifyTargetGroup",
            TargetGroupArn="${tg}",
            HealthCheckPath="/other",
            HealthCheckIntervalSeconds=9,
        ),
        GROUPS,
    ),
    simple(
        "delete-group",
        (*NET, GROUP, TARGET),
        elb("DeleteTargetGroup", TargetGroupArn="${tg}"),
        GROUPS,
        kind="new_id",
    ),
    simple("register", (*NET, GROUP), TARGET, TARGETS),
    simple(
        "deregister",
        (*NET, GROUP, TARGET),
        elb("DeregisterTargets", TargetGroupArn="${tg}", Targets=[{"Id": "${i}"}]),
        TARGETS,
    ),
    simple(
        "balancer-attributes",
        WORLD,
        elb(
            "ModifyLoadBalancerAttributes",
            LoadBalancerArn="${lb}",
            Attributes=[{"Key": "deletion_protection.enabled", "Value": "true"}],
        ),
        reading(elb("DescribeLoadBalancerAttributes", LoadBalancerArn="${lb}"), "sort_by(Attributes, &Key)"),
    ),
    simple(
        "group-attributes",
        WORLD,
        elb(
            "ModifyTargetGroupAttributes",
            TargetGroupArn="${tg}",
            Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "9"}],
        ),
        reading(elb("DescribeTargetGroupAttributes", TargetGroupArn="${tg}"), "sort_by(Attributes, &Key)"),
    ),
    simple(
        "security-groups",
        WORLD,
        elb("SetSecurityGroups", LoadBalancerArn="${lb}", SecurityGroups=["${s2}"]),
        BALANCERS,
    ),
    simple("subnets", WORLD, elb("SetSubnets", LoadBalancerArn="${lb}", Subnets=["${a}", "${c}"]), BALANCERS),
    simple(
        "address-type",
        WORLD,
        elb("SetIpAddressType", LoadBalancerArn="${lb}", IpAddressType="dualstack"),
        BALANCERS,
    ),
    simple(
        "add-tags",
        WORLD,
        elb(
            "AddTags",
            ResourceArns=["${lb}"],
            Tags=[{"Key": "env", "Value": "x"}, {"Key": "new", "Value": "1"}],
        ),
        TAGS,
    ),
    simple("remove-tags", WORLD, elb("RemoveTags", ResourceArns=["${lb}"], TagKeys=["env"]), TAGS),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_comes_back(account: Account, case: Case) -> None:
    prove(account, case)
