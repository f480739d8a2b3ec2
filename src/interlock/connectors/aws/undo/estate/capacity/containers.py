"""Amazon ECS (Amazon ECS API reference: UpdateService, DeleteService, DeregisterTaskDefinition)."""

from typing import Any

from interlock.connectors.aws.undo.estate.common import Read, made, put_back, rows
from interlock.connectors.aws.undo.estate.draft import Draft, kept, kept_all, never
from interlock.connectors.aws.undo.plan import Plan

_SERVICE = (
    "desiredCount",
    "taskDefinition",
    "capacityProviderStrategy",
    "deploymentConfiguration",
    "networkConfiguration",
    "placementConstraints",
    "placementStrategy",
    "platformVersion",
    "healthCheckGracePeriodSeconds",
    "enableExecuteCommand",
    "enableECSManagedTags",
    "loadBalancers",
    "propagateTags",
    "serviceRegistries",
)
_SHAPE = (
    "services[?status!='INACTIVE' && status!='DRAINING'] | [0].{"
    + ", ".join(f"{n}: {n}" for n in _SERVICE)
    + "}"
)


def _asked(draft: Draft, service: str) -> dict[str, Any]:
    cluster = {"cluster": draft.get("cluster")} if draft.get("cluster") else {}
    return cluster | {"services": [service], "include": ["TAGS"]}


async def _update_service(draft: Draft) -> Plan:
    service = draft.get("service")
    old = await draft.watch(f"service {service}", "DescribeServices", _asked(draft, service), _SHAPE)
    if not old:
        return Plan("none", reason="there is no such service")
    names = [name for name in _SERVICE if name in draft.call.parameters]
    back = draft.given("cluster") | {"service": service} | kept_all(old, *names)
    if draft.get("forceNewDeployment"):
        back["forceNewDeployment"] = True
    draft.back("UpdateService", back)
    return draft.done("full", "tasks are new ones")


async def _delete_service(draft: Draft) -> Plan:
    service = draft.get("service")
    old = await draft.must(
        "services[?status!='INACTIVE'] | [0]", "DescribeServices", _asked(draft, service), what="such service"
    )
    name = {"serviceName": old["serviceName"]}
    await draft.watch(f"service {service}", "DescribeServices", _asked(draft, service), _SHAPE)
    create = (
        draft.given("cluster")
        | name
        | kept(old, *_SERVICE, "launchType", "schedulingStrategy", "deploymentController", "tags")
    )
    if create.get("capacityProviderStrategy"):
        create.pop("launchType", None)
    create["desiredCount"] = old.get("desiredCount", 0)
    gone = "length(services[?status=='DRAINING']) == `0`"
    draft.back("DescribeServices", _asked(draft, service), until=gone)
    draft.back("CreateService", create, present_ok=True)
    draft.gentler = "UpdateService to desiredCount 0 keeps the service"
    return draft.lossy("tasks are new ones, and deployments start anew")


_TASK = (
    "family",
    "taskRoleArn",
    "executionRoleArn",
    "networkMode",
    "containerDefinitions",
    "volumes",
    "placementConstraints",
    "requiresCompatibilities",
    "cpu",
    "memory",
    "pidMode",
    "ipcMode",
    "proxyConfiguration",
    "inferenceAccelerators",
    "ephemeralStorage",
    "runtimePlatform",
)


async def _deregister(draft: Draft) -> Plan:
    """Nothing makes a revision active again: the same definition becomes a new one."""
    asked = {"taskDefinition": draft.get("taskDefinition"), "include": ["TAGS"]}
    answer = await draft.must("@", "DescribeTaskDefinition", asked, what="such task definition")
    old = answer["taskDefinition"]
    create = kept(old, *_TASK) | ({"tags": answer["tags"]} if answer.get("tags") else {})
    newest = f"taskDefinition.revision > `{old['revision']}`"
    unless = draft.check(
        "newer revisions", "DescribeTaskDefinition", {"taskDefinition": old["family"]}, newest, True
    )
    latest = await draft.ask("DescribeTaskDefinition", {"taskDefinition": old["family"]}) or {}
    is_latest = latest.get("taskDefinition", {}).get("revision") == old["revision"]
    draft.back("RegisterTaskDefinition", create, **({"unless": unless} if is_latest else {}))
    return draft.lossy("the definition comes back as a new revision; the old one stays INACTIVE")


async def _cluster(draft: Draft) -> Plan:
    asked = {"clusters": [draft.get("cluster")], "include": ["TAGS", "SETTINGS", "CONFIGURATIONS"]}
    old = await draft.must(
        "clusters[?status!='INACTIVE'] | [0]", "DescribeClusters", asked, what="such cluster"
    )
    members = (
        "clusterName",
        "settings",
        "configuration",
        "capacityProviders",
        "defaultCapacityProviderStrategy",
        "tags",
    )
    draft.back("CreateCluster", kept(old, *members))
    return draft.done()


async def _tags(draft: Draft) -> Plan:
    arn = draft.given("resourceArn")
    names = draft.get("tagKeys") or [tag["key"] for tag in draft.get("tags", ())]
    what = f"tags of {draft.get('resourceArn')}"
    old = await draft.watch(what, "ListTagsForResource", arn, "sort_by(tags || `[]`, &key)")
    was = [tag for tag in old or () if tag["key"] in names and not tag["key"].startswith("aws:")]
    new = sorted(set(names) - {tag["key"] for tag in was})
    if was:
        draft.back("TagResource", arn | {"tags": was})
    if new and draft.get("tags"):
        draft.back("UntagResource", arn | {"tagKeys": new})
    return draft.done()


ROWS = rows(
    "ecs",
    {
        "CreateService": (
            made(
                "DeleteService", {"service": "service.serviceArn"}, {"cluster": "cluster", "force": "`true`"}
            ),
            "full",
            "the service is deleted",
        ),
        "UpdateService": (_update_service, "full", "the settings are put back"),
        "DeleteService": (_delete_service, "new_id", "the service is made again"),
        "RegisterTaskDefinition": (
            made("DeregisterTaskDefinition", {"taskDefinition": "taskDefinition.taskDefinitionArn"}),
            "full",
            "the revision is deregistered",
        ),
        "DeregisterTaskDefinition": (_deregister, "new_id", "registered as a new revision"),
        "RunTask": (
            made(
                "StopTask",
                {"task": "tasks[0].taskArn"},
                ("cluster",),
                caveats=("what the task did is not undone",),
            ),
            "new_id",
            "the task is stopped",
        ),
        "StopTask": (
            never("a stopped task can't go on; a service starts another one by itself"),
            "none",
            "nothing to bring back",
        ),
        "CreateCluster": (
            made(
                "DeleteCluster",
                {"cluster": "cluster.clusterArn"},
                unless=Read(
                    "DescribeClusters",
                    {"clusters": "[clusterName]"},
                    "clusters[?status=='ACTIVE'] | [0].clusterName",
                ),
            ),
            "full",
            "the cluster is deleted",
        ),
        "DeleteCluster": (_cluster, "full", "the cluster is made again"),
        "UpdateClusterSettings": (
            put_back(
                "UpdateClusterSettings",
                ("cluster",),
                ("settings",),
                read=Read(
                    "DescribeClusters",
                    {"clusters": "[cluster]", "include": '[`"SETTINGS"`]'},
                    "clusters[0].{settings: settings}",
                ),
                what="settings of cluster {cluster}",
            ),
            "full",
            "the settings are put back",
        ),
        "TagResource": (_tags, "full", "old values are set, new tags are taken away"),
        "UntagResource": (_tags, "full", "the tags are set again"),
    },
)
