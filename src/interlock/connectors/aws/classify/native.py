"""A call as text for people and for the record: canonical JSON, secrets masked.

What is masked is not in the digest of this text either: who binds an approval to a call must digest the parameters themselves
(`session.record`).
"""

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

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


Hidden = tuple[tuple[str, ...], Any]
"""The way to a value that is masked, and the value."""


def native(call: Call) -> str:
    """The canonical JSON of a call."""
    shown = {
        "service": call.service,
        "operation": call.operation,
        "region": call.region,
        "parameters": parameters(call),
    }
    return canonical(shown).decode()


def parameters(call: Call) -> dict[str, Any]:
    """The parameters for people, as JSON builtins: secrets are masked."""
    walk = _Walk(call, _scalar)
    return {name: walk.top(name, value) for name, value in call.parameters.items()}


class Parted(NamedTuple):
    """A call's parameters as they are, but for what people are not shown: a mask stands in its place. `secrets` and `data` (rows,
    messages) are what was there."""

    parameters: dict[str, Any]
    secrets: tuple[Hidden, ...]
    data: tuple[Hidden, ...]


def parted(call: Call) -> Parted:
    """The parameters, and what is hidden of them. What is masked already is found in the same places: names decide, not values."""
    walk = _Walk(call, lambda value: value)
    shown = {name: walk.top(name, value) for name, value in call.parameters.items()}
    return Parted(shown, tuple(walk.secrets), tuple(walk.data))


class _Walk:
    """Goes through a call's parameters. `leaf` makes what is shown of a value that is none of structure, map and list."""

    def __init__(self, call: Call, leaf: Callable[[Any], Any]) -> None:
        self._call, self._leaf = call, leaf
        self._hide = _secret_parameter(call)
        self.secrets: list[Hidden] = []
        self.data: list[Hidden] = []

    def top(self, name: str, value: Any) -> Any:
        return self._member(name, value, (name,), hide=False)

    def _shown(self, value: Any, at: tuple[str, ...], name: str, *, item: bool = False) -> Any:
        if isinstance(value, Mapping):
            pair = _labels_secret(value)
            masked = pair or bool(_VALUES.match(_plain(name)))
            # Variables are a map from any names, `Key` among them, or a list of pairs of a name and a value.
            labels = _LABELS if pair or item else frozenset[str]()
            shown = {}
            for k, v in value.items():
                hide = masked and _plain(str(k)) not in labels and not isinstance(v, Mapping)
                shown[str(k)] = self._member(str(k), v, (*at, str(k)), hide=hide)
            return shown
        if isinstance(value, list | tuple):
            return [self._shown(each, (*at, str(n)), name, item=True) for n, each in enumerate(value)]
        return self._leaf(value)

    def _member(self, name: str, value: Any, at: tuple[str, ...], *, hide: bool) -> Any:
        if isinstance(value, bool):
            return value
        if hide or name in self._hide or _is_secret(name):
            self.secrets.append((at, value))
            return MASK
        if (self._call.service, name) in _DATA:
            return self._outline(value, at)
        return self._shown(value, at, name)

    def _outline(self, value: Any, at: tuple[str, ...]) -> Any:
        """Data (rows, messages): their names and form, not their values."""
        if isinstance(value, Mapping):
            self.data += [((*at, str(k)), v) for k, v in value.items()]
            return dict.fromkeys(map(str, value), MASK)
        if isinstance(value, list | tuple):
            return [self._outline(item, (*at, str(n))) for n, item in enumerate(value)]
        self.data.append((at, value))
        return MASK


def _secret_parameter(call: Call) -> frozenset[str]:
    """Members of this call that are secret although their names don't say so."""
    if call.name == "ssm:PutParameter" and call.parameters.get("Type") != "String":
        return frozenset(("Value",))
    if call.service == "secretsmanager":
        return frozenset(("SecretString", "SecretBinary"))
    return frozenset()


def _labels_secret(pair: Mapping[str, Any]) -> bool:
    """Whether it is a name and a value, and the name is that of a secret (parameters of stacks, variables, options)."""
    label = next((v for k, v in pair.items() if _plain(str(k)) in _LABELS and isinstance(v, str)), "")
    return len(pair) <= 4 and bool(_LABEL.search(_plain(label)))


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
