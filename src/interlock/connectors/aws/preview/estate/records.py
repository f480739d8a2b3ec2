"""Route 53 records: which change, which go, and whether a name is left without any."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from interlock.connectors.aws.preview.found import Effects, items, number, thing
from interlock.connectors.aws.preview.rows import rows
from interlock.connectors.aws.preview.survey import Survey, Unsure, plain
from interlock.model.effect import ChangeKind, Effect
from interlock.model.operation import Resource

Key = tuple[str, str, str]
"""Name, type, set identifier."""
_CARRYING = ("NS", "MX", "SOA", "DS", "CAA")
"""Types on which a whole domain rests."""


def _key(record: Mapping[str, Any]) -> Key:
    name = str(record.get("Name", "")).lower().rstrip(".") + "."
    return name.replace("\\052", "*"), str(record.get("Type", "")), str(record.get("SetIdentifier", ""))


async def _changed(survey: Survey) -> Effects:
    zone = survey.text("HostedZoneId")
    name = zone.removeprefix("/hostedzone/")
    where = survey.resource(
        "route53:hostedzone", survey.arn("route53", f"hostedzone/{name}", region=False, account=False)
    )
    listed, more = await survey.pages(
        "route53", "ListResourceRecordSets", {"HostedZoneId": zone}, key="ResourceRecordSets"
    )
    present = {_key(one): one for one in listed}
    if more:
        raise Unsure("the zone has more records than can be looked at")
    changes = (survey.parameters.get("ChangeBatch") or {}).get("Changes") or []
    after, counts = _applied(survey, present, changes)
    return [*_counted(where, counts, len(present)), *_emptied(survey, where, present, after, changes)]


def _applied(
    survey: Survey, present: Mapping[Key, Any], changes: Iterable[Mapping[str, Any]]
) -> tuple[dict[Key, Any], Counter[ChangeKind]]:
    """The records afterwards, and how many are made, changed and deleted in sum."""
    after = dict(present)
    for change in changes:
        record = change.get("ResourceRecordSet") or {}
        if change.get("Action") == "DELETE":
            after.pop(_key(record), None)
        elif change.get("Action") in ("CREATE", "UPSERT"):
            after[_key(record)] = record
        else:
            raise Unsure("the batch holds an action that isn't known here")
    counts: Counter[ChangeKind] = Counter()
    for key in sorted({*present, *after}):
        old, new = present.get(key), after.get(key)
        if _bare(old) != _bare(new):
            counts[_kind(old, new)] += 1
            survey.rests_on(f"record {' '.join(key).strip()}", old)
            survey.shows(f"record {' '.join(key).strip()}", _values(old), _values(new))
    return after, counts


def _bare(record: Mapping[str, Any] | None) -> Any:
    """A record without its name, which may be written in several ways."""
    return record and plain({name: value for name, value in record.items() if name != "Name"})


def _kind(old: object, new: object) -> ChangeKind:
    return ChangeKind.CREATED if old is None else ChangeKind.DELETED if new is None else ChangeKind.UPDATED


def _values(record: Mapping[str, Any] | None) -> str | None:
    if record is None:
        return None
    if alias := record.get("AliasTarget"):
        return f"alias of {alias.get('DNSName')}"
    values = ", ".join(one.get("Value", "") for one in record.get("ResourceRecords") or [])
    return f"{values} for {record.get('TTL', 0)} s"


def _counted(where: Resource, counts: Mapping[ChangeKind, int], before: int) -> list[Effect]:
    if not counts:
        return [items(where, ChangeKind.UPDATED, 0, before, detail="no record changes")]
    return [
        items(
            where, kind, count, None if kind is ChangeKind.CREATED else before, detail=number(count, "record")
        )
        for kind, count in counts.items()
    ]


def _emptied(
    survey: Survey, where: Resource, present: Mapping[Key, Any], after: Mapping[Key, Any], changes: list[Any]
) -> Iterable[Effect]:
    """Names that have no record of a type left; and records that a whole domain rests on."""
    touched = {_key(change.get("ResourceRecordSet") or {})[:2] for change in changes}
    left = {key[:2] for key in after}
    apex = min((key[0] for key in present if key[1] == "SOA"), key=len, default="")
    for name, kind in sorted(touched):
        record = Resource("route53:recordset", f"{where.name}/recordset/{name}/{kind}", where.group)
        if (name, kind) not in left and (name, kind) in {key[:2] for key in present}:
            survey.note(f"{name} has no {kind} record left.")
            yield thing(record, ChangeKind.HIDDEN, "no record is left")
        elif (kind in _CARRYING or name == apex) and _differs(name, kind, present, after):
            yield thing(record, ChangeKind.WEAKENED, "a record that the whole domain rests on")


def _differs(name: str, kind: str, present: Mapping[Key, Any], after: Mapping[Key, Any]) -> bool:
    def mine(these: Mapping[Key, Any]) -> Any:
        return plain({" ".join(key): _bare(value) for key, value in these.items() if key[:2] == (name, kind)})

    return bool(mine(present)) and bool(mine(present) != mine(after))


TABLE = rows("route53", "routing outage", ChangeResourceRecordSets=_changed)
