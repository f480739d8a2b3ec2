"""Configurations of S3 buckets, each of which is replaced as a whole. Source: Amazon S3 API Reference."""

from collections.abc import Callable, Mapping
from typing import Any

from interlock.connectors.aws.preview.data.objects import bucket_of
from interlock.connectors.aws.preview.found import Effects, absent, thing
from interlock.connectors.aws.preview.rows import Describer, Table, rows
from interlock.connectors.aws.preview.settings.engine import at
from interlock.connectors.aws.preview.survey import Survey, plain
from interlock.model.base import Value
from interlock.model.effect import ChangeKind

Judge = Callable[[Survey, Any, Any], tuple[ChangeKind, str]]


class Configuration(Value, frozen=True):
    """One configuration of a bucket: `get` and the path in its answer, `put` and the path in the call, `delete`. None stands for
    not being configured."""

    label: str
    get: str
    found: str
    put: str
    given: str
    judge: Judge
    delete: str = ""
    judges: str = "replace"


def _setting(_: Survey, before: Any, after: Any) -> tuple[ChangeKind, str]:
    return ChangeKind.SETTING, ""


def _always(change: ChangeKind) -> Judge:
    return lambda survey, before, after: (change, "")


def _drops(_: Survey, before: Any, after: Any) -> tuple[ChangeKind, str]:
    """A full replacement: what is omitted is gone."""
    gone = [one for one in _leaves(before) if one not in _leaves(after)]
    return (ChangeKind.WEAKENED, f"{len(gone)} left out") if gone else (ChangeKind.SETTING, "")


def _leaves(value: Any) -> list[str]:
    """The members of all lists in it (targets of notifications, rules)."""
    if isinstance(value, Mapping):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    return [repr(plain(one)) for one in value] if isinstance(value, list | tuple) else []


def _versioning(_: Survey, before: Any, after: Any) -> tuple[ChangeKind, str]:
    old, new = before or {}, after or {}
    worse = old.get("Status") == "Enabled" and new.get("Status") != "Enabled"
    worse |= old.get("MFADelete") == "Enabled" and new.get("MFADelete") == "Disabled"
    return (ChangeKind.WEAKENED, "no earlier versions are kept") if worse else (ChangeKind.SETTING, "")


_FLAGS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def _public(survey: Survey, before: Any, after: Any) -> tuple[ChangeKind, str]:
    off = [name for name in _FLAGS if (before or {}).get(name) and not (after or {}).get(name)]
    if off:
        survey.note("The bucket may be made public afterwards.")
    return (ChangeKind.WEAKENED, f"off: {', '.join(off)}") if off else (ChangeKind.SETTING, "")


def _encryption(survey: Survey, before: Any, after: Any) -> tuple[ChangeKind, str]:
    path = "Rules.0.ApplyServerSideEncryptionByDefault"
    old, new = at(before, path) or {}, at(after, path) or {}
    key = str(new.get("KMSMasterKeyID") or "")
    foreign = key.startswith("arn:") and key.split(":")[4] not in survey.own
    if foreign:
        survey.note("The key belongs to another account, which can take it away.")
    weaker = (
        str(old.get("SSEAlgorithm", "")).startswith("aws:kms")
        and new.get("SSEAlgorithm") != old["SSEAlgorithm"]
    )
    other = bool(old.get("KMSMasterKeyID")) and old.get("KMSMasterKeyID") != key
    worse = foreign or weaker or other
    return (ChangeKind.WEAKENED, "another key, or none") if worse else (ChangeKind.SETTING, "")


def _replication(survey: Survey, before: Any, after: Any) -> tuple[ChangeKind, str]:
    accounts = (
        {at(rule, "Destination.Account") for rule in (after or {}).get("Rules") or []} - {None} - survey.own
    )
    if accounts:
        survey.note(f"Objects are copied to an account that isn't ours: {', '.join(sorted(accounts))}.")
    gone = len((before or {}).get("Rules") or []) - len((after or {}).get("Rules") or [])
    return ChangeKind.REPLICATION, "to another account" if accounts else "rules left out" if gone > 0 else ""


def _cors(_: Survey, before: Any, after: Any) -> tuple[ChangeKind, str]:
    rules = (after or {}).get("CORSRules") or []
    anyone = any("*" in (rule.get("AllowedOrigins") or []) for rule in rules)
    return (ChangeKind.PERMISSION, "any origin may ask") if anyone else (ChangeKind.SETTING, "")


def _logging(_: Survey, before: Any, after: Any) -> tuple[ChangeKind, str]:
    worse = bool(before) and before != after
    return (ChangeKind.WEAKENED, "the access log") if worse else (ChangeKind.SETTING, "")


_CONFIGURATIONS = (
    Configuration(
        "versioning",
        "GetBucketVersioning",
        "",
        "PutBucketVersioning",
        "VersioningConfiguration",
        _versioning,
        judges="versioning",
    ),
    Configuration(
        "public access block",
        "GetPublicAccessBlock",
        "PublicAccessBlockConfiguration",
        "PutPublicAccessBlock",
        "PublicAccessBlockConfiguration",
        _public,
        "DeletePublicAccessBlock",
        "exposure guard",
    ),
    Configuration(
        "encryption",
        "GetBucketEncryption",
        "ServerSideEncryptionConfiguration",
        "PutBucketEncryption",
        "ServerSideEncryptionConfiguration",
        _encryption,
        "DeleteBucketEncryption",
        "keys lockout",
    ),
    Configuration(
        "replication",
        "GetBucketReplication",
        "ReplicationConfiguration",
        "PutBucketReplication",
        "ReplicationConfiguration",
        _replication,
        "DeleteBucketReplication",
        "exposure backup replace",
    ),
    Configuration(
        "cross-origin rules",
        "GetBucketCors",
        "",
        "PutBucketCors",
        "CORSConfiguration",
        _cors,
        "DeleteBucketCors",
        "exposure replace",
    ),
    Configuration(
        "notifications",
        "GetBucketNotificationConfiguration",
        "",
        "PutBucketNotificationConfiguration",
        "NotificationConfiguration",
        _drops,
    ),
    Configuration(
        "access log",
        "GetBucketLogging",
        "LoggingEnabled",
        "PutBucketLogging",
        "BucketLoggingStatus.LoggingEnabled",
        _logging,
        judges="audit replace",
    ),
    Configuration(
        "ownership",
        "GetBucketOwnershipControls",
        "OwnershipControls",
        "PutBucketOwnershipControls",
        "OwnershipControls",
        _always(ChangeKind.PERMISSION),
        "DeleteBucketOwnershipControls",
        "exposure",
    ),
    Configuration(
        "object lock",
        "GetObjectLockConfiguration",
        "ObjectLockConfiguration",
        "PutObjectLockConfiguration",
        "ObjectLockConfiguration",
        _logging,
        judges="guard versioning",
    ),
    Configuration(
        "website",
        "GetBucketWebsite",
        "",
        "PutBucketWebsite",
        "WebsiteConfiguration",
        _setting,
        "DeleteBucketWebsite",
    ),
    Configuration(
        "tags", "GetBucketTagging", "", "PutBucketTagging", "Tagging", _drops, "DeleteBucketTagging"
    ),
    Configuration(
        "acceleration",
        "GetBucketAccelerateConfiguration",
        "",
        "PutBucketAccelerateConfiguration",
        "AccelerateConfiguration",
        _setting,
    ),
    Configuration(
        "who pays",
        "GetBucketRequestPayment",
        "",
        "PutBucketRequestPayment",
        "RequestPaymentConfiguration",
        _setting,
    ),
)


def _describer(configuration: Configuration, *, goes: bool) -> Describer:
    async def describer(survey: Survey) -> Effects:
        bucket = survey.text("Bucket")
        where = bucket_of(survey, bucket)
        found = await survey.find("s3", configuration.get, {"Bucket": bucket})
        if found is None and await survey.find("s3", "GetBucketVersioning", {"Bucket": bucket}) is None:
            return [absent(where)]
        before = at(found, configuration.found) or None
        after = None if goes else at(survey.parameters, configuration.given) or None
        if plain(before) == plain(after):
            return [thing(where, ChangeKind.SETTING, "nothing changes")]
        survey.rests_on(f"{configuration.label} of {bucket}", before)
        survey.shows(configuration.label, before, after)
        change, detail = configuration.judge(survey, before, after)
        gone = ChangeKind.WEAKENED if goes and before and change is ChangeKind.SETTING else change
        return [thing(where, gone, f"{configuration.label}{': ' if detail else ''}{detail}")]

    return describer


def _tables() -> Table:
    table: Table = {}
    for one in _CONFIGURATIONS:
        table |= rows("s3", one.judges, **{one.put: _describer(one, goes=False)})
        if one.delete:
            table |= rows("s3", one.judges, **{one.delete: _describer(one, goes=True)})
    return table


_EVERYONE = ("AllUsers", "AuthenticatedUsers", "public-read", "public-read-write", "authenticated-read")


async def _acl(survey: Survey) -> Effects:
    """PutBucketAcl, PutObjectAcl: who may read and write beside the policy."""
    where = bucket_of(survey, survey.text("Bucket"))
    given = repr({name: value for name, value in survey.parameters.items() if name not in ("Bucket", "Key")})
    anyone = any(word in given for word in _EVERYONE)
    if anyone:
        survey.note("The access list lets anyone in the world in.")
    return [thing(where, ChangeKind.PERMISSION, f"access list{': public' if anyone else ''}")]


TABLE: Table = {
    **_tables(),
    **rows("s3", "exposure replace", PutBucketAcl=_acl, PutObjectAcl=_acl),
}
