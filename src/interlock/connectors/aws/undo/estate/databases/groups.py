"""Snapshots, parameter groups, subnet groups and tags of RDS and its kin (Amazon RDS API reference: CopyDBSnapshot,
ModifyDBParameterGroup, ModifyDBSubnetGroup)."""

from typing import Any

from interlock.connectors.aws.undo.estate.common import Read, put_back
from interlock.connectors.aws.undo.estate.draft import Draft, Gone, Maker, kept, own_tags
from interlock.connectors.aws.undo.plan import Plan


def delete_snapshot(word: str) -> Maker:
    """A copy is made before, and copied back."""
    key, done = f"{word}Identifier", f"{word}s[0].Status == 'available'"

    async def make(draft: Draft) -> Plan:
        old = await draft.must(f"{word}s[0]", f"Describe{word}s", draft.given(key), what="such snapshot")
        aside = f"interlock-{draft.nonce}-{old[key]}"[:255].rstrip("-")
        source, target = f"Source{key}", f"Target{key}"
        draft.first(f"Copy{word}", {source: old[key], target: aside})
        draft.first(f"Describe{word}s", {key: aside}, until=done)
        back: dict[str, Any] = {source: aside, target: old[key]}
        if tags := own_tags(old.get("TagList")):
            back["Tags"] = tags
        draft.back(f"Copy{word}", back, present_ok=True)
        draft.back(f"Describe{word}s", {key: old[key]}, until=done)
        draft.later(f"Delete{word}", {key: aside})
        return draft.done("copy", "its time of creation is new, and it is shared with nobody")

    return make


def share_snapshot(word: str) -> Maker:
    """Who may restore it: what was added is removed, and the other way round."""
    key = f"{word}Identifier"
    values = f"{word}AttributesResult.{word}Attributes[?AttributeName==$AttributeName] | [0].AttributeValues"

    async def make(draft: Draft) -> Plan:
        name = draft.given(key)
        read = values.replace("$AttributeName", f"'{_attribute(draft)}'")
        before = await draft.watch(
            f"who may restore {draft.get(key)}", f"Describe{word}Attributes", name, f"sort({read} || `[]`)"
        )
        had = set(before or ())
        back = {
            "ValuesToRemove": [value for value in draft.get("ValuesToAdd", ()) if value not in had],
            "ValuesToAdd": [value for value in draft.get("ValuesToRemove", ()) if value in had],
        }
        changes = {member: changed for member, changed in back.items() if changed}
        if changes:
            parameters = name | {"AttributeName": draft.get("AttributeName")} | changes
            draft.back(f"Modify{word}Attribute", parameters)
        return draft.done()

    return make


def _attribute(draft: Draft) -> str:
    if draft.get("AttributeName") != "restore":
        raise Gone("such an attribute is not known")
    return "restore"


async def _set_by_people(draft: Draft, word: str) -> list[dict[str, Any]]:
    key = f"{word}GroupName"
    parameters = "DescribeDBClusterParameters" if "Cluster" in word else "DescribeDBParameters"
    asked = {key: draft.get(key), "Source": "user"}
    found = await draft.all(parameters, asked, "Parameters")
    return [one for one in found if one.get("ParameterValue") is not None]


def _value(parameter: dict[str, Any]) -> dict[str, Any]:
    method = "immediate" if parameter.get("ApplyType") == "dynamic" else "pending-reboot"
    return {
        "ParameterName": parameter["ParameterName"],
        "ParameterValue": parameter["ParameterValue"],
        "ApplyMethod": parameter.get("ApplyMethod") or method,
    }


def _put(draft: Draft, word: str, name: Any, parameters: list[dict[str, Any]]) -> None:
    for start in range(0, len(parameters), 20):  # as many as one call takes
        some = [_value(parameter) for parameter in parameters[start : start + 20]]
        draft.back(f"Modify{word}Group", {f"{word}GroupName": name, "Parameters": some})


def parameters(word: str) -> Maker:
    """ModifyDBParameterGroup and ResetDBParameterGroup: values that people had set are set again, others are reset."""
    key = f"{word}GroupName"
    read = "DescribeDBClusterParameters" if "Cluster" in word else "DescribeDBParameters"

    async def make(draft: Draft) -> Plan:
        asked = {key: draft.get(key), "Source": "user"}
        shape = "sort_by(Parameters, &ParameterName)[].[ParameterName, ParameterValue]"
        await draft.watch(f"parameters of {draft.get(key)}", read, asked, shape)
        old = await _set_by_people(draft, word)
        names = [one["ParameterName"] for one in draft.get("Parameters", ())]
        if names:
            old = [one for one in old if one["ParameterName"] in names]
        _put(draft, word, draft.get(key), old)
        had = {one["ParameterName"] for one in old}
        new = [kept(one, "ParameterName", "ApplyMethod") for one in draft.get("Parameters", ())]
        new = [one for one in new if one["ParameterName"] not in had]
        if new and draft.call.operation.startswith("Modify"):
            draft.back(f"Reset{word}Group", {key: draft.get(key), "Parameters": new})
        return draft.done("full", "static parameters wait for the next reboot")

    return make


def delete_parameters(word: str) -> Maker:
    """The group is made again, with the values that people had set."""
    key = f"{word}GroupName"

    async def make(draft: Draft) -> Plan:
        old = await draft.must(
            f"{word}Groups[0]", f"Describe{word}Groups", draft.given(key), what="such group"
        )
        create = kept(old, key, "DBParameterGroupFamily", "Description")
        draft.back(f"Create{word}Group", create, present_ok=True)
        _put(draft, word, draft.get(key), await _set_by_people(draft, word))
        return draft.done()

    return make


_SUBNETS = (
    "DBSubnetGroups[0].{DBSubnetGroupDescription: DBSubnetGroupDescription, "
    "SubnetIds: sort(Subnets[].SubnetIdentifier)}"
)
modify_subnets = put_back(
    "ModifyDBSubnetGroup",
    ("DBSubnetGroupName",),
    ("DBSubnetGroupDescription", "SubnetIds"),
    read=Read("DescribeDBSubnetGroups", ("DBSubnetGroupName",), _SUBNETS),
    what="subnet group {DBSubnetGroupName}",
)


async def delete_subnets(draft: Draft) -> Plan:
    """The group is made again."""
    asked = draft.given("DBSubnetGroupName")
    old = await draft.must("DBSubnetGroups[0]", "DescribeDBSubnetGroups", asked, what="such subnet group")
    create = kept(old, "DBSubnetGroupName", "DBSubnetGroupDescription")
    create["SubnetIds"] = [subnet["SubnetIdentifier"] for subnet in old.get("Subnets", ())]
    draft.back("CreateDBSubnetGroup", create, present_ok=True)
    return draft.done()


async def tags(draft: Draft) -> Plan:
    """Old values are set, and what was not there is taken away."""
    name = draft.given("ResourceName")
    names = draft.get("TagKeys") or [tag["Key"] for tag in draft.get("Tags", ())]
    what = f"tags of {draft.get('ResourceName')}"
    old = await draft.watch(what, "ListTagsForResource", name, "sort_by(TagList || `[]`, &Key)")
    was = [tag for tag in own_tags(old) if tag["Key"] in names]
    new = sorted(set(names) - {tag["Key"] for tag in was})
    if was:
        draft.back("AddTagsToResource", name | {"Tags": was})
    if new and draft.get("Tags"):
        draft.back("RemoveTagsFromResource", name | {"TagKeys": new})
    return draft.done()


async def delete_events(draft: Draft) -> Plan:
    """The subscription is made again."""
    asked = draft.given("SubscriptionName")
    old = await draft.must(
        "EventSubscriptionsList[0]", "DescribeEventSubscriptions", asked, what="such subscription"
    )
    create = kept(old, "SnsTopicArn", "SourceType", "Enabled") | asked
    sources = {"EventCategories": old.get("EventCategoriesList"), "SourceIds": old.get("SourceIdsList")}
    create |= {name: value for name, value in sources.items() if value}
    draft.back("CreateEventSubscription", create, present_ok=True)
    return draft.done()
