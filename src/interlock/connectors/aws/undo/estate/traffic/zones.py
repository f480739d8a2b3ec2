"""Route 53 (Amazon Route 53 API reference: ChangeResourceRecordSets, DeleteHostedZone)."""

from typing import Any

from interlock.connectors.aws.undo.estate.common import Read, made, put_back, rows
from interlock.connectors.aws.undo.estate.draft import Draft, kept, own_tags, quoted
from interlock.connectors.aws.undo.plan import Plan

Record = dict[str, Any]


def _key(record: Record) -> tuple[str, str, str]:
    name = record["Name"].lower().rstrip(".")
    return (name, record["Type"], record.get("SetIdentifier", ""))


async def _changes(draft: Draft) -> Plan:
    """The batch swapped, last first: what was made is deleted, what was deleted is made, what was overwritten is put back."""
    zone, back = draft.get("HostedZoneId"), []
    there: dict[tuple[str, str, str], Record | None] = {}
    changes = draft.get("ChangeBatch", {}).get("Changes", ())
    for change in changes:
        new, key = change["ResourceRecordSet"], _key(change["ResourceRecordSet"])
        if key not in there:
            there[key] = await _record(draft, zone, new)
        old = there[key]
        back.append(_swapped(old, new))
        there[key] = None if change["Action"] == "DELETE" else new
    draft.back("ChangeResourceRecordSets", _batch(zone, [change for change in reversed(back) if change]))
    return draft.done("full", "resolvers keep what they have read for its time to live")


def _swapped(old: Record | None, new: Record) -> dict[str, Any]:
    """The change that brings one record back: it leaves no `new` where there was nothing, and `old` where that was."""
    if old is None:
        return {"Action": "DELETE", "ResourceRecordSet": new}
    return {"Action": "UPSERT", "ResourceRecordSet": old}


def _batch(zone: Any, changes: list[dict[str, Any]]) -> dict[str, Any]:
    return {"HostedZoneId": zone, "ChangeBatch": {"Changes": changes}}


async def _record(draft: Draft, zone: str, record: Record) -> Record | None:
    name = record["Name"] if record["Name"].endswith(".") else record["Name"] + "."
    which = f"Name=={quoted(name)} && Type=={quoted(record['Type'])}"
    if record.get("SetIdentifier"):
        which += f" && SetIdentifier=={quoted(record['SetIdentifier'])}"
    asked = {"HostedZoneId": zone, "StartRecordName": name, "StartRecordType": record["Type"]}
    found: Record | None = await draft.watch(
        f"record {name} {record['Type']}",
        "ListResourceRecordSets",
        asked,
        f"ResourceRecordSets[?{which}] | [0]",
    )
    return found


async def _delete_zone(draft: Draft) -> Plan:
    name = {"Id": draft.get("Id")}
    old = await draft.must("@", "GetHostedZone", name, what="such zone")
    zone = old["HostedZone"]
    create = kept(zone, "Name") | {"CallerReference": f"interlock-{draft.nonce}"}
    create["HostedZoneConfig"] = kept(zone.get("Config", {}), "Comment", "PrivateZone")
    first, *others = old.get("VPCs") or [None]
    create |= {"VPC": first} if first else {}
    create |= (
        kept(old.get("DelegationSet", {}), "Id") and {"DelegationSetId": old["DelegationSet"]["Id"]}
    ) or {}
    new = await draft.again(
        "zone",
        "CreateHostedZone",
        create,
        find=(
            "ListHostedZonesByName",
            {"DNSName": zone["Name"]},
            f"HostedZones[?Name=={quoted(zone['Name'])}]",
            "Id",
        ),
    )
    for network in others:
        draft.back("AssociateVPCWithHostedZone", {"HostedZoneId": new, "VPC": network})
    await _refill(draft, zone["Name"], new)
    return draft.lossy(
        "the zone gets a new id and, unless it has a delegation set or is private, new name servers: "
        "the parent zone must point to them"
    )


async def _refill(draft: Draft, apex: str, new: str) -> None:
    """All records but the zone's own NS and SOA; a batch takes 1,000."""
    records = await draft.all(
        "ListResourceRecordSets", {"HostedZoneId": draft.get("Id")}, "ResourceRecordSets"
    )
    own = [one for one in records if not (one["Name"] == apex and one["Type"] in ("NS", "SOA"))]
    own.sort(key=lambda record: "AliasTarget" in record)  # an alias may point to another record of the zone
    for start in range(0, len(own), 500):
        changes = [{"Action": "UPSERT", "ResourceRecordSet": one} for one in own[start : start + 500]]
        draft.back("ChangeResourceRecordSets", _batch(new, changes))
    asked = {"ResourceType": "hostedzone", "ResourceId": str(draft.get("Id")).rpartition("/")[2]}
    tags = await draft.ask("ListTagsForResource", asked)
    if tags and (wanted := own_tags(tags["ResourceTagSet"].get("Tags"))):
        draft.caveats.append(f"{len(wanted)} tags of the zone are not put back")


async def _delete_check(draft: Draft) -> Plan:
    old = await draft.must(
        "HealthCheck", "GetHealthCheck", draft.given("HealthCheckId"), what="such health check"
    )
    config = {name: value for name, value in old["HealthCheckConfig"].items() if value not in ([], "")}
    reference = f"interlock-{draft.nonce}"
    there = f"length(HealthChecks[?CallerReference=='{reference}'])"
    draft.back(
        "CreateHealthCheck",
        {"CallerReference": reference, "HealthCheckConfig": config},
        unless=draft.check("the health checks", "ListHealthChecks", {}, there, 1),
    )
    return draft.lossy("the health check gets a new id: records that used it must be changed to it")


_CHECK = (
    "IPAddress",
    "Port",
    "ResourcePath",
    "FullyQualifiedDomainName",
    "SearchString",
    "FailureThreshold",
    "Inverted",
    "Disabled",
    "HealthThreshold",
    "ChildHealthChecks",
    "EnableSNI",
    "Regions",
    "InsufficientDataHealthStatus",
)


async def _tags(draft: Draft) -> Plan:
    name = draft.given("ResourceType", "ResourceId")
    what = f"tags of {draft.get('ResourceId')}"
    old = await draft.watch(what, "ListTagsForResource", name, "sort_by(ResourceTagSet.Tags || `[]`, &Key)")
    added = [tag["Key"] for tag in draft.get("AddTags", ())]
    names = added + list(draft.get("RemoveTagKeys", ()))
    was = [tag for tag in own_tags(old) if tag["Key"] in names]
    new = sorted(set(added) - {tag["Key"] for tag in was})
    changes = {"AddTags": was, "RemoveTagKeys": new}
    if was or new:
        draft.back("ChangeTagsForResource", name | {key: value for key, value in changes.items() if value})
    return draft.done()


_VPCS = Read("GetHostedZone", {"Id": "HostedZoneId"}, "VPCs[].VPCId | sort(@)")
_VPC = ("HostedZoneId", "VPC")

ROWS = rows(
    "route53",
    {
        "ChangeResourceRecordSets": (_changes, "full", "the batch is swapped: old records are put back"),
        "CreateHostedZone": (
            made("DeleteHostedZone", {"Id": "HostedZone.Id"}),
            "full",
            "the zone is deleted",
        ),
        "DeleteHostedZone": (_delete_zone, "new_id", "made again with its records"),
        "UpdateHostedZoneComment": (
            put_back(
                "UpdateHostedZoneComment",
                ("Id",),
                ("Comment",),
                read=Read("GetHostedZone", ("Id",), "{Comment: HostedZone.Config.Comment || ''}"),
                what="the comment of zone {Id}",
            ),
            "full",
            "the comment is put back",
        ),
        "AssociateVPCWithHostedZone": (
            made("DisassociateVPCFromHostedZone", (), _VPC, watch=_VPCS),
            "full",
            "the VPC is taken away",
        ),
        "DisassociateVPCFromHostedZone": (
            made("AssociateVPCWithHostedZone", (), _VPC, watch=_VPCS),
            "full",
            "the VPC is associated again",
        ),
        "CreateHealthCheck": (
            made("DeleteHealthCheck", {"HealthCheckId": "HealthCheck.Id"}),
            "full",
            "the health check is deleted",
        ),
        "UpdateHealthCheck": (
            put_back(
                "UpdateHealthCheck",
                ("HealthCheckId",),
                _CHECK,
                read=Read("GetHealthCheck", ("HealthCheckId",), "HealthCheck.HealthCheckConfig"),
                what="health check {HealthCheckId}",
                only_given=True,
            ),
            "full",
            "the settings are put back",
        ),
        "DeleteHealthCheck": (_delete_check, "new_id", "the health check is made again"),
        "ChangeTagsForResource": (_tags, "full", "old values are set, new tags are taken away"),
    },
)
