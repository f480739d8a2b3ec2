"""KMS: keys are disabled, scheduled for deletion and cut off by their policy far more often than they are deleted."""

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.undo.data.common import filled, final, nothing, read, some, step, undone, watch
from interlock.connectors.aws.undo.data.settings import Final, Made, Setting
from interlock.connectors.aws.undo.data.tags import Tags
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import Check, Plan, Step
from interlock.connectors.aws.undo.registry import Row, rows_of

_FAILED = "what was to be encrypted or decrypted meanwhile has failed"
_GRANT = "GranteePrincipal RetiringPrincipal Operations Constraints Name"


async def state(call: Call, calls: Here, nonce: str) -> Plan:
    """DisableKey, EnableKey, ScheduleKeyDeletion, CancelKeyDeletion: back to the state of before."""
    key = some(call.parameters, "KeyId")
    found, check = await watch(
        calls, f"the state of key {key['KeyId']}", "kms", "DescribeKey", key, "KeyMetadata.KeyState"
    )
    if found not in ("Enabled", "Disabled", "PendingDeletion"):
        return final(f"a key whose state is {found} does not come back to it")
    if found == "PendingDeletion":
        again = step("kms", "ScheduleKeyDeletion", {**key, "PendingWindowInDays": 30})
        return undone(check, again, kind="new_id", caveats=("the waiting time begins anew",))
    steps = [step("kms", "EnableKey" if found == "Enabled" else "DisableKey", key)]
    if call.operation == "ScheduleKeyDeletion":
        steps.insert(0, step("kms", "CancelKeyDeletion", key, unless=check))
    return undone(check, *steps, caveats=(_FAILED,))


async def create(call: Call, calls: Here, nonce: str) -> Plan:
    """CreateKey: a key can be deleted after a week at the earliest."""
    key = {"KeyId": "${key}"}
    doomed = Check(
        "the new key", "kms", "DescribeKey", key, "KeyMetadata.KeyState == 'PendingDeletion'", True, False
    )
    gone = Step(
        "kms", "ScheduleKeyDeletion", {**key, "PendingWindowInDays": 7}, absent_ok=True, unless=doomed
    )
    caveats = ("the key cannot be used, and is deleted after seven days",)
    return Plan("new_id", (), (gone,), (doomed,), {"key": "KeyMetadata.KeyId"}, caveats=caveats)


async def delete_alias(call: Call, calls: Here, nonce: str) -> Plan:
    """DeleteAlias, UpdateAlias."""
    name = call.parameters["AliasName"]
    key = await read(calls, "kms", "DescribeKey", {"KeyId": name}, "KeyMetadata.KeyId")
    if key is None:
        return nothing()
    _, check = await watch(calls, f"alias {name}", "kms", "DescribeKey", {"KeyId": name}, "KeyMetadata.KeyId")
    back = "CreateAlias" if call.operation == "DeleteAlias" else "UpdateAlias"
    return undone(check, step("kms", back, {"AliasName": name, "TargetKeyId": key}, present_ok=True))


async def revoke(call: Call, calls: Here, nonce: str) -> Plan:
    """RevokeGrant, RetireGrant."""
    if "GrantId" not in call.parameters or "KeyId" not in call.parameters:
        return final("a grant that is named by its token cannot be looked up", "name it by key and id")
    key = some(call.parameters, "KeyId")
    found, more = await calls.pages("kms", "ListGrants", key, key="Grants", limit=1_000)
    grant = next((each for each in found if each["GrantId"] == call.parameters["GrantId"]), None)
    if grant is None:
        return final("the grant cannot be found") if more else nothing()
    again = {**key, **filled(some(grant, _GRANT))}
    select = "length(Grants)"
    _, check = await watch(calls, f"the grants of key {key['KeyId']}", "kms", "ListGrants", key, select)
    return undone(
        check, step("kms", "CreateGrant", again), kind="new_id", caveats=("the grant has a new id and token",)
    )


_POLICY = Setting(
    "kms",
    "the policy of key {}",
    "KeyId",
    "GetKeyPolicy",
    "PutKeyPolicy",
    "Policy",
    build=lambda old, given: {
        "Policy": old,
        "PolicyName": "default",
        # The old policy may lock out whoever puts it back; it was there before.
        "BypassPolicyLockoutSafetyCheck": True,
    },
    get_extra=(("PolicyName", "default"),),
    caveats=(_FAILED,),
)
_TEXT = Setting(
    "kms",
    "the description of key {}",
    "KeyId",
    "DescribeKey",
    "UpdateKeyDescription",
    "KeyMetadata.Description",
    "Description",
    empty="",
)


async def rotation(call: Call, calls: Here, nonce: str) -> Plan:
    """EnableKeyRotation, DisableKeyRotation."""
    key = some(call.parameters, "KeyId")
    select = "[KeyRotationEnabled && (RotationPeriodInDays || `365`)]"
    found, check = await watch(
        calls, f"the rotation of key {key['KeyId']}", "kms", "GetKeyRotationStatus", key, select
    )
    days = found[0] if found else None
    if not days:
        return undone(check, step("kms", "DisableKeyRotation", key))
    return undone(check, step("kms", "EnableKeyRotation", {**key, "RotationPeriodInDays": days}))


_ALIAS = Made(
    "kms",
    "alias {}",
    "DeleteAlias",
    (("AliasName", "AliasName"),),
    get="DescribeKey",
    key=(("KeyId", "AliasName"),),
    select="KeyMetadata.KeyId",
)
_GRANTED = Made("kms", "", "RevokeGrant", (("KeyId", "KeyId"),), (("GrantId", "GrantId"),))
_TAGS = Tags(
    "kms",
    "KeyId",
    "ListResourceTags",
    "Tags",
    "TagResource",
    "Tags",
    "UntagResource",
    "TagKeys",
    "TagKey",
    "TagValue",
)
_MATERIAL = Final("key material that was deleted must be imported again", "disable the key")

ROWS: tuple[Row, ...] = (
    *rows_of(
        "kms",
        "DisableKey EnableKey ScheduleKeyDeletion CancelKeyDeletion",
        state,
        "full",
        "the state of before: enabled, disabled, deletion cancelled",
    ),
    *rows_of("kms", "PutKeyPolicy", _POLICY.plan, "full", "put as it was"),
    *rows_of("kms", "UpdateKeyDescription", _TEXT.plan, "full", "put as it was"),
    *rows_of("kms", "EnableKeyRotation DisableKeyRotation", rotation, "full", "put as it was"),
    *rows_of("kms", "CreateKey", create, "new_id", "scheduled for deletion"),
    *rows_of("kms", "CreateAlias", _ALIAS.plan, "full", "deleted"),
    *rows_of("kms", "DeleteAlias UpdateAlias", delete_alias, "full", "put as it was"),
    *rows_of("kms", "CreateGrant", _GRANTED.plan, "full", "revoked"),
    *rows_of("kms", "RevokeGrant RetireGrant", revoke, "new_id", "made again, with a new id"),
    *rows_of("kms", "TagResource UntagResource", _TAGS.plan, "full", "put as they were"),
    *rows_of("kms", "DeleteImportedKeyMaterial", _MATERIAL.plan, "none", "key material is gone"),
)
