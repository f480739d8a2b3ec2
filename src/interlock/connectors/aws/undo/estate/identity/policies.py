"""IAM policies: attached, inline, their versions, trust and boundaries (IAM API reference: CreatePolicyVersion)."""

from interlock.connectors.aws.undo.estate.common import Read, made, put_back, rows, switched
from interlock.connectors.aws.undo.estate.draft import Draft, Gone, Maker, slot
from interlock.connectors.aws.undo.estate.identity.documents import shape, text
from interlock.connectors.aws.undo.plan import Plan

_WORDS = ("Role", "User", "Group")
Entry = tuple[Maker, str, str]


def _attached(word: str) -> dict[str, Entry]:
    key = f"{word}Name"
    read = Read(
        f"ListAttached{word}Policies",
        {key: key, "MaxItems": "`1000`"},
        "contains(AttachedPolicies[].PolicyArn, $PolicyArn)",
    )
    what = f"whether {{PolicyArn}} is attached to {word.lower()} {{{key}}}"
    keys = (key, "PolicyArn")
    detach = switched(f"Detach{word}Policy", keys, read=read, what=what, when=False, absent_ok=True)
    attach = switched(f"Attach{word}Policy", keys, read=read, what=what)
    return {
        f"Attach{word}Policy": (detach, "full", "the policy is detached"),
        f"Detach{word}Policy": (attach, "full", "the policy is attached again"),
    }


def _inline(word: str) -> Maker:
    key = f"{word}Name"

    async def make(draft: Draft) -> Plan:
        keys = draft.given(key, "PolicyName")
        what = f"policy {draft.get('PolicyName')} of {word.lower()} {draft.get(key)}"
        old = await draft.watch(what, f"Get{word}Policy", keys, "PolicyDocument")
        if old is not None:
            draft.back(f"Put{word}Policy", keys | {"PolicyDocument": text(old)})
        else:
            draft.back(f"Delete{word}Policy", keys, absent_ok=True)
        return draft.done()

    return make


async def _trust(draft: Draft) -> Plan:
    name = draft.given("RoleName")
    what = f"the trust policy of role {draft.get('RoleName')}"
    old = await draft.watch(what, "GetRole", name, "Role.AssumeRolePolicyDocument")
    if old is None:
        raise Gone("there is no such role")
    draft.back("UpdateAssumeRolePolicy", name | {"PolicyDocument": text(old)})
    return draft.done()


async def _default(draft: Draft) -> str:
    """The policy's default version, which is compared before a revert."""
    arn = draft.get("PolicyArn")
    old = await draft.watch(
        f"the default version of {arn}", "GetPolicy", {"PolicyArn": arn}, "Policy.DefaultVersionId"
    )
    if old is None:
        raise Gone("there is no such policy")
    return str(old)


async def _new_version(draft: Draft) -> Plan:
    """Whether it became the default or not, the old default is set: that does nothing if it still is."""
    arn = {"PolicyArn": draft.get("PolicyArn")}
    await draft.watch(
        f"the versions of {draft.get('PolicyArn')}",
        "ListPolicyVersions",
        arn,
        "sort_by(Versions, &VersionId)[].[VersionId, IsDefaultVersion]",
    )
    old = await draft.must("Policy.DefaultVersionId", "GetPolicy", arn, what="such policy")
    draft.saves["version"] = "PolicyVersion.VersionId"
    if draft.get("SetAsDefault"):
        draft.back("SetDefaultPolicyVersion", arn | {"VersionId": old})
    draft.back("DeletePolicyVersion", arn | {"VersionId": slot("version")}, absent_ok=True)
    return draft.done()


async def _set_default(draft: Draft) -> Plan:
    old = await _default(draft)
    draft.back("SetDefaultPolicyVersion", {"PolicyArn": draft.get("PolicyArn"), "VersionId": old})
    return draft.done()


async def _document(draft: Draft, version: str) -> str:
    asked = {"PolicyArn": draft.get("PolicyArn"), "VersionId": version}
    found = await draft.must("PolicyVersion.Document", "GetPolicyVersion", asked, what="such version")
    return text(found)


async def _delete_version(draft: Draft) -> Plan:
    arn = {"PolicyArn": draft.get("PolicyArn")}
    document = await _document(draft, draft.get("VersionId"))
    count = "length(Versions)"
    answer = await draft.must(count, "ListPolicyVersions", arn, what="such policy")
    unless = draft.check("the policy's versions", "ListPolicyVersions", arn, count, answer)
    draft.back("CreatePolicyVersion", arn | {"PolicyDocument": document}, unless=unless)
    return draft.lossy("the version comes back under a new number")


async def _delete_policy(draft: Draft) -> Plan:
    arn = {"PolicyArn": draft.get("PolicyArn")}
    policy = await draft.must("Policy", "GetPolicy", arn, what="such policy")
    if policy.get("AttachmentCount"):
        draft.caveats.append(
            "where it is attached is not put back: it must be attached nowhere to be deleted"
        )
    create = shape(policy, "PolicyName", "Path", "Description")
    create["PolicyDocument"] = await _document(draft, policy["DefaultVersionId"])
    draft.back("CreatePolicy", create, present_ok=True)
    return draft.lossy("the policy gets a new unique id, and its version is v1")


def _boundary(word: str) -> dict[str, Entry]:
    key = f"{word}Name"
    read = Read(
        f"Get{word}", (key,), f"{word}.PermissionsBoundary.{{PermissionsBoundary: PermissionsBoundaryArn}}"
    )
    delete = (f"Delete{word}PermissionsBoundary", (key,))
    make = put_back(
        f"Put{word}PermissionsBoundary",
        (key,),
        ("PermissionsBoundary",),
        read=read,
        what=f"the permissions boundary of {word.lower()} {{{key}}}",
        absent=delete,
    )
    line = "the old boundary is put back"
    return {
        f"Put{word}PermissionsBoundary": (make, "full", line),
        f"Delete{word}PermissionsBoundary": (make, "full", line),
    }


def _table() -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for word in _WORDS:
        found |= _attached(word)
        for operation in (f"Put{word}Policy", f"Delete{word}Policy"):
            found[operation] = (_inline(word), "full", "the old document is put back")
    return found | _boundary("Role") | _boundary("User")


ROWS = rows(
    "iam",
    {
        **_table(),
        "UpdateAssumeRolePolicy": (_trust, "full", "the old trust policy is put back"),
        "CreatePolicy": (made("DeletePolicy", {"PolicyArn": "Policy.Arn"}), "full", "the policy is deleted"),
        "DeletePolicy": (_delete_policy, "new_id", "made again from its default version"),
        "CreatePolicyVersion": (_new_version, "full", "the old default is set, the new version deleted"),
        "SetDefaultPolicyVersion": (_set_default, "full", "the old default is set"),
        "DeletePolicyVersion": (_delete_version, "new_id", "the document comes back as a new version"),
    },
)
