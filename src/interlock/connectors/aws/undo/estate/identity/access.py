"""IAM access: keys, passwords, providers, the account's rules (IAM API reference: UpdateAccessKey, DeleteLoginProfile).

Key and password values are nobody's to read, so what deletes one can't be undone."""

from interlock.connectors.aws.undo.estate.common import Read, made, put_back, rows
from interlock.connectors.aws.undo.estate.draft import Draft, Gone, kept, never, own_tags
from interlock.connectors.aws.undo.plan import Plan

_KEY = Read(
    "ListAccessKeys",
    {"UserName": "UserName", "MaxItems": "`1000`"},
    "AccessKeyMetadata[?AccessKeyId==$AccessKeyId] | [0].{Status: Status}",
)
_POLICY = (
    "MinimumPasswordLength",
    "RequireSymbols",
    "RequireNumbers",
    "RequireUppercaseCharacters",
    "RequireLowercaseCharacters",
    "AllowUsersToChangePassword",
    "HardExpiry",
)
_AT_LEAST_ONE = {name: f"[{name}][?@ > `0`] | [0]" for name in ("MaxPasswordAge", "PasswordReusePrevention")}
_PASSWORDS = put_back(
    "UpdateAccountPasswordPolicy",
    (),
    {name: name for name in _POLICY} | _AT_LEAST_ONE,
    read=Read("GetAccountPasswordPolicy", (), "PasswordPolicy"),
    what="the account's password policy",
    absent=("DeleteAccountPasswordPolicy", ()),
)


async def _delete_oidc(draft: Draft) -> Plan:
    arn = draft.given("OpenIDConnectProviderArn")
    old = await draft.must("@", "GetOpenIDConnectProvider", arn, what="such provider")
    create = kept(old, "ClientIDList", "ThumbprintList") | {
        "Url": f"https://{old['Url'].removeprefix('https://')}"
    }
    if tags := own_tags(old.get("Tags")):
        create["Tags"] = tags
    draft.back("CreateOpenIDConnectProvider", create, present_ok=True)
    return draft.done()


async def _delete_saml(draft: Draft) -> Plan:
    arn = draft.given("SAMLProviderArn")
    old = await draft.must("@", "GetSAMLProvider", arn, what="such provider")
    name = str(draft.get("SAMLProviderArn")).rpartition("/")[2]
    create = {"Name": name, "SAMLMetadataDocument": old["SAMLMetadataDocument"]}
    draft.back("CreateSAMLProvider", create, present_ok=True)
    return draft.done()


async def _update_saml(draft: Draft) -> Plan:
    arn = draft.given("SAMLProviderArn")
    old = await draft.watch(
        f"the metadata of {draft.get('SAMLProviderArn')}", "GetSAMLProvider", arn, "SAMLMetadataDocument"
    )
    if old is None:
        raise Gone("there is no such provider")
    draft.back("UpdateSAMLProvider", arn | {"SAMLMetadataDocument": old})
    return draft.done()


async def _thumbprints(draft: Draft) -> Plan:
    arn = draft.given("OpenIDConnectProviderArn")
    what = f"the thumbprints of {draft.get('OpenIDConnectProviderArn')}"
    old = await draft.watch(what, "GetOpenIDConnectProvider", arn, "ThumbprintList")
    draft.back("UpdateOpenIDConnectProviderThumbprint", arn | {"ThumbprintList": old or []})
    return draft.done()


_INACTIVE = "UpdateAccessKey to Inactive stops the key and can be taken back"

ROWS = rows(
    "iam",
    {
        "UpdateAccessKey": (
            put_back(
                "UpdateAccessKey",
                ("UserName", "AccessKeyId"),
                ("Status",),
                read=_KEY,
                what="the status of an access key of {UserName}",
            ),
            "full",
            "the old status is set",
        ),
        "CreateAccessKey": (
            made("DeleteAccessKey", {"AccessKeyId": "AccessKey.AccessKeyId"}, ("UserName",)),
            "full",
            "the key is deleted",
        ),
        "DeleteAccessKey": (
            never("a deleted access key can't come back", _INACTIVE),
            "none",
            "deactivate it instead",
        ),
        "CreateLoginProfile": (
            made("DeleteLoginProfile", (), ("UserName",)),
            "full",
            "the password is deleted",
        ),
        "UpdateLoginProfile": (never("the old password can't be read"), "none", "the old password is gone"),
        "DeleteLoginProfile": (
            never("the password can't be read, so it can't come back"),
            "none",
            "the password is gone",
        ),
        "DeactivateMFADevice": (
            never("a device is enabled again only with codes that its owner reads from it"),
            "none",
            "the owner must enable it again",
        ),
        "DeleteVirtualMFADevice": (
            never("the secret of a device can't be read, so it can't come back"),
            "none",
            "the device is gone",
        ),
        "DeleteServerCertificate": (
            never("the private key can't be read, so it can't come back"),
            "none",
            "the certificate is gone",
        ),
        "UpdateAccountPasswordPolicy": (_PASSWORDS, "full", "the old rules are put back"),
        "DeleteAccountPasswordPolicy": (_PASSWORDS, "full", "the rules are put back"),
        "CreateAccountAlias": (
            made("DeleteAccountAlias", (), ("AccountAlias",)),
            "full",
            "the alias is deleted",
        ),
        "DeleteAccountAlias": (
            made(
                "CreateAccountAlias",
                (),
                ("AccountAlias",),
                caveats=("the alias comes back only as long as nobody else has taken it",),
                present_ok=True,
            ),
            "new_id",
            "the alias is made again",
        ),
        "CreateOpenIDConnectProvider": (
            made("DeleteOpenIDConnectProvider", ("OpenIDConnectProviderArn",)),
            "full",
            "the provider is deleted",
        ),
        "DeleteOpenIDConnectProvider": (_delete_oidc, "full", "the provider is made again"),
        "UpdateOpenIDConnectProviderThumbprint": (_thumbprints, "full", "the old thumbprints are put back"),
        "CreateSAMLProvider": (
            made("DeleteSAMLProvider", ("SAMLProviderArn",)),
            "full",
            "the provider is deleted",
        ),
        "UpdateSAMLProvider": (_update_saml, "full", "the old metadata is put back"),
        "DeleteSAMLProvider": (_delete_saml, "full", "the provider is made again"),
    },
)
