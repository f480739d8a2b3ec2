"""Calls that hand out credentials: answered with narrower keys of the gateway's own, or refused.

An agent that gets a key of the account's has left the gateway. AssumeRole and GetSessionToken are answered with a key that
only the gateway knows, ends sooner, and may do no more than its session policy says; GetCallerIdentity tells who the agent
is here."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from interlock.connectors.aws.call import Call
from interlock.connectors.aws.identity import keys
from interlock.connectors.aws.identity.keys import Narrowed
from interlock.model.people import AgentCredential
from interlock.sdk.connector import Principal

_SHORTEST_S, _LONGEST_S = 900, 43_200
_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]{1,512}", re.ASCII)
_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_ACTION = re.compile(r"\*|[A-Za-z0-9-]{1,64}:[A-Za-z0-9*?]{1,128}", re.ASCII)

ANSWERED = frozenset({"sts:AssumeRole", "sts:GetSessionToken", "sts:GetCallerIdentity"})
"""Calls that the gateway answers by itself."""


class CannotNarrow(Exception):
    """The policy or its parameters ask for something that a key of the gateway's cannot hold."""


def caller(principal: Principal, account: str, partition: str, narrowed: Narrowed | None) -> dict[str, str]:
    """The result of GetCallerIdentity: the agent, as a session of a role of the gateway's name."""
    name = f"{principal.agent}/{narrowed.name}" if narrowed and narrowed.name else principal.agent
    return {
        "UserId": f"AROAINTERLOCK:{principal.agent}",
        "Account": account,
        "Arn": f"arn:{partition}:sts::{account}:assumed-role/interlock/{name}",
    }


def issued(
    call: Call, principal: Principal, credential: AgentCredential, before: Narrowed | None, now: datetime
) -> dict[str, Any]:
    """The result of AssumeRole or GetSessionToken. Raises CannotNarrow."""
    narrowed = _narrowed(call, principal, credential, before, now)
    token = keys.token_of(narrowed, credential.signing)
    until = datetime.fromtimestamp(narrowed.until, UTC)
    result: dict[str, Any] = {
        "Credentials": {
            "AccessKeyId": keys.key_id(principal.agent, narrowed=True),
            "SecretAccessKey": keys.secret_of(token, credential.signing),
            "SessionToken": token,
            "Expiration": until,
        }
    }
    if call.operation == "AssumeRole":
        arn = f"{narrowed.role.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/{narrowed.name}"
        result["AssumedRoleUser"] = {"AssumedRoleId": f"AROAINTERLOCK:{narrowed.name}", "Arn": arn}
    return result


def _narrowed(
    call: Call, principal: Principal, credential: AgentCredential, before: Narrowed | None, now: datetime
) -> Narrowed:
    asked = call.parameters
    until = int(now.timestamp()) + _duration(asked.get("DurationSeconds", 3600))
    role, name = str(asked.get("RoleArn", "")), str(asked.get("RoleSessionName", ""))
    if call.operation == "AssumeRole" and not (_ARN.fullmatch(role) and _NAME.fullmatch(name)):
        raise CannotNarrow("RoleArn or RoleSessionName is malformed")
    if asked.get("PolicyArns"):
        raise CannotNarrow(
            "managed session policies cannot be held by a key of the gateway's: give the policy itself"
        )
    actions = _actions(asked.get("Policy"))
    if before is not None:
        # What a narrower key asks for is no wider than itself.
        until = min(until, before.until)
        if before.actions and not actions:
            actions = before.actions
        elif before.actions and not all(keys.allows(before.actions, action) for action in actions):
            raise CannotNarrow("the session policy allows more than the key that asks")
    return Narrowed(principal.agent, credential.epoch, until, role, name, actions)


def _duration(value: Any) -> int:
    if not isinstance(value, int) or not _SHORTEST_S <= value <= _LONGEST_S:
        raise CannotNarrow(f"DurationSeconds must be from {_SHORTEST_S} to {_LONGEST_S}")
    return value


def _actions(policy: Any) -> tuple[str, ...]:
    """What a session policy allows, by action. Whatever cannot be held exactly is refused, so that no key is wider than it
    reads."""
    if policy is None:
        return ()
    try:
        document = msgspec.json.decode(str(policy))
    except msgspec.DecodeError:
        raise CannotNarrow("the session policy is not JSON") from None
    statements = document.get("Statement") if isinstance(document, Mapping) else None
    statements = [statements] if isinstance(statements, Mapping) else statements
    if not isinstance(statements, list) or not statements:
        raise CannotNarrow("the session policy has no statement")
    return tuple(dict.fromkeys(action for statement in statements for action in _allowed(statement)))


def _allowed(statement: Any) -> list[str]:
    if not isinstance(statement, Mapping) or statement.get("Effect") != "Allow":
        raise CannotNarrow("only statements that allow can be held by a key of the gateway's")
    if set(statement) - {"Effect", "Action", "Resource", "Sid"} or statement.get("Resource") not in (
        "*",
        ["*"],
    ):
        raise CannotNarrow(
            "session policies can be narrowed by action only: conditions and resources belong into the grant"
        )
    actions = statement.get("Action")
    found = [actions] if isinstance(actions, str) else actions
    if not isinstance(found, list) or not all(isinstance(a, str) and _ACTION.fullmatch(a) for a in found):
        raise CannotNarrow("an action of the session policy is malformed")
    return found
