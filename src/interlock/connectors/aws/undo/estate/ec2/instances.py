"""EC2 instances (EC2 API reference: StopInstances, TerminateInstances, RunInstances, ModifyInstanceAttribute)."""

from typing import Any

from interlock.connectors.aws.undo.estate.common import Read, made, nothing, put_back, rows
from interlock.connectors.aws.undo.estate.draft import Draft, Gone, Maker, kept, never, own_tags, slot
from interlock.connectors.aws.undo.plan import Plan

_ALL = "Reservations[].Instances[]"
_UP = f'sort_by({_ALL}.{{id: InstanceId, up: contains(`["running", "pending"]`, State.Name)}}, &id)'
_STOPPING = 'contains(`["running", "pending"]`, State.Name)'


async def _instances(draft: Draft) -> list[dict[str, Any]]:
    asked = {"InstanceIds": draft.get("InstanceIds", [])}
    found: list[dict[str, Any]] = await draft.must(_ALL, "DescribeInstances", asked, what="such instance")
    return found


async def _running(draft: Draft) -> dict[str, bool]:
    states = await draft.watch(
        "whether the instances run", "DescribeInstances", {"InstanceIds": draft.get("InstanceIds", [])}, _UP
    )
    return {state["id"]: state["up"] for state in states or ()}


def _loses_address(instance: dict[str, Any]) -> bool:
    """Whether its public address is not an Elastic IP address: it goes with the stop."""
    owners = [
        interface.get("Association", {}).get("IpOwnerId")
        for interface in instance.get("NetworkInterfaces", ())
    ]
    return bool(instance.get("PublicIpAddress")) and (not owners or "amazon" in owners)


async def _stop(draft: Draft) -> Plan:
    up = [name for name, running in (await _running(draft)).items() if running]
    if not up:
        return nothing(draft)
    draft.back("StartInstances", {"InstanceIds": up}, wait="instance_running", wait_for={"InstanceIds": up})
    draft.caveats.append("contents of instance store volumes and memory are lost")
    if any(_loses_address(instance) for instance in await _instances(draft)):
        draft.caveats.append("public addresses that are not Elastic IP addresses change")
    return draft.lossy()


async def _start(draft: Draft) -> Plan:
    down = [name for name, running in (await _running(draft)).items() if not running]
    if not down:
        return nothing(draft)
    draft.back(
        "StopInstances", {"InstanceIds": down}, wait="instance_stopped", wait_for={"InstanceIds": down}
    )
    return draft.done()


_KEPT = ("InstanceType", "KeyName", "EbsOptimized", "SubnetId")


async def _terminate(draft: Draft) -> Plan:
    """An image of each instance is made before. Its user data is not taken: it would run again, and may hold secrets."""
    instances = await _instances(draft)
    if any(instance.get("RootDeviceType") == "instance-store" for instance in instances):
        return _no_disks()
    alive = [one for one in instances if one["State"]["Name"] not in ("terminated", "shutting-down")]
    for number, instance in enumerate(alive):
        await _image(draft, instance, number)
    draft.gentler = "StopInstances keeps the disks; a tag and a security group without rules quarantine it"
    return draft.lossy(
        "instances come back from images under new ids, with new private addresses",
        "user data, further network interfaces, load balancer registrations and instance store contents are lost",
    )


def _no_disks() -> Plan:
    return Plan(
        "none", reason="an instance with an instance store root has no disk that could be copied by this call"
    )


async def _image(draft: Draft, instance: dict[str, Any], number: int) -> None:
    """Make an image first, and an instance of it at a revert. Volumes that outlive the instance are attached again, not copied."""
    stay = [
        disk
        for disk in instance.get("BlockDeviceMappings", ())
        if not disk.get("Ebs", {}).get("DeleteOnTermination", True)
    ]
    image, name = f"image{number}", f"interlock-{draft.nonce}-{instance['InstanceId']}"
    parameters: dict[str, Any] = {"InstanceId": instance["InstanceId"], "Name": name, "NoReboot": True}
    if stay:
        parameters["BlockDeviceMappings"] = [
            {"DeviceName": disk["DeviceName"], "NoDevice": ""} for disk in stay
        ]
    draft.first(
        "CreateImage",
        parameters,
        saves={image: "ImageId"},
        wait="image_available",
        wait_for={"ImageIds": [slot(image)]},
    )
    draft.later("DeregisterImage", {"ImageId": slot(image), "DeleteAssociatedSnapshots": True})
    made_again = f"instance{number}"
    of_it = {"Filters": [{"Name": "image-id", "Values": [slot(image)]}]}
    draft.back(
        "RunInstances",
        _launch(draft, instance, image),
        unless=draft.check("instances of that image", "DescribeInstances", of_it, f"length({_ALL})", 1),
    )
    draft.back(
        "DescribeInstances",
        of_it,
        saves={made_again: f"{_ALL} | [0].InstanceId"},
        until=f"{_ALL} | [0].State.Name == 'running'",
    )
    for disk in stay:
        draft.back(
            "AttachVolume",
            {
                "VolumeId": disk["Ebs"]["VolumeId"],
                "Device": disk["DeviceName"],
                "InstanceId": slot(made_again),
            },
        )
    await _addresses(draft, instance, made_again)


def _launch(draft: Draft, instance: dict[str, Any], image: str) -> dict[str, Any]:
    launch: dict[str, Any] = {
        "ImageId": slot(image),
        "MinCount": 1,
        "MaxCount": 1,
        "ClientToken": f"interlock-{draft.nonce}-{image}",
        "SecurityGroupIds": [group["GroupId"] for group in instance.get("SecurityGroups", ())],
        **kept(instance, *_KEPT),
    }
    if profile := instance.get("IamInstanceProfile", {}).get("Arn"):
        launch["IamInstanceProfile"] = {"Arn": profile}
    if zone := instance.get("Placement", {}).get("AvailabilityZone"):
        launch["Placement"] = {"AvailabilityZone": zone}
    if instance.get("Monitoring", {}).get("State") in ("enabled", "pending"):
        launch["Monitoring"] = {"Enabled": True}
    options = kept(
        instance.get("MetadataOptions", {}), "HttpTokens", "HttpPutResponseHopLimit", "HttpEndpoint"
    )
    if options:
        launch["MetadataOptions"] = options
    if tags := own_tags(instance.get("Tags")):
        launch["TagSpecifications"] = [{"ResourceType": "instance", "Tags": tags}]
    return launch


async def _addresses(draft: Draft, instance: dict[str, Any], made_again: str) -> None:
    asked = {"Filters": [{"Name": "instance-id", "Values": [instance["InstanceId"]]}]}
    answer = await draft.ask("DescribeAddresses", asked) or {}
    for address in answer.get("Addresses", ()):
        if address.get("AllocationId"):
            draft.back(
                "AssociateAddress",
                {"AllocationId": address["AllocationId"], "InstanceId": slot(made_again)},
            )


# The attribute's name, its member in DescribeInstanceAttribute and ModifyInstanceAttribute, whether it needs a stopped instance.
_ATTRIBUTES = {
    "instanceType": ("InstanceType", True),
    "kernel": ("KernelId", True),
    "ramdisk": ("RamdiskId", True),
    "userData": ("UserData", True),
    "disableApiTermination": ("DisableApiTermination", False),
    "instanceInitiatedShutdownBehavior": ("InstanceInitiatedShutdownBehavior", False),
    "blockDeviceMapping": ("BlockDeviceMappings", False),
    "sourceDestCheck": ("SourceDestCheck", False),
    "groupSet": ("Groups", False),
    "ebsOptimized": ("EbsOptimized", True),
    "sriovNetSupport": ("SriovNetSupport", True),
    "enaSupport": ("EnaSupport", True),
    "disableApiStop": ("DisableApiStop", False),
}
_IN_CALL = {"Kernel": "kernel", "Ramdisk": "ramdisk"} | {
    member: name for name, (member, _) in _ATTRIBUTES.items() if member not in ("KernelId", "RamdiskId")
}


async def _modify(draft: Draft) -> Plan:
    names = [name for member, name in _IN_CALL.items() if draft.get(member) is not None]
    if attribute := draft.get("Attribute"):
        names.append(attribute)
    if not names or any(name not in _ATTRIBUTES for name in names):
        raise Gone("it sets no attribute whose inverse is known")
    if "userData" in names:
        return Plan("none", reason="user data may hold secrets and is not copied")
    for name in names:
        await _attribute(draft, name)
    return draft.lossy()


async def _attribute(draft: Draft, name: str) -> None:
    instance = {"InstanceId": draft.get("InstanceId")}
    member, stopped = _ATTRIBUTES[name]
    old = await draft.watch(
        f"{name} of {draft.get('InstanceId')}",
        "DescribeInstanceAttribute",
        instance | {"Attribute": name},
        _value(name, member),
    )
    if old is None:
        raise Gone(f"the present value of {name} can't be read")
    if stopped:
        draft.back(
            "StopInstances", instance_ids(draft), wait="instance_stopped", wait_for=instance_ids(draft)
        )
        draft.caveats.append("an instance that was started since is stopped for it")
    draft.back("ModifyInstanceAttribute", instance | _back(name, member, old))


def _value(name: str, member: str) -> str:
    if name == "groupSet":
        return "Groups[].GroupId | sort(@)"
    if name == "blockDeviceMapping":
        return "BlockDeviceMappings[].{d: DeviceName, t: Ebs.DeleteOnTermination}"
    return f"{member}.Value"


def _back(name: str, member: str, old: Any) -> dict[str, Any]:
    if name == "groupSet":
        return {"Groups": old}
    if name == "blockDeviceMapping":
        disks = [{"DeviceName": disk["d"], "Ebs": {"DeleteOnTermination": disk["t"]}} for disk in old]
        return {"BlockDeviceMappings": disks}
    return {{"KernelId": "Kernel", "RamdiskId": "Ramdisk"}.get(member, member): {"Value": old}}


def instance_ids(draft: Draft) -> dict[str, list[str]]:
    """The one instance of a call, as the plural parameter."""
    return {"InstanceIds": [draft.get("InstanceId")]}


_ONE = {"InstanceIds": "[InstanceId]"}
_METADATA = (
    "HttpTokens",
    "HttpPutResponseHopLimit",
    "HttpEndpoint",
    "HttpProtocolIpv6",
    "InstanceMetadataTags",
)


def _monitored(opposite: str, on: bool) -> Maker:
    async def make(draft: Draft) -> Plan:
        states = await draft.watch(
            "monitoring of the instances",
            "DescribeInstances",
            {"InstanceIds": draft.get("InstanceIds", [])},
            f"sort_by({_ALL}.{{id: InstanceId, on: contains(['enabled', 'pending'], Monitoring.State)}}, &id)",
        )
        names = [state["id"] for state in states or () if state["on"] is on]
        if names:
            draft.back(opposite, {"InstanceIds": names})
        return draft.done()

    return make


async def _replace_profile(draft: Draft) -> Plan:
    found = await draft.must(
        "IamInstanceProfileAssociations[0]",
        "DescribeIamInstanceProfileAssociations",
        {"AssociationIds": [draft.get("AssociationId")]},
        what="such association",
    )
    draft.saves["association"] = "IamInstanceProfileAssociation.AssociationId"
    draft.back(
        "ReplaceIamInstanceProfileAssociation",
        {
            "AssociationId": slot("association"),
            "IamInstanceProfile": {"Arn": found["IamInstanceProfile"]["Arn"]},
        },
    )
    return draft.done()


async def _disassociate_profile(draft: Draft) -> Plan:
    found = await draft.must(
        "IamInstanceProfileAssociations[0]",
        "DescribeIamInstanceProfileAssociations",
        {"AssociationIds": [draft.get("AssociationId")]},
        what="such association",
    )
    draft.back(
        "AssociateIamInstanceProfile",
        {
            "InstanceId": found["InstanceId"],
            "IamInstanceProfile": {"Arn": found["IamInstanceProfile"]["Arn"]},
        },
        unless=draft.check(
            "the profile of the instance",
            "DescribeIamInstanceProfileAssociations",
            {"Filters": [{"Name": "instance-id", "Values": [found["InstanceId"]]}]},
            "length(IamInstanceProfileAssociations)",
            1,
        ),
    )
    return draft.lossy("the association gets a new id")


ROWS = rows(
    "ec2",
    {
        "StopInstances": (_stop, "new_id", "those that ran are started"),
        "StartInstances": (_start, "full", "those that did not run are stopped"),
        "RebootInstances": (
            never("a reboot can't be taken back; the instances come up again by themselves"),
            "none",
            "nothing to bring back",
        ),
        "TerminateInstances": (_terminate, "new_id", "an image is made before, and instances of it after"),
        "RunInstances": (
            made(
                "TerminateInstances",
                {"InstanceIds": "Instances[].InstanceId"},
                wait=("instance_terminated", {"InstanceIds": "${InstanceIds}"}),
            ),
            "full",
            "the new instances are terminated",
        ),
        "ModifyInstanceAttribute": (_modify, "full", "the attribute is set back"),
        "ModifyInstanceMetadataOptions": (
            put_back(
                "ModifyInstanceMetadataOptions",
                ("InstanceId",),
                _METADATA,
                read=Read("DescribeInstances", _ONE, f"{_ALL} | [0].MetadataOptions"),
                what="metadata options of {InstanceId}",
                only_given=True,
            ),
            "full",
            "the options are set back",
        ),
        "MonitorInstances": (_monitored("UnmonitorInstances", False), "full", "monitoring is switched back"),
        "UnmonitorInstances": (_monitored("MonitorInstances", True), "full", "monitoring is switched back"),
        "AssociateIamInstanceProfile": (
            made(
                "DisassociateIamInstanceProfile",
                {"AssociationId": "IamInstanceProfileAssociation.AssociationId"},
            ),
            "full",
            "the association is removed",
        ),
        "DisassociateIamInstanceProfile": (
            _disassociate_profile,
            "new_id",
            "the profile is associated again",
        ),
        "ReplaceIamInstanceProfileAssociation": (
            _replace_profile,
            "full",
            "the old profile is associated again",
        ),
    },
)
