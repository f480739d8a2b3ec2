"""Networks, machines, names and accounts in moto, for `aws_scene`: what hangs together there is made together."""

import json
from typing import Any

from tests.incidents.aws_things import Given, Maker

from interlock.testing.peers.moto import REGION, MotoServer

PARTS = ("ec2",)
"""Services in which what is created needs what is there."""


def network(moto: MotoServer, _: str, __: Given) -> str:
    made = str(moto.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"])
    moto.client("ec2").create_subnet(VpcId=made, CidrBlock="10.0.1.0/24")
    return made


def subnet(moto: MotoServer, _: str, __: Given) -> str:
    client = moto.client("ec2")
    return str(
        client.create_subnet(VpcId=network(moto, "", {}), CidrBlock="10.0.2.0/24")["Subnet"]["SubnetId"]
    )


def routes(moto: MotoServer, _: str, given: Given) -> str:
    client = moto.client("ec2")
    vpc = network(moto, "", {})
    gateway = client.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    client.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    made = str(client.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"])
    client.create_route(
        RouteTableId=made,
        DestinationCidrBlock=given.get("DestinationCidrBlock", "0.0.0.0/0"),
        GatewayId=gateway,
    )
    return made


def interface(moto: MotoServer, _: str, __: Given) -> str:
    made = moto.client("ec2").create_network_interface(SubnetId=subnet(moto, "", {}))
    return str(made["NetworkInterface"]["NetworkInterfaceId"])


def security_group(moto: MotoServer, _: str, given: Given) -> str:
    client = moto.client("ec2")
    made = str(
        client.create_security_group(GroupName="web", Description="web", VpcId=network(moto, "", {}))[
            "GroupId"
        ]
    )
    if "IpPermissions" not in given and "CidrIp" not in given:
        inside = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
        client.authorize_security_group_ingress(GroupId=made, IpPermissions=[inside])
    return made


def instance(moto: MotoServer, _: str, __: Given) -> str:
    client = moto.client("ec2")
    image = client.describe_images()["Images"][0]["ImageId"]
    run = client.run_instances(ImageId=image, MinCount=1, MaxCount=1, SubnetId=subnet(moto, "", {}))
    return str(run["Instances"][0]["InstanceId"])


def instances(moto: MotoServer, names: list[str], given: Given) -> list[str]:
    return [instance(moto, name, given) for name in names]


def volume(moto: MotoServer, _: str, __: Given) -> str:
    return str(moto.client("ec2").create_volume(Size=8, AvailabilityZone=f"{REGION}a")["VolumeId"])


def snapshot(moto: MotoServer, _: str, __: Given) -> str:
    return str(moto.client("ec2").create_snapshot(VolumeId=volume(moto, "", {}))["SnapshotId"])


def image(moto: MotoServer, _: str, __: Given) -> str:
    return str(moto.client("ec2").create_image(InstanceId=instance(moto, "", {}), Name="gold")["ImageId"])


NETWORK: dict[str, Maker] = {
    "GroupId": security_group,
    "ImageId": image,
    "InstanceId": instance,
    "InstanceIds": instances,
    "NetworkInterfaceId": interface,
    "RouteTableId": routes,
    "SnapshotId": snapshot,
    "SubnetId": subnet,
    "VolumeId": volume,
    "VpcId": network,
}


def zone(moto: MotoServer, _: str, given: Given) -> str:
    """A zone in which there is what the call changes."""
    client = moto.client("route53")
    changes = given.get("ChangeBatch", {}).get("Changes", [])
    names = [c["ResourceRecordSet"]["Name"].rstrip(".") for c in changes]
    name = ".".join(names[0].split(".")[1:]) if names else "example.org"
    made = str(client.create_hosted_zone(Name=name, CallerReference="1")["HostedZone"]["Id"])
    for change in changes:
        record = change["ResourceRecordSet"]
        if "AliasTarget" not in record:
            record.setdefault("TTL", 60)
            record.setdefault("ResourceRecords", [{"Value": "10.0.0.1"}])
        if "SetIdentifier" in record:
            record.setdefault("Weight", 1)
        old: dict[str, Any] = json.loads(json.dumps(record))
        if change["Action"] == "UPSERT":
            old["ResourceRecords"] = [{"Value": "10.0.0.7"}]
        if change["Action"] != "CREATE":
            put = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": old}]}
            client.change_resource_record_sets(HostedZoneId=made, ChangeBatch=put)
    return made.rpartition("/")[2]


def _organization(moto: MotoServer) -> Any:
    client = moto.client("organizations")
    try:
        client.describe_organization()
    except client.exceptions.AWSOrganizationsNotInUseException:
        client.create_organization(FeatureSet="ALL")
        client.enable_policy_type(
            RootId=client.list_roots()["Roots"][0]["Id"], PolicyType="SERVICE_CONTROL_POLICY"
        )
    return client


def account(moto: MotoServer, _: str, given: Given) -> str:
    made = _organization(moto).create_account(Email="a@example.org", AccountName="prod")
    return str(made["CreateAccountStatus"]["AccountId"])


def root(moto: MotoServer, _: str, given: Given) -> str:
    return str(_organization(moto).list_roots()["Roots"][0]["Id"])


def unit(moto: MotoServer, _: str, given: Given) -> str:
    client = _organization(moto)
    made = client.create_organizational_unit(ParentId=root(moto, "", {}), Name="suspended")
    return str(made["OrganizationalUnit"]["Id"])


def service_control(moto: MotoServer, _: str, given: Given) -> str:
    client = _organization(moto)
    content = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]}
    )
    made = client.create_policy(
        Name="guard", Description="guard", Type="SERVICE_CONTROL_POLICY", Content=content
    )
    return str(made["Policy"]["PolicySummary"]["Id"])


ORGANIZATION: dict[str, Maker] = {
    "AccountId": account,
    "SourceParentId": root,
    "DestinationParentId": unit,
    "TargetId": root,
    "PolicyId": service_control,
}
