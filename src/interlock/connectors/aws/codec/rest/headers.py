"""Headers that are members of the model."""

import base64
import binascii
import re
from typing import Any

from interlock.connectors.aws.codec.bodies import scalars
from interlock.connectors.aws.codec.bodies.json_text import read_json
from interlock.connectors.aws.codec.model import Member, Model
from interlock.connectors.aws.codec.request import Unclear, shown

_ITEM = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*+)"|([^",]*+))\s*(?:,|$)')
_DATE_ITEM = re.compile(r"\s*([A-Za-z]{3}, [^,]+?)\s*(?:,|$)")


def single(headers: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """The headers by name; what stands several times is joined by NUL, which no header holds, so that only a member that is read
    from it refuses it."""
    found: dict[str, str] = {}
    for name, value in headers:
        found[name] = f"{found[name]}\0{value}" if name in found else value
    return found


def read_header(model: Model, ref: Member, value: str) -> dict[str, Any]:
    """The member and its value; nothing when the header is empty and its type isn't text."""
    shape = model.shape(ref)
    if "\0" in value and shape.type != "list":
        raise Unclear(f"a header stands twice: {shown(ref.label)}")
    if ref.label.lower() == "content-encoding":
        value = _without_chunks(value)
        if not value:
            return {}
    if shape.type == "list":
        return {ref.name: _items(model, ref, value.replace("\0", ","))}
    if ref.jsonvalue:
        return {ref.name: read_json(_json_value(value))}
    return {ref.name: scalars.scalar(shape.type, value.strip(" \t"), ref.timestamp or "rfc822")}


def _without_chunks(value: str) -> str:
    """`aws-chunked` says how the body is sent, not what it is (Amazon S3 API Reference, "Signature calculations: streaming")."""
    return ",".join(each for each in (part.strip() for part in value.split(",")) if each.lower() != "aws-chunked")


def _json_value(value: str) -> bytes:
    try:
        return base64.b64decode(value.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise Unclear("a header is not base64") from None


def _items(model: Model, ref: Member, value: str) -> list[Any]:
    item = model.shape(ref).item
    assert item is not None
    kind, form = model.shape(item).type, item.timestamp or "rfc822"
    pattern = _DATE_ITEM if (kind, form) == ("timestamp", "rfc822") else _ITEM
    return [scalars.scalar(kind, each, form) for each in _split(pattern, value)]


def _split(pattern: re.Pattern[str], value: str) -> list[str]:
    items, at = [], 0
    while at < len(value):
        found = pattern.match(value, at)
        if found is None or found.end() == at:
            raise Unclear("a header is not a list")
        items.append(_item(found))
        at = found.end()
    return items


def _item(found: re.Match[str]) -> str:
    quoted, *plain = found.groups()
    if plain and quoted is None:
        return str(plain[0]).strip()
    return re.sub(r"\\(.)", r"\1", quoted) if plain else str(quoted)
