"""Headers that are members of the model."""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Any

from interlock.connectors.aws.codec.bodies import scalars
from interlock.connectors.aws.codec.bodies.json_text import read_json
from interlock.connectors.aws.codec.model import Member, Model, Shape
from interlock.connectors.aws.codec.request import Unclear, shown

_ITEM = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*+)"|([^",]*+))\s*(?:,|$)')
_DATE_ITEM = re.compile(r"\s*([A-Za-z]{3}, [^,]+?)\s*(?:,|$)")


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


def read_prefixed(ref: Member, headers: Mapping[str, str]) -> dict[str, Any]:
    """The member that holds all headers with a prefix, by the rest of their names."""
    prefix = ref.wire.lower()
    found = {name[len(prefix) :]: value for name, value in headers.items() if name.startswith(prefix)}
    if any("\0" in value for value in found.values()):
        raise Unclear(f"a header stands twice: {shown(prefix)}")
    return {ref.name: found} if found else {}


_EVERYWHERE = (
    "x-amz-checksum-",
    "x-amz-sdk-",
    "x-amz-expected-bucket-owner",
    "x-amz-request-payer",
    "x-amz-trailer",
)
"""Headers that SDKs send with any operation, whether the model has them or not."""


def check_strangers(model: Model, shape: Shape, headers: Mapping[str, str]) -> None:
    """Refuse a header that means something to another operation of the service and nothing to this one (`x-amz-copy-source`)."""
    known: frozenset[str] | None = model.kept.get("headers")
    if known is None:
        known = frozenset(name for each in model.shapes for name in _names(each))
        model.kept["headers"] = known
    strangers = known.intersection(headers)
    for name in strangers.difference(_names(shape)) if strangers else ():
        raise Unclear(f"the operation knows no header {shown(name)}")


def _names(shape: Shape) -> Iterable[str]:
    for each in shape.members:
        name = each.label.lower()
        if each.location == "header" and name.startswith("x-amz-") and not name.startswith(_EVERYWHERE):
            yield name


def _without_chunks(value: str) -> str:
    """`aws-chunked` says how the body is sent, not what it is (Amazon S3 API Reference, "Signature calculations: streaming")."""
    return ",".join(
        each for each in (part.strip() for part in value.split(",")) if each.lower() != "aws-chunked"
    )


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
