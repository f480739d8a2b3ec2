"""Labels: the parts of a path that are parameters."""

from typing import Any

from interlock.connectors.aws.codec.bodies import scalars
from interlock.connectors.aws.codec.model import Member, Model
from interlock.connectors.aws.codec.percent import decoded
from interlock.connectors.aws.codec.request import Unclear, shown


def read_label(model: Model, ref: Member, value: str) -> Any:
    """A label's value. Segments that servers resolve (`.` and `..`) are refused, except in S3 keys, where they are text."""
    plain = decoded(value)
    key = model.name == "s3" and ref.name == "Key"
    if not key and _moves(plain):
        raise Unclear(f"{shown(ref.label)} holds a segment that leads elsewhere")
    return scalars.scalar(model.shape(ref).type, plain, ref.timestamp or "iso8601")


def _moves(plain: str) -> bool:
    if any(part in (".", "..") for part in plain.replace("\\", "/").split("/")):
        return True
    low = plain.lower()
    return "\0" in plain or "%2f" in low or "%2e" in low or "%5c" in low
