"""EC2 volumes, snapshots and images (EC2 API reference: DeleteVolume, CreateSnapshot, DeregisterImage)."""

from typing import Any

from interlock.connectors.aws.undo.estate.common import Read, made, put_back, rows, switched
from interlock.connectors.aws.undo.estate.draft import Draft, Gone, Maker, kept, never, own_tags, slot
from interlock.connectors.aws.undo.plan import Plan

_SHAPE = (
    "AvailabilityZone",
    "VolumeType",
    "Iops",
    "Throughput",
    "Encrypted",
    "KmsKeyId",
    "MultiAttachEnabled",
)


async def _volume(draft: Draft) -> dict[str, Any]:
    asked = {"VolumeIds": [draft.get("VolumeId")]}
    found: dict[str, Any] = await draft.must("Volumes[0]", "DescribeVolumes", asked, what="such volume")
    return found


async def _delete_volume(draft: Draft) -> Plan:
    volume = await _volume(draft)
    draft.first(
        "CreateSnapshot",
        {"VolumeId": volume["VolumeId"], "Description": f"interlock-{draft.nonce}"},
        saves={"snapshot": "SnapshotId"},
        wait="snapshot_completed",
        wait_for={"SnapshotIds": [slot("snapshot")]},
    )
    draft.later("DeleteSnapshot", {"SnapshotId": slot("snapshot")})
    shape = kept(volume, *_SHAPE)
    if shape.get("VolumeType") not in ("io1", "io2", "gp3"):
        shape.pop("Iops", None)
    shape |= {"SnapshotId": slot("snapshot"), "Size": volume["Size"]}
    shape["ClientToken"] = f"interlock-{draft.nonce}"
    if tags := own_tags(volume.get("Tags")):
        shape["TagSpecifications"] = [{"ResourceType": "volume", "Tags": tags}]
    of_it = {"Filters": [{"Name": "snapshot-id", "Values": [slot("snapshot")]}]}
    unless = draft.check("volumes of that snapshot", "DescribeVolumes", of_it, "length(Volumes)", 1)
    draft.back("CreateVolume", shape, unless=unless)
    draft.back("DescribeVolumes", of_it, until="Volumes[0].State == 'available'")
    draft.gentler = "DetachVolume keeps the volume"
    return draft.lossy("the volume comes back from a snapshot under a new id")


async def _detach(draft: Draft) -> Plan:
    where = await draft.watch(
        f"attachments of {draft.get('VolumeId')}",
        "DescribeVolumes",
        {"VolumeIds": [draft.get("VolumeId")]},
        "Volumes[0].Attachments[?State!='detaching' && State!='detached'].{InstanceId: InstanceId, Device: Device}",
    )
    for attachment in where or ():
        if draft.get("InstanceId") in (None, attachment["InstanceId"]):
            draft.back("AttachVolume", {"VolumeId": draft.get("VolumeId"), **attachment}, present_ok=True)
    return draft.done()


async def _modify_volume(draft: Draft) -> Plan:
    old = await draft.watch(
        f"type and size of {draft.get('VolumeId')}",
        "DescribeVolumes",
        {"VolumeIds": [draft.get("VolumeId")]},
        "Volumes[0].{VolumeType: VolumeType, Iops: Iops, Throughput: Throughput}",
    )
    changed = {
        name: value
        for name, value in (old or {}).items()
        if value is not None and name in draft.call.parameters
    }
    if draft.get("Size", 0) > (await _volume(draft))["Size"]:
        if not changed:
            return Plan("none", reason="a volume can't be made smaller")
        draft.caveats.append("the volume keeps its new size")
    if changed:
        draft.back("ModifyVolume", {"VolumeId": draft.get("VolumeId"), **changed})
    draft.caveats.append("a volume can be modified once in six hours")
    return draft.lossy()


def _opposite(operation: str, key: str, what: str) -> Maker:
    """Shares added are removed, and the other way round: only what the call really changes."""
    read = operation.replace("Modify", "Describe")
    member = {"ImageId": "LaunchPermissions", "SnapshotId": "CreateVolumePermissions"}[key]
    parameter = {"ImageId": "LaunchPermission", "SnapshotId": "CreateVolumePermission"}[key]
    attribute = parameter[0].lower() + parameter[1:]

    async def make(draft: Draft) -> Plan:
        named = {key: draft.get(key)}
        if draft.get("Attribute") not in (None, attribute) or draft.get("Description") is not None:
            return Plan("none", reason="only who may use it is put back")
        before = await draft.watch(
            f"who may use {what} {draft.get(key)}",
            read,
            named | {"Attribute": attribute},
            f"sort_by({member}, &to_string(@))",
        )
        for way, entries in _changes(draft, before or [], parameter).items():
            draft.back(operation, named | {"Attribute": attribute, "OperationType": way, **_who(entries)})
        return draft.done()

    return make


def _changes(draft: Draft, before: list[Any], parameter: str) -> dict[str, Any]:
    asked = draft.get(parameter, {})
    added, removed = list(asked.get("Add", ())), list(asked.get("Remove", ()))
    named = [{"UserId": user} for user in draft.get("UserIds", ())]
    named += [{"Group": group} for group in draft.get("UserGroups", draft.get("GroupNames", ()))]
    if draft.get("OperationType") == "add":
        added += named
    elif draft.get("OperationType") == "remove":
        removed += named
    changes = {
        "remove": [one for one in added if one not in before],
        "add": [one for one in removed if one in before],
    }
    return {name: entries for name, entries in changes.items() if entries}


def _who(entries: list[Any]) -> dict[str, Any]:
    """Accounts and groups in the form that both images and snapshots take (organizations have no such form)."""
    users = [one["UserId"] for one in entries if "UserId" in one]
    groups = [one["Group"] for one in entries if "Group" in one]
    if len(users) + len(groups) < len(entries):
        raise Gone("no inverse of sharing with organizations is known")
    return {name: values for name, values in (("UserIds", users), ("GroupNames", groups)) if values}


async def _deregister(draft: Draft) -> Plan:
    asked = {"ImageIds": [draft.get("ImageId")]}
    image = await draft.must("Images[0]", "DescribeImages", asked, what="such image")
    if image.get("RootDeviceType") == "instance-store":
        return Plan("none", reason="an image with an instance store root can't be registered again from here")
    if draft.get("DeleteAssociatedSnapshots"):
        return Plan("none", reason="its snapshots are deleted with it", gentler="DisableImage keeps it")
    disks = [
        {
            "DeviceName": disk["DeviceName"],
            "Ebs": kept(disk["Ebs"], "SnapshotId", "VolumeType", "VolumeSize", "DeleteOnTermination"),
        }
        for disk in image.get("BlockDeviceMappings", ())
        if disk.get("Ebs")
    ]
    named = {"Owners": ["self"], "Filters": [{"Name": "name", "Values": [image["Name"]]}]}
    find = ("DescribeImages", named, "Images", "ImageId")
    await draft.again("image", "RegisterImage", _image(image) | {"BlockDeviceMappings": disks}, find=find)
    if tags := own_tags(image.get("Tags")):
        draft.back("CreateTags", {"Resources": [slot("image")], "Tags": tags})
    shared = await draft.ask(
        "DescribeImageAttribute", {"ImageId": image["ImageId"], "Attribute": "launchPermission"}
    )
    if permissions := (shared or {}).get("LaunchPermissions"):
        change = {"ImageId": slot("image"), "LaunchPermission": {"Add": permissions}}
        draft.back("ModifyImageAttribute", change)
    draft.gentler = "DisableImage keeps it"
    return draft.lossy("the image gets a new id")


def _image(image: dict[str, Any]) -> dict[str, Any]:
    return kept(
        image,
        "Name",
        "Description",
        "Architecture",
        "RootDeviceName",
        "VirtualizationType",
        "EnaSupport",
        "SriovNetSupport",
        "BootMode",
        "ImdsSupport",
    )


_IMAGE = (
    "DescribeImages",
    {"Filters": [{"Name": "image-id", "Values": [slot("ImageId")]}]},
    "Images[].ImageId",
)

ROWS = rows(
    "ec2",
    {
        "CreateVolume": (made("DeleteVolume", ("VolumeId",)), "full", "the volume is deleted"),
        "DeleteVolume": (_delete_volume, "new_id", "a snapshot is made before, and a volume of it after"),
        "AttachVolume": (
            made(
                "DetachVolume",
                (),
                ("VolumeId", "InstanceId", "Device"),
                wait=("volume_available", {"VolumeIds": "[VolumeId]"}),
            ),
            "full",
            "the volume is detached",
        ),
        "DetachVolume": (_detach, "full", "the volume is attached again"),
        "ModifyVolume": (_modify_volume, "new_id", "type and speed are set back, a larger size stays"),
        "CreateSnapshot": (made("DeleteSnapshot", ("SnapshotId",)), "full", "the snapshot is deleted"),
        "CopySnapshot": (made("DeleteSnapshot", ("SnapshotId",)), "full", "the snapshot is deleted"),
        "DeleteSnapshot": (
            never(
                "a deleted snapshot can't come back",
                "a Recycle Bin rule keeps deleted snapshots for a while; ModifySnapshotTier archives it",
            ),
            "none",
            "nothing brings a snapshot back",
        ),
        "ModifySnapshotAttribute": (
            _opposite("ModifySnapshotAttribute", "SnapshotId", "snapshot"),
            "full",
            "who may use it is set back",
        ),
        "CreateImage": (
            made("DeregisterImage", ("ImageId",), {"DeleteAssociatedSnapshots": "`true`"}, gone=_IMAGE),
            "full",
            "the image and its snapshots are removed",
        ),
        "CopyImage": (
            made("DeregisterImage", ("ImageId",), {"DeleteAssociatedSnapshots": "`true`"}, gone=_IMAGE),
            "full",
            "the image and its snapshots are removed",
        ),
        "RegisterImage": (
            made("DeregisterImage", ("ImageId",), gone=_IMAGE),
            "full",
            "the image is deregistered",
        ),
        "DeregisterImage": (_deregister, "new_id", "the image is registered again from its snapshots"),
        "ModifyImageAttribute": (
            _opposite("ModifyImageAttribute", "ImageId", "image"),
            "full",
            "who may use it is set back",
        ),
        "EnableEbsEncryptionByDefault": (
            switched(
                "DisableEbsEncryptionByDefault",
                (),
                read=Read("GetEbsEncryptionByDefault", (), "EbsEncryptionByDefault"),
                what="encryption by default",
                when=False,
            ),
            "full",
            "switched back",
        ),
        "DisableEbsEncryptionByDefault": (
            switched(
                "EnableEbsEncryptionByDefault",
                (),
                read=Read("GetEbsEncryptionByDefault", (), "EbsEncryptionByDefault"),
                what="encryption by default",
            ),
            "full",
            "switched back",
        ),
        "ModifyEbsDefaultKmsKeyId": (
            put_back(
                "ModifyEbsDefaultKmsKeyId",
                (),
                ("KmsKeyId",),
                read=Read("GetEbsDefaultKmsKeyId", (), "{KmsKeyId: KmsKeyId}"),
                what="the default key of volumes",
            ),
            "full",
            "the old key is set",
        ),
    },
)
