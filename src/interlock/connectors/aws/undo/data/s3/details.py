"""What hangs on one object: tags, access list, retention, legal hold. And uploads in parts."""

from typing import Any

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.undo.data.common import final, literal, some, step, undone, watch
from interlock.connectors.aws.undo.data.s3.aside import grants_of
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import Plan, Step

_PLACE = "Bucket Key VersionId"


async def _watched(
    call: Call, calls: Here, what: str, get: str, select: str
) -> tuple[dict[str, Any], Any, Any]:
    place = some(call.parameters, _PLACE)
    phrase = f"{what} of object {place['Key']} of bucket {place['Bucket']}"
    old, check = await watch(calls, phrase, "s3", get, place, select)
    return place, old, check


async def tags(call: Call, calls: Here, nonce: str) -> Plan:
    """PutObjectTagging, DeleteObjectTagging."""
    place, old, check = await _watched(call, calls, "the tags", "GetObjectTagging", "sort_by(TagSet, &Key)")
    return undone(check, step("s3", "PutObjectTagging", {**place, "Tagging": {"TagSet": old or []}}))


async def acl(call: Call, calls: Here, nonce: str) -> Plan:
    """PutObjectAcl."""
    place, old, check = await _watched(
        call, calls, "the access list", "GetObjectAcl", "{Owner: Owner, Grants: Grants}"
    )
    return undone(check, step("s3", "PutObjectAcl", {**place, **grants_of(old or {})}))


async def hold(call: Call, calls: Here, nonce: str) -> Plan:
    """PutObjectLegalHold."""
    place, old, check = await _watched(
        call, calls, "the legal hold", "GetObjectLegalHold", "LegalHold.Status || 'OFF'"
    )
    # What never had one answers that there is none.
    status = {"LegalHold": {"Status": old or "OFF"}}
    return undone(check, step("s3", "PutObjectLegalHold", {**place, **status}))


async def retention(call: Call, calls: Here, nonce: str) -> Plan:
    """PutObjectRetention: in compliance mode it can be made longer, and never shorter (S3 user guide, "Object Lock")."""
    if call.parameters.get("Retention", {}).get("Mode") == "COMPLIANCE":
        return final("retention in compliance mode cannot be taken back", "governance mode can be")
    place, old, check = await _watched(call, calls, "the retention", "GetObjectRetention", "Retention")
    back = {"Retention": old or {}, "BypassGovernanceRetention": True}
    return undone(check, step("s3", "PutObjectRetention", {**place, **back}))


async def upload(call: Call, calls: Here, nonce: str) -> Plan:
    """CreateMultipartUpload: nothing is to be seen of it until it is completed."""
    place = literal(some(call.parameters, "Bucket Key"))
    gone = Step("s3", "AbortMultipartUpload", {**place, "UploadId": "${upload}"}, absent_ok=True)
    return Plan("full", inverse=(gone,), saves={"upload": "UploadId"})


async def part(call: Call, calls: Here, nonce: str) -> Plan:
    """UploadPart, UploadPartCopy: as above; the upload itself is what is undone."""
    return Plan("full", caveats=("the part stays until its upload is aborted or completed",))


async def abort(call: Call, calls: Here, nonce: str) -> Plan:
    """AbortMultipartUpload."""
    return final("the parts that were uploaded are gone", "leave the upload open")
