"""Lambda functions: their code, their settings, the functions themselves.

The code is fetched from where GetFunction says it lies, and sent back with UpdateFunctionCode, which takes 50 MB at most (Lambda
developer guide, "Lambda quotas"). An image is named by its digest.
"""

from collections.abc import Mapping
from typing import Any

from interlock.connectors.aws.call import Call, CallFailed
from interlock.connectors.aws.undo.data.common import (
    filled,
    final,
    literal,
    nothing,
    read,
    some,
    step,
    undone,
    watch,
)
from interlock.connectors.aws.undo.data.functions.policy import NotMapped, statements
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import Check, Plan, Step

MOST_BYTES = 50 * 1000 * 1000
_RAN = "what ran meanwhile ran with the other code"
_GENTLER = "PublishVersion, and an alias that moves"
_EMPTY: dict[str, Any] = {
    "Environment": {"Variables": {}},
    "Layers": [],
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
    "DeadLetterConfig": {"TargetArn": ""},
    "FileSystemConfigs": [],
    "KMSKeyArn": "",
    "Description": "",
}
_SETTINGS = (
    "Role Handler Description Timeout MemorySize VpcConfig Environment Runtime DeadLetterConfig KMSKeyArn TracingConfig"
    " Layers FileSystemConfigs ImageConfig EphemeralStorage SnapStart LoggingConfig"
)


async def update_code(call: Call, calls: Here, nonce: str) -> Plan:
    """UpdateFunctionCode."""
    name = call.parameters["FunctionName"]
    if call.parameters.get("DryRun"):
        return Plan("full")
    found = await read(calls, "lambda", "GetFunction", {"FunctionName": name})
    if found is None:
        return nothing()
    code = await _code(calls, found)
    if isinstance(code, str):
        return final(code, _GENTLER)
    key = {"FunctionName": name}
    _, check = await watch(
        calls, f"the code of function {name}", "lambda", "GetFunctionConfiguration", key, "CodeSha256"
    )
    given = {**key, **code, **some(found["Configuration"], "Architectures")}
    steps = [step("lambda", "UpdateFunctionCode", given, **_updated(key))]
    if not call.parameters.get("Publish"):
        return undone(check, *steps, caveats=(_RAN,))
    gone = Step("lambda", "DeleteFunction", {**literal(key), "Qualifier": "${version}"}, absent_ok=True)
    return Plan("full", (), (*steps, gone), (check,), {"version": "Version"}, caveats=(_RAN,))


def _updated(key: Mapping[str, Any]) -> dict[str, Any]:
    return {"wait": "function_updated_v2", "wait_for": literal(dict(key))}


async def _code(calls: Here, found: Mapping[str, Any]) -> dict[str, Any] | str:
    """The code as parameters; or why it isn't to be had."""
    code = found.get("Code", {})
    if found["Configuration"].get("PackageType") == "Image":
        return {"ImageUri": code.get("ResolvedImageUri") or code["ImageUri"]}
    try:
        return {"ZipFile": await calls.download(code.get("Location", ""), limit=MOST_BYTES)}
    except CallFailed as error:
        return f"its code cannot be fetched ({error.code})"


async def update_settings(call: Call, calls: Here, nonce: str) -> Plan:
    """UpdateFunctionConfiguration: members that the call doesn't name stay as they are."""
    name = call.parameters["FunctionName"]
    key = {"FunctionName": name}
    touched = [member for member in _SETTINGS.split() if member in call.parameters]
    old = await read(calls, "lambda", "GetFunctionConfiguration", key)
    if old is None:
        return nothing()
    if "Environment" in touched and "Error" in old.get("Environment", {}):
        return final("its environment cannot be read", "leave Environment out of the call")
    select = f"[{', '.join(touched) or 'FunctionName'}]"
    what = f"the settings of function {name}"
    _, check = await watch(calls, what, "lambda", "GetFunctionConfiguration", key, select)
    back = {member: settings(old).get(member, _EMPTY.get(member)) for member in touched}
    given = {**key, **{member: value for member, value in back.items() if value is not None}}
    return undone(
        check, step("lambda", "UpdateFunctionConfiguration", given, **_updated(key)), caveats=(_RAN,)
    )


def settings(old: Mapping[str, Any]) -> dict[str, Any]:
    """A function's description as the calls take it that write it."""
    found = filled(some(old, _SETTINGS))
    shapes = {
        "VpcConfig": "SubnetIds SecurityGroupIds Ipv6AllowedForDualStack",
        "Environment": "Variables",
        "SnapStart": "ApplyOn",
        "TracingConfig": "Mode",
    }
    for member, names in shapes.items():
        if member in found:
            found[member] = some(found[member], names)
    if "Layers" in found:
        found["Layers"] = [layer["Arn"] for layer in found["Layers"]]
    if "ImageConfigResponse" in old:
        found["ImageConfig"] = old["ImageConfigResponse"].get("ImageConfig", {})
    return found


async def create(call: Call, calls: Here, nonce: str) -> Plan:
    """CreateFunction."""
    key = {"FunctionName": call.parameters["FunctionName"]}
    what = f"function {key['FunctionName']}"
    there, check = await watch(
        calls, what, "lambda", "GetFunctionConfiguration", key, "[CodeSha256, RevisionId]"
    )
    if there:
        return Plan("full")
    check = Check(check.what, "lambda", "GetFunctionConfiguration", literal(key), "CodeSha256", None)
    return undone(check, step("lambda", "DeleteFunction", key, absent_ok=True))


async def delete(call: Call, calls: Here, nonce: str) -> Plan:
    """DeleteFunction. Event source mappings stay, and find the function again by its name."""
    if call.parameters.get("Qualifier"):
        return final(
            "a version that was deleted is gone; its number is not used again",
            "move its aliases away from it",
        )
    key = {"FunctionName": call.parameters["FunctionName"]}
    found = await read(calls, "lambda", "GetFunction", key)
    if found is None:
        return nothing()
    code = await _code(calls, found)
    if isinstance(code, str):
        return final(code, "PutFunctionConcurrency with 0 stops it")
    config = found["Configuration"]
    name = {"FunctionName": config["FunctionName"]}
    made = {
        **name,
        **settings(config),
        "Code": code,
        **some(config, "PackageType Architectures"),
        **_tags(found),
    }
    try:
        rest = await _around(calls, name)
    except NotMapped:
        return final(
            "its policy has a statement that cannot be written again",
            "PutFunctionConcurrency with 0 stops it",
        )
    _, check = await watch(
        calls,
        f"function {name['FunctionName']}",
        "lambda",
        "GetFunctionConfiguration",
        key,
        "CodeSha256",
        after=None,
    )
    again = step(
        "lambda",
        "CreateFunction",
        made,
        present_ok=True,
        wait="function_active_v2",
        wait_for=literal(name),
        unless=Check(
            "", "lambda", "GetFunctionConfiguration", literal(name), "CodeSha256", before=config["CodeSha256"]
        ),
    )
    caveats = ["its versions, aliases and their settings are lost"]
    if any(each.operation == "CreateFunctionUrlConfig" for each in rest):
        caveats.append("its URL is another")
    return undone(check, again, *rest, kind="new_id", caveats=caveats)


def _tags(found: Mapping[str, Any]) -> dict[str, Any]:
    return {"Tags": found["Tags"]} if found.get("Tags") else {}


async def _around(calls: Here, name: Mapping[str, Any]) -> list[Step]:
    """What is attached to a function."""
    found: list[Step] = []
    policy = await read(calls, "lambda", "GetPolicy", name, "Policy")
    for statement in statements(policy):
        found.append(step("lambda", "AddPermission", {**name, **statement}, present_ok=True))
    kept = await read(calls, "lambda", "GetFunctionConcurrency", name, "ReservedConcurrentExecutions")
    if kept is not None:
        limit = {**name, "ReservedConcurrentExecutions": kept}
        found.append(step("lambda", "PutFunctionConcurrency", limit))
    url = await read(calls, "lambda", "GetFunctionUrlConfig", name)
    if url:
        given = {**name, **some(url, "AuthType Cors InvokeMode")}
        found.append(step("lambda", "CreateFunctionUrlConfig", given, present_ok=True))
    invoke = await read(calls, "lambda", "GetFunctionEventInvokeConfig", name)
    if invoke:
        members = some(invoke, "MaximumRetryAttempts MaximumEventAgeInSeconds DestinationConfig")
        found.append(step("lambda", "PutFunctionEventInvokeConfig", {**name, **members}))
    return found


async def publish(call: Call, calls: Here, nonce: str) -> Plan:
    """PublishVersion, which answers with the version of before when nothing was changed since."""
    key = {"FunctionName": call.parameters["FunctionName"]}
    what = f"the versions of function {key['FunctionName']}"
    _, check = await watch(calls, what, "lambda", "ListVersionsByFunction", key, "length(Versions)")
    gone = Step("lambda", "DeleteFunction", {**literal(key), "Qualifier": "${version}"}, absent_ok=True)
    return Plan("full", inverse=(gone,), checks=(check,), saves={"version": "Version"})
