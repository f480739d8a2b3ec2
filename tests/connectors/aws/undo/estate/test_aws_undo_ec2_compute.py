"""op → revert → compare for EC2 instances, disks, images, launch templates, tags and keys."""

from typing import Any

import pytest
from tests.connectors.aws.undo.rig import Account, Case, prove

VPC = ("ec2", "CreateVpc", {"CidrBlock": "10.7.0.0/16"}, {"vpc": "Vpc.VpcId"})
SUBNET = (
    "ec2",
    "CreateSubnet",
    {"VpcId": "${vpc}", "CidrBlock": "10.7.1.0/24"},
    {"subnet": "Subnet.SubnetId"},
)
GROUP = (
    "ec2",
    "CreateSecurityGroup",
    {"GroupName": "web", "Description": "web", "VpcId": "${vpc}"},
    {"group": "GroupId"},
)
IMAGE = "ami-12c6146b"
INSTANCE = (
    "ec2",
    "RunInstances",
    {
        "ImageId": IMAGE,
        "MinCount": 1,
        "MaxCount": 1,
        "InstanceType": "t3.micro",
        "SubnetId": "${subnet}",
        "SecurityGroupIds": ["${group}"],
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web $${x}"}]}],
    },
    {"i": "Instances[0].InstanceId"},
)
WORLD = (VPC, SUBNET, GROUP)
ALL = "Reservations[].Instances[]"
UP = ("ec2", "DescribeInstances", {"InstanceIds": ["${i}"]}, f"{ALL}.State.Name")
LIVE = {"Filters": [{"Name": "instance-state-name", "Values": ["running"]}]}
SHAPE = "{t: InstanceType, s: SubnetId, g: SecurityGroups[].GroupId, n: Tags}"
VOLUME = (
    "ec2",
    "CreateVolume",
    {
        "AvailabilityZone": "eu-central-1a",
        "Size": 8,
        "VolumeType": "gp3",
        "TagSpecifications": [{"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": "data"}]}],
    },
    {"volume": "VolumeId"},
)
VOLUMES: Any = (
    "ec2",
    "DescribeVolumes",
    {},
    "Volumes[].{s: Size, t: VolumeType, n: Tags, z: AvailabilityZone}",
)
PROFILE = (
    ("iam", "CreateInstanceProfile", {"InstanceProfileName": "p1"}, {"p1": "InstanceProfile.Arn"}),
    ("iam", "CreateInstanceProfile", {"InstanceProfileName": "p2"}, {"p2": "InstanceProfile.Arn"}),
)
PROFILES: Any = (
    "ec2",
    "DescribeIamInstanceProfileAssociations",
    {},
    "IamInstanceProfileAssociations[].[InstanceId, IamInstanceProfile.Arn]",
)
ASSOCIATED = (
    "ec2",
    "AssociateIamInstanceProfile",
    {"InstanceId": "${i}", "IamInstanceProfile": {"Arn": "${p1}"}},
    {"association": "IamInstanceProfileAssociation.AssociationId"},
)
OWN = (
    "ec2",
    "CreateImage",
    {"InstanceId": "${i}", "Name": "own"},
    {"image": "ImageId"},
)
OWN_IMAGES: Any = ("ec2", "DescribeImages", {"Owners": ["self"]}, "Images[].Name")
SNAPSHOT = ("ec2", "CreateSnapshot", {"VolumeId": "${volume}"}, {"snapshot": "SnapshotId"})
SNAPSHOTS: Any = ("ec2", "DescribeSnapshots", {"OwnerIds": ["self"]}, "length(Snapshots)")
TEMPLATE = (
    "ec2",
    "CreateLaunchTemplate",
    {"LaunchTemplateName": "web-lt", "LaunchTemplateData": {"InstanceType": "t3.micro"}},
    {"template": "LaunchTemplate.LaunchTemplateId"},
)
SECOND = (
    "ec2",
    "CreateLaunchTemplateVersion",
    {"LaunchTemplateName": "web-lt", "LaunchTemplateData": {"InstanceType": "t3.large"}},
)
TEMPLATES: Any = (
    "ec2",
    "DescribeLaunchTemplateVersions",
    {"LaunchTemplateName": "web-lt"},
    "LaunchTemplateVersions[].[VersionNumber, LaunchTemplateData, DefaultVersion]",
)


def attribute(name: str, member: str, parameters: dict[str, object], given: tuple[object, ...] = ()) -> Case:
    return Case(
        name=f"modify-{name}",
        given=(*WORLD, INSTANCE, *given),  # type: ignore[arg-type]
        call=("ec2", "ModifyInstanceAttribute", {"InstanceId": "${i}", **parameters}),
        state=(("ec2", "DescribeInstanceAttribute", {"InstanceId": "${i}", "Attribute": name}, member),),
        kind="new_id" if given else "full",
    )


STOPPED = ("ec2", "StopInstances", {"InstanceIds": ["${i}"]})
CASES = (
    Case(
        name="stop",
        given=(*WORLD, INSTANCE),
        call=("ec2", "StopInstances", {"InstanceIds": ["${i}"]}),
        state=(UP,),
        kind="new_id",
    ),
    Case(
        name="start",
        given=(*WORLD, INSTANCE, STOPPED),
        call=("ec2", "StartInstances", {"InstanceIds": ["${i}"]}),
        state=(UP,),
    ),
    Case(
        name="terminate",
        given=(*WORLD, INSTANCE),
        call=("ec2", "TerminateInstances", {"InstanceIds": ["${i}"]}),
        state=(
            ("ec2", "DescribeInstances", LIVE, f"{ALL}.{SHAPE}"),
            ("ec2", "DescribeInstances", LIVE, f"{ALL}.InstanceId"),
        ),
        kind="new_id",
        differs=(1,),
    ),
    Case(
        name="run",
        given=WORLD,
        call=(
            "ec2",
            "RunInstances",
            {"ImageId": IMAGE, "MinCount": 2, "MaxCount": 2, "SubnetId": "${subnet}"},
        ),
        state=(("ec2", "DescribeInstances", LIVE, f"{ALL}.InstanceId"),),
    ),
    attribute("instanceType", "InstanceType", {"InstanceType": {"Value": "m5.large"}}, (STOPPED,)),
    attribute("disableApiTermination", "DisableApiTermination", {"DisableApiTermination": {"Value": True}}),
    attribute("sourceDestCheck", "SourceDestCheck", {"SourceDestCheck": {"Value": False}}),
    Case(
        name="modify-groups",
        given=(
            *WORLD,
            INSTANCE,
            (
                "ec2",
                "CreateSecurityGroup",
                {"GroupName": "empty", "Description": "e", "VpcId": "${vpc}"},
                {"empty": "GroupId"},
            ),
        ),
        call=("ec2", "ModifyInstanceAttribute", {"InstanceId": "${i}", "Groups": ["${empty}"]}),
        state=(("ec2", "DescribeInstances", {"InstanceIds": ["${i}"]}, f"{ALL}.SecurityGroups[].GroupId"),),
    ),
    Case(
        name="metadata-options",
        given=(*WORLD, INSTANCE),
        call=("ec2", "ModifyInstanceMetadataOptions", {"InstanceId": "${i}", "HttpTokens": "required"}),
        state=(("ec2", "DescribeInstances", {"InstanceIds": ["${i}"]}, f"{ALL}.MetadataOptions.HttpTokens"),),
    ),
    Case(
        name="associate-profile",
        given=(*WORLD, INSTANCE, *PROFILE),
        call=(
            "ec2",
            "AssociateIamInstanceProfile",
            {"InstanceId": "${i}", "IamInstanceProfile": {"Arn": "${p1}"}},
        ),
        state=(PROFILES,),
    ),
    Case(
        name="disassociate-profile",
        given=(*WORLD, INSTANCE, *PROFILE, ASSOCIATED),
        call=("ec2", "DisassociateIamInstanceProfile", {"AssociationId": "${association}"}),
        state=(PROFILES,),
        kind="new_id",
    ),
    Case(
        name="replace-profile",
        given=(*WORLD, INSTANCE, *PROFILE, ASSOCIATED),
        call=(
            "ec2",
            "ReplaceIamInstanceProfileAssociation",
            {"AssociationId": "${association}", "IamInstanceProfile": {"Arn": "${p2}"}},
        ),
        state=(PROFILES,),
    ),
    Case(name="create-volume", call=VOLUME[:3], state=(VOLUMES,)),
    Case(
        name="delete-volume",
        given=(VOLUME,),
        call=("ec2", "DeleteVolume", {"VolumeId": "${volume}"}),
        state=(VOLUMES, ("ec2", "DescribeVolumes", {}, "Volumes[].VolumeId")),
        kind="new_id",
        differs=(1,),
    ),
    Case(
        name="attach-volume",
        given=(*WORLD, INSTANCE, VOLUME),
        call=("ec2", "AttachVolume", {"VolumeId": "${volume}", "InstanceId": "${i}", "Device": "/dev/sdh"}),
        state=(("ec2", "DescribeVolumes", {"VolumeIds": ["${volume}"]}, "Volumes[].Attachments[].Device"),),
    ),
    Case(
        name="detach-volume",
        given=(
            *WORLD,
            INSTANCE,
            VOLUME,
            ("ec2", "AttachVolume", {"VolumeId": "${volume}", "InstanceId": "${i}", "Device": "/dev/sdh"}),
        ),
        call=("ec2", "DetachVolume", {"VolumeId": "${volume}", "InstanceId": "${i}"}),
        state=(("ec2", "DescribeVolumes", {"VolumeIds": ["${volume}"]}, "Volumes[].Attachments[].Device"),),
    ),
    Case(
        name="modify-volume-type",
        given=(VOLUME,),
        call=("ec2", "ModifyVolume", {"VolumeId": "${volume}", "VolumeType": "io1"}),
        state=(VOLUMES,),
        kind="new_id",
    ),
    Case(
        name="modify-volume-size",
        given=(VOLUME,),
        call=("ec2", "ModifyVolume", {"VolumeId": "${volume}", "VolumeType": "io1", "Size": 20}),
        state=(
            ("ec2", "DescribeVolumes", {}, "Volumes[].VolumeType"),
            ("ec2", "DescribeVolumes", {}, "Volumes[].Size"),
        ),
        kind="new_id",
        differs=(1,),
    ),
    Case(name="create-snapshot", given=(VOLUME,), call=SNAPSHOT[:3], state=(SNAPSHOTS,)),
    Case(
        name="share-snapshot",
        given=(VOLUME, SNAPSHOT),
        call=(
            "ec2",
            "ModifySnapshotAttribute",
            {
                "SnapshotId": "${snapshot}",
                "Attribute": "createVolumePermission",
                "OperationType": "add",
                "UserIds": ["210987654321"],
            },
        ),
        state=(
            (
                "ec2",
                "DescribeSnapshotAttribute",
                {"SnapshotId": "${snapshot}", "Attribute": "createVolumePermission"},
                "CreateVolumePermissions",
            ),
        ),
    ),
    Case(
        name="copy-snapshot",
        given=(VOLUME, SNAPSHOT),
        call=("ec2", "CopySnapshot", {"SourceSnapshotId": "${snapshot}", "SourceRegion": "eu-central-1"}),
        state=(SNAPSHOTS,),
    ),
    Case(name="create-image", given=(*WORLD, INSTANCE), call=OWN[:3], state=(OWN_IMAGES,)),
    Case(
        name="copy-image",
        given=(*WORLD, INSTANCE, OWN),
        call=(
            "ec2",
            "CopyImage",
            {"SourceImageId": "${image}", "Name": "copy", "SourceRegion": "eu-central-1"},
        ),
        state=(OWN_IMAGES,),
    ),
    Case(
        name="register-image",
        call=("ec2", "RegisterImage", {"Name": "registered"}),
        state=(OWN_IMAGES,),
    ),
    Case(
        name="deregister-image",
        given=(*WORLD, INSTANCE, OWN),
        call=("ec2", "DeregisterImage", {"ImageId": "${image}"}),
        state=(OWN_IMAGES, ("ec2", "DescribeImages", {"Owners": ["self"]}, "Images[].ImageId")),
        kind="new_id",
        differs=(1,),
    ),
    Case(
        name="share-image",
        given=(*WORLD, INSTANCE, OWN),
        call=(
            "ec2",
            "ModifyImageAttribute",
            {"ImageId": "${image}", "LaunchPermission": {"Add": [{"UserId": "210987654321"}]}},
        ),
        state=(
            (
                "ec2",
                "DescribeImageAttribute",
                {"ImageId": "${image}", "Attribute": "launchPermission"},
                "LaunchPermissions",
            ),
        ),
    ),
    Case(
        name="encryption-on",
        call=("ec2", "EnableEbsEncryptionByDefault", {}),
        state=(("ec2", "GetEbsEncryptionByDefault", {}, "EbsEncryptionByDefault"),),
    ),
    Case(
        name="encryption-off",
        given=(("ec2", "EnableEbsEncryptionByDefault", {}),),
        call=("ec2", "DisableEbsEncryptionByDefault", {}),
        state=(("ec2", "GetEbsEncryptionByDefault", {}, "EbsEncryptionByDefault"),),
    ),
    Case(
        name="create-tags",
        given=(VOLUME,),
        call=(
            "ec2",
            "CreateTags",
            {
                "Resources": ["${volume}"],
                "Tags": [{"Key": "Name", "Value": "other"}, {"Key": "New", "Value": "1"}],
            },
        ),
        state=(("ec2", "DescribeTags", {}, "sort_by(Tags, &Key)"),),
    ),
    Case(
        name="delete-tags",
        given=(VOLUME,),
        call=("ec2", "DeleteTags", {"Resources": ["${volume}"], "Tags": [{"Key": "Name"}]}),
        state=(("ec2", "DescribeTags", {}, "sort_by(Tags, &Key)"),),
    ),
    Case(
        name="create-key",
        call=("ec2", "CreateKeyPair", {"KeyName": "k"}),
        state=(("ec2", "DescribeKeyPairs", {}, "KeyPairs[].KeyName"),),
    ),
    Case(
        name="delete-key",
        given=(("ec2", "CreateKeyPair", {"KeyName": "k"}),),
        call=("ec2", "DeleteKeyPair", {"KeyName": "k"}),
        state=(
            ("ec2", "DescribeKeyPairs", {"IncludePublicKey": True}, "KeyPairs[].KeyName"),
            ("ec2", "DescribeKeyPairs", {}, "KeyPairs[].KeyPairId"),
        ),
        kind="new_id",
        differs=(1,),
    ),
    Case(name="create-template", call=TEMPLATE[:3], state=(TEMPLATES,)),
    Case(
        name="modify-template",
        given=(TEMPLATE, SECOND),
        call=("ec2", "ModifyLaunchTemplate", {"LaunchTemplateName": "web-lt", "DefaultVersion": "2"}),
        state=(("ec2", "DescribeLaunchTemplates", {}, "LaunchTemplates[].DefaultVersionNumber"),),
    ),
    Case(
        name="delete-template",
        given=(TEMPLATE, SECOND),
        call=("ec2", "DeleteLaunchTemplate", {"LaunchTemplateName": "web-lt"}),
        state=(TEMPLATES, ("ec2", "DescribeLaunchTemplates", {}, "LaunchTemplates[].LaunchTemplateId")),
        kind="new_id",
        differs=(1,),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_comes_back(account: Account, case: Case) -> None:
    prove(account, case)
