"""Instances and clusters of RDS, and of Neptune and DocumentDB, which speak alike (Amazon RDS API reference: ModifyDBInstance,
DeleteDBInstance, RestoreDBInstanceFromDBSnapshot).

Deletions are asynchronous: a check takes what is being deleted for gone. What is pending counts as set, for the same reason."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from interlock.connectors.aws.undo.estate.common import nothing
from interlock.connectors.aws.undo.estate.draft import Draft, Maker, kept, select
from interlock.connectors.aws.undo.plan import Plan


class Kind(NamedTuple):
    """Instances or clusters: names of operations and members, and where the answer says what a modifying parameter sets."""

    word: str
    settings: Mapping[str, str]
    restore: str
    snapshot: str
    """The parameter of `restore` that names the snapshot."""

    @property
    def key(self) -> str:
        """The parameter that names one."""
        return f"DB{self.word}Identifier"

    @property
    def one(self) -> str:
        """The expression for it in an answer."""
        return f"DB{self.word}s[0]"

    @property
    def describe(self) -> str:
        """The reading call."""
        return f"DescribeDB{self.word}s"

    @property
    def status(self) -> str:
        """The member that says what it is doing."""
        return "DBInstanceStatus" if self.word == "Instance" else "Status"

    @property
    def settled(self) -> str:
        """The expression that is true when nothing goes on with it. (Not all services have waiters for that.)"""
        return f"contains(['available', 'storage-optimization', 'stopped'], {self.one}.{self.status})"


_SAME = (
    "BackupRetentionPeriod",
    "PreferredBackupWindow",
    "PreferredMaintenanceWindow",
    "DeletionProtection",
    "CopyTagsToSnapshot",
    "StorageType",
    "Iops",
    "AutoMinorVersionUpgrade",
    "MonitoringInterval",
    "MonitoringRoleArn",
    "NetworkType",
)
_BOTH = {name: name for name in _SAME} | {
    "VpcSecurityGroupIds": "VpcSecurityGroups[].VpcSecurityGroupId",
    "EnableIAMDatabaseAuthentication": "IAMDatabaseAuthenticationEnabled",
    "EnablePerformanceInsights": "PerformanceInsightsEnabled",
}
INSTANCE = Kind(
    "Instance",
    _BOTH
    | {
        "DBInstanceClass": "DBInstanceClass",
        "MultiAZ": "MultiAZ",
        "LicenseModel": "LicenseModel",
        "PubliclyAccessible": "PubliclyAccessible",
        "PromotionTier": "PromotionTier",
        "MaxAllocatedStorage": "MaxAllocatedStorage",
        "StorageThroughput": "StorageThroughput",
        "CACertificateIdentifier": "CACertificateIdentifier",
        "DBSubnetGroupName": "DBSubnetGroup.DBSubnetGroupName",
        "DBParameterGroupName": "DBParameterGroups[0].DBParameterGroupName",
        "OptionGroupName": "OptionGroupMemberships[0].OptionGroupName",
        "DBPortNumber": "Endpoint.Port",
    },
    "RestoreDBInstanceFromDBSnapshot",
    "DBSnapshotIdentifier",
)
CLUSTER = Kind(
    "Cluster",
    _BOTH
    | {
        "DBClusterParameterGroupName": "DBClusterParameterGroup",
        "Port": "Port",
        "BacktrackWindow": "BacktrackWindow",
        "ServerlessV2ScalingConfiguration": "ServerlessV2ScalingConfiguration",
        "EnableHttpEndpoint": "HttpEndpointEnabled",
        "DBClusterInstanceClass": "DBClusterInstanceClass",
    },
    "RestoreDBClusterFromSnapshot",
    "SnapshotIdentifier",
)

_LASTING = {
    "EngineVersion": "an engine is not set back to an older version",
    "AllocatedStorage": "storage is not made smaller again",
    "MasterUserPassword": "the old password can't be read",
    "ManageMasterUserPassword": "the old password can't be read",
    "RotateMasterUserPassword": "the old password can't be read",
}
_HOW = (
    "ApplyImmediately",
    "AllowMajorVersionUpgrade",
    "DBInstanceIdentifier",
    "DBClusterIdentifier",
    "EngineMode",
)


async def found(draft: Draft, kind: Kind) -> dict[str, Any]:
    """The instance or cluster as it is."""
    asked = {kind.key: draft.get(kind.key)}
    one: dict[str, Any] = await draft.must(kind.one, kind.describe, asked, what=f"such {kind.word.lower()}")
    return one


def _now(name: str, expression: str) -> str:
    pending = "Port" if name in ("DBPortNumber", "Port") else name
    return f'"{name}": not_null(PendingModifiedValues.{pending}, {expression})'


def modify(kind: Kind) -> Maker:
    """Settings are put back, at once; a new name as well."""

    async def make(draft: Draft) -> Plan:
        old = await found(draft, kind)
        names = [name for name in draft.call.parameters if name in kind.settings]
        renamed = draft.get(f"New{kind.key}")
        other = [n for n in draft.call.parameters if n not in (*names, *_HOW, f"New{kind.key}")]
        draft.caveats += sorted({_LASTING.get(name, f"{name} is not set back") for name in other})
        if draft.get("BackupRetentionPeriod") is not None and _drops_backups(draft, old):
            draft.caveats.append("automated backups that a shorter retention dropped don't return")
        if not names and not renamed:
            return Plan("none", reason="; ".join(draft.caveats) or "it sets nothing that is known")
        await _set_back(draft, kind, old, names, renamed)
        return draft.lossy()

    return make


def _drops_backups(draft: Draft, old: dict[str, Any]) -> bool:
    return bool(draft.get("BackupRetentionPeriod") < old.get("BackupRetentionPeriod", 0))


async def _set_back(
    draft: Draft, kind: Kind, old: dict[str, Any], names: list[str], renamed: str | None
) -> None:
    shape = ", ".join(_now(name, kind.settings[name]) for name in names) or f"name: {kind.key}"
    now = {kind.key: renamed or draft.get(kind.key)}
    await draft.watch(
        f"settings of {kind.word.lower()} {now[kind.key]}", kind.describe, now, f"{kind.one}.{{{shape}}}"
    )
    values = {name: select(kind.settings[name], old) for name in names}
    values = {name: value for name, value in values.items() if value is not None}
    back = {f"New{kind.key}": draft.get(kind.key)} if renamed else {}
    draft.back(
        f"ModifyDB{kind.word}",
        now | values | back | {"ApplyImmediately": True},
        absent_ok=bool(renamed),
    )
    draft.back(kind.describe, {kind.key: draft.get(kind.key)}, until=kind.settled)


def delete(kind: Kind) -> Maker:
    """A final snapshot is forced, and restored. Members of clusters have no data of their own, nor replicas."""

    async def make(draft: Draft) -> Plan:
        old = await found(draft, kind)
        if old.get("DBClusterIdentifier") and kind is INSTANCE:
            return _member(draft, old)
        if old.get("ReadReplicaSourceDBInstanceIdentifier"):
            return _replica(draft, old)
        await _existing(draft, kind)
        snapshot = _final(draft, kind)
        _restored(draft, kind, old, snapshot)
        draft.gentler = f"StopDB{kind.word} keeps everything"
        return draft.lossy(
            f"the {kind.word.lower()} comes back as it is in its final snapshot, with a new resource id",
            *([] if draft.get("DeleteAutomatedBackups") is False else ["its automated backups are deleted"]),
        )

    return make


async def _existing(draft: Draft, kind: Kind) -> None:
    class_or_engine = "DBInstanceClass" if kind is INSTANCE else "Engine"
    await draft.watch(
        f"{kind.word.lower()} {draft.get(kind.key)}",
        kind.describe,
        {kind.key: draft.get(kind.key)},
        f"DB{kind.word}s[?{kind.status}!='deleting'] | [0].[{class_or_engine}, BackupRetentionPeriod]",
    )


def _final(draft: Draft, kind: Kind) -> str:
    """The name of the final snapshot: the agent's, or one of our own where it wants none."""
    if draft.get("FinalDBSnapshotIdentifier") and not draft.get("SkipFinalSnapshot"):
        return str(draft.get("FinalDBSnapshotIdentifier"))
    name = f"interlock-{draft.nonce}-{draft.get(kind.key)}"[:255].rstrip("-")
    draft.replaces |= {"SkipFinalSnapshot": False, "FinalDBSnapshotIdentifier": name}
    snapshot = "DBSnapshot" if kind is INSTANCE else "DBClusterSnapshot"
    draft.later(f"Delete{snapshot}", {f"{snapshot}Identifier": name})
    return name


_CREATED = (
    "DBInstanceClass",
    "DBSubnetGroupName",
    "MultiAZ",
    "PubliclyAccessible",
    "AutoMinorVersionUpgrade",
    "LicenseModel",
    "OptionGroupName",
    "DBParameterGroupName",
    "VpcSecurityGroupIds",
    "CopyTagsToSnapshot",
    "EnableIAMDatabaseAuthentication",
    "StorageType",
)
_CREATED_CLUSTER = (
    "DBClusterParameterGroupName",
    "VpcSecurityGroupIds",
    "DeletionProtection",
    "StorageType",
    "Port",
    "ServerlessV2ScalingConfiguration",
)
_CREATED_BY = {
    "rds": ("EnableIAMDatabaseAuthentication", "CopyTagsToSnapshot", "DBClusterInstanceClass", "Iops"),
    "neptune": ("EnableIAMDatabaseAuthentication", "CopyTagsToSnapshot"),
}
_AFTER_CLUSTER = ("BackupRetentionPeriod", "PreferredBackupWindow", "PreferredMaintenanceWindow")
_AFTER = (
    "BackupRetentionPeriod",
    "PreferredBackupWindow",
    "PreferredMaintenanceWindow",
    "MonitoringInterval",
    "MonitoringRoleArn",
    "MaxAllocatedStorage",
    "CACertificateIdentifier",
    "DeletionProtection",
)


def _restored(draft: Draft, kind: Kind, old: dict[str, Any], snapshot: str) -> None:
    name = {kind.key: draft.get(kind.key)}
    going = f"{kind.one}.{kind.status} != 'deleting'"
    draft.back(
        kind.describe,
        name,
        absent_ok=True,
        until="`false`",  # until there is no such thing
        unless=draft.check("the deletion", kind.describe, name, going, True),
    )
    create = _creation(draft.call.service, kind, old) | name | {kind.snapshot: snapshot}
    draft.back(kind.restore, create, present_ok=True)
    draft.back(kind.describe, name, until=kind.settled)
    if settings := _values(kind, old, _AFTER if kind is INSTANCE else _AFTER_CLUSTER):
        draft.back(f"ModifyDB{kind.word}", name | settings | {"ApplyImmediately": True})
        draft.back(kind.describe, name, until=kind.settled)


def _values(kind: Kind, old: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    values = {name: select(kind.settings[name], old) for name in names if name in kind.settings}
    return {name: value for name, value in values.items() if value not in (None, [], "")}


def _creation(service: str, kind: Kind, old: dict[str, Any]) -> dict[str, Any]:
    """What the restoring call takes. Default groups are left to the service."""
    names = _CREATED if kind is INSTANCE else (*_CREATED_CLUSTER, *_CREATED_BY.get(service, ()))
    values = _values(kind, old, names)
    create = {name: value for name, value in values.items() if not str(value).startswith("default")}
    if kind is INSTANCE:
        create |= {"Port": old["Endpoint"]["Port"]} if old.get("Endpoint", {}).get("Port") else {}
    else:
        create |= kept(old, "Engine", "EngineVersion", "AvailabilityZones", "KmsKeyId")
        create |= {} if service == "docdb" else kept(old, "DatabaseName")
        create |= {"DBSubnetGroupName": old["DBSubnetGroup"]} if old.get("DBSubnetGroup") else {}
    return create | ({"Tags": old["TagList"]} if old.get("TagList") else {})


def _member(draft: Draft, old: dict[str, Any]) -> Plan:
    """An instance of a cluster: the data is the cluster's."""
    create = kept(
        old,
        "DBInstanceIdentifier",
        "DBInstanceClass",
        "Engine",
        "DBClusterIdentifier",
        "AvailabilityZone",
        "PromotionTier",
    )
    create |= {"Tags": old["TagList"]} if old.get("TagList") else {}
    name = {"DBInstanceIdentifier": old["DBInstanceIdentifier"]}
    draft.back("CreateDBInstance", create, present_ok=True)
    draft.back(INSTANCE.describe, name, until=INSTANCE.settled)
    return draft.lossy("the instance of the cluster gets a new resource id")


def _replica(draft: Draft, old: dict[str, Any]) -> Plan:
    name = {"DBInstanceIdentifier": old["DBInstanceIdentifier"]}
    create = name | kept(old, "DBInstanceClass", "AvailabilityZone", "PubliclyAccessible", "MultiAZ")
    create["SourceDBInstanceIdentifier"] = old["ReadReplicaSourceDBInstanceIdentifier"]
    create |= {"Tags": old["TagList"]} if old.get("TagList") else {}
    draft.back("CreateDBInstanceReadReplica", create, present_ok=True)
    draft.back(INSTANCE.describe, name, until=INSTANCE.settled)
    return draft.lossy("the replica is made again from its source, with a new resource id")


def power(kind: Kind, opposite: str) -> Maker:
    """Stop and start."""

    async def make(draft: Draft) -> Plan:
        name = {kind.key: draft.get(kind.key)}
        up = f"contains(['available', 'starting', 'backing-up', 'modifying'], {kind.one}.{kind.status})"
        before = await draft.watch(f"whether {draft.get(kind.key)} runs", kind.describe, name, up)
        if before != (opposite.startswith("Start")):
            return nothing(draft)
        draft.back(opposite, name)
        return draft.done()

    return make


def created(kind: Kind) -> Maker:
    """What was made is deleted; a final snapshot keeps what was written into it meanwhile."""

    async def make(draft: Draft) -> Plan:
        name = {kind.key: draft.get(kind.key) or draft.get(f"Target{kind.key}")}
        shared = bool(draft.get("SourceDBInstanceIdentifier")) and "ReadReplica" in draft.call.operation
        if draft.get("DBClusterIdentifier") and kind is INSTANCE:
            draft.back("DeleteDBInstance", name, absent_ok=True)
            return draft.done()
        final = {"SkipFinalSnapshot": True}
        if not shared:
            snapshot = f"interlock-{draft.nonce}-{name[kind.key]}"[:255].rstrip("-")
            final = {"SkipFinalSnapshot": False, "FinalDBSnapshotIdentifier": snapshot}  # type: ignore[dict-item]
        going = f"{kind.one}.{kind.status} == 'deleting'"
        unless = draft.check("the deletion", kind.describe, name, going, True)
        draft.back(f"DeleteDB{kind.word}", name | final, absent_ok=True, unless=unless)
        return draft.done("full", *([] if shared else ["a final snapshot of it stays"]))

    return make
