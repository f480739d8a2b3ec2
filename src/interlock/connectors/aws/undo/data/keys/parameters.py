"""SSM Parameter Store.

Values of SecureString are in no before-image. One that is written over stays in the history, and is read there when it is put
back; one that is deleted is copied first, within the store and under its own key.
"""

from collections.abc import Mapping
from typing import Any

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.undo.data.common import Parameters, filled, literal, read, some, step, watch
from interlock.connectors.aws.undo.data.tags import Tags
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import Check, Plan, Step
from interlock.connectors.aws.undo.registry import Row, rows_of

_KEPT = "Name Type KeyId Description AllowedPattern Tier DataType"
_MOVES_ON = "its version number moves on"
_HISTORY = "its history and labels are lost"
_SECRET = "until it is discarded, a copy of the secret is in the store, under the same key"


async def _described(calls: Here, name: str) -> Mapping[str, Any] | None:
    filters = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
    found: Mapping[str, Any] | None = await read(
        calls, "ssm", "DescribeParameters", {"ParameterFilters": filters}, "Parameters[0]"
    )
    return found


def _again(old: Mapping[str, Any]) -> dict[str, Any]:
    """What PutParameter takes, but for the value."""
    given = filled(some(old, _KEPT))
    policies = [policy["PolicyText"] for policy in old.get("Policies", [])]
    return {**given, "Overwrite": True, **({"Policies": f"[{','.join(policies)}]"} if policies else {})}


async def put(call: Call, calls: Here, nonce: str) -> Plan:
    """PutParameter. A version in the history can be read by `name:version` (SSM API reference, "GetParameter")."""
    name = call.parameters["Name"]
    old = await _described(calls, name)
    if old is None:
        gone = step("ssm", "DeleteParameter", {"Name": name}, absent_ok=True)
        check = Check(
            f"parameter {name}", "ssm", "GetParameter", literal({"Name": name}), "Parameter.Version", None, 1
        )
        return Plan("full", inverse=(gone,), checks=(check,))
    version = {"Name": f"{name}:{old['Version']}", "WithDecryption": True}
    find = step("ssm", "GetParameter", version, saves={"secret_value": "Parameter.Value"})
    # From the advanced tier there is no way back to the standard one (SSM user guide, "Managing parameter tiers").
    stays = old.get("Tier") == "Standard" and call.parameters.get("Tier") in (
        "Advanced",
        "Intelligent-Tiering",
    )
    again = {**_again(old), **({"Tier": "Advanced"} if stays else {})}
    back = Step("ssm", "PutParameter", {**literal(again), "Value": "${secret_value}"})
    check = await _compared(calls, name, old)
    caveats = (_MOVES_ON, "it stays in the advanced tier") if stays else (_MOVES_ON,)
    return Plan("full", (), (find, back), (check,), {"version": "Version"}, caveats=caveats)


async def _compared(calls: Here, name: str, old: Mapping[str, Any]) -> Check:
    """By value, or where that is secret by version: then a second revert finds that somebody (the first) has changed it."""
    if old["Type"] == "SecureString" or old.get("DataType", "text") != "text":
        asked = literal({"Name": name})
        return Check(
            f"parameter {name}",
            "ssm",
            "GetParameter",
            asked,
            "Parameter.Version",
            old["Version"],
            "${version}",
        )
    return (
        await watch(
            calls, f"parameter {name}", "ssm", "GetParameter", {"Name": name}, "Parameter.[Type, Value]"
        )
    )[1]


async def delete(call: Call, calls: Here, nonce: str) -> Plan:
    """DeleteParameter, DeleteParameters."""
    names = call.parameters.get("Names") or [call.parameters["Name"]]
    kept = [(number, await _described(calls, name)) for number, name in enumerate(names)]
    plans = [await _deleted(calls, old, nonce, number) for number, old in kept if old]
    secret = any(plan.prepare for plan in plans)
    return Plan(
        "new_id" if plans else "full",
        prepare=tuple(one for plan in plans for one in plan.prepare),
        inverse=tuple(one for plan in plans for one in plan.inverse),
        checks=tuple(check for plan in plans for check in plan.checks),
        discard=tuple(one for plan in plans for one in plan.discard),
        caveats=((_HISTORY, _SECRET) if secret else (_HISTORY,)) if plans else (),
    )


async def _deleted(calls: Here, old: Mapping[str, Any], nonce: str, number: int) -> Plan:
    name = old["Name"]
    tags = await read(calls, "ssm", "ListTagsForResource", _tagged(name), "TagList") or []
    again = {**_again(old)}
    check = Check(
        f"parameter {name}",
        "ssm",
        "GetParameter",
        literal({"Name": name}),
        "Parameter.Type",
        old["Type"],
        None,
    )
    tag = [step("ssm", "AddTagsToResource", {**_tagged(name), "Tags": tags})] if tags else []
    if old["Type"] != "SecureString":
        value = await read(calls, "ssm", "GetParameter", {"Name": name}, "Parameter.Value")
        put_back = step("ssm", "PutParameter", {**again, "Value": value})
        return Plan("new_id", inverse=(put_back, *tag), checks=(check,))
    copied = f"interlock-{nonce}-{number}"
    prepare = _copy(
        name, {**filled(some(old, "Type KeyId Tier DataType")), "Name": copied, "Overwrite": True}
    )
    return Plan(
        "new_id",
        prepare=prepare,
        inverse=(*_copy(copied, again), *tag),
        checks=(check,),
        discard=(step("ssm", "DeleteParameter", {"Name": copied}, absent_ok=True),),
    )


def _copy(source: str, target: Parameters) -> tuple[Step, Step]:
    """From one parameter to another; the value is nowhere in between but in memory."""
    asked = {"Name": source, "WithDecryption": True}
    return (
        step("ssm", "GetParameter", asked, saves={"secret_value": "Parameter.Value"}),
        Step("ssm", "PutParameter", {**literal(target), "Value": "${secret_value}"}),
    )


def _tagged(name: str) -> dict[str, str]:
    return {"ResourceType": "Parameter", "ResourceId": name}


_TAGS = Tags(
    "ssm",
    "ResourceType ResourceId",
    "ListTagsForResource",
    "TagList",
    "AddTagsToResource",
    "Tags",
    "RemoveTagsFromResource",
    "TagKeys",
)

ROWS: tuple[Row, ...] = (
    *rows_of("ssm", "PutParameter", put, "full", "put from the history, or deleted; its version moves on"),
    *rows_of(
        "ssm",
        "DeleteParameter DeleteParameters",
        delete,
        "new_id",
        "put again with its tags; a SecureString is copied within the store first, under its own key",
    ),
    *rows_of("ssm", "AddTagsToResource RemoveTagsFromResource", _TAGS.plan, "full", "put as they were"),
)
