"""Amazon ECR, ACM, EFS and AWS Backup (their API references: PutLifecyclePolicy, PutLifecycleConfiguration)."""

from typing import Any

from interlock.connectors.aws.undo.estate.common import Read, made, put_back, rows
from interlock.connectors.aws.undo.estate.draft import Draft, Gone, kept, kept_all, never
from interlock.connectors.aws.undo.plan import Plan

_REPOSITORY = ("registryId", "repositoryName")
_ONE = {"registryId": "registryId", "repositoryNames": "[repositoryName]"}
_LIFECYCLE = put_back(
    "PutLifecyclePolicy",
    _REPOSITORY,
    {"lifecyclePolicyText": "lifecyclePolicyText"},
    read=Read("GetLifecyclePolicy", _REPOSITORY, "{lifecyclePolicyText: lifecyclePolicyText}"),
    what="the lifecycle policy of repository {repositoryName}",
    absent=("DeleteLifecyclePolicy", _REPOSITORY),
    caveats=("images that expired meanwhile don't come back",),
)
_POLICY = put_back(
    "SetRepositoryPolicy",
    {"registryId": "registryId", "repositoryName": "repositoryName", "force": "`true`"},
    ("policyText",),
    read=Read("GetRepositoryPolicy", _REPOSITORY, "{policyText: policyText}"),
    what="the policy of repository {repositoryName}",
    absent=("DeleteRepositoryPolicy", _REPOSITORY),
)
_REGISTRY = put_back(
    "PutRegistryPolicy",
    (),
    ("policyText",),
    read=Read("GetRegistryPolicy", (), "{policyText: policyText}"),
    what="the policy of the registry",
    absent=("DeleteRegistryPolicy", ()),
)


async def _delete_repository(draft: Draft) -> Plan:
    """Only an empty one comes back: layers are not to be had."""
    asked = draft.given("registryId") | {"repositoryNames": [draft.get("repositoryName")]}
    old = await draft.must("repositories[0]", "DescribeRepositories", asked, what="such repository")
    name = draft.given(*_REPOSITORY)
    images = await draft.ask("ListImages", name) or {}
    if images.get("imageIds"):
        return Plan(
            "none", reason="its images can't be brought back", gentler="BatchDeleteImage for single images"
        )
    members = (
        "repositoryName",
        "imageTagMutability",
        "imageScanningConfiguration",
        "encryptionConfiguration",
    )
    tags = await draft.ask("ListTagsForResource", {"resourceArn": old["repositoryArn"]}) or {}
    draft.back("CreateRepository", kept(old, *members) | kept(tags, "tags"), present_ok=True)
    for read, put, member in (
        ("GetRepositoryPolicy", "SetRepositoryPolicy", "policyText"),
        ("GetLifecyclePolicy", "PutLifecyclePolicy", "lifecyclePolicyText"),
    ):
        if (answer := await draft.ask(read, name)) and answer.get(member):
            draft.back(put, name | {member: answer[member]})
    return draft.done()


_FILES = ("FileSystemId",)


async def _mounts(draft: Draft) -> Plan:
    name = draft.given("MountTargetId")
    what = f"security groups of {draft.get('MountTargetId')}"
    old = await draft.watch(what, "DescribeMountTargetSecurityGroups", name, "sort(SecurityGroups)")
    if not old:
        raise Gone("there is no such mount target")
    draft.back("ModifyMountTargetSecurityGroups", name | {"SecurityGroups": old})
    return draft.done()


async def _lifecycle(draft: Draft) -> Plan:
    """An empty list is a configuration as well."""
    name = draft.given("FileSystemId")
    what = f"the lifecycle of {draft.get('FileSystemId')}"
    old = await draft.watch(what, "DescribeLifecycleConfiguration", name, "LifecyclePolicies")
    draft.back("PutLifecycleConfiguration", name | {"LifecyclePolicies": old or []})
    return draft.done()


async def _backup_policy(draft: Draft) -> Plan:
    name = draft.given("FileSystemId")
    old = await draft.watch(
        f"backups of {draft.get('FileSystemId')}", "DescribeBackupPolicy", name, "BackupPolicy.Status"
    )
    on = str(old or "").startswith("ENABL")
    draft.back("PutBackupPolicy", name | {"BackupPolicy": {"Status": "ENABLED" if on else "DISABLED"}})
    return draft.done()


async def _delete_mount(draft: Draft) -> Plan:
    name = draft.given("MountTargetId")
    old = await draft.must("MountTargets[0]", "DescribeMountTargets", name, what="such mount target")
    groups = await draft.ask("DescribeMountTargetSecurityGroups", name) or {}
    create = kept(old, "FileSystemId", "SubnetId", "IpAddress") | kept(groups, "SecurityGroups")
    draft.back("CreateMountTarget", create, present_ok=True)
    return draft.lossy("the mount target gets a new id")


async def _delete_plan(draft: Draft) -> Plan:
    """A backup plan, with what it selects. Recovery points stay."""
    name = draft.given("BackupPlanId")
    old = await draft.must("@", "GetBackupPlan", name, what="such backup plan")
    rule_members = (
        "RuleName",
        "TargetBackupVaultName",
        "ScheduleExpression",
        "StartWindowMinutes",
        "CompletionWindowMinutes",
        "Lifecycle",
        "RecoveryPointTags",
        "CopyActions",
        "EnableContinuousBackup",
        "ScheduleExpressionTimezone",
    )
    plan = kept(old["BackupPlan"], "BackupPlanName", "AdvancedBackupSettings")
    plan["Rules"] = [kept_all(rule, *rule_members) for rule in old["BackupPlan"]["Rules"]]
    create: dict[str, Any] = {"BackupPlan": plan, "CreatorRequestId": f"interlock-{draft.nonce}"}
    listed = (
        f"BackupPlansList[?BackupPlanName=='{plan['BackupPlanName']}']"
        if _simple(plan)
        else "BackupPlansList"
    )
    new = await draft.again(
        "plan", "CreateBackupPlan", create, find=("ListBackupPlans", {}, listed, "BackupPlanId")
    )
    answer = await draft.ask("ListBackupSelections", name) or {}
    for one in answer.get("BackupSelectionsList", ()):
        which = name | {"SelectionId": one["SelectionId"]}
        found = await draft.must("BackupSelection", "GetBackupSelection", which, what="such selection")
        draft.back("CreateBackupSelection", {"BackupPlanId": new, "BackupSelection": found}, present_ok=True)
    return draft.lossy("the backup plan and its selections get new ids, and no backups are made meanwhile")


def _simple(plan: dict[str, Any]) -> bool:
    return str(plan["BackupPlanName"]).replace("-", "").replace("_", "").replace(".", "").isalnum()


async def _update_plan(draft: Draft) -> Plan:
    name = draft.given("BackupPlanId")
    what = f"backup plan {draft.get('BackupPlanId')}"
    await draft.watch(
        what, "GetBackupPlan", name, "BackupPlan.Rules[].[RuleName, ScheduleExpression, Lifecycle]"
    )
    old = await draft.must("BackupPlan", "GetBackupPlan", name, what="such backup plan")
    rules_of = [{key: value for key, value in rule.items() if key != "RuleId"} for rule in old["Rules"]]
    back = kept(old, "BackupPlanName", "AdvancedBackupSettings") | {"Rules": rules_of}
    draft.back("UpdateBackupPlan", name | {"BackupPlan": back})
    return draft.done()


async def _delete_vault(draft: Draft) -> Plan:
    name = draft.given("BackupVaultName")
    old = await draft.must("@", "DescribeBackupVault", name, what="such vault")
    if old.get("NumberOfRecoveryPoints"):
        return Plan("none", reason="its recovery points can't be brought back")
    draft.back("CreateBackupVault", name | kept(old, "EncryptionKeyArn"), present_ok=True)
    return draft.done()


_NO_POINT = "a deleted recovery point can't come back"

ROWS = (
    *rows(
        "ecr",
        {
            "PutLifecyclePolicy": (_LIFECYCLE, "new_id", "the old policy is put back"),
            "DeleteLifecyclePolicy": (_LIFECYCLE, "new_id", "the policy is put back"),
            "SetRepositoryPolicy": (_POLICY, "full", "the old policy is put back"),
            "DeleteRepositoryPolicy": (_POLICY, "full", "the policy is put back"),
            "PutRegistryPolicy": (_REGISTRY, "full", "the old policy is put back"),
            "DeleteRegistryPolicy": (_REGISTRY, "full", "the policy is put back"),
            "PutImageTagMutability": (
                put_back(
                    "PutImageTagMutability",
                    _REPOSITORY,
                    ("imageTagMutability",),
                    read=Read(
                        "DescribeRepositories",
                        _ONE,
                        "repositories[0].{imageTagMutability: imageTagMutability}",
                    ),
                    what="tag mutability of repository {repositoryName}",
                ),
                "full",
                "the old setting is put back",
            ),
            "PutImageScanningConfiguration": (
                put_back(
                    "PutImageScanningConfiguration",
                    _REPOSITORY,
                    ("imageScanningConfiguration",),
                    read=Read(
                        "DescribeRepositories",
                        _ONE,
                        "repositories[0].{imageScanningConfiguration: imageScanningConfiguration}",
                    ),
                    what="scanning of repository {repositoryName}",
                ),
                "full",
                "the old setting is put back",
            ),
            "CreateRepository": (
                made("DeleteRepository", (), _REPOSITORY),
                "full",
                "the repository is deleted, unless it holds images by then",
            ),
            "DeleteRepository": (_delete_repository, "full", "an empty one is made again"),
            "BatchDeleteImage": (
                never("deleted images can't come back", "a tag or a lifecycle rule keeps them"),
                "none",
                "push them again",
            ),
        },
    ),
    *rows(
        "efs",
        {
            "PutLifecycleConfiguration": (_lifecycle, "full", "the old policies are put back"),
            "PutBackupPolicy": (_backup_policy, "full", "switched back"),
            "PutFileSystemPolicy": (
                put_back(
                    "PutFileSystemPolicy",
                    _FILES,
                    ("Policy",),
                    read=Read("DescribeFileSystemPolicy", _FILES, "{Policy: Policy}"),
                    what="the policy of {FileSystemId}",
                    absent=("DeleteFileSystemPolicy", _FILES),
                ),
                "full",
                "the old policy is put back",
            ),
            "ModifyMountTargetSecurityGroups": (_mounts, "full", "the old groups are put back"),
            "CreateFileSystem": (
                made("DeleteFileSystem", ("FileSystemId",)),
                "full",
                "the file system is deleted",
            ),
            "CreateMountTarget": (
                made("DeleteMountTarget", ("MountTargetId",)),
                "full",
                "the mount target is deleted",
            ),
            "DeleteMountTarget": (_delete_mount, "new_id", "the mount target is made again"),
            "DeleteFileSystem": (
                never("its files can't be brought back", "back it up with AWS Backup first"),
                "none",
                "nothing brings the files back",
            ),
        },
    ),
    *rows(
        "acm",
        {
            "RequestCertificate": (
                made("DeleteCertificate", ("CertificateArn",)),
                "full",
                "the certificate is deleted",
            ),
            "DeleteCertificate": (
                never("its private key can't be read, so it can't come back"),
                "none",
                "request a new one",
            ),
        },
    ),
    *rows(
        "backup",
        {
            "CreateBackupPlan": (made("DeleteBackupPlan", ("BackupPlanId",)), "full", "the plan is deleted"),
            "UpdateBackupPlan": (_update_plan, "full", "the old rules are put back"),
            "DeleteBackupPlan": (_delete_plan, "new_id", "the plan is made again with its selections"),
            "CreateBackupVault": (
                made("DeleteBackupVault", (), ("BackupVaultName",)),
                "full",
                "the vault is deleted",
            ),
            "DeleteBackupVault": (_delete_vault, "full", "an empty one is made again"),
            "DeleteRecoveryPoint": (never(_NO_POINT), "none", "nothing brings it back"),
        },
    ),
)
