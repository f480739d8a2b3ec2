"""What people write beside a change. The text is a payload of the change, sealed with its key and destroyed with it; the ledger has
who, when and the digest."""

import re
from collections.abc import Sequence

import msgspec

from interlock.model.change import Comment
from interlock.model.errors import NotFound, Rejected
from interlock.pipeline.recorded.records import CONTENT, found
from interlock.sdk.ports import ReadTx, Tx

LONGEST = 4000
"""Most characters of one comment."""

MOST = 200
"""Most comments on one change."""

_PREFIX = "comment/"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def comment(tx: Tx, change_id: str, by: str, text: str) -> Comment:
    """Add a comment. Raises NotFound, and Rejected when it is empty or too long, or the change's contents are destroyed."""
    change, clean = found(tx, change_id), _CONTROL.sub("", text).strip()
    if not clean or len(clean) > LONGEST:
        raise Rejected(f"a comment has from 1 to {LONGEST} characters")
    number = len(tx.payload_parts(change.id, _PREFIX))
    if number >= MOST:
        raise Rejected(f"{change.id} has {MOST} comments already")
    if not _has_contents(tx, change.id):
        raise Rejected(f"the contents of {change.id} are destroyed: nothing is written beside it any more")
    made, name = Comment(by, tx.now(), clean), f"{_PREFIX}{number:05d}"
    digest = tx.put_payload(change.id, name, msgspec.json.encode(made))
    tx.append("comment", {"change": change.id, "by": by, "payloads": {name: digest}})
    return made


def comments(tx: ReadTx, change_id: str) -> Sequence[Comment]:
    """The comments on a change, oldest first; none any more when its contents are destroyed."""
    names = tx.payload_parts(change_id, _PREFIX)
    return [msgspec.json.decode(tx.payload(change_id, name), type=Comment) for name in names]


def _has_contents(tx: ReadTx, change_id: str) -> bool:
    try:
        tx.payload(change_id, CONTENT)
    except NotFound:
        return False
    return True
