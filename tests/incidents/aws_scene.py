"""The account in which an incident happens: what its calls name is made, in moto, past the gateway.

A payload has a call a line: `service Operation {parameters}`, with comments, and placeholders for what an account gives names to.
"""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from interlock.testing.moto import MotoServer
from interlock.testing.production import CAPABILITIES, furnish, template

_CALL = re.compile(r"^([a-z0-9-]+) ([A-Za-z0-9]+) (\{.*\})\s*(?://.*)?$")
_ROLE = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


class Asked(NamedTuple):
    """One call of an incident's."""

    service: str
    operation: str
    parameters: dict[str, Any]


def calls_of(payload: str) -> list[Asked]:
    """The calls of a payload. ValueError for a line that is neither a call nor a comment."""
    found = []
    for line in filter(None, (line.strip() for line in payload.splitlines())):
        if line.startswith("//"):
            continue
        match = _CALL.match(line)
        if match is None:
            raise ValueError(f"no call: {line}")
        found.append(Asked(match[1], match[2], json.loads(match[3])))
    return found


def staged(moto: MotoServer, asked: Asked) -> Asked:
    """Make what the call is about; the call with the account's own names in the place of placeholders."""
    make = SCENES.get(asked.service)
    return asked if make is None else asked._replace(parameters=make(moto, asked))


def _stack(moto: MotoServer, asked: Asked) -> dict[str, Any]:
    client = moto.client("cloudformation")
    given = {k: v for k, v in asked.parameters.items() if k != "TemplateURL"}
    if not client.describe_stacks()["Stacks"]:
        furnish(moto)
    if asked.operation == "DeleteStack":
        return given
    body = template()
    if asked.operation == "UpdateStack":
        # Another key: the table is made anew, and what was in it is gone.
        body = body.replace(
            "{AttributeName: account, KeyType: HASH}", "{AttributeName: customer, KeyType: HASH}"
        )
        body = body.replace(
            "{AttributeName: account, AttributeType: S}", "{AttributeName: customer, AttributeType: S}"
        )
    return {**given, "TemplateBody": body, "Capabilities": CAPABILITIES}


def _database(moto: MotoServer, asked: Asked) -> dict[str, Any]:
    moto.client("rds").create_db_instance(
        DBInstanceIdentifier=asked.parameters["DBInstanceIdentifier"], DBInstanceClass="db.m5.large", Engine="postgres",
        AllocatedStorage=20, MasterUsername="root", MasterUserPassword="planted-db-password-77", BackupRetentionPeriod=7,
    )  # fmt: skip
    return asked.parameters


def _cluster(moto: MotoServer, asked: Asked) -> dict[str, Any]:
    client = moto.client("ecs")
    client.create_cluster(clusterName=asked.parameters["cluster"])
    client.register_task_definition(
        family="web", containerDefinitions=[{"name": "web", "image": "web", "memory": 64}]
    )
    client.create_service(
        cluster=asked.parameters["cluster"], serviceName="web", taskDefinition="web", desiredCount=2
    )
    return asked.parameters


def _network(moto: MotoServer, asked: Asked) -> dict[str, Any]:
    client = moto.client("ec2")
    vpc = client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = client.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    given = dict(asked.parameters)
    if "RouteTableId" in given:
        gateway = client.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        client.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        given["RouteTableId"] = client.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        client.create_route(
            RouteTableId=given["RouteTableId"], DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway
        )
    if "NetworkInterfaceId" in given:
        made = client.create_network_interface(SubnetId=subnet)["NetworkInterface"]
        given["NetworkInterfaceId"] = made["NetworkInterfaceId"]
    if "VpcId" in given:
        given["VpcId"] = vpc
    return given


def _group(moto: MotoServer, asked: Asked) -> dict[str, Any]:
    """As large as the incident says, or of four where it only grows."""
    wanted = asked.parameters["DesiredCapacity"]
    size = 300 if wanted < 4 else 4
    client = moto.client("autoscaling")
    image = moto.client("ec2").describe_images()["Images"][0]["ImageId"]
    client.create_launch_configuration(LaunchConfigurationName="l", ImageId=image, InstanceType="t3.micro")
    client.create_auto_scaling_group(
        AutoScalingGroupName=asked.parameters["AutoScalingGroupName"], LaunchConfigurationName="l", MinSize=0, MaxSize=400,
        DesiredCapacity=size, AvailabilityZones=["us-east-1a"],
    )  # fmt: skip
    return asked.parameters


def _zone(moto: MotoServer, asked: Asked) -> dict[str, Any]:
    client = moto.client("route53")
    zone = client.create_hosted_zone(Name="us-east-1.amazonaws.com.", CallerReference="1")["HostedZone"]["Id"]
    changes = json.loads(json.dumps(asked.parameters["ChangeBatch"]["Changes"]))
    for change in changes:
        record = change["ResourceRecordSet"]
        record.setdefault("TTL", 60)
        record.setdefault("ResourceRecords", [{"Value": "10.0.0.1"}])
        if "SetIdentifier" in record:
            record.setdefault("Weight", 1)
        made = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
        client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=made)
    return {"HostedZoneId": zone.rpartition("/")[2], "ChangeBatch": {"Changes": changes}}


def _organization(moto: MotoServer, asked: Asked) -> dict[str, Any]:
    client = moto.client("organizations")
    client.create_organization(FeatureSet="ALL")
    root = client.list_roots()["Roots"][0]["Id"]
    account = client.create_account(Email="a@example.org", AccountName="prod")["CreateAccountStatus"][
        "AccountId"
    ]
    unit = client.create_organizational_unit(ParentId=root, Name="suspended")["OrganizationalUnit"]["Id"]
    return {"AccountId": account, "SourceParentId": root, "DestinationParentId": unit}


def _bucket(moto: MotoServer, asked: Asked) -> dict[str, Any]:
    client = moto.client("s3")
    client.create_bucket(Bucket=asked.parameters["Bucket"])
    for key in ("a", *(f"k{number}" for number in range(29))):
        client.put_object(Bucket=asked.parameters["Bucket"], Key=key, Body=b"data")
    return asked.parameters


def _key(moto: MotoServer, asked: Asked) -> dict[str, Any]:
    client = moto.client("kms")
    key = client.create_key()["KeyMetadata"]["KeyId"]
    name = asked.parameters["KeyId"]
    if name.startswith("alias/"):
        client.create_alias(AliasName=name, TargetKeyId=key)
    return {**asked.parameters, "KeyId": key}


def _function(moto: MotoServer, asked: Asked) -> dict[str, Any]:
    role = moto.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=_ROLE)["Role"]["Arn"]
    moto.client("lambda").create_function(
        FunctionName=asked.parameters["FunctionName"], Runtime="python3.12", Handler="i.h", Role=role, Code={"ZipFile": _ZIP}
    )  # fmt: skip
    return asked.parameters


_ZIP = bytes.fromhex("504b0506000000000000000000000000000000000000")

SCENES: dict[str, Callable[[MotoServer, Asked], dict[str, Any]]] = {
    "autoscaling": _group,
    "cloudformation": _stack,
    "ec2": _network,
    "ecs": _cluster,
    "kms": _key,
    "lambda": _function,
    "organizations": _organization,
    "rds": _database,
    "route53": _zone,
    "s3": _bucket,
}
"""By service: what an incident finds there. Calls to others find an empty account."""
