"""A call as text for people and for the record: canonical JSON, secrets masked.

What is masked is not in the digest of this text either: who binds an approval to a call must digest the parameters themselves.
"""

import hashlib
import math
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from interlock.connectors.aws.call import Call
from interlock.model.base import canonical

MASK = "***"

_SECRET = re.compile(
    r"(?:.*(?:password|passphrase|passcode|privatekey).*|.*(?:secret|token|credentials?|apikey|pin)|secret(?:string|binary|value|key|accesskey|hash"
    r"|code)|secretto.*|.*secret(?:key|value|string|accesskey)|tokenvalue|plaintext|.*keymaterial|userdata|samlassertion|mfacode|authenticationcode\d?|usercode"
    r"|authparameters|challengeresponses?|pinblock|.*pinblock|apikeyvalue)\Z"
)
"""Names of members (lower case, without separators) whose values are secrets. Botocore's `sensitive` traits are a part of them; a
test compares."""
_VALUES = re.compile(r"(?:environment(?:variables)?|variables|environmentvariablesoverride)\Z")
"""Members whose names are shown and whose values are not."""
_LABELS = frozenset(("key", "name", "parameterkey", "parametername", "optionname", "fieldkey"))
_LABEL = re.compile(r"passw|pwd|secret|token|credential|private|apikey")
"""Names of pairs whose value is a secret, by their looks."""
_SAFE = re.compile(
    r"(?:next|client|clientrequest|continuation|idempotency|pagination|sequence|creation|change|lock|update|resume|backward|forward)token\Z"
)
"""Tokens that page or make a call safe to repeat."""
_DATA = {
    ("dynamodb", "Item"), ("dynamodb", "Items"), ("dynamodb", "ExpressionAttributeValues"), ("dynamodb", "Parameters"),
    ("rds-data", "parameters"), ("rds-data", "parameterSets"), ("redshift-data", "Parameters"),
    ("sqs", "MessageBody"), ("sns", "Message"), ("kinesis", "Data"), ("firehose", "Data"),
    ("lambda", "Payload"), ("stepfunctions", "input"), ("events", "Detail"), ("iot-data", "payload"),
}  # fmt: skip
_LONGEST = 65_536
"""Characters of a text that are shown."""


def native(call: Call) -> str:
    """The canonical JSON of a call."""
    shown = {
        "service": call.service,
        "operation": call.operation,
        "region": call.region,
        "parameters": _shown(call.parameters, call, hide=_secret_parameter(call)),
    }
    return canonical(shown).decode()


def _secret_parameter(call: Call) -> frozenset[str]:
    """Members of this call that are secret although their names don't say so."""
    if call.name == "ssm:PutParameter" and call.parameters.get("Type") != "String":
        return frozenset(("Value",))
    if call.service == "secretsmanager":
        return frozenset(("SecretString", "SecretBinary"))
    return frozenset()


def _shown(value: Any, call: Call, *, name: str = "", hide: frozenset[str] = frozenset()) -> Any:
    if isinstance(value, Mapping):
        masked = bool(_VALUES.match(_plain(name))) or _labels_secret(value)
        return {str(k): _member(str(k), v, call, hide=hide, masked=masked) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(item, call, name=name, hide=hide) for item in value]
    return _scalar(value)


def _labels_secret(pair: Mapping[str, Any]) -> bool:
    """Whether it is a name and a value, and the name is that of a secret (parameters of stacks, variables, options)."""
    label = next((v for k, v in pair.items() if _plain(str(k)) in _LABELS and isinstance(v, str)), "")
    return len(pair) <= 4 and bool(_LABEL.search(_plain(label)))


def _member(name: str, value: Any, call: Call, *, hide: frozenset[str], masked: bool) -> Any:
    labels = masked and _plain(name) in _LABELS
    if isinstance(value, bool):
        return value
    if name in hide or _is_secret(name) or (masked and not labels and not isinstance(value, Mapping)):
        return MASK
    if (call.service, name) in _DATA:
        return _outline(value)
    return _shown(value, call, name=name, hide=hide)


def _outline(value: Any) -> Any:
    """Data (rows, messages): their names and form, not their values."""
    if isinstance(value, Mapping):
        return {str(k): MASK for k in value}
    if isinstance(value, list | tuple):
        return [_outline(item) for item in value]
    return MASK


@lru_cache(maxsize=32_768)
def _is_secret(name: str) -> bool:
    plain = _plain(name)
    return bool(_SECRET.match(plain)) and not _SAFE.match(plain)


@lru_cache(maxsize=32_768)
def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _scalar(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"bytes": len(value), "sha256": hashlib.sha256(value).hexdigest()}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float):
        return value if math.isfinite(value) and not value.is_integer() else str(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53 - 1:
        return str(value)
    if isinstance(value, str):
        # A lone surrogate has no canonical form.
        return value[:_LONGEST].encode("utf-8", "replace").decode()
    return value if isinstance(value, bool | int) or value is None else str(value)
