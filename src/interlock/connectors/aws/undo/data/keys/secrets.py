"""Secrets Manager. Values are never read: versions and their stages bring them back."""

from typing import Any

import msgspec

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.undo.data.common import final, literal, nothing, read, some, step, undone, watch
from interlock.connectors.aws.undo.data.settings import Final, Setting
from interlock.connectors.aws.undo.data.tags import Tags
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import Check, Plan, Step
from interlock.connectors.aws.undo.registry import Row, rows_of

_CURRENT, _PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"


def _what(secret: str) -> str:
    return f"the versions of secret {secret.rsplit(':', 1)[-1]}"


def _staged(stages: dict[str, list[str]], stage: str) -> str | None:
    return next((version for version, names in stages.items() if stage in names), None)


async def _stages(calls: Here, key: dict[str, Any]) -> dict[str, list[str]]:
    """Versions by id, with their stages."""
    asked = "VersionIdsToStages"
    return await read(calls, "secretsmanager", "DescribeSecret", key, asked) or {}


def _moved(key: dict[str, Any], stage: str, old: str, new: str) -> Check:
    """Which of two versions has a stage: first the one, then the other."""
    has = f"contains(VersionIdsToStages.\"{{}}\" || `[]`, '{stage}')"
    select = f"[{has.format(old)}, {has.format(new)}]"
    before, after = [True, False], [False, True]
    return Check(
        _what(key["SecretId"]), "secretsmanager", "DescribeSecret", literal(key), select, before, after
    )


async def put(call: Call, calls: Here, nonce: str) -> Plan:
    """PutSecretValue, UpdateSecret with a value: stages move back to the versions that had them."""
    key = some(call.parameters, "SecretId")
    stages = await _stages(calls, key)
    current, previous = _staged(stages, _CURRENT), _staged(stages, _PREVIOUS)
    steps = list(await _described(call, calls, key)) if call.operation == "UpdateSecret" else []
    if call.operation == "UpdateSecret" and not {"SecretString", "SecretBinary"} & set(call.parameters):
        return undone(await _settings_check(calls, key), *steps)
    if current is None:
        return final("which version was current cannot be told")
    moves = [_move(key, _CURRENT, current, "${version}")]
    if previous is not None:
        moves.append(_move(key, _PREVIOUS, previous, "${version}"))
    return Plan(
        "full",
        inverse=(*moves, *steps),
        checks=(_moved(key, _CURRENT, current, "${version}"),),
        saves={"version": "VersionId"},
        caveats=("the new version stays, without a stage, until the service removes it",),
    )


def _move(key: dict[str, Any], stage: str, to: str, away: str) -> Step:
    given = {**literal(key), "VersionStage": stage, "MoveToVersionId": to, "RemoveFromVersionId": away}
    return Step("secretsmanager", "UpdateSecretVersionStage", given, unless=_holds(key, stage, to))


def _holds(key: dict[str, Any], stage: str, version: str) -> Check:
    """Whether that version has the stage already."""
    select = f'VersionIdsToStages."{version}" && contains(VersionIdsToStages."{version}", \'{stage}\')'
    return Check(
        _what(key["SecretId"]), "secretsmanager", "DescribeSecret", literal(key), select, before=True
    )


_SETTINGS = "[Description, KmsKeyId]"


async def _settings_check(calls: Here, key: dict[str, Any]) -> Check:
    what = f"the settings of secret {key['SecretId'].rsplit(':', 1)[-1]}"
    return (await watch(calls, what, "secretsmanager", "DescribeSecret", key, _SETTINGS))[1]


async def _described(call: Call, calls: Here, key: dict[str, Any]) -> tuple[Step, ...]:
    found = await read(calls, "secretsmanager", "DescribeSecret", key) or {}
    # A secret without a key of its own has the service's (Secrets Manager API reference, "UpdateSecret").
    usual = {"Description": "", "KmsKeyId": "alias/aws/secretsmanager"}
    back = {name: found.get(name) or none for name, none in usual.items() if name in call.parameters}
    return (step("secretsmanager", "UpdateSecret", {**key, **back}),) if back else ()


async def stage(call: Call, calls: Here, nonce: str) -> Plan:
    """UpdateSecretVersionStage."""
    key, name = some(call.parameters, "SecretId"), call.parameters["VersionStage"]
    stages, new = await _stages(calls, key), call.parameters.get("MoveToVersionId")
    old = _staged(stages, name)
    back = {**key, "VersionStage": name, **({"MoveToVersionId": old} if old else {})}
    if old == new:
        return Plan("full")
    if new:
        back["RemoveFromVersionId"] = new
    steps = [step("secretsmanager", "UpdateSecretVersionStage", back)]
    previous = _staged(stages, _PREVIOUS)
    if name == _CURRENT and previous and old and previous != new:
        steps.append(_move(key, _PREVIOUS, previous, old))
    if name == _CURRENT and previous == new and new and old:
        steps.append(_move(key, _PREVIOUS, new, old))
    return undone(_stage_check(key, name, old, new), *steps)


def _stage_check(key: dict[str, Any], stage: str, old: str | None, new: str | None) -> Check:
    """As `_moved`, where a stage may come from nowhere or go there."""
    check = _moved(key, stage, old or "-", new or "-")
    return msgspec.structs.replace(check, before=[bool(old), False], after=[False, bool(new)])


async def create(call: Call, calls: Here, nonce: str) -> Plan:
    """CreateSecret: deleted in the gentle way, for somebody may have begun to use it."""
    name = call.parameters["Name"]
    there, check = await watch(
        calls,
        f"secret {name}",
        "secretsmanager",
        "DescribeSecret",
        {"SecretId": name},
        "[ARN, VersionIdsToStages][?@]",
    )
    if there:
        return Plan("full")
    gone = Step(
        "secretsmanager",
        "DeleteSecret",
        {"SecretId": "${secret}", "RecoveryWindowInDays": 7},
        absent_ok=True,
    )
    caveats = ("it can be restored for seven days, in which its name stays taken",)
    return Plan("new_id", inverse=(gone,), checks=(_live(check),), saves={"secret": "ARN"}, caveats=caveats)


def _live(check: Check) -> Check:
    """A secret that waits for its deletion is none."""
    select = "[@][?!DeletedDate]|[0].[ARN, VersionIdsToStages]"
    return Check(check.what, check.service, check.operation, check.parameters, select, before=None)


async def delete(call: Call, calls: Here, nonce: str) -> Plan:
    """DeleteSecret."""
    if call.parameters.get("ForceDeleteWithoutRecovery"):
        return final("its value is gone at once", "DeleteSecret with RecoveryWindowInDays can be taken back")
    key = some(call.parameters, "SecretId")
    name = key["SecretId"].rsplit(":", 1)[-1]
    select = "[@][?!DeletedDate]|[0].ARN"
    found, check = await watch(calls, f"secret {name}", "secretsmanager", "DescribeSecret", key, select)
    if found is None:
        return nothing()
    return undone(check, step("secretsmanager", "RestoreSecret", key))


async def restore(call: Call, calls: Here, nonce: str) -> Plan:
    """RestoreSecret."""
    key = some(call.parameters, "SecretId")
    select = "[@][?DeletedDate]|[0].ARN"
    name = key["SecretId"].rsplit(":", 1)[-1]
    found, check = await watch(calls, f"secret {name}", "secretsmanager", "DescribeSecret", key, select)
    if found is None:
        return nothing()
    again = step("secretsmanager", "DeleteSecret", {**key, "RecoveryWindowInDays": 30})
    return undone(check, again, kind="new_id", caveats=("the waiting time begins anew",))


_POLICY = Setting(
    "secretsmanager",
    "the policy of secret {}",
    "SecretId",
    "GetResourcePolicy",
    "PutResourcePolicy",
    "ResourcePolicy",
    "ResourcePolicy",
    delete="DeleteResourcePolicy",
)


async def replicate(call: Call, calls: Here, nonce: str) -> Plan:
    """ReplicateSecretToRegions: only the regions that are new."""
    key = some(call.parameters, "SecretId")
    select = "sort(ReplicationStatus[].Region || `[]`)"
    what = f"the replicas of secret {key['SecretId'].rsplit(':', 1)[-1]}"
    old, check = await watch(calls, what, "secretsmanager", "DescribeSecret", key, select)
    new = [
        each["Region"] for each in call.parameters["AddReplicaRegions"] if each["Region"] not in (old or [])
    ]
    gone = step("secretsmanager", "RemoveRegionsFromReplication", {**key, "RemoveReplicaRegions": new})
    return undone(check, *([gone] if new else []))


_TAGS = Tags(
    "secretsmanager", "SecretId", "DescribeSecret", "Tags", "TagResource", "Tags", "UntagResource", "TagKeys"
)
_ROTATED = Final(
    "rotation changes the password where it is used, and the old one is not kept",
    "rotate in the window that is meant for it",
)
_CANCELLED = Final("a rotation that was cancelled half-way may have changed the password", "let it finish")
_REPLICA = Final("a replica that was removed is gone", "leave it, and cut it off by policy")

ROWS: tuple[Row, ...] = (
    *rows_of(
        "secretsmanager",
        "PutSecretValue UpdateSecret",
        put,
        "full",
        "stages go back to the versions that had them; the value is never read",
    ),
    *rows_of("secretsmanager", "UpdateSecretVersionStage", stage, "full", "moved back"),
    *rows_of("secretsmanager", "CreateSecret", create, "new_id", "deleted with a window of seven days"),
    *rows_of(
        "secretsmanager", "DeleteSecret", delete, "full", "restored within the window; without one, nothing"
    ),
    *rows_of("secretsmanager", "RestoreSecret", restore, "new_id", "deleted with a new window"),
    *rows_of(
        "secretsmanager",
        "PutResourcePolicy DeleteResourcePolicy",
        _POLICY.plan,
        "full",
        "put as it was, or deleted",
    ),
    *rows_of("secretsmanager", "ReplicateSecretToRegions", replicate, "full", "new replicas are removed"),
    *rows_of("secretsmanager", "TagResource UntagResource", _TAGS.plan, "full", "put as they were"),
    *rows_of(
        "secretsmanager", "RotateSecret", _ROTATED.plan, "none", "the password was changed elsewhere too"
    ),
    *rows_of(
        "secretsmanager", "CancelRotateSecret", _CANCELLED.plan, "none", "how far it was cannot be told"
    ),
    *rows_of("secretsmanager", "RemoveRegionsFromReplication", _REPLICA.plan, "none", "the replica is gone"),
)
