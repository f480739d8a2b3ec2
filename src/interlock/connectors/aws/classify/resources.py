"""What a call is about: resources as ARNs, as far as its parameters name them.

Which kinds an operation is about, and how their ARNs are written, is from the service authorization reference; which parameters
fill an ARN in, from `members.toml` or by name. ARNs that a call gives are taken as they are.
"""

import math
import re
from collections.abc import Iterator, Mapping
from itertools import chain, product
from typing import Any

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.classify import forms, naming
from interlock.connectors.aws.classify.groups import group_of
from interlock.connectors.aws.classify.scope import Scope
from interlock.connectors.aws.verbs.levels import Levels, Target, prefix_of
from interlock.model.operation import Resource

SERVICE = "aws:service"
"""The kind of what a call is about that names nothing."""

MOST_OBJECTS = 100
"""Objects of a multi-object delete that are named; the rest is behind what all keys begin with."""

MOST_COMBINATIONS = 1000
"""Combinations of several lists of names that are spelled out (clusters and services)."""


def resources_of(call: Call, scope: Scope, levels: Levels) -> tuple[Resource, ...]:
    """The resources of a call, what its operation names first; never empty."""
    found = dict.fromkeys(_named(call, scope, levels))
    if not found:
        found = {(SERVICE, _service(call, scope)): None}
    return tuple(Resource(kind, name, group_of(name, scope.groups)) for kind, name in found)


def _named(call: Call, scope: Scope, levels: Levels) -> Iterator[tuple[str, str]]:
    if call.service == "s3" and "Bucket" in call.parameters:
        yield from _objects(call, scope, levels)
        return
    if call.service == "ec2" and "Resources" in call.parameters:
        yield from _tagged(call, scope, levels)
        return
    if call.service == "kms":
        yield from _aliases(call, scope)
    own = [*_own_way(call, scope)]
    found = own or [*_by_targets(call, scope, _ordered(call, levels))]
    if not found and call.service == "ec2":
        found = [*_by_ids([*chain.from_iterable(map(_flat, call.parameters.values()))], call, scope, levels)]
    yield from found or _by_arns(call, levels)


def _service(call: Call, scope: Scope) -> str:
    account = call.account or scope.account
    return f"arn:{scope.partition}:{prefix_of(call.service)}:{call.region or scope.region}:{account}:*"


def _ordered(call: Call, levels: Levels) -> list[Target]:
    """The kinds that an operation is about; the one that its name names comes first, the longest of several."""
    key = "ordered", call.service, call.operation
    if key not in levels.memo:
        levels.memo[key] = _put_in_order(call, levels)
    found: list[Target] = levels.memo[key]
    return found


def _put_in_order(call: Call, levels: Levels) -> list[Target]:
    name = naming.plain(call.operation)

    def place(target: Target) -> tuple[int, bool]:
        kind = _type_of(target)
        return (-len(kind) if kind in name else 0, not target.required)

    known = levels.targets(call.service, call.operation)
    return sorted(known or _named_kinds(call, levels), key=place)


def _named_kinds(call: Call, levels: Levels) -> list[Target]:
    """The kinds of a service that an operation's name names, where the reference says nothing: the longest."""
    name = naming.plain(call.operation)
    kinds = [form for form in levels.forms(prefix_of(call.service)) if _type_of(form) in name]
    longest = max((len(_type_of(form)) for form in kinds), default=0)
    return [form for form in kinds if len(_type_of(form)) == longest]


def _type_of(target: Target) -> str:
    return naming.plain(target.kind.partition(":")[2])


def _by_targets(call: Call, scope: Scope, targets: list[Target]) -> Iterator[tuple[str, str]]:
    partial = []
    complete = False
    values = chain.from_iterable(map(_flat, call.parameters.values()))
    given = [naming.whole(call.service, value) for value in values if forms.is_arn(value)]
    claimed = {arn for arn in given if any(forms.matches(target.arn, arn) for target in targets)}
    places = _places(call, scope)
    for target in targets:
        for name, whole in _names(call, places, target, claimed):
            complete = complete or whole
            if whole:
                yield target.kind, name
            else:
                partial.append((target.kind, name))
    if not complete:
        named = [
            pair
            for pair in partial
            if naming.plain(pair[0].partition(":")[2]) in naming.plain(call.operation)
        ]
        yield from named or partial


def _names(
    call: Call, places: Mapping[str, str], target: Target, claimed: set[str]
) -> Iterator[tuple[str, bool]]:
    """The ARNs of a kind in a call, and whether all of each is known."""
    yield from ((arn, True) for arn in sorted(claimed) if forms.matches(target.arn, arn))
    prefix, _, kind = target.kind.partition(":")
    wanted = forms.variables(target.arn)
    alone = len(wanted) == 1
    values = {
        v: naming.values_of(prefix, kind, v, call.operation, call.parameters, alone=alone) for v in wanted
    }
    filled = {v: found for v, found in values.items() if found}
    if not filled:
        return
    # An ARN that has the form of another kind of these is that one's.
    arns = [v for found in filled.values() for v in found if forms.is_arn(v) and v not in claimed]
    yield from ((arn, True) for arn in arns)
    texts = {v: [t for t in found if not forms.is_arn(t)] for v, found in filled.items()}
    if all(texts.values()):
        whole = len(filled) == len(wanted) or set(wanted) - set(filled) <= _MADE
        for named in _combined(texts):
            yield forms.fill(target.arn, {**places, **named}), whole


def _combined(texts: Mapping[str, list[str]]) -> Iterator[Mapping[str, str]]:
    """Every combination; of too many, each value with anything for the others."""
    if math.prod(map(len, texts.values())) <= MOST_COMBINATIONS:
        yield from (dict(zip(texts, values, strict=True)) for values in product(*texts.values()))
    else:
        yield from ({variable: value} for variable, values in texts.items() for value in values)


_MADE = {"Id", "GroupId", "UUID", "StackId", "Qualifier", "TaskDefinitionRevisionNumber", "Version"}
"""Variables that AWS makes up: an ARN is as good as whole without them."""


def _places(call: Call, scope: Scope) -> Mapping[str, str]:
    account = call.account or scope.account
    return {"Partition": scope.partition, "Region": call.region or scope.region, "Account": account}


def _by_arns(call: Call, levels: Levels) -> Iterator[tuple[str, str]]:
    for name, value in call.parameters.items():
        plain = naming.plain(name)
        if plain.endswith(("arn", "arns", "arnlist", "resourceid", "resourcename")) and not _ASIDE.search(
            plain
        ):
            for arn in filter(forms.is_arn, _flat(value)):
                yield next(forms.kinds_of(arn, levels), SERVICE), arn


def _flat(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        yield from (item for item in value if isinstance(item, str))


_ASIDE = re.compile(r"role|kms|key|certificate|destination|secret|topic|bucket")
"""Words of members that name what a resource uses, not the resource."""


# -- services that name things in their own way


def _own_way(call: Call, scope: Scope) -> Iterator[tuple[str, str]]:
    for kind, parameters, path in _OWN.get(call.service, ()):
        names = [call.parameters.get(parameter) for parameter in parameters]
        if all(isinstance(name, str) and name for name in names):
            # The deepest that is named is what it is about; the rest follows.
            yield (
                kind,
                forms.fill(
                    path, {**_places(call, scope), **dict(zip(parameters, map(str, names), strict=True))}
                ),
            )


_API = "arn:${Partition}:apigateway:${Region}::"
_OWN = {
    "apigateway": (
        ("apigateway:Stage", ("restApiId", "stageName"), _API + "/restapis/${restApiId}/stages/${stageName}"),
        ("apigateway:RestApi", ("restApiId",), _API + "/restapis/${restApiId}"),
        ("apigateway:DomainName", ("domainName",), _API + "/domainnames/${domainName}"),
        ("apigateway:UsagePlan", ("usagePlanId",), _API + "/usageplans/${usagePlanId}"),
        ("apigateway:ApiKey", ("apiKey",), _API + "/apikeys/${apiKey}"),
    ),
    "apigatewayv2": (
        ("apigateway:Stage", ("ApiId", "StageName"), _API + "/apis/${ApiId}/stages/${StageName}"),
        ("apigateway:Api", ("ApiId",), _API + "/apis/${ApiId}"),
        ("apigateway:DomainName", ("DomainName",), _API + "/domainnames/${DomainName}"),
    ),
    "cloudcontrol": (
        (
            SERVICE,
            ("Identifier",),
            "arn:${Partition}:cloudformation:${Region}:${Account}:resource/${Identifier}",
        ),
    ),
}
"""What the reference's actions don't say: API Gateway's are HTTP verbs, Cloud Control's are about anything."""


def _objects(call: Call, scope: Scope, levels: Levels) -> Iterator[tuple[str, str]]:
    bucket = str(call.parameters["Bucket"])
    base = bucket if forms.is_arn(bucket) else f"arn:{scope.partition}:s3:::{bucket}"
    kind = next(forms.kinds_of(bucket, levels), "s3:bucket") if forms.is_arn(bucket) else "s3:bucket"
    many = call.parameters.get("Delete")
    keys = [str(item.get("Key", "")) for item in many.get("Objects", ())] if isinstance(many, Mapping) else []
    if keys or "Key" not in call.parameters:
        yield kind, base
    for key in keys[:MOST_OBJECTS] or filter(None, [call.parameters.get("Key")]):
        yield "s3:object", f"{base}/{key}"
    if len(keys) > MOST_OBJECTS:
        yield "s3:object", f"{base}/{_beginning(keys)}*"


def _beginning(keys: list[str]) -> str:
    """What all keys begin with."""
    first, last = min(keys), max(keys)
    same = (place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
    return first[: next(same, min(len(first), len(last)))]


_EC2_IDS = {
    "i": "instance",
    "vpc": "vpc",
    "subnet": "subnet",
    "sg": "security-group",
    "rtb": "route-table",
    "igw": "internet-gateway",
    "vol": "volume",
    "snap": "snapshot",
    "ami": "image",
    "eni": "network-interface",
    "eipalloc": "elastic-ip",
    "nat": "natgateway",
    "acl": "network-acl",
    "pcx": "vpc-peering-connection",
    "vpce": "vpc-endpoint",
    "tgw": "transit-gateway",
    "lt": "launch-template",
    "key": "key-pair",
    "dopt": "dhcp-options",
    "vgw": "vpn-gateway",
    "cgw": "customer-gateway",
    "vpn": "vpn-connection",
    "fl": "vpc-flow-log",
    "pl": "prefix-list",
    "sgr": "security-group-rule",
    "fleet": "fleet",
    "eigw": "egress-only-internet-gateway",
    "cr": "capacity-reservation",
    "pg": "placement-group",
    "h": "dedicated-host",
}


def _aliases(call: Call, scope: Scope) -> Iterator[tuple[str, str]]:
    """Keys may be named by an alias, although actions are about keys."""
    for value in naming.values_of("kms", "alias", "Alias", call.operation, call.parameters, alone=True):
        form = f"arn:${{Partition}}:kms:${{Region}}:${{Account}}:alias/{value}"
        yield "kms:alias", value if forms.is_arn(value) else forms.fill(form, _places(call, scope))


def _tagged(call: Call, scope: Scope, levels: Levels) -> Iterator[tuple[str, str]]:
    """CreateTags and DeleteTags name resources of any kind by their ids."""
    names = list(_flat(call.parameters["Resources"]))
    yield from _by_ids(names, call, scope, levels)
    places = _places(call, scope)
    for name in names:
        if _ec2_kind(name, levels) is None:
            yield SERVICE, forms.fill(f"arn:${{Partition}}:ec2:${{Region}}:${{Account}}:*/{name}", places)


def _by_ids(names: list[str], call: Call, scope: Scope, levels: Levels) -> Iterator[tuple[str, str]]:
    for name in names:
        if (target := _ec2_kind(name, levels)) is not None:
            yield (
                target.kind,
                forms.fill(target.arn, {**_places(call, scope), forms.variables(target.arn)[-1]: name}),
            )


def _ec2_kind(name: str, levels: Levels) -> Target | None:
    """The kind of an EC2 id by its beginning (EC2 user guide, "Resource IDs")."""
    kind = _EC2_IDS.get(name.partition("-")[0]) if "-" in name else None
    return next((t for t in levels.forms("ec2") if kind and t.kind == f"ec2:{kind}"), None)
