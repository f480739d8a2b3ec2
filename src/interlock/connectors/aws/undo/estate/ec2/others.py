"""EC2 addresses, tags, key pairs, launch templates, network interfaces (EC2 API reference: AllocateAddress, CreateTags)."""

from typing import Any

from interlock.connectors.aws.undo.estate.common import made, rows
from interlock.connectors.aws.undo.estate.draft import Draft, Gone, kept, kept_all, own_tags, slot
from interlock.connectors.aws.undo.estate.ec2.networks import tagged
from interlock.connectors.aws.undo.plan import Plan


async def _address(draft: Draft, **by: Any) -> dict[str, Any]:
    if by.get("AllocationId"):
        asked: dict[str, Any] = {"AllocationIds": [by["AllocationId"]]}
    elif by.get("AssociationId"):
        asked = {"Filters": [{"Name": "association-id", "Values": [by["AssociationId"]]}]}
    else:
        asked = {"PublicIps": [by.get("PublicIp")]}
    found: dict[str, Any] = await draft.must("Addresses[0]", "DescribeAddresses", asked, what="such address")
    return found


def _named(draft: Draft) -> dict[str, Any]:
    return draft.given("AllocationId", "AssociationId", "PublicIp")


async def _release(draft: Draft) -> Plan:
    old = await _address(draft, **_named(draft))
    back = {"Domain": "vpc", "Address": old["PublicIp"]} | tagged(old, "elastic-ip")
    asked = {"Filters": [{"Name": "public-ip", "Values": [old["PublicIp"]]}]}
    unless = draft.check("that address", "DescribeAddresses", asked, "length(Addresses)", 1)
    draft.back("AllocateAddress", back, unless=unless)
    return draft.lossy(
        "the address comes back only as long as nobody else has got it, with a new allocation id"
    )


_TO = ("InstanceId", "NetworkInterfaceId", "PrivateIpAddress")


def _target(old: dict[str, Any]) -> dict[str, Any]:
    if old.get("NetworkInterfaceId"):
        return kept(old, "NetworkInterfaceId", "PrivateIpAddress")
    return kept(old, "InstanceId")


async def _watch_address(draft: Draft, allocation: str) -> None:
    await draft.watch(
        f"what address {allocation} is associated with",
        "DescribeAddresses",
        {"AllocationIds": [allocation]},
        "Addresses[0].{instance: InstanceId || '', interface: NetworkInterfaceId || ''}",
    )


async def _associate(draft: Draft) -> Plan:
    old = await _address(draft, **_named(draft))
    if not old.get("AllocationId"):
        raise Gone("an inverse for addresses outside of a VPC is not known")
    await _watch_address(draft, old["AllocationId"])
    if old.get("AssociationId"):
        again = {"AllocationId": old["AllocationId"], "AllowReassociation": True, **_target(old)}
        draft.back("AssociateAddress", again)
        return draft.done()
    draft.saves["association"] = "AssociationId"
    draft.back("DisassociateAddress", {"AssociationId": slot("association")}, absent_ok=True)
    return draft.done()


async def _disassociate(draft: Draft) -> Plan:
    old = await _address(draft, **_named(draft))
    if not old.get("AllocationId") or not _target(old):
        raise Gone("there is no such association")
    await _watch_address(draft, old["AllocationId"])
    draft.back("AssociateAddress", {"AllocationId": old["AllocationId"], **_target(old)})
    return draft.done()


async def _tags(draft: Draft) -> Plan:
    """Of each resource, the tags named in the call: old values are put back, and what was not there is taken away. DeleteTags
    without tags takes all of them."""
    for resource in draft.get("Resources", ()):
        names = [tag["Key"] for tag in draft.get("Tags", ())]
        asked = [{"Name": "resource-id", "Values": [resource]}]
        asked += [{"Name": "key", "Values": names}] if names else []
        old = await draft.watch(
            f"tags of {resource}",
            "DescribeTags",
            {"Filters": asked},
            "sort_by(Tags, &Key)[].{Key: Key, Value: Value}",
        )
        was = own_tags(old or [])
        new = sorted(set(names) - {tag["Key"] for tag in was})
        if was:
            draft.back("CreateTags", {"Resources": [resource], "Tags": was})
        if new and draft.call.operation == "CreateTags":
            draft.back("DeleteTags", {"Resources": [resource], "Tags": [{"Key": name} for name in new]})
    return draft.done()


async def _delete_key(draft: Draft) -> Plan:
    names = (
        {"KeyNames": [draft.get("KeyName")]}
        if draft.get("KeyName")
        else {"KeyPairIds": [draft.get("KeyPairId")]}
    )
    asked = names | {"IncludePublicKey": True}
    old = await draft.must("KeyPairs[0]", "DescribeKeyPairs", asked, what="such key pair")
    if not old.get("PublicKey"):
        return Plan("none", reason="its public key can't be read")
    back = {"KeyName": old["KeyName"], "PublicKeyMaterial": old["PublicKey"].encode()} | tagged(
        old, "key-pair"
    )
    draft.back("ImportKeyPair", back, present_ok=True)
    return draft.lossy("the key pair gets a new id")


def _template(draft: Draft) -> dict[str, Any]:
    return draft.given("LaunchTemplateId", "LaunchTemplateName")


async def _modify_template(draft: Draft) -> Plan:
    which = _template(draft)
    asked = {f"{name}s": [value] for name, value in which.items()}
    old = await draft.watch(
        "the default version of the launch template",
        "DescribeLaunchTemplates",
        asked,
        "LaunchTemplates[0].DefaultVersionNumber",
    )
    if old is None:
        raise Gone("there is no such launch template")
    draft.back("ModifyLaunchTemplate", which | {"DefaultVersion": str(old)})
    return draft.done()


async def _new_version(draft: Draft) -> Plan:
    draft.saves["version"] = "to_string(LaunchTemplateVersion.VersionNumber)"
    draft.back(
        "DeleteLaunchTemplateVersions", _template(draft) | {"Versions": [slot("version")]}, absent_ok=True
    )
    return draft.done()


async def _delete_template(draft: Draft) -> Plan:
    asked = {f"{name}s": [value] for name, value in _template(draft).items()}
    old = await draft.must(
        "LaunchTemplates[0]", "DescribeLaunchTemplates", asked, what="such launch template"
    )
    versions = await draft.all("DescribeLaunchTemplateVersions", _template(draft), "LaunchTemplateVersions")
    versions.sort(key=lambda version: version["VersionNumber"])
    name = {"LaunchTemplateName": old["LaunchTemplateName"]}
    for place, version in enumerate(versions):
        parameters = name | kept_all(version, "VersionDescription", "LaunchTemplateData")
        if place:
            unless = draft.check(
                "versions of the launch template",
                "DescribeLaunchTemplateVersions",
                name,
                f"length(LaunchTemplateVersions) > `{place}`",
                True,
            )
            draft.back("CreateLaunchTemplateVersion", parameters, unless=unless)
        else:
            draft.back("CreateLaunchTemplate", parameters | tagged(old, "launch-template"), present_ok=True)
    default = [version["VersionNumber"] for version in versions].index(old["DefaultVersionNumber"]) + 1
    draft.back("ModifyLaunchTemplate", name | {"DefaultVersion": str(default)})
    gaps = versions[-1]["VersionNumber"] != len(versions)
    return draft.lossy(
        "the launch template gets a new id", *(["its versions get new numbers"] if gaps else [])
    )


async def _delete_interface(draft: Draft) -> Plan:
    asked = {"NetworkInterfaceIds": [draft.get("NetworkInterfaceId")]}
    old = await draft.must("NetworkInterfaces[0]", "DescribeNetworkInterfaces", asked, what="such interface")
    create = kept(old, "SubnetId", "Description", "PrivateIpAddress") | tagged(
        {"Tags": old.get("TagSet")}, "network-interface"
    )
    create["Groups"] = [group["GroupId"] for group in old.get("Groups", ())]
    like = {"Filters": [{"Name": "subnet-id", "Values": [old["SubnetId"]]}]}
    find = ("DescribeNetworkInterfaces", like, "NetworkInterfaces", "NetworkInterfaceId")
    await draft.again("interface", "CreateNetworkInterface", create, find=find)
    return draft.lossy("the network interface gets a new id and hardware address")


ROWS = rows(
    "ec2",
    {
        "AllocateAddress": (made("ReleaseAddress", ("AllocationId",)), "full", "the address is released"),
        "ReleaseAddress": (_release, "new_id", "the same address is asked for again"),
        "AssociateAddress": (_associate, "full", "associated as before"),
        "DisassociateAddress": (_disassociate, "full", "associated again"),
        "CreateTags": (_tags, "full", "old values are set, new tags are taken away"),
        "DeleteTags": (_tags, "full", "the tags are set again"),
        "CreateKeyPair": (made("DeleteKeyPair", (), ("KeyName",)), "full", "the key pair is deleted"),
        "ImportKeyPair": (made("DeleteKeyPair", (), ("KeyName",)), "full", "the key pair is deleted"),
        "DeleteKeyPair": (_delete_key, "new_id", "the public key is imported again"),
        "CreateLaunchTemplate": (
            made("DeleteLaunchTemplate", {"LaunchTemplateId": "LaunchTemplate.LaunchTemplateId"}),
            "full",
            "the launch template is deleted",
        ),
        "CreateLaunchTemplateVersion": (_new_version, "full", "the version is deleted"),
        "ModifyLaunchTemplate": (_modify_template, "full", "the old default version is set"),
        "DeleteLaunchTemplate": (_delete_template, "new_id", "made again with its versions"),
        "CreateNetworkInterface": (
            made("DeleteNetworkInterface", {"NetworkInterfaceId": "NetworkInterface.NetworkInterfaceId"}),
            "full",
            "the interface is deleted",
        ),
        "DeleteNetworkInterface": (_delete_interface, "new_id", "the interface is made again"),
        "AttachNetworkInterface": (
            made("DetachNetworkInterface", ("AttachmentId",)),
            "full",
            "the interface is detached",
        ),
    },
)
