"""Routes, rules of security groups and network ACLs, listeners and targets: who reaches what."""

from collections.abc import Iterator, Mapping
from typing import Any

from interlock.connectors.aws.preview.found import Effects, absent, items, thing
from interlock.connectors.aws.preview.rows import Describer, rows
from interlock.connectors.aws.preview.settings.engine import Rule, at, changing
from interlock.connectors.aws.preview.survey import Survey, Unsure
from interlock.model.effect import ChangeKind, Effect
from interlock.model.operation import Resource

_WORLD = ("0.0.0.0/0", "::/0")
_DESTINATIONS = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")


def _target(route: Mapping[str, Any]) -> str:
    """Where a route leads: the one member that isn't about the destination."""
    known = ("GatewayId", "NatGatewayId", "NetworkInterfaceId", "TransitGatewayId", "VpcPeeringConnectionId")
    others = (
        "InstanceId",
        "EgressOnlyInternetGatewayId",
        "LocalGatewayId",
        "VpcEndpointId",
        "CarrierGatewayId",
    )
    return next((str(route[name]) for name in (*known, *others, "CoreNetworkArn") if route.get(name)), "")


def _destination(route: Mapping[str, Any]) -> str:
    names = (*_DESTINATIONS, "DestinationPrefixListId")
    return next((str(route[name]) for name in names if route.get(name)), "")


async def _route(survey: Survey) -> Effects:
    """CreateRoute, ReplaceRoute, DeleteRoute."""
    where = survey.about("ec2:route-table", "route-table/{RouteTableId}")
    asked = {"RouteTableIds": [survey.text("RouteTableId")]}
    table = at(await survey.find("ec2", "DescribeRouteTables", asked), "RouteTables.0")
    if not isinstance(table, Mapping):
        return [absent(where)]
    routes = table.get("Routes") or []
    wanted = _destination(survey.parameters)
    found = next((one for one in routes if _destination(one) == wanted), None)
    old = _target(found) if found is not None else None
    new = None if survey.call.operation == "DeleteRoute" else _target(survey.parameters) or "local"
    survey.rests_on(f"route to {wanted}", old)
    survey.shows(f"route to {wanted}", old, new)
    survey.note(f"The route table is used by {len(table.get('Associations') or []):,} subnets or gateways.")
    return _rerouted(where, wanted, len(routes), old, new)


def _rerouted(where: Resource, wanted: str, routes: int, old: str | None, new: str | None) -> Effects:
    """From where a route leads to where it will; None: there is no such route."""
    if new is None and old is None:
        return [absent(where)]
    if new is None:
        lost = items(where, ChangeKind.DELETED, 1, routes, detail=f"the route to {wanted}")
        return [lost, thing(where, ChangeKind.WEAKENED, f"no route to {wanted} any more")]
    if wanted in _WORLD and new.startswith(("igw-", "eigw-")):
        return [thing(where, ChangeKind.PERMISSION, f"{wanted} goes through an internet gateway")]
    if old is None:
        return [items(where, ChangeKind.CREATED, 1, detail=f"a route to {wanted}")]
    return [thing(where, ChangeKind.WEAKENED, f"the route to {wanted} leads elsewhere")]


def _ranges(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Who (range, group, prefix list) may use what (protocol and ports)."""
    permissions = list(given.get("IpPermissions") or [])
    if given.get("IpProtocol") or given.get("CidrIp"):
        permissions.append({**given, "IpRanges": [{"CidrIp": given.get("CidrIp", "")}]})
    for one in permissions:
        ports = _ports(one)
        for name, member in (
            ("IpRanges", "CidrIp"),
            ("Ipv6Ranges", "CidrIpv6"),
            ("UserIdGroupPairs", "GroupId"),
            ("PrefixListIds", "PrefixListId"),
        ):
            for who in one.get(name) or []:
                yield str(who.get(member) or who.get("GroupName") or ""), ports


def _ports(one: Mapping[str, Any]) -> str:
    protocol, first, last = one.get("IpProtocol", "-1"), one.get("FromPort"), one.get("ToPort")
    if protocol == "-1":
        return "everything"
    return f"{protocol} {first}" if first == last else f"{protocol} {first}-{last}"


def _group_rules(verb: str) -> Describer:
    async def describer(survey: Survey) -> Effects:
        where = survey.about("ec2:security-group", "security-group/{GroupId|GroupName}")
        chosen = "GroupIds" if survey.parameters.get("GroupId") else "GroupNames"
        asked = {chosen: [survey.text("GroupId", "GroupName")]}
        found = at(await survey.find("ec2", "DescribeSecurityGroups", asked), "SecurityGroups.0")
        if not isinstance(found, Mapping):
            return [absent(where)]
        survey.rests_on(
            f"rules of {where.name}", [found.get("IpPermissions"), found.get("IpPermissionsEgress")]
        )
        return [thing(where, ChangeKind.PERMISSION, _said(survey, verb))]

    return describer


def _said(survey: Survey, verb: str) -> str:
    ranges = list(_ranges(survey.parameters))
    world = sorted({ports for who, ports in ranges if who in _WORLD})
    if world and verb == "allows" and "Ingress" in survey.call.operation:
        survey.note(f"Anyone in the world reaches {', '.join(world)}.")
        return f"open to the world: {', '.join(world)}"
    return f"{verb} {', '.join(f'{who}: {ports}' for who, ports in ranges[:5]) or 'rules by their ids'}"


async def _acl(survey: Survey) -> Effects:
    where = survey.about("ec2:network-acl", "network-acl/{NetworkAclId}")
    asked = {"NetworkAclIds": [survey.text("NetworkAclId")]}
    found = at(await survey.find("ec2", "DescribeNetworkAcls", asked), "NetworkAcls.0")
    if not isinstance(found, Mapping):
        return [absent(where)]
    survey.rests_on(f"entries of {where.name}", found.get("Entries"))
    given = survey.parameters
    said = f"rule {given.get('RuleNumber')}: {given.get('RuleAction', 'deleted')} {given.get('CidrBlock', '')}".strip()
    survey.note(f"The network ACL is used by {len(found.get('Associations') or []):,} subnets.")
    return [thing(where, ChangeKind.PERMISSION, said)]


async def _targets_gone(survey: Survey) -> Effects:
    """DeregisterTargets: so many of so many."""
    arn = survey.text("TargetGroupArn")
    where = survey.resource("elasticloadbalancing:targetgroup", arn)
    found = await survey.find("elbv2", "DescribeTargetHealth", {"TargetGroupArn": arn})
    if found is None:
        return [absent(where)]
    present = {(at(one, "Target.Id"), at(one, "Target.Port")) for one in found["TargetHealthDescriptions"]}
    wanted = survey.parameters.get("Targets") or []
    gone = {one for one in present if any(_is(one, target) for target in wanted)}
    survey.rests_on(f"targets of {where.name}", present)
    said = f"{len(gone)} of {len(present)} targets"
    return [items(where, ChangeKind.DELETED, len(gone), len(present), detail=said)]


def _is(present: tuple[Any, Any], target: Mapping[str, Any]) -> bool:
    return bool(present[0] == target.get("Id") and target.get("Port", present[1]) == present[1])


async def _balancer_attributes(survey: Survey) -> Effects:
    """Attributes of a load balancer or target group, which are pairs of words."""
    balancer = "LoadBalancerArn" in survey.parameters
    member, sort = ("LoadBalancerArn", "LoadBalancer") if balancer else ("TargetGroupArn", "TargetGroup")
    kind = f"elasticloadbalancing:{sort.lower()}"
    where = survey.resource(kind, survey.text(member))
    asked = {member: survey.text(member)}
    found = await survey.find("elbv2", f"Describe{sort}Attributes", asked)
    if found is None:
        return [absent(where)]
    before = {one["Key"]: one.get("Value") for one in found.get("Attributes") or []}
    worse: list[str] = []
    other: list[str] = []
    for one in survey.parameters.get("Attributes") or []:
        name, after = one.get("Key", ""), one.get("Value")
        if before.get(name) == after:
            continue
        survey.rests_on(f"{name} of {where.name}", before.get(name))
        survey.shows(name, before.get(name), after)
        (
            worse if before.get(name) == "true" or name.endswith("minimum_healthy_targets.count") else other
        ).append(name)
    effects: list[Effect] = [thing(where, ChangeKind.WEAKENED, ", ".join(worse))] if worse else []
    return [*effects, *([thing(where, ChangeKind.SETTING, ", ".join(other))] if other or not worse else [])]


_LISTENER = changing(
    "elasticloadbalancing:listener",
    "{ListenerArn}",
    "DescribeListeners",
    {"ListenerArns": ["{ListenerArn}"]},
    "Listeners.0",
    (
        Rule("DefaultActions", "weakens", "where requests go"),
        Rule("Port", "weakens"),
        Rule("Protocol", "weakens"),
        Rule("SslPolicy", "weakens"),
        Rule("Certificates", "weakens"),
        Rule("ListenerArn", "ignored"),
    ),
)
_RULE = changing(
    "elasticloadbalancing:listener-rule",
    "{RuleArn}",
    "DescribeRules",
    {"RuleArns": ["{RuleArn}"]},
    "Rules.0",
    (
        Rule("Actions", "weakens", "where requests go"),
        Rule("Conditions", "weakens"),
        Rule("RuleArn", "ignored"),
    ),
)
_BALANCER = changing(
    "elasticloadbalancing:loadbalancer",
    "{LoadBalancerArn}",
    "DescribeLoadBalancers",
    {"LoadBalancerArns": ["{LoadBalancerArn}"]},
    "LoadBalancers.0",
    (
        Rule("SecurityGroups", "permission", "security groups"),
        Rule("Subnets", "drops", "subnets", present="AvailabilityZones.*.SubnetId"),
        Rule("LoadBalancerArn", "ignored"),
    ),
)


async def _vpc_attribute(survey: Survey) -> Effects:
    """ModifyVpcAttribute: names are no longer resolved."""
    where = survey.about("ec2:vpc", "vpc/{VpcId}")
    given = {name: value for name, value in survey.parameters.items() if name.startswith("Enable")}
    if not given:
        raise Unsure("the call names no attribute")
    off = [name for name, value in given.items() if not (value or {}).get("Value")]
    return [thing(where, ChangeKind.WEAKENED if off else ChangeKind.SETTING, ", ".join(off or given))]


_JUDGES = "routing exposure outage"

TABLE = {
    **rows("ec2", _JUDGES, CreateRoute=_route, ReplaceRoute=_route, DeleteRoute=_route),
    **rows("ec2", _JUDGES, ModifyVpcAttribute=_vpc_attribute),
    **rows(
        "ec2",
        _JUDGES,
        AuthorizeSecurityGroupIngress=_group_rules("allows"),
        AuthorizeSecurityGroupEgress=_group_rules("allows"),
        RevokeSecurityGroupIngress=_group_rules("no longer allows"),
        RevokeSecurityGroupEgress=_group_rules("no longer allows"),
        ModifySecurityGroupRules=_group_rules("changes"),
    ),
    **rows(
        "ec2", _JUDGES, CreateNetworkAclEntry=_acl, ReplaceNetworkAclEntry=_acl, DeleteNetworkAclEntry=_acl
    ),
    **rows("elbv2", _JUDGES, DeregisterTargets=_targets_gone, ModifyListener=_LISTENER, ModifyRule=_RULE),
    **rows("elbv2", _JUDGES, SetSecurityGroups=_BALANCER, SetSubnets=_BALANCER),
    **rows(
        "elbv2",
        _JUDGES + " guard audit",
        ModifyLoadBalancerAttributes=_balancer_attributes,
        ModifyTargetGroupAttributes=_balancer_attributes,
    ),
}
