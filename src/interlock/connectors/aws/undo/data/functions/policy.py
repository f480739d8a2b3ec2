"""The policy of a function: statements are written one by one, by parameters, and read as a document."""

import json
import re
from collections.abc import Mapping
from typing import Any

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.undo.compare import fingerprint
from interlock.connectors.aws.undo.data.common import final, literal, read, some, step, undone
from interlock.connectors.aws.undo.means import Here
from interlock.connectors.aws.undo.plan import Check, Plan

_CONDITIONS = {
    ("ArnLike", "AWS:SourceArn"): "SourceArn",
    ("StringEquals", "AWS:SourceAccount"): "SourceAccount",
    ("StringEquals", "lambda:EventSourceToken"): "EventSourceToken",
    ("StringEquals", "lambda:FunctionUrlAuthType"): "FunctionUrlAuthType",
    ("StringEquals", "aws:PrincipalOrgID"): "PrincipalOrgID",
}
_ROOT = re.compile(r"arn:[a-z-]+:iam::(\d{12}):root", re.ASCII)


class NotMapped(Exception):
    """A statement that AddPermission cannot write."""


def statements(policy: str | None) -> list[dict[str, Any]]:
    """The statements of a policy as parameters of AddPermission. Raises NotMapped."""
    return [_parameters(statement) for statement in json.loads(policy)["Statement"]] if policy else []


def _parameters(statement: Mapping[str, Any]) -> dict[str, Any]:
    if statement.get("Effect") != "Allow" or not isinstance(statement.get("Action"), str):
        raise NotMapped
    found = {
        "StatementId": statement["Sid"],
        "Action": statement["Action"],
        "Principal": _principal(statement["Principal"]),
    }
    for operator, tests in statement.get("Condition", {}).items():
        for name, value in tests.items():
            if (operator, name) not in _CONDITIONS:
                raise NotMapped
            found[_CONDITIONS[operator, name]] = value
    return found


def _principal(principal: Any) -> str:
    match principal:
        case str():
            return principal
        case {"Service": str(service), **rest} if not rest:
            return service
        case {"AWS": str(who), **rest} if not rest:
            root = _ROOT.fullmatch(who)
            return root[1] if root else who
    raise NotMapped


async def permission(call: Call, calls: Here, nonce: str) -> Plan:
    """AddPermission, RemovePermission."""
    key, sid = some(call.parameters, "FunctionName Qualifier"), call.parameters["StatementId"]
    document = await read(calls, "lambda", "GetPolicy", key, "Policy")
    try:
        old = next((each for each in statements(document) if each["StatementId"] == sid), None)
    except NotMapped:
        return final("its policy has a statement that cannot be written again")
    what = f"the policy of function {key['FunctionName']}"
    check = Check(what, "lambda", "GetPolicy", literal(key), "Policy", before=fingerprint(document))
    if old is None:
        gone = {**key, "StatementId": sid}
        return undone(check, step("lambda", "RemovePermission", gone, absent_ok=True))
    return undone(check, step("lambda", "AddPermission", {**key, **old}, present_ok=True))
