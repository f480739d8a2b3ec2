"""Elastic Load Balancing v2 (Elastic Load Balancing API reference, version 2015-12-01: ModifyListener, DeregisterTargets)."""

from collections.abc import Mapping
from typing import Any

from interlock.connectors.aws.undo.estate.common import Read, made, put_back, rows
from interlock.connectors.aws.undo.estate.draft import (
    Draft,
    Gone,
    kept,
    own_tags,
    quoted,
    slot,
)
from interlock.connectors.aws.undo.estate.traffic.targets import attributes, one_of, tags_of
from interlock.connectors.aws.undo.plan import Plan

_LISTENER = (
    "Port",
    "Protocol",
    "SslPolicy",
    "Certificates",
    "DefaultActions",
    "AlpnPolicy",
    "MutualAuthentication",
)
_SHAPE = "{" + ", ".join(f"{name}: {name}" for name in _LISTENER) + "}"


def actions(found: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Actions as calls take them: a target group stands once, not in two forms."""
    return [
        {
            name: value
            for name, value in action.items()
            if not (
                name == "ForwardConfig"
                and "TargetGroupArn" in action
                and len(value.get("TargetGroups", ())) < 2
            )
        }
        for action in found
    ]


def conditions(found: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Conditions as calls take them: `Values` only where there is no newer form."""
    return [
        {
            name: value
            for name, value in one.items()
            if value and (name != "Values" or not any(key.endswith("Config") and one[key] for key in one))
        }
        for one in found
    ]


def _client(old: dict[str, Any], *names: str) -> dict[str, Any]:
    found = kept(old, *names)
    if "DefaultActions" in found:
        found["DefaultActions"] = actions(found["DefaultActions"])
    return found


async def _modify_listener(draft: Draft) -> Plan:
    name = draft.given("ListenerArn")
    old = await draft.watch(
        f"listener {draft.get('ListenerArn')}",
        "DescribeListeners",
        {"ListenerArns": [draft.get("ListenerArn")]},
        f"Listeners[0].{_SHAPE}",
    )
    if not old:
        raise Gone("there is no such listener")
    draft.back("ModifyListener", name | _client(old, *(n for n in _LISTENER if n in draft.call.parameters)))
    return draft.done()


async def _modify_rule(draft: Draft) -> Plan:
    asked = {"RuleArns": [draft.get("RuleArn")]}
    old = await draft.watch(
        f"rule {draft.get('RuleArn')}",
        "DescribeRules",
        asked,
        "Rules[0].{Conditions: Conditions, Actions: Actions}",
    )
    if not old:
        raise Gone("there is no such rule")
    back: dict[str, Any] = {}
    if "Actions" in draft.call.parameters:
        back["Actions"] = actions(old["Actions"])
    if "Conditions" in draft.call.parameters:
        back["Conditions"] = conditions(old["Conditions"])
    draft.back("ModifyRule", draft.given("RuleArn") | back)
    return draft.done()


async def _delete_rule(draft: Draft) -> Plan:
    old = await one_of(draft, "DescribeRules", "RuleArn", "Rules", "such rule")
    listener = _listener_of(str(draft.get("RuleArn")))
    await _rule(draft, listener, old, await tags_of(draft, old["RuleArn"]))
    return draft.lossy("the rule gets a new ARN")


def _listener_of(rule: str) -> str:
    return rule.replace(":listener-rule/", ":listener/").rpartition("/")[0]


async def _rule(draft: Draft, listener: str, old: dict[str, Any], tags: dict[str, Any]) -> None:
    create = {"ListenerArn": listener, "Priority": int(old["Priority"]), "Actions": actions(old["Actions"])}
    create |= {"Conditions": conditions(old["Conditions"])} | tags
    draft.back(
        "CreateRule",
        create,
        unless=draft.check(
            "the rules",
            "DescribeRules",
            {"ListenerArn": listener},
            f"contains(Rules[].Priority, {quoted(str(old['Priority']))})",
            True,
        ),
    )


async def _delete_listener(draft: Draft) -> Plan:
    old = await one_of(draft, "DescribeListeners", "ListenerArn", "Listeners", "such listener")
    create = _client(old, "LoadBalancerArn", *_LISTENER) | await tags_of(draft, old["ListenerArn"])
    asked = {"LoadBalancerArn": old["LoadBalancerArn"]}
    found = await draft.all("DescribeRules", {"ListenerArn": old["ListenerArn"]}, "Rules")
    new = await draft.again(
        "listener", "CreateListener", create, find=("DescribeListeners", asked, "Listeners", "ListenerArn")
    )
    for rule in found:
        if not rule.get("IsDefault"):
            parameters = {"ListenerArn": new, "Priority": int(rule["Priority"])}
            parameters |= {"Actions": actions(rule["Actions"]), "Conditions": conditions(rule["Conditions"])}
            unless = draft.check(
                "the rules",
                "DescribeRules",
                {"ListenerArn": new},
                f"contains(Rules[].Priority, {quoted(str(rule['Priority']))})",
                True,
            )
            draft.back("CreateRule", parameters, unless=unless)
    return draft.lossy("the listener and its rules get new ARNs")


async def _delete_balancer(draft: Draft) -> Plan:
    """With its listeners and rules: they go with it."""
    old = await one_of(
        draft, "DescribeLoadBalancers", "LoadBalancerArn", "LoadBalancers", "such load balancer"
    )
    name = {"LoadBalancerArn": old["LoadBalancerArn"]}
    create = {
        "Name": old["LoadBalancerName"],
        "Subnets": [zone["SubnetId"] for zone in old["AvailabilityZones"]],
    }
    create |= kept(old, "SecurityGroups", "Scheme", "Type", "IpAddressType") | await tags_of(
        draft, old["LoadBalancerArn"]
    )
    attributes = await draft.must(
        "Attributes", "DescribeLoadBalancerAttributes", name, what="such load balancer"
    )
    listeners = await draft.all("DescribeListeners", name, "Listeners")
    found = [
        (one, await draft.all("DescribeRules", {"ListenerArn": one["ListenerArn"]}, "Rules"))
        for one in listeners
    ]
    by_name = {"Names": [old["LoadBalancerName"]]}
    there = draft.check("the load balancer", "DescribeLoadBalancers", by_name, "length(LoadBalancers)", 1)
    draft.back("CreateLoadBalancer", create, unless=there)
    draft.back(
        "DescribeLoadBalancers",
        by_name,
        saves={"balancer": "LoadBalancers[0].LoadBalancerArn"},
        until="LoadBalancers[0].State.Code == 'active'",
    )
    new = {"LoadBalancerArn": slot("balancer")}
    filled = [one for one in attributes if one.get("Value") not in (None, "")]
    draft.back("ModifyLoadBalancerAttributes", new | {"Attributes": filled})
    for number, (listener, rules_of) in enumerate(found):
        _listener(draft, f"listener{number}", listener, rules_of)
    return draft.lossy("the load balancer gets a new ARN and DNS name, its listeners and rules new ARNs")


def _listener(draft: Draft, name: str, old: dict[str, Any], found: list[dict[str, Any]]) -> None:
    """A listener of a load balancer that is made again: there is one for each port."""
    create = _client(old, *_LISTENER) | {"LoadBalancerArn": slot("balancer")}
    at_port, listeners = (
        f"Listeners[?Port==`{old.get('Port', 'null')}`] | [0].ListenerArn",
        {"LoadBalancerArn": slot("balancer")},
    )
    there = draft.check(
        "the listeners",
        "DescribeListeners",
        listeners,
        f"length(Listeners[?Port==`{old.get('Port', 'null')}`])",
        1,
    )
    draft.back("CreateListener", create, unless=there)
    draft.back("DescribeListeners", listeners, saves={name: at_port})
    for rule in found:
        if not rule.get("IsDefault"):
            parameters = {"ListenerArn": slot(name), "Priority": int(rule["Priority"])}
            parameters |= {"Actions": actions(rule["Actions"]), "Conditions": conditions(rule["Conditions"])}
            unless = draft.check(
                "the rules",
                "DescribeRules",
                {"ListenerArn": slot(name)},
                f"contains(Rules[].Priority, {quoted(str(rule['Priority']))})",
                True,
            )
            draft.back("CreateRule", parameters, unless=unless)


async def _priorities(draft: Draft) -> Plan:
    arns = [one["RuleArn"] for one in draft.get("RulePriorities", ())]
    shape = "sort_by(Rules, &RuleArn)[].{RuleArn: RuleArn, Priority: Priority}"
    old = await draft.watch("the rules' priorities", "DescribeRules", {"RuleArns": arns}, shape)
    back = [{"RuleArn": one["RuleArn"], "Priority": int(one["Priority"])} for one in old or ()]
    draft.back("SetRulePriorities", {"RulePriorities": back})
    return draft.done()


async def _tags(draft: Draft) -> Plan:
    names = draft.get("TagKeys") or [tag["Key"] for tag in draft.get("Tags", ())]
    for arn in draft.get("ResourceArns", ()):
        old = await draft.watch(
            f"tags of {arn}",
            "DescribeTags",
            {"ResourceArns": [arn]},
            "sort_by(TagDescriptions[0].Tags || `[]`, &Key)",
        )
        was = [tag for tag in own_tags(old) if tag["Key"] in names]
        new = sorted(set(names) - {tag["Key"] for tag in was})
        if was:
            draft.back("AddTags", {"ResourceArns": [arn], "Tags": was})
        if new and draft.get("Tags"):
            draft.back("RemoveTags", {"ResourceArns": [arn], "TagKeys": new})
    return draft.done()


_BALANCER = {"LoadBalancerArns": "[LoadBalancerArn]"}
_CERTIFICATES = Read(
    "DescribeListenerCertificates",
    ("ListenerArn",),
    "sort(Certificates[?!IsDefault].CertificateArn)",
)
_LISTENER_CERTIFICATES = ("ListenerArn", "Certificates")

ROWS = rows(
    "elbv2",
    {
        "CreateLoadBalancer": (
            made("DeleteLoadBalancer", {"LoadBalancerArn": "LoadBalancers[0].LoadBalancerArn"}),
            "full",
            "the load balancer is deleted",
        ),
        "DeleteLoadBalancer": (_delete_balancer, "new_id", "made again with listeners and rules"),
        "CreateListener": (
            made("DeleteListener", {"ListenerArn": "Listeners[0].ListenerArn"}),
            "full",
            "the listener is deleted",
        ),
        "ModifyListener": (_modify_listener, "full", "the settings are put back"),
        "DeleteListener": (_delete_listener, "new_id", "made again with its rules"),
        "CreateRule": (made("DeleteRule", {"RuleArn": "Rules[0].RuleArn"}), "full", "the rule is deleted"),
        "ModifyRule": (_modify_rule, "full", "conditions and actions are put back"),
        "DeleteRule": (_delete_rule, "new_id", "the rule is made again"),
        "SetRulePriorities": (_priorities, "full", "the old priorities are set"),
        "ModifyLoadBalancerAttributes": (
            attributes("LoadBalancerArn", "LoadBalancer"),
            "full",
            "the old values are set",
        ),
        "SetSecurityGroups": (
            put_back(
                "SetSecurityGroups",
                ("LoadBalancerArn",),
                ("SecurityGroups",),
                read=Read(
                    "DescribeLoadBalancers", _BALANCER, "LoadBalancers[0].{SecurityGroups: SecurityGroups}"
                ),
                what="security groups of {LoadBalancerArn}",
            ),
            "full",
            "the old groups are set",
        ),
        "SetSubnets": (
            put_back(
                "SetSubnets",
                ("LoadBalancerArn",),
                ("Subnets",),
                read=Read(
                    "DescribeLoadBalancers",
                    _BALANCER,
                    "LoadBalancers[0].{Subnets: sort(AvailabilityZones[].SubnetId)}",
                ),
                what="subnets of {LoadBalancerArn}",
            ),
            "full",
            "the old subnets are set",
        ),
        "SetIpAddressType": (
            put_back(
                "SetIpAddressType",
                ("LoadBalancerArn",),
                ("IpAddressType",),
                read=Read(
                    "DescribeLoadBalancers", _BALANCER, "LoadBalancers[0].{IpAddressType: IpAddressType}"
                ),
                what="the address type of {LoadBalancerArn}",
            ),
            "full",
            "the old type is set",
        ),
        "AddListenerCertificates": (
            made("RemoveListenerCertificates", (), _LISTENER_CERTIFICATES, watch=_CERTIFICATES),
            "full",
            "the certificates are removed",
        ),
        "RemoveListenerCertificates": (
            made("AddListenerCertificates", (), _LISTENER_CERTIFICATES, watch=_CERTIFICATES),
            "full",
            "the certificates are added again",
        ),
        "AddTags": (_tags, "full", "old values are set, new tags are taken away"),
        "RemoveTags": (_tags, "full", "the tags are set again"),
    },
)
