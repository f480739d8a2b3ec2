"""JSON without what readers disagree about: no name twice, no NaN, no half characters, no endless depth (RFC 8259)."""

import json
import re
from typing import Any

from interlock.connectors.aws.codec.request import Unclear

DEEPEST = 100
_NESTING = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unclear("a name stands twice in a JSON object")
    return found


def _constant(_: str) -> Any:
    raise Unclear("NaN and infinities are not JSON")


def _whole(digits: str) -> int:
    if len(digits) > 400:
        raise Unclear("a number is too long")
    return int(digits)


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_int=_whole, strict=True)


def read_json(data: bytes) -> Any:
    """The value in `data`; Unclear when it isn't exactly one."""
    _check_depth(data)
    try:
        value = _DECODER.decode(data.decode())
        if b"\\u" in data:
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except UnicodeDecodeError:
        raise Unclear("the body is not UTF-8") from None
    except UnicodeEncodeError:
        raise Unclear("a text holds half of a surrogate pair") from None
    except json.JSONDecodeError:
        raise Unclear("the body is not JSON") from None


def _check_depth(data: bytes) -> None:
    depth = 0
    if data.count(b"[") + data.count(b"{") <= DEEPEST:
        return
    for found in _NESTING.finditer(data):
        first = found[0][:1]
        depth += 1 if first in b"[{" else -1 if first in b"]}" else 0
        if depth > DEEPEST:
            raise Unclear("the body is nested too deeply")
