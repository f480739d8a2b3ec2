"""EC2 instances and ECS services: what ends with them."""

from collections.abc import Mapping, Sequence
from typing import Any

from interlock.connectors.aws.preview.found import Effects, absent, emptied, lost, made, thing
from interlock.connectors.aws.preview.rows import Describer, rows
from interlock.connectors.aws.preview.settings.engine import at
from interlock.connectors.aws.preview.survey import Survey, Unsure
from interlock.model.effect import ChangeKind, Effect
from interlock.model.operation import Resource

_ENDED = ("terminated", "shutting-down")


def _instance(survey: Survey, name: str) -> Resource:
    return survey.resource("ec2:instance", survey.arn("ec2", f"instance/{name}"))


async def _look_up(survey: Survey, name: str) -> Mapping[str, Any] | None:
    answer = await survey.find("ec2", "DescribeInstances", {"InstanceIds": [name]})
    found = at(answer, "Reservations.0.Instances.0")
    if not isinstance(found, Mapping) or at(found, "State.Name") in _ENDED:
        return None
    survey.rests_on(f"instance {name}", [found.get("LaunchTime"), _volumes(found)])
    return found


def _volumes(found: Mapping[str, Any]) -> list[str]:
    """Disks that go with it."""
    disks = (one.get("Ebs") or {} for one in found.get("BlockDeviceMappings") or [])
    return sorted(one.get("VolumeId", "") for one in disks if one.get("DeleteOnTermination"))


async def instance_lost(survey: Survey, name: str) -> Effects:
    """An instance, and the disks that are set to go with it."""
    found = await _look_up(survey, name)
    where = _instance(survey, name)
    if found is None:
        return [absent(where)]
    disks = (survey.arn("ec2", f"volume/{volume}") for volume in _volumes(found))
    volumes = [lost(survey.resource("ec2:volume", arn, where.group), f"goes with {name}") for arn in disks]
    if found.get("RootDeviceType") != "ebs":
        survey.note(f"{name} has an instance store, which nothing keeps.")
    return [lost(where, str(found.get("InstanceType", ""))), *volumes]


def _names(survey: Survey) -> Sequence[str]:
    names = survey.parameters.get("InstanceIds")
    if not isinstance(names, list | tuple) or not names:
        raise Unsure("the call names no instances")
    return names


async def _terminated(survey: Survey) -> Effects:
    effects: list[Effect] = []
    for name in _names(survey):
        effects += await instance_lost(survey, name)
    return effects


def _each(change: ChangeKind, detail: str) -> Describer:
    async def describer(survey: Survey) -> Effects:
        effects: list[Effect] = []
        for name in _names(survey):
            found = await _look_up(survey, name)
            survey.shows(f"state of {name}", at(found, "State.Name"), detail)
            where = _instance(survey, name)
            effects.append(thing(where, change, detail) if found is not None else absent(where))
        return effects

    return describer


async def _run(survey: Survey) -> Effects:
    count = survey.parameters.get("MaxCount", 1)
    return [made(survey.resource("ec2:instance", survey.arn("ec2", "instance/*")), f"at most {count}")]


def service_of(survey: Survey, cluster: str, name: str) -> Resource:
    arn = (
        name if name.startswith("arn:") else survey.arn("ecs", f"service/{cluster.rsplit('/', 1)[-1]}/{name}")
    )
    return survey.resource("ecs:service", arn)


async def described_service(survey: Survey, cluster: str, name: str) -> Mapping[str, Any] | None:
    asked = {"cluster": cluster, "services": [name]}
    found = at(await survey.find("ecs", "DescribeServices", asked), "services.0")
    return found if isinstance(found, Mapping) and found.get("status") != "INACTIVE" else None


async def service_lost(survey: Survey, name: str, cluster: str = "") -> Effects:
    """A service, and the tasks that it keeps running."""
    parts = name.split("/")
    cluster = cluster or (parts[1] if name.startswith("arn:") and len(parts) > 2 else "default")
    found = await described_service(survey, cluster, name)
    where = service_of(survey, cluster, name)
    if found is None:
        return [absent(where)]
    wanted = max(found.get("runningCount", 0), found.get("desiredCount", 0))
    return [lost(where), *emptied(where, wanted, detail="tasks that run or should run")]


async def _service_deleted(survey: Survey) -> Effects:
    return await service_lost(survey, survey.text("service"), survey.parameters.get("cluster") or "default")


TABLE = {
    **rows("ec2", TerminateInstances=_terminated),
    **rows("ec2", "indirect", RunInstances=_run),
    **rows(
        "ec2",
        "outage",
        StopInstances=_each(ChangeKind.HIDDEN, "stopped"),
        RebootInstances=_each(ChangeKind.UPDATED, "restarted"),
        StartInstances=_each(ChangeKind.UPDATED, "started"),
    ),
    **rows("ecs", "outage capacity", DeleteService=_service_deleted),
}
